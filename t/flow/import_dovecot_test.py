# SPDX-License-Identifier: ISC
"""From Debian's Dovecot to Postern on the same machine: its configuration is imported, the same users log in by IMAP, POP3 and submission
with their old passwords, and see the same UIDs, flags and UIDLs. Set-ups: a passwd-file per domain, ISPmail's with MariaDB, SQLite, Debian's
default (PAM, mbox)."""
import imaplib
import os
import poplib
import re
import smtplib
import socket
import sqlite3
import subprocess
import sys
import warnings

warnings.simplefilter('ignore', DeprecationWarning)
import crypt                                                 # noqa: E402
sys.path.insert(0, os.path.dirname(__file__) + '/lib')
import peer                                                  # noqa: E402
from instance import PORT, tls, wait_until                   # noqa: E402
from machine import Machine, can_connect                     # noqa: E402
from servers import Maria                                    # noqa: E402
from tap import case, done, ok                               # noqa: E402

P = {'imap': PORT + 700, 'imaps': PORT + 701, 'pop3': PORT + 702, 'pop3s': PORT + 703, 'submission': PORT + 704, 'smtp': PORT + 705, 'auth': PORT + 706}
peer.PACKAGES['dovecot-sqlite'] = ['dovecot-sqlite']
peer.PACKAGES['dovecot-mysql'] = ['dovecot-mysql', 'libmariadb3', 'mariadb-common']

COMMON = '''
base_dir = /run/dovecot
state_dir = /run/dovecot-state
log_path = /var/log/dovecot.log
listen = 127.0.0.1
protocols = imap pop3
ssl_cert = </etc/dovecot/cert.pem
ssl_key = </etc/dovecot/key.pem
mail_max_userip_connections = 40
pop3_uidl_format = %%08Xu%%08Xv
namespace inbox {
  inbox = yes
  mailbox Drafts {
    special_use = \\Drafts
  }
  mailbox "Sent Messages" {
    special_use = \\Sent
  }
}
service imap-login {
  inet_listener imap {
    port = %(imap)d
  }
  inet_listener imaps {
    port = %(imaps)d
    ssl = yes
  }
}
service pop3-login {
  inet_listener pop3 {
    port = %(pop3)d
  }
  inet_listener pop3s {
    port = %(pop3s)d
    ssl = yes
  }
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
''' % P

