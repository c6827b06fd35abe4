# SPDX-License-Identifier: ISC
"""ipc.py - plays master and the peers of one daemon program.

Messages and fields are read from lib/ipc/schema_*.h, so that there is nothing
here to keep in step.

    with Daemon('resolver', 'resolver', main='postern_dns_hosts = ...') as d:
        c = d.peer('smtpd')
        answer = c.call('DNS_QUERY', name='example.org', type=15)
"""
import array
import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

ROOT = os.environ.get('POSTERN_ROOT', os.path.abspath(os.path.dirname(__file__) + '/../../..'))
DEV = os.environ.get('POSTERN_DEV', ROOT + '/build-dev')
ORDER = ['control', 'intake', 'deliver', 'local', 'login', 'auth', 'help', 'keys', 'tool']


def read(name):
    with open('%s/lib/ipc/%s' % (ROOT, name)) as f:
        return f.read().replace('\\\n', ' ')


def load_schema():
    types, fields = [], {}
    for group in ORDER:
        text = read('schema_%s.h' % group)
        for define in re.finditer(r'#define (IPC_\w+)\((\w+)(?:, T)?\)(.*)', text):
            name, _, body = define.groups()
            if name.startswith('IPC_MSG_'):
                same = re.fullmatch(r'\s*IPC_MSG_(\w+)\(F, T\)\s*', body)
                fields[name[8:]] = fields[same.group(1)] if same else re.findall(r'F\(T, (\w+), (\w+), (\d+),', body)
            elif name.endswith('_MESSAGES'):
                types += re.findall(r'M\((\w+), \w+,', body)
    return types, fields


TYPES, FIELDS = load_schema()
ROLES = re.findall(r'R\((\w+), "([^"]+)"\)', read('role.h'))


def role_number(name):
    return [r[1] for r in ROLES].index(name)


def encode(kind, ident, values):
    body = b''
    fds = []
    for what, name, _ in FIELDS[kind]:
        v = values.pop(name, None)
        if what == 'U32':
            body += struct.pack('>I', v or 0)
        elif what == 'U64':
            body += struct.pack('>Q', v or 0)
        elif what == 'BOOL':
            body += b'\1' if v else b'\0'
        elif what == 'STR':
            v = v.encode() if isinstance(v, str) else v or b''
            body += struct.pack('>I', len(v)) + v
        else:
            body += b'\1' if v is not None else b'\0'
            fds += [v] if v is not None else []
    assert not values, 'no such field: %r' % values
    return struct.pack('>IHI', len(body) + 6, TYPES.index(kind), ident) + body, fds


def decode(kind, body, fds):
    out = {'': kind}
    for what, name, _ in FIELDS[kind]:
        if what == 'U32':
            out[name], body = struct.unpack('>I', body[:4])[0], body[4:]
        elif what == 'U64':
            out[name], body = struct.unpack('>Q', body[:8])[0], body[8:]
        elif what == 'BOOL':
            out[name], body = body[0] == 1, body[1:]
        elif what == 'STR':
            n = struct.unpack('>I', body[:4])[0]
            out[name], body = body[4:4 + n], body[4 + n:]
        else:
            out[name], body = fds.pop(0) if body[0] == 1 else None, body[1:]
    assert body == b'', 'trailing bytes in ' + kind
    return out


