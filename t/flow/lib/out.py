# SPDX-License-Identifier: ISC
"""out.py - deliver-out between a played qmgr, the real resolver, and servers with a script."""
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import atexit

import ipc
from ipc import Daemon
from qrec import content

SENT, DEFERRED, BOUNCED = 1, 2, 3
build = os.environ.get('POSTERN_TEST_BUILD')


class Sink:
    """An SMTP server with a script: verb -> reply, or a function (sink, line) -> reply."""

    def __init__(self, ehlo=('PIPELINING', 'SIZE 100000', '8BITMIME', 'DSN', 'ENHANCEDSTATUSCODES'), tls=None, greeting='220 sink ESMTP', lmtp=False, wrapper=False, host='127.0.0.1', **replies):
        self.wrapper = wrapper
        self.ehlo, self.tls, self.greeting, self.replies, self.lmtp = list(ehlo), tls, greeting, replies, lmtp
        self.commands, self.messages, self.clients, self.connections = [], [], [], 0
        self.listen(host)

    def listen(self, host):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, 0))
        self.listener.listen(50)
        self.port = self.listener.getsockname()[1]
        self.nexthop = '[127.0.0.1]:%d' % self.port
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            c, client = self.listener.accept()
            self.clients.append(client[0] if client else '')
            self.connections += 1
            threading.Thread(target=self.session, args=(c,), daemon=True).start()

    def session(self, c):
        try:
            self.talk(c)
        except (OSError, ValueError):
            pass
        c.close()

    def talk(self, c):
        state = {'sock': c, 'tls': False, 'rcpts': 0}

        def say(text):
            state['sock'].sendall((text + '\r\n').encode())
        if self.wrapper:
            c = state['sock'] = self.tls.wrap_socket(c, server_side=True)
            state['tls'] = True
        if self.greeting is None:
            return
        say(self.greeting)
        f = c.makefile('rb')
        while True:
            line = f.readline()
            if not line:
                return
            line = line.rstrip(b'\r\n').decode()
            self.commands.append(line)
            verb = line.split(' ')[0].split(':')[0].upper()
            reply = self.replies.get(verb)
            if callable(reply):
                reply = reply(line)
            if reply == 'CLOSE':
                return
            if reply == 'SILENT':
                time.sleep(5)
                return
            if verb in ('EHLO', 'LHLO') and reply is None:
                words = ['sink.example'] + [w for w in self.ehlo if not (state['tls'] and w == 'STARTTLS')]
                say('\r\n'.join('250%s%s' % ('-' if i < len(words) - 1 else ' ', w) for i, w in enumerate(words)))
            elif verb == 'STARTTLS' and reply is None:
                say('220 go')
                state['sock'] = self.tls.wrap_socket(c, server_side=True)
                state['tls'] = True
                f = state['sock'].makefile('rb')
            elif verb == 'AUTH' and reply is None:
                if line.upper() == 'AUTH LOGIN':
                    for prompt in ('VXNlcm5hbWU6', 'UGFzc3dvcmQ6'):
                        say('334 ' + prompt)
                        self.commands.append(f.readline().decode().strip())
                say('235 2.7.0 ok')
            elif verb == 'RCPT':
                reply = reply or '250 2.1.5 Ok'
                state['rcpts'] += reply[0] == '2'
                say(reply)
            elif verb == 'DATA':
                if (reply or '354')[0] != '3':
                    say(reply)
                    continue
                say(reply or '354 go ahead')
                data = b''
                while not data.endswith(b'\r\n.\r\n') and data != b'.\r\n':
                    piece = f.readline()
                    if not piece:
                        return
                    data += piece
                self.messages.append(data)
                end = self.replies.get('END', '250 2.0.0 Ok: queued as SINK%d' % len(self.messages))
                if callable(end):
                    end = end(state)
                if end == 'CLOSE':
                    return
                for i in range(state['rcpts'] if self.lmtp else 1):
                    say(end[i] if isinstance(end, list) else end)
                state['rcpts'] = 0
            elif verb == 'QUIT':
                say('221 2.0.0 bye')
                return
            else:
                say(reply or '250 2.0.0 Ok')


