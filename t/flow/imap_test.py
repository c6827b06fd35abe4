# SPDX-License-Identifier: ISC
"""IMAP through every process of an instance: login, two clients in IDLE, hostile mail, limits, the log."""
import os
import random
import re
import select
import socket
import ssl
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PASSWORD, tls, wait_until   # noqa: E402
from tap import case, done, ok                               # noqa: E402


class Client:
    """A bare IMAP client: lines in, lines out."""

    def __init__(self, i, user='alice'):
        self.s = tls().wrap_socket(socket.create_connection(('127.0.0.1', i.port + 993), timeout=30))
        self.buf = b''
        self.line()
        self.cmd('LOGIN %s %s' % (user, PASSWORD[user]))

    def line(self, seconds=30):
        end = time.time() + seconds
        while b'\n' not in self.buf:
            if self.s.pending() == 0 and not select.select([self.s], [], [], max(0, end - time.time()))[0]:
                return None
            try:
                more = self.s.recv(65536)
            except (ConnectionResetError, ssl.SSLError):
                more = b''
            if not more:
                return None
            self.buf += more
        line, self.buf = self.buf.split(b'\n', 1)
        return line.rstrip(b'\r')

    def send(self, data):
        self.s.sendall(data)

    def cmd(self, text, tag='t'):
        self.send(('%s %s\r\n' % (tag, text)).encode())
        lines = []
        while True:
            line = self.line()
            if line is None:
                return lines + [b'(no answer)']
            lines.append(line)
            if line.startswith(tag.encode() + b' '):
                return lines

    def until(self, pattern, seconds=10):
        end = time.time() + seconds
        while time.time() < end:
            line = self.line(end - time.time())
            if line is None:
                return None
            if re.search(pattern, line):
                return line
        return None


def put_mail(i, user, name, data):
    """As another program would: written in tmp, renamed into new."""
    tmp = '%s/tmp/%s' % (i.maildir(user), name)
    with open(tmp, 'wb') as f:
        f.write(data)
    os.rename(tmp, '%s/new/%s' % (i.maildir(user), name))


def idle_clients(i):
    a, b = Client(i), Client(i)
    a.cmd('SELECT INBOX')
    b.cmd('SELECT INBOX')
    for c in (a, b):
        c.send(b'i IDLE\r\n')
        c.until(rb'^\+ idling')
    times = []
    for k in range(10):
        start = time.time()
        put_mail(i, 'alice', '%d.M%dP1.h' % (start, k), b'Subject: %d\n\nx\n' % k)
        seen = a.until(rb'EXISTS', 5)
        times.append(time.time() - start)
        ok(seen and b.until(rb'EXISTS', 5), 'both clients hear of mail %d' % (k + 1)) if k == 0 else None
        time.sleep(0.05)
    ok(sorted(times)[2] < 1, 'IDLE tells of new mail by notice, not by the 2 s look', times)
    a.send(b'DONE\r\n')
    a.until(rb'^i OK')
    start = time.time()
    a.cmd('STORE 1 +FLAGS.SILENT (\\Flagged)')
    line = b.until(rb'FETCH .*\\Flagged', 5)
    ok(line and time.time() - start <= 0.1, "the other client's IDLE shows a flag at once", line)
    a.cmd('STORE 2 +FLAGS.SILENT (\\Deleted)')
    a.cmd('EXPUNGE')
    ok(b.until(rb'^\* 2 EXPUNGE', 5), "the other client's IDLE shows an expunge")
    a.cmd('LOGOUT')
    b.send(b'DONE\r\n')
    ok(b.until(rb'^i OK Idle completed'), 'DONE ends IDLE')


def nest(n):
    return b''.join(b'Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n' % (k, k) for k in range(n))


