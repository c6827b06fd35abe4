# SPDX-License-Identifier: ISC
"""Limits of connections: sessions of one user and address, connections of one address before the login, failures of one connection."""
import base64
import imaplib
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PASSWORD, tls, wait_until   # noqa: E402
from tap import case, done, ok                             # noqa: E402

TEXT = b'Maximum number of connections from user+IP exceeded (mail_max_userip_connections=2)'


class Line:
    def __init__(self, port, source='127.0.0.1', secure=True):
        raw = socket.create_connection(('127.0.0.1', port), timeout=20, source_address=(source, 0))
        self.s = tls().wrap_socket(raw) if secure else raw
        self.f = self.s.makefile('rb')
        self.first = self.f.readline()

    def say(self, text):
        self.s.sendall(text.encode() + b'\r\n')
        return self.f.readline()

    def tagged(self, text):
        got = self.say('a ' + text)
        while got and not got.startswith(b'a '):
            got = self.f.readline()
        return got

    def close(self):
        self.f.close()
        self.s.close()


def imap(i, user='alice', source='127.0.0.1'):
    c = Line(i.port + 993, source)
    return c, c.tagged('LOGIN %s %s' % (user, PASSWORD[user]))


def pop3(i, user='alice', source='127.0.0.1'):
    c = Line(i.port + 995, source)
    c.say('USER ' + user)
    return c, c.say('PASS ' + PASSWORD[user])


def sessions(i):
    held = [imap(i) for _ in range(2)]
    ok(all(r.startswith(b'a OK') for _, r in held), 'two IMAP sessions of one user and address')
    c, r = imap(i)
    ok(r == b'a NO [LIMIT] ' + TEXT + b'\r\n', 'the third is refused with [LIMIT]', r)
    ok(c.tagged('NOOP').startswith(b'a OK'), 'the connection goes on')
    c.close()
    ok(i.wait_log(r'imap-login: Maximum number of connections from user\+IP exceeded \(mail_max_userip_connections=2\): user=<alice>, method=PLAIN, rip=127\.0\.0\.1'),
       'the log has Dovecot\'s line')
    other, r = imap(i, source='127.0.0.9')
    ok(r.startswith(b'a OK'), 'from another address there is room', r)
    other.close()
    other, r = imap(i, 'bob')
    ok(r.startswith(b'a OK'), 'and for another user', r)
    other.close()
    pops = [pop3(i) for _ in range(2)]
    ok(all(r.startswith(b'+OK') for _, r in pops), 'POP3 counts by itself', [r for _, r in pops])
    c, r = pop3(i)
    ok(r == b'-ERR [IN-USE] ' + TEXT + b'\r\n', 'its third session is refused with [IN-USE]', r)
    for c, _ in held + pops:
        c.close()
    ok(wait_until(lambda: imap(i)[1].startswith(b'a OK'), 10), 'when sessions end there is room again')


def before_login(i):
    many = [Line(i.port + 143, '127.0.0.20', False) for _ in range(40)]
    full = [c for c in many if c.first.startswith(b'* BYE Too many connections')]
    fine = [c for c in many if c.first.startswith(b'* OK')]
    ok(full and len(fine) + len(full) == 40 and len(fine) <= 3 * 8, 'one address has so many connections before its login, and no more', (len(fine), len(full)))
    other = Line(i.port + 143, '127.0.0.21', False)
    ok(other.first.startswith(b'* OK'), 'another address is served', other.first)
    for c in many:
        c.close()
    ok(wait_until(lambda: Line(i.port + 143, '127.0.0.20', False).first.startswith(b'* OK'), 10), 'and the first one again, later')


def failures(i):
    """From a network where alice is known: no wait comes with her typing errors."""
    c = Line(i.port + 587, '127.0.0.30', False)

    def ehlo():
        c.say('EHLO client.example.test')
        while not c.f.readline().startswith(b'250 '):
            pass
    ehlo()
    c.say('STARTTLS')
    c.s = tls().wrap_socket(c.s)
    c.f = c.s.makefile('rb')
    ehlo()
    replies = []
    for n in range(11):
        replies.append(c.say('AUTH PLAIN ' + base64.b64encode(b'\0alice\0wrong').decode()))
        if not replies[-1] or replies[-1].startswith(b'421'):
            break
    last = c.f.readline() if replies[-1] else b''
    ok(len([r for r in replies if r.startswith(b'535')]) == 10 and (replies[-1].startswith(b'421') or last.startswith(b'421')),
       'submission ends after ten wrong passwords', replies + [last])
    ok(i.wait_log(r'too many errors after AUTH from \S*\[127\.0\.0\.30\]'), 'and says so in the log')
    m = imaplib.IMAP4_SSL('127.0.0.1', i.port + 993, ssl_context=tls(), timeout=30)
    n = 0
    try:
        for n in range(1, 13):
            try:
                m.login('alice', 'wrong')
            except imaplib.IMAP4.abort:
                break
            except imaplib.IMAP4.error:
                continue
    except OSError:
        pass
    ok(n in (10, 11), 'IMAP, too', n)


with Instance(main='mail_max_userip_connections = 2\npostern_login_client_limit = 3\npostern_auth_failure_delay = 0s\n'
              'smtpd_soft_error_limit = 50\nsmtpd_hard_error_limit = 100\n') as instance:
    for test in (sessions, before_login, failures):
        case(test.__name__, lambda t=test: t(instance))
done()
