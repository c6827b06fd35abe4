# SPDX-License-Identifier: ISC
"""slapd, spoken to by TLS, is killed and restarted while clients log in by IMAP, POP3 and submission: by lookup and by bind."""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import PASSWORD, PORT, Instance      # noqa: E402
from ldap_users import TREE, write                 # noqa: E402
from outage import Round, endure, ports_of, same_bytes   # noqa: E402
from servers import Slapd                          # noqa: E402
from sql_users import scratch                      # noqa: E402
from tap import done                               # noqa: E402

USER, LDAP = 'carol@example.test', PORT + 820


def outage(slapd, main, what):
    with Instance(main=main) as i:
        auth, ports = i.spool() + '/private/auth', ports_of(i)
        same_bytes(what, ports, USER, auth=auth)
        endure(what, ports, i.log, USER, 'carol-secret', [
            Round('killed', slapd.kill, 3, slapd.start),
            Round('killed and back at once', slapd.kill, 0, slapd.start, False)], bystander=('alice', PASSWORD['alice']))
        slapd.kill()
        same_bytes(what + ' away', ports, USER, temporary=True, auth=auth, net='127.0.11')
        slapd.start()


with scratch() as base, Slapd(LDAP) as slapd:
    slapd.add(TREE.replace('BASE', base))
    ca = 'tls_ca_cert_file = %s/ca.pem\n' % slapd.dir
    kinds = {'lookup': ('LDAP lookup, ldaps', {'server': 'uris = ldaps://127.0.0.1:%d' % (LDAP + 1), 'tls': ca}),
             'bind': ('LDAP bind, StartTLS', {'server': 'hosts = 127.0.0.1:%d' % LDAP, 'tls': 'tls = yes\ntls_require_cert = hard\n' + ca, 'bind': 'auth_bind = yes'})}
    for kind in sys.argv[1:] or kinds:
        outage(slapd, write(base, kind, **kinds[kind][1]), kinds[kind][0])
done()
