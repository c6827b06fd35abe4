# SPDX-License-Identifier: ISC
"""authdb.py - what the tests of SQL and LDAP users share."""
import base64
import os
import re
import socket
import threading
import time

from instance import wait_until
from tap import case, ok

# carol-secret and dave-secret, made by crypt(3)
CAROL = '{SHA512-CRYPT}$6$rounds=1000$saltsalt$0Xfgyl2nETT9Rly87RvPhAR9Ji8AG6OGwtQDB193N5exYXbkcpaEOmxySrDS4DV9hSVbZVwGHG/hzYaqGD8VG.'
DAVE = '{BLF-CRYPT}$2b$05$abcdefghijklmnopqrstuuDiDoRPMjq./yLr5z.auDRO7E8CTMf76'
PASSWORDS = {'carol@example.test': 'carol-secret', 'dave@example.test': 'dave-secret'}


def plain(user, password):
    return base64.b64encode(('\0%s\0%s' % (user, password)).encode()).decode()


class Auth:
    """A client of private/auth."""

    def __init__(self, i, timeout=20):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(timeout)
        self.s.connect(i.spool() + '/private/auth')
        self.f = self.s.makefile('rb')
        self.s.sendall(b'VERSION\t1\t2\nCPID\t%d\n' % os.getpid())
        while self.f.readline() != b'DONE\n':
            pass
        self.n = 0

    def ask(self, user, password, rip='192.0.2.9'):
        """The answer without its id."""
        self.n += 1
        self.s.sendall(('AUTH\t%d\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=%s\tresp=%s\n' % (self.n, rip, plain(user, password))).encode())
        return self.f.readline().decode().rstrip('\n').replace('\t%d' % self.n, '', 1)

    def close(self):
        self.f.close()
        self.s.close()


def log_in(i, user, what):
    """By every door."""
    password = PASSWORDS[user]

    def imap():
        m = i.imap(user, password)
        ok(m.select()[0] == 'OK', '%s: %s logs in by IMAP and opens INBOX' % (what, user))
        m.logout()

    def pop3():
        p = i.pop3(user, password)
        ok(p.stat() == (0, 0), '%s: ... by POP3' % what)
        p.quit()

    def submission():
        i.submission(user, password).quit()
    case('%s: %s may use IMAP' % (what, user), imap)
    case('%s: ... and POP3' % what, pop3)
    case('%s: ... and submission' % what, submission)


def refused(i, what, told_apart=True):
    """A wrong password and a user who does not exist: the same bytes."""
    a = Auth(i)
    wrong = a.ask('carol@example.test', 'wrong', '192.0.2.31').replace('carol@', 'USER@')
    nobody = a.ask('nobody@example.test', 'wrong', '192.0.2.32').replace('nobody@', 'USER@')
    ok(wrong == nobody == 'FAIL\tuser=USER@example.test', what + ': a wrong password and an unknown user get the same bytes', (wrong, nobody))
    # A directory that is asked to bind as a name does not say whether there is one.
    reason = 'unknown user' if told_apart else 'Password mismatch'
    ok(i.wait_log(r'auth: (sql|ldap)\(nobody@example\.test,192\.0\.2\.32\): ' + reason, 5), what + ': ... and the log says what is known')
    empty = a.ask('carol@example.test', '', '192.0.2.33')
    ok(empty.startswith('FAIL') and 'temp_fail' not in empty, what + ': an empty password is refused', empty)
    a.close()


