# SPDX-License-Identifier: ISC
"""From inside each role: what the role table does not grant is tried, and denied.

A probe program enters the confinement by the same row and the same code as the
role's daemon, as root, in the release build, and tries one thing at a time.
"""
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from tap import done, ok                            # noqa: E402
from toys import ACCOUNTS, PORT, ROOT, Toys         # noqa: E402

# The kernel lets nobody make a user name space inside a chroot, whatever else he may.
IN_CHROOT = subprocess.run(['unshare', '-U', 'true'], stderr=subprocess.DEVNULL, check=False).returncode != 0

BUILD = os.environ.get('POSTERN_RELEASE', ROOT + '/build')
ALL = {'broker', 'log', 'smtpd', 'lmtpd', 'submitd', 'pickup', 'qmgr', 'out', 'bounce', 'router', 'actor', 'tls', 'login',
       'session', 'hub', 'authd', 'auth-worker', 'auth-hash', 'auth-db', 'lookup', 'resolver', 'keys',
       'user'}     # what a session becomes
WAITS_AS_ROOT = {'actor', 'session'}
FILES = {'broker', 'router', 'lookup', 'auth-worker', 'auth-db', 'authd'}
SOCKETS = {'out', 'resolver', 'router', 'lookup', 'broker', 'auth-worker', 'auth-db', 'actor'}

# attempt, argument, what it is, who may
TABLE = [
    ('nothing', '', 'run at all', ALL),
    ('read', '/etc/passwd', 'read /etc/passwd', FILES | WAITS_AS_ROOT),
    ('read', '/etc/shadow', 'read /etc/shadow', {'auth-worker'} | WAITS_AS_ROOT),
    ('read', '{etc}/secret.key', 'read a key that root owns', WAITS_AS_ROOT),
    ('read', '{queue}/active/message', 'read a queued message', {'qmgr'}),
    ('list', '{queue}/active', 'list the queue', {'qmgr'}),
    ('write', '{queue}/active/new', 'write into the queue', {'qmgr'}),
    ('write', '{queue}/maildrop/new', 'write into maildrop by its path', {'qmgr'}),
    ('write', '{data}/new', 'write into data_directory', {'qmgr'}),
    ('write', '{etc}/main.cf', 'change the configuration', WAITS_AS_ROOT),
    ('write', '/tmp/postern-probe', 'write into /tmp', WAITS_AS_ROOT),
    ('list', '{home}', "list a user's home", {'user'}),
    ('read', '{home}/mail', "read a user's mail", {'user'}),
    ('connect', '{port}', 'connect over TCP', SOCKETS),
    ('bind', '{free}', 'listen on a TCP port', {'actor'}),
    ('unix', '{queue}/private/auth', 'connect to a private socket', {'broker', 'router'}),
    ('raw', '', 'open a raw socket', set()),
    ('fork', '', 'fork', {'session', 'actor', 'auth-worker'}),
    ('exec', '/bin/true', 'run a program', {'actor', 'auth-worker'}),
    ('mmap-exec', '', 'make executable memory', {'actor', 'router', 'lookup', 'broker', 'auth-worker', 'auth-db'}),
    ('mprotect-exec', '', 'make memory executable', {'actor', 'router', 'lookup', 'broker', 'auth-worker', 'auth-db'}),
    ('kill', '{pid}', 'signal a process of another user', set()),
    ('ptrace', '{pid}', 'trace a process', set()),
    ('peek', '{pid}', "read another process's memory", set()),
    ('root', '', 'become root', WAITS_AS_ROOT),
    ('other-user', '', 'become another user', WAITS_AS_ROOT),
    ('chroot', '', 'change the root', set()),
    ('mount', '', 'mount', set()),
    ('userns', '', 'make a user name space', set() if IN_CHROOT else {'actor'}),
    ('bpf', '', 'load a program into the kernel', set()),
    ('proc', '', "read another process's environment", set()),
]


def probe(toys, role, attempt, argument):
    return subprocess.run([BUILD + '/t/probe', toys.dir + '/etc', role, attempt, argument], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=20)


def prepare(toys, user):
    os.makedirs(toys.dir + '/spool/active', 0o700)
    os.makedirs(toys.dir + '/spool/maildrop', 0o730)
    os.makedirs(toys.dir + '/spool/private', 0o700)
    os.makedirs(toys.dir + '/empty', 0o755)
    os.makedirs(toys.dir + '/home', 0o700)
    for path, mode in (('spool/active/message', 0o600), ('etc/secret.key', 0o600), ('home/mail', 0o600)):
        with open('%s/%s' % (toys.dir, path), 'w') as f:
            f.write('secret\n')
        os.chmod('%s/%s' % (toys.dir, path), mode)
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(toys.dir + '/spool/private/auth')
    unix.listen(50)
    os.chmod(toys.dir + '/spool/private/auth', 0o666)
    for path in ('spool/active', 'spool/active/message', 'spool/maildrop', 'spool/private', 'data'):
        os.chown('%s/%s' % (toys.dir, path), user, user)
    for path in ('home', 'home/mail'):
        os.chown('%s/%s' % (toys.dir, path), 12345, 12345)
    return unix


def main():
    if os.geteuid() != 0:
        ok(True, 'skipped: not root')
        done()
    if not os.path.exists(BUILD + '/t/probe'):
        ok(False, 'the release build has the probe')
        done()
    toys = Toys(build=BUILD, main=ACCOUNTS, private=False)
    unix = prepare(toys, 8)
    tcp = socket.socket()
    tcp.bind(('127.0.0.1', 0))
    tcp.listen(100)
    victim = subprocess.Popen(['sleep', '600'], user=12345, group=12345)
    values = {'etc': toys.dir + '/etc', 'queue': toys.dir + '/spool', 'data': toys.dir + '/data', 'home': toys.dir + '/home',
              'port': tcp.getsockname()[1], 'free': PORT + 7, 'pid': victim.pid}
    try:
        for attempt, argument, what, may in TABLE:
            wrong = []
            for role in sorted(ALL):
                r = probe(toys, role, attempt, argument.format(**values))
                if (r.returncode == 0) != (role in may) or r.returncode not in (0, 1, -signal.SIGSYS):
                    wrong.append('%s: status %d, %s' % (role, r.returncode, r.stderr.strip().replace('\n', '; ')))
            allowed = ', '.join(sorted(may)) if may and may != ALL else 'every role' if may else 'no role'
            ok(not wrong, '%s: %s' % (what, allowed), '\n'.join(wrong))
        r = probe(toys, 'smtpd', 'exec', '/bin/true')
        ok('execve' in r.stderr and r.returncode == -signal.SIGSYS, 'a refused call is named before the process ends', r.stderr)
    finally:
        victim.kill()
        victim.wait()
        unix.close()
        tcp.close()
        toys.close()
    done()


main()
