# SPDX-License-Identifier: ISC
"""App passwords: made, limited to services and networks, listed, revoked; and what still refuses their user."""
import base64
import os
import re
import socket
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PASSWORD, wait_until  # noqa: E402
from tap import case, done, ok                       # noqa: E402


def ask(i, user, password, rip='192.0.2.1', service='smtp', mech='PLAIN'):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(i.spool() + '/private/auth')
        f = s.makefile('rwb')
        while f.readline() != b'DONE\n':
            pass
        text = base64.b64encode(('\0%s\0%s' % (user, password)).encode()).decode()
        f.write(('VERSION\t1\t2\nCPID\t%d\nAUTH\t1\t%s\tservice=%s\trip=%s\tresp=%s\n' % (os.getpid(), mech, service, rip, text)).encode())
        f.flush()
        return f.readline().decode().rstrip('\n')


def app(i, action, *args):
    return i.run('postern', 'user', '-c', i.etc, 'app-' + action, *args)


def make(i, *args):
    p = app(i, 'add', *args)
    ok(p.returncode == 0 and re.fullmatch(r'([a-z2-9]{5}-){5}[a-z2-9]\n', p.stdout), 'an app password is made and shown: ' + ' '.join(args[1:]), p.stdout)
    return p.stdout.strip()


def lets_in(i):
    password = make(i, 'alice', 'phone')
    ok(ask(i, 'alice', password) == 'OK\t1\tuser=alice', 'it lets its user in at once')
    ok(ask(i, 'alice', password.replace('-', '').upper()).startswith('OK'), 'typed without hyphens and in capitals')
    ok(ask(i, 'alice', PASSWORD['alice']).startswith('OK'), "the account's own password goes on to work")
    ok(ask(i, 'bob', password, rip='192.0.2.2').startswith('FAIL'), "it is nobody else's")
    ok(ask(i, 'alice', password[:-1] + ('a' if password[-1] != 'a' else 'b'), rip='192.0.2.3').startswith('FAIL'), 'one letter off, it lets nobody in')
    ok(wait_until(lambda: 'auth: app-password(alice,192.0.2.1): app password "phone" for smtp' in i.log(), 5), 'its use is in the log, by its name')
    with open(i.etc + '/app-passwords') as f:
        text = f.read()
    ok(password not in text and '{SSHA256}' in text and os.stat(i.etc + '/app-passwords').st_mode & 0o077 == 0, 'only its hash is kept, for authd only')
    m = i.imap('alice', password=password)
    ok(m.noop()[0] == 'OK', 'an IMAP session is opened with it')
    m.logout()


def limits(i):
    imap = make(i, 'alice', 'tablet', '--services', 'imap,pop3')
    ok(ask(i, 'alice', imap, service='imap').startswith('OK'), 'for its services it works')
    ok(ask(i, 'alice', imap, rip='192.0.2.10').startswith('FAIL'), 'for another service it does not')
    net = make(i, 'alice', 'printer', '--networks', '198.51.100.0/24,203.0.113.5', '--days', '30')
    ok(ask(i, 'alice', net, rip='198.51.100.77').startswith('OK'), 'from its networks it works')
    ok(ask(i, 'alice', net, rip='198.51.101.77').startswith('FAIL'), 'from another network it does not')
    ok(wait_until(lambda: 'app password "printer" is not for this network' in i.log(), 5), 'and the log says why')
    path = i.etc + '/app-passwords'
    with open(path) as f:
        text = f.read()
    with open(path, 'w') as f:
        f.write(re.sub(r'expires=\d+', 'expires=1', text))
    ok(ask(i, 'alice', net, rip='198.51.100.78').startswith('FAIL'), 'after its days it does not')


