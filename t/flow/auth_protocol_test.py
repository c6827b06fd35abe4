# SPDX-License-Identifier: ISC
"""authd on private/auth, byte by byte: what a Postfix or Exim next door sees."""
import base64
import os
import re
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PASSWORD, wait_until   # noqa: E402
from tap import case, done, ok                        # noqa: E402


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def plain(user, password):
    return b64('\0%s\0%s' % (user, password))


class Auth:
    """A client of the socket; lines without their LF."""

    def __init__(self, i, minor=0, handshake=True):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(20)
        self.s.connect(i.spool() + '/private/auth')
        self.f = self.s.makefile('rb')
        self.hello = []
        if handshake:
            while not self.hello or self.hello[-1] != 'DONE':
                self.hello.append(self.line())
            self.send('VERSION\t1\t%d\nCPID\t%d\n' % (minor, os.getpid()))

    def send(self, text):
        self.s.sendall(text.encode())

    def line(self):
        return self.f.readline().decode().rstrip('\n')

    def auth(self, number, resp=None, mech='PLAIN', rip='192.0.2.9', extra=''):
        self.send('AUTH\t%d\t%s\tservice=smtp\tnologin\tlip=127.0.0.1\trip=%s%s%s\n' % (
            number, mech, rip, extra, '' if resp is None else '\tresp=' + resp))

    def closed(self):
        try:
            return self.f.readline() == b''
        except ConnectionResetError:
            return True


def handshake(i):
    a = Auth(i)
    text = '\n'.join(a.hello)
    ok(re.fullmatch(r'VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t\d+\nCUID\t\d+\nCOOKIE\t[0-9a-f]{32}\nDONE', text),
       'the whole handshake comes at once, MECH before SPID', text)
    ok('EXTERNAL' not in text and '-PLUS' not in text and 'ANONYMOUS' not in text, 'nothing is offered that a neighbour must not use')


def accepting(i):
    a = Auth(i)
    a.auth(1, plain('alice', PASSWORD['alice']))
    ok(a.line() == 'OK\t1\tuser=alice', 'PLAIN with an initial response')
    a.auth(2)
    ok(a.line() == 'CONT\t2\t', 'PLAIN without: an empty challenge')
    a.send('CONT\t2\t%s\n' % plain('alice', PASSWORD['alice']))
    ok(a.line() == 'OK\t2\tuser=alice', '... then OK')
    a.auth(3, mech='LOGIN')
    ok(a.line() == 'CONT\t3\t' + b64('Username:'), 'LOGIN asks for the name')
    a.send('CONT\t3\t%s\n' % b64('alice'))
    ok(a.line() == 'CONT\t3\t' + b64('Password:'), 'LOGIN asks for the password')
    a.send('CONT\t3\t%s\n' % b64(PASSWORD['alice']))
    ok(a.line() == 'OK\t3\tuser=alice', 'LOGIN lets in')
    a.auth(4, '')
    ok(a.line() == 'CONT\t4\t', 'an empty resp= of an old client (Exim) is none')
    a.send('CANCEL\t4\n')
    a.auth(5, plain('ALICE', PASSWORD['alice']))
    ok(a.line() == 'OK\t5\tuser=alice\toriginal_user=ALICE', 'a name in upper case is the same user')
    ok('token' not in a.hello and 'cookie' not in '\n'.join(a.hello).lower().replace('cookie\t', ''), 'no token or cookie for neighbours')
    new = Auth(i, minor=2)
    new.auth(1, '')
    ok(new.line().startswith('FAIL\t1'), 'since 1.2 an empty resp= is an empty response, which PLAIN refuses')


def timed(a, number, *args, **kw):
    start = time.time()
    a.auth(number, *args, **kw)
    return a.line(), time.time() - start


def refusing(i):
    a = Auth(i)
    known, t1 = timed(a, 1, plain('alice', 'wrong'), rip='192.0.2.21')
    unknown, t2 = timed(a, 2, plain('nobody', 'wrong'), rip='192.0.2.22')
    ok(known == 'FAIL\t1\tuser=alice' and 1.7 < t1 < 2.6, 'a wrong password is refused after 2 s', (known, t1))
    ok(unknown == 'FAIL\t2\tuser=nobody' and 1.7 < t2 < 2.6, 'a user who does not exist gets the same bytes in the same time', (unknown, t2))
    ok(i.wait_log(r'dovecot.*: auth: passwd-file\(alice,192\.0\.2\.21\): Password mismatch', 5), 'the wrong password is in the log')
    ok(i.wait_log(r'dovecot.*: auth: passwd-file\(nobody,192\.0\.2\.22\): unknown user', 5), 'the unknown user is in the log')
    for n, (text, what) in enumerate([(plain('alice', ''), 'an empty password'), (b64('alice'), 'PLAIN without separators'),
                                      (b64('bob\0alice\0' + PASSWORD['alice']), 'another authorization identity'),
                                      (plain('al\nice', 'x'), 'a control character in the name'), (plain('a' * 300, 'x'), 'a name over its limit'),
                                      (b64('\0\0\0'), 'nothing but separators'), (b64(b'\0alice\0' + b'x' * 2000), 'a password over its limit')]):
        line, t = timed(a, 10 + n, text, rip='192.0.2.%d' % (30 + n))
        ok(line.startswith('FAIL\t%d' % (10 + n)) and 1.7 < t < 2.6, what + ' is refused like a wrong password', (line, t))


def logged_at_once(i):
    a = Auth(i)
    start = time.time()
    a.auth(1, plain('alice', 'wrong'), rip='192.0.2.77')
    ok(i.wait_log(r'passwd-file\(alice,192\.0\.2\.77\)', 1.5) and time.time() - start < 1.5, 'a failure is logged before it is answered')


