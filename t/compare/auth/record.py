#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""record.py - plays all exchanges to Debian's Dovecot and writes dovecot-2.3.19.txt. Needs root (t/flow/lib/peer.py)."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, HERE + '/../../flow/lib')
import exchange     # noqa: E402
import peer         # noqa: E402

MORE = '''
auth_master_user_separator = *
passdb {
  driver = passwd-file
  args = /etc/dovecot/masters
  master = yes
}
'''
AUTH = '''
  unix_listener auth-userdb {
    mode = 0600
  }
  unix_listener auth-master {
    mode = 0600
  }
'''


def main():
    port = int(os.environ.get('POSTERN_PORT', '31000'))
    d = peer.Dovecot(port + 700, {}, auth=AUTH, more=MORE, start=False)
    try:
        for name in ('users', 'masters'):
            with open('%s/%s.txt' % (HERE, name)) as f:
                d.root.write('/etc/dovecot/' + name, f.read())
        d.start()
        run = d.root.path + '/run/dovecot/'
        sockets = {'auth': run + 'auth-client', 'login': run + 'login/login', 'userdb': run + 'auth-userdb', 'master': run + 'auth-master'}
        head = '# What Debian\'s Dovecot 2.3.19 answers; written by record.py.\n'
        exchange.save(HERE + '/dovecot-2.3.19.txt', head, exchange.play_all(sockets, quiet=3.0, workers=32))
        if len(sys.argv) > 1:
            print(d.log())
    finally:
        d.close()


main()
