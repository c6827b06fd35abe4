# SPDX-License-Identifier: ISC
"""Sessions that are killed (-9) at any moment: what was acknowledged is there, UIDs stay, locks of the dead are taken over."""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from ipc import DEV                       # noqa: E402
from tap import done, ok                  # noqa: E402

ENV = dict(os.environ, ASAN_OPTIONS='detect_leaks=0')
ROUNDS = 40


def tool(maildir, *args):
    return subprocess.run([DEV + '/t/store_tool', 'maildir:' + maildir, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENV,
                          timeout=100)


def view(maildir):
    out = tool(maildir, 'list', 'INBOX').stdout.splitlines()
    rows = {}
    for line in out[1:]:
        w = line.split()
        rows[int(w[1])] = w
    return out[0].split(), rows


def bases(maildir):
    """UID -> base name, from the list; a number with two names would be a UID given twice."""
    found, twice = {}, []
    with open(maildir + '/dovecot-uidlist', errors='replace') as f:
        f.readline()
        for line in f:
            uid, name = int(line.split()[0]), line.rstrip('\n').split(':', 1)[1]
            if found.setdefault(uid, name) != name:
                twice.append(uid)
    return found, twice


def main():
    random.seed(20)
    base = tempfile.mkdtemp(prefix='postern-kill.')
    maildir = base + '/Maildir'
    acked, seen, names = set(), set(), {}
    changed, stuck = [], 0
    try:
        tool(maildir, 'append', 'INBOX', 'Subject: first\r\n\r\n')
        validity = view(maildir)[0][0]
        for n in range(ROUNDS):
            workers = [subprocess.Popen([DEV + '/t/store_tool', 'maildir:' + maildir, 'churn', 'INBOX', '1000'], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=ENV) for _ in range(2)]
            time.sleep(random.uniform(0.03, 0.3))
            for w in workers:
                w.kill()
            for w in workers:
                for line in w.communicate()[0].splitlines(True):
                    if not line.endswith('\n'):
                        continue
                    if line.startswith('seen'):
                        seen.add(int(line.split()[1]))
                    else:
                        acked.add(int(line))
            begin = time.time()
            if n % 10 == 9:     # also without the cache
                shutil.rmtree(maildir + '/postern-index')
            head, _ = view(maildir)
            stuck += time.time() - begin > 20
            if head[0] != validity:
                changed.append(head)
            now, twice = bases(maildir)
            changed += twice + [u for u in now if names.setdefault(u, now[u]) != now[u]]
        _, rows = view(maildir)
        ok(len(acked) > ROUNDS, 'sessions were killed at work (%d appends, %d flags)' % (len(acked), len(seen)))
        ok(not acked - set(rows), 'every message that was acknowledged is there', sorted(acked - set(rows))[:20])
        ok(all('\\Seen' in rows[u] for u in seen if u in rows), 'every flag that was acknowledged is there', [u for u in seen if '\\Seen' not in rows.get(u, [])][:20])
        ok(not changed, 'UIDVALIDITY stayed and no UID was given twice', changed[:20])
        ok(not stuck, 'no lock of a dead process held anyone up')
    finally:
        shutil.rmtree(base, ignore_errors=True)
    done()


main()
