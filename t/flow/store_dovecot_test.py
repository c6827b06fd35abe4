# SPDX-License-Identifier: ISC
"""One Maildir, Debian's Dovecot and Postern's store in turn: same UIDVALIDITY, UIDs, flags, keywords, sizes and UIDLs."""
import imaplib
import os
import poplib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from ipc import DEV                       # noqa: E402
from peer import Dovecot                  # noqa: E402
from tap import done, ok                  # noqa: E402

PORT = int(os.environ.get('POSTERN_PORT', '21000')) + 300
UID = 5000


class Peers:
    def __init__(self):
        self.dovecot = Dovecot(PORT, {'u': ('secret', UID, UID, '/home/u')}, more='mail_max_userip_connections = 50')
        self.home = self.dovecot.root.path + '/home/u'
        os.makedirs(self.home, exist_ok=True)
        os.chown(self.home, UID, UID)
        self.maildir = self.home + '/Maildir'
        # the build's directories may be closed to other users
        self.tool = self.dovecot.root.path + '/tmp/store_tool'
        shutil.copy(DEV + '/t/store_tool', self.tool)
        os.chmod(self.tool, 0o755)
        p = self.dovecot.root.base
        os.chmod(p, 0o755)

    def store(self, command, box, *args):
        r = subprocess.run([self.tool, 'maildir:' + self.maildir, command, box, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           user=UID, group=UID, extra_groups=[], env={'ASAN_OPTIONS': 'detect_leaks=0'}, timeout=60)
        if r.returncode != 0:
            print('# store_tool %s: %s' % (command, r.stdout[-1500:]))
        return r.stdout

    def view(self, box='INBOX'):
        """(uidvalidity, uidnext, {uid: (uidl, size, date, flags)}) by Postern"""
        lines = self.store('list', box).splitlines()
        head = lines[0].split()
        out = {}
        for line in lines[1:]:
            w = line.split()
            out[int(w[1])] = (w[0], int(w[2]), int(w[3]), frozenset(w[4:]))
        return int(head[0]), int(head[1]), out

    def imap(self):
        c = imaplib.IMAP4('127.0.0.1', PORT)
        c.login('u', 'secret')
        return c

    def dovecot_view(self, box='INBOX'):
        c = self.imap()
        st = c.status(box, '(UIDVALIDITY UIDNEXT)')[1][0].decode()
        c.select(box)
        out = {}
        for item in c.uid('fetch', '1:*', '(UID FLAGS RFC822.SIZE INTERNALDATE)')[1]:
            if item is None:
                continue
            t = item.decode()
            flags = frozenset(f for f in re.search(r'FLAGS \(([^)]*)\)', t).group(1).split() if f != '\\Recent')
            date = imaplib.Internaldate2tuple(item)
            import calendar
            import time
            out[int(re.search(r'UID (\d+)', t).group(1))] = (int(re.search(r'RFC822.SIZE (\d+)', t).group(1)), int(time.mktime(date)), flags)
        c.logout()
        numbers = [int(re.search(r'%s (\d+)' % k, st).group(1)) for k in ('UIDVALIDITY', 'UIDNEXT')]
        return numbers[0], numbers[1], out

    def uidls(self):
        p = poplib.POP3('127.0.0.1', PORT + 2)
        p.user('u')
        p.pass_('secret')
        got = [line.split()[1].decode() for line in p.uidl()[1]]
        p.quit()
        return got


def same(p, what, box='INBOX'):
    v, n, ours = p.view(box)
    dv, dn, theirs = p.dovecot_view(box)
    ok(v == dv and n == dn, '%s: same UIDVALIDITY and UIDNEXT' % what, (v, n, dv, dn))
    ok(sorted(ours) == sorted(theirs), '%s: same UIDs' % what, (sorted(ours), sorted(theirs)))
    ok(all(ours[u][3] == theirs[u][2] for u in ours if u in theirs), '%s: same flags and keywords' % what, (ours, theirs))
    ok(all(ours[u][1] == theirs[u][0] and ours[u][2] == theirs[u][1] for u in ours if u in theirs), '%s: same sizes and dates' % what, (ours, theirs))
    if box == 'INBOX':
        ok([ours[u][0] for u in sorted(ours)] == p.uidls(), '%s: same POP3 UIDLs' % what, ([ours[u][0] for u in sorted(ours)], p.uidls()))
    return v, ours


def dovecot_first(p):
    c = p.imap()
    for n in range(5):
        c.append('INBOX', '\\Flagged' if n == 1 else '', imaplib.Time2Internaldate(1600000000 + n), b'Subject: %d\r\n\r\nbody %d\r\n' % (n, n))
    c.select('INBOX')
    c.store('2', '+FLAGS', '(\\Seen $Label1 NonJunk)')
    c.store('3', '+FLAGS', '(\\Deleted)')
    c.expunge()
    c.create('Work.2024')
    c.subscribe('Work.2024')
    c.logout()
    v, _ = same(p, 'a Maildir that Dovecot made')
    return v


def postern_changes(p, v):
    p.store('flag', 'INBOX', '1', '+', '\\Answered')
    p.store('flag', 'INBOX', '4', '+', '$Forwarded')
    p.store('flag', 'INBOX', '2', '-', '\\Seen')
    p.store('expunge', 'INBOX', '5')
    uid = p.store('append', 'INBOX', 'Subject: ours\r\n\r\nbody\r\n').strip()
    ok(uid == '6', 'Postern appends with the next UID', uid)
    v2, ours = same(p, 'after Postern changed it')
    ok(v2 == v and '$Forwarded' in ours[4][3] and '$Label1' in ours[2][3] and '\\Seen' not in ours[2][3], 'the changes are there', ours)
    # what is delivered
    os.makedirs(p.maildir + '/new', exist_ok=True)
    path = p.maildir + '/new/1700000000.M1P1T5f3R0.host,S=16,W=18'
    with open(path, 'w') as f:
        f.write('Subject: new\n\n1\n')
    os.chown(path, UID, UID)
    same(p, 'after a delivery that Postern saw first')
    path = p.maildir + '/new/1700000001.M1P1T5f4R0.host,S=16,W=18'
    with open(path, 'w') as f:
        f.write('Subject: new\n\n2\n')
    os.chown(path, UID, UID)
    p.dovecot_view()
    same(p, 'after a delivery that Dovecot saw first')


def dovecot_again(p, v):
    c = p.imap()
    c.select('INBOX')
    c.uid('store', '1', '-FLAGS', '(\\Answered)')
    c.uid('store', '6', '+FLAGS', '(\\Deleted Third)')
    c.append('INBOX', '', None, b'Subject: more\r\n\r\n\r\n')
    c.uid('copy', '2', 'Work.2024')
    c.expunge()
    c.logout()
    v2, ours = same(p, 'after Dovecot changed it again')
    ok(v2 == v and 6 not in ours, 'and expunged', ours)
    same(p, 'a folder', 'Work.2024')
    p.store('create', 'Work.Ours')
    p.store('subscribe', 'Work.Ours')
    p.store('append', 'Work.Ours', 'a: b\r\n\r\nc\r\n')
    same(p, 'a folder that Postern made', 'Work.Ours')
    c = p.imap()
    subscribed = b' '.join(c.lsub()[1]).decode()
    ok('Work.2024' in subscribed and 'Work.Ours' in subscribed, 'both subscriptions are known to Dovecot', subscribed)
    c.logout()


def without_caches(p, v):
    shutil.rmtree(p.maildir + '/postern-index')
    _, _, before = p.dovecot_view()
    v2, ours = same(p, 'without Postern\'s index')
    for name in os.listdir(p.maildir):
        if name.startswith('dovecot.index') or name.startswith('dovecot.list'):
            os.unlink(p.maildir + '/' + name)
    v3, _ = same(p, 'without Dovecot\'s index')
    ok(v == v2 == v3 and sorted(before) == sorted(ours), 'UIDVALIDITY and UIDs have not changed')


def side_by_side(p):
    """Both at the same time: nothing is lost, no UID is given twice."""
    busy = subprocess.Popen([p.tool, 'maildir:' + p.maildir, 'churn', 'Work.Ours', '40'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            user=UID, group=UID, extra_groups=[], env={'ASAN_OPTIONS': 'detect_leaks=0'})
    c = p.imap()
    c.select('Work.Ours')
    for n in range(40):
        c.append('Work.Ours', '', None, b'Subject: theirs\r\n\r\n%d\r\n' % n)
        c.store('1:*', '+FLAGS', '(\\Flagged)')
    c.logout()
    out = busy.communicate(timeout=120)[0]
    ok(busy.returncode == 0, 'Postern works while Dovecot does', out[-500:])
    uids = [int(w) for w in out.splitlines() if w.isdigit()]
    ok(len(uids) == 40 and len(set(uids)) == 40, 'every message got a UID of its own', uids)
    _, ours = same(p, 'after both worked at once', 'Work.Ours')
    ok(len(ours) == 81 and set(uids) <= set(ours), 'and all 81 are there', len(ours))


def main():
    p = Peers()
    try:
        v = dovecot_first(p)
        postern_changes(p, v)
        dovecot_again(p, v)
        without_caches(p, v)
        side_by_side(p)
    finally:
        print('# ' + p.dovecot.log()[-1500:].replace('\n', '\n# '))
        p.dovecot.close()
    done()


main()
