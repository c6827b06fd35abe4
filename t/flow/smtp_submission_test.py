# SPDX-License-Identifier: ISC
"""Submission: TLS before AUTH, AUTH before MAIL, senders of one's own, header fix-ups, STARTTLS that forgets what came before it."""
import base64
import os
import re
import smtplib
import socket
import ssl
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, tls, wait_until      # noqa: E402
from tap import case, done, ok                      # noqa: E402


def plain(user, password):
    return 'PLAIN ' + base64.b64encode(b'\0' + user.encode() + b'\0' + password.encode()).decode()


def before_tls(i):
    s = i.submission(user=None, starttls=False)
    ok('auth' not in s.esmtp_features, 'AUTH is not announced without TLS')
    ok(s.docmd('AUTH', plain('alice', 'alice-secret'))[0] in (530, 538), 'AUTH without TLS is refused')
    ok(s.docmd('MAIL', 'FROM:<alice@example.test>')[0] == 530, 'MAIL without TLS is 530')
    s.quit()


def before_auth(i):
    s = i.submission(user=None)
    ok(s.docmd('MAIL', 'FROM:<alice@example.test>') == (530, b'5.7.0 Authentication required'), 'MAIL before AUTH is 530 5.7.0')
    ok(s.docmd('VRFY', 'alice')[0] == 530, 'VRFY before AUTH is 530')
    ok(s.docmd('BDAT', '0 LAST')[0] in (503, 530), 'BDAT before AUTH is refused')
    ok(s.docmd('STARTTLS')[0] == 554, 'a second STARTTLS is refused')
    s.quit()


def mechanisms(i):
    s = i.submission(user=None)
    ok(s.docmd('AUTH', 'CRAM-MD5')[0] == 535, 'a mechanism that is not offered')
    ok(s.docmd('AUTH')[0] == 501, 'AUTH without a mechanism')
    ok(s.docmd('AUTH', 'LOGIN')[0] == 334 and s.docmd('*')[0] == 501, 'an exchange given up with *')
    ok(s.docmd('AUTH', 'PLAIN !!!')[0] in (501, 535), 'a response that is no base64')
    ok(s.docmd('AUTH', plain('alice', 'wrong'))[0] == 535, 'a wrong password')
    ok(s.docmd('AUTH', plain('nobody', 'wrong'))[0] == 535, 'an unknown user')
    ok(s.docmd('MAIL', 'FROM:<alice@example.test>')[0] == 530, 'after failed AUTH there is no mail')
    ok(s.docmd('AUTH', 'LOGIN')[0] == 334, 'LOGIN')
    s.docmd(base64.b64encode(b'alice').decode())
    ok(s.docmd(base64.b64encode(b'alice-secret').decode()) == (235, b'2.7.0 Authentication successful'), 'LOGIN with the right password')
    ok(s.docmd('AUTH', plain('alice', 'alice-secret'))[0] == 503, 'AUTH twice is refused')
    ok(s.docmd('MAIL', 'FROM:<alice@example.test>')[0] == 250 and s.docmd('AUTH', plain('alice', 'x'))[0] == 503, 'AUTH in a transaction is refused')
    s.quit()
    ok(re.search(r'postfix/submission/smtpd\[\d+\]: warning: localhost\[127.0.0.1\]: SASL PLAIN authentication failed: .*, sasl_username=alice$', i.log(), re.M),
       'a failure is logged as fail2ban knows it')


def ownership(i):
    s = i.submission()
    ok(s.docmd('MAIL', 'FROM:<bob@example.test>') == (553, b'5.7.1 <bob@example.test>: Sender address rejected: not owned by user alice'), "another user's address")
    ok(s.docmd('MAIL', 'FROM:<alice@ext.test>')[0] == 553, 'an address elsewhere')
    ok(s.docmd('MAIL', 'FROM:<alice+tag@example.test>')[0] == 250, 'an extension of one\'s own')
    s.rset()
    ok(s.docmd('MAIL', 'FROM:<>')[0] == 250, 'the null sender, for receipts')
    s.quit()


