# SPDX-License-Identifier: ISC
"""master as a service of Type=notify: what it sends to NOTIFY_SOCKET, with this test as the service manager."""
import os
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, wait_until   # noqa: E402
from tap import case, done, ok              # noqa: E402


class Manager:
    def __init__(self, name):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.s.bind('\0' + name[1:] if name.startswith('@') else name)
        self.s.settimeout(30)
        self.name = name

    def receive(self):
        try:
            return dict(line.split('=', 1) for line in self.s.recv(4096).decode().splitlines())
        except TimeoutError:
            return {}

    def is_quiet(self):
        self.s.settimeout(0.3)
        try:
            return not self.s.recv(4096)
        except TimeoutError:
            return True
        finally:
            self.s.settimeout(30)


def imap_works(i):
    try:
        return i.imap('bob').logout()[0] == 'BYE'
    except Exception:   # noqa: BLE001
        return False


def life(i, name):
    manager = Manager(name)
    log = open(i.dir + '/log/start-fg', 'w')
    p = subprocess.Popen([i.bin('postfix'), '-c', i.etc, 'start-fg'], env=dict(os.environ, NOTIFY_SOCKET=name), stdin=subprocess.DEVNULL,
                         stdout=log, stderr=subprocess.STDOUT)
    i.running = True
    got = manager.receive()
    ok(got.get('READY') == '1' and got.get('MAINPID') == str(p.pid) and got.get('STATUS') == 'up', 'READY with the process id', got)
    ok(imap_works(i), 'and the services are up at that moment')
    envs = [open('/proc/%d/environ' % pid, 'rb').read() for pid in i.pids() if pid != p.pid]
    ok(envs and not [e for e in envs if b'NOTIFY_SOCKET' in e], 'no daemon hears of the socket')
    i.reload()
    got = manager.receive()
    ok(got.get('RELOADING') == '1' and got.get('MONOTONIC_USEC', '').isdigit(), 'RELOADING, and when', got)
    got = manager.receive()
    ok(got.get('READY') == '1', 'READY again', got)
    with open(i.etc + '/main.cf') as f:
        good = f.read()
    i.append_main('postern_service_processes = many')
    os.kill(p.pid, signal.SIGHUP)
    first, second = manager.receive(), manager.receive()
    ok(first.get('RELOADING') == '1' and second.get('READY') == '1' and 'error' in second.get('STATUS', ''), 'a configuration with an error: READY, and the status says so',
       (first, second))
    with open(i.etc + '/main.cf', 'w') as f:
        f.write(good)
    for pid in i.pids_of('hub'):
        os.kill(pid, signal.SIGKILL)
    ok(manager.is_quiet(), 'the restart of a daemon is no news')
    i.stop()
    got = manager.receive()
    ok(got.get('STOPPING') == '1', 'STOPPING', got)
    ok(p.wait(30) == 0, 'and the end')
    manager.s.close()


def background(i, name):
    """postfix start under a manager: the process that stays is named."""
    manager = Manager(name)
    i.run('postfix', '-c', i.etc, 'start', env=dict(os.environ, NOTIFY_SOCKET=name), check=True)
    i.running = True
    got = manager.receive()
    ok(got.get('READY') == '1' and [int(got.get('MAINPID', '0'))] == i.pids_of('master'), 'MAINPID is the master in the background', got)
    manager.s.close()
    os.unlink(name)
    i.reload()
    ok(wait_until(lambda: 'reload -- version' in i.log(), 10) and imap_works(i), 'a manager that is gone holds up nothing')
    i.stop()


def refused(i):
    for name in ('relative', '@', 'vsock:2:1234', '/' + 'x' * 200):
        p = i.run('postfix', '-c', i.etc, 'start', env=dict(os.environ, NOTIFY_SOCKET=name))
        ok(p.returncode == 0, 'a socket that cannot be used is not used: ' + name[:20], p.stdout)
        i.running = True
        i.stop()


with tempfile.TemporaryDirectory(prefix='notify-') as directory, Instance(start=False) as instance:
    case('a path', lambda: life(instance, directory + '/socket'))
    case('an abstract name', lambda: life(instance, '@postern-notify-%d' % os.getpid()))
    case('in the background', lambda: background(instance, directory + '/other'))
    case('names', lambda: refused(instance))
done()