HEAD = b'From: a@b\nSubject: bomb\n'
BOMBS = {
    'many To fields': HEAD + b'To: a@b\n' * 100000 + b'\nx\n',
    'one huge header': HEAD + b'X-Big: ' + b'y' * 5000000 + b'\n\nx\n',
    'a header folded very often': HEAD + b'To: a@b' + b',\n c@d' * 100000 + b'\n\nx\n',
    'nested multiparts': HEAD + nest(5000) + b'x',
    'very many parts': HEAD + b'Content-Type: multipart/mixed; boundary=b\n\n' + b'--b\n\nx\n' * 50000 + b'--b--\n',
    'nested messages': HEAD + b'Content-Type: message/rfc822\n\n' * 5000 + b'x\n',
    'very many parameters': HEAD + b'Content-Type: text/plain' + b';\n f=x' * 50000 + b'\n\nx\n',
    'a boundary too long': HEAD + b'Content-Type: multipart/mixed; boundary="' + b'b' * 2000 + b'"\n\n' + (b'--' + b'b' * 1999 + b'\n') * 1000,
    'very many encoded words': HEAD + b'Subject: ' + b'=?utf-8?q?a?=\n ' * 100000 + b'\n\nx\n',
    'base64 with a digit per line': HEAD + b'Content-Transfer-Encoding: base64\n\n' + b'Y\n' * 1000000,
    'NULs only': HEAD + b'\n' + b'\0' * 3000000,
    'one line': HEAD + b'\n' + b'z' * 5000000,
    'open parentheses': HEAD + b'To: ' + b'(' * 3000000 + b'\n\nx\n',
    'empty groups': HEAD + b'To: ' + b'a:;,' * 500000 + b'\n\nx\n',
    'lines like boundaries': HEAD + nest(99) + b'--bx\n' * 500000,
}


def session_of(i, c):
    """Process of that client's session: the one that the login line names, once that line is there; 0 before."""
    pid = re.findall(r'mpid=(\d+)', i.log())[-1]
    return int(pid) if os.path.exists('/proc/%s/stat' % pid) else 0


def cpu(pid):
    with open('/proc/%d/stat' % pid) as f:
        p = f.read().rsplit(')', 1)[1].split()
    return (int(p[11]) + int(p[12])) / 100


def hostile_mail(i, slow):
    for k, (name, data) in enumerate(BOMBS.items()):
        put_mail(i, 'bob', '17%08d.M%dP1.h' % (k, k), data)
    c = Client(i, 'bob')
    pid = wait_until(lambda: session_of(i, c))
    c.cmd('SELECT INBOX')
    for k, (name, data) in enumerate(BOMBS.items()):
        before = cpu(pid)
        lines = c.cmd('FETCH %d (ENVELOPE BODYSTRUCTURE)' % (k + 1)) + c.cmd('FETCH %d BODY.PEEK[1.1.1.1]' % (k + 1)) + \
            c.cmd('SEARCH %d TEXT nosuchword' % (k + 1))
        spent = cpu(pid) - before
        good = sum(x.startswith(b't OK') for x in lines) == 3
        ok(good and spent <= (10 if slow else 2), 'a mail with %s is served in time' % name, '%.2fs %r' % (spent, lines[-1][:200]))
    status = open('/proc/%d/status' % pid).read()
    if not slow:
        ok(int(re.search(r'VmHWM:\s+(\d+)', status).group(1)) < 64 << 10, 'in less than 64 MiB', status)
    m = i.imap('bob')
    m.select()
    exact = [name for k, (name, data) in enumerate(BOMBS.items())
             if m.fetch(str(k + 1), '(BODY.PEEK[])')[1][0][1] != data.replace(b'\n', b'\r\n').replace(b'\0', b'\x80')]
    ok(not exact, 'and every one of them comes back byte for byte', exact)
    m.logout()


def limits(i):
    c = Client(i)
    c.send(b'a NOOP ' + b'x' * 200000 + b'\r\n')
    ok(c.until(rb'^(a BAD|\* BYE)'), 'a line without end is refused')
    c = Client(i)
    c.send(b'a APPEND INBOX {99999999999}\r\n')
    ok(c.until(rb'^a NO \[TOOBIG\]'), 'an oversized APPEND is refused before its literal')
    c.send(b'b APPEND INBOX {99999999999+}\r\n')
    ok(c.until(rb'^\* BYE'), 'one that does not wait ends the session')
    c = Client(i)
    c.send(b'a APPEND INBOX {1000}\r\n')
    c.until(rb'^\+')
    c.send(b'half of it')
    before = len(i.files('alice'))
    c.s.close()
    time.sleep(0.5)
    ok(len(i.files('alice')) == before, 'a broken APPEND leaves no message')
    c = Client(i)
    c.send(b'a SEARCH ' + b'(' * 50000 + b'\r\n')
    ok(c.until(rb'^a BAD'), 'a search nested too deeply is refused')
    c.send(b''.join(b'%d FOO\r\n' % k for k in range(25)))
    ok(c.until(rb'^\* BYE Too many invalid IMAP commands'), 'a client that sends junk is sent away')


