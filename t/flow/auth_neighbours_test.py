# SPDX-License-Identifier: ISC
"""Debian's Postfix and Exim, unchanged, authenticate against authd over UNIX and TCP sockets; Postern's submitd authenticates
against Debian's Dovecot over both, with no token and only where the configuration says so."""
import os
import signal
import smtplib
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
import peer                                                              # noqa: E402
from instance import Instance, PASSWORD, PORT, message, tls, wait_until   # noqa: E402
from tap import case, done, ok                                           # noqa: E402

AUTH_PORT, POSTFIX_PORT, EXIM_PORT, EXIM_INET_PORT, DOVECOT_PORT, DOVECOT_AUTH_PORT = (PORT + n for n in (1210, 1211, 1212, 1213, 1214, 1219))

EXIM_CONF = '''
primary_hostname = exim.test
local_interfaces = <; 127.0.0.1.%d
exim_user = Debian-exim
exim_group = Debian-exim
log_file_path = /var/log/exim_%%slog
spool_directory = %s
keep_environment =
tls_advertise_hosts =
auth_advertise_hosts = *
acl_smtp_rcpt = check_rcpt
begin acl
check_rcpt:
  accept authenticated = *
  deny message = relay not permitted
begin routers
all:
  driver = accept
  transport = file
begin transports
file:
  driver = appendfile
  file = /var/spool/exim4/mail
begin authenticators
plain:
  driver = dovecot
  public_name = PLAIN
  server_socket = %s
  server_set_id = $auth1
login:
  driver = dovecot
  public_name = LOGIN
  server_socket = %s
  server_set_id = $auth1
'''


def login(port, user, password, starttls=False, mech=None):
    """The connection, or the refusal."""
    s = smtplib.SMTP('127.0.0.1', port, timeout=40)
    if starttls:
        s.starttls(context=tls())
    s.ehlo('client.example.test')
    s.user, s.password = user, password
    try:
        if mech:
            s.auth(mech, {'PLAIN': s.auth_plain, 'LOGIN': s.auth_login}[mech], initial_response_ok=mech == 'PLAIN')
        else:
            s.login(user, password)
        return s, None
    except smtplib.SMTPAuthenticationError as e:
        return None, e
    except smtplib.SMTPException as e:
        return None, e


def postfix_by_tcp(p):
    s, why = login(POSTFIX_PORT, 'alice', PASSWORD['alice'], starttls=True)
    ok(s, "Debian's Postfix authenticates against authd over TCP", why or p.log()[-2000:])
    ok(wait_until(lambda: 'sasl_username=alice' in p.log() or s.noop()[0] == 250, 5), 'and goes on')
    for mech in ('PLAIN', 'LOGIN'):
        s, why = login(POSTFIX_PORT, 'bob', PASSWORD['bob'], starttls=True, mech=mech)
        ok(s, '... by ' + mech, why)
    slowest, codes = 0.0, set()
    for n in range(5):
        start = time.time()
        s, why = login(POSTFIX_PORT, 'alice', 'wrong%d' % n, starttls=True)
        slowest = max(slowest, time.time() - start)
        codes.add(getattr(why, 'smtp_code', None))
    ok(codes == {535}, 'wrong passwords one after the other are 535 each, never a lost connection', (codes, p.log()[-1500:]))
    ok(slowest < 8, 'within the time that Postfix waits', slowest)


def exim(r, port, what):
    ok(wait_until(lambda: reachable(port), 20), what + ': Exim is there', exim_log(r))
    for mech in ('PLAIN', 'LOGIN'):
        s, why = login(port, 'alice', PASSWORD['alice'], mech=mech)
        ok(s, "%s: Debian's Exim authenticates against authd by %s" % (what, mech), (why, exim_log(r)))
        if s and mech == 'PLAIN':
            s.sendmail('alice@example.test', ['someone@exim.test'], message('through exim'))
            ok(wait_until(lambda: 'A=plain:alice' in exim_log(r), 10), what + ': a message goes through, by its name', exim_log(r))
    s, why = login(port, 'alice', 'wrong', mech='PLAIN')
    ok(getattr(why, 'smtp_code', None) == 535, what + ': a wrong password is refused', (why, exim_log(r)))
    s, why = login(port, 'nobody', 'wrong', mech='LOGIN')
    ok(getattr(why, 'smtp_code', None) == 535, what + ': an unknown user is refused', (why, exim_log(r)))


def reachable(port):
    try:
        smtplib.SMTP('127.0.0.1', port, timeout=5).quit()
        return True
    except (OSError, smtplib.SMTPException):
        return False


def exim_log(r):
    text = ''
    for name in ('main', 'panic', 'reject'):
        try:
            text += r.read('/var/log/exim_%slog' % name)
        except FileNotFoundError:
            pass
    return text[-3000:]


