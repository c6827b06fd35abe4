# SPDX-License-Identifier: ISC
"""What happens rarely: orders for mail that waits its turn, forwards larger than a segment, a scan in the middle of a
commit, queue files that cannot be opened, a clock that was wrong, notices while nobody composes them."""
import glob
import os
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import wait_until                                      # noqa: E402
from qmgr import Intake, Qmgr, Worker                                # noqa: E402
from qrec import content, envelope                                   # noqa: E402
from tap import case, done, ok                                       # noqa: E402


def verdict(address):
    return None if address.startswith(('silent', 'forward')) else (2, '4.2.0', 'not now') if address.startswith('defer') else (1, '2.0.0', 'ok')


q = Qmgr('minimal_backoff_time = 300s\nmaximal_backoff_time = 2000s\nqueue_run_delay = 300s\n'
         'default_destination_concurrency_limit = 1\ninitial_destination_concurrency = 1\n')
i = Intake(q)
out, router = Worker(q, 'out', verdict), Worker(q, 'router', verdict)


def got(ident, worker=out):
    return [g for g in worker.got if g[0] == ident]


def answer(ident, outcome=1, worker=out, n=0):
    job = got(ident, worker)[-1][3]['job']
    worker.c.send('RESULT', job=job, n=n, outcome=outcome, dsn='2.0.0' if outcome == 1 else '4.2.0', text='so')


def small(*rcpts, **more):
    ident = i.submit('a@example.test', list(rcpts), **more)
    i.wait(ident)
    return ident


def large(rcpt, body, routes=b'', extra=()):
    ident = i.lease()
    i.c.send('MSG_OPEN', 9, queue_id=ident, arrival_us=int(time.time() * 1e6), n_rcpt=1, envelope=envelope('a@example.test', [rcpt], extra), routes=routes)
    fd = i.wait(ident)['file']
    os.write(fd, body)
    os.close(fd)
    i.c.send('MSG_COMMIT', 10, queue_id=ident, records_size=len(body), content_size=1)
    return ident


BODY = content('Subject: big\n\n' + '\n'.join('line %d' % n for n in range(30000)))


def blocked(domain):
    """A destination whose only place is taken."""
    first = small('silent@' + domain)
    ok(wait_until(lambda: got(first)), 'the only place at a destination is taken')
    return first


def deleted_while_it_waits():
    first = blocked('wait1.example')
    a, b = small('x@wait1.example'), small('y@wait1.example', 'z@wait1.example')
    ok(q.order('DELETE', a)['n'] == 1 and q.wait_log(a + ': removed'), 'mail that waits its turn can be deleted')
    ok(q.order('HOLD', b)['n'] == 1 and wait_until(lambda: b in q.files('hold'), 5), 'and held')
    answer(first)
    ok(q.wait_log(first + ': removed'), 'the one before it ends')
    c = small('later@wait1.example')
    ok(wait_until(lambda: got(c)), 'the next one has its turn')
    ok(not got(a) and not got(b), 'what was deleted or held is not delivered', (got(a), got(b)))
    ok(q.order('RELEASE', b)['n'] == 1 and q.wait_log(b + ': removed') and sorted(g[1] for g in got(b)) == ['y@wait1.example', 'z@wait1.example'],
       'released, it is')


def file_is_gone():
    first = blocked('wait2.example')
    a = large('x@wait2.example', BODY)
    i.wait(a)
    path = wait_until(lambda: glob.glob('%s/spool/*/%s' % (q.dir, a)))[0]
    os.rename(path, q.dir + '/away')
    answer(first)
    ok(q.wait_log(a + ': queue file cannot be opened') and q.wait_log(a + ': to=<x@wait2.example>') and not got(a),
       'a message whose file cannot be opened is not delivered as an empty one', got(a))
    ok(q.wait_log(a + ': its queue file is gone'), 'and forgotten with an error when the file is gone', q.log[-3:])


def forward_larger_than_a_segment():
    body = content('Subject: big\n\n' + '\n'.join('line %d' % n + 'x' * 200 for n in range(8000)))
    a = large('forward@example.test', body, routes=b'local\0example.test\0')
    i.wait(a)
    ok(wait_until(lambda: got(a, router)), 'the router has it')
    new = router.ids(1)[0]
    router.c.send('REPLACE', job=got(a, router)[0][3]['job'], n=0, queue_id=new, n_rcpt=1, envelope=envelope('a@example.test', ['new@fwd.example']),
                  prepend=content('Delivered-To: forward@example.test'))
    ok(q.wait_log(a + ': removed', 10) and q.wait_log(new + ': removed', 10), 'a forward that does not fit into a segment of the journal is made', q.log[-4:])
    ok([g[2] for g in got(new)] == [content('Delivered-To: forward@example.test') + body], 'with all of its text')


def nobody_composes():
    a = small('x@success.example', extra=[('n', '2')])
    b = small('defer@expire.example')
    ok(wait_until(lambda: b in q.files('deferred')), 'a deferred message')
    ok(q.order('EXPIRE', b)['n'] == 1, 'that is expired')
    time.sleep(0.5)
    ok(not q.wait_log(a + ': removed', 0.1), 'mail whose success is to be told stays while nobody can compose the notice')
    bounce = Worker(q, 'bounce')
    for ident, kind in ((a, 3), (b, 1)):
        mark = ('notice kind %d of %s' % (kind, ident)).encode()
        ok(wait_until(lambda: [g for g in out.got if mark in g[2]], 10), 'a notice of kind %d waits until somebody can' % kind, q.log[-4:])
        ok(q.wait_log(ident + ': removed') and len([g for g in out.got if mark in g[2]]) == 1, 'and is sent once', q.log[-4:])
    return bounce


def clock_was_wrong():
    """The last one: qmgr starts again with a file whose next attempt is many years away."""
    a = small('defer@clock.example')
    ok(wait_until(lambda: a in q.files('deferred')), 'a deferred message')
    ok(q.drain() == 0, 'a stop')
    path = glob.glob('%s/spool/deferred/?/%s' % (q.dir, a))[0]
    os.utime(path, (time.time() + 9e8,) * 2)
    with open(q.dir + '/etc/main.cf', 'a') as f:
        f.write('minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\n')
    q.start()
    later = Worker(q, 'out')
    Worker(q, 'router')
    ok(wait_until(lambda: got(a, later), 10), 'the time of the next attempt may be wrong, but not by years')


def soft_bounce():
    """After the others: qmgr starts again."""
    ok(q.drain() == 0, 'a stop')
    with open(q.dir + '/etc/main.cf', 'a') as f:
        f.write('soft_bounce = yes\n')
    q.start()
    again = Intake(q)
    Worker(q, 'out', lambda address: (3, '5.1.1', 'no such user'))
    Worker(q, 'router')
    ident = again.submit('a@example.test', ['x@soft.example'])
    again.wait(ident)
    ok(wait_until(lambda: ident in q.files('deferred')), 'with soft_bounce what would be returned waits', q.log[-3:])


for fn in (deleted_while_it_waits, file_is_gone, forward_larger_than_a_segment, nobody_composes, clock_was_wrong, soft_bounce):
    case(fn.__name__, fn)
q.done()
done()
