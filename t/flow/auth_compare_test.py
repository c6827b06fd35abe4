# SPDX-License-Identifier: ISC
"""What Debian's Dovecot answered in t/compare/auth, authd answers: same users, same bytes; what differs is listed with its reason."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + '/../compare/auth')
import exchange                               # noqa: E402
from instance import Instance, ROOT           # noqa: E402
from tap import case, done, ok                # noqa: E402

HERE = ROOT + '/t/compare/auth/'
MAIN = '''
postern_passdb = { passwd-file:%(etc)s/masters.txt, master=yes }, passwd-file:%(etc)s/users.txt
postern_userdb = passwd-file:%(etc)s/users.txt
postern_auth_mechanisms = plain login
postern_auth_listeners = unix:private/auth, unix:private/login, { unix:private/auth-userdb, mode=0600 }, unix:private/auth-master
'''


def configure(i):
    for name in ('users.txt', 'masters.txt'):
        shutil.copy(HERE + name, i.etc + '/' + name)
    i.append_main(MAIN % {'etc': i.etc})


def compare(recorded, differences, played):
    for name, theirs in recorded.items():
        ours, listed = played[name], differences.get(name)
        if listed is None:
            ok(ours == theirs, name, show(theirs, ours))
        elif ours == theirs:
            ok(False, name + ': a difference is listed that is none', '\n'.join(listed))
        else:
            wanted = [line for line in listed if not line.startswith('# ')]
            ok(len(wanted) < len(listed) and ours == wanted, name + ': differs as listed', show(wanted, ours))
    for name in differences:
        ok(name in recorded, name + ': is an exchange', name)


def show(wanted, got):
    return 'wanted:\n%s\ngot:\n%s' % ('\n'.join(wanted), '\n'.join(got))


def run():
    recorded = exchange.load(HERE + 'dovecot-2.3.19.txt')
    differences = exchange.load(HERE + 'differences.txt')
    ok(len(recorded) >= 60 and set(recorded) == {e[0] for e in exchange.EXCHANGES}, 'at least 60 exchanges are recorded, and all that are played', len(recorded))
    with Instance(users=(), edit=configure) as i:
        private = i.spool() + '/private/'
        sockets = {'auth': private + 'auth', 'codes': private + 'auth', 'login': private + 'login', 'userdb': private + 'auth-userdb', 'master': private + 'auth-master'}
        played = exchange.play_all(sockets, quiet=0.4, expected=recorded, apart=True)
        if len(sys.argv) > 1:
            exchange.save(sys.argv[1], '', played)
        compare(recorded, differences, played)


case('the comparison: no exception', run)
done()
