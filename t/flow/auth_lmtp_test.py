# SPDX-License-Identifier: ISC
"""LMTP and SMTP ask the user databases who a recipient is and where his mailbox is (userdb: tables)."""
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, wait_until             # noqa: E402
from tap import case, done, ok                        # noqa: E402

MAIN = """virtual_mailbox_domains = static:all
virtual_mailbox_base =
virtual_alias_maps =
virtual_mailbox_maps = userdb:unix:private/auth-userdb:mailbox
virtual_uid_maps = userdb:unix:private/auth-userdb:uid
virtual_gid_maps = userdb:unix:private/auth-userdb:gid
postern_auth_username_format = %Ln
recipient_delimiter = +
"""


class Lmtp:
    def __init__(self, i):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(30)
        self.s.connect(i.spool() + '/private/dovecot-lmtp')
        self.f = self.s.makefile('rwb')
        self.reply()
        self.ask('LHLO client.example.test')

    def reply(self):
        line = self.f.readline()
        while line[3:4] == b'-':
            line = self.f.readline()
        return line.decode().rstrip()

    def ask(self, text):
        self.f.write(text.encode() + b'\r\n')
        self.f.flush()
        return self.reply()

    def deliver(self, recipients, subject):
        """What each RCPT got, and what each that was taken got after the data."""
        self.ask('MAIL FROM:<x@example.net>')
        rcpt = [self.ask('RCPT TO:<%s>' % r) for r in recipients]
        taken = [r for r in rcpt if r.startswith('250')]
        after = []
        if taken:
            self.ask('DATA')
            self.f.write(b'Subject: %s\r\n\r\ntext\r\n.\r\n' % subject.encode())
            self.f.flush()
            after = [self.reply() for _ in taken]
        self.ask('RSET')
        return rcpt, after


def delivers(i):
    c = Lmtp(i)
    rcpt, after = c.deliver(['alice@example.test', 'nobody@example.test', 'Bob+lists@other.test', '@example.test'], 'by LMTP')
    ok(rcpt[0].startswith('250') and rcpt[2].startswith('250') and len(after) == 2 and all(a.startswith('250') for a in after), 'LMTP takes mail for users', (rcpt, after))
    ok(rcpt[1].startswith('550 5.1.1'), 'a recipient whom no userdb knows is refused', rcpt)
    ok(not rcpt[3].startswith('250'), 'nor is everybody of a domain a user', rcpt)
    ok(i.wait_mail('alice', 'Subject: by LMTP') and i.wait_mail('bob', 'Subject: by LMTP'), 'LMTP delivers where the userdb says', i.log()[-1500:])
    m = i.imap('alice')
    ok(m.select()[1] == [b'1'], 'and IMAP finds it there')
    m.logout()
    s = i.smtp()
    s.ehlo('c')
    s.mail('x@example.net')
    ok(s.rcpt('alice@example.test')[0] == 250 and s.rcpt('nobody@example.test')[0] == 550, 'so does SMTP')
    s.close()


def away(i):
    for pid in i.pids_of('authd'):
        os.kill(pid, signal.SIGKILL)
    c = Lmtp(i)
    answers = [c.deliver(['alice@example.test'], 'meanwhile')[0][0]]
    ok(wait_until(lambda: answers.append(c.deliver(['alice@example.test'], 'later')[0][0]) or answers[-1].startswith('250'), 30, 0.5) and
       all(a.startswith(('250', '451')) for a in answers), 'while authd is away, a recipient is a temporary failure, then there again', answers)


def refused(i):
    i.stop()
    i.append_main('virtual_mailbox_maps = userdb:private/auth-userdb')
    p = i.tool('postfix', 'check')
    i.tool('postfix', 'start')
    ok(wait_until(lambda: 'write userdb:unix:private/auth-userdb:FIELD' in p.stdout + i.log(), 10), 'a table without a field is refused at the start', p.stdout)


def prepare(i):
    i.append_main(MAIN)
    i.append_master('dovecot-lmtp unix - - n - - lmtpd')


with Instance(edit=prepare) as instance:
    for test in (delivers, away, refused):
        case(test.__name__, lambda t=test: t(instance))
done()
