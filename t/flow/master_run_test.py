# SPDX-License-Identifier: ISC
"""master: start, reload, stop, and what it says when the configuration is wrong."""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from tap import done, ok                    # noqa: E402
from toys import PORT, ROOT, Session, Toys        # noqa: E402


def wait_for(condition, seconds=8):
    end = time.time() + seconds
    while not condition() and time.time() < end:
        time.sleep(0.03)
    return condition()


REFUSED = [
    ('an unknown command is named with file and line', '', 'x unix - - n - - nosuchd', ['master.cf', 'line 2', 'nosuchd']),
    ('a bad field of master.cf is named with file and line', '', 'x unix - - q - - smtpd', ['master.cf', 'line 2', '"q"']),
    ('a value that does not parse is named with file and line', 'postern_actor_limit = many', '', ['main.cf', 'line', 'postern_actor_limit', 'many']),
    ('an unknown mailbox service is named', 'postern_mailbox_services = imap gopher', '', ['postern_mailbox_services', 'gopher']),
    ('a port of a mailbox service that is none is named', 'postern_mailbox_services = { imaps, port=99999 }', '', ['postern_mailbox_services', 'port=99999']),
    ('a spawn service without user is named with file and line', '', 'policy unix - n n - 0 spawn argv=/bin/true', ['master.cf', 'line 2', 'user=']),
    ('an address that cannot be bound is named with its service', '', '192.0.2.77:%d inet n - n - - smtpd' % (PORT + 1), ['192.0.2.77', 'line 2']),
]
ACCEPTED = """rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
smtp unix - - n - - smtp
relay unix - - n - - smtp -o syslog_name=postfix/$service_name
maildrop unix - n n - - pipe flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
qmqp unix n - n - - qmqpd
"""


def refusals():
    for name, main, master, words in REFUSED:
        toys = Toys(main=main, master=master)
        said = toys.start()
        lines = [line for line in said.stdout.splitlines() if 'fatal' in line]
        ok(said.returncode != 0 and len(lines) == 1 and all(w in lines[0] for w in words) and not toys.running(), name, said.stdout)
        toys.close()


def port_in_use():
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(('127.0.0.1', PORT))
    taken.listen(1)
    toys = Toys()
    said = toys.start()
    ok(said.returncode != 0 and 'in use' in said.stdout and str(PORT) in said.stdout, 'a port in use is named', said.stdout)
    taken.close()
    toys.close()


def start_stop():
    toys = Toys(master=ACCEPTED)
    said = toys.start()
    ok(said.returncode == 0 and toys.running(), 'a master.cf with every service of Postfix starts', said.stdout)
    ok('line' in said.stdout and 'qmqpd' in said.stdout, 'what is not run by this system is named with file and line', said.stdout)
    ok(wait_for(lambda: 'daemon started -- version' in toys.log()), 'the log says that the daemon has started')
    again = toys.start()
    ok(again.returncode != 0 and 'already running: pid %d' % toys.master_pid() in again.stdout, 'a second master is refused, with the pid of the first', again.stdout)
    ok(len(open(toys.dir + '/spool/pid/master.pid').read()) == 21, 'the pid file is in Postfix\'s form')
    pids = [p for n in ('smtpd', 'qmgr', 'broker', 'logd') for p in toys.pids(n)]
    ok(toys.stop(), 'SIGTERM stops it')
    ok(not any(os.path.exists('/proc/%d' % p) for p in pids), 'no process is left')
    ok('terminating on signal 15' in toys.log(), 'the log says so')
    ok(not os.path.exists(toys.dir + '/spool/public/qmgr'), 'its sockets are gone')
    toys.close()


def reload():
    toys = Toys()
    toys.start()
    wait_for(lambda: len(toys.pids('smtpd')) == 2)
    old = toys.pids('smtpd')
    session = Session()
    session.ask()
    toys.write_main('syslog_name = changed')
    toys.signal(signal.SIGHUP)
    ok(wait_for(lambda: len(set(toys.pids('smtpd')) - set(old)) == 2), 'SIGHUP starts a new generation')
    ok(wait_for(lambda: len(set(toys.pids('smtpd')) & set(old)) == 1), 'old processes without sessions end')
    ok(session.ask().startswith('id ') and session.pid in toys.pids('smtpd'), 'a session goes on in its old process, with the new owner')
    new = Session()
    ok(new.pid not in old, 'new sessions are taken by the new generation')
    session.file.write('quit\n')
    session.file.flush()
    ok(wait_for(lambda: session.pid not in toys.pids('smtpd')), 'the old process ends with its last session')
    ok(wait_for(lambda: len(toys.pids('qmgr')) == 1), 'there is one owner')
    toys.write_main('postern_actor_limit = many')
    toys.signal(signal.SIGHUP)
    ok(wait_for(lambda: 'the old configuration stays' in toys.log()), 'a configuration that does not hold leaves the old one running', toys.log())
    ok(new.ask().startswith('id '), 'and its sessions')
    os.rename(toys.dir + '/log/mail.log', toys.dir + '/log/mail.log.1')
    toys.write_main()
    toys.signal(signal.SIGHUP)
    ok(wait_for(lambda: 'reload -- version' in toys.log() or os.path.exists(toys.dir + '/log/mail.log')), 'reload opens a new log file after a rotation')
    toys.close()


