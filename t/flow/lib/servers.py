# SPDX-License-Identifier: ISC
"""servers.py - real database servers from Debian's packages, for a test.

Each runs from its binary, in a directory of its own, as an ordinary user (the
package's when the test is root, else the caller), on 127.0.0.1 and a UNIX
socket. Nothing of the machine's own services is touched.

    with Postgres(port) as pg:
        pg.run('CREATE TABLE ...')
        pg.kill(); pg.start()
"""
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time


class Server:
    user = None
    name = 'server'

    def __init__(self, port):
        self.port = port
        self.dir = tempfile.mkdtemp(prefix='postern-%s-' % self.name)
        self.proc = None
        if os.geteuid() == 0:
            p = pwd.getpwnam(self.user)
            os.chown(self.dir, p.pw_uid, p.pw_gid)
            self.who = {'user': p.pw_uid, 'group': p.pw_gid, 'extra_groups': []}
        else:
            self.who = {}
        os.chmod(self.dir, 0o755)
        self.log = open(self.dir + '/server.log', 'ab')
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def tool(self, *argv, **kw):
        p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.dir, timeout=60,
                           **self.who, **({'stdin': subprocess.DEVNULL} if 'input' not in kw else {}), **kw)
        if p.returncode != 0:
            raise RuntimeError('%s: %s' % (' '.join(argv), p.stdout))
        return p.stdout

    def start(self):
        self.proc = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.dir,
                                     start_new_session=True, **self.who)
        end = time.time() + 30
        while not self.answers():
            if time.time() > end or self.proc.poll() is not None:
                with open(self.dir + '/server.log', errors='replace') as f:
                    raise RuntimeError('%s did not start: %s' % (self.name, f.read()[-2000:]))
            time.sleep(0.05)

    def answers(self):
        try:
            socket.create_connection(('127.0.0.1', self.port), 1).close()
            return True
        except OSError:
            return False

    def group(self, signo):
        """Every process of the server."""
        for path in glob.glob('/proc/[0-9]*/stat'):
            try:
                with open(path) as f:
                    fields = f.read().rsplit(')', 1)[1].split()
                if int(fields[3]) == self.proc.pid:
                    os.kill(int(path.split('/')[2]), signo)
            except (OSError, ValueError, IndexError):
                pass

    def kill(self):
        if self.proc and self.proc.poll() is None:
            self.group(signal.SIGKILL)
            self.proc.wait(10)

    def stop(self):
        """SIGSTOP: it is there, and says nothing."""
        self.group(signal.SIGSTOP)

    def cont(self):
        self.group(signal.SIGCONT)

    def close(self):
        self.kill()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Postgres(Server):
    user, name = 'postgres', 'pg'

    def binary(self, name):
        return sorted(glob.glob('/usr/lib/postgresql/*/bin/' + name))[-1]

    def prepare(self):
        self.tool(self.binary('initdb'), '-D', self.dir + '/data', '-U', 'admin', '-A', 'trust', '-E', 'UTF8', '--no-sync', '--locale=C')
        with open(self.dir + '/data/pg_hba.conf', 'w') as f:
            f.write('local all admin trust\nhost all all 127.0.0.1/32 scram-sha-256\nlocal all all scram-sha-256\n')

    def command(self):
        return [self.binary('postgres'), '-D', self.dir + '/data', '-p', str(self.port), '-k', self.dir, '-F', '-c', 'listen_addresses=127.0.0.1',
                '-c', 'max_connections=20', '-c', 'shared_buffers=1MB']

    def answers(self):
        return subprocess.run([self.binary('pg_isready'), '-q', '-h', self.dir, '-p', str(self.port)]).returncode == 0

    def run(self, sql, db='postgres'):
        return self.tool(self.binary('psql'), '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-h', self.dir, '-p', str(self.port), '-U', 'admin', db, input=sql)


