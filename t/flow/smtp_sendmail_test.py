# SPDX-License-Identifier: ISC
"""sendmail and pickup: mail left while the system is down, addresses from the header, exit codes, crafted files in maildrop."""
import glob
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, wait_until      # noqa: E402
from qrec import record                        # noqa: E402
from tap import case, done, ok                 # noqa: E402


def sendmail(i, *args, text='Subject: x\n\ntext\n'):
    return i.run('sendmail', '-C', i.etc, *args, input=text)


def drop(i, name, data, mode=0o744):
    path = i.spool() + '/maildrop/' + name
    with open(path, 'wb') as f:
        f.write(data)
    os.chmod(path, mode)
    return path


def whole(subject, extra=b'', rcpt=b'alice@example.test'):
    return (extra + record(b'S', b'root') + record(b'R', rcpt) + record(b'M') + record(b'N', b'Subject: ' + subject) + record(b'N') + record(b'N', b'text') +
            record(b'X') + record(b'E'))


def while_down(i):
    i.stop()
    ok(sendmail(i, 'alice@example.test', text='Subject: while-down\n\nx\n').returncode == 0, 'sendmail works while the system is down')
    files = glob.glob(i.spool() + '/maildrop/*')
    ok(len(files) == 1 and os.stat(files[0]).st_mode & 0o777 == 0o744, 'its file says that it is whole', files)
    i.start()
    mails = i.wait_mail('alice', 'Subject: while-down')
    ok(len(mails) == 1 and not glob.glob(i.spool() + '/maildrop/*'), 'pickup takes it up, once, and removes it')
    ok(mails and re.search(rb'Received: by mail\.example\.test \(Postfix, from userid %d\)\n\tid \w+; ' % os.getuid(), mails[0]), 'Received says who')
    ok(re.search(r'postfix/pickup\[\d+\]: \w+: uid=%d from=<' % os.getuid(), i.log()), "and so does pickup's line")


def from_header(i):
    text = 'To: alice@example.test (Alice),\n Bob <bob@example.test>\nCc: alice@example.test\nBcc: bob+b@example.test\nSubject: header-rcpts\n\n.\nafter the dot\n'
    ok(sendmail(i, '-t', '-i', '-f', 'me@example.test', '-F', 'Me Myself', text=text).returncode == 0, '-t -i -f -F')
    mails = i.wait_mail('alice', 'Subject: header-rcpts')
    bobs = i.wait_mail('bob', 'Subject: header-rcpts', count=2)
    ok(len(mails) == 1 and len(bobs) == 2, 'each address once', (len(mails), len(bobs)))
    ok(mails and b'\n.\nafter the dot' in mails[0] and b'Bcc' not in mails[0] and b'From: Me Myself <me@example.test>' in mails[0], 'a dot is text with -i, Bcc goes, From is added', mails)


def exit_codes(i):
    ok(sendmail(i).returncode == 64, 'no recipient is 64')
    ok(sendmail(i, '-t').returncode == 64, 'none in the header is 64')
    ok(sendmail(i, '-N', 'sometimes', '-R', 'all', 'alice@example.test', text='Subject: bad options\n\nx\n').returncode == 0 and i.wait_mail('alice', 'bad options'), 'a bad -N or -R keeps no mail')
    ok(sendmail(i, '-bz').returncode == 64, 'an unknown mode is 64')
    ok(sendmail(i, 'alice@example.test', text='Subject: x\n\n' + 'x' * 70 + '\n' * 11000000).returncode == 65, 'too large is 65')
    ok(sendmail(i, '-oi', '-oem', '-v', '-n', '-B8BITMIME', '-N', 'never', '-R', 'hdrs', '-V', 'id1', '-odq', 'alice@example.test', text='Subject: options\n\nx\n').returncode == 0 and
       len(i.wait_mail('alice', 'Subject: options')) == 1, 'options of old')
    ok(sendmail(i, 'alice@example.test', text='Subject: crlf\r\n\r\nline\r\n.\r\nnot this\r\n').returncode == 0 and
       b'not this' not in (i.wait_mail('alice', 'Subject: crlf') or [b'not this'])[0], 'CR LF are line ends, a lone dot ends')
    ok('Mail queue is empty' in sendmail(i, '-bp').stdout, '-bp lists the queue')


