# SPDX-License-Identifier: ISC
"""deliver-actor as root: who it becomes, whom it refuses to become, and what it can do afterwards."""
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from ipc import Daemon                             # noqa: E402
from tap import done, ok                           # noqa: E402

UID, OTHER = 64000, 64001
SENT, DEFERRED, BOUNCED, NONE = 1, 2, 3, 4
MAILDIR, MBOX, COMMAND, FORWARD = 1, 2, 3, 4
BODY = b'N\x04a: bN\x00N\x01x'


class Actor:
    def __init__(self):
        self.d = Daemon('deliver-actor', 'actor', main='postern_private = no')
        self.c = self.d.peer('router')
        self.job = 0

    def become(self, uid, gid, home='/', user=''):
        self.c.send('BECOME', uid=uid, gid=gid, home=home, user=user)

    def act(self, kind, path, **more):
        self.job += 1
        self.c.send('ACTION', job=self.job, kind=kind, path=path, queue_id='4F2BAC0001', n=more.pop('n', self.job), arrival_us=int(time.time() * 1e6),
                    sender='s@example.net', address='r@example.test', headers='Return-Path: <s@example.net>\n', content=BODY, seconds=5, **more)
        try:
            got = self.c.recv(20)
        except (OSError, TimeoutError):
            return None
        return got and got[1]

    def status(self):
        with open('/proc/%d/status' % self.d.process.pid) as f:
            return dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)

    def dead(self):
        try:
            return self.d.process.wait(10) != 0
        except Exception:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.d.stop()


def refusals():
    for uid, gid, what in ((0, 5000, 'uid 0'), (5000, 0, 'gid 0'), (0, 0, 'root')):
        with Actor() as a:
            a.become(uid, gid)
            ok(a.act(MAILDIR, '/tmp/never') is None and a.dead() and a.d.wait_log('never delivered as root'), 'it does not become ' + what, a.d.log)
    with Actor() as a:
        got = a.act(MAILDIR, '/tmp/never')
        ok(got['outcome'] == DEFERRED and got['text'] == b'no user yet' and not os.path.exists('/tmp/never'), 'nothing is done as root', got)
    with Actor() as a:
        a.become(UID, UID)
        a.become(OTHER, OTHER)
        ok(a.dead() and a.d.wait_log('second BECOME'), 'it becomes one user only', a.d.log)


def as_user(base):
    home = base + '/u'
    with Actor() as a:
        a.become(UID, UID, home)
        got = a.act(MAILDIR, home + '/Maildir')
        ok(got['outcome'] == SENT, 'a maildir is made and delivered to', got)
        st = os.stat(home + '/Maildir/new')
        ok(st.st_uid == UID and st.st_gid == UID and st.st_mode & 0o077 == 0, 'it belongs to the user alone', oct(st.st_mode))
        s = a.status()
        ok(s['Uid'].split() == [str(UID)] * 4 and s['Gid'].split() == [str(UID)] * 4, 'all four ids are the user\'s', s['Uid'])
        ok(int(s['CapEff'], 16) == 0 and int(s['CapPrm'], 16) == 0 and s['Groups'].split() in ([], [str(UID)]), 'no capability and no group is left',
           (s['CapEff'], s['Groups']))
        got = a.act(MAILDIR, base + '/other/Maildir')
        ok(got['outcome'] == DEFERRED and got['dsn'] == b'4.3.0' and b'Permission denied' in got['text'], 'another user\'s directory is out of reach', got)
        got = a.act(COMMAND, 'id -u; id -g; exit 99', environment='PATH=/usr/bin:/bin\0')
        ok(b'%d %d' % (UID, UID) in got['text'], 'commands run as the user', got)
        os.symlink(base + '/other/box', home + '/link')
        got = a.act(MBOX, home + '/link')
        ok(got['outcome'] == DEFERRED, 'an mbox that is a symbolic link is not followed', got)
        os.link(base + '/secret', home + '/hard')
        got = a.act(MBOX, home + '/hard')
        ok(got['outcome'] == DEFERRED and b'not owned' in got['text'] or b'denied' in got['text'], 'nor is a file that is not the user\'s', got)
        got = a.act(MBOX, home + '/box', limit=10)
        ok(got['outcome'] == BOUNCED and got['dsn'] == b'5.2.2', 'a full mailbox bounces', got)
        got = a.act(FORWARD, home + '/.forward')
        ok(got['outcome'] == NONE and got['data'] == b'', 'no .forward is no .forward', got)
        with open(home + '/.forward', 'w') as f:
            f.write('x@example.net\n')
        os.chown(home + '/.forward', UID, UID)
        got = a.act(FORWARD, home + '/.forward')
        ok(got['outcome'] == SENT and got['data'] == b'x@example.net\n', 'the user\'s own is read', got)
        os.chmod(home + '/.forward', 0o666)
        got = a.act(FORWARD, home + '/.forward')
        ok(got['outcome'] == NONE and b'ignored' in got['text'], 'one that others can write is not', got)
        os.chmod(home + '/.forward', 0o644)
        os.chown(home + '/.forward', OTHER, OTHER)
        got = a.act(FORWARD, home + '/.forward')
        ok(got['outcome'] == NONE and b'ignored' in got['text'], 'nor one that is somebody else\'s', got)
        got = a.act(MAILDIR, home + '/Maildir', n=7)
        a.c.close()
        ok(a.d.process.wait(10) == 0, 'it ends when the router closes the channel')


def spool(base):
    """As Debian's /var/mail: root:mail 2775, where the user alone can make no file."""
    path = base + '/spool'
    os.mkdir(path)
    os.chown(path, 0, 8)
    os.chmod(path, 0o2775)
    with Actor() as a:
        a.become(UID, UID, base + '/u')
        got = a.act(MBOX, path + '/u')
        ok(got['outcome'] == DEFERRED, 'without the spool\'s group there is no first delivery', got)
    with Actor() as a:
        a.c.send('BECOME', uid=UID, gid=UID, home=base + '/u', user='', spool_gid=8)
        got = a.act(MBOX, path + '/u')
        ok(got['outcome'] == SENT and os.stat(path + '/u').st_uid == UID and os.listdir(path) == ['u'], 'with it the mailbox is the user\'s, and no lock is left', got)
        got = a.act(COMMAND, 'id', environment='PATH=/usr/bin:/bin\0')
        ok(got['outcome'] == DEFERRED and b'mail spools only' in got['text'], 'such a process runs no command', got)
        got = a.act(MAILDIR, base + '/u/Maildir2')
        ok(got['outcome'] == DEFERRED, 'and writes nothing else', got)


def main():
    if os.geteuid() != 0:
        print('1..0 # SKIP needs root')
        return
    base = tempfile.mkdtemp(prefix='postern-actor.')
    os.chmod(base, 0o755)
    for name, uid in (('u', UID), ('other', OTHER)):
        os.mkdir('%s/%s' % (base, name), 0o700)
        os.chown('%s/%s' % (base, name), uid, uid)
    with open(base + '/secret', 'w') as f:
        f.write('secret')
    os.chmod(base + '/secret', 0o666)
    try:
        refusals()
        as_user(base)
        spool(base)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    done()


main()
