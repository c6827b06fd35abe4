# SPDX-License-Identifier: ISC
"""Mail is poured in while a random daemon is killed (-9) every 100 ms: every id that got its 250 is in a mailbox, the queue or a
bounce. POSTERN_KILL_SECONDS sets how long (60 by default)."""
import os
import random
import re
import signal
import smtplib
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, message      # noqa: E402
from tap import done, ok                                # noqa: E402

SECONDS = float(os.environ.get('POSTERN_KILL_SECONDS', '60'))
CLIENTS = 6
POURED = 8000      # beyond it mail comes slowly: one mailbox on one disk has to take it all


def client(i, number, stop, accepted):
    serial = 0
    while not stop.is_set():
        try:
            s = smtplib.SMTP('127.0.0.1', i.port + 25, timeout=20)
            for _ in range(20):
                if stop.is_set():
                    break
                if len(accepted) > POURED:
                    time.sleep(0.5)
                serial += 1
                ident = 'kill-%d-%d-x' % (number, serial)
                s.sendmail('sender@load.test', ['bob@example.test'], message(ident))
                accepted.append(ident)
            s.close()
        except (OSError, smtplib.SMTPException):
            time.sleep(0.05)


def children(i):
    """What may be killed: everything but master and the log role (no line may be missing)."""
    return [(pid, line) for pid, line in i.pids().items() if os.path.basename(line.split()[0]) not in ('master', 'logd')]


with Instance() as i:
    stop, accepted, kills, killed = threading.Event(), [], 0, {}
    threads = [threading.Thread(target=client, args=(i, n, stop, accepted)) for n in range(CLIENTS)]
    for t in threads:
        t.start()
    rng, end, outlived = random.Random(1), time.time() + SECONDS, 0
    while time.time() < end:
        time.sleep(0.1)
        candidates = children(i)
        if not candidates:
            continue
        pid, line = rng.choice(candidates)
        program = os.path.basename(line.split()[0])
        before = set(i.pids_of('smtpd')) if program == 'qmgr' else set()
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        kills += 1
        killed[program] = killed.get(program, 0) + 1
        if before:
            time.sleep(0.02)
            outlived += before <= set(i.pids_of('smtpd'))
    stop.set()
    for t in threads:
        t.join()
    print('# %d accepted, %d kills: %s' % (len(accepted), kills, killed))
    ok(kills > SECONDS * 3 and killed.get('qmgr') and killed.get('authd'), 'daemons were killed, qmgr and authd among them', killed)
    ok(len(accepted) > 50, 'mail was accepted meanwhile')
    ok(outlived > 0, "smtpd's processes outlive qmgr's")

    def found():
        ids = {}
        for text in i.mails('bob'):
            m = re.search(rb'^Subject: (kill-\d+-\d+-x)', text, re.M)
            if m:
                ids.setdefault(m.group(1).decode(), []).append(1)
        return ids

    # As long as there is progress.
    progress, last, end = 0, time.time(), time.time() + 600
    while progress < len(accepted) and time.time() < min(last + 90, end):
        i.tool('postqueue', '-f')
        time.sleep(5)
        if len(found()) > progress:
            progress, last = len(found()), time.time()
    ids = found()
    missing = set(accepted) - set(ids)
    queued = i.tool('postqueue', '-p').stdout
    ok(not missing, 'every acknowledged message is there', '%s\n%s' % (sorted(missing)[:10], queued[-500:]))
    extra = sum(len(v) - 1 for v in ids.values())
    print('# %d extra copies' % extra)
    ok(extra <= max(2, kills), 'at most one extra copy per kill', extra)
    i.send('sender@load.test', ['bob@example.test'], message('after the storm'))
    ok(i.wait_mail('bob', 'after the storm'), 'and the next message goes through')
done()
