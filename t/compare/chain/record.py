#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""record.py - asks Debian's Dovecot every question of every chain and writes dovecot-2.3.19.txt. Needs root (t/flow/lib/peer.py).

With words, only chains that have one of them in their names are asked again, and those that were never asked.
"""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, HERE + '/../auth')
sys.path.insert(0, HERE + '/../../flow/lib')
import peer     # noqa: E402
import table    # noqa: E402
from exchange import load   # noqa: E402

peer.PACKAGES['dovecot-sqlite'] = ['dovecot-sqlite']
FILE = HERE + '/dovecot-2.3.19.txt'
INSIDE = '/etc/dovecot/chain'
CONF = '''
base_dir = /run/dovecot
state_dir = /run/dovecot-state
log_path = /var/log/dovecot.log
listen = 127.0.0.1
protocols =
ssl = no
auth_mechanisms = plain login
auth_master_user_separator = *
auth_failure_delay = 0
first_valid_uid = 0
service auth {
  unix_listener auth-client {
    mode = 0666
  }
  unix_listener auth-userdb {
    mode = 0600
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
'''


def ask_all(root, r):
    root.write('/etc/dovecot/dovecot.conf', CONF + table.dovecot_conf(r, INSIDE))
    sockets = [root.path + '/run/dovecot/' + name for name in ('auth-client', 'auth-userdb')]
    proc = root.start(['/usr/sbin/dovecot', '-F', '-c', '/etc/dovecot/dovecot.conf'])
    try:
        end = time.time() + 20
        while True:
            try:
                client = table.Client(*sockets)
                break
            except OSError:
                if time.time() > end:
                    raise
                time.sleep(0.05)
        answers = [client.ask(q) for q in r[4]]
        client.close()
        return answers
    finally:
        proc.terminate()
        proc.wait(10)
        root.procs.remove(proc)
        for path in sockets:
            if os.path.exists(path):
                os.unlink(path)


def main():
    root = peer.Root('dovecot', 'dovecot-sqlite')
    try:
        for d in ('/run/dovecot', '/run/dovecot-state'):
            os.makedirs(root.path + d, exist_ok=True)
        table.write_files(root.path + INSIDE)
        table.write_sick(root.path + INSIDE, INSIDE)
        known = load(FILE) if len(sys.argv) > 1 else {}
        lines = []
        for r in table.ROWS:
            try:
                again = r[0] not in known or any(word in r[0] for word in sys.argv[1:])
                lines += (table.transcript(r, ask_all(root, r)) if again else known[r[0]]) + ['']
            except Exception as e:      # name the row
                print('%s: %r\n%s' % (r[0], e, root.read('/var/log/dovecot.log')[-600:]), file=sys.stderr, flush=True)
        with open(FILE, 'w') as f:
            f.write('# What Debian\'s Dovecot 2.3.19 answers; written by record.py.\n\n' + '\n'.join(lines[:-1]) + '\n')
    finally:
        root.close()


main()
