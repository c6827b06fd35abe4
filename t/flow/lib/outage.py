# SPDX-License-Identifier: ISC
"""outage.py - Python's imaplib, poplib and smtplib log in all the time while a database is killed, locked or moved away.

    ports = {'imap': 993, 'pop3': 995, 'submission': 587}
    endure('PostgreSQL', ports, i.log, 'carol@example.test', 'carol-secret', [Round('killed', pg.kill, 3, pg.start)])
    same_bytes('PostgreSQL', ports, 'carol@example.test')

A right password is let in or fails as temporary, a wrong one is refused or fails as temporary: nothing else ever.
"""
import base64
import collections
import imaplib
import poplib
import re
import smtplib
import socket
import threading
import time

from instance import tls, wait_until
from tap import ok

IN, TEMPORARY, REFUSED = 'in', 'temporary', 'refused'
# What ends the service, for so many seconds (less than 0: it is called over and over for as many), what brings it back, do clients by each door (or
# 'some') notice?
Round = collections.namedtuple('Round', 'name end seconds back felt', defaults=(True,))
BOUND = 15      # seconds from the return of a database to everybody's service


class Imap(imaplib.IMAP4_SSL):
    def __init__(self, port, source):
        self.source = source
        super().__init__('127.0.0.1', port, ssl_context=tls(), timeout=30)

    def _create_socket(self, timeout):
        return tls().wrap_socket(socket.create_connection((self.host, self.port), timeout, (self.source, 0)))


class Pop3(poplib.POP3_SSL):
    def __init__(self, port, source):
        self.source = source
        super().__init__('127.0.0.1', port, context=tls(), timeout=30)

    def _create_socket(self, timeout):
        return tls().wrap_socket(socket.create_connection((self.host, self.port), timeout, (self.source, 0)))


def by_imap(port, user, password, source):
    m = Imap(port, source)
    try:
        m.login('"%s"' % user, password)
        m.logout()
        return IN, b''
    except imaplib.IMAP4.error as e:
        m.shutdown()
        text = e.args[0] if isinstance(e.args[0], bytes) else str(e.args[0]).encode()
        return TEMPORARY if text.startswith(b'[UNAVAILABLE] ') else REFUSED if text.startswith(b'[AUTHENTICATIONFAILED] ') else 'odd', text


def by_pop3(port, user, password, source):
    p = Pop3(port, source)
    try:
        p.user(user)
        p.pass_(password)
        p.quit()
        return IN, b''
    except poplib.error_proto as e:
        p.close()
        text = e.args[0] if isinstance(e.args[0], bytes) else str(e.args[0]).encode()
        return TEMPORARY if text.startswith(b'-ERR [SYS/TEMP] ') else REFUSED if text.startswith(b'-ERR [AUTH] ') else 'odd', text


def by_submission(port, user, password, source):
    s = smtplib.SMTP('127.0.0.1', port, timeout=30, local_hostname='client.example.test', source_address=(source, 0))
    try:
        s.starttls(context=tls())
        s.ehlo()
        s.user, s.password = user, password
        s.auth('PLAIN', s.auth_plain)
        s.quit()
        return IN, b''
    except smtplib.SMTPAuthenticationError as e:
        s.close()
        text = b'%d %s' % (e.smtp_code, e.smtp_error)
        return TEMPORARY if text.startswith(b'454 4.7.0 ') else REFUSED if text.startswith(b'535 5.7.8 ') else 'odd', text


DOORS = {'imap': by_imap, 'pop3': by_pop3, 'submission': by_submission}


class Client(threading.Thread):
    """One login after the other by one door; .answers is (start, seconds, kind, text)."""

    def __init__(self, ports, door, user, password, source, pause=0.05):
        super().__init__(daemon=True)
        self.door, self.args, self.pause = door, (ports[door], user, password, source), pause
        self.answers, self.over = [], threading.Event()
        self.start()

    def run(self):
        while not self.over.is_set():
            start = time.time()
            try:
                kind, text = DOORS[self.door](*self.args)
            except Exception as e:      # a lost connection is an answer, too, and a wrong one
                kind, text = 'odd', repr(e).encode()
            self.answers.append((start, time.time() - start, kind, b'%s: %s' % (self.door.encode(), text)))
            self.over.wait(self.pause)

    def has(self, kind, since, until=1e12):
        return any(since <= start < until and k == kind for start, _, k, _ in self.answers)

    def stop(self):
        self.over.set()
        self.join(40)