def listed(i):
    rows = [line.split('\t') for line in app(i, 'list').stdout.splitlines()]
    ok([r[:2] for r in rows] == [['alice', 'phone'], ['alice', 'tablet'], ['alice', 'printer']], 'all are listed', rows)
    ok(rows[1][2] == 'imap,pop3' and rows[2][3] == '198.51.100.0/24,203.0.113.5' and rows[2][5] == '1970-01-01', 'with their limits', rows)
    ok(app(i, 'list', 'bob').stdout == '', 'or those of one user')


def still_refused(i):
    """A right app password does not let in whom the password databases refuse."""
    password = make(i, 'bob', 'phone')
    ok(ask(i, 'bob', password).startswith('OK'), 'it works')
    with open(i.etc + '/passwd') as f:
        text = f.read()
    with open(i.etc + '/passwd', 'w') as f:
        f.write(re.sub(r'^(bob:[^\n]*?)::\n', r'\1::nologin\n', text, flags=re.M).replace('::nologin', '::nologin'))
    line = ask(i, 'bob', password, rip='192.0.2.20')
    ok(line.startswith('FAIL'), 'nologin refuses it', line)
    with open(i.etc + '/passwd', 'w') as f:
        f.write('\n'.join(r for r in text.split('\n') if not r.startswith('bob:')))
    ok(ask(i, 'bob', password, rip='192.0.2.21').startswith('FAIL'), 'a user who was deleted cannot log in by it')
    with open(i.etc + '/passwd', 'w') as f:
        f.write(text)
    ok(ask(i, 'bob', password, rip='192.0.2.22').startswith('OK'), 'and with the user back, it works again')


def revoked(i):
    password = make(i, 'alice', 'laptop')
    ok(ask(i, 'alice', password).startswith('OK'), 'it works')
    ok(app(i, 'delete', 'alice', 'laptop').returncode == 0 and ask(i, 'alice', password, rip='192.0.2.30').startswith('FAIL'), 'revoked, it is refused at once')
    ok(app(i, 'delete', 'alice', '--all').returncode == 0 and app(i, 'list', 'alice').stdout == '', "all of a user's are revoked together")
    ok(app(i, 'list', 'bob').stdout.startswith('bob\tphone'), "and no other user's")


def refusals(i):
    for args, text, what in (
            (('add', 'alice', 'a/b'), 'letters', 'a name with a slash'),
            (('add', 'a:b', 'phone'), 'colon', 'a user with a colon'),
            (('add', 'alice', 'x', '--services', 'ftp'), '--services', 'an unknown service'),
            (('add', 'alice', 'x', '--networks', '192.0.2.0/99'), '--networks', 'a network that is none'),
            (('add', 'alice', 'x', '--days', '0'), '--days', 'no day'),
            (('add', 'bob', 'phone'), 'delete it first', 'a name that is taken'),
            (('delete', 'alice', 'nothing'), 'no app password', 'deleting what is not there')):
        p = app(i, *args)
        ok(p.returncode == 1 and text in p.stdout, what + ' is refused', p.stdout)
    for args in (('add', 'alice'), ('delete', 'alice'), ('list', 'a', 'b'), ('rename', 'a', 'b'), ('add', 'alice', 'x', '--days')):
        ok(app(i, *args).returncode == 64, 'usage: ' + ' '.join(args))
    with open(i.etc + '/app-passwords') as f:
        text = f.read()
    with open(i.etc + '/app-passwords', 'w') as f:
        f.write('no entry at all\nbob:{SSHA256}x:::other:::only_on=monday\n' + text)
    ok(ask(i, 'alice', 'abcde-abcde-abcde-abcde-abcde-a', rip='192.0.2.40').startswith('FAIL') and wait_until(lambda: 'app-passwords: line 2 is no app password' in i.log(), 5),
       'a line that is not understood lets nobody in, and is named')


with Instance(main='postern_auth_failure_delay = 0\npostern_disable_plaintext_auth = no') as instance:
    for test in (lets_in, limits, listed, still_refused, revoked, refusals):
        case(test.__name__, lambda t=test: t(instance))
done()
