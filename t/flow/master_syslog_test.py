# SPDX-License-Identifier: ISC
"""Without maillog_file, log lines go to the system's log socket, with facility mail and the right severity.

Runs in a mount name space of its own, with a /dev that has a log socket for the test.
"""
import os
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from tap import done, ok            # noqa: E402


def own_dev():
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'mode=755', 'none', '/dev'], check=True)
    for name, minor in (('null', 3), ('zero', 5), ('random', 8), ('urandom', 9)):
        subprocess.run(['mknod', '-m', '666', '/dev/' + name, 'c', '1', str(minor)], check=True)
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind('/dev/log')
    os.chmod('/dev/log', 0o666)
    log.settimeout(8)
    return log


def lines_until(log, text):
    seen = []
    try:
        while not any(text in line for line in seen):
            seen.append(log.recv(8192).decode())
    except OSError:
        pass
    return seen


def inside():
    log = own_dev()
    from toys import Toys, Session
    toys = Toys(main='maillog_file =')
    try:
        toys.start()
        started = lines_until(log, 'daemon started')
        ok(any(re.match(r'<22>[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d postfix/master\[%d\]: daemon started -- version' % toys.master_pid(), s) for s in started),
           'a line goes to /dev/log as syslog(3) writes it', started)
        time.sleep(0.3)
        os.kill(toys.pids('broker')[0], 9)
        died = lines_until(log, 'killed by')
        ok(any(s.startswith('<20>') and 'warning: process' in s for s in died), 'a warning has severity warning', died)
        s = Session()
        ok(s.ask('log hello') == 'logged' and any('<22>' in x and 'postfix/smtpd[%d]: hello' % s.pid in x for x in lines_until(log, 'hello')), 'so do lines of the daemons')
        s.close()
    finally:
        toys.close()
    done()


if os.geteuid() != 0 or subprocess.run(['unshare', '-m', 'true'], stderr=subprocess.DEVNULL).returncode != 0:
    ok(True, 'skipped: needs root and mount name spaces')
    done()
if sys.argv[1:] == ['inside']:
    inside()
os.execvp('unshare', ['unshare', '-m', '--propagation', 'private', sys.executable, os.path.abspath(__file__), 'inside'])
