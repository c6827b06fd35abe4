# SPDX-License-Identifier: ISC
"""postern and postfix: private instances, users, start, stop, check."""
import imaplib
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import PORT, Instance, message, tls, wait_until    # noqa: E402
from tap import case, done, ok                                   # noqa: E402


def can_login(i, user, password):
    m = imaplib.IMAP4_SSL('127.0.0.1', i.port + 993, ssl_context=tls(), timeout=30)
    try:
        m.login(user, password)
        m.logout()
        return True
    except imaplib.IMAP4.error:
        return False


def users(i):
    def user(*args, text=''):
        return i.run('postern', 'user', '-c', i.etc, *args, input=text)
    ok('added' in user('add', 'carol', text='first\n').stdout, 'a user is added')
    ok(oct(os.stat(i.etc + '/passwd').st_mode & 0o777) == '0o600', 'the password file is for its owner alone')
    ok('first' not in open(i.etc + '/passwd').read(), 'no password is kept as it is')
    ok(can_login(i, 'carol', 'first'), 'the new user logs in at once')
    i.send('x@load.test', ['carol@example.test'], message('for carol'))
    ok(i.wait_mail('carol', 'for carol'), 'and gets mail at once')
    ok('password changed' in user('add', 'carol', text='second\n').stdout, 'add again changes the password')
    ok(can_login(i, 'carol', 'second') and not can_login(i, 'carol', 'first'), 'the new one holds, the old one does not')
    ok(user('list').stdout.split() == ['alice', 'bob', 'carol'], 'list')
    ok('deleted' in user('delete', 'carol').stdout and 'carol' not in user('list').stdout, 'delete')
    ok(not can_login(i, 'carol', 'second'), 'a deleted user does not log in')
    try:
        i.send('x@load.test', ['carol@example.test'], message('too late'))
        ok(False, 'mail for a deleted user is refused')
    except Exception as e:
        ok('5.1.1' in str(e), 'mail for a deleted user is refused', e)
    for args, text, word in ((('add', '../x'), 'p\n', 'user name'), (('add', 'dave'), '', 'no password'), (('add', 'dave'), '\n', 'no password'),
                             (('delete', 'nobody-here'), '', 'no user'), (('add', 'dave'), 'x' * 600 + '\n', 'at most'), (('add', 'a:b'), 'p\n', 'user name')):
        p = user(*args, text=text)
        ok(p.returncode == 1 and word in p.stdout, 'refused: %s' % ' '.join(args), p.stdout)
    ok(i.run('postern', 'user', '-c', '/no/such/dir', 'list').returncode == 1, 'a missing configuration is refused')


def instances(i):
    p = i.run('postern', 'try', i.dir)
    ok(p.returncode == 0 and 'already running' in p.stdout, 'try of a running instance is harmless', p.stdout)
    p = i.run('postern', 'try', i.dir, '--port-base', str(i.port + 1))
    ok(p.returncode == 1 and 'was made with' in p.stdout, 'another port base for the same directory is refused', p.stdout)
    os.makedirs(i.base + '/full')
    open(i.base + '/full/file', 'w').close()
    p = i.run('postern', 'try', i.base + '/full')
    ok(p.returncode == 1 and 'not empty' in p.stdout and os.listdir(i.base + '/full') == ['file'], 'a directory with other files is left alone', p.stdout)
    p = i.run('postern', 'try', i.base + '/' + 'x' * 100)
    ok(p.returncode == 1 and 'too long' in p.stdout, 'a name too long for sockets is refused', p.stdout)
    for args in ((), ('try',), ('try', 'a', 'b'), ('try', 'a', '--port-base', 'x'), ('try', 'a', '--port-base', '65000'), ('user', 'add'), ('nothing',)):
        p = i.run('postern', *args, cwd=i.base)
        ok(p.returncode == 64, 'usage: postern %s' % ' '.join(args), p.stdout)
    p = i.run('postern', 'stop', i.base + '/full')
    ok(p.returncode == 1, 'stop of what is no instance is refused', p.stdout)
    pem = subprocess.run(['openssl', 'x509', '-in', i.etc + '/tls/cert.pem', '-noout', '-text'], stdout=subprocess.PIPE, text=True).stdout
    ok('IP Address:127.0.0.1' in pem and 'CN = mail.example.test' in pem, 'the certificate is for this instance')
    ok(oct(os.stat(i.etc + '/tls/key.pem').st_mode & 0o777) == '0o600', 'the key is for its owner alone')