PASSWD_FILE = COMMON.replace('protocols = imap pop3', 'protocols = imap pop3 lmtp') + '''
service lmtp {
  unix_listener /var/spool/postfix/private/dovecot-lmtp {
    mode = 0600
    user = postfix
    group = postfix
  }
  unix_listener lmtp {
    mode = 0600
  }
}
auth_mechanisms = plain login
mail_location = maildir:/var/vmail/%d/%n/Maildir
first_valid_uid = 5000
passdb {
  driver = passwd-file
  args = scheme=BLF-CRYPT username_format=%n /etc/dovecot/domains/%d/passwd
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/var/vmail/%d/%n
}
'''
SQL = COMMON + '''
auth_mechanisms = plain login
mail_location = maildir:~/Maildir
mail_home = /var/vmail/%d/%n
mail_uid = vmail
mail_gid = vmail
passdb {
  driver = sql
  args = /etc/dovecot/dovecot-sql.conf.ext
}
userdb {
  driver = sql
  args = /etc/dovecot/dovecot-sql.conf.ext
}
'''
SQL_EXT = '''driver = sqlite
connect = /etc/dovecot/db/users.sqlite
default_pass_scheme = SHA512-CRYPT
# the address is the user
password_query = SELECT email AS user, password \\
  FROM virtual_users WHERE email = '%u'
user_query = SELECT '/var/vmail/%d/%n' AS home, 5000 AS uid, 5000 AS gid FROM virtual_users WHERE email = '%u'
iterate_query = SELECT email AS user FROM virtual_users
'''
# As guides for virtual users in MariaDB have it
ISPMAIL = COMMON.replace('protocols = imap pop3', 'protocols = imap pop3 lmtp') + '''
disable_plaintext_auth = yes
auth_mechanisms = plain login
mail_location = maildir:/var/mail/vhosts/%d/%n
mail_privileged_group = mail
first_valid_uid = 5000
ssl = required
passdb {
  driver = sql
  args = /etc/dovecot/dovecot-sql.conf.ext
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/var/mail/vhosts/%d/%n
}
service lmtp {
  unix_listener /var/spool/postfix/private/dovecot-lmtp {
    mode = 0600
    user = postfix
    group = postfix
  }
}
service auth {
  unix_listener auth-userdb {
    mode = 0600
    user = vmail
  }
}
service auth-worker {
  user = vmail
}
'''
ISPMAIL_EXT = '''driver = mysql
connect = host=127.0.0.1 port=%d dbname=mailserver user=mailuser password=mailuser-secret
default_pass_scheme = SHA512-CRYPT
password_query = SELECT email as user, password FROM virtual_users WHERE email='%%u';
iterate_query = SELECT email AS user FROM virtual_users
'''
ISPMAIL_TABLES = """
CREATE DATABASE mailserver;
CREATE USER 'mailuser'@'127.0.0.1' IDENTIFIED BY 'mailuser-secret';
GRANT SELECT ON mailserver.* TO 'mailuser'@'127.0.0.1';
USE mailserver;
CREATE TABLE virtual_domains (id INT NOT NULL AUTO_INCREMENT, name VARCHAR(50) NOT NULL, PRIMARY KEY (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE virtual_users (id INT NOT NULL AUTO_INCREMENT, domain_id INT NOT NULL, password VARCHAR(150) NOT NULL, email VARCHAR(100) NOT NULL,
  PRIMARY KEY (id), UNIQUE KEY email (email), FOREIGN KEY (domain_id) REFERENCES virtual_domains(id) ON DELETE CASCADE) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE virtual_aliases (id INT NOT NULL AUTO_INCREMENT, domain_id INT NOT NULL, source VARCHAR(100) NOT NULL, destination VARCHAR(100) NOT NULL,
  PRIMARY KEY (id), FOREIGN KEY (domain_id) REFERENCES virtual_domains(id) ON DELETE CASCADE) ENGINE=InnoDB DEFAULT CHARSET=utf8;
INSERT INTO virtual_domains (id, name) VALUES (1, 'example.test');
"""
SYSTEM = COMMON + '''
mail_location = mbox:~/mail:INBOX=/var/mail/%u
mail_privileged_group = mail
passdb {
  driver = pam
}
userdb {
  driver = passwd
}
'''

MAIN_CF = '''compatibility_level = 3.6
myhostname = mail.example.test
mydestination =
mynetworks =
alias_maps =
alias_database =
local_recipient_maps =
inet_protocols = ipv4
maillog_file = /var/log/mail.log
virtual_mailbox_domains = example.test
virtual_mailbox_maps = static:x
smtpd_tls_cert_file = /etc/dovecot/cert.pem
smtpd_tls_key_file = /etc/dovecot/key.pem
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
# kept: postern_passdb is replaced
postern_passdb = pam,
  passwd-file:/nowhere
'''
MASTER_CF = '''127.0.0.1:%(smtp)d inet n - n - - smtpd
127.0.0.1:%(submission)d inet n - n - - submitd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
local unix - n n - - local
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
''' % P


def imap(user, password, port='imaps'):
    m = imaplib.IMAP4_SSL('127.0.0.1', P[port], ssl_context=tls(), timeout=30)
    m.login(user, password)
    return m


def message(n):
    return ('From: x@example.test\r\nTo: y@example.test\r\nSubject: number %d\r\nMessage-ID: <%d@x>\r\n\r\n%s\r\n' % (n, n, 'line ' * n)).encode()


def fill(user, password, folder):
    m = imap(user, password)
    for n in range(1, 6):
        m.append('INBOX', '(\\Seen)' if n % 2 else None, None, message(n))
    m.select('INBOX')
    m.store('2', '+FLAGS', '(\\Deleted)')
    m.expunge()
    m.store('1', '+FLAGS', '(\\Flagged $Label1)')
    if folder:
        m.create(folder)
        m.append('"%s"' % folder if ' ' in folder else folder, None, None, message(9))
        m.subscribe(folder)
    m.logout()