def looked_up(i, what, users):
    """By scripts, on the userdb socket: USER, PASS and LIST."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(i.spool() + '/private/auth-userdb')
    f = s.makefile('rb')

    def line():
        return f.readline().decode().rstrip('\n')

    def ask(text):
        s.sendall(text.encode())
        return line()
    s.sendall(b'VERSION\t1\t1\n')
    hello = [line(), line()]
    ok(hello[0].startswith('VERSION\t1\t') and hello[1].startswith('SPID\t'), what + ': a script is greeted', hello)
    answer = ask('USER\t1\tcarol@example.test\tservice=doveadm\n')
    ok(answer.startswith('USER\t1\tcarol@example.test\t') and '\tuid=' in answer and '/vmail/' in answer, what + ': USER says who it is', answer)
    answer = ask('PASS\t2\tcarol@example.test\tservice=doveadm\n')
    ok(answer.startswith('PASS\t2\tuser=carol@example.test') and 'CRYPT' not in answer, what + ': PASS says fields and no password', answer)
    ok(ask('USER\t3\tnobody@example.test\tservice=doveadm\n') == 'NOTFOUND\t3', what + ': ... of a user who is there')
    found, answer = set(), ask('LIST\t4\tservice=doveadm\n')
    while answer.startswith('LIST\t4\t'):
        found.add(answer.split('\t')[2])
        answer = line()
    ok(answer.rstrip('\t') == 'DONE\t4' and users <= found and 'alice' in found, what + ': LIST names all users', (answer, found))
    f.close()
    s.close()


def not_injected(i, names, what):
    a = Auth(i)
    bad = []
    for n, name in enumerate(names):
        for password in ('x', "' OR '1'='1"):
            answer = a.ask(name, password, '192.0.2.%d' % (40 + n))
            if not answer.startswith('FAIL') or 'temp_fail' in answer:
                bad.append((name, answer))
    ok(not bad, '%s: %d names that would change a query are names that nobody has' % (what, len(names)), bad)
    a.close()


class Load(threading.Thread):
    """Right passwords, all the time; .answers is what came, with the time."""

    def __init__(self, i, user, password):
        super().__init__(daemon=True)
        self.i, self.user, self.password = i, user, password
        self.answers, self.over = [], False
        self.start()

    def run(self):
        a = Auth(self.i)
        while not self.over:
            start = time.time()
            line = a.ask(self.user, self.password)
            self.answers.append((start, time.time() - start, line))
            time.sleep(0.02)
        a.close()

    def stop(self):
        self.over = True
        self.join(30)


def under_load(i, server, user, what, others=None):
    """The server is killed, restarted, made to hang: temporary failures only, then service."""
    loads = [Load(i, user, PASSWORDS[user]) for _ in range(3)]
    good = lambda since: all(any(t > since and line.startswith('OK') for t, _, line in l.answers) for l in loads)   # noqa: E731
    ok(wait_until(lambda: good(0), 15), what + ': under load, everybody gets in')
    killed = time.time()
    server.kill()
    time.sleep(2)
    during = [line for l in loads for t, _, line in l.answers if t > killed + 1]
    server.start()
    back = time.time()
    ok(wait_until(lambda: good(back), 20), what + ': after a kill and a restart, there is service again')
    took = time.time() - back
    server.stop()
    stopped = time.time()
    if others:
        start = time.time()
        ok(others().startswith('OK') and time.time() - start < 1.5, what + ': while it hangs, users of other databases get in at once')
    time.sleep(8)
    server.cont()
    back = time.time()
    ok(wait_until(lambda: good(back), 25), what + ': after it hung, there is service again')
    for l in loads:
        l.stop()
    every = [x for l in loads for x in l.answers]
    odd = [x for x in every if not x[2].startswith('OK') and 'code=temp_fail' not in x[2]]
    failed = [x for x in every if 'code=temp_fail' in x[2]]
    ok(not odd, what + ': never was a right password called wrong', odd[:3])
    ok(failed, what + ': there were temporary failures', len(every))
    banned = re.findall(r'.*\(%s,192\.0\.2\.9\S*\): (?:unknown user|Password mismatch).*' % re.escape(user), i.log())
    ok(not banned, what + ': ... and no line by which log readers would ban somebody', banned[:3])
    slow = max(x[1] for x in every)
    ok(slow < 8, what + ': each answer came within 8 s', slow)
    print('# %s: %d answers, %d temporary failures, %.1f s from the restart to service, %.1f s the slowest' % (what, len(every), len(failed), took, slow))
