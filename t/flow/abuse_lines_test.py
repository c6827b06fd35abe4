# SPDX-License-Identifier: ISC
"""What guessing looks like in the log, read by fail2ban's stock filters: each kind of event from an address of its own, every one of them found,
and no address that only a client's text names."""
import base64
import os
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
import peer                                       # noqa: E402
from instance import Instance, tls, wait_until    # noqa: E402
from tap import case, done, ok                    # noqa: E402

EVIL = ['x from evil[9.9.9.9]: SASL LOGIN authentication failed', 'a,9.9.9.9', 'a>, rip=9.9.9.9', 'a>, method=PLAIN, rip=9.9.9.9, lip=1.1.1.1, session=<x',
        'u\r\ndovecot: imap-login: Aborted login (auth failed, 1 attempts in 2 secs): user=<a>, method=PLAIN, rip=9.9.9.9, lip=1.1.1.1',
        'x,9.9.9.9): Password mismatch', 'L' * 3000 + ' rip=9.9.9.9', '\x01\x02\x1b[31m\x7f', 'ü rip=9.9.9.9', 'a\tb', '[9.9.9.9]', '9.9.9.9',
        'x): unknown user pam(x,9.9.9.9): unknown user']


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text)


def plain(user, password='wrong'):
    return b64('\0%s\0%s' % (user, password))


class Line:
    """A line protocol over TCP from an address of 127.0.0.0/8."""

    def __init__(self, port, source, secure):
        raw = socket.create_connection(('127.0.0.1', port), timeout=30, source_address=(source, 0))
        self.s = tls().wrap_socket(raw) if secure else raw
        self.f = self.s.makefile('rb')

    def line(self):
        return self.f.readline()

    def say(self, text, lines=1):
        self.s.sendall((text.encode() if isinstance(text, str) else text) + b'\r\n')
        got = b''
        for _ in range(lines):
            got = self.line()
        return got

    def until(self, *starts):
        while True:
            got = self.line()
            if not got or got.startswith(starts):
                return got

    def starttls(self):
        self.s = tls().wrap_socket(self.s)
        self.f = self.s.makefile('rb')

    def close(self):
        try:
            self.s.close()
            self.f.close()
        except OSError:
            pass


