# SPDX-License-Identifier: ISC
"""deliver-bounce: the test is qmgr; the notice is parsed by Python's email package."""
import email
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from ipc import Daemon                             # noqa: E402
from qrec import content, parse, text_of           # noqa: E402
from tap import done, ok                           # noqa: E402


class Bounce:
    def __init__(self):
        self.d = Daemon('deliver-bounce', 'bounce', main='myorigin = example.test\nbounce_size_limit = 2000\n')
        self.q = self.d.peer('qmgr')
        self.job = 0

    def compose(self, kind, text, rcpts, **more):
        self.job += 1
        if 'file' not in more:
            more['content'] = content(text)
        self.q.send('COMPOSE', job=self.job, kind=kind, queue_id='4F2BAC0001', new_id='4F2BAC0002', sender=more.pop('sender', 'a@example.test'),
                    arrival_us=int(1.7e15), content_size=len(text), n_rcpt=len(rcpts), **more)
        for r in rcpts:
            self.q.send('COMPOSE_RCPT', job=self.job, **r)
        got = self.q.recv(20)[1]
        return got


def main():
    b = Bounce()
    failed = dict(address='x@example.net', orig='list@example.test', outcome=3, dsn='5.1.1', text='host mx[192.0.2.1] said: 550 no', remote_mta='mx',
                  remote_reply='550 5.1.1 no')
    got = b.compose(1, 'Subject: hello\nFrom: a@example.test\n\nbody \u00e9\n', [failed])
    env = parse(got['envelope'])
    ok(not got['failed'] and ('S', b'') in env and env[-1] == ('R', b'a@example.test'), 'a notice has the null sender and goes to the sender', env)
    ok(('n', b'1') in env, 'and asks for no notice about itself', env)
    m = email.message_from_bytes(text_of(got['content']))
    parts = m.get_payload()
    ok(m.get_content_type() == 'multipart/report' and m.get_param('report-type') == 'delivery-status' and len(parts) == 3, 'it is a report of three parts')
    ok(m['From'].startswith('MAILER-DAEMON@example.test') and m['To'] == 'a@example.test' and m['Auto-Submitted'] == 'auto-replied', 'from MAILER-DAEMON')
    status = parts[1].get_payload()
    ok(status[0]['X-Postfix-Queue-ID'] == '4F2BAC0001' and status[1]['Final-Recipient'] == 'rfc822; x@example.net' and status[1]['Status'] == '5.1.1'
       and status[1]['Diagnostic-Code'] == 'smtp; 550 5.1.1 no', 'the status part can be read by a program', parts[1].as_string())
    ok(parts[2].get_content_type() == 'message/rfc822' and parts[2].get_payload()[0]['Subject'] == 'hello', 'the message is returned')
    big = b.compose(1, 'Subject: big\n\n' + 'x' * 70 + '\n' * 3000, [failed])
    m = email.message_from_bytes(text_of(big['content']))
    ok(m.get_payload()[2].get_content_type() == 'text/rfc822-headers' and b'xxxx' not in text_of(big['content']), 'a large message comes back as its header')
    hdrs = b.compose(1, 'Subject: s\n\nsecret\n', [failed], ret=2)
    ok(b'secret' not in text_of(hdrs['content']), 'RET=HDRS is honoured')
    late = b.compose(2, 'Subject: s\n\nsecret\n', [dict(failed, outcome=2, dsn='4.4.1')])
    m = email.message_from_bytes(text_of(late['content']))
    ok(m.get_payload()[1].get_payload()[1]['Action'] == 'delayed' and b'secret' not in text_of(late['content']), 'a delay notice has only the header')
    good = b.compose(3, 'Subject: s\n\nsecret\n', [dict(failed, outcome=1, dsn='2.0.0', text='delivered', remote_reply='', remote_mta='')])
    ok(email.message_from_bytes(text_of(good['content'])).get_payload()[1].get_payload()[1]['Action'] == 'delivered', 'a success report says delivered')
    null = b.compose(1, 'Subject: s\n\n\n', [failed], sender='')
    ok(null['failed'], 'the null sender is never told')
    post = b.compose(4, 'Subject: s\n\n\n', [failed], sender='')
    ok(not post['failed'] and parse(post['envelope'])[-1] == ('R', b'postmaster'), 'but the postmaster may be')
    with tempfile.TemporaryFile() as f:
        head = b'x' * 100
        body = content('Subject: in a file\n\ntext\n')
        f.write(head + body + b'X\0')
        f.flush()
        got = b.compose(1, 'Subject: in a file\n\ntext\n', [failed], file=f.fileno(), content_at=100, content_end=100 + len(body))
    ok(b'Subject: in a file\n\ntext\n' in text_of(got['content']), 'a message in a queue file is returned too')
    many = b.compose(1, 'Subject: s\n\nt\n', [dict(failed, address='u%d@example.net' % n) for n in range(2000)])
    ok(not many['failed'] and b'u50@example.net' in text_of(many['content']), 'very many recipients make one notice')
    b.d.stop()
    done()


main()
