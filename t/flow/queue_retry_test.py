# SPDX-License-Identifier: ISC
"""The queue manager over time and trouble: retries, expiry, delay warnings, dead destinations, processes that die, a full disk."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import wait_until                                      # noqa: E402
from qmgr import Intake, Qmgr, Worker                                # noqa: E402
from tap import case, done, ok                                       # noqa: E402


def start(verdict, main=''):
    q = Qmgr(main)
    return q, Intake(q), Worker(q, 'out', verdict), Worker(q, 'router'), Worker(q, 'bounce')


def to(worker, address):
    return [g for g in worker.got if g[1] == address]


def retries():
    q, i, out, _, _ = start(lambda a: (2, '4.2.0', 'not now') if a.startswith('defer') else (1, '2.0.0', 'ok'),
                            'minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nmaximal_queue_lifetime = 4s\ndelay_warning_time = 1s\n')
    a = i.submit('a@back.example', ['defer@d.example'])
    i.wait(a)
    ok(wait_until(lambda: len(to(out, 'defer@d.example')) >= 2), 'a deferred message is tried again by itself')
    ok(wait_until(lambda: [g for g in out.got if b'kind 2 of ' + a.encode() in g[2]]), 'its sender is warned of the delay', q.log)
    ok(q.wait_log(a + ': from=<a@back.example>, status=expired, returned to sender', 15), 'then it expires', q.log[-6:])
    ok(wait_until(lambda: [g for g in out.got if b'kind 1 of ' + a.encode() in g[2]]), 'and is returned')
    ok(len([g for g in out.got if b'kind 2 of ' + a.encode() in g[2]]) == 1, 'the warning was sent once')
    ok(q.wait_log(a + ': removed') and not q.files('defer'), 'nothing is left of it')
    q.done()


def dead_destination():
    q, i, out, _, _ = start(lambda a: (2, '4.4.1', 'connect to d.example: Connection refused', True) if a.endswith('d.example') else (1, '2.0.0', 'ok'),
                            'initial_destination_concurrency = 1\ndefault_destination_recipient_limit = 1\n')
    first = i.submit('a@back.example', ['one@d.example'], routes=[('smtp', 'd.example')])
    i.wait(first)
    wait_until(lambda: first in q.files('deferred'))
    a = i.submit('a@back.example', ['two@d.example'], routes=[('smtp', 'd.example')])
    i.wait(a)
    line = q.wait_log(a + ': to=<two@d.example>, relay=none')
    ok(line and 'postfix/error' in line and 'dsn=4.4.1, status=deferred (delivery temporarily suspended: connect to d.example: Connection refused)' in line,
       'mail for a dead destination is deferred at once', q.log)
    ok(not to(out, 'two@d.example'), 'without an attempt')
    b = i.submit('a@back.example', ['x@other.example'], routes=[('smtp', 'other.example')])
    i.wait(b)
    ok(q.wait_log(b + ': removed'), 'other destinations go on')
    q.order('FLUSH')
    ok(wait_until(lambda: len(to(out, 'one@d.example')) + len(to(out, 'two@d.example')) > 1), 'a flush forgives')
    q.done()


def limits():
    q, i, out, _, _ = start(lambda a: None, 'initial_destination_concurrency = 2\nsmtp_destination_recipient_limit = 3\nsmtp_destination_concurrency_limit = 2\n')
    a = i.submit('a@back.example', ['r%d@d.example' % n for n in range(12)], routes=[('smtp', 'd.example')] * 12)
    i.wait(a)
    wait_until(lambda: len(out.got) >= 6)
    time.sleep(0.3)
    ok(len(out.got) == 6 and len({g[3]['job'] for g in out.got}) == 2, 'two deliveries of three recipients each, and no more', len(out.got))
    b = i.submit('a@back.example', ['y@e.example'], routes=[('smtp', 'e.example')])
    i.wait(b)
    ok(wait_until(lambda: to(out, 'y@e.example')), 'another destination does not wait behind it')
    q.done()


def suspects():
    q, i, out, _, _ = start(lambda a: None)
    killers, good = i.submit('a@back.example', ['kill@d.example']), i.submit('a@back.example', ['good@e.example'])
    i.wait(killers), i.wait(good)
    wait_until(lambda: len(out.got) == 2)
    out.c.sock.shutdown(2)
    for _ in range(3):
        w = Worker(q, 'out', lambda a: None if a.startswith('kill') else (1, '2.0.0', 'ok'))
        got = wait_until(lambda: to(w, 'kill@d.example') or killers in q.files('corrupt'), 5)
        ok(not to(w, 'kill@d.example') or to(w, 'kill@d.example')[0][3]['maybe_done'], 'a suspect is marked: it may have been delivered')
        if killers in q.files('corrupt'):
            break
        time.sleep(0.2)
        w.c.sock.shutdown(2)
        assert got
    ok(wait_until(lambda: killers in q.files('corrupt')), 'a message that ends its process again and again goes to corrupt/', q.log[-5:])
    ok(q.wait_log(good + ': removed'), 'one that was in flight beside it is delivered')
    ok(q.wait_log(killers + ': delivery to <kill@d.example> ended its process'), 'it is named')
    q.done()


def overload():
    """Nobody delivers, and more mail comes than ring and memory hold."""
    q = Qmgr('queue_journal_size = 1048576\nqmgr_message_active_limit = 20\nqueue_spill_time = 1s\ndefault_process_limit = 500\n')
    i = Intake(q)
    taken, later = [], 0
    while len(taken) < 600 and later < 600:
        a = i.submit('a@back.example', ['n%d@d.example' % len(taken)], 'Subject: x\n\n' + 'y' * 3000, routes=[('smtp', 'd.example')])
        if i.wait(a)[''] == 'MSG_DONE':
            taken.append(a)
        else:
            later += 1
            time.sleep(0.05)
    ok(len(taken) == 600, 'ten times what the ring holds is taken', (len(taken), later))
    ok(wait_until(lambda: len(q.files('deferred')) > 300, 20), 'most of it waits as files', len(q.files('deferred')))
    out = Worker(q, 'out', lambda a: (1, '2.0.0', 'ok'))
    Worker(q, 'router')
    end = time.time() + 30
    while len({g[0] for g in out.got}) < 600 and time.time() < end:
        q.order('FLUSH')
        time.sleep(0.3)
    ok({g[0] for g in out.got} == set(taken), 'and is delivered when somebody comes', len({g[0] for g in out.got}))
    ok(len(out.got) == 600, 'once each', len(out.got))
    q.done()


class Survivor(Worker):
    """A delivery process that outlives the queue manager."""

    def __init__(self, q, job, queue_id):
        self.job, self.queue_id = job, queue_id
        super().__init__(q, 'out', lambda a: (1, '2.0.0', 'second'))

    def handle(self, ident, m):
        if m[''] == 'INFLIGHT_ASK':
            self.c.send('INFLIGHT', queue_id=self.queue_id, n=0, job=self.job)
            self.c.send('INFLIGHT_END')
            time.sleep(0.5)
            self.c.send('RESULT', job=self.job, n=0, outcome=1, dsn='2.0.0', text='first')
        else:
            super().handle(ident, m)


def inflight():
    q, i, out, _, _ = start(lambda a: None)
    a = i.submit('a@back.example', ['slow@d.example'])
    i.wait(a)
    wait_until(lambda: out.got)
    q.kill()
    q.start()
    Worker(q, 'router')
    s = Survivor(q, out.got[0][3]['job'], a)
    ok(q.wait_log(a + ': removed'), 'a delivery that was in flight ends the message', q.log[-4:])
    ok(not s.got, 'without a second one', s.got)
    ok(wait_until(lambda: s.acks == 1), 'and is acknowledged')
    q.done()


def refusals():
    q, i, _, _, _ = start(lambda a: (1, '2.0.0', 'ok'), 'queue_minfree = 1000000000000000\n')
    a = i.submit('a@back.example', ['x@d.example'])
    m = i.wait(a)
    ok(m[''] == 'MSG_REFUSED' and m['code'] == 452 and m['dsn'] == b'4.3.1', 'without free space mail is refused with 452 4.3.1', m)
    j = Intake(q)
    m = j.take()
    ok(m[''] == 'QUEUE_STATE' and m['code'] == 452, 'the receiving processes know before MAIL')
    q.done()


def full_disk():
    """The queue on a filesystem without a free byte or inode: start, and deliver out of it."""
    if os.geteuid() != 0:
        ok(True, 'full disk # SKIP needs root')
        return
    q = Qmgr('queue_journal_size = 1048576\nmessage_size_limit = 1000\n')
    q.kill()
    where = tempfile.mkdtemp()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=4m,nr_inodes=64', 'tmpfs', where], check=True)
    try:
        for listener in q.listeners:
            listener.close()
        spool = q.dir + '/spool'
        subprocess.run(['mount', '--bind', where, spool], check=True)
        q.listeners = []
        q.start()
        i = Intake(q)
        a = i.submit('a@back.example', ['x@d.example'])
        ok(i.wait(a)[''] == 'MSG_DONE', 'mail is taken while there is room', q.log[-3:])
        q.kill()
        n = 0
        try:
            while True:
                open('%s/fill%d' % (spool, n), 'wb').write(b'x' * 65536)
                n += 1
        except OSError:
            pass
        q.start()
        out = Worker(q, 'out', lambda r: (1, '2.0.0', 'ok'))
        Worker(q, 'router')
        ok(wait_until(lambda: to(out, 'x@d.example')) and q.wait_log(a + ': removed'), 'a start on a full disk delivers what is there', q.log[-5:])
        j = Intake(q)
        ok(j.take()['code'] == 452, 'and takes no more')
        for k in range(n + 1):
            if os.path.exists('%s/fill%d' % (spool, k)):
                os.unlink('%s/fill%d' % (spool, k))
        ok(j.take(5)['code'] == 0, 'until there is space again', q.log[-5:] + [str(os.statvfs(spool)), str(os.listdir(spool))])
        q.kill()
    finally:
        subprocess.run(['umount', q.dir + '/spool'], check=False)
        subprocess.run(['umount', where], check=False)
        os.rmdir(where)
    q.done()


only = sys.argv[1:]
for fn in (retries, dead_destination, limits, suspects, inflight, overload, refusals, full_disk):
    if not only or fn.__name__ in only:
        case(fn.__name__, fn)
done()