class Qmgr:
    def __init__(self, daemon):
        self.d, self.c, self.job = daemon, daemon.peer('qmgr'), 0

    def deliver(self, nexthop, rcpts=('bob@example.net',), transport='smtp', text=b'Subject: x\n\nhello\n', sender='alice@example.test', ack=True, wait=True, **more):
        self.job += 1
        now = int(time.time() * 1e6)
        fields = dict(job=self.job, queue_id='4Zabc%d' % self.job, transport=transport, nexthop=nexthop, sender=sender, arrival_us=now, active_us=now,
                      content_size=len(text), n_rcpt=len(rcpts), content=content(text))
        fields.update(more)
        self.c.send('DELIVER', **fields)
        for n, r in enumerate(rcpts):
            extra = r if isinstance(r, dict) else {'address': r}
            self.c.send('DELIVER_RCPT', job=self.job, n=n, **extra)
        return self.results(len(rcpts), ack) if wait else None

    def results(self, n, ack=True):
        out = {}
        while len(out) < n:
            _, m = self.c.recv(30)
            assert m[''] == 'RESULT', m
            out[m['n']] = m
            if ack:
                self.c.send('RESULT_ACK', job=m['job'], n=m['n'])
        return [out[k] for k in sorted(out)]


def brief(r):
    return r['outcome'], r['dsn'].decode(), r['text'].decode()


cert = tempfile.mkdtemp(prefix='postern-out.')
atexit.register(shutil.rmtree, cert, True)
subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', cert + '/key.pem', '-out', cert + '/cert.pem',
                '-days', '2', '-subj', '/CN=mail.tls.test', '-addext', 'subjectAltName=DNS:mail.tls.test'], check=True, stderr=subprocess.DEVNULL)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(cert + '/cert.pem', cert + '/key.pem')
with open(cert + '/passwords', 'w') as f:
    f.write('127.0.0.1 user:pass:word\n')
with open(cert + '/hosts', 'w') as f:
    f.write('127.0.0.1 mx.good.test mail.tls.test wrong.tls.test two.good.test\n127.0.0.2 down.good.test\n'
            'good.test MX 10 mx.good.test\nnull.test MX 0 .\nlater.test TEMP\ngone.test NXDOMAIN\nself.test MX 10 mail.example.test\n'
            'self.test MX 20 mx.good.test\n127.0.0.1 mail.example.test\nnomx.test A 127.0.0.1\nbackup.test MX 10 down.good.test\nbackup.test MX 20 two.good.test\n'
            'deadmx.test MX 10 gone.test\nempty.test TXT x\n')

MAIN = '''
smtp_connect_timeout = 3s
smtp_helo_timeout = 3s
smtp_mail_timeout = 3s
smtp_rcpt_timeout = 3s
smtp_data_init_timeout = 3s
smtp_data_done_timeout = 3s
smtp_tls_loglevel = 1
inet_protocols = ipv4
'''
MASTER = '''
smtp unix - - n - - smtp
relay unix - - n - - smtp -o syslog_name=postfix/$service_name
lmtp unix - - n - - lmtp
enc unix - - n - - smtp -o smtp_tls_security_level=encrypt
may unix - - n - - smtp -o smtp_tls_security_level=may
verify unix - - n - - smtp -o smtp_tls_security_level=verify -o smtp_tls_CAfile=%(c)s/cert.pem
auth unix - - n - - smtp -o smtp_sasl_auth_enable=yes -o smtp_sasl_password_maps=texthash:%(c)s/passwords -o smtp_sasl_security_options=noanonymous
authtls unix - - n - - smtp -o smtp_sasl_auth_enable=yes -o smtp_sasl_password_maps=texthash:%(c)s/passwords
xfwd unix - - n - - smtp -o smtp_send_xforward_command=yes
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
''' % {'c': cert}


class Out(Daemon):
    def __init__(self, main=MAIN, master=MASTER):
        super().__init__('deliver-out', 'out', main, service='out', build=build, files={'etc/master.cf': master})
        self.resolver = Daemon('resolver', 'resolver', 'postern_dns_hosts = %s/hosts\npostern_dns_server = 127.0.0.1:1' % cert, build=build)
        ours, theirs = socket.socketpair()
        for d, role, s in ((self, 'resolver', ours), (self.resolver, 'out', theirs)):
            d.master.send('PEER', role=ipc.role_number(role), service=role, generation=1, peer_id=99, channel=s.fileno())
            s.close()

    def stop(self):
        self.resolver.stop()
        super().stop()
