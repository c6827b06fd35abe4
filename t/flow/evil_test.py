# SPDX-License-Identifier: ISC
"""Evil input on every port: no process dies, memory stays bounded, each gets an answer of its protocol or is closed, and an innocent
session beside it works."""
import os
import random
import re
import socket
import ssl
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, message, tls, wait_until     # noqa: E402
from tap import case, done, ok                              # noqa: E402

PORTS = {'smtp': 25, 'submission': 587, 'submissions': 465, 'pop3': 110, 'pop3s': 995, 'imap': 143, 'imaps': 993}
IMPLICIT = ('submissions', 'pop3s', 'imaps')
NETWORK = ('smtpd', 'submitd', 'imap-login', 'pop3-login', 'tls-proxy')


def connect(i, name, encrypted=None):
    s = socket.create_connection(('127.0.0.1', i.port + PORTS[name]), 20)
    if name in IMPLICIT if encrypted is None else encrypted:
        s = tls().wrap_socket(s)
    s.settimeout(20)
    return s


def pour(s, data, limit=12 << 20):
    """Send until the other side closes or all is sent; returns what came back."""
    got, sent = b'', 0
    s.settimeout(5)
    try:
        while sent < min(len(data), limit):
            sent += s.send(data[sent:sent + 65536])
    except (OSError, ssl.SSLError):
        pass
    try:
        while len(got) < 1 << 20:
            part = s.recv(65536)
            if not part:
                break
            got += part
    except (OSError, ssl.SSLError):
        pass
    s.close()
    return got, sent


def rss(pids):
    total = 0
    for p in pids:
        try:
            total += int(re.search(r'VmRSS:\s+(\d+)', open('/proc/%d/status' % p).read()).group(1))
        except (OSError, AttributeError):
            pass
    return total


def network_pids(i):
    return sorted(p for program in NETWORK for p in i.pids_of(program))


def unharmed(i, before):
    return network_pids(i) == before


def innocent(i, subject):
    i.send('x@load.test', ['bob@example.test'], message(subject))
    m = i.imap('bob')
    m.logout()
    return bool(i.wait_mail('bob', subject))


def noise(i):
    before, rng = network_pids(i), random.Random(5)
    shapes = [b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + bytes(600), b'SSH-2.0-x\r\n',
              b'\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00', b'\r\n' * 5000, b'\0' * 70000,
              b'A' * 200000, bytes(rng.randrange(256) for _ in range(50000)), b'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n']
    for name in PORTS:
        for shape in shapes:
            pour(connect(i, name), shape)
    ok(unharmed(i, before), 'noise and foreign protocols on every port kill no process', (before, network_pids(i)))
    ok(innocent(i, 'after the noise'), 'and mail and login work afterwards')


def long_lines(i):
    before = network_pids(i)
    memory = rss(before)
    for name, prefix in (('smtp', b'MAIL FROM:<'), ('smtp', b'EHLO '), ('imap', b'a LOGIN '), ('imap', b'a LOGIN ' + b'(' * 100), ('imaps', b'a ID ('),
                         ('pop3', b'USER '), ('submissions', b'AUTH PLAIN ')):
        got, sent = pour(connect(i, name), prefix + b'(' * (12 << 20))
        ok(sent < 12 << 20 or got, '%s: an endless line is answered or cut off' % name, (sent, got[:200]))
    ok(unharmed(i, before), 'endless lines kill no process')
    grown = rss(network_pids(i)) - memory
    ok(grown < 64 << 10, 'and memory stays bounded', '%d KiB' % grown)


def literals(i):
    before = network_pids(i)
    for text in (b'a LOGIN {4294967296}\r\n', b'a LOGIN {1048576}\r\n', b'a LOGIN {-1}\r\n', b'a LOGIN {18446744073709551615+}\r\n',
                 b'a LOGIN {99999999+}\r\n' + b'x' * 100000, b'a AUTHENTICATE PLAIN !!!!\r\n', b'a LOGIN "abc\0def" x\r\n', b'a LOGIN "abc\\\r\n'):
        got, _ = pour(connect(i, 'imaps'), text)
        # a client that goes on sending after the close may lose the reply to the reset
        ok(re.search(rb'(BAD|NO|BYE)', got) or (len(text) > 65536 and b' OK ' not in got[10:]), 'IMAP before login: %r is refused' % text[:40], got[:300])
    ok(unharmed(i, before), 'and no process dies')


def read_all(s):
    got = b''
    try:
        while True:
            part = s.recv(65536)
            if not part:
                return got
            got += part
    except (OSError, ssl.SSLError):
        return got


def starttls_injection(i):
    for name, command, injected, answer in (('smtp', b'STARTTLS\r\n', b'EHLO injected\r\n', b'PIPELINING'),
                                            ('imap', b'a STARTTLS\r\n', b'b NOOP\r\n', b'b OK'), ('pop3', b'STLS\r\n', b'CAPA\r\n', b'TOP')):
        s = connect(i, name)
        s.recv(4096)
        if name == 'smtp':
            s.sendall(b'EHLO x.test\r\n')
            s.recv(65536)
        s.sendall(command + injected)
        time.sleep(0.3)
        s.settimeout(3)
        got = b''
        try:
            got = s.recv(65536)
        except OSError:
            pass
        inside = b''
        try:
            t = tls().wrap_socket(s)
            t.settimeout(2)
            inside = read_all(t)
        except (OSError, ssl.SSLError):
            pass
        ok(answer not in got and answer not in inside, '%s: a command behind STARTTLS is never answered' % name, (got, inside))


def teardown_inside_data(i):
    before = network_pids(i)
    for command, part in ((b'BDAT 1000\r\n', b'x' * 500), (b'DATA\r\n', b'Subject: cut\r\n\r\nhalf')):
        s = connect(i, 'smtp')
        for command_before in (b'', b'EHLO x.test\r\n', b'STARTTLS\r\n'):
            s.sendall(command_before)
            s.recv(65536)
        t = tls().wrap_socket(s)
        for line in (b'EHLO x.test\r\n', b'MAIL FROM:<a@load.test>\r\n', b'RCPT TO:<bob@example.test>\r\n'):
            t.sendall(line)
            t.recv(65536)
        t.sendall(command)
        time.sleep(0.3)
        t.sendall(part)
        try:
            t.settimeout(2)
            t.unwrap()
        except (OSError, ssl.SSLError, ValueError):
            pass
        t.close()
    ok(unharmed(i, before), 'TLS closed in the middle of DATA and BDAT kills no process')
    ok(not any(b'Subject: cut' in m for m in i.mails('bob')), 'and nothing of it is delivered')


def many_commands(i):
    before = network_pids(i)
    s = connect(i, 'smtp')
    got, _ = pour(s, b'EHLO x.test\r\n' + b'NOOP\r\n' * 200000)
    ok(b'421' in got[-2000:] or got, 'endless NOOPs end in 421 or a close', got[-200:])
    s = connect(i, 'smtp')
    got, _ = pour(s, b'EHLO x.test\r\nMAIL FROM:<a@load.test>\r\nRCPT TO:<bob@example.test>\r\n' + b'BDAT 1\r\nx' * 100000)
    ok(unharmed(i, before), 'tiny chunks and endless commands kill no process', got[-200:])


with Instance() as instance:
    for what, fn in (('noise', noise), ('long lines', long_lines), ('literals', literals), ('STARTTLS injection', starttls_injection),
                     ('teardown', teardown_inside_data), ('many commands', many_commands)):
        case('%s: no exception' % what, lambda f=fn: f(instance))
done()