def life(i):
    p = i.tool('postfix', 'status')
    ok(p.returncode == 0 and 'is running: PID: ' in p.stdout, 'status says that it runs', p.stdout)
    p = i.tool('postfix', 'start')
    ok(p.returncode == 1 and 'already running' in p.stdout, 'a second start is refused', p.stdout)
    i.reload()
    ok(wait_until(lambda: 'reload -- version' in i.log()), 'reload is logged', i.log()[-500:])
    i.send('x@load.test', ['bob@example.test'], message('after reload'))
    ok(i.wait_mail('bob', 'after reload'), 'mail flows after a reload')
    p = i.tool('postfix', 'stop')
    ok(p.returncode == 0 and i.tool('postfix', 'status').returncode == 1, 'stop stops', p.stdout)
    ok(wait_until(lambda: not i.pids(), 10), 'no process stays', i.pids())
    p = i.tool('postfix', 'stop')
    ok(p.returncode == 1 and 'not running' in p.stdout, 'a second stop says that it does not run', p.stdout)
    log = i.log()
    for line in ('postfix/postfix-script', 'refreshing the Postfix mail system', 'stopping the Postfix mail system', 'daemon started -- version', 'terminating on signal 15'):
        ok(line in log, 'the log has: %s' % line)
    i.start()
    p = i.tool('postfix', 'abort')
    ok(p.returncode == 0 and wait_until(lambda: not i.pids(), 10), 'abort ends everything', i.pids())
    ok(i.tool('postfix', 'nonsense').returncode != 0 and i.run('postfix').returncode == 64, 'unknown commands are refused')


def checks(i):
    main, master = open(i.etc + '/main.cf').read(), open(i.etc + '/master.cf').read()

    def check(what, words, add_main='', add_master=''):
        i.append_main(add_main)
        i.append_master(add_master)
        p = i.tool('postfix', 'check')
        good = p.returncode == 1 and any(all(w in line for w in words) for line in p.stdout.splitlines())
        ok(good, 'check names %s' % what, p.stdout)
        for name, text in (('main.cf', main), ('master.cf', master)):
            with open(i.etc + '/' + name, 'w') as f:
                f.write(text)

    line = str(main.count('\n') + 2)
    ok(i.tool('postfix', 'check').returncode == 0, 'a configuration that holds passes the check', i.tool('postfix', 'check').stdout)
    check('an unknown table type', ['main.cf, line ' + line, 'nosuch:/x', 'postconf -m'], 'transport_maps = nosuch:/x')
    check('a table that is not there', ['main.cf, line ' + line, '/no/such', 'postmap'], 'transport_maps = hash:/no/such')
    check('a broken rule in a table', ['no closing delimiter', 'main.cf, line ' + line], 'header_checks = regexp:{ {/x y} }')
    i.append_main('slow_destination_rate_delay = 1s')
    p = i.tool('postfix', 'check')
    ok(p.returncode == 0 and 'slow_destination_rate_delay is a parameter of Postfix that has no effect here' in p.stdout, "check names a transport's parameter that nobody asks for", p.stdout)
    with open(i.etc + '/main.cf', 'w') as f:
        f.write(main)
    check('a table in a restriction', ['main.cf, line ' + line, 'nosuchfile'], 'smtpd_recipient_restrictions = check_client_access cidr:/nosuchfile')
    check('a table of one service', ['master.cf', '/no/such'], '', '127.0.0.1:%d inet n - n - - smtpd -o transport_maps=hash:/no/such' % (i.port + 26))
    check('a missing certificate', ['/no/cert.pem', 'line ' + line, 'PEM'], 'smtpd_tls_cert_file = /no/cert.pem')
    check('a file that is no certificate', ['no PEM file'], 'smtpd_tls_cert_file = /etc/passwd')
    check('a value out of range', ['line ' + line, 'smtpd_recipient_limit', '1 to'], 'smtpd_recipient_limit = 0')
    check('a broken expansion', ['line ' + line, 'not closed'], 'myorigin = ${mydomain')
    check('an unknown command', ['master.cf', 'smptd', 'unknown command'], '', '127.0.0.1:%d inet n - n - - smptd' % (i.port + 26))
    check('a row with too few fields', ['master.cf', 'eight fields'], '', 'x inet n')
    check('an unknown service type', ['bad transport type'], '', 'x tcp n - n - - smtpd')
    taken = socket.socket()
    taken.bind(('127.0.0.1', i.port + 27))
    taken.listen(1)
    check('a port in use', [':%d' % (i.port + 27), 'already in use'], '', '127.0.0.1:%d inet n - n - - smtpd' % (i.port + 27))
    taken.close()
    os.rename(i.spool() + '/hold', i.spool() + '/hold.away')
    open(i.spool() + '/hold', 'w').close()
    check('a queue directory that is a file', ['/hold', 'not a directory'])
    os.unlink(i.spool() + '/hold')
    os.rename(i.spool() + '/hold.away', i.spool() + '/hold')
    i.append_main('postscreen_greet_action = enforce')
    p = i.tool('postfix', 'check')
    ok(p.returncode == 0 and 'postscreen_greet_action' in p.stdout, 'check names what is set and has no effect', p.stdout)
    with open(i.etc + '/main.cf', 'w') as f:
        f.write(main)


with Instance(port=PORT) as instance:
    for what, fn in (('users', users), ('instances', instances), ('life', life), ('checks', checks)):
        case('%s: no exception' % what, lambda f=fn: f(instance))
    instance.running = False
done()
