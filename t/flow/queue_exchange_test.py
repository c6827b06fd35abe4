# SPDX-License-Identifier: ISC
"""A queue changes hands: what Debian's Postfix left (deferred, held, partly delivered, over 64 KiB) is taken over by Postern, and what
Postern left after a stop by Postfix: nothing lost, nothing doubled. Needs root."""
import glob
import os
import re
import shutil
import smtplib
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
import peer                                                     # noqa: E402
from instance import Instance, message, wait_until               # noqa: E402
from tap import case, done, ok                                  # noqa: E402


class Sink(threading.Thread):
    """A next hop: refuses every recipient for the moment while .closed, takes those of .taken always."""

    def __init__(self, port, taken=()):
        super().__init__(daemon=True)
        self.closed, self.taken, self.got = True, taken, []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('127.0.0.1', port))
        self.listener.listen(64)
        self.start()

    def run(self):
        while True:
            c, _ = self.listener.accept()
            threading.Thread(target=self.session, args=(c,), daemon=True).start()

    def session(self, c):
        f = c.makefile('rwb')

        def say(text):
            f.write(text + b'\r\n')
            f.flush()
        say(b'220 sink ESMTP')
        rcpts = []
        for line in f:
            verb = line[:4].upper()
            if verb == b'RCPT':
                rcpt = line.split(b':', 1)[1].strip().split(b' ')[0].decode()
                if self.closed and rcpt not in self.taken:
                    say(b'450 4.2.0 not now')
                else:
                    rcpts.append(rcpt)
                    say(b'250 2.1.5 Ok')
            elif verb == b'DATA':
                if not rcpts:
                    say(b'554 5.5.1 no valid recipients')
                    continue
                say(b'354 go')
                body = b''
                for text in f:
                    if text == b'.\r\n':
                        break
                    body += text
                subject = re.search(rb'^Subject: (\S+)', body, re.M).group(1).decode()
                self.got += [(subject, r, len(body)) for r in rcpts]
                rcpts = []
                say(b'250 2.0.0 Ok: queued as SINK')
            elif verb == b'QUIT':
                say(b'221 bye')
                break
            else:
                rcpts = [] if verb in (b'MAIL', b'RSET', b'EHLO') else rcpts
                say(b'250 Ok')
        c.close()


def send_four(port, prefix):
    big = 'y' * 70 + '\r\n'
    s = smtplib.SMTP('127.0.0.1', port, timeout=30)
    s.sendmail('s@sender.test', ['a@sink.test'], message(prefix + '-small'))
    s.sendmail('s@sender.test', ['a@sink.test'], message(prefix + '-large', big * 3000))
    s.sendmail('s@sender.test', ['taken@sink.test', 'b@sink.test', 'c@sink.test'], message(prefix + '-partly'))
    s.sendmail('s@sender.test', ['a@sink.test'], message(prefix + '-held'))
    s.quit()


def expected(prefix):
    return sorted([(prefix + '-small', '<a@sink.test>'), (prefix + '-large', '<a@sink.test>'), (prefix + '-partly', '<taken@sink.test>'),
                   (prefix + '-partly', '<b@sink.test>'), (prefix + '-partly', '<c@sink.test>'), (prefix + '-held', '<a@sink.test>')])


def got(sink, prefix):
    return sorted((s, r) for s, r, _ in sink.got if s.startswith(prefix))


def hold(listing, tool, subject_id):
    tool('postsuper', '-h', subject_id)


def queue_id(log, nth):
    return re.findall(r'(\w+): from=<s@sender.test>', log)[nth]