def start_exim(r, port, spool, socket):
    os.makedirs(r.path + spool, exist_ok=True)
    os.chown(r.path + spool, 904, 904)
    os.chmod(r.path + '/var/log', 0o777)
    os.makedirs(r.path + '/var/spool/exim4', exist_ok=True)
    os.chmod(r.path + '/var/spool/exim4', 0o777)
    name = '/etc/exim4/exim4-%d.conf' % port
    r.write(name, EXIM_CONF % (port, spool, socket, socket))
    return r.start(['/usr/sbin/exim4', '-bdf', '-C', name, '-oP', spool + '/exim.pid'])


def neighbours():
    main = 'postern_auth_listeners = unix:private/auth, unix:private/auth-userdb, { inet:127.0.0.1:%d, type=auth }' % AUTH_PORT
    with Instance(main=main) as i:
        p = peer.Postfix(POSTFIX_PORT, main='smtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:127.0.0.1:%d\nsmtpd_sasl_auth_enable = yes\n' % AUTH_PORT)
        try:
            case('Postfix over TCP: no exception', lambda: postfix_by_tcp(p))
        finally:
            p.close()
        r = peer.Root('exim')
        try:
            r.write('/auth', '')
            r._mount('--bind', i.spool() + '/private/auth', r.path + '/auth')
            start_exim(r, EXIM_PORT, '/var/spool/exim-a', '/auth')
            case('Exim over UNIX: no exception', lambda: exim(r, EXIM_PORT, 'UNIX'))
            start_exim(r, EXIM_INET_PORT, '/var/spool/exim-b', '127.0.0.1 %d' % AUTH_PORT)
            case('Exim over TCP: no exception', lambda: exim(r, EXIM_INET_PORT, 'TCP'))
        finally:
            r.close()


def by_dovecot(i, port, what):
    s, why = login(port, 'dora', 'dora-secret', starttls=True)
    ok(s, what + ": submitd authenticates against Debian's Dovecot", (why, i.log()[-1500:]))
    s.sendmail('dora@example.test', ['bob@example.test'], message('dora by ' + what))
    s.quit()
    ok(i.wait_mail('bob', 'dora by ' + what), what + ': a message of that user is taken, without a token', i.log()[-2000:])
    s, why = login(port, 'dora', 'wrong', starttls=True)
    ok(getattr(why, 'smtp_code', None) == 535, what + ': a wrong password is refused', why)
    s, why = login(port, 'alice', PASSWORD['alice'], starttls=True)
    ok(getattr(why, 'smtp_code', None) == 535, what + ": authd's users are not Dovecot's", why)


def end_all_in(path):
    """Dovecot's auth process serves its clients even when its master has gone."""
    for pid in [p for p in os.listdir('/proc') if p.isdigit()]:
        try:
            if os.readlink('/proc/%s/root' % pid) == path:
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass


def dovecot_away(i, d, port):
    d.stop()
    end_all_in(d.root.path)
    s, why = login(port, 'dora', 'dora-secret', starttls=True)
    ok(s is None and getattr(why, 'smtp_code', 454) == 454, 'Dovecot away: a temporary failure, or no AUTH offered', why)
    ok(wait_until(lambda: 'SASL:' in i.log(), 10), 'and a line in the log', i.log()[-1000:])
    d.start()
    ok(wait_until(lambda: login(port, 'dora', 'dora-secret', starttls=True)[0], 20, step=0.5), 'Dovecot back: it goes on', i.log()[-1000:])


def foreign():
    d = peer.Dovecot(DOVECOT_PORT, {'dora': ('dora-secret', 5000, 5000, '/home/dora')},
                     auth='inet_listener {\n    address = 127.0.0.1\n    port = %d\n  }' % DOVECOT_AUTH_PORT)

    def edit(i):
        i.append_main('smtpd_sasl_path = inet:127.0.0.1:%d' % DOVECOT_AUTH_PORT)
        i.append_master('127.0.0.1:%d inet n - n - - submitd\n  -o smtpd_sasl_path=unix:%s/run/dovecot/auth-client\n'
                        '127.0.0.1:%d inet n - n - - submitd\n  -o smtpd_sasl_path=private/auth' % (PORT + 1231, d.root.path, PORT + 1232))

    try:
        with Instance(edit=edit) as i:
            case('Dovecot over TCP: no exception', lambda: by_dovecot(i, i.port + 587, 'TCP'))
            case('Dovecot over UNIX: no exception', lambda: by_dovecot(i, PORT + 1231, 'UNIX'))
            s, why = login(PORT + 1232, 'alice', PASSWORD['alice'], starttls=True)
            ok(s, 'a service that names private/auth asks authd still', (why, i.log()[-1500:]))
            if s:
                s.sendmail('alice@example.test', ['bob@example.test'], message('alice by authd'))
                ok(i.wait_mail('bob', 'alice by authd'), 'and its users are proven by token')
            case('Dovecot away: no exception', lambda: dovecot_away(i, d, i.port + 587))
    finally:
        d.close()


case('neighbours: no exception', neighbours)
case("someone else's server: no exception", foreign)
done()
