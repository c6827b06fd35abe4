# SPDX-License-Identifier: ISC
"""peer.py - software that nobody here wrote, next door.

Debian's Postfix and Dovecot cannot be installed beside Postern, so their
packages are downloaded and unpacked into an overlay of this system's root
(upper layer on a tmpfs), and run there by chroot: the machine itself is left
alone. Needs root. Everything binds 127.0.0.1 only, on ports of the test's.
"""
import atexit
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

CACHE = os.environ.get('POSTERN_PEER_CACHE', '/var/cache/postern-peers')
PACKAGES = {
    'postfix': ['postfix', 'postfix-lmdb', 'libdb5.3', 'libicu72', 'libnsl2', 'libsasl2-2', 'libtirpc3', 'libsasl2-modules-db', 'libtirpc-common', 'libsasl2-modules'],
    'dovecot': ['dovecot-core', 'dovecot-imapd', 'dovecot-pop3d', 'dovecot-lmtpd', 'libexttextcat-2.0-0', 'libicu72', 'liblua5.4-0',
                'libstemmer0d', 'libwrap0', 'libunwind8', 'libsodium23', 'libtirpc3', 'libtirpc-common', 'libapparmor1', 'liblzma5', 'liblz4-1'],
    'dovecot_lua': ['dovecot-auth-lua'],
    'exim': ['exim4-base', 'exim4-daemon-heavy', 'libgnutls-dane0', 'libunbound8', 'libmariadb3', 'mariadb-common', 'libpq5', 'libldap-2.5-0', 'libperl5.36',
             'libsqlite3-0', 'libsasl2-2', 'libnsl2', 'libtirpc3', 'libtirpc-common', 'libopendmarc2', 'libspf2-2', 'libhiredis0.14'],
}


