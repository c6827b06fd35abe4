# SPDX-License-Identifier: ISC
"""The processes that ask PAM are killed again and again while users of the system log in by IMAP, POP3 and submission. Needs root."""
import os
import signal
import sys
import time
import warnings

warnings.simplefilter('ignore', DeprecationWarning)
import crypt                                       # noqa: E402
sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import PORT, wait_until              # noqa: E402
from machine import Machine, can_connect           # noqa: E402
from outage import Round, endure, same_bytes       # noqa: E402
from tap import case, done, ok                     # noqa: E402

PORTS = {'imap': PORT + 750, 'pop3': PORT + 751, 'submission': PORT + 752}
MAIN = '''compatibility_level = 3.6
myhostname = mail.example.test
mydestination =
mynetworks =
alias_maps =
alias_database =
inet_protocols = ipv4
maillog_file = /var/log/mail.log
smtpd_tls_cert_file = /etc/dovecot/cert.pem
smtpd_tls_key_file = /etc/dovecot/key.pem
postern_passdb = passwd-file:/etc/postern-users, pam
postern_userdb = passwd-file:/etc/postern-users, passwd
postern_mail_location = maildir:~/Maildir
postern_mailbox_services = { imaps, port=%(imap)d, address=127.0.0.1 }, { pop3s, port=%(pop3)d, address=127.0.0.1 }
postern_auth_listeners = unix:private/auth
postern_auth_cache_ttl = 0
postern_auth_failure_delay = 0
''' % PORTS
MASTER = '127.0.0.1:%(submission)d inet n - n - - submitd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes\n' % PORTS


def add_users(r):
    for name, uid, password in (('ann', 2001, 'ann-secret'), ('ben', 2002, 'ben-secret')):
        with open(r.path + '/etc/group', 'a') as f:
            f.write('%s:x:%d:\n' % (name, uid))
        os.makedirs(r.path + '/home/' + name)
        os.chown(r.path + '/home/' + name, uid, uid)
        stored = crypt.crypt(password, crypt.mksalt(crypt.METHOD_SHA512, rounds=1000))
        if name == 'ben':       # the bystander: a user of a file
            path = r.write('/etc/postern-users', 'ben:{SHA512-CRYPT}%s:%d:%d::/home/ben::\n' % (stored, uid, uid), 0o644)
            os.chmod(path, 0o644)
            continue
        with open(r.path + '/etc/passwd', 'a') as f:
            f.write('%s:x:%d:%d::/home/%s:/bin/sh\n' % (name, uid, uid, name))
        with open(r.path + '/etc/shadow', 'a') as f:
            f.write('%s:%s:19000:0:99999:7:::\n' % (name, stored))
    r.write('/etc/pam.d/dovecot', 'auth required pam_unix.so\naccount required pam_unix.so\n')


def workers(m):
    """Processes of this machine's master that ask PAM."""
    master, found = m.root.read('/var/spool/postfix/pid/master.pid').strip(), []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % pid) as f:
                name, rest = f.read().split('(', 1)[1].rsplit(')', 1)
            if name.startswith('auth-worker') and rest.split()[1] == master:
                found.append(int(pid))
        except (OSError, IndexError):
            pass
    return found


def signal_all(pids, signo):
    for pid in pids:
        try:
            os.kill(pid, signo)
        except ProcessLookupError:
            pass


def kill_workers(m):
    """In the middle of their work: what they were asked last is asked of a process that stands still."""
    pids = workers(m)
    signal_all(pids, signal.SIGSTOP)
    time.sleep(0.4)
    signal_all(pids, signal.SIGKILL)


def run():
    m = Machine()
    try:
        m.root.write('/etc/postfix/main.cf', MAIN)
        m.root.write('/etc/postfix/master.cf', MASTER)
        add_users(m.root)
        started = m.postern('postfix', 'start')
        ok(started.returncode == 0 and wait_until(lambda: can_connect(PORTS['imap']), 20), 'the system starts', started.stdout + m.log())
        auth = m.root.path + '/var/spool/postfix/private/auth'
        same_bytes('PAM', PORTS, 'ann', 'nobody-here', auth=auth)
        ok(wait_until(lambda: workers(m), 5), 'PAM is asked in processes of its own')
        endure('PAM', PORTS, m.log, 'ann', 'ann-secret', [
            Round('killed once', lambda: kill_workers(m), 0, lambda: None, False),
            Round('killed again and again', lambda: kill_workers(m), -5, lambda: None, 'some')], bystander=('ben', 'ben-secret'))
    finally:
        m.close()


if os.geteuid() != 0:
    print('1..0 # SKIP needs root')
    sys.exit(0)
case('PAM: no exception', run)
done()