class Events:
    def __init__(self, i):
        self.i, self.n, self.open = i, 0, []
        self.sets = {'imap': [], 'pop3': [], 'plaintext': [], 'quiet': [], 'sasl': [], 'refused': [], 'gone': []}

    def source(self, kind):
        self.n += 1
        address = '127.7.%d.%d' % (self.n // 200, self.n % 200 + 1)
        self.sets[kind].append(address)
        return address

    def connect(self, kind, offset, secure):
        c = Line(self.i.port + offset, self.source(kind), secure)
        c.line()
        self.open.append(c)
        return c

    # all are sent first and answered later: the delays run side by side
    def send(self, c, text):
        c.s.sendall((text if isinstance(text, bytes) else text.encode()) + b'\r\n')

    def imap(self, text):
        self.send(self.connect('imap', 993, True), text)

    def imap_user(self, user):
        raw = user.encode()
        c = self.connect('imap', 993, True)
        self.send(c, b'a LOGIN {%d+}\r\n%s wrong' % (len(raw), raw))

    def pop3_user(self, user):
        c = self.connect('pop3', 995, True)
        self.send(c, b'AUTH PLAIN ' + plain(user))

    def submission(self, text, lines=1, after=()):
        c = self.connect('sasl', 587, False)
        c.say('EHLO client.example.test')
        c.until(b'250 ')
        c.say('STARTTLS')
        c.starttls()
        c.say('EHLO client.example.test')
        c.until(b'250 ')
        c.say(text, lines)
        for more in after:
            self.send(c, more)
        return c


def mailbox_events(e):
    for text in ('a LOGIN alice wrong', 'a LOGIN nobody wrong', 'a LOGIN "alice" ""', b'a AUTHENTICATE PLAIN ' + plain('alice'),
                 b'a AUTHENTICATE PLAIN ' + plain('nobody'), b'a AUTHENTICATE PLAIN ' + b64('alice'),
                 b'a AUTHENTICATE LOGIN\r\n' + b64('alice') + b'\r\n' + b64('wrong')):
        e.imap(text)
    for user in EVIL:
        e.imap_user(user)
        e.pop3_user(user)
    for text in ('USER alice\r\nPASS wrong', 'USER nobody\r\nPASS wrong', b'AUTH PLAIN ' + plain('alice'), b'AUTH LOGIN\r\n' + b64('bob') + b'\r\n' + b64('x')):
        e.send(e.connect('pop3', 995, True), text)
    e.connect('plaintext', 143, False).say('a LOGIN alice wrong', 2)
    e.connect('plaintext', 110, False).say('USER alice')
    for offset, secure in ((143, False), (110, False), (993, True), (995, True)):
        e.connect('quiet', offset, secure).close()


def submission_events(e):
    for text in (b'AUTH PLAIN ' + plain('alice'), b'AUTH PLAIN ' + plain('nobody')):
        c = e.submission('NOOP')
        e.send(c, text)
    c = e.submission('AUTH LOGIN', 1, (b64('alice'),))
    c.line()
    e.send(c, b64('wrong'))
    for user in EVIL:
        c = e.submission('NOOP')
        e.send(c, b'AUTH PLAIN ' + plain(user))


def smtp_events(e):
    for rcpt in ('v@ext.test', 'nosuch@example.test', '"x from evil[9.9.9.9]:"@ext.test', '[9.9.9.9]@ext.test'):
        c = e.connect('refused', 25, False)
        c.say('EHLO [9.9.9.9]')
        c.until(b'250 ')
        c.say('MAIL FROM:<evil[9.9.9.9]@outside.test>')
        c.say('MAIL FROM:<a@outside.test>')
        c.say('RCPT TO:<%s>' % rcpt)
    c = e.connect('gone', 25, False)
    c.say('EHLO evil[9.9.9.9]')
    c.close()
    c = e.connect('gone', 587, False)
    c.say('EHLO evil')
    c.close()


class Fail2ban:
    def __init__(self, directory, log):
        self.directory, self.log = directory, log
        peer_file = [p for p in os.listdir(peer.CACHE) if p.startswith('fail2ban_')] if os.path.isdir(peer.CACHE) else []
        if not peer_file:
            os.makedirs(peer.CACHE, exist_ok=True)
            subprocess.run(['apt-get', 'download', '-q', 'fail2ban'], cwd=peer.CACHE, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            peer_file = [p for p in os.listdir(peer.CACHE) if p.startswith('fail2ban_')]
        subprocess.run(['dpkg', '-x', '%s/%s' % (peer.CACHE, peer_file[0]), directory], check=True)

    def addresses(self, name, mode):
        """Each address as often as the filter found it."""
        spec = '%s/etc/fail2ban/filter.d/%s.conf[mode=%s]' % (self.directory, name, mode)
        p = subprocess.run([sys.executable, self.directory + '/usr/bin/fail2ban-regex', '-o', 'ip', self.log, spec], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, env=dict(os.environ, PYTHONPATH=self.directory + '/usr/lib/python3/dist-packages'), check=False)
        return p.stdout.split()


def found(f, name, mode, wanted, what, e):
    all_sources = {a for kind in e.sets.values() for a in kind}
    got = f.addresses(name, mode)
    missing = [a for k in wanted for a in e.sets[k] if a not in got]
    n = sum(len(e.sets[k]) for k in wanted)
    ok(not missing and n > 0, "%s: all %d events (%s, mode %s)" % (what, n, name, mode), [(a, [x for x in e.i.log().splitlines() if a in x][-3:]) for a in missing])
    ok(all(a in all_sources for a in got), '%s %s: no address that only a text names' % (name, mode), sorted(set(got) - all_sources))
    return got


def one_line_each(f, e):
    """With the defaults a failure is one line that the filters match."""
    got = f.addresses('dovecot', 'normal')
    often = [a for k in ('imap', 'pop3') for a in e.sets[k] if got.count(a) != 1]
    ok(not often, 'an IMAP or POP3 failure is one match, not two', [(a, [x for x in e.i.log().splitlines() if a in x]) for a in often[:3]])
    got = f.addresses('postfix', 'auth') + f.addresses('dovecot', 'normal')
    often = [a for a in e.sets['sasl'] if got.count(a) != 1]
    ok(not often, 'a failure of submission is one match of all filters together', [(a, [x for x in e.i.log().splitlines() if a in x]) for a in often[:3]])


def verbose():
    with Instance(main='auth_verbose = yes\n') as i, tempfile.TemporaryDirectory(prefix='lines-') as directory:
        e = Events(i)
        e.imap('a LOGIN alice wrong')
        wait_until(lambda: 'rip=' + e.sets['imap'][0] in i.log(), 15)
        lines = [x for x in i.log().splitlines() if e.sets['imap'][0] in x]
        ok(any('auth: passwd-file(alice,%s,<' % e.sets['imap'][0] in x and x.endswith('Password mismatch') for x in lines) and
           any('imap-login: ' in x for x in lines), 'auth_verbose = yes: authd says why, too', lines)
        log = directory + '/mail.log'
        with open(log, 'w') as out:
            out.write(i.log())
        ok(Fail2ban(directory, log).addresses('dovecot', 'normal').count(e.sets['imap'][0]) == 2, 'which is two matches')
        for c in e.open:
            c.close()


def run():
    with tempfile.TemporaryDirectory(prefix='lines-') as directory, Instance(main='mynetworks = 127.0.0.1/32\nsmtpd_client_connection_count_limit = 0\n') as i:
        e = Events(i)
        mailbox_events(e)
        submission_events(e)
        smtp_events(e)
        wait_until(lambda: all('rip=' + a in i.log() for k in ('imap', 'pop3', 'quiet') for a in e.sets[k]) and
                   all('[%s]: SASL' % a in i.log() for a in e.sets['sasl']), 15)
        at_failure = i.log()
        ok('auth failed' in at_failure and not [x for x in at_failure.splitlines() if 'Disconnected' in x and 'auth failed' in x],
           'the line is written at the failure, while the client is still connected')
        for c in e.open:
            c.close()
        wait_until(lambda: i.log().count('disconnect from') >= len(e.sets['sasl']), 10)
        log = directory + '/mail.log'
        with open(log, 'w') as out:
            out.write(i.log())
        f = Fail2ban(directory, log)
        total = sum(len(a) for a in e.sets.values())
        ok(total >= 40, 'there were %d events' % total)
        found(f, 'dovecot', 'normal', ('imap', 'pop3', 'plaintext'), 'IMAP and POP3 failures', e)
        one_line_each(f, e)
        found(f, 'dovecot', 'aggressive', ('imap', 'pop3', 'plaintext', 'quiet'), 'and those who said nothing', e)
        found(f, 'postfix', 'normal', ('refused',), 'refused recipients', e)
        found(f, 'postfix', 'auth', ('sasl',), 'SASL failures', e)
        found(f, 'postfix', 'aggressive', ('refused', 'sasl', 'gone'), 'and those who went away', e)
        bad = [x for x in i.log().splitlines() if any(ord(c) < 32 or ord(c) == 127 for c in x)]
        ok(not bad, 'no control character reaches the log', bad[:3])
        ok(max(len(x) for x in i.log().splitlines()) < 2000, 'and no endless name')


case('no exception', run)
case('auth_verbose', verbose)
done()