def one_round(what, r, right, wrong):
    what = '%s %s' % (what, r.name)
    ended = time.time()
    if r.seconds < 0:           # over and over
        while time.time() < ended - r.seconds:
            r.end()
            time.sleep(0.1)
    else:
        r.end()
        time.sleep(r.seconds)
    back = time.time()
    r.back()
    up = time.time()
    ok(wait_until(lambda: all(c.has(IN, up) for c in right), BOUND + 10), what + ': by each door there is service again',
       [c.answers[-1] for c in right])
    took = time.time() - up
    ok(took <= BOUND, what + ': ... within %d s' % BOUND, took)
    ok(wait_until(lambda: all(c.has(REFUSED, up) for c in wrong), BOUND), what + ': ... and a wrong password is wrong again', [c.answers[-1] for c in wrong])
    if r.felt:
        doors = [any(c.has(TEMPORARY, ended - 6) for c in right if c.door == door) for door in DOORS]
        ok(any(doors) if r.felt == 'some' else all(doors), what + ': there were temporary failures, by %s' % ('some doors' if r.felt == 'some' else 'each door'),
           [collections.Counter(k for t, _, k, _ in c.answers if t > ended - 6) for c in right])
    gone = [x for c in right for x in c.answers if ended - 6 < x[0] and x[2] == TEMPORARY]
    print('# %s: %.1f s without it, %d temporary failures, %.1f s from its return to service everywhere' % (what, back - ended, len(gone), took), flush=True)


def endure(what, ports, log, user, password, rounds, bystander=None):
    """bystander: (user, password) of another database, who notices nothing."""
    right = [Client(ports, door, user, password, '127.0.7.%d' % (n + 1)) for n, door in enumerate([*DOORS, *DOORS])]
    wrong = [Client(ports, door, user, password + 'x', '127.0.8.%d' % (n + 1), 0.5) for n, door in enumerate(DOORS)]
    others = [Client(ports, 'imap', *bystander, '127.0.9.1', 0.2)] if bystander else []
    everybody = right + wrong + others
    try:
        ok(wait_until(lambda: all(c.has(IN, 0) for c in right + others) and all(c.has(REFUSED, 0) for c in wrong), 20), what + ': everybody gets in, and nobody with a wrong password',
           [c.answers[-3:] for c in everybody])
        for r in rounds:
            one_round(what, r, right, wrong)
    finally:
        for c in everybody:
            c.stop()
    every = [x for c in right for x in c.answers]
    odd = [x for x in every if x[2] not in (IN, TEMPORARY)]
    ok(not odd, what + ': a right password is let in or fails as temporary (UNAVAILABLE, SYS/TEMP, 454 4.7.0), never anything else', odd[:5])
    odd = [x for c in wrong for x in c.answers if x[2] not in (REFUSED, TEMPORARY)]
    ok(not odd, what + ': a wrong one is refused or fails as temporary', odd[:5])
    if others:
        odd = [x for x in others[0].answers if x[2] != IN or x[1] > 4]
        ok(not odd, what + ': a user of another database notices nothing', odd[:5])
    slow = max(x[1] for x in every)
    ok(slow < 15, what + ': no client waits for long', slow)
    # fail2ban's patterns, in short
    banned = re.findall(r'.*127\.0\.7\.\d+\]?: SASL \S+ authentication failed:(?! Connection lost to authentication server).*', log())
    banned += re.findall(r'.*\(auth failed, \d+ attempts.*rip=127\.0\.7\.\d.*', log())
    banned += re.findall(r'.*auth: \w+\([^()]*,127\.0\.7\.\d+\S*\): (?:unknown user|Password mismatch|pam_authenticate\(\) failed).*', log())
    ok(not banned, what + ': log readers have no reason to ban who has the right password', banned[:3])
    print('# %s: %d right logins by six clients, %d failed as temporary, %.1f s the slowest' % (what, len(every), sum(x[2] == TEMPORARY for x in every), slow), flush=True)


