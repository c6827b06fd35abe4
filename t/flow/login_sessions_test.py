# SPDX-License-Identifier: ISC
"""Who is logged in: limits of sessions that hold over reloads and deaths, the list of sessions, and their end by the administrator."""
import imaplib
import os
import poplib
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PASSWORD, tls, wait_until   # noqa: E402
from tap import case, done, ok                             # noqa: E402

LIMIT = 3


def try_imap(i, user='alice'):
    """A session, or the reply that refused it."""
    m = i.imap(None)
    try:
        m.login(user, PASSWORD[user])
        return m
    except imaplib.IMAP4.error as why:
        m.shutdown()
        return str(why)


def refused(i, user='alice'):
    m = try_imap(i, user)
    if not isinstance(m, str):
        m.logout()
        return False
    return '[LIMIT]' in m


def works(i, user='bob'):
    m = try_imap(i, user)
    if isinstance(m, str):
        return False
    m.logout()
    return True


def close(sessions):
    for m in sessions:
        try:
            m.logout() if isinstance(m, imaplib.IMAP4) else m.quit()
        except (OSError, imaplib.IMAP4.error, poplib.error_proto):
            pass


def parent(pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            return int(f.read().rsplit(')', 1)[1].split()[1])
    except OSError:
        return 0


def zygotes(i, program='imapd'):
    masters = i.pids_of('master')
    return [p for p in i.pids_of(program) if parent(p) in masters]


def who(i, *args):
    """[user, service, address, pid] of each session."""
    p = i.run('postern', 'auth', '-c', i.etc, 'who', *args)
    rows = [line.split() for line in p.stdout.splitlines()]
    return [r[:4] for r in rows[1:]] if p.returncode == 0 and rows[:1] and rows[0][:4] == ['user', 'service', 'address', 'pid'] else p.stdout


def users(i, *args):
    got = who(i, *args)
    return sorted((r[0], r[1]) for r in got) if isinstance(got, list) else got


def reload(i):
    held = [i.imap('alice') for _ in range(LIMIT - 1)]
    pops = [i.pop3('alice') for _ in range(LIMIT - 1)]
    before = set(zygotes(i))
    i.reload()
    ok(wait_until(lambda: set(zygotes(i)) - before and works(i), 20), 'after a reload there is a new session starter')
    third = try_imap(i)
    ok(not isinstance(third, str), 'sessions from before the reload leave room for one more', third)
    ok(refused(i) and refused(i), 'and count: the next one is refused')
    p = i.pop3('alice')
    try:
        i.pop3('alice')
        ok(False, 'POP3 counts by itself, over the reload as well')
    except poplib.error_proto as why:
        ok('[IN-USE]' in str(why), 'POP3 counts by itself, over the reload as well', why)
    ok(users(i, 'alice') == [('alice', 'imap')] * LIMIT + [('alice', 'pop3')] * LIMIT, 'all are in the list', users(i))
    held[0].logout()
    ok(wait_until(lambda: not refused(i), 10), 'when one from before the reload ends there is room')
    for pid in i.pids_of('hub'):
        os.kill(pid, signal.SIGKILL)
    ok(wait_until(lambda: users(i, 'alice') == [('alice', 'imap')] * (LIMIT - 1) + [('alice', 'pop3')] * LIMIT, 15),
       'a new hub learns all sessions again, older ones as well', users(i))
    more = try_imap(i)
    ok(not isinstance(more, str) and refused(i), 'and the limit holds as before')
    close(held[1:] + pops + [third, p, more])
    ok(wait_until(lambda: len(zygotes(i)) == 1, 15), 'a session starter from before the reload ends with its last session', zygotes(i))


def kills(i):
    held = [i.imap('alice') for _ in range(LIMIT)]
    ok(refused(i), 'at the limit')
    ours = [int(r[3]) for r in who(i, 'alice')]
    os.kill(ours[0], signal.SIGKILL)
    ok(wait_until(lambda: not refused(i), 10), 'a session that was killed is not counted')
    held.append(try_imap(i))
    ok(wait_until(lambda: refused(i), 5), 'at the limit again')
    for pid in zygotes(i):
        os.kill(pid, signal.SIGKILL)
    ok(wait_until(lambda: works(i), 20, 0.2), 'after the death of the session starter, another user logs in')
    ok(refused(i), 'and its sessions still count')
    ours = [int(r[3]) for r in who(i, 'alice')]
    ok(len(ours) == LIMIT, 'and are in the list', who(i))
    for pid in i.pids_of('hub'):
        os.kill(pid, signal.SIGKILL)
    ok(wait_until(lambda: len(i.run('postern', 'auth', '-c', i.etc, 'who').stdout.split('\n')) > 2, 20, 0.2), 'the hub is another one')
    ok(wait_until(lambda: sorted(int(r[3]) for r in who(i, 'alice')) == sorted(ours), 10, 0.2) and refused(i), 'which hears of them, too', who(i))
    os.kill(ours[0], signal.SIGKILL)
    ok(wait_until(lambda: not refused(i), 10), 'until they die')
    close(held)
    ok(wait_until(lambda: users(i) == [], 10), 'nobody is left', users(i))


class Idle:
    """A session in IDLE."""

    def __init__(self, i, user, source='127.0.0.1'):
        raw = socket.create_connection(('127.0.0.1', i.port + 993), timeout=15, source_address=(source, 0))
        self.s = tls().wrap_socket(raw)
        self.f = self.s.makefile('rb')
        self.f.readline()
        self.s.sendall(b'a LOGIN %s %s\r\n' % (user.encode(), PASSWORD[user].encode()))
        self.until(b'a OK')
        self.s.sendall(b'b SELECT INBOX\r\nc IDLE\r\n')
        self.until(b'+')

    def until(self, start):
        while True:
            line = self.f.readline()
            if not line or line.startswith(start):
                return line

    def rest(self):
        return self.f.read()


def kick(i, *args):
    return i.run('postern', 'auth', '-c', i.etc, 'kick', *args).stdout.strip()


def kicks(i):
    idle, far, plain, pop = Idle(i, 'alice'), Idle(i, 'alice', '127.0.0.9'), i.imap('alice'), i.pop3('alice')
    other = i.imap('bob')
    rows = who(i)
    ok(sorted((r[0], r[1], r[2]) for r in rows) == [('alice', 'imap', '127.0.0.1')] * 2 + [('alice', 'imap', '127.0.0.9'), ('alice', 'pop3', '127.0.0.1'),
       ('bob', 'imap', '127.0.0.1')], 'who: users, services, addresses', rows)
    ok({int(r[3]) for r in rows} <= set(i.pids_of('imapd') + i.pids_of('pop3d')), 'and processes', rows)
    p = i.run('postern', 'auth', '-c', i.etc, 'who', 'b?b')
    ok(re.search(r'^bob +imap +127\.0\.0\.1 +\d+ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$', p.stdout, re.M) and 'alice' not in p.stdout, 'who of those that fit, with the time', p.stdout)
    ok(kick(i, 'alice', '127.0.0.9') == '1 sessions ended', 'kick from one address')
    ok(b'* BYE Disconnected by the administrator.' in far.rest(), 'IDLE ends with BYE')
    ok(i.wait_log(r'imap\(alice\)<\d+><\S+>: Disconnected: Kicked by the administrator'), 'the log says why')
    ok(plain.noop()[0] == 'OK' and pop.noop() == b'+OK', 'sessions from elsewhere go on')
    ok(kick(i, 'al*') == '3 sessions ended', 'kick with wildcards')
    ok(b'* BYE Disconnected by the administrator.' in idle.rest() and b'inactivity' not in idle.rest(), 'IDLE')
    ok(b'BYE Disconnected by the administrator' in plain.file.read(), 'an IMAP session that waits for a command')
    ok(pop.file.read() == b'-ERR [SYS/TEMP] Disconnected by the administrator.\r\n', 'a POP3 session')
    ok(i.wait_log(r'pop3\(alice\)<\d+><\S+>: Disconnected: Kicked by the administrator'), 'and its line in the log')
    ok(other.noop()[0] == 'OK', 'another user stays')
    ok(wait_until(lambda: users(i) == [('bob', 'imap')], 10), 'the kicked are gone from the list', users(i))
    ok(kick(i, 'nobody') == '0 sessions ended', 'nobody to kick')
    near, far = i.imap('alice'), Idle(i, 'alice', '127.0.0.77')
    listed = i.run('postern', 'auth', '-c', i.etc, 'who', '127.0.0.64/26').stdout
    ok(listed.count('alice') == 1 and 'bob' not in listed, 'who is there from a network', listed)
    ok(kick(i, '127.0.0.64/26') == '1 sessions ended' and b'* BYE' in far.rest(), 'kick a network')
    ok(kick(i, 'b*', '127.0.0.0/30') == '1 sessions ended' and near.noop()[0] == 'OK', 'kick those of a name in a network')
    ok(kick(i, '127.0.0.0/30') == '1 sessions ended', 'another network')
    close([near, other])
    other = i.imap('bob')
    p = i.run('postern', 'auth', '-c', i.etc, 'kick', 'alice', '127.0.0')
    ok(p.returncode != 0 and 'is no address and no network' in p.stdout, 'a network that is none is refused', p.stdout)
    p = i.run('postern', 'auth', '-c', i.etc, 'kick', '127.0.0.1/24')
    ok(p.returncode != 0 and '127.0.0.0/24' in p.stdout, 'with the right spelling', p.stdout)
    p = i.run('postern', 'auth', '-c', i.etc, 'kick')
    ok(p.returncode != 0 and 'usage' in p.stdout, 'kick needs a name', p.stdout)
    m = try_imap(i)
    ok(not isinstance(m, str) and m.noop()[0] == 'OK', 'who was kicked may log in again', m)
    close([m, other])


with Instance(main='mail_max_userip_connections = %d\npostern_session_reuse_time = 2s\n' % LIMIT) as instance:
    for test in (kicks, kills, reload):
        case(test.__name__, lambda t=test: t(instance))
done()
