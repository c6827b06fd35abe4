# SPDX-License-Identifier: ISC
"""Configuration and files that are wrong: one line that names the file, the line and the remedy; nothing is lost."""
import glob
import os
import shutil
import socket
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, message, wait_until      # noqa: E402
from tap import case, done, ok                          # noqa: E402


def check(i, text, *words):
    """With `text` added to main.cf, check and start say something with all the words in one line."""
    i.stop()
    main = i.etc + '/main.cf'
    shutil.copy(main, main + '.good')
    i.append_main(text)
    out = i.tool('postfix', 'check').stdout
    started = i.tool('postfix', 'start')
    lines = (out + started.stdout + i.log()).splitlines()
    shutil.move(main + '.good', main)
    i.stop()
    return any(all(w in line for w in words) for line in lines), out + started.stdout + i.log()[-1500:]


def configuration(i):
    good, seen = check(i, 'virtual_alias_maps = nosuchtype:/etc/x', 'nosuchtype', 'main.cf', 'line')
    ok(good, 'an unknown table type is named with file and line', seen)
    good, seen = check(i, 'smtpd_tls_cert_file = /nonexistent/cert.pem', '/nonexistent/cert.pem')
    ok(good, 'a missing certificate is named', seen)
    good, seen = check(i, 'mail_owner = nosuchuser-x\npostern_private = no', 'nosuchuser-x')
    ok(good or os.geteuid() != 0, 'a missing user is named', seen)
    good, seen = check(i, 'smtpd_timeout = fast', 'smtpd_timeout', 'main.cf', 'line')
    ok(good, 'a value that does not parse is named with file and line', seen)
    good, seen = check(i, 'smtpd_relay_restrictions = permit_mynetworks, permit_mx_backup, reject_unauth_destination', 'permit_mx_backup',
                       'never matches', 'main.cf', 'line')
    ok(good, 'a restriction that never matches is named with file and line', seen)


def port_in_use(i):
    i.stop()
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(('127.0.0.1', i.port + 25))
    taken.listen(1)
    before = i.log()
    started = i.tool('postfix', 'start')
    seen = started.stdout + i.log()[len(before):]
    ok(str(i.port + 25) in seen and 'in use' in seen, 'a port in use is named', seen)
    taken.close()
    i.stop()
    i.start()


def truncated_queue_file(i):
    i.stop()
    name = 'DEADBEEF01'
    path = '%s/deferred/D' % i.spool()
    os.makedirs(path, exist_ok=True)
    with open('%s/%s' % (path, name), 'wb') as f:
        f.write(b'C_             42             200               1               0              42               0T\x051')
    os.chmod('%s/%s' % (path, name), 0o700)
    owner = os.stat(i.spool())
    os.chown('%s/%s' % (path, name), owner.st_uid, owner.st_gid)
    i.start()
    ok(wait_until(lambda: glob.glob('%s/corrupt/*%s*' % (i.spool(), name)), 15), 'a truncated queue file goes to corrupt/', i.log()[-1500:])
    ok(name in i.log(), 'and the log names it')
    i.send('x@load.test', ['bob@example.test'], message('beside the broken file'))
    ok(i.wait_mail('bob', 'beside the broken file'), 'other mail flows')


def unreadable_spool(i):
    i.stop()
    path = i.spool() + '/deferred'
    os.rename(path, path + '.away')
    with open(path, 'w') as f:
        f.write('not a directory')
    out = i.tool('postfix', 'check').stdout
    started = i.tool('postfix', 'start').stdout
    ok('deferred' in out + started, 'a spool that cannot be used is named', out + started)
    i.stop()
    os.unlink(path)
    os.rename(path + '.away', path)
    i.start()
    i.send('x@load.test', ['bob@example.test'], message('spool is back'))
    ok(i.wait_mail('bob', 'spool is back'), 'and works again afterwards')


with Instance() as instance:
    for what, fn in (('configuration', configuration), ('port in use', port_in_use), ('truncated queue file', truncated_queue_file),
                     ('unreadable spool', unreadable_spool)):
        case('%s: no exception' % what, lambda f=fn: f(instance))
done()
