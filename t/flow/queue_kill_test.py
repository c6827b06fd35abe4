# SPDX-License-Identifier: ISC
"""The queue manager killed (-9) again and again under load: every message that was acknowledged is delivered; copies are counted."""
import collections
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from qmgr import Intake, Qmgr, Worker               # noqa: E402
from tap import done, ok                            # noqa: E402

SECONDS = float(os.environ.get('KILL_SECONDS', '12'))
q = Qmgr('minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_spill_time = 1s\nqueue_journal_size = 1048576\n')
delivered, acked = collections.Counter(), set()
lock, stop = threading.Lock(), threading.Event()
rng = random.Random(7)
expected = {}


def verdict(address):
    if address.startswith('slow') and rng.random() < 0.5:
        return 2, '4.2.0', 'later'
    if address.startswith('bounce'):
        return 3, '5.1.1', 'no such user'
    with lock:
        delivered[address] += 1
    return 1, '2.0.0', 'ok'


def fresh_workers():
    Worker(q, 'out', verdict)
    Worker(q, 'router', verdict)
    Worker(q, 'bounce')


def load(number):
    n = 0
    while not stop.is_set():
        try:
            i = Intake(q)
            while not stop.is_set():
                n += 1
                kind = ('fast', 'slow', 'fast', 'bounce')[n % 4]
                sender = 'from-%d-%d@back.example' % (number, n)
                rcpts = ['%s-%d-%d-%d@d%d.example' % (kind, number, n, k, k) for k in range(1 + n % 3)]
                ident = i.submit(sender, rcpts, 'Subject: %d\n\n%s' % (n, 'x' * rng.randrange(3000)))
                if i.wait(ident, 5)[''] == 'MSG_DONE':
                    with lock:
                        acked.update([sender] if kind == 'bounce' else rcpts)
        except (OSError, EOFError, TypeError):
            time.sleep(0.02)


fresh_workers()
threads = [threading.Thread(target=load, args=(n,), daemon=True) for n in range(4)]
for t in threads:
    t.start()
kills, end = 0, time.time() + SECONDS
while time.time() < end:
    time.sleep(rng.uniform(0.2, 0.9))
    q.kill()
    kills += 1
    q.start()
    fresh_workers()
stop.set()
for t in threads:
    t.join(6)
end = time.time() + 40
while acked - set(delivered) and time.time() < end:
    time.sleep(0.2)
missing = acked - set(delivered)
copies = sum(n - 1 for n in delivered.values() if n > 1)
print('# %d kills, %d acknowledged recipients, %d extra copies, %d in corrupt/' % (kills, len(acked), copies, len(q.files('corrupt'))))
ok(kills > 5 and len(acked) > 100, 'there was load')
ok(not missing, 'no acknowledged recipient is lost', sorted(missing)[:10] + q.log[-5:])
ok(not q.files('corrupt'), 'nothing was given up as damaged', q.files('corrupt'))
ok(q.process.poll() is None, 'the last one lives')
ok(q.drain() == 0, 'and stops in good order', q.log[-3:])
ok(not [x for x in q.log if 'panic' in x or 'assert' in x.lower()], 'no assertion failed', [x for x in q.log if 'panic' in x][:3])
q.done()
done()
