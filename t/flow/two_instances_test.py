# SPDX-License-Identifier: ISC
"""Two instances of one build side by side, as postfix.service and dovecot.service run them: each has its own configuration, queue, data and
master. The first takes mail and submissions, asks the second's authd, and hands mail over to it by LMTP; the second serves IMAP and POP3."""
import glob
import imaplib
import os
import poplib
import smtplib
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import PORT, ROOT, message, tls, wait_until    # noqa: E402
from machine import Machine, POSTFIX                         # noqa: E402
from tap import case, done, ok                               # noqa: E402

P = {'imaps': PORT + 801, 'pop3s': PORT + 803, 'submission': PORT + 804, 'smtp': PORT + 805}
COMMON = '''compatibility_level = 3.6
myhostname = mail.example.test
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
smtpd_tls_cert_file = /etc/dovecot/cert.pem
smtpd_tls_key_file = /etc/dovecot/key.pem
virtual_mailbox_domains = example.test
virtual_mailbox_maps = inline:{ ann@example.test=ann/Maildir/ }
'''
FIRST = COMMON + '''maillog_file = /var/log/mail.log
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
postern_auth_listeners =
virtual_transport = lmtp:unix:private/dovecot-lmtp
'''
FIRST_MASTER = '''127.0.0.1:%(smtp)d inet n - n - - smtpd
127.0.0.1:%(submission)d inet n - n - - submitd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
''' % P
SECOND = COMMON + '''maillog_file = /var/log/dovecot.log
queue_directory = /var/spool/postern-mailbox
data_directory = /var/lib/postern-mailbox
syslog_name = dovecot
postern_mailbox_services = { imaps, port=%(imaps)d, address=127.0.0.1 }, { pop3s, port=%(pop3s)d },
  { dovecot-lmtp, path=/var/spool/postfix/private/dovecot-lmtp, mode=0600, user=postfix, group=postfix }
postern_auth_listeners = { unix:/var/spool/postfix/private/auth, mode=0660, user=postfix, group=postfix }
postern_passdb = passwd-file:/etc/postern-mailbox/passwd
postern_userdb = { static:, uid=vmail, gid=vmail, home=/var/vmail/%%n }
virtual_mailbox_base = /var/vmail
virtual_uid_maps = static:5000
virtual_gid_maps = static:5000
''' % P
USER, PASSWORD = 'ann@example.test', 'ann-secret'
CONF = {'first': '/etc/postfix', 'second': '/etc/postern-mailbox'}


def postfix(m, which, command):
    return m.postern('postfix', '-c', CONF[which], command)


def login(user=USER, password=PASSWORD):
    c = imaplib.IMAP4_SSL('127.0.0.1', P['imaps'], ssl_context=tls(), timeout=30)
    c.login(user, password)
    return c


def subjects():
    c = login()
    c.select('INBOX')
    rows = c.fetch('1:*', '(BODY.PEEK[HEADER.FIELDS (SUBJECT)])')[1] if c.search(None, 'ALL')[1][0] else []
    c.logout()
    return b' '.join(r[1] for r in rows if isinstance(r, tuple)).decode()


def submission():
    s = smtplib.SMTP('127.0.0.1', P['submission'], timeout=30)
    s.ehlo('client.example.test')
    s.starttls(context=tls())
    s.ehlo('client.example.test')
    return s


def sockets(m):
    for name, mode in (('auth', 0o660), ('dovecot-lmtp', 0o600)):
        path = m.root.path + '/var/spool/postfix/private/' + name
        st = os.stat(path) if wait_until(lambda: os.path.exists(path), 10) else None
        ok(st is not None and (st.st_mode & 0o777, st.st_uid, st.st_gid) == (mode, POSTFIX, POSTFIX), 'private/%s of the first belongs to the second, for postfix' % name, st)


def mail_through(m):
    s = smtplib.SMTP('127.0.0.1', P['smtp'], timeout=30)
    s.sendmail('x@example.net', [USER], message('from the world', sender='x@example.net', to=USER))
    s.quit()
    ok(wait_until(lambda: 'from the world' in subjects(), 30), 'mail from the world goes through both: SMTP, LMTP, IMAP', m.log())
    files = glob.glob(m.root.path + '/var/vmail/ann/Maildir/*/*')
    ok([f for f in files if os.stat(f).st_uid == 5000], 'and is in a file of the mail user', files)
    s = smtplib.SMTP('127.0.0.1', P['smtp'], timeout=30)
    s.ehlo('x')
    s.mail('x@example.net')
    code, text = s.rcpt('nobody@example.test')
    ok(code == 550, 'an unknown mailbox is refused by the first', text)
    s.quit()


def auth_across(m):
    s = submission()
    ok('PLAIN' in s.esmtp_features.get('auth', ''), "the first offers the second's mechanisms", s.esmtp_features)
    s.login(USER, PASSWORD)
    s.sendmail(USER, [USER], message('by submission', sender=USER, to=USER))
    s.quit()
    ok(wait_until(lambda: 'by submission' in subjects(), 30), 'a user of the second submits to the first', m.log())
    s = submission()
    try:
        s.login(USER, 'wrong')
        ok(False, 'a wrong password is refused')
    except smtplib.SMTPAuthenticationError as e:
        ok(e.smtp_code == 535, 'a wrong password is refused', e)
    s.close()


