# SPDX-License-Identifier: ISC
"""A session's process waits for another login of the same account, and serves nobody else."""
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, wait_until   # noqa: E402
from tap import done, ok                    # noqa: E402

MPID = r'%s-login: Login: user=<%s>.* mpid=(\d+)'


def pids(i, user, service='imap'):
    return [int(p) for p in re.findall(MPID % (service, user), i.log())]


def visit(i, user, password=None):
    """A whole session; the process that served it."""
    before = len(pids(i, user))
    m = i.imap(user, password) if password else i.imap(user)
    m.select('INBOX')
    m.append('INBOX', None, None, b'Subject: one\r\n\r\ntext\r\n')
    count = int(m.select('INBOX')[1][0])
    m.logout()
    wait_until(lambda: len(pids(i, user)) > before)
    time.sleep(0.2)
    return pids(i, user)[-1], count


def lives(pid):
    try:
        return open('/proc/%d/stat' % pid).read().rsplit(') ', 1)[1][0] != 'Z'
    except OSError:
        return False


def main():
    with Instance(main='postern_session_reuse_time = 3s') as i:
        (a1, n1), (a2, n2), (b1, _) = visit(i, 'alice'), visit(i, 'alice'), visit(i, 'bob')
        ok(a1 == a2, 'the next login of the same user goes to the same process', (a1, a2))
        ok((n1, n2) == (1, 2), 'and sees the mailbox as it is now', (n1, n2))
        ok(b1 != a1, 'another user has another process', (a1, b1))
        first, second = i.imap('alice'), i.imap('alice')
        wait_until(lambda: len(pids(i, 'alice')) == 4)
        at_once = pids(i, 'alice')[-2:]
        ok(len(set(at_once)) == 2 and a1 in at_once, 'two sessions at once have a process each', at_once)
        lines = [os.readlink('/proc/%d/fd/5' % p) for p in at_once]
        ok(all(l.startswith('socket:') for l in lines), 'and each its line to the hub', lines)
        first.logout(), second.logout()
        ok(wait_until(lambda: not lives(a1) and not lives(b1), 20), 'a process that nobody needs ends after a while')
        p = i.pop3('bob')
        count = p.stat()[0]
        p.quit()
        time.sleep(0.2)
        p = i.pop3('bob')
        ok(count == 1 and p.stat()[0] == 1, 'POP3 sessions follow each other as well')
        p.quit()
        served = pids(i, 'bob', 'pop3')
        ok(len(set(served)) == 1, 'in one process', served)
        os.kill(served[0], signal.SIGTERM)
        ok(wait_until(lambda: not lives(served[0])), 'SIGTERM ends one that waits')
        p = i.pop3('bob')
        ok(p.stat()[0] == 1, 'and the next login has a new one')
        p.quit()
    with Instance(main='postern_session_reuse_time = 0') as i:
        a1, a2 = visit(i, 'alice')[0], visit(i, 'alice')[0]
        ok(a1 != a2 and not lives(a1), 'postern_session_reuse_time = 0: a process for each session', (a1, a2))
    with Instance(main='postern_session_limit = 1\npostern_session_reuse_time = 60s') as i:
        a, b = visit(i, 'alice')[0], visit(i, 'bob')[0]
        ok(a != b and wait_until(lambda: not lives(a)), 'at postern_session_limit one that waits makes room', (a, b))


if __name__ == '__main__':
    main()
    done()
