# SPDX-License-Identifier: ISC
"""deliver-router and deliver-actor: the test is qmgr and master, the mailboxes are real."""
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from local_router import BOUNCED, DEFERRED, SENT, Router, files, read  # noqa: E402
from qrec import content                           # noqa: E402
from tap import done, ok                           # noqa: E402

def test_virtual(r, base):
    got = r.deliver('virtual', ['alice@example.test', 'nobody@example.test', 'alice+ext@example.test'])
    ok(got[0]['outcome'] == SENT and got[0]['dsn'] == b'2.0.0' and got[0]['text'] == b'delivered to maildir', 'a virtual recipient is delivered', got)
    ok(got[1]['outcome'] == BOUNCED and got[1]['dsn'] == b'5.1.1' and got[1]['text'] == b'unknown user: "nobody@example.test"', 'an unknown one bounces', got)
    ok(got[2]['outcome'] == SENT, 'an address extension is ignored when the table does not have it', got)
    new = files(base + '/mail/alice/Maildir/new')
    ok(len(new) == 2, 'two files are in new/', new)
    text = read(base + '/mail/alice/Maildir/new/' + new[0])
    ok(text.startswith('Return-Path: <from@example.net>\nX-Original-To: alice') and '\nDelivered-To: alice' in text and text.endswith('Subject: x\n\nbody\n'),
       'with the three header fields in front', text)
    ok(',S=%d,W=%d' % (len(text), len(text) + text.count('\n')) in new[0], 'and both sizes in the name', new)
    line = r.router.wait_log('to=<alice@example.test>')
    ok(line and 'postfix/virtual' in line and 'relay=virtual, delay=' in line and 'dsn=2.0.0, status=sent (delivered to maildir)' in line,
       'the log line is Postfix\'s', line)
    again = r.deliver('virtual', ['alice@example.test'], 'Delivered-To: alice@example.test\nSubject: x\n\nbody\n')
    ok(again[0]['outcome'] == BOUNCED and again[0]['dsn'] == b'5.4.6', 'a loop is found', again)
    bad = r.deliver('virtual', ['escape@example.test'])
    ok(bad[0]['outcome'] == DEFERRED and b'configuration' in bad[0]['text'], 'a mailbox that leaves the base is refused', bad)
    gone = r.deliver('virtual', ['blocked@example.test'])
    ok(gone[0]['outcome'] == DEFERRED, 'a mailbox that cannot be made defers', gone)
    box = r.deliver('virtual', ['mbox@example.test'], 'Subject: x\n\nFrom here on\n')
    ok(box[0]['outcome'] == SENT and box[0]['text'] == b'delivered to mailbox', 'a path without / is an mbox', box)
    text = read(base + '/mail/mboxes/mbox')
    ok(text.startswith('From from@example.net ') and '\n>From here on\n\n' in text, 'with From lines escaped', text)


def test_again(r, base):
    """The same order twice, the second one because nobody knows whether the first was done."""
    r.job += 10
    now = int(time.time() * 1e6)
    for maybe in (False, True, True):
        r.qmgr.send('DELIVER', job=r.job, queue_id='4F2BAC9999', transport='virtual', nexthop='example.test', sender='s@example.net', arrival_us=now,
                    active_us=now, content_size=6, n_rcpt=1, content=content('a: b\n\n'), maybe_done=maybe)
        r.qmgr.send('DELIVER_RCPT', job=r.job, n=0, address='bob@example.test', orig='')
        got = r.qmgr.recv(30)
        ok(got[1]['outcome'] == SENT, 'delivery that may have happened before succeeds', got)
        r.qmgr.send('RESULT_ACK', job=r.job, n=0)
        if maybe:
            new = files(base + '/mail/bob/Maildir/new')
            if new:
                os.makedirs(base + '/mail/bob/Maildir/cur', exist_ok=True)
                os.rename(base + '/mail/bob/Maildir/new/' + new[0], base + '/mail/bob/Maildir/cur/' + new[0] + ':2,S')
    ok(len(files(base + '/mail/bob/Maildir/cur')) == 1 and not files(base + '/mail/bob/Maildir/new'), 'and makes no second copy, in new/ or in cur/')


def test_new_qmgr(r):
    r.deliver('virtual', ['alice@example.test'], ack=False)
    job = r.job
    r.qmgr.close()
    r.qmgr = r.router.peer('qmgr')
    r.qmgr.send('INFLIGHT_ASK')
    kinds = []
    while 'RESULT' not in kinds:
        m = r.qmgr.recv()[1]
        kinds.append(m[''])
        if m[''] in ('INFLIGHT', 'RESULT'):
            ok(m['job'] == job and m['n'] == 0, 'a new qmgr is told of %s' % m[''])
    ok(kinds == ['INFLIGHT', 'INFLIGHT_END', 'RESULT'], 'results that were not acknowledged come again', kinds)
    r.qmgr.send('RESULT_ACK', job=job, n=0)
    where = r.qmgr.call('RESOLVE', sender='a@example.net', address='alice@example.test')
    ok(where['transport'] == b'virtual' and where['outcome'] == 0, 'the router resolves addresses', where)