def view(user, password, folder):
    """What a client sees of the mail: mailboxes with UIDVALIDITY and, by UID, flags and size; UIDLs and sizes."""
    m = imap(user, password)
    out = {}
    names = sorted(re.findall(r'"?([^" ]+)"?$', x.decode())[0] for x in m.list()[1])
    out['subscribed'] = sorted(re.findall(r'"?([^" ]+)"?$', x.decode())[0] for x in m.lsub()[1] if x)
    for box in [n for n in ('INBOX', folder) if n]:
        m.select(box, readonly=True)
        out[box] = (m.response('UIDVALIDITY')[1][0], m.status(box, '(UIDNEXT MESSAGES)')[1][0])
        rows = m.uid('FETCH', '1:*', '(UID FLAGS RFC822.SIZE INTERNALDATE)')[1]
        for row in rows:
            text = row.decode()
            flags = frozenset(re.search(r'FLAGS \(([^)]*)\)', text).group(1).split()) - {'\\Recent'}
            out[box, int(re.search(r'UID (\d+)', text).group(1))] = (flags, re.search(r'SIZE (\d+)', text).group(1), re.search(r'"([^"]*)"', text).group(1))
    m.logout()
    out['listed'] = folder is None or folder in names
    p = poplib.POP3_SSL('127.0.0.1', P['pop3s'], context=tls(), timeout=30)
    p.user(user)
    p.pass_(password)
    out['uidl'] = p.uidl()[1]
    out['list'] = p.list()[1]
    p.quit()
    return out


def refused(user, password):
    try:
        imap(user, password)
        return False
    except imaplib.IMAP4.error as e:
        return b'AUTHENTICATIONFAILED' in e.args[0]


def submits(user, password):
    s = smtplib.SMTP('127.0.0.1', P['submission'], timeout=30)
    s.ehlo('client.example.test')
    s.starttls(context=tls())
    s.ehlo('client.example.test')
    s.login(user, password)
    code, text = s.mail(user if '@' in user else user + '@mail.example.test')
    s.quit()
    return code == 250 or ok(False, 'MAIL', text)


def settings(text):
    return sorted(line for line in text.splitlines() if re.match(r'[a-z_]+ = ', line))


