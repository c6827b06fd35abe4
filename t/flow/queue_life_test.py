# SPDX-License-Identifier: ISC
"""The queue manager alone: delivery, deferral, bounces, hold, large messages, orders, what it refuses, and a clean stop."""
import glob
import os
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import wait_until                                      # noqa: E402
from qmgr import Intake, Qmgr, Worker                                # noqa: E402
from qrec import content, envelope, parse                            # noqa: E402
from tap import case, done, ok                                       # noqa: E402


def verdict(address):
    if address.startswith('defer'):
        return 2, '4.2.0', 'not now'
    if address.startswith('bounce'):
        return 3, '5.1.1', 'no such user'
    if address.startswith('silent') or address.startswith('forward'):
        return None
    return 1, '2.0.0', 'ok'


q = Qmgr('minimal_backoff_time = 300s\n')
i = Intake(q)
out, router, bounce = Worker(q, 'out', verdict), Worker(q, 'router', verdict), Worker(q, 'bounce')


def got(ident):
    return [g for g in out.got if g[0] == ident]


def sent():
    a = i.submit('a@example.test', ['b@example.net', 'c@example.net', 'd@example.org'])
    ok(i.wait(a)[''] == 'MSG_DONE', 'a small message is taken')
    ok(q.wait_log(a + ': removed'), 'and leaves the queue when all recipients are done', q.log)
    ok(q.wait_log('%s: from=<a@example.test>, size=17, nrcpt=3 (queue active)' % a), 'the line of an active message', q.log)
    ok(sorted(g[1] for g in got(a)) == ['b@example.net', 'c@example.net', 'd@example.org'], 'each recipient was delivered once')
    ok(len({g[3]['job'] for g in got(a)}) == 2, 'recipients of one destination go together')
    ok(parse(got(a)[0][2])[0] == ('N', b'Subject: x'), 'with the content')
    ok(wait_until(lambda: out.acks >= 3), 'results are acknowledged')
    ok(len(a) >= 6 and all(c in '0123456789ABCDEF' for c in a), 'queue ids are upper-case hexadecimal')


def deferred():
    a = i.submit('a@example.test', ['defer1@example.net', 'b@example.net'])
    i.wait(a)
    ok(wait_until(lambda: a in q.files('deferred')), 'a deferred message is a file in deferred/')
    ok(wait_until(lambda: a in q.files('defer')), 'with its reasons in defer/')
    path = glob.glob('%s/spool/deferred/?/%s' % (q.dir, a))[0]
    kinds = [r for r in parse(open(path, 'rb').read())]
    ok([r[0] for r in kinds if r[0] in 'RD'] == ['R', 'D'] and kinds[0][0] == 'C' and kinds[-1][0] == 'E', 'in Postfix\'s format, done ones marked', kinds)
    ok(200 < os.stat(path).st_mtime - time.time() < 400 and os.stat(path).st_mode & 0o100, 'its time is that of the next attempt')
    listed = [m for m in q.showq() if m['queue_id'] == a]
    ok(listed and listed[0]['queue_name'] == 'deferred' and listed[0]['recipients'] == [('defer1@example.net', 'not now')], 'and it is listed', listed)
    before = len(got(a))
    q.order('FLUSH_ID', a)
    ok(wait_until(lambda: len(got(a)) > before), 'a flush tries it at once')
    ok([g[1] for g in got(a)[before:]] == ['defer1@example.net'], 'only what is left', got(a))
    ok(wait_until(lambda: a in q.files('deferred')), 'it is deferred again')
    ok(q.order('DELETE', a)['n'] == 1 and a not in q.files('deferred') and a not in q.files('defer'), 'postsuper -d removes it')


def bounced():
    a = i.submit('a@example.test', ['bounce1@example.net', 'bounce2@example.org', 'b@example.net'])
    i.wait(a)
    mark = ('notice kind 1 of ' + a).encode()
    ok(wait_until(lambda: [g for g in out.got if mark in g[2]]), 'a bounce is composed', q.log)
    notices = {g[0] for g in out.got if mark in g[2]}
    ok(len(notices) == 1 and b'bounce1@example.net, bounce2@example.org' in [g for g in out.got if mark in g[2]][0][2], 'once for all')
    notice = notices.pop()
    ok(q.wait_log(notice + ': removed') and q.wait_log(a + ': removed'), 'both leave the queue')
    ok([g[1] for g in got(notice)] == ['a@example.test'] and got(notice)[0][3]['sender'] == b'', 'the notice goes to the sender, from nobody')
    b = i.submit('', ['bounce3@example.net'])
    i.wait(b)
    ok(q.wait_log(b + ': removed') and not [g for g in out.got if ('kind 1 of ' + b).encode() in g[2]], 'what nobody sent is not returned')
    c = i.submit('a@example.test', ['bounce4@example.net'], extra=[])
    i.wait(c)
    ok(q.wait_log(c + ': removed'), 'the next one too')


