# SPDX-License-Identifier: ISC
"""PAM with pam_unix and /etc/shadow, from a process without a capability; modules that hang, delay or refuse.

Runs in a mount name space of its own, with users of its own in an overlay of /etc. Needs root.
"""
import base64
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import wait_until                 # noqa: E402
from tap import case, done, ok                  # noqa: E402
from toys import ACCOUNTS, PORT, ROOT, Toys     # noqa: E402

BUILD = os.environ.get('POSTERN_RELEASE', ROOT + '/build')
PROGRAMS = ['master', 'broker', 'logd', 'smtpd', 'submitd', 'pickup', 'qmgr', 'deliver-out', 'deliver-bounce', 'deliver-router',
            'deliver-actor', 'authd', 'auth-worker', 'auth-hash', 'lookup', 'resolver']
# name, shadow's fields after the password: last change, minimum, maximum, warning, inactive, expires
USERS = [('amy', '20000:0:99999:7:::'), ('gone', '20000:0:99999:7::1:'), ('stale', '0:0:99999:7:::'), ('locked', '20000:0:99999:7:::'),
         ('hangs', '20000:0:99999:7:::')]
PAM = """auth optional pam_faildelay.so delay=4000000
auth [success=ignore default=1] pam_succeed_if.so quiet user = hangs
auth optional pam_exec.so quiet /bin/sleep 20
auth optional pam_exec.so quiet log=/run/pam-environment /usr/bin/env
auth required pam_unix.so
account required pam_nologin.so file=/run/no-login
account required pam_unix.so
session required pam_deny.so
"""


def sh(*argv, **kw):
    return subprocess.run(argv, check=True, **kw)


def stored(scheme, password, *more):
    return sh(BUILD + '/bin/postern', 'pw', '-s', scheme, '-p', password, *more, stdout=subprocess.PIPE, text=True).stdout.strip()


def own_etc():
    """An overlay of /etc and an empty /run, in this name space only."""
    base = tempfile.mkdtemp(prefix='pam-')
    sh('mount', '--make-rprivate', '/')
    sh('mount', '-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', base)
    os.mkdir(base + '/upper')
    os.mkdir(base + '/work')
    sh('mount', '-t', 'overlay', '-o', 'lowerdir=/etc,upperdir=%s/upper,workdir=%s/work' % (base, base), 'overlay', '/etc')
    sh('mount', '-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', '/run')
    with open('/etc/passwd', 'a') as names, open('/etc/shadow', 'a') as secrets:
        for n, (user, rest) in enumerate(USERS):
            names.write('%s:x:%d:%d::/home/%s:/bin/sh\n' % (user, 2400 + n, 2400, user))
            mark = '!' if user == 'locked' else ''
            secrets.write('%s:%s%s:%s\n' % (user, mark, stored('SHA512-CRYPT', user + '-secret').split('}')[1], rest))
    with open('/etc/pam.d/dovecot', 'w') as f:
        f.write(PAM)
    with open('/run/pam-environment', 'w') as f:
        os.fchown(f.fileno(), pwd.getpwnam('games').pw_uid, -1)


def install():
    toys = Toys(build=BUILD, private=False)
    for program in PROGRAMS:
        shutil.copy('%s/bin/%s' % (BUILD, program), toys.dir + '/bin/' + program)
    toys.write_main(ACCOUNTS + 'postern_passdb = passwd-file:%s/etc/passwd, pam\npostern_auth_failure_delay = 0\nauth_verbose = yes\npostern_auth_cache_ttl = 0\n'
                    'postern_auth_worker_limit = 4\npostern_auth_mechanisms = plain external\npostern_auth_ssl_username_from_cert = yes\n'
                    'postern_auth_listeners = unix:private/auth, { unix:private/auth-trusted, trusted=yes, mode=0600 }\nalias_maps =\nalias_database =\n' % toys.dir, private=False)
    with open(toys.dir + '/etc/passwd', 'w') as f:
        f.write('virtual:%s:::::\n' % stored('BLF-CRYPT', 'right', '-r', '5'))
    os.chmod(toys.dir + '/etc/passwd', 0o644)
    os.chown(toys.dir + '/data', pwd.getpwnam('mail').pw_uid, pwd.getpwnam('mail').pw_gid)
    return toys