def migrate(what, machine, users, folder, importing, confdir='/etc/postfix'):
    """users: {name: password}. importing: what is expected of the import's output. confdir: of the mailbox half."""
    m = machine
    own = confdir != '/etc/postfix'
    ok(m.start_dovecot(P['imap']), 'Dovecot runs', m.log())
    for user, password in users.items():
        fill(user, password, folder)
    before = {u: view(u, p, folder) for u, p in users.items()}
    conf = m.root.run(['doveconf', '-n'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    m.stop_dovecot(P['imap'])
    shown = m.postern('postern', 'import', 'dovecot', '--from', '-', '-c', confdir, input=conf)
    ok(shown.returncode in (0, 2) and all(x in shown.stdout for x in importing), what + ': the import says what it makes of it', shown.stdout)
    ok('not known' not in shown.stdout, what + ': and knows every setting', shown.stdout)
    files = m.postern('postern', 'import', 'dovecot', '--from', '/etc/dovecot', '-c', confdir)
    ok(settings(files.stdout) == settings(shown.stdout), what + ': the configuration itself says the same as doveconf', files.stdout)
    wrote = m.postern('postern', 'import', 'dovecot', '--write', '--from', '-', '-c', confdir, input=conf)
    text = m.root.read(confdir + '/main.cf')
    ok(wrote.returncode == shown.returncode and ('queue_directory = /var/spool/' if own else 'myhostname = mail.example.test') in text and '/nowhere' not in text and text.count('\npostern_passdb = ') == 1,
       what + ': it is written into main.cf, in the place of what was there', wrote.stdout + text)
    again = m.postern('postern', 'import', 'dovecot', '--write', '--from', '-', '-c', confdir, input=conf)
    ok(again.returncode == wrote.returncode and text == m.root.read(confdir + '/main.cf'), what + ': importing again changes nothing', again.stdout)
    unused = m.postern('postconf', '-c', confdir, '-n')
    ok('unused parameter' not in unused.stdout, what + ': every parameter is one that exists', unused.stdout)
    # the same machine: the listener of authd is where Postfix expects it
    started = m.postern('postfix', '-c', confdir, 'start')
    if own:
        other = m.postern('postfix', 'start')
        ok(other.returncode == 0, what + ': and another instance, which has the submission service', other.stdout + m.log())
    ok(started.returncode == 0 and wait_until(lambda: can_connect(P['imaps']), 20), what + ': Postern starts with it', started.stdout + m.log())
    for user, password in users.items():
        after = view(user, password, folder)
        ok(after == before[user], '%s: %s sees the same mail by IMAP and POP3: UIDs, flags, dates, UIDLs' % (what, user), '%s\n%s' % (before[user], after))
        ok(refused(user, password + 'x'), '%s: a wrong password of %s is refused' % (what, user))
        case('%s: %s may submit' % (what, user), lambda: submits(user, password))
    ok(refused('nobody-here@example.test', 'x'), what + ': an unknown user is refused')
    st = os.stat(m.root.path + '/var/spool/postfix/private/auth')
    ok(st.st_mode & 0o777 == 0o660 and (st.st_uid, st.st_gid) == (901, 901), what + ': the auth socket has its owner and mode', (oct(st.st_mode), st.st_uid, st.st_gid))
    if own:
        delivers(what, m, users, folder, confdir)
        m.postern('postfix', '-c', confdir, 'stop')


def delivers(what, m, users, folder, confdir):
    user, password = next(iter(users.items()))
    before = view(user, password, folder)
    s = smtplib.SMTP('127.0.0.1', P['smtp'], timeout=30)
    s.sendmail('x@example.net', [user], message(77))
    s.quit()
    with socket.socket(socket.AF_UNIX) as l:
        l.settimeout(30)
        l.connect(m.root.path + '/run/dovecot/lmtp')
        f = l.makefile('rwb')
        said = []
        for line in ('LHLO c.example.net', 'MAIL FROM:<x@example.net>', 'RCPT TO:<nobody-here@example.test>', 'RCPT TO:<%s>' % user, 'QUIT'):
            said.append(f.readline())
            while said[-1][3:4] == b'-':
                said.append(f.readline())
            f.write(line.encode() + b'\r\n')
            f.flush()
        said.append(f.readline())
    ok(said[-3][:3] == b'550' and said[-2][:3] == b'250', what + ': LMTP refuses whom the userdb does not know', said)

    def inbox():
        c = imap(user, password)
        c.select('INBOX')
        found = c.search(None, 'SUBJECT', '"number 77"')[1][0].split()
        c.logout()
        return found
    ok(wait_until(inbox, 30, 0.5), what + ': LMTP delivers into the same mailbox', m.log())
    after = view(user, password, folder)
    ok(all(after.get(k) == v for k, v in before.items() if isinstance(k, tuple)) and len(after['uidl']) == len(before['uidl']) + 1,
       what + ': and the mail that was there keeps its UIDs', (before, after))
    ok(os.path.exists(m.root.path + '/run/dovecot/lmtp'), what + ': sockets are where neighbours look for them')


def machine(conf, *packages):
    m = Machine('dovecot', *packages)
    m.root.write('/etc/dovecot/dovecot.conf', conf)
    m.root.write('/etc/postfix/main.cf', MAIN_CF)
    m.root.write('/etc/postfix/master.cf', MASTER_CF)
    return m


def passwd_file():
    m = machine(PASSWD_FILE)
    try:
        users = {'ann@example.test': 'ann-secret', 'bob@example.org': 'bob secret'}
        m.root.write('/etc/postfix/main.cf', MAIN_CF.split('# kept')[0] + 'postern_auth_listeners =\nvirtual_transport = lmtp:unix:private/dovecot-lmtp\n')
        for address, password in users.items():
            user, domain = address.split('@')
            path = m.root.write('/etc/dovecot/domains/%s/passwd' % domain, '%s:%s\n' % (user, crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=32))), 0o640)
            os.chown(path, 0, 902)
        migrate('passwd-file', m, users, 'Archive',
                ['postern_passdb = { passwd-file:/etc/dovecot/domains/%d/passwd, default_pass_scheme=BLF-CRYPT, username_format=%n }',
                 'postern_userdb = { static:, uid=vmail, gid=vmail, home=/var/vmail/%d/%n }', 'postern_mail_location = maildir:/var/vmail/%d/%n/Maildir'], '/etc/postern-mailbox')
    finally:
        m.close()


def sql():
    m = machine(SQL, 'dovecot-sqlite')
    try:
        users = {'ann@example.test': 'ann-secret', 'bob@example.org': "bo'b secret"}
        m.root.write('/etc/dovecot/dovecot-sql.conf.ext', SQL_EXT, 0o600)
        os.makedirs(m.root.path + '/etc/dovecot/db')
        db = sqlite3.connect(m.root.path + '/etc/dovecot/db/users.sqlite')
        db.execute('CREATE TABLE virtual_users (email TEXT PRIMARY KEY, password TEXT)')
        for i, (address, password) in enumerate(users.items()):
            method, scheme = ((crypt.METHOD_BLOWFISH, '{BLF-CRYPT}'), (crypt.METHOD_SHA512, ''))[i]
            db.execute('INSERT INTO virtual_users VALUES (?, ?)', (address, scheme + crypt.crypt(password, crypt.mksalt(method))))
        db.commit()
        db.close()
        for name in ('', '/users.sqlite'):
            os.chown(m.root.path + '/etc/dovecot/db' + name, 902, 902)
        migrate('SQL', m, users, 'Archive', ['postern_passdb = sql:/etc/dovecot/dovecot-sql.conf.ext', 'postern_userdb = sql:/etc/dovecot/dovecot-sql.conf.ext',
                                             'postern_mail_home = /var/vmail/%d/%n', 'postern_mail_uid = 5000'])
    finally:
        m.close()


