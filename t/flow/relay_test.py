# SPDX-License-Identifier: ISC
"""Never an open relay: each row of relay_rows.txt from four origins is refused at RCPT (or at MAIL), nothing enters the queue, and a
sink that stands for the world outside is never called."""
import os
import re
import smtplib
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, message, tls, wait_until     # noqa: E402
from tap import case, done, ok                              # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


class Sink:
    """Stands for every host outside: counts who calls."""

    def __init__(self, port):
        self.calls = 0
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(('127.0.0.1', port))
        self.socket.listen(16)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            self.calls += 1
            c.close()


class Wire:
    """Raw SMTP lines, so that nothing is corrected on the way."""

    def __init__(self, port, source, starttls=False, helo='client.outside.test'):
        family = socket.AF_INET6 if ':' in source else socket.AF_INET
        self.s = socket.socket(family)
        self.s.settimeout(20)
        self.s.bind((source, 0))
        self.s.connect(('::1' if family == socket.AF_INET6 else '127.0.0.1', port))
        self.f = self.s.makefile('rb')
        self.reply()
        self.ask(b'EHLO ' + helo.encode())
        if starttls:
            self.ask(b'STARTTLS')
            self.s = tls().wrap_socket(self.s)
            self.f = self.s.makefile('rb')
            self.ask(b'EHLO ' + helo.encode())

    def reply(self):
        while True:
            line = self.f.readline()
            if not line:
                return 0
            if line[3:4] != b'-':
                return int(line[:3])

    def ask(self, line):
        self.s.sendall(line + b'\r\n')
        return self.reply()

    def close(self):
        self.s.close()


def rows(hostname):
    for number, line in enumerate(open(HERE + '/relay_rows.txt', encoding='utf-8'), 1):
        line = line.rstrip('\n')
        if not line or line.startswith('#'):
            continue
        helo, sender, rcpt = [f.strip(' ') for f in line.replace('HOST', hostname).split(' | ')]
        yield number, line, helo or 'client.outside.test', as_bytes(sender), as_bytes(rcpt)


def as_bytes(text):
    return re.sub(rb'\\x([0-9a-f]{2})', lambda m: bytes([int(m.group(1), 16)]), text.encode())


def refused(connect, row):
    """Every recipient line of the row is answered 4xx or 5xx, or the connection is closed."""
    number, line, helo, sender, rcpts = row
    w = connect(helo)
    try:
        utf8 = b' SMTPUTF8' if any(c > 127 for c in rcpts) else b''
        code = w.ask(b'MAIL FROM:' + sender + utf8)
        codes = [w.ask(b'RCPT TO:' + r) for r in rcpts.split(b' ; ')] if code == 250 else [code]
        if codes[-1] not in (0,) and codes[-1] < 400:
            return 'row %d %r: %s' % (number, line, codes)
        return None
    except (ConnectionError, socket.timeout) as e:
        return None if isinstance(e, ConnectionError) else 'row %d: no answer' % number
    finally:
        w.close()


def proxy(port, target):
    """A TCP proxy on loopback that the server must not trust: it comes from 127.0.0.3."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('127.0.0.1', port))
    listener.listen(16)

    def pump(a, b):
        try:
            while True:
                data = a.recv(4096)
                if not data:
                    break
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def run():
        while True:
            try:
                c, _ = listener.accept()
            except OSError:
                return
            out = socket.socket()
            out.bind(('127.0.0.3', 0))
            out.connect(('127.0.0.1', target))
            for pair in ((c, out), (out, c)):
                threading.Thread(target=pump, args=pair, daemon=True).start()
    threading.Thread(target=run, daemon=True).start()


def run():
    port = int(os.environ.get('POSTERN_PORT', '21000'))
    sink = Sink(port + 1100)
    proxy(port + 1101, port + 25)

    def listen_v6(i):
        text = open(i.etc + '/master.cf').read()
        line = next(x for x in text.splitlines() if x.startswith('127.0.0.1:%d' % (port + 25)))
        i.append_master(line.replace('127.0.0.1:', '[::1]:'))

    with Instance(main='inet_interfaces = all\ninet_protocols = all\nmynetworks = 127.0.0.1/32\nrelayhost = [127.0.0.1]:%d\nsmtpd_hard_error_limit = 1000\nsmtpd_soft_error_limit = 1000\n'
                  % (port + 1100), edit=listen_v6, port=port) as i:
        hostname = i.postconf('myhostname')
        table = list(rows(hostname))
        origins = (
            ('outside, IPv4', lambda helo: Wire(port + 25, '127.0.0.2', helo=helo)),
            ('outside, IPv6', lambda helo: Wire(port + 25, '::1', helo=helo)),
            ('loopback through an untrusted proxy', lambda helo: Wire(port + 1101, '127.0.0.1', helo=helo)),
            ('submission without AUTH', lambda helo: Wire(port + 587, '127.0.0.1', starttls=True, helo=helo)),
        )
        ok(len(table) >= 85, 'the table has its rows', len(table))
        for name, connect in origins:
            wrong = [w for w in (refused(connect, row) for row in table) if w]
            ok(not wrong, '%s: every row is refused' % name, '\n'.join(wrong))
        ok(i.tool('postqueue', '-p').stdout.strip() == 'Mail queue is empty', 'nothing is in the queue', i.tool('postqueue', '-p').stdout)
        control(i, sink)
        emptied_restrictions(i, table, connect=origins[0][1])


def control(i, sink):
    ok(sink.calls == 0, 'the world outside was never called', sink.calls)
    s = smtplib.SMTP('127.0.0.1', i.port + 25, timeout=20, source_address=('127.0.0.2', 0))
    s.sendmail('x@outside.test', ['bob@example.test'], message('for our own domain'))
    s.quit()
    ok(i.wait_mail('bob', 'for our own domain'), 'control: mail for our own domain is taken')
    i.submit('alice', ['v@ext.test'], message('authenticated'))
    ok(wait_until(lambda: sink.calls > 0, 20), 'control: an authenticated user may send outside')


def emptied_restrictions(i, table, connect):
    i.stop()
    i.append_main('smtpd_relay_restrictions =\nsmtpd_recipient_restrictions =\nsmtpd_client_restrictions =\n')
    started = i.tool('postfix', 'start')
    if started.returncode != 0:
        ok('restrictions' in started.stdout + i.log(), 'without any restriction it refuses to start and says why', started.stdout)
        return
    i.running = True
    wrong = [w for w in (refused(connect, row) for row in table) if w]
    ok(not wrong, 'with all restrictions emptied every row is refused still', '\n'.join(wrong[:10]))


case('no exception', run)
done()
