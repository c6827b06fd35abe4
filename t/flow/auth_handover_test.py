# SPDX-License-Identifier: ISC
"""The hand-over after a login, with this test as master and as hostile peers:
a cookie is good once, for its own login, for ten seconds; only a real
connection opens a session; a token holds only for what it says."""
import base64
import hashlib
import hmac
import os
import re
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PASSWORD   # noqa: E402
from ipc import Process                   # noqa: E402
from tap import case, done, ok            # noqa: E402


class Stream:
    """A login or submission process towards authd: lines."""

    def __init__(self, sock):
        self.s = sock
        self.f = sock.makefile('rb')
        self.cuid = 0
        while True:
            line = self.f.readline().decode().rstrip('\n')
            if line.startswith('CUID\t'):
                self.cuid = int(line.split('\t')[1])
            if line == 'DONE':
                break
        self.s.sendall(b'VERSION\t1\t2\nCPID\t7\n')

    def login(self, number, user, password, service='pop3', rip='192.0.2.1'):
        resp = base64.b64encode(('\0%s\0%s' % (user, password)).encode()).decode()
        self.s.sendall(('AUTH\t%d\tPLAIN\tservice=%s\trip=%s\tresp=%s\n' % (number, service, rip, resp)).encode())
        fields = self.f.readline().decode().rstrip('\n').split('\t')
        return fields[0], dict(x.split('=', 1) for x in fields[2:] if '=' in x)


def cookies(i):
    # A scheme that needs no worker, for one of the two.
    with open(i.etc + '/passwd') as f:
        text = f.read()
    with open(i.etc + '/passwd', 'w') as f:
        f.write(re.sub(r'^alice:[^:]*', 'alice:{PLAIN}' + PASSWORD['alice'], text, flags=re.M))
    d = Process('authd', 'authd', i.etc, 'auth')
    login = Stream(d.peer_socket('login', 'pop3', 41))
    other = Stream(d.peer_socket('login', 'pop3', 42))
    session = d.peer('session', 'pop3', 50)
    ok(login.cuid == 41, 'a login process is told its number')

    def ask(channel, request, cookie):
        session.send('AUTH_REQUEST', 9, auth_channel=channel, auth_request=request, cookie=cookie)
        return session.recv()[1]

    verb, got = login.login(1, 'alice', PASSWORD['alice'])
    ok(verb == 'OK' and len(got.get('cookie', '')) == 32 and 'token' not in got, 'a login gets a cookie and no token', (verb, got))
    user = ask(41, 1, got['cookie'])
    ok(user['found'] and user['user'] == b'alice' and user['home'].endswith(b'/mail/alice') and user['mail'].startswith(b'maildir:/'), 'the cookie names the user once', user)
    ok(not ask(41, 1, got['cookie'])['found'], 'a replayed cookie opens nothing')
    verb, got = login.login(2, 'alice', PASSWORD['alice'])
    ok(not ask(42, 2, got['cookie'])['found'], "a cookie under another process's number opens nothing")
    ok(ask(41, 2, got['cookie'])['found'], '... and is not used up by that')
    verb, got = login.login(3, 'alice', PASSWORD['alice'])
    ok(not ask(41, 3, '0' * 32)['found'] and not ask(41, 3, got['cookie'])['found'], 'a guess uses the login up')
    verb, late = login.login(4, 'alice', PASSWORD['alice'])
    verb, gone = other.login(1, 'alice', PASSWORD['alice'])
    other.s.shutdown(socket.SHUT_RDWR)
    other.f.close()
    other.s.close()
    time.sleep(0.3)
    ok(not ask(42, 1, gone['cookie'])['found'], 'when the login process is gone, so are its logins')
    time.sleep(10)
    ok(not ask(41, 4, late['cookie'])['found'], 'after ten seconds a cookie opens nothing')
    ok(not ask(41, 99, '')['found'] and not ask(0, 0, '')['found'], 'a login that never was opens nothing')
    start = time.time()
    verb, got = login.login(5, 'bob', PASSWORD['bob'])
    ok(verb == 'FAIL' and got.get('code') == 'temp_fail' and time.time() - start < 8, 'when no worker comes, the check fails as temporary, in time', (got, time.time() - start))
    session.send('AUTH_USER', 1, found=1, user='root')
    ok(session.is_closed(), 'a message that a session may not send closes its channel')
    d.stop()


