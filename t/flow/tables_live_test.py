# SPDX-License-Identifier: ISC
"""Lookup tables behind a running system: what they decide, changed while it runs, and failing."""
import os
import smtplib
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, message, wait_until      # noqa: E402
from tap import case, done, ok                          # noqa: E402


def verdict(i, recipient, sender='x@load.test'):
    """The code of RCPT."""
    s = i.smtp()
    try:
        s.ehlo('client.load.test')
        code, text = s.mail(sender)
        return (code, text) if code != 250 else s.rcpt(recipient)
    finally:
        s.close()


def write(i, name, text):
    with open(i.etc + '/' + name, 'w') as f:
        f.write(text)


def setup(i):
    write(i, 'more', 'list@example.test alice@example.test, bob@example.test\n')
    write(i, 'client', '/^192\\.0\\.2\\./ REJECT\n')
    write(i, 'sender.cidr', '127.0.0.0/8 permit\n')
    i.append_main('virtual_alias_maps = hash:%s/virtual, hash:%s/more, regexp:{ {/^re-(.*)@example\\.test$$/ $$1@example.test} },\n'
                  '  inline:{ in@example.test=bob@example.test }, texthash:%s/more' % (i.etc, i.etc, i.etc))
    i.append_main('smtpd_sender_restrictions = check_sender_access inline:{ bad@load.test=REJECT, { worse@load.test = 550 5.7.1 no thanks } }')


def decides(i):
    ok(verdict(i, 'list@example.test')[0] == 250 and verdict(i, 'in@example.test')[0] == 250, 'aliases of hash and inline tables are known')
    ok(verdict(i, 're-bob@example.test')[0] == 250, 'aliases of a regexp table are known')
    ok(verdict(i, 'nobody@example.test')[0] == 550, 'what no table has is refused')
    i.send('x@load.test', ['list@example.test', 're-bob@example.test'], message('to several'))
    ok(i.wait_mail('alice', 'to several') and i.wait_mail('bob', 'to several'), 'and the mail goes where they say')
    ok(verdict(i, 'bob@example.test', 'bad@load.test')[0] == 554, 'an access table refuses')
    code, text = verdict(i, 'bob@example.test', 'worse@load.test')
    ok(code == 550 and b'no thanks' in text, 'with a code and text of its own', (code, text))


def changes(i):
    write(i, 'more', 'list@example.test alice@example.test\nnew@example.test bob@example.test\n')
    ok(i.tool('postmap', 'hash:%s/more' % i.etc).returncode == 0, 'postmap of a table that is in use')
    ok(wait_until(lambda: verdict(i, 'new@example.test')[0] == 250, 5), 'a new entry is known without a reload')
    write(i, 'more', 'new@example.test bob@example.test\n')
    i.tool('postmap', 'hash:%s/more' % i.etc)
    write(i, 'late', 'late@example.test bob@example.test\n')
    i.append_main('virtual_alias_maps = hash:%s/virtual, hash:%s/late' % (i.etc, i.etc))
    i.reload()
    ok(wait_until(lambda: verdict(i, 'late@example.test')[0] == 250, 10), 'a new table is known after a reload, made from its source')
    ok(os.path.exists(i.etc + '/late.lmdb'), 'and lies beside it')
    ok(wait_until(lambda: verdict(i, 'new@example.test')[0] == 550, 10), 'a table that is no longer named has no say')


def fails(i):
    i.stop()
    i.append_main('virtual_alias_maps = fail:always, hash:%s/virtual' % i.etc)
    i.start()
    code, text = verdict(i, 'bob@example.test')
    ok(400 <= code < 500, 'a table that fails is a temporary refusal, never an acceptance', (code, text))
    i.stop()
    os.truncate(i.etc + '/mailboxes.lmdb', 4096)
    i.append_main('virtual_alias_maps = hash:%s/virtual' % i.etc)
    i.start()
    ok(verdict(i, 'bob@example.test')[0] == 250, 'a truncated table is made anew from its source at the start', i.log()[-800:])


def made_in_here(i):
    """Mail that the system makes itself has not met virtual_alias_maps at the door."""
    i.run('sendmail', '-C', i.etc, '-f', 'alice@example.test', 'root@localhost', input='Subject: for root\n\nx\n')
    ok(i.wait_mail('alice', 'for root'), 'an alias(5) to a virtual alias reaches the mailbox', i.log()[-800:])
    i.run('sendmail', '-C', i.etc, '-f', 'postmaster@example.test', 'no-such-user@localhost', input='Subject: comes back\n\nx\n')
    ok(i.wait_mail('alice', 'comes back'), 'a bounce to a virtual alias reaches the mailbox', i.log()[-800:])
    i.run('sendmail', '-C', i.etc, '-f', 'nobody@example.test', 'no-such-user@localhost', input='Subject: to nobody\n\nx\n')
    ok(i.wait_log('nobody@example.test>.*status=bounced .unknown user'), 'a bounce to nobody ends', i.log()[-800:])
    ok(wait_until(lambda: 'Mail queue is empty' in i.tool('postqueue', '-p').stdout), 'and nothing stays in the queue')


def local_users(i):
    ok(verdict(i, 'root@localhost')[0] == 250, 'users of the system are known')
    ok(verdict(i, 'no-such-user@localhost')[0] == 550, 'who is not among them is refused')
    ok(verdict(i, 'a:b@localhost')[0] in (501, 550, 553), 'a name that cannot be one is refused')


with Instance(edit=setup) as instance:
    for what, fn in (('decides', decides), ('made in here', made_in_here), ('local users', local_users), ('changes', changes), ('fails', fails)):
        case('%s: no exception' % what, lambda f=fn: f(instance))
done()
