# SPDX-License-Identifier: ISC
"""hub: who hears what, with this test as master, zygote, sessions and router."""
import os
import select
import socket
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance   # noqa: E402
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

    def join(mail):
        mine, theirs = socket.socketpair()
        zygote.send('HUB_JOIN', mail=mail, pid=1, line=theirs.fileno())
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
    for test in (run, idle):
        case(test.__name__, lambda t=test: t(instance))
done()
