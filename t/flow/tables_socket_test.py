# SPDX-License-Identifier: ISC
"""tcp and socketmap tables: served by a program of the test's, asked by postmap and by a running system."""
import os
import socket
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import PORT, Instance, message     # noqa: E402
from tap import case, done, ok                   # noqa: E402
from tools import Conf                           # noqa: E402

VALUES = {'known@example.test': 'bob@example.test', 'two words': 'a b%c'}


def serve(handler, address):
    """A server whose handler(connection file) answers until it returns."""
    s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(address)
    s.listen(20)

    def client(c):
        with c, c.makefile('rwb') as f:
            try:
                handler(f)
            except OSError:
                pass

    def accept():
        while True:
            c, _ = s.accept()
            threading.Thread(target=client, args=(c,), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def tcp_table(f):
    for line in f:
        key = urllib.parse.unquote_to_bytes(line[4:].strip()).decode()
        if key.startswith('later'):
            f.write(b'400 try%20later\n')
        elif key.startswith('garbage'):
            f.write(b'what?\n')
        elif key.startswith('close'):
            return
        elif key in VALUES:
            f.write(b'200 ' + urllib.parse.quote(VALUES[key]).encode() + b'\n')
        else:
            f.write(b'500 none\n')
        f.flush()


def socketmap(f):
    while True:
        digits = b''
        while not digits.endswith(b':'):
            c = f.read(1)
            if not c:
                return
            digits += c
        name, _, key = f.read(int(digits[:-1])).decode().partition(' ')
        f.read(1)
        answer = 'NOTFOUND ' if name != 'virt' or key not in VALUES else 'OK ' + VALUES[key]
        if key.startswith('later'):
            answer = 'TEMP not now'
        if key.startswith('garbage'):
            f.write(b'99999999:x,')
        else:
            f.write(b'%d:%s,' % (len(answer), answer.encode()))
        f.flush()


def tools():
    with Conf() as c:
        serve(socketmap, c.path('s'))
        for spec in ('tcp:127.0.0.1:%d' % (PORT + 1), 'socketmap:inet:127.0.0.1:%d:virt' % (PORT + 2), 'socketmap:unix:%s:virt' % c.path('s')):
            ok(c.run('postmap', '-q', 'known@example.test', spec)[:2] == (0, 'bob@example.test\n'), '%s: found' % spec.split(':')[0])
            ok(c.run('postmap', '-q', 'two words', spec)[1] == 'a b%c\n', 'keys and values with spaces and percent signs')
            ok(c.run('postmap', '-q', 'unknown', spec)[:2] == (1, ''), 'not found')
            for key in ('later', 'garbage'):
                code, out, err = c.run('postmap', '-q', key, spec)
                ok(code == 1 and 'fatal' in err, '%s is a failure, not a miss' % key, err)
            ok(c.run('postmap', '-q', '-', spec, stdin='unknown\nknown@example.test\n')[1] == 'known@example.test\tbob@example.test\n', 'several over one connection')
        code, out, err = c.run('postmap', '-q', 'close', 'tcp:127.0.0.1:%d' % (PORT + 1))
        ok(code == 1 and 'no answer' in err, 'a server that hangs up is a failure', err)
        code, out, err = c.run('postmap', '-q', 'x', 'tcp:127.0.0.1:%d' % (PORT + 3))
        ok(code == 1 and 'refused' in err, 'a server that is not there is a failure', err)
        for spec in ('tcp:nothing', 'socketmap:tcp:a:1:b', 'socketmap:inet:a'):
            code, out, err = c.run('postmap', '-q', 'x', spec)
            ok(code == 1 and 'write ' in err, 'refused: %s' % spec, err)


def running(i):
    def verdict(recipient):
        s = i.smtp()
        try:
            s.ehlo('client.load.test')
            s.mail('x@load.test')
            return s.rcpt(recipient)[0]
        finally:
            s.close()
    for kind in ('tcp:127.0.0.1:%d' % (PORT + 1), 'socketmap:inet:127.0.0.1:%d:virt' % (PORT + 2)):
        i.stop()
        i.append_main('virtual_alias_maps = %s' % kind)
        i.start()
        what = kind.split(':')[0]
        ok(verdict('known@example.test') == 250, 'a confined smtpd asks a %s table' % what, i.log()[-1000:])
        ok(verdict('unknown@example.test') == 550, '%s: what it does not know is refused' % what)
        ok(400 <= verdict('later@example.test') < 500, '%s: its temporary failure is a temporary refusal' % what)
        i.send('x@load.test', ['known@example.test'], message('by way of ' + what))
        ok(i.wait_mail('bob', 'by way of ' + what), '%s: the mail goes where it says' % what)


serve(tcp_table, ('127.0.0.1', PORT + 1))
serve(socketmap, ('127.0.0.1', PORT + 2))
case('tools: no exception', tools)
with Instance() as instance:
    case('running: no exception', lambda: running(instance))
done()