def second_away(m):
    """The first lives on without the second, keeps its mail, and finds it again."""
    ok(postfix(m, 'second', 'stop').returncode == 0 and postfix(m, 'second', 'status').returncode != 0, 'the second is stopped')
    ok(postfix(m, 'first', 'status').returncode == 0, 'the first is not')
    s = submission()
    try:
        s.login(USER, PASSWORD)
        ok(False, 'without authd no login')
    except (smtplib.SMTPAuthenticationError, smtplib.SMTPNotSupportedError) as e:
        ok(getattr(e, 'smtp_code', 454) == 454, 'without authd a login is a temporary failure', e)
    s.close()
    s = smtplib.SMTP('127.0.0.1', P['smtp'], timeout=30)
    s.sendmail('x@example.net', [USER], message('kept meanwhile', sender='x@example.net', to=USER))
    s.quit()
    started = postfix(m, 'second', 'start')
    ok(started.returncode == 0, 'the second is started again', started.stdout)
    m.postern('postqueue', '-c', CONF['first'], '-f')
    ok(wait_until(lambda: m.postern('postqueue', '-c', CONF['first'], '-f') and 'kept meanwhile' in subjects(), 40, 1), 'mail that waited is delivered', m.log())
    s = submission()
    s.login(USER, PASSWORD)
    s.quit()
    ok(True, 'and logins work again')


def each_by_itself(m):
    for which in CONF:
        pids = {w: m.root.read(d + '/pid/master.pid').strip() for w, d in (('first', '/var/spool/postfix'), ('second', '/var/spool/postern-mailbox'))}
        ok(postfix(m, which, 'status').returncode == 0 and postfix(m, which, 'reload').returncode == 0, 'the %s has a status and can be reloaded' % which)
        time.sleep(0.5)
        after = {w: m.root.read(d + '/pid/master.pid').strip() for w, d in (('first', '/var/spool/postfix'), ('second', '/var/spool/postern-mailbox'))}
        ok(pids == after and pids['first'] != pids['second'], 'each has a master of its own, which stays', (pids, after))
        ok(wait_until(lambda: 'from the world' in subjects(), 20), 'users are served after the reload of the %s' % which, m.log())
    p = poplib.POP3_SSL('127.0.0.1', P['pop3s'], context=tls(), timeout=30)
    p.user(USER)
    p.pass_(PASSWORD)
    ok(p.stat()[0] >= 1, 'POP3 sees the mail, too')
    p.quit()
    ok(postfix(m, 'first', 'stop').returncode == 0 and postfix(m, 'second', 'status').returncode == 0, 'the first is stopped, the second is not')
    ok('from the world' in subjects(), 'and serves its users')
    ok('dovecot: ' in m.root.read('/var/log/dovecot.log') and 'postfix/smtpd' in m.root.read('/var/log/mail.log') and
       'imap-login' not in m.root.read('/var/log/mail.log'), 'each logs into its own file')


def units():
    if not os.path.exists('/usr/bin/systemd-analyze'):
        return ok(True, 'units verified # SKIP no systemd-analyze')
    for name in ('postfix.service', 'dovecot.service'):
        with open('%s/etc/systemd/%s' % (ROOT, name)) as f:
            text = f.read()
        ok(not [line for line in text.splitlines() if len(line) > 200] and 'Type=notify' in text and 'ExecReload=' in text, name + ' starts, stops and reloads its own master')
    out = subprocess.run(['systemd-analyze', '--man=no', 'verify', ROOT + '/etc/systemd/postfix.service', ROOT + '/etc/systemd/dovecot.service'],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = [line for line in out.stdout.splitlines() if 'is not executable' not in line and ('postfix.service' in line or 'dovecot.service' in line)]
    ok(not said, 'systemd finds nothing wrong in the units', out.stdout)


def run():
    m = Machine()
    r = m.root
    try:
        for conf, main, master in ((CONF['first'], FIRST, FIRST_MASTER), (CONF['second'], SECOND, None)):
            r.write(conf + '/main.cf', main)
            if master is None:
                with open(ROOT + '/etc/mailbox/master.cf') as f:
                    master = f.read()
            r.write(conf + '/master.cf', master)
        r.write(CONF['second'] + '/passwd', '%s:{PLAIN}%s::::::\n' % (USER, PASSWORD), 0o644)
        for which in CONF:
            check = postfix(m, which, 'check')
            ok(check.returncode == 0 and 'fatal' not in check.stdout, 'the configuration of the %s is fine' % which, check.stdout)
            started = postfix(m, which, 'start')
            ok(started.returncode == 0, 'the %s starts' % which, started.stdout + m.log())
        case('sockets', lambda: sockets(m))
        case('mail', lambda: mail_through(m))
        case('auth', lambda: auth_across(m))
        case('second away', lambda: second_away(m))
        case('each by itself', lambda: each_by_itself(m))
    finally:
        postfix(m, 'second', 'stop')
        m.close()


case('units', units)
if os.geteuid() != 0:
    print('# the rest needs root')
else:
    case('two instances', run)
done()