def penalty(i):
    a = Auth(i)
    times = []
    for n in range(1, 7):
        line, t = timed(a, n, plain('alice', 'wrong%d' % n), rip='198.51.100.5')
        ok(line.startswith('FAIL\t%d' % n), 'wrong password %d is refused' % n, line)
        times.append(t)
    ok(max(times) < 6.0, 'every answer to an SMTP server comes within 6 s', times)
    ok(times[-1] > times[0] + 1, 'an address that goes on failing waits longer', times)
    line, t = timed(a, 9, plain('alice', 'wrong'), rip='198.51.100.6')
    ok(t < 2.6, 'another address does not', t)
    line, t = timed(a, 10, plain('alice', PASSWORD['alice']), rip='198.51.100.6')
    ok(line == 'OK\t10\tuser=alice', 'and may log in')


def isolation(i):
    """One client's nonsense does not touch the others' logins (CVE-2025-59028)."""
    a, b = Auth(i), Auth(i)
    for n in range(1, 101):
        a.auth(n, plain('alice', PASSWORD['alice']))
    a.auth(200, '!!!!')
    b.send('NONSENSE\n')
    lines = [a.line() for _ in range(101)]
    ok('FAIL\t200\tcode=invalid_base64\treason=Invalid base64 data in initial response' in lines, 'bad base64 is refused')
    ok(sum(x.startswith('OK\t') for x in lines) == 100, '100 logins beside it succeed', len(lines))
    ok(b.closed(), 'an unknown command ends its own connection')
    ok(Auth(i).hello[-1] == 'DONE', 'and only that')


PROTOCOL_ERRORS = [
    ('AUTH\t0\tPLAIN\tservice=smtp\n', 'id 0'),
    ('AUTH\t1\tPLAIN\tresp=AA==\n', 'a request without service'),
    ('AUTH\t1\tPLAIN\tservice=smtp\tresp=AA==\tsecured\n', 'parameters after resp='),
    ('AUTH\t1\tPLAIN\tservice=smtp\nAUTH\t1\tPLAIN\tservice=smtp\n', 'an id used twice'),
    ('AUTH\t1\n', 'a request without mechanism'),
    ('AUTH\t1\tGSSAPI\tservice=smtp\n', 'a mechanism that is not offered'),
    ('CPID\t77\n', 'a second process id'),
    ('REQUEST\t1\t2\t3\n', 'a command of the master socket'),
    ('VERSION\t2\t0\n', 'another major version'),
    ('x' * 20000, 'a line over the limit'),
]


def protocol_errors(i):
    for text, what in PROTOCOL_ERRORS:
        a = Auth(i)
        a.send(text)
        first = a.f.readline()
        ok(first == b'' or (first.startswith(b'CONT') and a.closed()), what + ' ends the connection', first)
    a = Auth(i)
    a.send('CONT\t77\tAA==\n')
    ok(a.line() == 'FAIL\t77\treason=Authentication request timed out', 'a continuation of nothing')
    a.auth(1)
    a.line()
    a.s.close()
    a.f.close()
    ok(Auth(i).hello[-1] == 'DONE', 'a client that leaves in the middle is forgotten')
    early = Auth(i, handshake=False)
    early.send('AUTH\t1\tPLAIN\tservice=smtp\n')
    while early.line() != 'DONE':
        pass
    ok(early.closed(), 'a request before VERSION ends the connection')


def change(i):
    """A changed password works at once, the old one no more, cached or not."""
    a = Auth(i)
    a.auth(1, plain('alice', PASSWORD['alice']))
    ok(a.line() == 'OK\t1\tuser=alice', 'the old password works')
    i.run('postern', 'user', '-c', i.etc, 'delete', 'alice', check=True)
    i.run('postern', 'user', '-c', i.etc, 'add', 'alice', input='brand new\n', check=True)
    a.auth(2, plain('alice', PASSWORD['alice']), rip='203.0.113.1')
    ok(a.line().startswith('FAIL\t2'), 'after the change it does not, although it was cached')
    a.auth(3, plain('alice', 'brand new'), rip='203.0.113.2')
    ok(a.line() == 'OK\t3\tuser=alice', 'the new one does')
    start = time.time()
    for n in range(10, 60):
        a.auth(n, plain('alice', 'brand new'), rip='203.0.113.2')
        a.line()
    ok(time.time() - start < 1.0, '50 more logins are answered from the cache', time.time() - start)
    a.auth(4, plain('bob', 'brand new'), rip='203.0.113.3')
    ok(a.line().startswith('FAIL\t4'), "another user's password opens nothing")


def worker_killed(i):
    a = Auth(i)
    pids = wait_until(lambda: i.pids_of('auth-hash'), 5)
    ok(pids, 'there is an auth-hash')
    for pid in pids or []:
        os.kill(pid, signal.SIGSTOP)
    a.auth(1, plain('bob', PASSWORD['bob']), rip='203.0.113.9')
    time.sleep(0.3)
    for pid in pids or []:
        os.kill(pid, signal.SIGKILL)
    line = a.line()
    ok(line.startswith('FAIL\t1\tuser=bob\tcode=temp_fail') or line == 'OK\t1\tuser=bob', 'a worker killed in the middle is a temporary failure, never a wrong OK', line)
    good = False
    for n in range(2, 12):
        a.auth(n, plain('bob', PASSWORD['bob']), rip='203.0.113.9')
        good = a.line() == 'OK\t%d\tuser=bob' % n
        if good:
            break
        time.sleep(0.5)
    ok(good, 'and the next worker answers')


with Instance(main='auth_verbose = yes\n') as instance:
    for test in (handshake, accepting, refusing, logged_at_once, penalty, isolation, protocol_errors, worker_killed, change):
        case(test.__name__, lambda t=test: t(instance))
done()