class Auth:
    def __init__(self, toys, name='auth'):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(30)
        self.s.connect(toys.dir + '/spool/private/' + name)
        self.f = self.s.makefile('rb')
        while self.f.readline() != b'DONE\n':
            pass
        self.s.sendall(b'VERSION\t1\t2\nCPID\t%d\n' % os.getpid())
        self.n = 0

    def send(self, user, password, rip):
        self.n += 1
        text = base64.b64encode(('\0%s\0%s' % (user, password)).encode()).decode()
        self.s.sendall(('AUTH\t%d\tPLAIN\tservice=smtp\trip=%s\tresp=%s\n' % (self.n, rip, text)).encode())

    def line(self):
        return self.f.readline().decode().rstrip('\n')

    def ask(self, user, password, rip='192.0.2.1'):
        self.send(user, password, rip)
        start = time.time()
        line = self.line()
        self.took = time.time() - start
        return line


def shadow(t):
    a = Auth(t)
    line = a.ask('amy', 'amy-secret', '192.0.2.55')
    ok(line == 'OK\t1\tuser=amy', 'a user of /etc/shadow logs in', line + t.log()[-1500:])
    with open('/run/pam-environment') as f:
        env = set(f.read().split('\n'))
    wanted = {'PAM_SERVICE=dovecot', 'PAM_TTY=dovecot', 'PAM_RHOST=192.0.2.55', 'PAM_USER=amy', 'PAM_TYPE=auth'}
    ok(wanted <= env, 'modules see service, terminal and address', sorted(env))
    wrong = a.ask('amy', 'guess', '192.0.2.56')
    took = a.took
    ok(wrong == 'FAIL\t2\tuser=amy', 'a wrong password is refused', wrong)
    ok(took < 1.5, 'and no process sleeps for the delay that modules ask for', took)
    unknown = a.ask('nobody-here', 'guess', '192.0.2.57')
    ok(unknown == 'FAIL\t3\tuser=nobody-here', 'an unknown user is refused with the same bytes', unknown)
    ok(a.ask('locked', 'locked-secret', '192.0.2.58').startswith('FAIL\t4\tuser=locked'), 'a locked password lets nobody in')
    ok(wait_until(lambda: 'pam(amy,192.0.2.56' in t.log() and 'pam_authenticate() failed: Authentication failure (Password mismatch?)' in t.log(), 5),
       'the log has the line that log readers know', t.log()[-1500:])
    ok(a.ask('amy', '', '192.0.2.59').startswith('FAIL'), 'an empty password is never asked for')


def accounts(t):
    a = Auth(t)
    line = a.ask('gone', 'gone-secret', '192.0.2.60')
    ok(line.startswith('FAIL\t1\tuser=gone'), 'an expired account is refused, although the password is right', line)
    line = a.ask('stale', 'stale-secret', '192.0.2.61')
    ok(line.startswith('FAIL\t2\tuser=stale') and 'code=' in line, 'so is one whose password must be changed', line)
    ok('pam_acct_mgmt() failed' in t.log(), 'by the account rules of PAM', t.log()[-1500:])


def certified(t):
    """Somebody else has proven who the user is: PAM says whether that user may log in."""
    def ask(user):
        a = Auth(t, 'auth-trusted')
        a.s.sendall(('AUTH\t1\tEXTERNAL\tservice=smtp\trip=192.0.2.62\tvalid-client-cert\tcert_username=%s\tresp=\n' % user).encode())
        return a.line()
    ok(ask('amy') == 'OK\t1\tuser=amy', 'a user of PAM with a certificate logs in', ask('amy'))
    ok(ask('virtual') == 'OK\t1\tuser=virtual', 'so does one whom PAM does not know', ask('virtual'))
    ok(ask('gone').startswith('FAIL\t1\tuser=gone'), 'an expired account is refused whatever proves the user', ask('gone'))
    ok(ask('nobody-here').startswith('FAIL'), 'nobody is nobody')


def confined(t):
    pids = t.pids('auth-worker')
    ok(pids, 'auth-worker runs')
    for pid in pids:
        with open('/proc/%d/status' % pid) as f:
            st = {k: v.split() for k, _, v in (line.partition(':') for line in f)}
        ok(st['CapEff'] == ['0' * 16] and st['CapBnd'] == ['0' * 16] and st['NoNewPrivs'] == ['1'] and st['Seccomp'] == ['2'] and
           st['Uid'][0] == str(pwd.getpwnam('games').pw_uid), 'no capability, no way to one, a filter', st)