class Maria(Server):
    user, name = 'mysql', 'maria'

    def prepare(self):
        self.tool('mariadb-install-db', '--no-defaults', '--datadir=' + self.dir + '/data', '--auth-root-authentication-method=normal', '--skip-test-db')

    def command(self):
        return ['/usr/sbin/mariadbd', '--no-defaults', '--datadir=' + self.dir + '/data', '--socket=' + self.dir + '/s', '--port=%d' % self.port,
                '--bind-address=127.0.0.1', '--pid-file=' + self.dir + '/pid', '--innodb-buffer-pool-size=8M', '--innodb-flush-log-at-trx-commit=0',
                '--skip-name-resolve']

    def answers(self):
        return subprocess.run(['mariadb-admin', '--no-defaults', '-S', self.dir + '/s', '-u', 'root', 'ping'], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def run(self, sql, db='mysql'):
        return self.tool('mariadb', '--no-defaults', '-N', '-S', self.dir + '/s', '-u', 'root', db, input=sql)


CONFIG = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload pw-sha2
pidfile %(dir)s/pid
TLSCACertificateFile %(dir)s/ca.pem
TLSCertificateFile %(dir)s/cert.pem
TLSCertificateKeyFile %(dir)s/key.pem
authz-regexp uid=reader,cn=digest-md5,cn=auth cn=reader,dc=example,dc=test
authz-regexp uid=reader,cn=[^,]*,cn=digest-md5,cn=auth cn=reader,dc=example,dc=test
authz-regexp gidNumber=[0-9]*[+]uidNumber=%(uid)d,cn=peercred,cn=external,cn=auth cn=reader,dc=example,dc=test
password-hash {CLEARTEXT}
access to attrs=userPassword by dn.exact="cn=reader,dc=example,dc=test" read by anonymous auth by self write by * none
access to * by dn.exact="cn=reader,dc=example,dc=test" read by anonymous auth by * none
database mdb
maxsize 10485760
suffix "dc=example,dc=test"
rootdn "cn=admin,dc=example,dc=test"
rootpw admin-secret
directory %(dir)s/data
index uid eq
"""


class Slapd(Server):
    """TLS by StartTLS on port, ldaps on port + 1; the CA is dir/ca.pem, other_ca.pem is somebody else's."""
    user, name = 'openldap', 'slapd'

    def prepare(self):
        os.mkdir(self.dir + '/data')
        for ca in ('ca', 'other_ca'):
            self.openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=%s' % ca, '-keyout', ca + '.key', '-out', ca + '.pem')
        self.openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost', '-keyout', 'key.pem', '-out', 'req.pem')
        with open(self.dir + '/ext', 'w') as f:
            f.write('subjectAltName=DNS:localhost,IP:127.0.0.1\n')
        self.openssl('x509', '-req', '-in', 'req.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'ext', '-out', 'cert.pem')
        with open(self.dir + '/slapd.conf', 'w') as f:
            f.write(CONFIG % {'dir': self.dir, 'uid': os.getuid()})
        for root, dirs, files in os.walk(self.dir):
            for path in dirs + files:
                if self.who:
                    os.chown(root + '/' + path, self.who['user'], self.who['group'])

    def openssl(self, *argv):
        subprocess.run(['openssl', *argv], cwd=self.dir, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def command(self):
        return ['/usr/sbin/slapd', '-d', '0', '-f', self.dir + '/slapd.conf', '-h', 'ldap://127.0.0.1:%d ldaps://127.0.0.1:%d %s' % (self.port, self.port + 1, self.ldapi)]

    @property
    def ldapi(self):
        return 'ldapi://' + (self.dir + '/ldapi').replace('/', '%2f')

    def add(self, ldif):
        self.tool('ldapadd', '-x', '-H', 'ldap://127.0.0.1:%d' % self.port, '-D', 'cn=admin,dc=example,dc=test', '-w', 'admin-secret', input=ldif)

    def modify(self, ldif):
        self.tool('ldapmodify', '-x', '-H', 'ldap://127.0.0.1:%d' % self.port, '-D', 'cn=admin,dc=example,dc=test', '-w', 'admin-secret', input=ldif)
