# SPDX-License-Identifier: ISC
"""The installed form, started by root: every running process is what its row of the role table says.

The table is the one that master prints; /proc/PID/{status,root,cwd,fd,maps} is what is.
"""
import glob
import imaplib
import os
import pwd
import shutil
import smtplib
import sqlite3
import ssl
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from tap import case, done, ok                        # noqa: E402
from toys import ACCOUNTS, PORT, ROOT, Toys     # noqa: E402

BUILD = os.environ.get('POSTERN_RELEASE', ROOT + '/build')
PROGRAMS = ['master', 'broker', 'logd', 'smtpd', 'submitd', 'pickup', 'qmgr', 'deliver-out', 'deliver-bounce', 'deliver-router',
            'deliver-actor', 'tls-proxy', 'imap-login', 'imapd', 'pop3-login', 'pop3d', 'hub', 'authd', 'auth-worker', 'auth-hash', 'auth-db', 'lookup', 'resolver', 'keys', 'anvil']
ALICE, EVE = 12345, 12346
CAPS = {'-': 0, 'SETUID SETGID': 1 << 6 | 1 << 7}
MASTER_CF = """127.0.0.1:%d inet n - n - - smtpd
127.0.0.1:%d inet n - n - - submitd
127.0.0.1:%d inet n - n - - imap-login
127.0.0.1:%d inet n - n - - tls-proxy -o tls_service=imap
127.0.0.1:%d inet n - n - - pop3-login
127.0.0.1:%d inet n - n - - tls-proxy -o tls_service=pop3
smtp unix - - n - - smtp
local unix - n n - - local
virtual unix - n n - - virtual
dovecot-lmtp unix - - n - - lmtpd
"""


def role_table():
    out = subprocess.run([BUILD + '/bin/master', '--print-roles'], stdout=subprocess.PIPE, text=True).stdout
    rows = [[c.strip() for c in line.strip('|').split('|')] for line in out.splitlines()]
    return {r[0]: dict(zip(rows[0], r)) for r in rows[2:]}


def sql_users(toys):
    """A user in SQLite, whose database only root's configuration file names; "" when the module was not built."""
    if not os.path.exists(toys.dir + '/bin/postern-sqlite.so'):
        return ''
    os.mkdir(toys.dir + '/db', 0o755)
    db = sqlite3.connect(toys.dir + '/db/users.sqlite')
    db.execute('CREATE TABLE users (name TEXT, password TEXT)')
    db.execute("INSERT INTO users VALUES ('carol', '{PLAIN}carol-secret')")
    db.commit()
    db.close()
    os.chmod(toys.dir + '/db/users.sqlite', 0o644)
    with open(toys.dir + '/etc/sql.ext', 'w') as f:
        f.write("driver = sqlite\nconnect = %s/db/users.sqlite\npassword_query = SELECT name AS user, password FROM users WHERE name = '%%u'\n" % toys.dir)
    os.chmod(toys.dir + '/etc/sql.ext', 0o600)
    return ', sql:%s/etc/sql.ext' % toys.dir


def store_anew(toys):
    """authd, as its own user and confined, writes in the one directory that it may write in."""
    path = toys.dir + '/users/passwd'
    ask_database('frank')

    def is_new():
        with open(path) as f:
            return f.read().startswith('frank:{SHA512-CRYPT}$6$')
    ok(wait_for(is_new), 'a password is stored anew by authd as its own user', toys.log()[-1500:])
    st = os.stat(path)
    ok((st.st_uid, st.st_mode & 0o7777) == (pwd.getpwnam('games').pw_uid, 0o600) and os.listdir(toys.dir + '/users') == ['passwd'], 'owner and mode are what they were')
    ask_database('frank')


def ask_database(user='carol'):
    """A user whom only the database knows: afterwards the process that asked it is there."""
    s = smtplib.SMTP('127.0.0.1', PORT + 587, timeout=30)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    s.starttls(context=context)
    s.login(user, user + '-secret')
    s.quit()