def stuck_predecessor():
    toys = Toys(master='hub unix - - n - 1 hub')
    shutil.copy(toys.dir + '/bin/qmgr', toys.dir + '/bin/hub')
    toys.start()
    ok(wait_for(lambda: len(toys.pids('hub')) == 1), 'a role that must be alone runs')
    old = toys.pids('hub')
    os.kill(old[0], signal.SIGSTOP)
    toys.signal(signal.SIGHUP)
    ok(wait_for(lambda: toys.pids('hub') not in ([], old) and 'its successor waits' in toys.log(), 30), 'a predecessor that does not end is killed after a while, and its successor starts', toys.log()[-500:])
    toys.close()


def throttle():
    toys = Toys()
    with open(toys.dir + '/bin/qmgr', 'w') as f:
        f.write('#!/bin/sh\nexit 3\n')
    toys.start()
    ok(wait_for(lambda: 'bad command startup -- throttling' in toys.log()), 'a program that fails at once is throttled, and the log says so', toys.log())
    count = toys.log().count('exit status 3')
    time.sleep(2)
    ok(toys.log().count('exit status 3') - count <= 4, 'it is not started in a loop')
    ok(len(toys.pids('smtpd')) == 2, 'the others run')
    toys.close()


def stop_with_sessions():
    toys = Toys(main='postern_stop_grace = 1s')
    toys.start()
    sessions = [Session() for _ in range(4)]
    start = time.time()
    ok(toys.stop(15) and time.time() - start < 8, 'a stop does not wait for idle sessions beyond its grace')
    for s in sessions:
        s.close()
    toys.close()


def ask_policy(toys, text):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(toys.dir + '/spool/private/policy')
    s.sendall(text)
    answer = b''
    try:
        while not answer.endswith(b'\n'):
            part = s.recv(1000)
            if not part:
                break
            answer += part
    except OSError:
        pass
    s.close()
    return answer.decode()


def spawn():
    user = 'nobody' if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    toys = Toys(main='policy_time_limit = 2s', master='policy unix - n n - 2 spawn user=%s argv=/bin/sh -c { read x; echo "got $x" $(id -u) $(ls /proc/self/fd | wc -l); read y }' % user)
    toys.start()
    said = ask_policy(toys, b'hello\n')
    ok(said.startswith('got hello %d ' % pwd.getpwnam(user).pw_uid), 'a spawn service runs its command as its user, with the connection as input and output', said)
    ok(said.split()[-1:] == ['4'], 'with no descriptor of master', said)
    held = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    for s in held:
        s.connect(toys.dir + '/spool/private/policy')
    time.sleep(0.5)
    start = time.time()
    ok(ask_policy(toys, b'again\n').startswith('got again') and time.time() - start > 0.5, 'beyond its limit of processes who connects waits')
    ok(wait_for(lambda: 'exceeded its time limit' in toys.log()), 'a command that takes too long is ended, and the log says so')
    for s in held:
        s.close()
    toys.signal(signal.SIGHUP)
    time.sleep(0.5)
    ok(ask_policy(toys, b'reloaded\n').startswith('got reloaded'), 'it serves on after a reload')
    ok(toys.stop(), 'and ends with the system')
    toys.close()


def printed_roles():
    out = subprocess.run([os.environ.get('POSTERN_DEV', ROOT + '/build-dev') + '/bin/master', '--print-roles'], stdout=subprocess.PIPE, text=True).stdout
    ok('| smtpd | smtpd | $postern_smtpd_user |' in out and '| qmgr |' in out, 'the role table is printed')
    path = ROOT + '/ARCHITECTURE.md'
    text = open(path).read() if os.path.exists(path) else ''
    ok(out in text, 'ARCHITECTURE.md holds the role table as master --print-roles prints it')


refusals()
port_in_use()
start_stop()
reload()
stuck_predecessor()
throttle()
stop_with_sessions()
spawn()
printed_roles()
done()
