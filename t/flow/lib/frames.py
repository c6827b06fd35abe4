# SPDX-License-Identifier: ISC
"""frames.py - speaking to one daemon as master and as its peers.

The messages are read from lib/ipc/PROTOCOL.md; a Daemon is the real program,
started with a control socket and a log socket as master would, and with peers
that the test plays.
"""
import array
import os
import re
import socket
import struct
import subprocess

import instance

ROLES = 'master broker log smtpd lmtpd submitd pickup qmgr out bounce router actor tls login session hub authd auth-worker auth-db lookup resolver keys tool auth-hash'.split()


def read_protocol():
    messages, name = {}, None
    with open(instance.ROOT + '/lib/ipc/PROTOCOL.md') as f:
        for line in f:
            head = re.match(r'## (\d+) (\w+)', line)
            row = re.match(r'\| (\w+) \| (u32|u64|bool|str|fd) \|', line)
            if head:
                name = head.group(2)
                messages[name] = (int(head.group(1)), [])
            elif row and name:
                messages[name][1].append((row.group(1), row.group(2)))
    return messages


MESSAGES = read_protocol()
NAMES = {number: name for name, (number, _) in MESSAGES.items()}


def encode(name, request, fields):
    number, rows = MESSAGES[name]
    body = struct.pack('>HI', number, request)
    for field, kind in rows:
        value = fields.get(field, '' if kind == 'str' else 0)
        if kind == 'str':
            value = value.encode() if isinstance(value, str) else value
            body += struct.pack('>I', len(value)) + value
        else:
            body += struct.pack({'u32': '>I', 'u64': '>Q', 'bool': '>B', 'fd': '>B'}[kind], int(value))
    return struct.pack('>I', len(body)) + body


def decode(body):
    number, request = struct.unpack('>HI', body[:6])
    at, fields = 6, {}
    for field, kind in MESSAGES[NAMES[number]][1]:
        if kind == 'str':
            n, = struct.unpack('>I', body[at:at + 4])
            fields[field] = body[at + 4:at + 4 + n].decode(errors='replace')
            at += 4 + n
        else:
            code = {'u32': '>I', 'u64': '>Q', 'bool': '>B', 'fd': '>B'}[kind]
            fields[field], = struct.unpack(code, body[at:at + struct.calcsize(code)])
            at += struct.calcsize(code)
    return NAMES[number], request, fields


class Channel:
    """The other end of a daemon's channel."""

    def __init__(self, sock):
        self.s = sock
        self.s.settimeout(15)
        self.data = b''

    def send(self, name, request=0, fds=(), **fields):
        frame = encode(name, request, fields)
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        self.s.sendmsg([frame], extra)

    def receive(self):
        """(name, request, fields), or None at the end of the channel."""
        while len(self.data) < 4 or len(self.data) < 4 + struct.unpack('>I', self.data[:4])[0]:
            try:
                got, fds, _, _ = socket.recv_fds(self.s, 65536, 4)
            except ConnectionResetError:
                got, fds = b'', []
            for fd in fds:
                os.close(fd)
            if not got:
                return None
            self.data += got
        n, = struct.unpack('>I', self.data[:4])
        frame, self.data = self.data[4:4 + n], self.data[4 + n:]
        return decode(frame)

    def is_closed(self):
        return self.receive() is None


class Daemon:
    """One daemon of an instance's build and configuration, with this test as its master."""

    def __init__(self, inst, program, role, service):
        control, theirs = socket.socketpair()
        self.log_socket, log = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.log_socket.settimeout(0.2)
        self.control = Channel(control)
        fds = {3: theirs.fileno(), 4: log.fileno()}

        def arrange():
            # First out of the way: the numbers may overlap.
            high = {to: os.dup2(fd, 200 + to) for to, fd in fds.items()}
            for to, fd in high.items():
                os.dup2(fd, to)
            os.closerange(5, 400)

        self.process = subprocess.Popen([inst.bin(program), '-r', role, '-n', service, '-t', 'unix', '-c', inst.etc, '-g', '1', '-l', '0', '-m', '0'],
                                        close_fds=False, preexec_fn=arrange, stdin=subprocess.DEVNULL)
        theirs.close()
        log.close()
        self.hello = self.control.receive()

    def peer(self, role, service='test', peer_id=1, frames=True):
        mine, theirs = socket.socketpair()
        self.control.send('PEER', fds=[theirs.fileno()], role=ROLES.index(role), service=service, generation=1, peer_id=peer_id, channel=1)
        theirs.close()
        mine.settimeout(15)
        return Channel(mine) if frames else mine

    def log(self):
        text = ''
        try:
            while True:
                text += self.log_socket.recv(65536).decode(errors='replace') + '\n'
        except TimeoutError:
            return text

    def close(self):
        self.control.s.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