def fetch(name):
    """Paths of the .deb files of a peer, downloaded once."""
    os.makedirs(CACHE, exist_ok=True)
    found = []
    for package in PACKAGES[name]:
        have = glob.glob('%s/%s_*.deb' % (CACHE, package))
        if not have:
            # _apt may not write here; as root, apt warns and downloads all the same
            subprocess.run(['apt-get', 'download', '-q', package], cwd=CACHE, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            have = glob.glob('%s/%s_*.deb' % (CACHE, package))
        found.append(have[0])
    return found


class Root:
    """An overlay of / with the packages unpacked. .path is where it is seen."""

    def __init__(self, *names):
        self.base = tempfile.mkdtemp(prefix='peer-')
        self.procs = []
        self.mounts = []
        self._mount('-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', self.base)
        for d in ('upper', 'work', 'root'):
            os.mkdir('%s/%s' % (self.base, d))
        self.path = self.base + '/root'
        self._mount('-t', 'overlay', '-o', 'lowerdir=/,upperdir=%s/upper,workdir=%s/work' % (self.base, self.base),
                    'overlay', self.path)
        atexit.register(self.close)
        for d in ('dev', 'proc'):
            self._mount('--bind', '/' + d, '%s/%s' % (self.path, d))
        for name in names:
            for deb in fetch(name):
                self._unpack(deb)
        self._accounts()
        for d in ('run', 'tmp', 'var/log'):
            os.makedirs('%s/%s' % (self.path, d), exist_ok=True)
        self.run(['ldconfig'])

    def _unpack(self, deb):
        # not dpkg -x: it would replace the symbolic link /lib by a directory
        files = subprocess.Popen(['dpkg-deb', '--fsys-tarfile', deb], stdout=subprocess.PIPE)
        subprocess.run(['tar', '-x', '--keep-directory-symlink', '-C', self.path], stdin=files.stdout, check=True)
        if files.wait() != 0:
            raise RuntimeError('cannot unpack ' + deb)

    def _mount(self, *args):
        subprocess.run(['mount', *args], check=True)
        self.mounts.append(args[-1])

    def _accounts(self):
        """The accounts that the packages' install scripts would have made."""
        with open(self.path + '/etc/passwd', 'a') as f:
            f.write('postfix:x:901:901::/var/spool/postfix:/usr/sbin/nologin\n'
                    'dovecot:x:902:902::/usr/lib/dovecot:/usr/sbin/nologin\n'
                    'dovenull:x:903:903::/nonexistent:/usr/sbin/nologin\n'
                    'Debian-exim:x:904:904::/var/spool/exim4:/usr/sbin/nologin\n'
                    'vmail:x:5000:5000::/var/vmail:/usr/sbin/nologin\n')
        with open(self.path + '/etc/group', 'a') as f:
            f.write('postfix:x:901:\npostdrop:x:905:\ndovecot:x:902:\ndovenull:x:903:\nDebian-exim:x:904:\nvmail:x:5000:\n')

    def write(self, name, text, mode=0o644):
        path = self.path + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def read(self, name):
        with open(self.path + name, errors='replace') as f:
            return f.read()

    def run(self, argv, **kw):
        kw.setdefault('check', True)
        return subprocess.run(['chroot', self.path, *argv], **kw)

    def output(self, argv):
        return self.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout

    def start(self, argv, **kw):
        kw.setdefault('start_new_session', True)
        kw.setdefault('stdin', subprocess.DEVNULL)
        p = subprocess.Popen(['chroot', self.path, *argv], **kw)
        self.procs.append(p)
        return p

    def bind(self, outside, inside):
        os.makedirs(self.path + inside, exist_ok=True)
        self._mount('--bind', outside, self.path + inside)

    def close(self):
        for p in self.procs:
            if p.poll() is None:
                try:
                    os.killpg(p.pid, signal.SIGTERM)
                    p.wait(5)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    p.kill()
        self.procs = []
        for m in reversed(self.mounts):
            for _ in range(20):
                if subprocess.run(['umount', m], stderr=subprocess.DEVNULL).returncode == 0:
                    break
                time.sleep(0.1)
            else:
                subprocess.run(['umount', '-l', m], stderr=subprocess.DEVNULL)
        self.mounts = []
        shutil.rmtree(self.base, ignore_errors=True)


POSTFIX_MAIN = '''
compatibility_level = 3.6
maillog_file = /var/log/postfix.log
maillog_file_prefixes = /var
myhostname = next.door.test
mydestination = next.door.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
smtp_host_lookup = native
smtp_tls_security_level = may
smtpd_tls_security_level = may
smtpd_tls_cert_file = /etc/postfix/cert.pem
smtpd_tls_key_file = /etc/postfix/cert.pem
biff = no
'''
POSTFIX_MASTER = '''
%(listen)s
postlog   unix-dgram n  -       n       -       1       postlogd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
'''


class Postfix:
    """Debian's Postfix on 127.0.0.1:port. main: more lines for main.cf; listen: lines for master.cf."""

    def __init__(self, port, main='', listen='', root=None, start=True):
        self.root = root or Root('postfix')
        self.port = port
        r = self.root
        lines = '127.0.0.1:%d inet n - n - - smtpd\n%s' % (port, listen)
        for name in ('dynamicmaps.cf', 'postfix-files', 'main.cf.proto', 'master.cf.proto'):
            source = '/usr/share/postfix/' + {'dynamicmaps.cf': 'dynamicmaps.cf'}.get(name, name)
            if os.path.exists(r.path + source) and not os.path.exists(r.path + '/etc/postfix/' + name):
                os.makedirs(r.path + '/etc/postfix', exist_ok=True)
                shutil.copy(r.path + source, r.path + '/etc/postfix/' + name)
        r.write('/etc/postfix/dynamicmaps.cf', 'lmdb /usr/lib/postfix/postfix-lmdb.so.1.0.1 dict_lmdb_open mkmap_lmdb_open\n'
                if os.path.exists(r.path + '/usr/lib/postfix/postfix-lmdb.so.1.0.1') else '')
        r.write('/etc/postfix/main.cf', POSTFIX_MAIN + main)
        r.write('/etc/postfix/master.cf', POSTFIX_MASTER % {'listen': lines})
        self.certificate()
        for d in ('/var/spool/postfix', '/var/lib/postfix', '/var/mail'):
            os.makedirs(r.path + d, exist_ok=True)
        shutil.chown(r.path + '/var/lib/postfix', 901, 901)
        os.chmod(r.path + '/var/mail', 0o1777)
        for tool in ('postdrop', 'postqueue'):
            os.chown('%s/usr/sbin/%s' % (r.path, tool), 0, 905)
            os.chmod('%s/usr/sbin/%s' % (r.path, tool), 0o2755)
        r.run(['/usr/sbin/postfix', 'set-permissions'], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.makedirs(r.path + '/var/log', exist_ok=True)
        r.write('/var/log/postfix.log', '')         # postsuper, which renames foreign files at the start, logs as mail_owner
        os.chown(r.path + '/var/log/postfix.log', 901, 901)
        if start:
            self.start()

    def certificate(self):
        """Unless one is there already, from another test."""
        pem = self.root.path + '/etc/postfix/cert.pem'
        if not os.path.exists(pem):
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
                            '-subj', '/CN=next.door.test', '-keyout', pem + '.key', '-out', pem + '.crt'],
                           check=True, stderr=subprocess.DEVNULL)
            with open(pem, 'w') as f:
                f.write(open(pem + '.key').read() + open(pem + '.crt').read())

    def start(self):
        out = self.root.output(['/usr/sbin/postfix', 'start'])
        for _ in range(50):
            if self.is_running():
                return
            time.sleep(0.1)
        raise RuntimeError('Postfix did not start: ' + out + self.log())

    def is_running(self):
        return self.root.run(['/usr/sbin/postfix', 'status'], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def stop(self):
        """It is gone when this returns: a start right after a mere order finds the old one still there."""
        for _ in range(5):
            self.root.run(['/usr/sbin/postfix', 'stop'], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if not self.is_running():
                return
            time.sleep(1)

    def log(self):
        try:
            return self.root.read('/var/log/postfix.log')
        except FileNotFoundError:
            return ''

    def tool(self, *argv, **kw):
        return self.root.run(['/usr/sbin/' + argv[0], *argv[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, check=False, **kw).stdout

    def close(self):
        self.stop()
        self.root.close()


DOVECOT_CONF = '''
base_dir = /run/dovecot
state_dir = /run/dovecot-state
log_path = /var/log/dovecot.log
listen = 127.0.0.1
protocols = imap pop3
ssl = yes
ssl_cert = </etc/dovecot/cert.pem
ssl_key = </etc/dovecot/cert.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:~/Maildir
first_valid_uid = 0
pop3_uidl_format = %%08Xu%%08Xv
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%%u /etc/dovecot/users
}
userdb {
  driver = passwd-file
  args = username_format=%%u /etc/dovecot/users
}
namespace inbox {
  inbox = yes
}
service imap-login {
  inet_listener imap {
    port = %(imap)d
  }
  inet_listener imaps {
    port = %(imaps)d
    ssl = yes
  }
}
service pop3-login {
  inet_listener pop3 {
    port = %(pop3)d
  }
  inet_listener pop3s {
    port = %(pop3s)d
    ssl = yes
  }
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
  %(auth)s
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
%(more)s
'''


class Dovecot:
    """Debian's Dovecot. users: {name: (password, uid, gid, home inside the root)}."""

    def __init__(self, base, users, auth='', more='', root=None, start=True):
        self.root = root or Root('dovecot')
        self.base = base
        r = self.root
        ports = {'imap': base, 'imaps': base + 1, 'pop3': base + 2, 'pop3s': base + 3}
        r.write('/etc/dovecot/dovecot.conf', DOVECOT_CONF % dict(ports, auth=auth, more=more))
        r.write('/etc/dovecot/users', ''.join('%s:{PLAIN}%s:%d:%d::%s::\n' % (u, p, uid, gid, home)
                                              for u, (p, uid, gid, home) in users.items()))
        pem = r.path + '/etc/dovecot/cert.pem'
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
                        '-subj', '/CN=dovecot.test', '-keyout', pem + '.key', '-out', pem + '.crt'],
                       check=True, stderr=subprocess.DEVNULL)
        with open(pem, 'w') as f:
            f.write(open(pem + '.key').read() + open(pem + '.crt').read())
        for d in ('/run/dovecot', '/run/dovecot-state'):
            os.makedirs(r.path + d, exist_ok=True)
        if start:
            self.start()

    def start(self):
        self.proc = self.root.start(['/usr/sbin/dovecot', '-F', '-c', '/etc/dovecot/dovecot.conf'], stderr=subprocess.DEVNULL)
        import socket
        for _ in range(100):
            try:
                socket.create_connection(('127.0.0.1', self.base), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError('Dovecot did not start: ' + self.log())

    def log(self):
        try:
            return self.root.read('/var/log/dovecot.log')
        except FileNotFoundError:
            return ''

    def stop(self):
        self.proc.terminate()
        self.proc.wait(10)

    def close(self):
        self.stop()
        self.root.close()
