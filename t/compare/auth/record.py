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


# Users whose verdict is not a matter of passwords.
LUA = '''
local results = { disabled = dovecot.auth.PASSDB_RESULT_USER_DISABLED, expired = dovecot.auth.PASSDB_RESULT_PASS_EXPIRED,
                  broken = dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE }
function auth_passdb_lookup(request)
  return results[request.user] or dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, ""
end
'''
CODES = '''
passdb {
  driver = lua
  args = file=/etc/dovecot/codes.lua blocking=no
}
'''


def record_codes(port):
    d = peer.Dovecot(port, {}, auth=AUTH, more=CODES, root=peer.Root('dovecot', 'dovecot_lua'), start=False)
    try:
        d.root.write('/etc/dovecot/codes.lua', LUA)
        d.start()
        only = [e for e in exchange.EXCHANGES if 'codes' in e[1].values()]
        played = exchange.play_all({'codes': d.root.path + '/run/dovecot/auth-client'}, quiet=5.0, exchanges=only)
        if len(sys.argv) > 1:
            print(d.log())
        return played
    finally:
        d.close()


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
        others = [e for e in exchange.EXCHANGES if 'codes' not in e[1].values()]
        played = record_codes(port + 710)
        played.update(exchange.play_all(sockets, quiet=3.0, workers=32, exchanges=others))
        exchange.save(HERE + '/dovecot-2.3.19.txt', head, played)
        if len(sys.argv) > 1:
            print(d.log())
    finally:
        d.close()


main()
