# SPDX-License-Identifier: ISC
"""The resolver: own answers, a private name server, failures, a peer that goes away."""
import os
import socket
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from ipc import Daemon
from tap import ok, done

A, PTR, MX, TXT, AAAA = 1, 12, 15, 16, 28
ZONE = {
    (b'example.net', MX): [struct.pack('>H', 20) + b'\3mx2\7example\3net\0', struct.pack('>H', 10) + b'\3mx1\7example\3net\0'],
    (b'null.example.net', MX): [struct.pack('>H', 0) + b'\0'],
    (b'mx1.example.net', A): [bytes([192, 0, 2, 7])],
    (b'mx1.example.net', AAAA): [bytes([0x20, 1, 0xd, 0xb8] + [0] * 11 + [1])],
}
asked = []


def wire_name(data, at):
    labels = []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]])
        at += data[at] + 1
    return b'.'.join(labels).lower(), at + 1


def serve(sock):
    while True:
        data, peer = sock.recvfrom(4096)
        name, end = wire_name(data, 12)
        kind = struct.unpack('>H', data[end:end + 2])[0]
        asked.append((name, kind))
        if name.startswith(b'silent'):
            continue
        rows = ZONE.get((name, kind), [])
        known = any(n == name for n, _ in ZONE)
        answers = b''.join(b'\xc0\x0c' + struct.pack('>HHIH', kind, 1, 300, len(r)) + r for r in rows)
        rcode = 2 if name.startswith(b'broken') else 0 if known else 3
        head = data[:2] + struct.pack('>HHHHH', 0x8580 | rcode, 1, len(rows), 0, 0)
        sock.sendto(head + data[12:end + 4] + answers, peer)


def records(answer):
    raw, out = answer['records'], []
    while raw:
        n = struct.unpack('>H', raw[:2])[0]
        out.append(raw[2:2 + n])
        raw = raw[2 + n:]
    return out


server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('127.0.0.1', 0))
threading.Thread(target=serve, args=(server,), daemon=True).start()
hosts = tempfile.NamedTemporaryFile('w', suffix='.hosts')
hosts.write('# own answers\n192.0.2.1 mail.own.test www.own.test\n2001:db8::5 mail.own.test\nown.test MX 10 mail.own.test.\n'
            'own.test MX 5 mx.own.test\ngone.test NXDOMAIN\nlater.test TEMP\n')
hosts.flush()
main = 'postern_dns_server = 127.0.0.1:%d\npostern_dns_hosts = %s\npostern_dns_timeout = 2s' % (server.getsockname()[1], hosts.name)
build = os.environ.get('POSTERN_TEST_BUILD')

with Daemon('resolver', 'resolver', main, build=build) as d:
    c = d.peer('smtpd')
    a = c.call('DNS_QUERY', name='mail.own.test', type=A)
    ok(a and a['rcode'] == 0 and records(a) == [bytes([192, 0, 2, 1])], 'an address from the file', a)
    a = c.call('DNS_QUERY', name='OWN.test', type=MX)
    ok(records(a) == [b'\0\x0amail.own.test', b'\0\5mx.own.test'], 'MX records from the file, whatever the case of the name', a)
    a = c.call('DNS_QUERY', name='www.own.test', type=AAAA)
    ok(a['rcode'] == 0 and a['n'] == 0, 'a name of the file without that type has no data')
    ok(c.call('DNS_QUERY', name='gone.test', type=A)['rcode'] == 3, 'NXDOMAIN from the file')
    ok(c.call('DNS_QUERY', name='later.test', type=A)['rcode'] == 2, 'a temporary failure from the file')
    a = c.call('DNS_QUERY', name='localhost', type=A | 0x10000)
    ok(records(a) == [bytes([127, 0, 0, 1])], 'localhost of /etc/hosts, when asked for', a)
    ok(not asked, 'the name server was not asked for any of these')
    a = c.call('DNS_QUERY', name='example.net', type=MX)
    ok(a['rcode'] == 0 and sorted(records(a)) == [b'\0\x0amx1.example.net', b'\0\x14mx2.example.net'] and a['ttl'] > 0, 'MX records from the name server', a)
    a = c.call('DNS_QUERY', name='null.example.net', type=MX)
    ok(records(a) == [b'\0\0.'], 'a null MX is a single dot', a)
    a = c.call('DNS_QUERY', name='mx1.example.net', type=AAAA)
    ok([len(r) for r in records(a)] == [16], 'an IPv6 address', a)
    before = len(asked)
    c.call('DNS_QUERY', name='example.net', type=MX)
    ok(len(asked) == before, 'the second time comes from the cache')
    ok(c.call('DNS_QUERY', name='nobody.example.org', type=A)['rcode'] == 3, 'a name that does not exist')
    ok(c.call('DNS_QUERY', name='broken.example.org', type=A, timeout=15)['rcode'] == 2, 'a server failure is temporary')
    start = time.time()
    a = c.call('DNS_QUERY', name='silent.example.org', type=A)
    ok(a['rcode'] == 2 and time.time() - start < 6, 'a silent server is a temporary failure after the timeout', a)
    ok(c.call('DNS_QUERY', name='a' * 70 + '.example', type=A)['rcode'] == 2, 'a name that cannot be one')
    gone = d.peer('smtpd')
    gone.send('DNS_QUERY', 7, name='silent2.example.org', type=A)
    gone.close()
    ok(c.call('DNS_QUERY', name='localhost', type=A) is not None, 'a peer that goes away with a question open harms nobody')
    c.send('DNS_ANSWER', 5)
    ok(c.recv() is None, 'a message that a peer may not send closes its channel')
    ok(d.peer('out').call('DNS_QUERY', name='mail.own.test', type=A)['n'] == 1, 'and no other')
hosts.seek(0)
hosts.write('what is this\n')
hosts.flush()
with Daemon('resolver', 'resolver', main, build=build) as d:
    line = d.wait_log('hosts, line 1')
    ok(line is not None and 'fatal' in line, 'a bad line of the file is named with its number', d.log)
done()