def fix_ups(i):
    i.submit('alice', ['bob@example.test'], 'Subject: bare\r\nBcc: secret@x.test\r\nReturn-Path: <x@y>\r\n\r\nno date\r\n')
    mail = (i.wait_mail('bob', 'Subject: bare') or [b''])[0].decode()
    ok(re.search(r'^Message-ID: <\d{14}\.\w+@mail\.example\.test>$', mail, re.M | re.I), 'a Message-ID is added', mail)
    ok(re.search(r'^Date: \w{3}, +\d+ \w{3} \d{4} ', mail, re.M) and re.search(r'^From: alice@example.test$', mail, re.M), 'Date and From are added', mail)
    ok('secret@x.test' not in mail and '<x@y>' not in mail, 'Bcc and a Return-Path of the client go', mail)
    ok(re.search(r'Received: from \S+ \(localhost \[127\.0\.0\.1\]\)\n\s+by mail\.example\.test \(Postfix\) with ESMTPSA id \w+\n\s+for <bob@example\.test>; ', mail),
       'Received says ESMTPSA', mail)


def forget_before_tls(i):
    s = smtplib.SMTP('127.0.0.1', i.port + 25, timeout=20)
    s.ehlo('plain.test')
    ok(s.docmd('MAIL', 'FROM:<a@ext.test>')[0] == 250 and s.docmd('STARTTLS')[0] == 503, 'STARTTLS in a transaction is refused')
    s.rset()
    s.starttls(context=tls())
    ok(s.docmd('RCPT', 'TO:<alice@example.test>')[0] == 503, 'after STARTTLS nothing of before counts')
    s.ehlo('x')
    ok('starttls' not in s.esmtp_features, 'STARTTLS is not announced under TLS')
    s.quit()


def injected(i, gap):
    s = socket.create_connection(('127.0.0.1', i.port + 25), timeout=10)
    f = s.makefile('rb')
    f.readline()
    s.sendall(b'EHLO x\r\n')
    while f.readline()[3:4] == b'-':
        pass
    s.sendall(b'STARTTLS\r\n' if gap else b'STARTTLS\r\nNOOP injected\r\n')
    first = f.readline()
    if gap:
        s.sendall(b'NOOP injected\r\n')
    rest = f.read(100)
    s.close()
    return (first.startswith(b'220') if gap else first.startswith(b'554')) and b'250' not in rest


def truncated(i, command):
    """TLS that ends in the middle of a message: nothing arrives, the server lives."""
    raw = socket.create_connection(('127.0.0.1', i.port + 25), timeout=10)
    raw.recv(200)
    raw.sendall(b'EHLO x\r\n')
    raw.recv(1000)
    raw.sendall(b'STARTTLS\r\n')
    raw.recv(100)
    s = tls().wrap_socket(raw)
    for line in (b'EHLO x\r\n', b'MAIL FROM:<a@ext.test>\r\n', b'RCPT TO:<alice@example.test>\r\n', command):
        s.sendall(line)
        if line is not command or command.startswith(b'DATA'):
            s.recv(2000)
    s.sendall(b'Subject: cut-off\r\n\r\nhalf')
    try:
        plain_side = s.unwrap()
        plain_side.sendall(b'x')
    except (ssl.SSLError, OSError):
        pass
    s.close()


def teardown(i):
    pids = sorted(i.pids_of('smtpd'))
    for command in (b'DATA\r\n', b'BDAT 1000\r\n'):
        truncated(i, command)
    i.send('a@ext.test', ['alice@example.test'], 'Subject: after\r\n\r\nx\r\n')
    ok(i.wait_mail('alice', 'Subject: after') and not [m for m in i.mails('alice') if b'cut-off' in m], 'C1: a message cut off by the end of TLS does not arrive')
    ok(sorted(i.pids_of('smtpd')) == pids, 'and no process died')


with Instance() as instance:
    for what, fn in (('before TLS', before_tls), ('before AUTH', before_auth), ('mechanisms', mechanisms), ('ownership', ownership), ('fix-ups', fix_ups),
                     ('STARTTLS forgets', forget_before_tls), ('teardown', teardown)):
        case(what + ': no exception', lambda f=fn: f(instance))
    case('B1: a command in the same segment as STARTTLS is not answered', lambda: injected(instance, False))
    case('B2: nor one between 220 and the handshake', lambda: injected(instance, True))
    case('465: TLS from the first byte', lambda: smtplib.SMTP_SSL('127.0.0.1', instance.port + 465, context=tls(), timeout=20).login('alice', 'alice-secret')[0] == 235)
done()
