# SPDX-License-Identifier: ISC
"""hub: who hears what, with this test as master, zygote, sessions and router."""
import os
import select
import socket
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, wait_until   # noqa: E402
from ipc import Process         # noqa: E402
from tap import case, done, ok  # noqa: E402


def hears(line, seconds=1.0):
    """True when a byte came; None at the end of the line."""
    if not select.select([line], [], [], seconds)[0]:
        return False
    return bool(line.recv(64)) or None


def run(i):
    d = Process('hub', 'hub', i.etc)
    zygote, router = d.peer('session', 'imap', 5), d.peer('router', 'router', 6)

    pids = iter(range(100, 200))

    def join(mail):
        mine, theirs = socket.socketpair()
        zygote.send('HUB_JOIN', mail=mail, pid=next(pids), line=theirs.fileno())
        theirs.close()
        return mine

    a, b, other = join('/mail/alice/Maildir'), join('/mail/alice/Maildir/'), join('/mail/bob/Maildir')
    ok(not hears(a, 0.3), 'a line is quiet at first')
    a.send(b'c')
    ok(hears(b) and not hears(a, 0.2) and not hears(other, 0.1), 'a change is told to the others of the same mail, and to nobody else')
    router.send('HUB_NEWS', mail='/mail/alice/Maildir/')
    ok(hears(a) and hears(b) and not hears(other, 0.1), 'a delivery is told to all of them')
    router.send('HUB_NEWS', mail='/mail/nobody/Maildir')
    b.close()
    a.send(b'c')
    ok(not hears(a, 0.2), 'a session that has ended is forgotten')
    c = join('/mail/alice/Maildir')
    for _ in range(200000):
        try:
            a.send(b'c' * 64, socket.MSG_DONTWAIT)
        except BlockingIOError:
            break
    router.send('HUB_NEWS', mail='/mail/bob/Maildir')
    ok(hears(other, 5), 'a session that does not read, and one that shouts, hold up nobody')
    ok(hears(c), 'and it has its news when it looks')
    router.send('HUB_JOIN', mail='/x', pid=1)
    ok(router.is_closed(), 'a message that the router may not send closes its channel')
    d.stop()
    ok(hears(other, 5) is None, 'lines end with the hub')


