# SPDX-License-Identifier: ISC
"""deliver-out against servers that do what servers do: results, log lines, texts."""
import os
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from out import BOUNCED, DEFERRED, SENT, Out, Qmgr, Sink, brief, tls
from qrec import content
from tap import ok, done

with Out() as d:
    q = Qmgr(d)
    s = Sink()
    r = q.deliver(s.nexthop, text=b'Subject: dots\n\n.\n..two\nCR\rhere\nlast\n')[0]
    ok(brief(r) == (SENT, '2.0.0', '250 2.0.0 Ok: queued as SINK1'), 'a message is sent', r)
    ok(s.messages[0] == b'Subject: dots\r\n\r\n..\r\n...two\r\nCR here\r\nlast\r\n.\r\n', 'dots are stuffed, a stray CR becomes a blank', s.messages)
    line = d.wait_log('status=sent')
    ok(line and 'postfix/smtp[' in line and ': 4Zabc1: to=<bob@example.net>, relay=127.0.0.1[127.0.0.1]:%d, delay=' % s.port in line
       and ', dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as SINK1)' in line, 'the log line is Postfix\'s', line)
    ok(s.commands[:4] == ['EHLO mail.example.test', 'MAIL FROM:<alice@example.test> SIZE=36', 'RCPT TO:<bob@example.net>', 'DATA'], 'the dialogue', s.commands)
    q.deliver(s.nexthop)
    ok(s.connections == 1 and d.wait_log('conn_use=2'), 'the next message uses the same connection')
    r = q.deliver(s.nexthop, rcpts=[{'address': 'a b@example.net', 'orig': 'orig@example.net', 'orcpt': 'rfc822;o+x@example.net', 'notify': 6}], envid='id=1', ret=2, flags=4)[0]
    ok('MAIL FROM:<alice@example.test> SIZE=18 BODY=8BITMIME RET=HDRS ENVID=id+3D1' in s.commands and
       'RCPT TO:<"a b"@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o+2Bx@example.net' in s.commands and r['dsn_passed_on'],
       'DSN parameters are passed on, addresses quoted', s.commands)
    ok(d.wait_log('orig_to=<orig@example.net>'), 'orig_to in the log')
    r = q.deliver(s.nexthop, text=b'x' * 2500 + b'\n')[0]
    ok(max(len(x) for x in s.messages[-1].split(b'\r\n')) <= 998 and s.messages[-1].replace(b'\r\n ', b'').startswith(b'x' * 2500), 'a line over 998 is folded')
    r = q.deliver(s.nexthop, text=b'y' * 110001)[0]
    ok(brief(r)[:2] == (BOUNCED, '5.3.4') and 'exceeds size limit 100000' in brief(r)[2], 'a message over the server\'s limit is not even tried', r)
    r = q.deliver(s.nexthop, flags=2)[0]
    ok(brief(r)[:2] == (BOUNCED, '5.6.7'), 'SMTPUTF8 that is not offered', r)

    def by_name(line):
        return '550 5.1.1 <x>: User unknown' if 'bad' in line else '450 4.2.0 later' if 'slow' in line else None
    s = Sink(RCPT=by_name)
    r = q.deliver(s.nexthop, rcpts=['good@x.net', 'bad@x.net', 'slow@x.net'])
    ok([x['outcome'] for x in r] == [SENT, BOUNCED, DEFERRED], 'each recipient has its own result', [brief(x) for x in r])
    ok(brief(r[1]) == (BOUNCED, '5.1.1', 'host 127.0.0.1[127.0.0.1] said: 550 5.1.1 <x>: User unknown (in reply to RCPT TO command)') and
       r[1]['remote_reply'] == b'550 5.1.1 <x>: User unknown', 'the text names the host and the command', brief(r[1]))
    n = len(s.messages)
    r = q.deliver(s.nexthop, rcpts=['bad1@x.net', 'bad2@x.net'])
    ok([x['outcome'] for x in r] == [BOUNCED, BOUNCED], 'all recipients refused', r)
    r = q.deliver(s.nexthop)[0]
    ok(r['outcome'] == SENT, 'and the next message goes', r)
    s = Sink(ehlo=('SIZE 0',), RCPT=by_name)
    r = q.deliver(s.nexthop, rcpts=['good@x.net', 'bad@x.net'])
    ok([x['outcome'] for x in r] == [SENT, BOUNCED], 'without PIPELINING', r)
    s = Sink(EHLO='502 what', HELO='250 hi')
    ok(q.deliver(s.nexthop)[0]['outcome'] == SENT and 'HELO mail.example.test' in s.commands, 'HELO when EHLO is unknown', s.commands)

    # refusals
    for replies, want, text, name in [
            (dict(greeting='421 4.3.2 go away'), (DEFERRED, '4.3.0'), 'refused to talk to me: 421 4.3.2 go away', 'a 421 greeting'),
            (dict(greeting='554 5.7.1 no'), (DEFERRED, '4.3.0'), 'refused to talk to me: 554', 'a 5xx greeting defers too'),
            (dict(greeting=None), (DEFERRED, '4.4.2'), 'lost connection with 127.0.0.1[127.0.0.1] while receiving the initial server greeting', 'a server that hangs up at once'),
            (dict(MAIL='550 5.7.1 not you'), (BOUNCED, '5.7.1'), 'said: 550 5.7.1 not you (in reply to MAIL FROM command)', 'MAIL refused'),
            (dict(MAIL='451 4.7.1 greylisted'), (DEFERRED, '4.7.1'), '(in reply to MAIL FROM command)', 'MAIL deferred'),
            (dict(RCPT='552 5.2.2 full'), (DEFERRED, '4.2.2'), 'said: 552 5.2.2 full', '552 to RCPT is temporary'),
            (dict(DATA='554 5.5.1 no'), (BOUNCED, '5.5.1'), '(in reply to DATA command)', 'DATA refused'),
            (dict(END='552 5.3.4 too big'), (BOUNCED, '5.3.4'), '(in reply to end of DATA command)', 'the message refused'),
            (dict(END='451 4.3.0 disk'), (DEFERRED, '4.3.0'), '(in reply to end of DATA command)', 'the message deferred'),
            (dict(END='CLOSE'), (DEFERRED, '4.4.2'), 'while sending end of data -- message may be sent more than once', 'lost at the end of data'),
            (dict(RCPT='CLOSE'), (DEFERRED, '4.4.2'), 'lost connection with 127.0.0.1[127.0.0.1] while sending RCPT TO', 'lost at RCPT'),
            (dict(MAIL='SILENT'), (DEFERRED, '4.4.2'), 'conversation with 127.0.0.1[127.0.0.1] timed out while sending MAIL FROM', 'a server that falls silent'),
            (dict(MAIL='garbage here'), (DEFERRED, '4.5.0'), 'protocol error from', 'a reply that is none'),
            (dict(MAIL='250 ' + 'x' * 5000), (DEFERRED, '4.5.0'), 'line too long', 'a reply line over the limit')]:
        r = q.deliver(Sink(**replies).nexthop)[0]
        ok(brief(r)[:2] == want and text in brief(r)[2], name, brief(r))
    closed = socket.socket()
    closed.bind(('127.0.0.1', 0))
    port = closed.getsockname()[1]
    r = q.deliver('[127.0.0.1]:%d' % port)[0]
    ok(brief(r) == (DEFERRED, '4.4.1', 'connect to 127.0.0.1[127.0.0.1]:%d: Connection refused' % port) and r['next_hop_failed'], 'nobody listens', r)
    ok(d.wait_log('postfix/smtp') and d.wait_log('relay=none'), 'relay=none then')

    # DNS
    good = Sink()
    for hop, want, text, name in [
            ('good.test:%d' % good.port, (SENT, '2.0.0'), 'queued as', 'by MX'),
            ('nomx.test:%d' % good.port, (SENT, '2.0.0'), 'queued as', 'by address when there is no MX'),
            ('null.test', (BOUNCED, '5.1.10'), 'Domain null.test does not accept mail (nullMX)', 'null MX'),
            ('gone.test', (BOUNCED, '5.4.4'), 'Host or domain name not found. Name service error for name=gone.test type=MX: Host not found', 'no such domain'),
            ('later.test', (DEFERRED, '4.4.3'), 'name=later.test type=MX: Host not found, try again', 'a DNS failure'),
            ('[gone.test]', (BOUNCED, '5.4.4'), 'name=gone.test type=A: Host not found', 'no such host'),
            ('empty.test', (BOUNCED, '5.4.4'), 'type=A: Host found but no data record of requested type', 'a name without addresses'),
            ('deadmx.test', (BOUNCED, '5.4.4'), 'name=gone.test type=A', 'an MX without address'),
            ('self.test', (BOUNCED, '5.4.6'), 'mail for self.test loops back to myself', 'the best MX is this host'),
            ('[bad', (DEFERRED, '4.3.5'), 'cannot parse destination', 'a destination that is none')]:
        r = q.deliver(hop)[0]
        ok(brief(r)[:2] == want and text in brief(r)[2], name, brief(r))
    r = q.deliver('[127.0.0.2]:1, [127.0.0.1]:%d' % good.port)[0]
    ok(r['outcome'] == SENT, 'the second destination of a list')
    ok(d.wait_log('connect to 127.0.0.2[127.0.0.2]:1: Connection refused'), 'each server that does not answer is named')
    r = q.deliver('backup.test:%d' % good.port)[0]
    ok(r['outcome'] == SENT and b'SINK' in r['text'], 'the second MX when the first is down', r)

    # connections that end between messages
    def drop_after_first(state):
        threading.Timer(0.3, lambda: state['sock'].shutdown(socket.SHUT_RDWR)).start()
        return '250 2.0.0 once'
    s = Sink(END=drop_after_first)
    q.deliver(s.nexthop)
    time.sleep(0.6)
    r = q.deliver(s.nexthop)[0]
    ok(r['outcome'] == SENT and s.connections == 2, 'a server that closed an idle connection: a new one', r)
    count = [0]

    def second_mail(line):
        count[0] += 1
        return 'CLOSE' if count[0] == 2 else None
    s = Sink(MAIL=second_mail)
    q.deliver(s.nexthop)
    r = q.deliver(s.nexthop)[0]
    ok(r['outcome'] == SENT and s.connections == 2, 'one that closes at the second MAIL: again over a new connection', r)

    # TLS
    s = Sink(ehlo=('PIPELINING', 'STARTTLS'), tls=tls)
    r = q.deliver('[127.0.0.1]:%d' % s.port, transport='enc')[0]
    ok(r['outcome'] == SENT and s.commands.count('EHLO mail.example.test') == 2, 'encrypted, with a second EHLO', (r, s.commands))
    line = d.wait_log('TLS connection established')
    ok(line and 'Untrusted TLS connection established to 127.0.0.1[127.0.0.1]:%d: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256' % s.port in line,
       'the TLS line is Postfix\'s', line)
    r = q.deliver('[mail.tls.test]:%d' % s.port, transport='verify')[0]
    ok(r['outcome'] == SENT, 'a verified server', r)
    r = q.deliver('[wrong.tls.test]:%d' % s.port, transport='verify')[0]
    ok(brief(r)[:2] == (DEFERRED, '4.7.5') and 'not verified' in brief(r)[2], 'a certificate for another name defers', r)
    r = q.deliver(Sink().nexthop, transport='enc')[0]
    ok(brief(r)[:2] == (DEFERRED, '4.7.4') and 'TLS is required, but was not offered by host 127.0.0.1[127.0.0.1]' in brief(r)[2], 'TLS required but not offered', r)
    ok(q.deliver(Sink().nexthop, transport='may')[0]['outcome'] == SENT, 'opportunistic TLS goes without')
    s = Sink(ehlo=('STARTTLS',), STARTTLS='220 go on in plain')
    r = q.deliver(s.nexthop, transport='may')[0]
    ok(r['outcome'] == SENT or 'TLS' in brief(r)[2], 'a server whose TLS does not work', r)

    # AUTH
    s = Sink(ehlo=('PIPELINING', 'AUTH PLAIN LOGIN'))
    r = q.deliver(s.nexthop, transport='auth')[0]
    ok(r['outcome'] == SENT and 'AUTH PLAIN AHVzZXIAcGFzczp3b3Jk' in s.commands, 'AUTH PLAIN with the password of the table', s.commands)
    s = Sink(ehlo=('AUTH LOGIN',))
    r = q.deliver(s.nexthop, transport='auth')[0]
    ok(r['outcome'] == SENT and s.commands[1:4] == ['AUTH LOGIN', 'dXNlcg==', 'cGFzczp3b3Jk'], 'AUTH LOGIN', s.commands)
    s = Sink(ehlo=('AUTH PLAIN',), AUTH='535 5.7.8 wrong')
    r = q.deliver(s.nexthop, transport='auth')[0]
    ok(brief(r)[:2] == (DEFERRED, '4.7.8') and 'SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8 wrong' in brief(r)[2], 'a refused password defers', r)
    s = Sink(ehlo=('AUTH PLAIN',))
    r = q.deliver(s.nexthop, transport='authtls')[0]
    ok(brief(r)[:2] == (DEFERRED, '4.7.0') and not any(c.startswith('AUTH') for c in s.commands), 'no password goes out in plain text by default', (r, s.commands))

    # XFORWARD
    attrs = b''
    for a in (b'client_name=c.example', b'client_address=192.0.2.9', b'helo_name=h e', b'protocol_name=ESMTP'):
        attrs += b'A' + bytes([len(a)]) + a
    s = Sink(ehlo=('XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT',))
    r = q.deliver(s.nexthop, transport='xfwd', attrs=attrs, queue_id='4Zx')[0]
    ok(r['outcome'] == SENT and 'XFORWARD NAME=c.example ADDR=192.0.2.9 PORT=[UNAVAILABLE] HELO=h+20e PROTO=ESMTP IDENT=4Zx SOURCE=REMOTE' in s.commands,
       'XFORWARD tells where the message came from', s.commands)
    s = Sink(ehlo=('XFORWARD NAME',), XFORWARD='501 no')
    ok(q.deliver(s.nexthop, transport='xfwd', attrs=attrs)[0]['outcome'] == SENT, 'a refused XFORWARD does not stop the message')

    # LMTP and the others
    s = Sink(lmtp=True, END=['250 2.1.5 one', '550 5.2.2 over quota', '451 4.2.0 later'])
    r = q.deliver('inet:127.0.0.1:%d' % s.port, rcpts=['a@x', 'b@x', 'c@x'], transport='lmtp')
    ok([x['outcome'] for x in r] == [SENT, BOUNCED, DEFERRED] and s.commands[0] == 'LHLO mail.example.test', 'LMTP: a result per recipient', [brief(x) for x in r])
    r = q.deliver(Sink().nexthop, transport='relay')[0]
    ok(d.wait_log('postfix/relay/smtp['), 'a transport\'s own syslog_name')
    ok(brief(q.deliver('5.1.1 no such user', transport='error')[0]) == (BOUNCED, '5.1.1', 'no such user'), 'error')
    ok(brief(q.deliver('mail is held', transport='error')[0]) == (BOUNCED, '5.0.0', 'mail is held'), 'error without a status')
    ok(brief(q.deliver('4.7.0 wait', transport='retry')[0]) == (DEFERRED, '4.7.0', 'wait'), 'retry')
    ok(brief(q.deliver('gone', transport='discard')[0])[:2] == (SENT, '2.0.0'), 'discard')
    ok(brief(q.deliver('x', transport='nosuch')[0]) == (DEFERRED, '4.3.0', 'mail transport unavailable'), 'an unknown transport')

    # a file of records, and one that is cut
    f = tempfile.TemporaryFile()
    body = content(b'Subject: file\n\nfrom a file\n')
    f.write(b'C' + bytes([3]) + b'abc' + b'M\0' + body + b'X\0E\0')
    f.flush()
    s = Sink()
    r = q.deliver(s.nexthop, content=b'', file=f.fileno(), content_at=7, content_end=7 + len(body))[0]
    ok(r['outcome'] == SENT and s.messages == [b'Subject: file\r\n\r\nfrom a file\r\n.\r\n'], 'content of a queue file', (r, s.messages))
    f.truncate(7 + len(body) - 5)
    r = q.deliver(s.nexthop, content=b'', file=f.fileno(), content_at=7, content_end=7 + len(body))[0]
    ok(brief(r)[:2] == (DEFERRED, '4.3.0') and len(s.messages) == 1, 'a damaged queue file is not sent', (r, s.messages))

    # a qmgr that goes away
    def slow(state):
        time.sleep(1)
        return '250 2.0.0 slow'
    s = Sink(END=slow)
    q.deliver(s.nexthop, wait=False)
    acked = q.job
    q.deliver('x', transport='discard', ack=False)
    time.sleep(0.3)
    q.c.close()
    job = q.job
    q = Qmgr(d)
    q.job = 1000
    q.c.send('INFLIGHT_ASK')
    flights = []
    while True:
        _, m = q.c.recv()
        if m[''] == 'INFLIGHT_END':
            break
        flights.append((m['queue_id'], m['job']))
    ok(sorted(flights) == [(b'4Zabc%d' % acked, acked), (b'4Zabc%d' % job, job)], 'a new qmgr hears what is in flight', flights)
    r = q.results(1)
    ok(r[0]['job'] == job, 'and gets the result that its predecessor did not acknowledge', r)
    r = q.results(1)
    ok(r[0]['job'] == acked and r[0]['outcome'] == SENT, 'and the one that was under way', r)

    # many at once
    s = Sink()
    got = []
    for i in range(200):
        q.deliver(s.nexthop, wait=False)
        if i >= 19:
            got += q.results(1)
    while len(got) < 200:
        got += q.results(1)
    ok(len(s.messages) == 200 and s.connections <= 20 and all(x['outcome'] == SENT for x in got), '200 messages, 20 at a time, over 20 connections at most', (len(s.messages), s.connections, [brief(x) for x in got if x['outcome'] != SENT][:3]))
    ok(d.process.poll() is None, 'the process is alive')
done()
