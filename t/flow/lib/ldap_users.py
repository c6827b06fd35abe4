# SPDX-License-Identifier: ISC
"""ldap_users.py - users in a directory, and Dovecot's file that finds them."""
import os

from authdb import CAROL, DAVE

TREE = """dn: dc=example,dc=test
objectClass: dcObject
objectClass: organization
o: example
dc: example

dn: cn=reader,dc=example,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader-secret

dn: ou=people,dc=example,dc=test
objectClass: organizationalUnit
ou: people

""" + ''.join("""dn: uid=%s,ou=people,dc=example,dc=test
objectClass: inetOrgPerson
objectClass: posixAccount
uid: %s
cn: %s
sn: %s
mail: %s@example.test
uidNumber: %d
gidNumber: %d
homeDirectory: BASE/vmail/%s
userPassword: %s

""" % (name, name, name, name, name, os.getuid() or 1000, os.getuid() or 1000, name, password) for name, password in (
    ('carol', '{CRYPT}' + CAROL.split('}')[1]), ('dave', DAVE.replace('BLF-CRYPT', 'CRYPT')), ('twin1', 'x'), ('twin2', 'x')))
FILE = """# Dovecot's
%(server)s
%(dn)s
%(dnpass)s
%(tls)s
base = ou=people,dc=example,dc=test
scope = onelevel
%(bind)s
pass_attrs = mail=user,userPassword=password,=userdb_quota_rule=*:bytes=%%{ldap:uidNumber}
pass_filter = (&(objectClass=posixAccount)(mail=%%u))
user_attrs = homeDirectory=home=%%$, uidNumber=uid, gidNumber=gid
user_filter = (&(objectClass=posixAccount)(mail=%%u))
iterate_attrs = mail=user
iterate_filter = (objectClass=posixAccount)
"""
MAIN = """postern_passdb = passwd-file:$config_directory/passwd, ldap:%(file)s
postern_userdb = passwd-file:$config_directory/passwd, ldap:%(file)s
postern_auth_username_chars =
postern_auth_master_user_separator =
postern_auth_cache_ttl = 0
postern_auth_listeners = unix:private/auth, { unix:private/auth-userdb, mode=0600 }
postern_auth_failure_delay = 0
auth_verbose = yes
"""


def write(base, name, server, tls='', bind='', dn='dn = cn=reader,dc=example,dc=test', dnpass='dnpass = reader-secret'):
    path = '%s/%s.ext' % (base, name)
    with open(path, 'w') as f:
        f.write(FILE % {'server': server, 'tls': tls, 'bind': bind, 'dn': dn, 'dnpass': dnpass})
    return MAIN % {'file': path}
