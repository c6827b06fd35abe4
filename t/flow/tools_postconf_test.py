# SPDX-License-Identifier: ISC
"""postconf: parameters and services, as scripts query and edit them."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import DEV, ROOT      # noqa: E402
from tap import case, done, ok      # noqa: E402
from tools import Conf              # noqa: E402

MAIN = '''# head
compatibility_level = 3.6
myhostname = mx.example.org
mine = permit_mynetworks,
# in between
   reject
smtpd_recipient_restrictions = $mine, reject_unauth_destination
in_vain = 1
'''
MASTER = '''smtp      inet  n       -       y       -       -       smtpd
submission inet n - y - - smtpd
  -o syslog_name=postfix/$service_name -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }
# stays
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
'''


def listing():
    with Conf(MAIN, MASTER) as c:
        code, out, err = c.run('postconf', '-n')
        ok('mine = permit_mynetworks, reject\n' in out and 'smtpd_recipient_restrictions = $mine, reject_unauth_destination\n' in out,
           '-n shows what is set, on one line each', out)
        ok('in_vain' not in out and 'unused parameter: in_vain=1' in err, 'what nobody uses is a warning', err)
        ok('smtpd_timeout' not in out, '-n shows no defaults')
        code, out, err = c.run('postconf')
        names = [line.split(' =')[0] for line in out.splitlines()]
        ok(names == sorted(names) and len(names) > 850, 'without options all parameters come, in order', len(names))
        ok('smtpd_timeout = ${stress?{10}:{300}}s\n' in out or 'smtpd_timeout = 300s\n' in out, 'with their defaults')
        ok(c.run('postconf', '-h', 'myhostname')[1] == 'mx.example.org\n', '-h: the value alone')
        ok(c.run('postconf', '-H', 'myhostname')[1] == 'myhostname\n', '-H: the name alone')
        ok(c.run('postconf', 'mydestination')[1] == 'mydestination = $myhostname, localhost.$mydomain, localhost\n', 'a name as it is written')
        ok(c.run('postconf', '-x', 'mydestination')[1] == 'mydestination = mx.example.org, localhost.example.org, localhost\n', '-x: with $names expanded')
        ok(c.run('postconf', '-o', 'myhostname=q.r', '-hx', 'mydestination')[1] == 'q.r, localhost.r, localhost\n', '-o holds for this run')
        ok('mx.example.org' not in c.run('postconf', '-d')[1], '-d: defaults, whatever is set')
        code, out, err = c.run('postconf', 'nonesuch', 'myhostname')
        ok(code == 0 and 'nonesuch: unknown parameter' in err and out == 'myhostname = mx.example.org\n', 'an unknown name is a warning')
        ok('maildrop_destination_recipient_limit = $default_destination_recipient_limit' in c.run('postconf', '-C', 'service')[1],
           'names that come from services')
        code, out, err = c.run('postconf', '-m')
        ok({'hash', 'btree', 'lmdb', 'texthash', 'inline', 'static', 'cidr', 'regexp'} <= set(out.split()), '-m: table types', out)
        c.write('main.cf', 'a b\n')
        code, out, err = c.run('postconf', '-n')
        ok(code == 1 and 'main.cf, line 1: missing \'=\'' in err, 'a broken line is named', err)
        os.unlink(c.path('main.cf'))
        code, out, err = c.run('postconf', '-n')
        ok(code == 1 and 'main.cf' in err, 'a missing main.cf is named', err)
        ok(c.run('postconf', '-n', '-d')[0] == 1 and c.run('postconf', '-Z')[0] == 1, 'wrong options are refused')


def editing():
    with Conf(MAIN, MASTER) as c:
        os.chmod(c.path('main.cf'), 0o640)
        code, out, err = c.run('postconf', '-e', 'mine = permit', 'new_name=1')
        text = c.read('main.cf')
        ok(code == 0 and text == MAIN.replace('mine = permit_mynetworks,\n# in between\n   reject\n', 'mine = permit\n# in between\n') + 'new_name = 1\n',
           '-e replaces in place, keeps comments and adds at the end', text)
        ok(os.stat(c.path('main.cf')).st_mode & 0o777 == 0o640, 'the mode of the file stays')
        c.run('postconf', 'myhostname=other.example')
        ok('myhostname = other.example\n' in c.read('main.cf'), 'name=value alone edits too')
        c.run('postconf', '-#', 'myhostname')
        ok('#myhostname = other.example\n' in c.read('main.cf'), '-# comments out')
        c.run('postconf', '-X', 'new_name')
        ok('new_name' not in c.read('main.cf'), '-X removes')
        before = c.read('main.cf')
        for args in (['-e', 'nothing'], ['-e', '= x'], ['-X', 'a=b'], ['-e'], ['a=b', 'c'], ['-e', 'a=b\nc=d']):
            code, out, err = c.run('postconf', *args)
            ok(code == 1 and 'fatal' in err and c.read('main.cf') == before, 'refused, and nothing changes: %r' % args, err)
        ok(os.listdir(c.dir) and not [f for f in os.listdir(c.dir) if '.tmp' in f], 'no temporary file stays')


def services():
    with Conf(MAIN, MASTER) as c:
        ok(c.run('postconf', '-M', 'smtp/inet')[1] == 'smtp       inet  n       -       y       -       -       smtpd\n', '-M: a row in columns')
        ok(c.run('postconf', '-Mf', 'submission')[1] == 'submission inet  n       -       y       -       -       smtpd\n'
           '    -o syslog_name=postfix/$service_name\n    -o {smtpd_client_restrictions=permit_sasl_authenticated, reject}\n', '-Mf: options on lines of their own')
        ok(c.run('postconf', '-Fh', 'smtp/inet/chroot')[1] == 'y\n', '-F: a field')
        ok(c.run('postconf', '-F', 'maildrop/unix/command')[1].endswith('= pipe flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}\n'), '-F: the command')
        ok(c.run('postconf', '-P', 'submission/inet/syslog_name')[1] == 'submission/inet/syslog_name = postfix/$service_name\n', '-P: an option')
        ok(c.run('postconf', '-Px', 'submission/inet/syslog_name')[1] == 'submission/inet/syslog_name = postfix/submission\n', '-Px: expanded')
        ok('unmatched request' in c.run('postconf', '-M', 'nope/unix')[2], 'a service that is not there is a warning')
        ok(c.run('postconf', '-Me', 'new/unix=new unix - - n - - pipe user=x argv=/bin/cat')[0] == 0 and
           c.run('postconf', '-M', 'new/unix')[1].startswith('new        unix  -'), '-Me adds a row')
        ok(c.run('postconf', '-Fe', 'smtp/inet/chroot=n')[0] == 0 and c.run('postconf', '-Fh', 'smtp/inet/chroot')[1] == 'n\n', '-Fe changes a field')
        ok(c.run('postconf', '-Pe', 'smtp/inet/smtpd_banner=hi')[0] == 0 and c.run('postconf', '-Ph', 'smtp/inet/smtpd_banner')[1] == 'hi\n', '-Pe sets an option')
        ok(c.run('postconf', '-PX', 'smtp/inet/smtpd_banner')[0] == 0 and c.run('postconf', '-P', 'smtp/inet')[1] == '', '-PX removes it')
        ok(c.run('postconf', '-M#', 'new/unix')[0] == 0 and '#new        unix' in c.read('master.cf'), '-M# comments a row out')
        ok(c.run('postconf', '-MX', 'submission/inet')[0] == 0 and 'submission' not in c.read('master.cf'), '-MX removes a row')
        ok('# stays\n' in c.read('master.cf'), 'comments stay')
        before = c.read('master.cf')
        for args in (['-Me', 'a/unix=a unix'], ['-Fe', 'smtp/inet/shoe=n'], ['-Fe', 'smtp/inet/chroot=maybe'], ['-Pe', 'no/unix/a=b'], ['-F#', 'smtp/inet/chroot']):
            code, out, err = c.run('postconf', *args)
            ok(code == 1 and 'fatal' in err and c.read('master.cf') == before, 'refused, and nothing changes: %r' % args, err)


def manual_page():
    text = subprocess.run([DEV + '/bin/postconf', '--manual'], stdout=subprocess.PIPE, text=True, timeout=60).stdout
    with open(ROOT + '/etc/man/postconf.5') as f:
        ok(f.read() == text, 'etc/man/postconf.5 is what the rows say (postconf --manual >etc/man/postconf.5 makes it)')


for what, fn in (('listing', listing), ('editing', editing), ('services', services), ('manual page', manual_page)):
    case('%s: no exception' % what, fn)
done()
