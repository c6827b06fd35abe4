# SPDX-License-Identifier: ISC
"""machine.py - a whole machine for Postern as root: an overlay of this one's root (peer.py), with accounts, a certificate and Postern's programs
in /opt/postern/bin. Other servers' packages can be unpacked into it, to run before Postern or beside it."""
import os
import re
import subprocess

import peer
from instance import RELEASE, wait_until
from tap import failed

BIN = '/opt/postern/bin'
POSTFIX = 901           # uid and gid, as peer.py makes them


def accounts(root):
    out = subprocess.run([RELEASE + '/bin/postconf', '-d'], stdout=subprocess.PIPE, text=True, check=True).stdout
    names = sorted(set(re.findall(r'^postern_\w+_user = (postern-[\w-]+)$', out, re.M)))
    with open(root.path + '/etc/passwd', 'a') as p, open(root.path + '/etc/group', 'a') as g:
        for i, name in enumerate(names):
            p.write('%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n' % (name, 910 + i, 910 + i))
            g.write('%s:x:%d:\n' % (name, 910 + i))


def certificate(root):
    r = root.path + '/etc/dovecot'
    os.makedirs(r, exist_ok=True)
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
                    '-subj', '/CN=mail.example.test', '-keyout', r + '/key.pem', '-out', r + '/cert.pem'], check=True, stderr=subprocess.DEVNULL)
    os.chmod(r + '/key.pem', 0o600)


class Machine:
    def __init__(self, *packages):
        self.root = peer.Root(*packages)
        r = self.root
        accounts(r)
        certificate(r)
        r.bind(RELEASE, '/opt/postern')
        for d in ('/run/dovecot', '/run/dovecot-state', '/etc/postfix', '/var/lib/postern'):
            os.makedirs(r.path + d, exist_ok=True)
        os.makedirs(r.path + '/var/spool/postfix/private', exist_ok=True)
        os.chown(r.path + '/var/spool/postfix/private', POSTFIX, POSTFIX)
        os.makedirs(r.path + '/var/vmail', exist_ok=True)
        os.chown(r.path + '/var/vmail', 5000, 5000)
        self.dovecot = None

    def start_dovecot(self, port):
        self.dovecot = self.root.start(['/usr/sbin/dovecot', '-F'], stderr=subprocess.DEVNULL)
        return wait_until(lambda: can_connect(port), 15)

    def stop_dovecot(self, port):
        self.dovecot.terminate()
        self.dovecot.wait(10)
        wait_until(lambda: not can_connect(port), 10)

    def postern(self, *args, **kw):
        return self.root.run([BIN + '/' + args[0], *args[1:]], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors='replace', stdin=None if 'input' in kw else subprocess.DEVNULL, **kw)

    def log(self):
        text = ''
        for name in ('/var/log/dovecot.log', '/var/log/mail.log'):
            if os.path.exists(self.root.path + name):
                text += self.root.read(name)
        return text[-6000:]

    def close(self):
        self.postern('postfix', 'stop')
        if failed():
            print('# ' + self.log().replace('\n', '\n# '))
        self.root.close()


def can_connect(port):
    import socket
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
        return True
    except OSError:
        return False
