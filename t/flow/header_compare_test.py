# SPDX-License-Identifier: ISC
"""What becomes of the addresses of a message, in its header and its envelope: the same messages go through Debian's Postfix
and through Postern with the same main.cf, and arrive alike: canonical tables and their classes, masquerading, incomplete
addresses, clients whose header is not rewritten."""
import os
import re
import smtplib
import socketserver
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
import peer                                                             # noqa: E402
from instance import Instance, wait_until                                # noqa: E402
from tap import case, done, ok                                          # noqa: E402

COMMON = '''
myhostname = mx.our.test
mydomain = our.test
myorigin = our.test
mydestination = local.our.test
mynetworks = 127.0.0.0/8
default_transport = smtp:[127.0.0.1]:%(sink)d
relayhost =
append_dot_mydomain = yes
recipient_delimiter = +
smtputf8_enable = yes
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
smtpd_reject_unlisted_recipient = no
virtual_mailbox_domains =
virtual_mailbox_maps =
virtual_alias_maps =
virtual_alias_domains =
smtpd_client_connection_count_limit = 0
smtp_tls_security_level =
'''

CANONICAL = '''
canonical_maps = inline:{ { joe@our.test = Joe.User@example.org }, { @old.test = @new.test }, { two@our.test = three@our.test },
    { three@our.test = four@our.test }, { both@our.test = common@our.test } }
sender_canonical_maps = inline:{ { root@our.test = admin@example.org }, { both@our.test = sender@our.test }, { @s.test = s@hub.test } }
recipient_canonical_maps = inline:{ { root@our.test = postmaster@example.org }, { both@our.test = recipient@our.test }, { list = all@example.org } }
'''

HEADERS = [
    'From: joe@our.test', 'From: Joe <joe@our.test>', 'From: joe', 'From: "Joe \\"x\\" User" <joe+ext@our.test>', 'From: root (Charlie Root)',
    'To: root', 'To: root, joe@our.test,\n\tsomeone@far.test', 'Cc: A Group: a@old.test, b@far.test;, c@old.test', 'Reply-To: root@our.test',
    'To: list', 'To: list@our.test, list@far.test', 'Errors-To: joe', 'Sender: both@our.test', 'To: both@our.test', 'From: two@our.test', 'To: x@short',
    'reply-to: joe', 'Resent-From: joe', 'Resent-To: joe', 'Return-Receipt-To: joe', 'Disposition-Notification-To: <joe>', 'Mail-Followup-To: joe',
    'Apparently-To: joe', 'X-From: joe', 'Subject: joe', 'To: joe%far.test', 'To: far!joe', 'To: <@relay.test:joe@our.test>', 'To: "joe user"@our.test',
    'To: joe@OUR.TEST', 'From: u@a.host.our.test', 'From: root@a.host.our.test', 'To: u@a.host.our.test', 'Cc: u@keep.our.test', 'To: undisclosed-recipients:;',
    'To: joe @ our.test', 'To: joe(c)', 'To: joe, , root', 'To: =?utf-8?Q?J=C3=B6?= <joe>', 'To: "joe"', 'To: joe@[127.0.0.1]', 'To: <joe>, <root>',
    'From: joe@our.test, root@our.test', 'To: a b c <joe>', 'To: joe@our.test.', 'From: <>', 'To: x@s.test', 'From: x@s.test', 'To: ',
    'To: ' + ', '.join('person%d@old.test' % n for n in range(12)), 'From: Jöe <joe>', 'To: joe@our.test (a (nested) comment)',
]
ENVELOPES = [
    ('joe@our.test', 'root@our.test'), ('root@our.test', 'joe@our.test'), ('both@our.test', 'both@our.test'), ('', 'x@old.test'),
    ('u@a.host.our.test', 'u@a.host.our.test'), ('two@our.test', 'two@our.test'), ('x@s.test', 'x@s.test'), ('root', 'list'),
]

# name, lines of main.cf
SETTINGS = [
    ('no tables', ''),
    ('canonical tables', CANONICAL),
    ('canonical classes', CANONICAL + 'canonical_classes = envelope_sender, header_recipient\nsender_canonical_classes = envelope_sender\n'
     'recipient_canonical_classes = header_recipient\n'),
    ('masquerading', 'masquerade_domains = !keep.our.test our.test\nmasquerade_exceptions = root\n'),
    ('masquerading of recipients too', 'masquerade_domains = our.test\nmasquerade_classes = envelope_sender, envelope_recipient, header_sender\n'
     'smtpd_reject_unlisted_recipient = yes\n'),
    ('clients whose header is not rewritten', CANONICAL + 'local_header_rewrite_clients =\nmasquerade_domains = our.test\n'),
    ('a domain for remote headers', CANONICAL + 'local_header_rewrite_clients =\nremote_header_rewrite_domain = domain.invalid\nmasquerade_domains = our.test\n'),
    ('extensions are propagated', CANONICAL + 'propagate_unmatched_extensions = canonical, virtual\n'),
    ('extensions are not propagated', CANONICAL + 'propagate_unmatched_extensions =\n'),
]


