# SPDX-License-Identifier: ISC
"""Sessions outlive a reload and the death of every process that is not theirs."""
import os
import poplib
import signal
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PASSWORD, wait_until   # noqa: E402
from tap import case, done, ok                        # noqa: E402


def works(i):
    try:
        return i.pop3('bob').quit().startswith(b'+OK') and i.imap('bob').logout()[0] == 'BYE'
    except (poplib.error_proto, OSError, i.imap_error):
        return False


def reload(i):
    p, m = i.pop3('bob'), i.imap('alice')
    q, n = i.pop3(None), i.imap(None)
    i.reload()
    ok(wait_until(lambda: works(i), 10), 'after a reload, logins work')
    ok(p.noop() == b'+OK' and m.noop()[0] == 'OK', 'sessions go on')
    q.user('bob')
    ok(q.pass_(PASSWORD['bob']).startswith(b'+OK') and n.login('alice', PASSWORD['alice'])[0] == 'OK', 'connections that had not logged in yet may do so')
    ok(p.quit().startswith(b'+OK') and m.logout()[0] == 'BYE', 'and all end in good order')


def zygotes(i):
    """The session starter dies: its sessions stay."""
    p = i.pop3('bob')
    for pid in i.pids_of('pop3d'):
        with open('/proc/%d/stat' % pid) as f:
            parent = int(f.read().rsplit(')', 1)[1].split()[1])
        if parent in i.pids_of('master'):
            os.kill(pid, signal.SIGKILL)
    ok(p.noop() == b'+OK', 'a session outlives the zygote that made it')
    ok(wait_until(lambda: works(i), 20, 0.3), 'and the next login finds another')
    p.quit()


def helpers(i):
    m = i.imap('alice')
    for program in ('imap-login', 'pop3-login', 'authd', 'auth-worker', 'auth-hash', 'hub'):
        for pid in i.pids_of(program):
            os.kill(pid, signal.SIGKILL)
    ok(m.noop()[0] == 'OK', 'a session outlives login, authd, worker and hub')
    ok(wait_until(lambda: works(i), 30, 0.3), 'and logins work again')
    for pid in i.pids_of('tls-proxy'):
        os.kill(pid, signal.SIGKILL)
    ok(wait_until(lambda: works(i), 30, 0.3), 'without tls-proxy its connections end, and the next ones work')
    ok(wait_until(lambda: not [p for p in i.pids_of('imapd') if os.path.exists('/proc/%d' % p) and is_session(i, p)], 30), 'no session is left behind, when those that wait for another login have left')


def is_session(i, pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            return int(f.read().rsplit(')', 1)[1].split()[1]) not in i.pids_of('master')
    except OSError:
        return False


with Instance() as instance:
    import imaplib
    instance.imap_error = imaplib.IMAP4.error
    for test in (reload, zygotes, helpers):
        case(test.__name__, lambda t=test: t(instance))
done()
