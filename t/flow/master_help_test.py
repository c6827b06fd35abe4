# SPDX-License-Identifier: ISC
"""The broker hands out what the configuration names and nothing else; the log role writes what was said and by whom."""
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from tap import done, ok            # noqa: E402
from toys import PORT, Session, Toys      # noqa: E402


class Server(threading.Thread):
    """Says one line to whoever connects."""

    def __init__(self, listener, line):
        super().__init__(daemon=True)
        self.listener, self.line = listener, line
        listener.listen(10)
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.sendall(self.line + b'\n')
            client.close()


def listen_unix(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    os.chmod(path, 0o666)
    return s


def listen_tcp():
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    return s


def wait_for(condition, seconds=8):
    end = time.time() + seconds
    while not condition() and time.time() < end:
        time.sleep(0.03)
    return condition()


def broker(toys, tcp, other):
    s = Session()
    port, unnamed = tcp.getsockname()[1], other.getsockname()[1]
    asked = lambda e: s.ask('connect ' + e)       # noqa: E731
    ok(asked('unix:private/policy') == 'connected from policy', 'a UNIX socket that a restriction names is connected')
    ok(asked('inet:127.0.0.1:%d' % port) == 'connected from milter', 'a TCP milter is connected')
    ok(asked('inet:127.0.0.1:%d' % unnamed).startswith('refused'), 'an address that nobody named is refused')
    ok(asked('unix:private/secret').startswith('refused'), 'a socket that nobody named is refused')
    ok(asked('unix:/etc/passwd').startswith('refused'), 'a file is refused')
    ok('refused' in asked('unix:private/gone') and 'No such file' in asked('unix:private/gone'), 'a named socket that is not there is an error that says so')
    ok(asked('unix:private/only-here') == 'connected from own option', 'an endpoint of the service\'s own -o is connected')
    for pid in toys.pids('broker'):
        os.kill(pid, signal.SIGKILL)
    ok(asked('unix:private/policy') in ('connected from policy', 'refused unix:private/policy: the broker went away'), 'a broker that dies is a temporary error')
    ok(wait_for(lambda: asked('unix:private/policy') == 'connected from policy'), 'and its successor serves')
    s.close()


def log(toys):
    s = Session()
    s.ask('log hello there')
    line = r'^[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d \S+ postfix/smtpd\[%d\]: hello there$' % s.pid
    ok(wait_for(lambda: re.search(line, toys.log(), re.M)), 'a line has time, host, program and process', toys.log()[-400:])
    s.ask('forge 4postfix/master[1]: warning: not by master')
    ok(wait_for(lambda: 'not by master' in toys.log()) and 'postfix/master[%d]: warning: not by master' % s.pid in toys.log(), 'a forged process id is replaced by the true one')
    s.ask('forge 1postfix/smtpd[1]: two^postfix/smtpd[2]: lines')
    s.ask('forge no form at all')
    s.ask('log after')
    ok(wait_for(lambda: 'after' in toys.log()) and 'lines' not in toys.log() and 'no form' not in toys.log(), 'what would be two lines, or has no form, is dropped')
    for pid in toys.pids('logd'):
        os.kill(pid, signal.SIGKILL)
    for n in range(200):
        s.ask('log while nobody writes %d.' % n)
    ok(wait_for(lambda: all('while nobody writes %d.' % n in toys.log() for n in range(200))), 'no line is lost while the log role restarts')
    s.close()


def to_stdout():
    toys = Toys(main='maillog_file = /dev/stdout')
    run = subprocess.Popen(toys.command('-d'), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    time.sleep(1.5)
    run.terminate()
    out = run.communicate(timeout=30)[0]
    ok('daemon started -- version' in out, 'with maillog_file = /dev/stdout a master in the foreground logs there', out)
    toys.close()


def main():
    tcp, other = listen_tcp(), listen_tcp()
    toys = Toys(main='smtpd_milters = { inet:127.0.0.1:%d, connect_timeout=3s } unix:private/gone\n'
                     'policy = check_policy_service unix:private/policy\nsmtpd_recipient_restrictions = $policy, reject\n' % tcp.getsockname()[1])
    with open(toys.dir + '/etc/master.cf', 'w') as f:
        f.write('127.0.0.1:%d inet n - n - - smtpd -o non_smtpd_milters=unix:private/only-here\n' % PORT)
    os.mkdir(toys.dir + '/spool/private')
    servers = [Server(tcp, b'from milter'), Server(other, b'from nobody'), Server(listen_unix(toys.dir + '/spool/private/policy'), b'from policy'),
               Server(listen_unix(toys.dir + '/spool/private/secret'), b'secret'),
               Server(listen_unix(toys.dir + '/spool/private/only-here'), b'from own option')]
    try:
        toys.start()
        wait_for(lambda: len(toys.pids('smtpd')) == 2 and toys.pids('broker'))
        time.sleep(0.5)
        broker(toys, tcp, other)
        log(toys)
    finally:
        toys.close()
        for s in servers:
            s.listener.close()
    to_stdout()
    done()


main()