# ---- a wrong password and an unknown user ----

class Raw:
    """A TLS connection and every byte that it said."""

    def __init__(self, port, source):
        self.s = socket.create_connection(('127.0.0.1', port), 30, (source, 0))
        self.said = b''

    def secure(self):
        self.s = tls().wrap_socket(self.s)

    def lines(self, last):
        """The lines up to one that the pattern fits."""
        got = b''
        while not re.search(rb'(?m)^(?:%s).*\r\n\Z' % last, got):
            more = self.s.recv(1)
            if not more:
                break
            got += more
        return got

    def ask(self, text, last):
        self.s.sendall(text.encode() + b'\r\n')
        self.said += self.lines(last)


def raw_imap(port, user, source):
    r = Raw(port, source)
    r.secure()
    r.lines(rb'\* ')
    r.ask('a LOGIN "%s" wrong' % user, b'a ')
    r.ask('b NOOP', b'b ')
    return r


def raw_pop3(port, user, source):
    r = Raw(port, source)
    r.secure()
    r.lines(rb'\+')
    r.ask('USER ' + user, rb'[+-]')
    r.ask('PASS wrong', rb'[+-]')
    return r


def raw_submission(port, user, source):
    r = Raw(port, source)
    r.lines(rb'\d\d\d ')
    r.ask('STARTTLS', rb'\d\d\d ')
    if not r.said.startswith(b'220'):       # some want a greeting first
        r.said = b''
        r.ask('EHLO client.example.test', rb'\d\d\d ')
        r.ask('STARTTLS', rb'\d\d\d ')
    r.secure()
    r.ask('EHLO client.example.test', rb'\d\d\d ')
    r.said = b''
    r.ask('AUTH PLAIN ' + base64.b64encode(b'\0%s\0wrong' % user.encode()).decode(), rb'\d\d\d ')
    r.ask('AUTH LOGIN ' + base64.b64encode(user.encode()).decode(), rb'\d\d\d ')
    r.ask(base64.b64encode(b'wrong').decode(), rb'\d\d\d ')
    return r


def same_bytes(what, ports, user, nobody='nobody@example.test', temporary=False, auth=None, net='127.0.10'):
    """What is said of a wrong password is said of a user who does not exist. auth: a path of an auth socket."""
    wants = {'imap': b'a NO [UNAVAILABLE]' if temporary else b'a NO [AUTHENTICATIONFAILED]', 'pop3': b'-ERR [SYS/TEMP]' if temporary else b'-ERR [AUTH]',
             'submission': b'454 4.7.0' if temporary else b'535 5.7.8'}
    for n, (door, talk) in enumerate({'imap': raw_imap, 'pop3': raw_pop3, 'submission': raw_submission}.items()):
        said = []
        for k, name in enumerate((user, nobody)):
            r = talk(ports[door], name, '%s.%d' % (net, 1 + 2 * n + k))
            r.s.close()
            said.append(r.said)
        ok(said[0] == said[1] and wants[door] in said[0], '%s, %s: a wrong password and an unknown user get the same bytes' % (what, door), said)
    if auth:
        said = [auth_line(auth, name, '192.0.2.%d' % (200 + k)).replace(name, 'USER') for k, name in enumerate((user, nobody))]
        ok(said[0] == said[1] and said[0].startswith('FAIL\t1\tuser=USER') and temporary == ('code=temp_fail' in said[0]), what + ', auth socket: the same', said)


def auth_line(path, user, remote):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(path)
    f = s.makefile('rb')
    s.sendall(b'VERSION\t1\t2\nCPID\t%d\n' % threading.get_native_id())
    while f.readline() not in (b'DONE\n', b''):
        pass
    resp = base64.b64encode(b'\0%s\0wrong' % user.encode()).decode()
    s.sendall(('AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=%s\tresp=%s\n' % (remote, resp)).encode())
    line = f.readline().decode().rstrip('\n')
    f.close()
    s.close()
    return line


def ports_of(i):
    return {'imap': i.port + 993, 'pop3': i.port + 995, 'submission': i.port + 587}