def held():
    a = i.submit('a@example.test', ['h@example.net'], flags=1)
    i.wait(a)
    ok(wait_until(lambda: a in q.files('hold')) and not got(a), 'a held message is a file in hold/')
    ok(q.order('RELEASE', a)['n'] == 1 and q.wait_log(a + ': removed') and len(got(a)) == 1, 'released, it is delivered')
    b = i.submit('a@example.test', ['defer2@example.net'])
    i.wait(b)
    wait_until(lambda: b in q.files('deferred'))
    ok(q.order('HOLD', b)['n'] == 1 and b in q.files('hold'), 'a deferred one can be held')
    ok(q.order('HOLD', 'ABCDEF0123')['n'] == 0, 'one that is not there cannot')
    q.order('DELETE', 'ALL', 'hold')
    ok(not q.files('hold'), 'ALL of a queue are removed')


def big():
    ident = i.lease()
    body = content('Subject: big\n\n' + 'x' * 70 + '\n' + '\n'.join('line %d' % n for n in range(20000)))
    i.c.send('MSG_OPEN', 9, queue_id=ident, arrival_us=int(time.time() * 1e6), n_rcpt=1, envelope=envelope('a@example.test', ['big@example.net']))
    fd = i.wait(ident)['file']
    os.write(fd, body)
    os.close(fd)
    i.c.send('MSG_COMMIT', 10, queue_id=ident, records_size=len(body), content_size=1)
    ok(i.wait(ident)[''] == 'MSG_DONE', 'a large message is written by its sender')
    ok(q.wait_log(ident + ': removed') and got(ident)[0][2] == body, 'and delivered from its file')
    ident = i.lease()
    i.c.send('MSG_OPEN', 9, queue_id=ident, arrival_us=1, n_rcpt=1, envelope=envelope('a@example.test', ['big@example.net']))
    fd = i.wait(ident)['file']
    os.write(fd, body)
    i.c.send('MSG_COMMIT', 10, queue_id=ident, records_size=len(body), content_size=1)
    ok(i.wait(ident)[''] == 'MSG_REFUSED', 'one whose writer still holds it open for writing is refused')
    os.close(fd)
    ident = i.lease()
    i.c.send('MSG_OPEN', 9, queue_id=ident, arrival_us=1, n_rcpt=1, envelope=envelope('a@example.test', ['big@example.net']))
    fd = i.wait(ident)['file']
    os.write(fd, b'R\x05evil!')
    os.close(fd)
    i.c.send('MSG_COMMIT', 10, queue_id=ident, records_size=7, content_size=1)
    ok(i.wait(ident)[''] == 'MSG_REFUSED' and not q.files('incoming'), 'one that holds anything but content records is refused', q.files('incoming'))


def forwarded():
    """A router replaces a recipient, of a small and of a large message."""
    small = i.submit('a@example.test', ['forward@example.test'], routes=[('local', 'example.test')])
    i.wait(small)
    ident = i.lease()
    body = content('Subject: big\n\n' + '\n'.join('line %d' % n for n in range(30000)))
    i.c.send('MSG_OPEN', 9, queue_id=ident, arrival_us=int(time.time() * 1e6), n_rcpt=1, envelope=envelope('a@example.test', ['forward@example.test']),
             routes=b'local\0example.test\0')
    fd = i.wait(ident)['file']
    os.write(fd, body)
    os.close(fd)
    i.c.send('MSG_COMMIT', 10, queue_id=ident, records_size=len(body), content_size=1)
    i.wait(ident)
    for a, text in ((small, content('Subject: x\n\nbody')), (ident, body)):
        ok(wait_until(lambda: [g for g in router.got if g[0] == a]), 'the router has it')
        order = [g for g in router.got if g[0] == a][0][3]
        got_ids = router.ids(1)
        router.c.send('REPLACE', job=order['job'], n=0, queue_id=got_ids[0], n_rcpt=2, envelope=envelope('a@example.test', ['new1@example.net', 'new2@example.org']),
                      prepend=content('Delivered-To: forward@example.test'))
        ok(q.wait_log(a + ': removed') and q.wait_log(got_ids[0] + ': removed'), 'both messages end', q.log[-6:])
        new = got(got_ids[0])
        ok(sorted(g[1] for g in new) == ['new1@example.net', 'new2@example.org'] and new[0][2] == content('Delivered-To: forward@example.test') + text,
           'the new one has the new recipients and the old text')