def mariadb():
    users = {'ann@example.test': ('ann-secret', '{BLF-CRYPT}', crypt.METHOD_BLOWFISH), 'bob@example.test': ("bo'b secret", '{SHA256-CRYPT}', crypt.METHOD_SHA256),
             'cat@example.test': ('cat-secret', '', crypt.METHOD_SHA512)}
    with Maria(PORT + 710) as db:
        db.run(ISPMAIL_TABLES)
        for address, (password, scheme, method) in users.items():
            db.run("INSERT INTO virtual_users (domain_id, password, email) VALUES (1, '%s', '%s');" %
                   (scheme + crypt.crypt(password, crypt.mksalt(method)), address), 'mailserver')
        m = machine(ISPMAIL, 'dovecot-mysql')
        try:
            m.root.write('/etc/dovecot/dovecot-sql.conf.ext', ISPMAIL_EXT % db.port, 0o600)
            os.makedirs(m.root.path + '/var/mail/vhosts/example.test', exist_ok=True)
            for path in ('', '/example.test'):
                os.chown(m.root.path + '/var/mail/vhosts' + path, 5000, 5000)
            migrate('ISPmail with MariaDB', m, {u: p for u, (p, _, _) in users.items()}, 'Archive',
                    ['postern_passdb = sql:/etc/dovecot/dovecot-sql.conf.ext', 'postern_userdb = { static:, uid=vmail, gid=vmail, home=/var/mail/vhosts/%d/%n }',
                     'postern_mail_location = maildir:/var/mail/vhosts/%d/%n'])
            down(m, db, 'ann@example.test', 'ann-secret')
        finally:
            m.close()


def down(m, db, user, password):
    """The server of the users goes and comes back."""
    db.kill()

    def answer():
        try:
            imap(user, password).logout()
            return b'OK'
        except imaplib.IMAP4.error as e:
            return e.args[0]
    said = answer()
    ok(said.startswith(b'[UNAVAILABLE]'), 'ISPmail with MariaDB: while the database is away, a login fails as temporary', said)
    db.start()
    ok(wait_until(lambda: answer() == b'OK', 10, 0.5), 'ISPmail with MariaDB: and then there is service again', m.log())


def system():
    m = machine(SYSTEM)
    try:
        r = m.root
        r.write('/etc/pam.d/dovecot', 'auth required pam_unix.so\naccount required pam_unix.so\n')
        with open(r.path + '/etc/passwd', 'a') as f:
            f.write('ann:x:2001:2001::/home/ann:/bin/sh\n')
        with open(r.path + '/etc/group', 'a') as f:
            f.write('ann:x:2001:\n')
        with open(r.path + '/etc/shadow', 'a') as f:
            f.write('ann:%s:19000:0:99999:7:::\n' % crypt.crypt('ann-secret', crypt.mksalt(crypt.METHOD_SHA512)))
        for path in ('/home/ann', '/home/ann/mail', '/var/mail/ann'):
            if path == '/var/mail/ann':
                os.makedirs(r.path + '/var/mail', exist_ok=True)
                os.chmod(r.path + '/var/mail', 0o1777)
                r.write(path, '', 0o600)
            else:
                os.makedirs(r.path + path)
            os.chown(r.path + path, 2001, 2001)
        migrate('Debian default', m, {'ann': 'ann-secret'}, None, ['postern_passdb = pam', 'postern_userdb = passwd', 'postern_mail_location = mbox:~/mail:INBOX=/var/mail/%u'])
    finally:
        m.close()


if os.geteuid() != 0:
    print('1..0 # SKIP needs root')
    sys.exit(0)
wanted = sys.argv[1:] or ['passwd_file', 'mariadb', 'sql', 'system']
for name in wanted:
    case(name + ': no exception', globals()[name])
done()