def install():
    toys = Toys(build=BUILD, private=False)
    for program in PROGRAMS:
        if os.path.exists('%s/bin/%s' % (BUILD, program)):
            shutil.copy('%s/bin/%s' % (BUILD, program), toys.dir + '/bin/' + program)
    for module in glob.glob(BUILD + '/bin/postern-*.so'):
        shutil.copy(module, toys.dir + '/bin')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=mail.example.test', '-keyout',
                    toys.dir + '/etc/key.pem', '-out', toys.dir + '/etc/cert.pem'], stderr=subprocess.DEVNULL, check=True)
    os.chmod(toys.dir + '/etc/key.pem', 0o600)
    main = ('myhostname = mail.example.test\nmydestination =\nmynetworks =\nalias_maps =\nalias_database =\nlocal_recipient_maps =\n'
            'smtpd_tls_cert_file = %s/etc/cert.pem\nsmtpd_tls_key_file = %s/etc/key.pem\nsmtpd_tls_security_level = may\n'
            'inet_protocols = ipv4\nvirtual_mailbox_domains = example.test\nvirtual_mailbox_base = %s/mail\n'
            'virtual_mailbox_maps = inline:{{alice@example.test = alice/Maildir/}, {eve@example.test = eve/Maildir/}}\n'
            'virtual_uid_maps = inline:{{alice@example.test = %d}, {eve@example.test = %d}}\nvirtual_gid_maps = static:%d\n'
            'postern_passdb = passwd-file:%s/etc/passwd%s, { passwd-file:%s/users/passwd, rehash=SHA512-CRYPT }\n'
            % (toys.dir, toys.dir, toys.dir, ALICE, EVE, ALICE, toys.dir, sql_users(toys), toys.dir))
    games = pwd.getpwnam('games')
    os.mkdir(toys.dir + '/users', 0o750)
    with open(toys.dir + '/users/passwd', 'w') as f:
        f.write('frank:{PLAIN}frank-secret\n')
    for path in ('/users', '/users/passwd'):
        os.chown(toys.dir + path, games.pw_uid, games.pw_gid)
    os.chmod(toys.dir + '/users/passwd', 0o600)
    os.mkdir(toys.dir + '/mail', 0o755)
    with open(toys.dir + '/etc/passwd', 'w') as f:
        for user, uid in (('alice', ALICE), ('eve', EVE)):
            os.mkdir('%s/mail/%s' % (toys.dir, user), 0o700)
            os.chown('%s/mail/%s' % (toys.dir, user), uid, ALICE)
            f.write('%s:{PLAIN}%s-secret:%d:%d::%s/mail/%s::\n' % (user, user, uid, ALICE, toys.dir, user))
    os.chown(toys.dir + '/etc/passwd', 0, pwd.getpwnam('games').pw_gid)
    os.chmod(toys.dir + '/etc/passwd', 0o640)
    toys.write_main(ACCOUNTS + main, private=False)
    with open(toys.dir + '/etc/master.cf', 'w') as f:
        f.write(MASTER_CF % (PORT + 25, PORT + 587, PORT + 143, PORT + 993, PORT + 110, PORT + 995))
    os.chown(toys.dir + '/data', pwd.getpwnam('mail').pw_uid, pwd.getpwnam('mail').pw_gid)
    return toys


def accounts():
    named = {'root': 'root'}
    for line in ACCOUNTS.splitlines():
        name, _, value = line.partition(' = ')
        named['$' + name] = value
    return named


def processes(toys):
    """(role, pid) of every child of master."""
    master, found = toys.master_pid(), []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % pid) as f:
                fields = f.read().rsplit(')', 1)[1].split()
            with open('/proc/%s/cmdline' % pid) as f:
                argv = f.read().split('\0')
            if int(fields[1]) == master and fields[0] != 'Z' and '-r' in argv:
                found.append((argv[argv.index('-r') + 1], int(pid)))
        except (OSError, ValueError):
            pass
    return sorted(found)


def status_of(pid):
    with open('/proc/%d/status' % pid) as f:
        return {k: v.split() for k, _, v in (line.partition(':') for line in f)}


def check_ids(row, st, user):
    account = pwd.getpwnam(user)
    groups = [int(g) for g in st['Groups']]
    wanted = {'-': [], 'own': sorted(os.getgrouplist(user, account.pw_gid)), 'shadow': groups[:1]}[row['groups']]
    if row['user'] == 'root':
        return st['Uid'] == ['0'] * 4
    return st['Uid'] == [str(account.pw_uid)] * 4 and st['Gid'] == [str(account.pw_gid)] * 4 and sorted(groups) == wanted


def check_fds(row, pid):
    """No directory, no path, no block device; with an empty root nothing but sockets, /dev/null, and what was opened before."""
    bad = []
    for fd in os.listdir('/proc/%d/fd' % pid):
        try:
            mode = os.stat('/proc/%d/fd/%s' % (pid, fd)).st_mode
            with open('/proc/%d/fdinfo/%s' % (pid, fd)) as f:
                flags = int(dict(line.split(':', 1) for line in f if ':' in line)['flags'], 8)
            if (row['root'] == 'empty' and stat.S_ISDIR(mode)) or flags & os.O_PATH:
                bad.append('%s -> %s' % (fd, os.readlink('/proc/%d/fd/%s' % (pid, fd))))
        except OSError:
            pass
    return bad


def check_process(toys, table, named, role, pid):
    row, st, wrong = table[role], status_of(pid), []
    if not check_ids(row, st, named[row['user']]):
        wrong.append('ids %s %s %s' % (st['Uid'], st['Gid'], st['Groups']))
    caps = CAPS[row['capabilities']]
    for kind in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb') + (() if role == 'actor' else ('CapBnd',)):
        if int(st[kind][0], 16) & ~caps:
            wrong.append('%s %s' % (kind, st[kind][0]))
    if role != 'actor' and st['NoNewPrivs'] != ['1']:
        wrong.append('no_new_privs')
    if (st['Seccomp'] == ['2']) != (row['seccomp'] != 'none'):
        wrong.append('seccomp %s' % st['Seccomp'])
    root = {'empty': toys.dir + '/empty', 'maildrop': toys.dir + '/spool/maildrop'}.get(row['root'], '/')
    if os.readlink('/proc/%d/root' % pid) != root:
        wrong.append('root %s' % os.readlink('/proc/%d/root' % pid))
    bad = check_fds(row, pid)
    if bad:
        wrong.append('descriptors %s' % bad)
    with open('/proc/%d/maps' % pid) as f:
        if any('rwx' in line for line in f):
            wrong.append('memory that is writable and executable')
    return wrong