def smtp_on_pipe(i):
    talk = 'EHLO x\nMAIL FROM:<me@example.test>\nRCPT TO:<bad address>\nRCPT TO:<alice@example.test>\nDATA\nSubject: on-pipe\n\n..dot\n.\nFOO\nQUIT\n'
    out = sendmail(i, '-bs', text=talk).stdout
    ok(re.search(r'250 2\.1\.0 Ok\s+501 .*\s+250 2\.1\.5 Ok\s+354 .*\s+250 2\.0\.0 Ok.*\s+502 .*\s+221 ', out), '-bs speaks SMTP', out)
    ok(b'\n.dot\n' in (i.wait_mail('alice', 'Subject: on-pipe') or [b''])[0], 'and its mail arrives')


CRAFTED = (
    ('a login that nobody proved', whole(b'crafted', record(b'A', b'sasl_username=alice'))),
    ('a client address', whole(b'crafted', record(b'A', b'client_address=192.0.2.1'))),
    ('a content filter', whole(b'crafted', record(b'L', b'smtp:[127.0.0.1]'))),
    ('a pointer', whole(b'crafted', record(b'p', b'%15d' % 0))),
    ('no end', whole(b'crafted')[:-2]),
    ('text after the end', whole(b'crafted') + b'x'),
    ('a line break in a recipient', whole(b'crafted', rcpt=b'a\nb@example.test')),
    ('no records at all', b'#!/bin/sh\nSubject: crafted\n'),
)


def crafted(i):
    for n, (what, data) in enumerate(CRAFTED):
        drop(i, 'evil%d' % n, data)
    os.symlink('/etc/passwd', i.spool() + '/maildrop/link')
    os.mkfifo(i.spool() + '/maildrop/fifo', 0o700)
    os.link(drop(i, 'two', whole(b'crafted')), i.spool() + '/maildrop/names')
    drop(i, 'unfinished', whole(b'crafted'), mode=0o600)
    sendmail(i, 'alice@example.test', text='Subject: honest\n\nx\n')
    ok(len(i.wait_mail('alice', 'Subject: honest')) == 1, 'an honest message gets through beside crafted files')
    ok(wait_until(lambda: len(re.findall(r'warning: maildrop/\S+: .*; (?:set aside as|removed)', i.log())) >= len(CRAFTED) + 4, 10), 'each of them is named', i.log()[-3000:])
    for n, (what, _) in enumerate(CRAFTED):
        ok(os.path.exists('%s/maildrop/refused-evil%d' % (i.spool(), n)), 'refused: ' + what)
    ok(not os.path.exists(i.spool() + '/maildrop/link') and os.path.exists(i.spool() + '/maildrop/unfinished'), 'a link is refused; an unfinished file waits')
    ok(not [m for m in i.mails('alice') if b'Subject: crafted' in m], 'nothing crafted is delivered')
    count = len(re.findall('warning: maildrop/', i.log()))
    sendmail(i, 'alice@example.test', text='Subject: again\n\nx\n')
    i.wait_mail('alice', 'Subject: again')
    ok(len(re.findall('warning: maildrop/', i.log())) == count, 'refused files are not looked at again')


def refused_for_good(i):
    ok(sendmail(i, '-f', 'bob@example.test', 'alice@example.test', text='Subject: forbidden\n\ntext that comes back\n').returncode == 0, 'sendmail takes what will be refused')
    back = i.wait_mail('bob', 'text that comes back')
    ok(back and b'not in this house' in back[0] and b'From: MAILER-DAEMON@' in back[0], 'its sender gets it back with the reason', (back, i.log()[-2000:]))
    ok(not [m for m in i.mails('alice') if b'forbidden' in m] and not glob.glob(i.spool() + '/maildrop/refused-*'), 'and nobody else')


with Instance(main='header_checks = regexp:{ {/^Subject: forbidden/ REJECT 5.7.0 not in this house} }\n') as instance:
    for what, fn in (('refused for good', refused_for_good), ('while down', while_down), ('from the header', from_header), ('exit codes', exit_codes), ('SMTP on a pipe', smtp_on_pipe), ('crafted files', crafted)):
        case(what + ': no exception', lambda f=fn: f(instance))
done()