def refused():
    rows = [
        ('a login that cannot be proven', dict(extra=[('A', 'sasl_username=root'), ('A', 'client_address=192.0.2.1')])),
        ('with any token', dict(extra=[('A', 'sasl_username=root')], token='1:99999999999:AAAA')),
        ('a record that an envelope may not have', dict(extra=[('M', '')])),
        ('a recipient that is done already', dict(extra=[('D', 'x@y')])),
        ('a transport that does not exist', dict(routes=[('nosuch', 'x')])),
        ('an address with a line end', dict(extra=[('O', 'a\nb@c')])),
        ('unknown flags', dict(flags=1 << 20)),
    ]
    for name, args in rows:
        a = i.submit('a@example.test', ['r@example.net'], **args)
        m = i.wait(a)
        ok(m[''] == 'MSG_REFUSED' and m['code'] == 451, name + ' is refused', m)
    i.c.send('MSG_SUBMIT', 7, queue_id='ABCDEF01', arrival_us=1, n_rcpt=1, envelope=envelope('a', ['b']), content=content('x'))
    ok(i.wait('ABCDEF01')[''] == 'MSG_REFUSED', 'a queue id that was not leased is refused')
    late = Intake(q)
    late.lease()
    late.c.send('IDS_HELD', 0, n=1, ids='ABCDEF02\0')
    late.c.send('MSG_SUBMIT', 7, queue_id='ABCDEF02', arrival_us=1, n_rcpt=1, envelope=envelope('a', ['b']), content=content('x'))
    ok(late.wait('ABCDEF02')[''] == 'MSG_REFUSED', 'nor is one that is said to be held after others were asked for')
    lm = Intake(q, 'lmtpd')
    a = lm.submit('a@example.test', ['r@example.net'], routes=[('smtp', 'example.net')])
    ok(lm.wait(a)[''] == 'MSG_REFUSED', 'lmtpd cannot send to other hosts')


def routed():
    a = i.submit('a@example.test', ['r@example.net'], routes=[('error', 'some.host')])
    i.wait(a)
    ok(q.wait_log(a + ': removed') and (got(a)[0][3]['transport'], got(a)[0][3]['nexthop']) == (b'error', b'some.host'), 'a route of the sender counts')
    a = i.submit('a@example.test', ['r@example.net'], extra=[('L', 'smtp:[127.0.0.1]:10024')])
    i.wait(a)
    ok(q.wait_log(a + ': removed') and (got(a)[0][3]['transport'], got(a)[0][3]['nexthop']) == (b'smtp', b'[127.0.0.1]:10024'), 'a content filter comes before it')


def stop():
    silent = i.submit('a@example.test', ['b@example.net', 'defer9@example.net'])
    i.wait(silent)
    wait_until(lambda: silent in q.files('deferred'))
    ok(q.drain() == 0, 'a stop ends in good order', q.log[-5:])
    ring = open(q.dir + '/spool/journal', 'rb').read()
    ok(silent in q.files('deferred'), 'everything is a file then')
    q.start()
    i2, w = Intake(q), Worker(q, 'out', lambda a: (1, '2.0.0', 'ok'))
    Worker(q, 'router')
    a = i2.submit('a@example.test', ['z@example.net'])
    ok(i2.wait(a)[''] == 'MSG_DONE' and q.wait_log(a + ': removed') and ring, 'and the next start goes on')
    q.order('FLUSH')
    ok(wait_until(lambda: [g for g in w.got if g[0] == silent]), 'with what was deferred', q.log[-8:])


def succession():
    """A message that is being received when the queue manager is replaced keeps its id; nobody else's can be had that way."""
    def held(*ids):
        i = Intake(q)
        i.c.send('IDS_HELD', 0, n=len(ids), ids=''.join(x + '\0' for x in ids))
        return i

    def submit(i, ident):
        i.c.send('MSG_SUBMIT', 7, queue_id=ident, arrival_us=int(time.time() * 1e6), n_rcpt=1, envelope=envelope('a@example.test', ['z@example.net']), content=content('x'))
        return i.wait(ident)['']

    before, other = Intake(q), Intake(q)
    mine, parked = before.lease(), other.submit('a@example.test', ['h8@example.net'], flags=1)
    other.wait(parked)
    wait_until(lambda: parked in q.files('hold'))
    q.master.send('DRAIN', grace_seconds=10)
    ok(wait_until(lambda: before.take()[''] == 'QUEUE_STATE' and submit(before, mine) == 'MSG_REFUSED'), 'a queue manager that ends refuses a message')
    ok(wait_until(lambda: before.c.recv() is None) and before.c.is_leaving and q.process.wait(20) == 0, 'says that it leaves, and ends')
    q.control.close()
    q.start()
    Worker(q, 'out', lambda a: (1, '2.0.0', 'ok'))
    Worker(q, 'router')
    i = held(mine, parked, '../../x', 'x' * 31)
    ok(submit(i, mine) == 'MSG_DONE' and q.wait_log(mine + ': removed'), 'its successor takes it by the id it has', q.log[-5:])
    ok(submit(i, parked) == 'MSG_REFUSED', 'but not by the id of another message')
    ok(submit(held(mine), mine) == 'MSG_DONE', 'an id that is free again is as good as a new one')
    a, b = held('ABCDEF03'), held('ABCDEF03')
    ok(sorted([submit(a, 'ABCDEF03'), submit(b, 'ABCDEF03')]) == ['MSG_DONE', 'MSG_REFUSED'], 'and is given to one process')


for fn in (sent, deferred, bounced, held, big, forwarded, refused, routed, stop, succession):
    case(fn.__name__, fn)
q.done()
done()