def send(to):
    client = smtplib.SMTP('127.0.0.1', PORT + 25, timeout=20)
    client.sendmail('x@load.test', [to], 'From: x@load.test\nSubject: hello\n\nhello\n')
    client.quit()


def wait_for(condition, seconds=10):
    end = time.time() + seconds
    while not condition() and time.time() < end:
        time.sleep(0.05)
    return condition()


def mails(toys, user):
    return glob.glob('%s/mail/%s/Maildir/new/*' % (toys.dir, user)) + glob.glob('%s/mail/%s/Maildir/cur/*' % (toys.dir, user))


def session_pids(uid):
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if os.stat('/proc/' + pid).st_uid == uid or status_of(int(pid))['Uid'][0] == str(uid):
                found.append(int(pid))
        except (OSError, KeyError):
            pass
    return found


def mail_flows(toys):
    for user in ('alice', 'eve'):
        send(user + '@example.test')
    ok(wait_for(lambda: mails(toys, 'alice') and mails(toys, 'eve')), 'mail is delivered', toys.log()[-3000:])
    owners = {os.stat(p).st_uid for p in mails(toys, 'alice')}
    ok(owners == {ALICE}, "as the recipient's user", owners)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = imaplib.IMAP4_SSL('127.0.0.1', PORT + 993, ssl_context=context, timeout=20)
    client.login('alice', 'alice-secret')
    ok(client.select()[1] == [b'1'], 'and read over IMAP', toys.log()[-2000:])
    wrong = []
    for pid in session_pids(ALICE):
        st = status_of(pid)
        if st['Uid'] != [str(ALICE)] * 4 or st['Gid'] != [str(ALICE)] * 4 or any(int(st[k][0], 16) for k in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb')):
            wrong.append('%d ids and capabilities' % pid)
        name = os.path.basename(os.readlink('/proc/%d/exe' % pid))
        if name == 'imapd' and (st['NoNewPrivs'], st['Seccomp']) != (['1'], ['2']):
            wrong.append('%d: %s %s' % (pid, st['NoNewPrivs'], st['Seccomp']))
    names = {os.path.basename(os.readlink('/proc/%d/exe' % p)) for p in session_pids(ALICE)}
    ok(not wrong and 'imapd' in names, 'the session is the user, without capabilities, behind a filter', '%s %s' % (names, wrong))
    client.logout()


def main():
    if os.geteuid() != 0:
        ok(True, 'skipped: not root')
        done()
    table, named, toys = role_table(), accounts(), install()
    try:
        started = toys.start()
        ok(started.returncode == 0 and 'does not run' not in started.stdout, 'the system starts as root, with every program', started.stdout)
        time.sleep(2)
        expected = set(table) - {'master', 'actor', 'auth-worker', 'auth-hash', 'auth-db'}
        if os.path.exists(toys.dir + '/bin/postern-sqlite.so'):
            case('a user in a database whose file only root can name logs in', ask_database)
            expected.add('auth-db')
        case('a password that is stored anew', lambda: store_anew(toys))
        found = processes(toys)
        expected = set(table) - {'master', 'actor', 'auth-worker', 'auth-hash', 'auth-db'}
        missing = expected - {role for role, _ in found}
        ok(not missing, 'a process of every role runs: ' + ', '.join(sorted({r for r, _ in found})), 'missing: %s\n%s' % (missing, toys.log()[-3000:]))
        for role in sorted({r for r, _ in found}):
            wrong = ['%d: %s' % (pid, w) for r, pid in found if r == role for w in check_process(toys, table, named, role, pid)]
            ok(not wrong, '%s: user, groups, root, capabilities, filter and descriptors are those of its row' % role, '\n'.join(wrong))
        mail_flows(toys)
        empty = os.stat(toys.dir + '/empty')
        ok(os.listdir(toys.dir + '/empty') == [] and empty.st_uid == 0 and not empty.st_mode & 0o022, 'the empty root is empty, and only root may write it')
        ok('killed by signal' not in toys.log() and 'throttling' not in toys.log(), 'nobody died', toys.log()[-3000:])
        uids = {role: status_of(pid)['Uid'][0] for role, pid in found}
        ok(len({uids[r] for r in ('smtpd', 'submitd', 'qmgr', 'out', 'login', 'authd', 'log', 'keys') if r in uids}) ==
           len([r for r in ('smtpd', 'submitd', 'qmgr', 'out', 'login', 'authd', 'log', 'keys') if r in uids]), 'trust levels do not share a user')
    finally:
        toys.close()
    done()


main()
