# SPDX-License-Identifier: ISC
"""authd's sockets for others: owners and modes, who may ask what, answers in time whatever one client does, nothing left of
clients that leave in the middle."""
import os
import pwd
import re
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + '/../compare/auth')
from exchange import b64                                       # noqa: E402
from instance import Instance, PASSWORD, PORT, wait_until      # noqa: E402
from tap import case, done, ok                                 # noqa: E402

INET = PORT + 1240
LISTENERS = '''postern_auth_listeners = unix:private/auth,
  { unix:private/everyone-userdb, mode=0666 },
  { unix:private/group-userdb, mode=0660, user=daemon, group=games },
  unix:private/login { mode=0600 },
  unix:private/auth-master,
  { unix:private/trusted, trusted=yes },
  { inet:127.0.0.1:%d, type=auth }
''' % INET


class Line:
    def __init__(self, address, hello='VERSION\t1\t2\nCPID\t%d\n'):
        self.s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.s.settimeout(20)
        self.s.connect(address)
        self.f = self.s.makefile('rb')
        if hello:
            self.send(hello % threading.get_native_id() if '%d' in hello else hello)
            while self.line().split('\t')[0] not in ('DONE', 'SPID' if '%d' not in hello else 'DONE'):
                pass

    def send(self, text):
        self.s.sendall(text.encode())

    def line(self):
        return self.f.readline().decode().rstrip('\n')

    def ask(self, text):
        self.send(text + '\n')
        return self.line()

    def auth(self, number, user, password, rip='192.0.2.9', extra=''):
        return self.ask('AUTH\t%d\tPLAIN\tservice=smtp\trip=%s%s\tresp=%s' % (number, rip, extra, b64('\\0%s\\0%s' % (user, password))))

    def close(self):
        self.f.close()
        self.s.close()


def master(path):
    return Line(path, hello='VERSION\t1\t1\n')


def rights(i, private):
    def mode(name):
        st = os.stat(private + name)
        return st.st_mode & 0o777, st.st_uid, st.st_gid
    me = os.geteuid()
    ok(mode('auth')[0] == 0o666 and mode('auth')[1] == me, 'private/auth is for whoever may enter the directory', mode('auth'))
    ok(mode('group-userdb') == (0o660, pwd.getpwnam('daemon').pw_uid, __import__('grp').getgrnam('games').gr_gid),
       'owner, group and mode are as configured', mode('group-userdb'))
    ok(mode('auth-master')[0] == 0o600, 'a master socket is closed to others', mode('auth-master'))
    a = Line(('127.0.0.1', INET))
    ok(a.auth(1, 'alice', PASSWORD['alice']) == 'OK\t1\tuser=alice', 'a TCP listener answers')
    i.append_main(LISTENERS.replace('user=daemon', 'user=games'))
    i.reload()
    ok(wait_until(lambda: mode('group-userdb')[1] == pwd.getpwnam('games').pw_uid, 10), 'a reload changes the owner of a socket that stays', mode('group-userdb'))
    b = Line(('127.0.0.1', INET))
    ok(b.auth(1, 'alice', PASSWORD['alice']) == 'OK\t1\tuser=alice', 'and the listeners go on')


def refused_configuration(i):
    for text, why in (('inet:localhost:%d' % INET, 'numeric address'), ('{ inet:0.0.0.0:%d, type=userdb }' % INET, '127.0.0.1'),
                      ('{ unix:private/auth, user=nobodyknows }', 'nobodyknows'), ('{ unix:private/auth, colour=red }', 'colour=red')):
        i.append_main('postern_auth_listeners = ' + text)
        i.tool('postfix', 'reload')
        ok(wait_until(lambda: re.search('old configuration stays', i.log()) and why in i.log(), 5), 'refused, with the reason: ' + text, i.log()[-600:])
    i.append_main(LISTENERS)
    i.reload()


def as_user(path, uid, gid, text, lines):
    """What a process of that uid is told."""
    code = ('import os,socket,sys\nos.setgroups([]); os.setgid(%d); os.setuid(%d)\ns = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(%r)\n'
            's.sendall(b"VERSION\\t1\\t1\\n" + %r)\nf = s.makefile("rb")\nfor n in range(%d): sys.stdout.write(f.readline().decode())\n'
            % (gid, uid, path, text.encode(), lines + 2))
    p = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    return p.stdout.split('\n')[2:-1]


def everyone(i, private):
    for d in (i.base, i.dir, i.spool(), i.spool() + '/private'):
        os.chmod(d, os.stat(d).st_mode | 0o011)
    path = private + 'everyone-userdb'
    alice = i.etc + '/passwd'
    with open(alice) as f:
        text = f.read()
    with open(alice, 'w') as f:
        f.write(re.sub(r'^(alice:[^:]*):[^:]*:[^:]*:', r'\1:7001:7001:', text, flags=re.M))
    time.sleep(1.1)
    m = master(path)
    ok(m.ask('USER\t1\talice\tservice=x').startswith('USER\t1\talice\tuid=7001\t'), 'mode 0666: the owner may ask')
    ok(as_user(path, 7001, 7001, 'USER\t1\talice\tservice=x\n', 1)[0].startswith('USER\t1\talice\tuid=7001'), 'mode 0666: a stranger hears of his own uid')
    ok(as_user(path, 7002, 7002, 'USER\t1\talice\tservice=x\n', 1) == ['FAIL\t1'], 'mode 0666: of no other')
    ok(as_user(path, 7001, 7001, 'PASS\t1\talice\tservice=x\nLIST\t2\tservice=x\n', 2) == ['FAIL\t1', 'DONE\t2\tfail'], 'mode 0666: a stranger gets no PASS and no LIST')
    got = as_user(private + 'group-userdb', 7003, 7003, 'USER\t1\talice\tservice=x\n', 1)
    ok(not any(x.startswith('USER') for x in got), 'mode 0660: others cannot connect', got)
    ok(master(path).ask('REQUEST\t1\t1\t1\t00') == '', 'REQUEST on a userdb socket ends the connection')


