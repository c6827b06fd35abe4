# SPDX-License-Identifier: ISC
"""What Debian's Dovecot answers with several databases in a row (t/compare/chain), authd answers: same files, same questions; differences are
listed with their reasons."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + '/../compare/auth')
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + '/../compare/chain')
import table                                   # noqa: E402
from exchange import load                      # noqa: E402
from instance import Instance, ROOT, wait_until  # noqa: E402
from tap import case, done, ok                 # noqa: E402

HERE = ROOT + '/t/compare/chain/'
MAIN = '''
postern_auth_mechanisms = plain login
postern_auth_listeners = unix:private/auth, { unix:private/auth-userdb, mode=0600 }
postern_auth_failure_delay = 0
postern_auth_cache_ttl = 0
postern_app_password_file =
postern_auth_master_user_separator = *
postern_mail_home =
postern_mail_uid = 0
postern_mail_gid = 0
'''


def ask_all(i, before, r, files):
    private = i.spool() + '/private/'
    with open(i.etc + '/main.cf', 'w') as f:
        f.write(before + MAIN + table.postern_main(r, files))
    i.start()
    try:
        def connect():
            try:
                return table.Client(private + 'auth', private + 'auth-userdb')
            except (OSError, RuntimeError):
                return None
        client = wait_until(connect, 15)
        answers = [client.ask(q) for q in r[4]]
        client.close()
        # a private instance has one uid
        return [re.sub(r' (uid=%d|gid=%d)\b' % (os.geteuid(), os.getegid()), lambda m: ' ' + m.group(1)[:4] + '<own>', line) for line in table.transcript(r, answers)]
    finally:
        i.stop()


def show(wanted, got):
    return 'wanted:\n%s\ngot:\n%s' % ('\n'.join(wanted), '\n'.join(got))


def compare(name, theirs, ours, listed):
    if listed is None:
        ok(ours == theirs, name, show(theirs, ours))
    elif ours == theirs:
        ok(False, name + ': a difference is listed that is none', '\n'.join(listed))
    else:
        wanted = [line for line in listed if not line.startswith('# ')]
        ok(len(wanted) < len(listed) and ours == wanted, name + ': differs as listed', show(wanted, ours))


def run():
    recorded, differences = load(HERE + 'dovecot-2.3.19.txt'), load(HERE + 'differences.txt')
    rows = [r for r in table.ROWS if r[0] in recorded]
    questions = sum(len(r[4]) for r in rows)
    ok(len(rows) == len(table.ROWS) >= 60 and questions > 300, 'every chain of the table has been asked of Dovecot', (len(rows), len(table.ROWS), questions))
    ok(all(name in recorded for name in differences), 'every difference is about a chain', list(differences))
    with Instance(start=False, release=True) as i:
        files = i.dir + '/chain'
        table.write_files(files)
        table.write_sick(files, files)
        with open(i.etc + '/main.cf') as f:
            before = f.read()
        with open(i.etc + '/master.cf', 'w') as f:      # authd is all that is needed
            f.write('')
        for r in rows:
            if len(sys.argv) > 1 and not any(word in r[0] for word in sys.argv[1:]):
                continue
            try:
                compare(r[0], recorded[r[0]], ask_all(i, before, r, files), differences.get(r[0]))
            except Exception as e:      # the other rows are of interest all the same
                ok(False, r[0] + ': answers', '%r\n%s' % (e, i.log()[-1000:]))


case('the comparison: no exception', run)
done()