class Sink(socketserver.ThreadingTCPServer):
    """An SMTP server that keeps what it gets: {key: (sender, recipients, header)}."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port):
        self.mails = {}
        super().__init__(('127.0.0.1', port), Talk)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Talk(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b'\r\n')

    def handle(self):
        self.say('220 sink.test ESMTP')
        sender, to = '', []
        for line in iter(self.rfile.readline, b''):
            text = line.decode('utf-8', 'surrogateescape').rstrip('\r\n')
            verb = text[:4].upper()
            if verb == 'EHLO':
                self.say('250-sink.test\r\n250-SMTPUTF8\r\n250 8BITMIME')
                continue
            if verb == 'MAIL':
                sender, to = re.search('<(.*)>', text).group(1), []
            elif verb == 'RCPT':
                to.append(re.search('<(.*)>', text).group(1))
            elif verb == 'DATA':
                self.say('354 go on')
                self.take(sender, to)
                continue
            self.say('221 bye' if verb == 'QUIT' else '250 ok')
            if verb == 'QUIT':
                return

    def take(self, sender, to):
        body = b''
        for line in iter(self.rfile.readline, b'.\r\n'):
            body += line[1:] if line.startswith(b'..') else line
        head = body.split(b'\r\n\r\n', 1)[0].decode('utf-8', 'surrogateescape')
        key = re.search('^X-Test: (.*)\r?$', head, re.M).group(1).strip()
        # What each system says of itself is not the subject.
        fields = [f for f in re.split(r'\r\n(?![ \t])', head) if not re.match('(?i)(received|message-id|resent-message-id|date|resent-date|x-test):', f)]
        self.server.mails[key] = (sender, sorted(to), fields)
        self.say('250 taken')


def send_all(port, name):
    s = smtplib.SMTP('127.0.0.1', port, timeout=30)
    s.ehlo('client.test')
    keys = []
    for n, header in enumerate(HEADERS):
        keys.append('%s/header %d' % (name, n))
        s.sendmail('sender@far.test', ['rcpt@far.test'], (header + '\nX-Test: %s\n\nbody\n' % keys[-1]).replace('\n', '\r\n').encode('utf-8', 'surrogateescape'))
    for n, (sender, to) in enumerate(ENVELOPES):
        keys.append('%s/envelope %d' % (name, n))
        s.sendmail(sender, [to], 'From: a@far.test\r\nTo: b@far.test\r\nX-Test: %s\r\n\r\nbody\r\n' % keys[-1])
    s.quit()
    return keys


def collect(sink, keys):
    wait_until(lambda: all(k in sink.mails for k in keys), 20)
    got = {k.split('/', 1)[1]: sink.mails.get(k) for k in keys}
    sink.mails.clear()
    return got


def main_cf(text):
    """What COMMON says once more goes, and the log: each process would complain of it, and wait for postlogd while it is being replaced."""
    ours = re.findall(r'^(\w+) =', text, re.M) + ['maillog_file']
    return ''.join(line for line in peer.POSTFIX_MAIN.splitlines(True) if line.split(' ')[0] not in ours) + text


def through_postfix(p, sink, name, lines):
    p.root.write('/etc/postfix/main.cf', main_cf(COMMON % {'sink': sink.server_address[1]} + lines))
    p.start()
    try:
        return collect(sink, send_all(p.port, name))
    finally:
        p.stop()


def through_postern(sink, name, lines):
    with Instance(main=COMMON % {'sink': sink.server_address[1]} + lines) as i:
        return collect(sink, send_all(i.port + 25, name))


def compare(p, sink, name, lines):
    theirs = through_postfix(p, sink, name, lines)
    ours = through_postern(sink, name, lines)
    for key in theirs:
        number = int(key.split()[1])
        what = HEADERS[number] if key.startswith('header') else 'from=<%s> to=<%s>' % ENVELOPES[number]
        ok(theirs[key] is not None and ours[key] == theirs[key], '%s: %s' % (name, what[:60].replace('\n', ' ')), 'Postfix %r\n     us %r' % (theirs[key], ours[key]))


def run():
    base = int(os.environ.get('POSTERN_PORT', '21000')) + 1200
    sink = Sink(base + 5)
    p = peer.Postfix(base, root=peer.Root('postfix'), start=False)
    try:
        for name, lines in SETTINGS:
            case('%s: no exception' % name, lambda: compare(p, sink, name, lines))
    finally:
        p.close()


run()
done()
