# SPDX-License-Identifier: ISC
"""Users in a directory (slapd): lookup and bind, StartTLS and ldaps with the certificate checked."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from authdb import Auth, log_in, looked_up, not_injected, refused, under_load  # noqa: E402
from instance import PORT, Instance    # noqa: E402
from ldap_users import TREE, write     # noqa: E402
from servers import Slapd              # noqa: E402
from tap import done, ok               # noqa: E402

LDAP = PORT + 820
NAMES = ['*', 'carol*', 'carol@example.test)(uid=*', '*)(objectClass=*', 'carol@example.test)(&)', '\\2a', 'c\\61rol@example.test', 'nobody)(|(uid=carol',
         'carol,ou=people', 'carol@example.test\\', '%u', 'x)(userPassword=*', '#61', ' carol@example.test', '"carol"']


def one(base, name, what, load=None, **kw):
    with Instance(main=write(base, name, **kw)) as i:
        log_in(i, 'carol@example.test', what)
        log_in(i, 'dave@example.test', what)
        refused(i, what, name != 'userdn')
        looked_up(i, what, {'carol@example.test', 'dave@example.test', 'twin1@example.test'})
        not_injected(i, NAMES, what)
        if load:
            under_load(i, load, 'carol@example.test', what, lambda: Auth(i).ask('alice', 'alice-secret'))


def untrusted(base, slapd):
    """Somebody else's certificate: no question is asked, nobody is told anything."""
    for what, server, tls in (('StartTLS', 'hosts = 127.0.0.1:%d' % LDAP, 'tls = yes\ntls_ca_cert_file = %s/other_ca.pem' % slapd.dir),
                              ('ldaps', 'uris = ldaps://127.0.0.1:%d' % (LDAP + 1), 'tls_ca_cert_file = %s/other_ca.pem' % slapd.dir),
                              ('a name that is not in it', 'uris = ldaps://127.0.0.2:%d' % (LDAP + 1), 'tls_ca_cert_file = %s/ca.pem' % slapd.dir)):
        with Instance(main=write(base, 'untrusted', server, tls)) as i:
            a = Auth(i)
            answer = a.ask('carol@example.test', 'carol-secret')
            ok('code=temp_fail' in answer, 'a certificate that is not right: %s is a temporary failure' % what, answer)
            a.close()


def sasl(base, slapd):
    """The reader binds by a SASL mechanism; users by their own passwords on the same connection."""
    plain = 'hosts = 127.0.0.1:%d' % LDAP
    digest = 'sasl_bind = yes\nsasl_mech = DIGEST-MD5\ndn = reader'
    for what, server, bind in (('DIGEST-MD5', plain, digest), ('DIGEST-MD5 and binds of users', plain, digest + '\nauth_bind = yes'),
                               ('EXTERNAL over ldapi', 'uris = ' + slapd.ldapi, 'sasl_bind = yes\nsasl_mech = EXTERNAL\ndn =')):
        with Instance(main=write(base, 'sasl', server, bind=bind, dn='')) as i:
            a = Auth(i)
            for n in range(2):
                answer = a.ask('carol@example.test', 'carol-secret')
                ok(answer.startswith('OK'), 'a SASL bind of the reader: %s' % what, (answer, i.log()[-600:]))
                ok(a.ask('carol@example.test', 'wrong', '192.0.2.31') == 'FAIL\tuser=carol@example.test', 'a SASL bind of the reader: %s, and a wrong password of a user' % what)
            a.close()
    with Instance(main=write(base, 'sasl', plain, bind=digest + '\ndnpass = wrong', dn='', dnpass='')) as i:
        a = Auth(i)
        answer = a.ask('carol@example.test', 'carol-secret')
        ok('code=temp_fail' in answer and i.wait_log('SASL bind: ', 5), 'a SASL bind that is refused is a temporary failure', answer)
        a.close()


def starting(base):
    for text, pattern in (('sasl_bind = some', 'sasl_bind: must be yes or no'), ('scope = some', 'scope: not one of'), ('tls = maybe', 'tls: must be yes or no'),
                          ('pass_filter = (uid=%{nosuch})', r'line \d+: pass_filter: '), ('hosts =', 'neither hosts nor uris')):
        with Instance(start=False, main=write(base, 'bad', 'hosts = 127.0.0.1', bind=text).replace('pass_filter = (&', '#')) as i:
            if 'pass_filter' in text or 'scope' in text:
                with open(base + '/bad.ext', 'a') as f:
                    f.write(text + '\n')
            i.run('postfix', '-c', i.etc, 'start')
            i.running = True
            ok(i.wait_log(pattern, 10), 'refused at the start: ' + text, i.log()[-600:])


def main():
    base = tempfile.mkdtemp(prefix='postern-ldap-')
    os.chmod(base, 0o755)
    try:
        with Slapd(LDAP) as slapd:
            slapd.add(TREE.replace('BASE', base))
            ca = 'tls_ca_cert_file = %s/ca.pem\n' % slapd.dir
            plain = 'hosts = 127.0.0.1:%d' % LDAP
            # The first host is not there: the second is asked.
            one(base, 'lookup', 'LDAP lookup', server='hosts = 127.0.0.1:%d 127.0.0.1:%d' % (LDAP + 5, LDAP))
            one(base, 'bind', 'LDAP bind, StartTLS', load=slapd, server=plain, tls='tls = yes\ntls_require_cert = hard\n' + ca, bind='auth_bind = yes')
            one(base, 'userdn', 'LDAP bind by DN, ldaps', server='uris = ldaps://127.0.0.1:%d' % (LDAP + 1), tls=ca,
                bind='auth_bind = yes\nauth_bind_userdn = uid=%n,ou=people,dc=example,dc=test')
            sasl(base, slapd)
            untrusted(base, slapd)
        starting(base)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    done()


if __name__ == '__main__':
    main()