def trusted(i, private):
    def wrong(sock, extra):
        a, times = Line(private + sock), []
        for n in range(1, 4):
            start = time.time()
            a.auth(n, 'alice', 'wrong%d%s' % (n, sock), rip='198.51.100.%d' % (1 if sock == 'auth' else 2), extra=extra)
            times.append(time.time() - start)
        return times
    believed, not_believed = wrong('trusted', '\tno-penalty'), wrong('auth', '\tno-penalty')
    ok(max(believed) < 2.7, 'no-penalty counts on a socket that is trusted', believed)
    ok(not_believed[-1] > believed[-1] + 0.5 and max(not_believed) < 6, 'and on no other; within 6 s all the same', not_believed)


def one_bad_client(i, private):
    """A flood, a client that does not read, slow bytes and idle connections beside a login."""
    stop, bad = threading.Event(), []

    def flood():
        while not stop.is_set():
            try:
                a = Line(private + 'auth', hello='')
                a.send('VERSION\t1\t2\nCPID\t1\n' + ''.join('AUTH\t%d\tPLAIN\tservice=smtp\tresp=AA==\n' % n for n in range(1, 3000)))
                time.sleep(0.3)
                a.close()
            except OSError:
                pass

    threads = [threading.Thread(target=flood) for _ in range(2)]
    for t in threads:
        t.start()
    for n in range(2200):
        try:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(5)
            s.connect(private + 'auth')
            bad.append(s)
        except OSError:
            break
    slow = Line(private + 'auth', hello='')
    slow.send('VERS')
    worst = 0.0
    for n in range(20):
        start = time.time()
        a = Line(private + 'auth')
        line = a.auth(1, 'alice', PASSWORD['alice'], rip='203.0.113.%d' % n)
        worst = max(worst, time.time() - start)
        if line != 'OK\t1\tuser=alice':
            ok(False, 'a login beside bad clients', line)
        a.close()
    stop.set()
    for t in threads:
        t.join()
    ok(len(bad) > 1500, 'thousands of idle connections', len(bad))
    ok(worst < 6, 'logins beside them are answered within 6 s', worst)
    for s in bad:
        s.close()


def authd(i):
    return i.pids_of('authd')[0]


def fds(i, pid):
    """But for a channel to each process that checks passwords: those come when they are needed."""
    return len(os.listdir('/proc/%d/fd' % pid)) - len(i.pids_of('auth-hash'))


def memory(pid):
    with open('/proc/%d/statm' % pid) as f:
        return int(f.read().split()[1]) * 4096


EXCHANGE = 'VERSION\t1\t2\nCPID\t1\nAUTH\t1\tLOGIN\tservice=smtp\trip=192.0.2.9\nCONT\t1\t%s\nCONT\t1\t%s\nAUTH\t2\tPLAIN\tservice=smtp\trip=192.0.2.9\tresp=%s\nCANCEL\t2\n' % (
    b64('alice'), b64(PASSWORD['alice']), b64('\\0bob\\0' + PASSWORD['bob']))
QUESTIONS = 'VERSION\t1\t1\nUSER\t1\talice\tservice=x\nPASS\t2\tbob\tservice=x\nLIST\t3\tservice=x\nCACHE-FLUSH\t4\nREQUEST\t5\t1\t1\t00\n'


def leave_everywhere(path, text, times):
    """Disconnects after every byte, in turn, with and without reading, by FIN and by RST."""
    for n in range(times):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        s.sendall(text[:n % (len(text) + 1)].encode())
        if n % 3 == 0:
            s.settimeout(1)
            s.recv(4096)
        if n % 5 == 0:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        s.close()


def nothing_is_left(i, private):
    pid = authd(i)
    wait_until(lambda: fds(i, pid) < 60, 40)
    for name, text in (('auth', EXCHANGE), ('auth-master', QUESTIONS), ('login', EXCHANGE)):
        leave_everywhere(private + name, text, 200)
    wait_until(lambda: False, 3)
    before, mem = fds(i, pid), memory(pid)
    for name, text in (('auth', EXCHANGE), ('auth-master', QUESTIONS), ('login', EXCHANGE)):
        leave_everywhere(private + name, text, 1000)
    ok(wait_until(lambda: fds(i, pid) <= before, 10), 'after 3,000 clients that left in the middle no descriptor is left', (before, fds(i, pid)))
    ok(pid == authd(i), 'and the process is the same')
    # the sanitizer keeps freed memory for a while: a leak would be of each exchange, over 16 MB of arenas
    ok(memory(pid) - mem < 64 << 20, 'its memory does not grow with them', (mem, memory(pid)))
    # from elsewhere: some of those who left had guessed, and their address may have spent what it has for that
    ok(wait_until(lambda: Line(private + 'auth').auth(1, 'alice', PASSWORD['alice'], rip='198.51.100.7') == 'OK\t1\tuser=alice', 30, 0.5), 'and it answers')


def run():
    with Instance(main=LISTENERS) as i:
        private = i.spool() + '/private/'
        case('rights: no exception', lambda: rights(i, private))
        case('configurations that are refused: no exception', lambda: refused_configuration(i))
        case('a socket for everyone: no exception', lambda: everyone(i, private))
        case('trusted sockets: no exception', lambda: trusted(i, private))
        case('one bad client: no exception', lambda: one_bad_client(i, private))
        case('nothing is left: no exception', lambda: nothing_is_left(i, private))


run()
done()