class Chan:
    def __init__(self, sock):
        self.sock, self.got, self.fds, self.next_id = sock, b'', [], 1
        self.is_leaving = False

    def send(self, kind, ident=0, /, more_fds=(), **values):
        """more_fds: descriptors that no field speaks of."""
        data, fds = encode(kind, ident, values)
        fds += more_fds
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        n = self.sock.sendmsg([data], control)
        if n < len(data):
            self.sock.sendall(data[n:])

    def recv(self, timeout=15):
        """(id, message) or None when the other end closed."""
        self.sock.settimeout(timeout)
        while len(self.got) < 10 or len(self.got) < 4 + struct.unpack('>I', self.got[:4])[0]:
            try:
                data, anc, _, _ = self.sock.recvmsg(65536, 1024)
            except ConnectionResetError:
                return None
            for _, _, raw in anc:
                a = array.array('i')
                a.frombytes(raw[:len(raw) - len(raw) % 4])
                self.fds += list(a)
            if not data:
                return None
            self.got += data
        n, kind, ident = struct.unpack('>IHI', self.got[:10])
        body, self.got = self.got[10:4 + n], self.got[4 + n:]
        message = decode(TYPES[kind], body, self.fds)
        if message[''] != 'LEAVING':
            return ident, message
        self.is_leaving = True
        self.send('LEAVING', heard=True)
        return self.recv(timeout)

    def call(self, kind, /, timeout=15, **values):
        self.next_id += 1
        self.send(kind, self.next_id, **values)
        while True:
            got = self.recv(timeout)
            if got is None or got[0] == self.next_id:
                return got and got[1]

    def is_closed(self):
        """Waits for what comes next."""
        return self.recv() is None

    def close(self):
        self.sock.close()


class Process:
    """A daemon program with a configuration directory. The test is its master, and plays its peers."""

    def __init__(self, program, role, etc, service=None, listeners=(), args=(), build=None, under=()):
        """under: a command in front, strace for example."""
        self.argv = [*under, '%s/bin/%s' % (build or DEV, program), '-r', role, '-n', service or role, '-t', 'unix', '-c', etc, '-g', '1', *args]
        self.listeners, self.log, self.peers = listeners, [], 0
        self.start()

    def start(self):
        self.control, child = socket.socketpair()
        self.log_in, log_out = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        # First out of the way: the numbers may overlap.
        high = [fcntl.fcntl(f.fileno(), fcntl.F_DUPFD_CLOEXEC, 50) for f in (child, log_out, *self.listeners)]

        def place():
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)
        self.process = subprocess.Popen([*self.argv, '-l', str(len(self.listeners))], preexec_fn=place, close_fds=False,
                                        stdin=subprocess.DEVNULL, env={'ASAN_OPTIONS': 'detect_leaks=0', **os.environ})
        for fd in high:
            os.close(fd)
        child.close()
        log_out.close()
        self.master = Chan(self.control)
        threading.Thread(target=self.read_log, args=(self.log_in,), daemon=True).start()

    def read_log(self, sock):
        while True:
            try:
                line = sock.recv(65536)
            except OSError:
                return
            if not line:
                return
            self.log.append(line.decode(errors='replace'))

    def wait_log(self, text, seconds=10):
        """The first line with this text, None if there is none in time."""
        end = time.time() + seconds
        while time.time() < end:
            for line in list(self.log):
                if text in line:
                    return line
            time.sleep(0.02)
        return None

    def peer_socket(self, role, service='', peer_id=0):
        """A socket on which we are a process of that role."""
        ours, theirs = socket.socketpair()
        self.peers += 1
        self.master.send('PEER', role=role_number(role), service=service or role, generation=1, peer_id=peer_id or self.peers, channel=theirs.fileno())
        theirs.close()
        return ours

    def peer(self, role, service='', peer_id=0):
        return Chan(self.peer_socket(role, service, peer_id))

    def stop(self):
        self.control.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


def make_instance(main='', files=None):
    """A new directory with what a private instance has: etc/main.cf, spool, lib; files: {path below it: text}."""
    path = tempfile.mkdtemp(prefix='postern-ipc.')
    for d in ('etc', 'spool', 'spool/public', 'lib'):
        os.mkdir('%s/%s' % (path, d))
    text = ('postern_private = yes\ncompatibility_level = 3.6\nmyhostname = mail.example.test\nqueue_directory = %s/spool\ndata_directory = %s/lib\n'
            % (path, path)) + main + '\n'
    for name, text in {'etc/main.cf': text, **(files or {})}.items():
        with open('%s/%s' % (path, name), 'w') as f:
            f.write(text)
    return path


class Daemon(Process):
    """A program with a configuration of its own, which goes when it stops."""

    def __init__(self, program, role, main='', service=None, args=(), build=None, files=None):
        self.dir = make_instance(main, files)
        super().__init__(program, role, self.dir + '/etc', service, (), args, build)

    def stop(self):
        super().stop()
        shutil.rmtree(self.dir, ignore_errors=True)