def from_postfix(i, p, sink):
    """Postfix defers four, holds one, stops; its directories become Postern's."""
    send_four(p.port, 'pf')
    ok(wait_until(lambda: len(re.findall('status=deferred', p.log())) >= 5, 40), 'Postfix has deferred its mail', p.log()[-2000:])
    ids = list(dict.fromkeys(re.findall(r'(\w+): from=<s@sender.test>', p.log())))
    p.tool('postsuper', '-h', ids[3])
    p.stop()
    i.stop()
    move(p.root.path + '/var/spool/postfix', i.spool(), os.stat(i.spool()))
    sink.closed = False
    i.start()
    listing = i.tool('postqueue', '-p').stdout
    ok(ids[3] + '!' in listing, 'the held message is held still', listing)
    i.tool('postqueue', '-f')
    wait_until(lambda: len(got(sink, 'pf')) >= 5, 40)
    i.tool('postsuper', '-H', ids[3])
    i.tool('postqueue', '-f')
    wait_until(lambda: len(got(sink, 'pf')) >= 6, 40)
    ok(got(sink, 'pf') == expected('pf'), "Postern delivers Postfix's queue: nothing lost, nothing doubled", '%s\n%s' % (got(sink, 'pf'), i.log()[-3000:]))
    ok(any(s == 'pf-large' and n > 200000 for s, _, n in sink.got), 'the large message is whole')


def to_postfix(i, p, sink):
    sink.closed = True
    send_four(i.port + 25, 'po')
    ok(wait_until(lambda: len(re.findall(r'to=<.@sink.test>.*status=deferred', i.log())) >= 5, 40), 'Postern has deferred its mail', i.log()[-2000:])
    listing = i.tool('postqueue', '-j').stdout
    held = next(x for x in listing.splitlines() if '"sender": "s@sender.test"' in x)
    ids = re.findall(r'"queue_id": ?"(\w+)"', listing)
    i.tool('postsuper', '-h', ids[-1])
    i.stop()
    files = glob.glob(i.spool() + '/deferred/*/*') + glob.glob(i.spool() + '/deferred/*') + glob.glob(i.spool() + '/hold/*')
    ok(len([f for f in files if os.path.isfile(f)]) == 4, 'after the stop all mail is in ordinary queue files', files)
    shown = p.root.run(['/usr/sbin/postcat', '-v', '/dev/stdin'], check=False, input=open(next(f for f in files if os.path.isfile(f)), 'rb').read(),
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    ok(b'MESSAGE FILE END' in shown or b'sender' in shown, "Postfix's postcat reads one", shown[-500:])
    # The queue, not the sockets that stand beside it.
    shutil.copytree(i.spool(), '/tmp/postern-exchange', dirs_exist_ok=True, ignore=shutil.ignore_patterns('private', 'public', 'pid'))
    move('/tmp/postern-exchange', p.root.path + '/var/spool/postfix', None)
    shutil.rmtree('/tmp/postern-exchange', ignore_errors=True)
    sink.closed = False
    p.start()
    p.tool('postqueue', '-f')
    p.tool('postsuper', '-H', 'ALL')
    wait_until(lambda: p.tool('postqueue', '-f') is None or len(got(sink, 'po')) >= 6, 60, 1)
    ok(got(sink, 'po') == expected('po'), "Postfix delivers Postern's queue: nothing lost, nothing doubled", '%s\n%s' % (got(sink, 'po'), p.log()[-3000:]))
    del held


def move(source, target, owner):
    for queue in ('incoming', 'active', 'deferred', 'hold', 'defer', 'bounce'):
        for base, _, files in os.walk('%s/%s' % (source, queue)):
            inside = os.path.relpath(base, source)
            for name in files:
                os.makedirs('%s/%s' % (target, inside), exist_ok=True)
                to = '%s/%s/%s' % (target, inside, name)
                shutil.move('%s/%s' % (base, name), to)
                uid, gid = (owner.st_uid, owner.st_gid) if owner else (901, 901)
                os.chown(to, uid, gid)
                os.chown(os.path.dirname(to), uid, gid)


def run():
    base = int(os.environ.get('POSTERN_PORT', '21000')) + 1300
    sink = Sink(base + 1, taken=('<taken@sink.test>',))
    routing = 'transport_maps = inline:{ sink.test=smtp:[127.0.0.1]:%d }\nminimal_backoff_time = 300s\n' % (base + 1)
    p = peer.Postfix(base, main=routing + 'relay_domains = sink.test\nrelay_recipient_maps =\n')
    try:
        with Instance(main=routing + 'relay_domains = sink.test\n') as i:
            case('from Postfix: no exception', lambda: from_postfix(i, p, sink))
            case('to Postfix: no exception', lambda: to_postfix(i, p, sink))
    finally:
        p.close()


run()
done()