def tokens(i):
    d = Process('authd', 'authd', i.etc, 'auth')
    qmgr = d.peer('qmgr', 'qmgr', 60)
    key = qmgr.recv()[1]
    ok(key[''] == 'TOKEN_KEY' and key['serial'] > 0, 'qmgr gets the key')
    secret, serial = key['key'], key['serial']
    submit = Stream(d.peer_socket('submitd', 'submission', 77))
    verb, got = submit.login(1, 'alice', PASSWORD['alice'], 'smtp', '198.51.100.7')
    ok(verb == 'OK' and 'token' in got and 'cookie' not in got, 'a submission process gets a token and no cookie', (verb, got))
    number, expires, mac = got['token'].split(':')

    def text(s):
        return struct.pack('>Q', len(s)) + s.encode()

    def mac_of(user, channel, remote):
        data = b'postern identity token' + struct.pack('>QQQ', serial, int(expires), channel) + text(user) + text('smtp') + text(remote)
        return base64.b64encode(hmac.new(secret, data, hashlib.sha256).digest()).decode()

    ok(len(secret) == 32 and int(number) == serial and mac == mac_of('alice', 77, '198.51.100.7'), 'the token is the MAC of user, process and address', mac)
    ok(mac not in (mac_of('bob', 77, '198.51.100.7'), mac_of('alice', 78, '198.51.100.7'), mac_of('alice', 77, '198.51.100.8')), 'and of no other')
    ok(time.time() < int(expires) < time.time() + 7 * 3600, 'it expires')
    d.stop()


class Zygote:
    def __init__(self, i):
        self.d = Process('pop3d', 'session', i.etc, 'pop3')
        self.login = self.d.peer('login', 'pop3', 41)
        self.authd = self.d.peer('authd', 'auth', 2)
        self.i = i

    def start(self, stream, **more):
        fields = {'login_id': 5, 'service': 'pop3', 'auth_channel': 41, 'auth_request': 1, 'cookie': 'c' * 32, 'remote': '192.0.2.1', 'local': '192.0.2.2',
                  'session_id': 'x', 'tls': 1, 'stream': stream}
        self.login.send('SESSION_START', 3, **{**fields, **more})

    def answer(self, found=1, mail=None):
        request, fields = self.authd.recv()
        self.authd.send('AUTH_USER', request, found=found, user='alice', uid=os.getuid(), gid=os.getgid(), home=self.i.dir + '/mail/alice',
                        mail=mail or 'maildir:%s/mail/alice/Maildir' % self.i.dir)
        return fields


def sessions(i):
    z = Zygote(i)
    mine, theirs = socket.socketpair()
    z.start(theirs.fileno(), read_ahead='STAT\r\nQUIT\r\n')
    fields = z.answer()
    ok(fields == {'': 'AUTH_REQUEST', 'auth_channel': 41, 'auth_request': 1, 'cookie': b'c' * 32}, 'the zygote asks authd with what it was given', fields)
    request, started = z.login.recv()
    theirs.close()
    ok(started[''] == 'SESSION_STARTED' and request == 3 and started['pid'] > 0 and started['login_id'] == 5, 'a session is started', started)
    mine.settimeout(10)
    text = b''
    while True:
        part = mine.recv(4096)
        if not part:
            break
        text += part
    ok(text == b'+OK Logged in.\r\n+OK 0 0\r\n+OK Logging out.\r\n', 'what was read ahead is answered first', text)

    def refused(what, stream, **more):
        z.start(stream, **more)
        got = z.login.recv()
        ok(got and got[1][''] == 'SESSION_STARTED' and got[1]['pid'] == 0, what, got)

    with open(i.etc + '/main.cf') as f:
        refused('a file as descriptor opens no session', f.fileno())
    a, b = os.pipe()
    refused('a pipe as descriptor opens no session', a)
    refused('no descriptor opens no session', None)
    listener = socket.socket()
    listener.listen()
    refused('a listening socket opens no session', listener.fileno())
    datagram = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    refused('a datagram socket opens no session', datagram[0].fileno())
    pair = socket.socketpair()
    refused('another service opens no session', pair[1].fileno(), service='imap')
    z.start(pair[1].fileno())
    z.answer(found=0)
    got = z.login.recv()[1]
    ok(got['pid'] == 0 and b'authd' in got['text'], 'when authd refuses, there is no session', got)
    z.start(pair[1].fileno(), more_fds=[pair[0].fileno()])
    ok(z.login.is_closed(), 'two descriptors close the channel')
    z.login = z.d.peer('login', 'pop3', 43)
    z.login.send('AUTH_REQUEST', 1, auth_channel=41, auth_request=1, cookie='x')
    ok(z.login.is_closed(), 'a message that login may not send closes the channel')
    z.login = z.d.peer('login', 'pop3', 44)
    z.login.sock.sendall(struct.pack('>IHI', 0x7fffffff, 33, 1))
    ok(z.login.is_closed(), 'a frame over its limit closes the channel')
    z.login = z.d.peer('login', 'pop3', 45)
    z.authd.close()
    time.sleep(0.2)
    refused('without authd there is no session', pair[1].fileno())
    os.close(a)
    os.close(b)
    z.d.stop()


with Instance(start=False) as instance:
    for test in (cookies, tokens, sessions):
        case(test.__name__, lambda t=test: t(instance))
done()
