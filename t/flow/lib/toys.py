# SPDX-License-Identifier: ISC
"""toys.py - the real master, broker and logd with toy roles as smtpd and qmgr."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.environ.get('POSTERN_ROOT', os.path.abspath(os.path.dirname(__file__) + '/../../..'))
PORT = int(os.environ.get('POSTERN_PORT', '21000'))


class Toys:
    def __init__(self, build=None, main='', master='', private=True, port=PORT):
        self.build = build or os.environ.get('POSTERN_DEV', ROOT + '/build-dev')
        self.port = port
        self.dir = tempfile.mkdtemp(prefix='postern-toys-')
        os.chmod(self.dir, 0o755)
        for d in ('bin', 'etc', 'spool', 'data', 'log'):
            os.mkdir('%s/%s' % (self.dir, d))
        for program in ('master', 'broker', 'logd'):
            shutil.copy('%s/bin/%s' % (self.build, program), self.dir + '/bin')
        for name in ('smtpd', 'qmgr'):
            shutil.copy(self.build + '/t/toy', '%s/bin/%s' % (self.dir, name))
        if not private:
            os.chmod(self.dir + '/log', 0o777)
        self.write_main(main, private)
        self.write_master(master)

    def write_main(self, more='', private=True):
        with open(self.dir + '/etc/main.cf', 'w') as f:
            f.write('compatibility_level = 3.6\nqueue_directory = %s/spool\ndata_directory = %s/data\nmaillog_file = %s/log/mail.log\n'
                    'postern_empty_directory = %s/empty\npostern_private = %s\n%s\n'
                    % (self.dir, self.dir, self.dir, self.dir, 'yes' if private else 'no', more))

    def write_master(self, more=''):
        with open(self.dir + '/etc/master.cf', 'w') as f:
            f.write('127.0.0.1:%d inet n - n - - smtpd\n%s\n' % (self.port, more))

    def command(self, *more):
        return [self.dir + '/bin/master', '-c', self.dir + '/etc', *more]

    def start(self):
        return subprocess.run(self.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)

    def running(self):
        return subprocess.run(self.command('-t'), stderr=subprocess.DEVNULL).returncode != 0

    def master_pid(self):
        with open(self.dir + '/spool/pid/master.pid') as f:
            return int(f.read())

    def pids(self, name):
        """Living processes of a role: children of this master that run the program of that name."""
        master, found = self.master_pid(), []
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open('/proc/%s/stat' % pid) as f:
                    fields = f.read().rsplit(')', 1)[1].split()
                if int(fields[1]) == master and fields[0] != 'Z' and os.path.basename(os.readlink('/proc/%s/exe' % pid)) == name:
                    found.append(int(pid))
            except (OSError, ValueError):
                pass
        return sorted(found)

    def signal(self, signo):
        os.kill(self.master_pid(), signo)

    def stop(self, seconds=20):
        try:
            self.signal(signal.SIGTERM)
        except (OSError, ValueError):
            return True
        end = time.time() + seconds
        while self.running() and time.time() < end:
            time.sleep(0.05)
        return not self.running()

    def log(self):
        """What has been logged by now: lines rest for up to 160 ms before they are written."""
        time.sleep(0.2)
        try:
            with open(self.dir + '/log/mail.log', errors='replace') as f:
                return f.read()
        except OSError:
            return ''

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Session:
    """A client of the toy sessions role."""

    def __init__(self, port=PORT):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout=15)
        self.file = self.socket.makefile('rw', newline='\r\n')
        self.pid = int(self.file.readline().split()[1])

    def ask(self, line='id'):
        self.file.write(line + '\n')      # becomes CR LF
        self.file.flush()
        return self.file.readline().strip()

    def close(self):
        self.file.close()
        self.socket.close()


# Every Debian system has these; they stand in for the accounts of an installed system.
ACCOUNTS = """mail_owner = mail
setgid_group = mail
postern_log_user = sys
postern_smtpd_user = nobody
postern_submit_user = backup
postern_out_user = news
postern_login_user = man
postern_hub_user = proxy
postern_auth_user = games
postern_lookup_user = lp
postern_dns_user = uucp
postern_keys_user = irc
"""