def hangs(t):
    """More logins that hang than there are processes for PAM."""
    many, hash_ = Auth(t), Auth(t)
    start = time.time()
    for n in range(6):
        many.send('hangs', 'hangs-secret', '198.51.100.%d' % n)
    time.sleep(0.5)
    line = hash_.ask('virtual', 'right')
    ok(line == 'OK\t1\tuser=virtual' and hash_.took < 1, 'hashing goes on while PAM hangs', '%s %.2f' % (line, hash_.took))
    stuck = t.pids('auth-worker')
    lines = [many.line() for _ in range(6)]
    ok(all('code=temp_fail' in line for line in lines), 'what hangs fails as temporary', lines)
    ok(time.time() - start < 6.9, 'within 6 s', time.time() - start)
    ok(wait_until(lambda: not set(stuck) & set(t.pids('auth-worker')), 9, 0.2), 'the processes that hang are killed', stuck)
    ok(wait_until(lambda: Auth(t).ask('amy', 'amy-secret').startswith('OK'), 10, 0.3), 'and PAM answers again')


def killed(t):
    a = Auth(t)
    for pid in t.pids('auth-worker'):
        os.kill(pid, signal.SIGSTOP)
    a.send('amy', 'amy-secret', '192.0.2.70')
    time.sleep(0.3)
    for pid in t.pids('auth-worker'):
        os.kill(pid, signal.SIGKILL)
    line = a.line()
    ok('code=temp_fail' in line, 'a killed process costs its own request', line)
    ok(wait_until(lambda: Auth(t).ask('amy', 'amy-secret').startswith('OK'), 10, 0.3), 'and only that')


def remembered(t):
    with open(t.dir + '/etc/main.cf', 'a') as f:
        f.write('postern_auth_cache_ttl = 300\n')
    before = t.pids('authd')
    t.signal(signal.SIGHUP)
    ok(wait_until(lambda: set(t.pids('authd')) and not set(before) & set(t.pids('authd')), 20, 0.2), 'the cache is switched on')
    ok(wait_until(lambda: Auth(t).ask('amy', 'amy-secret').startswith('OK'), 10, 0.3), 'a password is remembered')
    os.truncate('/run/pam-environment', 0)
    ok(Auth(t).ask('amy', 'amy-secret').startswith('OK') and os.path.getsize('/run/pam-environment') == 0, 'the modules that check it are not asked again')
    with open('/run/no-login', 'w') as f:
        f.write('not now\n')
    line = Auth(t).ask('amy', 'amy-secret')
    ok(line.startswith('FAIL'), 'those that say who may log in are', line)
    os.unlink('/run/no-login')
    ok(Auth(t).ask('amy', 'amy-secret').startswith('OK'), 'each time')


def check(t, text=None):
    """What postfix check says of PAM, with this as the service's file."""
    if text is not None:
        with open('/etc/pam.d/dovecot', 'w') as f:
            f.write(text)
    p = subprocess.run([BUILD + '/bin/postfix', '-c', t.dir + '/etc', 'check'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return '\n'.join(line for line in p.stdout.split('\n') if 'pam' in line.lower() or 'shadow' in line)


def probed(t):
    ok(check(t) == '', 'postfix check finds nothing to say of a service that works', check(t))
    said = check(t, 'auth required pam_nothing.so\n-auth optional pam_absent.so\naccount required pam_unix.so\n')
    ok('line 1: there is no module pam_nothing.so' in said and 'pam_absent' not in said, 'a module that is not there is named, with its line', said)
    said = check(t, 'auth [success=1 default=ignore] /etc/hostname\naccount include no-such-file\n')
    ok('line 1: /etc/hostname does not load' in said, 'so is one that does not load', said)
    ok('/etc/pam.d/no-such-file' in said, 'and a file that is included, but is not there', said)
    os.chmod('/etc/shadow', 0o600)
    ok('chmod 640 /etc/shadow' in check(t), 'a shadow file that the group shadow cannot read, with the remedy')
    os.chmod('/etc/shadow', 0o640)
    os.unlink('/etc/pam.d/dovecot')
    said = check(t)
    ok('/etc/pam.d/dovecot: there is no such file' in said and '@include common-auth' in said, 'a service without a file, with the remedy', said)


def inside():
    own_etc()
    toys = install()
    try:
        started = toys.start()
        ok(started.returncode == 0, 'the system starts', started.stdout)
        wait_until(lambda: os.path.exists(toys.dir + '/spool/private/auth'), 10)
        for test in (shadow, accounts, certified, confined, hangs, killed, remembered, probed):
            case(test.__name__, lambda t=test: t(toys))
    finally:
        toys.close()
    done()


if os.geteuid() != 0 or subprocess.run(['unshare', '-m', 'true'], stderr=subprocess.DEVNULL, check=False).returncode != 0:
    ok(True, 'skipped: needs root and mount name spaces')
    done()
elif len(sys.argv) > 1:
    inside()
else:
    sys.exit(subprocess.run(['unshare', '--mount', sys.executable, __file__, 'inside'], timeout=200, check=False).returncode)