def test_local(r, base):
    got = r.deliver('local', ['list@mail.example.test'])
    ok(got[0][''] == 'REPLACE' and got[0]['n_rcpt'] == 2 and got[0]['queue_id'] in (b'4F2BADAAAA', b'4F2BADBBBB'),
       'an alias for addresses elsewhere becomes a new message', got)
    ok(b'Rx@example.net' not in got[0]['envelope'] and b'x@example.net' in got[0]['envelope'] and b'Delivered-To: list@mail.example.test' in got[0]['prepend'],
       'with its recipients and Delivered-To', got)
    got = r.deliver('local', ['owned@mail.example.test'])
    ok(b'owner-owned@mail.example.test' in got[0]['envelope'], 'owner- becomes the envelope sender', got)
    got = r.deliver('local', ['nosuchuser@mail.example.test', 'loop@mail.example.test', 'cmd@mail.example.test', 'fail@mail.example.test', 'tofile@mail.example.test'])
    ok(got[0]['outcome'] == BOUNCED and got[0]['text'] == b'unknown user: "nosuchuser"', 'an unknown user bounces', got[0])
    ok(got[1]['outcome'] == BOUNCED, 'aliases that name each other end', got[1])
    ok(got[2]['outcome'] == SENT and got[2]['text'].startswith(b'delivered to command: '), 'a command gets the message', got[2])
    text = read(base + '/out')
    ok('Delivered-To: cmd@mail.example.test' in text and text.endswith('body\n'), 'whole, with header fields', text)
    env = read(base + '/env')
    ok('RECIPIENT=cmd@mail.example.test' in env and 'SENDER=from@example.net' in env and 'POSTERN' not in env, 'and a clean environment', env)
    ok(os.path.exists(base + '/fds') and read(base + '/fds').split() == ['0', '1', '2', '3'], 'and three descriptors (and the one ls has)', files(base))
    ok(got[3]['outcome'] == BOUNCED and got[3]['dsn'] == b'5.1.1' and b'Command output: no thanks' in got[3]['text'], 'its exit status is the outcome', got[3])
    ok(got[4]['outcome'] == SENT and got[4]['text'].startswith(b'delivered to file: /') and 'body' in read(base + '/aliasfile'), 'a file is delivered to', got[4])
    line = r.router.wait_log('to=<cmd@mail.example.test>')
    ok(line and 'postfix/local' in line and 'relay=local' in line, 'under the name of local', line)
    slow = r.deliver('local', ['slow@mail.example.test'])
    ok(slow[0]['outcome'] == DEFERRED and b'time limit exceeded' in slow[0]['text'], 'a command that does not end is ended', slow)
    inc = r.deliver('local', ['included@mail.example.test'])
    ok(inc[0][''] == 'REPLACE' and inc[0]['n_rcpt'] == 2, 'an include file is expanded', inc)
    inc = r.deliver('local', ['incmd@mail.example.test'])
    ok(inc[0]['outcome'] == BOUNCED and b'restricted' in inc[0]['text'], 'a command in an include file is not run', inc)
    hostile = r.deliver('local', ['cmd@mail.example.test'], sender='"$(touch ' + base + '/pwned)"@example.net')
    ok(hostile[0]['outcome'] == SENT and '$' not in read(base + '/env') and not os.path.exists(base + '/pwned'), 'what a sender writes means nothing to the shell')


def test_killed_actor(r, base):
    before = len(files(base + '/mail/alice/Maildir/new'))
    for a in list(r.actors):
        a.process.kill()
        a.process.wait()
    got = r.deliver('virtual', ['alice@example.test'])
    ok(got[0]['outcome'] == SENT and len(files(base + '/mail/alice/Maildir/new')) == before + 1, 'actors that were killed are replaced', got)


def main():
    base = tempfile.mkdtemp(prefix='postern-local.')
    os.makedirs(base + '/mail/mboxes')
    with open(base + '/mail/blocked', 'w') as f:
        f.write('a file where a directory should be')
    with open(base + '/cmd', 'w') as f:
        f.write('#!/bin/sh\ncat > %s/out\nenv > %s/env\nls /proc/self/fd > %s/fds\n' % (base, base, base))
    with open(base + '/fail', 'w') as f:
        f.write('#!/bin/sh\necho "no thanks"\nexit 67\n')
    for name in ('cmd', 'fail'):
        os.chmod('%s/%s' % (base, name), 0o755)
    with open(base + '/incl', 'w') as f:
        f.write('# people\nx@example.net,\ny@example.net\n')
    with open(base + '/incmd', 'w') as f:
        f.write('|/bin/true\n')
    boxes = ('inline:{ {alice@example.test = alice/Maildir/} {bob@example.test = bob/Maildir/} {escape@example.test = ../x/} '
             '{blocked@example.test = blocked/Maildir/} {mbox@example.test = mboxes/mbox} }')
    aliases = ('inline:{ {list = x@example.net, y@example.net, x@example.net} {owned = z@example.net} {owner-owned = alice} {loop = loop2} {loop2 = loop} '
               '{cmd = "|%s/cmd"} {fail = |%s/fail} {tofile = %s/aliasfile} {slow = "|sleep 30"} {included = :include:%s/incl} {incmd = :include:%s/incmd} }'
               % (base, base, base, base, base))
    uid, gid = os.geteuid(), os.getegid()
    r = Router('virtual_mailbox_domains = example.test\nvirtual_mailbox_base = %s/mail\nvirtual_mailbox_maps = %s\nvirtual_uid_maps = static:%d\n'
               'virtual_gid_maps = static:%d\nvirtual_minimum_uid = 1\nrecipient_delimiter = +\nmydestination = mail.example.test\nalias_maps = %s\n'
               'myorigin = mail.example.test\ncommand_time_limit = 2s\n' % (base, boxes, uid, gid, aliases), base)
    try:
        test_virtual(r, base)
        test_again(r, base)
        test_new_qmgr(r)
        test_local(r, base)
        test_killed_actor(r, base)
    finally:
        for line in r.router.log[-20:]:
            print('# ' + line.rstrip())
        for a in r.actors:
            for line in a.log:
                print('# actor: ' + line.rstrip())
        r.stop()
        shutil.rmtree(base, ignore_errors=True)
    done()


main()
