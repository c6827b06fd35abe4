# SPDX-License-Identifier: ISC
"""instance.py - a private Postern instance for a flow test.

    with Instance(main='soft_bounce = yes') as i:
        i.submit('alice', 'bob@example.test', 'text')
        i.wait_mail('bob')

Ports are port + 25, 587, 465, 110, 995, 143, 993 with port from the runner.
When a test failed, the instance's log is shown as it is closed.
"""
import email.utils
import glob
import imaplib
import os
import poplib
import re
import shutil
import smtplib
import ssl
import subprocess
import tempfile
import time

import tap

ROOT = os.environ.get('POSTERN_ROOT', os.path.abspath(os.path.dirname(__file__) + '/../../..'))
DEV = os.environ.get('POSTERN_DEV', ROOT + '/build-dev')
RELEASE = os.environ.get('POSTERN_RELEASE', ROOT + '/build')
PORT = int(os.environ.get('POSTERN_PORT', '21000'))
PASSWORD = {'alice': 'alice-secret', 'bob': 'bob-secret'}


def tls():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def wait_until(condition, seconds=20, step=0.05):
    """The condition's value as soon as it is true, else its last value."""
    end = time.time() + seconds
    while True:
        value = condition()
        if value or time.time() > end:
            return value
        time.sleep(step)


class Instance:
    def __init__(self, main='', release=False, users=('alice', 'bob'), port=None, start=True, edit=None, directory=None):
        self.build = RELEASE if release else DEV
        self.port = PORT if port is None else port
        self.base = directory or tempfile.mkdtemp(prefix='postern-')
        os.chmod(self.base, 0o755)
        self.dir = self.base + '/i'
        self.etc = self.dir + '/etc'
        self.running = False
        self.run('postern', 'try', self.dir, '--port-base', str(self.port), check=True)
        self.running = True
        for user in users:
            self.run('postern', 'user', '-c', self.etc, 'add', user, input=PASSWORD.get(user, user + '-secret') + '\n', check=True)
        if main or edit or not start:
            self.stop()
            self.append_main(main)
            if edit:
                edit(self)
            if start:
                self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None or tap.failed():
            print('# --- log of the instance')
            print('# ' + self.log()[-8000:].replace('\n', '\n# '))
        self.close()

    # running it
    def bin(self, program):
        return '%s/bin/%s' % (self.build, program)

    def run(self, program, *args, check=False, **kw):
        p = subprocess.run([self.bin(program), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=kw.pop('timeout', 60), errors='replace', **({'stdin': subprocess.DEVNULL} | kw if 'input' not in kw else kw))
        if check and p.returncode != 0:
            raise RuntimeError('%s %s: exit %d: %s\n%s' % (program, ' '.join(args), p.returncode, p.stdout, self.log()[-3000:]))
        return p

    def tool(self, program, *args, **kw):
        """A command-line tool with -c of this instance; CompletedProcess."""
        return self.run(program, '-c', self.etc, *args, **kw)

    def start(self):
        self.tool('postfix', 'start', check=True)
        self.running = True

    def stop(self):
        self.tool('postfix', 'stop')
        self.running = False

    def reload(self):
        self.tool('postfix', 'reload', check=True)

    def close(self):
        if self.running:
            self.run('postern', 'stop', self.dir)
            self.running = False
        self.kill_rest()
        shutil.rmtree(self.base, ignore_errors=True)

    def pids(self):
        """{pid: command line} of every process of this instance."""
        found = {}
        for path in glob.glob('/proc/[0-9]*/cmdline'):
            try:
                with open(path, 'rb') as f:
                    line = f.read().replace(b'\0', b' ').decode(errors='replace')
            except OSError:
                continue
            if self.etc in line and '/bin/' in line:
                found[int(path.split('/')[2])] = line.strip()
        return found

    def pids_of(self, program):
        return [p for p, line in self.pids().items() if os.path.basename(line.split()[0]) == program]

    def kill_rest(self):
        for pid in self.pids():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass

    # configuration and files
    def append_main(self, text):
        with open(self.etc + '/main.cf', 'a') as f:
            f.write('\n' + text + '\n')

    def append_master(self, text):
        with open(self.etc + '/master.cf', 'a') as f:
            f.write('\n' + text + '\n')

    def log(self):
        """What has been logged by now: lines rest for up to 160 ms before they are written."""
        time.sleep(0.2)
        return self.log_file()

    def log_file(self):
        text = ''
        for path in sorted(glob.glob(self.dir + '/log/*')):
            with open(path, errors='replace') as f:
                text += f.read()
        return text

    def wait_log(self, pattern, seconds=20):
        return wait_until(lambda: re.search(pattern, self.log_file(), re.M), seconds)

    def postconf(self, name):
        return self.tool('postconf', '-h', name).stdout.strip()

    def spool(self):
        return self.dir + '/spool'

    def maildir(self, user):
        return '%s/mail/%s/Maildir' % (self.dir, user)

    def files(self, user):
        return sorted(glob.glob(self.maildir(user) + '/new/*') + glob.glob(self.maildir(user) + '/cur/*'))

    def mails(self, user):
        texts = []
        for path in self.files(user):
            try:
                with open(path, 'rb') as f:
                    texts.append(f.read())
            except FileNotFoundError:
                pass
        return texts

    def wait_mail(self, user, text=b'', count=1, seconds=20):
        """Mails of the user that hold text, once there are `count` of them."""
        want = text.encode() if isinstance(text, str) else text
        return wait_until(lambda: (lambda m: m if len(m) >= count else None)([x for x in self.mails(user) if want in x]), seconds) or []

    # clients
    def smtp(self, **kw):
        return smtplib.SMTP('127.0.0.1', self.port + 25, timeout=30, **kw)

    def submission(self, user='alice', password=None, starttls=True):
        s = smtplib.SMTP('127.0.0.1', self.port + 587, timeout=30)
        s.ehlo('client.example.test')
        if starttls:
            s.starttls(context=tls())
            s.ehlo('client.example.test')
        if user:
            s.login(user, password or PASSWORD.get(user, user + '-secret'))
        return s

    def imap(self, user='alice', password=None, implicit=True):
        if implicit:
            m = imaplib.IMAP4_SSL('127.0.0.1', self.port + 993, ssl_context=tls(), timeout=30)
        else:
            m = imaplib.IMAP4('127.0.0.1', self.port + 143, timeout=30)
            m.starttls(tls())
        if user:
            m.login(user, password or PASSWORD.get(user, user + '-secret'))
        return m

    def pop3(self, user='alice', password=None, implicit=True):
        if implicit:
            p = poplib.POP3_SSL('127.0.0.1', self.port + 995, context=tls(), timeout=30)
        else:
            p = poplib.POP3('127.0.0.1', self.port + 110, timeout=30)
            p.stls(context=tls())
        if user:
            p.user(user)
            p.pass_(password or PASSWORD.get(user, user + '-secret'))
        return p

    def send(self, sender, recipients, text):
        """By port 25, as the world does; returns what smtplib returns."""
        s = self.smtp()
        try:
            return s.sendmail(sender, recipients, text)
        finally:
            s.quit()

    def submit(self, user, recipients, text, sender=None):
        s = self.submission(user)
        try:
            return s.sendmail(sender or user + '@example.test', recipients, text)
        finally:
            s.quit()


def message(subject, body='text', sender='alice@example.test', to='bob@example.test'):
    return 'From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: %s\r\n\r\n%s\r\n' % (
        sender, to, subject, email.utils.formatdate(), email.utils.make_msgid(domain='example.test'), body)