# The state model: command -> (legal states, reply class when legal, state afterwards or None = the same).
BOTH, SELECTED = ('auth', 'selected', 'examined'), ('selected', 'examined')
MODEL = {
    'NOOP': (BOTH, 'OK', None), 'CAPABILITY': (BOTH, 'OK', None), 'NAMESPACE': (BOTH, 'OK', None), 'ID NIL': (BOTH, 'OK', None),
    'LIST "" *': (BOTH, 'OK', None), 'STATUS INBOX (MESSAGES)': (BOTH, 'OK', None), 'STATUS nosuch (MESSAGES)': (BOTH, 'NO', None),
    'SELECT INBOX': (BOTH, 'OK', 'selected'), 'EXAMINE INBOX': (BOTH, 'OK', 'examined'), 'SELECT nosuch': (BOTH, 'NO', 'auth'),
    'SELECT': (BOTH, 'BAD', 'auth'), 'CLOSE': (SELECTED, 'OK', 'auth'), 'UNSELECT': (SELECTED, 'OK', 'auth'),
    'CHECK': (SELECTED, 'OK', None), 'UID FETCH 1:* FLAGS': (SELECTED, 'OK', None), 'FETCH 99999 FLAGS': (SELECTED, 'BAD', None),
    'SEARCH ALL': (SELECTED, 'OK', None), 'UID STORE 1:* +FLAGS (\\Seen)': (('selected',), 'OK', None),
    'EXPUNGE': (('selected',), 'OK', None), 'LOGIN a b': (BOTH, 'BAD', None), 'FOO': (BOTH, 'BAD', None), 'UID NOOP': (BOTH, 'BAD', None),
    'IDLE x': (BOTH, 'BAD', None), 'SEARCH (': (SELECTED, 'BAD', None), 'SEARCH 99999': (SELECTED, 'OK', None), 'SEARCH 1:*': (SELECTED, 'OK', None),
    'UID COPY 99999 INBOX': (SELECTED, 'OK', None),
    'APPEND INBOX': (BOTH, 'BAD', None), 'ENABLE X': (BOTH, 'OK', None), 'COPY 99999 INBOX': (SELECTED, 'BAD', None),
}


def walk(i, steps):
    chooser = random.Random(7)
    c, state, wrong, bads = Client(i), 'auth', [], 0
    for step in range(steps):
        text = chooser.choice(list(MODEL)) if bads < 15 else 'NOOP'
        legal, want, after = MODEL[text]
        tag = 's%d' % step
        lines = c.cmd(text, tag)
        got = lines[-1].split()[1].decode() if lines[-1].startswith(tag.encode()) else 'nothing'
        if state not in legal:
            want, after = ('NO' if state == 'examined' else 'BAD'), None
        state = after or state
        bads = bads + 1 if got == 'BAD' else 0
        if got != want or sum(x.startswith(tag.encode() + b' ') for x in lines) != 1:
            wrong.append((step, state, text, want, lines[-1]))
    ok(not wrong, '%d random commands are answered as the state model says' % steps, wrong[:3])
    c.cmd('LOGOUT')


def the_log(i):
    c = Client(i)
    c.cmd('LOGOUT')
    ok(i.wait_log(r'dovecot.*: imap\(alice\)<\d+><[^>]+>: Disconnected: Logged out in=\d+ out=\d+ deleted=\d+ expunged=\d+ trashed=\d+ '
                  r'hdr_count=\d+ hdr_bytes=\d+ body_count=\d+ body_bytes=\d+$'), 'the end of a session is logged as Dovecot does')


def after_login(i):
    c = Client(i)
    for verb in ('LOGIN a b', 'AUTHENTICATE PLAIN', 'STARTTLS'):
        ok(c.cmd(verb)[-1].startswith(b't BAD'), '%s is refused after login' % verb.split()[0])
    ok(b'IMAP4rev1' in c.cmd('CAPABILITY')[0], 'and the session goes on')


with Instance() as inst:
    inst.imap('alice').logout()     # makes the mailboxes
    inst.imap('bob').logout()
    slow_build = 'dev' in inst.build
    case('after login', lambda: after_login(inst))
    case('idle', lambda: idle_clients(inst))
    case('hostile mail', lambda: hostile_mail(inst, slow_build))
    case('limits', lambda: limits(inst))
    case('walk', lambda: walk(inst, 300 if slow_build else 3000))
    case('log', lambda: the_log(inst))
done()