def roll(i):
    """Two zygotes of one service and one of another; authd asks."""
    d = Process('hub', 'hub', i.etc)
    first, second, pop, authd = d.peer('session', 'imap', 5), d.peer('session', 'imap', 6), d.peer('session', 'pop3', 7), d.peer('authd', 'auth', 8)
    router = d.peer('router', 'router', 10)
    lines = []

    def join(zygote, pid, user, service='imap', live=True):
        mine, theirs = socket.socketpair()
        zygote.send('HUB_JOIN', mail='/mail/' + user, pid=pid, service=service, user=user, remote='192.0.2.%d' % (pid % 250), session_id='s', since=1700000000,
                    live=live, line=theirs.fileno())
        theirs.close()
        lines.append(mine)
        return mine

    def other(pid, user, live):
        return 0, {'': 'HUB_OTHER', 'pid': pid, 'user': user.encode(), 'remote': b'192.0.2.%d' % (pid % 250), 'live': live}

    a = join(first, 11, 'Alice')
    join(first, 12, 'alice', live=False)
    first.send('HUB_TOLD', service='imap')
    pop.send('HUB_TOLD', service='pop3')
    ok(not select.select([first.sock, pop.sock], [], [], 0.3)[0], 'while a zygote has not named its sessions, nobody knows all')
    second.send('HUB_TOLD', service='imap')
    ok(second.recv() == other(11, 'Alice', True), 'a zygote hears of sessions of others')
    ok([c.recv()[1][''] for c in (first, second, pop)] == ['HUB_KNOWN'] * 3, 'then all others are known')
    b = join(second, 21, 'bob')
    ok(first.recv() == other(21, 'bob', True), 'and of new ones')
    first.send('HUB_TURN', pid=12, live=1, remote='192.0.2.12', session_id='t', since=1700000001)
    ok(second.recv() == other(12, 'alice', True), 'of a process that has another session')
    first.send('HUB_TURN', pid=12, live=0)
    ok(second.recv()[1]['live'] is False, 'of one whose session is over')
    second.send('HUB_TURN', pid=11, live=0)
    b.close()
    ok(first.recv() == other(21, 'bob', False), 'and of one whose line has ended')
    first.close()
    orphans = [second.recv()[1] for _ in range(2)]
    ok(sorted((o[''], o['pid'], o['user'], o['mail'], o['live']) for o in orphans) ==
       [('HUB_ORPHAN', 11, b'Alice', b'/mail/Alice', True), ('HUB_ORPHAN', 12, b'alice', b'/mail/alice', False)],
       'a zygote that is gone leaves its sessions to the others of its service', orphans)
    third = d.peer('session', 'imap', 9)
    third.send('HUB_TOLD', service='imap')
    ok(third.recv() == other(11, 'Alice', True), 'and to be counted')
    ok([third.recv()[1][''] for _ in range(3)] == ['HUB_ORPHAN', 'HUB_ORPHAN', 'HUB_KNOWN'], 'also to one that comes later')
    a.send(b'c')
    router.send('HUB_NEWS', mail='/mail/Alice')
    ok(hears(a), 'who has their lines does not take what is said there')
    p = join(pop, 31, 'alice', 'pop3')
    ok(not select.select([second.sock, third.sock], [], [], 0.3)[0], 'POP3 is no business of IMAP')
    authd.send('HUB_WHO', 7, user='alice', after=0)
    got = authd.recv()
    ok(got[0] == 7 and got[1]['text'] == b'Alice\timap\t192.0.2.11\t11\t1700000000\ts\nalice\tpop3\t192.0.2.31\t31\t1700000000\ts\n' and got[1]['after'] == 0,
       'the list, whatever the case', got)
    for pid in range(1000, 1900):
        join(second, pid, 'u' * 200)
    second.send('HUB_TURN', pid=1, live=0)

    def listed():
        seen, after = 0, None
        while after != 0:
            authd.send('HUB_WHO', 8, user='', after=after or 0)
            got = authd.recv()
            seen, after = seen + got[1]['text'].count(b'\n'), got[1]['after']
        return seen

    # What comes on another channel may be read later.
    wait_until(lambda: listed() == 902)
    seen = listed()
    ok(seen == 902, 'a long list comes in pieces', seen)
    authd.send('HUB_KICK', 9, user='al*', remote='192.0.2.31')
    ok(authd.recv()[1]['sessions'] == 1 and p.recv(9) == b'k' and not hears(a, 0.2), 'one is told to end')
    authd.send('HUB_KICK', 9, user='a*', remote='192.0.2.0/28')
    ok(authd.recv()[1]['sessions'] == 1 and a.recv(9) == b'k' and not hears(p, 0.2), 'those of a network')
    authd.send('HUB_KICK', 9, user='al*', remote='2001:db8::/32')
    ok(authd.recv()[1]['sessions'] == 0, 'nobody is there')
    authd.send('HUB_KICK', 9, user='p*', remote='0.0.0.0/0')
    ok(authd.recv()[1]['sessions'] == 0, 'both must fit')
    authd.send('HUB_KICK', 9, user='al*', remote='192.0.2')
    ok(authd.recv()[1]['sessions'] == 0, 'what is no network has nobody in it')
    authd.send('HUB_KICK', 9, user='', remote='')
    ok(authd.recv()[1]['sessions'] == 0, 'nobody is meant by no name')
    pop.send('HUB_WHO', 1, user='', after=0)
    ok(pop.is_closed(), 'a zygote may not ask for the list')
    d.stop()
    for line in lines:
        line.close()


def idle(i):
    m = i.imap('bob')
    m.select('INBOX')
    m.send(b'x IDLE\r\n')
    m.readline()
    with open(i.maildir('bob') + '/new/1700000099.M1P1.host', 'w') as f:
        f.write('Subject: x\n\nx\n')
    m.sock.settimeout(10)
    line = m.readline()
    ok(b'EXISTS' in line or b'RECENT' in line, 'IDLE tells of a message that another program delivered', line)
    m.send(b'DONE\r\n')
    m.shutdown()


with Instance() as instance:
    for test in (run, roll, idle):
        case(test.__name__, lambda t=test: t(instance))
done()
