# SPDX-License-Identifier: ISC
"""anvil: limits per client that hold over all processes of a service, over reloads and deaths, and its statistics."""
import base64
import os
import re
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PASSWORD, tls, wait_until   # noqa: E402
from tap import case, done, ok                             # noqa: E402

COUNT = 6
MORE = 12
EXEMPT = '127.9.9.9'


class Client:
    def __init__(self, i, source, port=25, wrapped=False):
        raw = socket.create_connection(('127.0.0.1', i.port + port), timeout=20, source_address=(source, 0))
        self.s = tls().wrap_socket(raw) if wrapped else raw
        self.f = self.s.makefile('rb')
        self.hello = self.f.readline()

    def say(self, text):
        self.s.sendall(text.encode() + b'\r\n')
        line = self.f.readline()
        while line[3:4] == b'-':
            line = self.f.readline()
        return line

    def starttls(self):
        got = self.say('STARTTLS')
        if got.startswith(b'220'):
            self.s = tls().wrap_socket(self.s)
            self.f = self.s.makefile('rb')
        return got

    def close(self):
        self.f.close()
        self.s.close()


def open_many(i, n, source):
    many = [Client(i, source) for _ in range(n)]
    return [c for c in many if c.hello.startswith(b'220')], [c for c in many if c.hello.startswith(b'421 4.7.0 ')]


def is_full(i, source):
    c = Client(i, source)
    c.close()
    return c.hello.startswith(b'421')


def close(clients):
    for c in clients:
        c.close()


def together(i):
    fine, full = open_many(i, 2 * COUNT, '127.0.1.1')
    ok((len(fine), len(full)) == (COUNT, COUNT), 'so many connections of one client, over all processes, and no more', (len(fine), len(full)))
    ok(full[0].hello.endswith(b' Error: too many connections from 127.0.1.1\r\n'), 'the others are told 421', full[0].hello)
    ok(i.wait_log(r'smtpd\[\d+\]: warning: Connection concurrency limit exceeded: %d from localhost\[127\.0\.1\.1\] for service ' % (COUNT + 1)), 'and the log has Postfix\'s line')
    other, _ = open_many(i, 1, '127.0.1.2')
    ok(other, 'another client has its own count')
    exempt, refused = open_many(i, 3 * COUNT, EXEMPT)
    ok(len(exempt) == 3 * COUNT and not refused, 'smtpd_client_event_limit_exceptions')
    close(exempt + other + full)
    ok(is_full(i, '127.0.1.1'), 'refused ones do not count for ever')
    fine.pop().close()
    ok(wait_until(lambda: not is_full(i, '127.0.1.1'), 10), 'one that ends makes room for one')
    close(fine)


def deaths(i):
    source = '127.0.2.1'
    held, _ = open_many(i, COUNT, source)
    ok(len(held) == COUNT and is_full(i, source), 'full')
    old = i.pids_of('anvil')
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    c = Client(i, '127.0.2.2')
    ok(c.hello.startswith(b'220'), 'anvil is dead: mail goes on', c.hello)
    c.close()
    ok(wait_until(lambda: i.pids_of('anvil') and i.pids_of('anvil') != old and is_full(i, source), 10), 'a new anvil learns what the processes have')
    ok(is_full(i, source) and is_full(i, source), 'and the limit holds')
    for pid in i.pids_of('anvil'):
        os.kill(pid, signal.SIGSTOP)
    start = time.time()
    c = Client(i, '127.0.2.3')
    first = time.time() - start
    start = time.time()
    again = [Client(i, '127.0.2.4') for _ in range(COUNT // 2)]
    ok(c.hello.startswith(b'220') and first < 5 and all(x.hello.startswith(b'220') for x in again) and time.time() - start < 5, 'anvil hangs: mail goes on',
       (first, time.time() - start))
    for pid in i.pids_of('anvil'):
        os.kill(pid, signal.SIGCONT)
    close([c] + again)
    old = i.pids_of('anvil')
    i.reload()
    ok(wait_until(lambda: i.pids_of('anvil') and not set(i.pids_of('anvil')) & set(old), 20), 'a reload replaces anvil')
    ok(wait_until(lambda: is_full(i, source), 10) and is_full(i, source) and is_full(i, source), 'after a reload, connections from before it count')
    for pid in i.pids_of('smtpd'):
        os.kill(pid, signal.SIGKILL)

    def room():
        try:
            return not is_full(i, source)
        except OSError:
            return False
    ok(wait_until(room, 15), 'those of a process that died do not')
    close(held)


def statistics(i):
    c = Client(i, '127.0.3.1')
    c.close()
    pattern = r'postfix/anvil\[\d+\]: statistics: max %s (\d+)%s for \((\S+):127\.\d+\.\d+\.\d+\) at \w{3} [ \d]\d \d\d:\d\d:\d\d$'
    ok(i.wait_log(pattern % ('connection rate', r'/60s'), 10) and i.wait_log(pattern % ('connection count', ''), 10), 'the statistics, as Postfix has them')
    ok(i.wait_log(r'postfix/anvil\[\d+\]: statistics: max cache size \d+ at \w{3} [ \d]\d \d\d:\d\d:\d\d$', 10), 'and the size of the table')
    counts = [int(m.group(1)) for m in re.finditer(pattern % ('connection count', ''), i.log(), re.M)]
    ok(max(counts) >= COUNT, 'the greatest count was seen', counts)


def rate(i, source, run, n, fine, refused, what, line):
    """Runs one more than the limit of n; the last is refused, and in the next time unit none is."""
    got = [run(source) for _ in range(n + 1)]
    ok(all(g.startswith(fine) for g in got[:n]) and got[n].startswith(refused), what, got)
    ok(i.wait_log(line), what + ': the log', line)
    ok(wait_until(lambda: run(source).startswith(fine), 15, 1), what + ': later there is room')


def rates(i):
    def mail(source):
        c = Client(i, source)
        c.say('EHLO x.test')
        got = c.say('MAIL FROM:<a@outside.test>')
        c.close()
        return got

    def rcpt(source):
        c = Client(i, source)
        c.say('EHLO x.test')
        c.say('MAIL FROM:<a@outside.test>')
        got = c.say('RCPT TO:<bob@example.test>')
        c.close()
        return got

    def auth(source):
        c = Client(i, source, 587)
        c.say('EHLO x.test')
        c.starttls()
        c.say('EHLO x.test')
        got = c.say('AUTH PLAIN ' + base64.b64encode(b'\0alice\0' + PASSWORD['alice'].encode()).decode())
        c.close()
        return got

    def starttls(source):
        c = Client(i, source)
        c.say('EHLO x.test')
        got = c.starttls()
        if got.startswith(b'220'):
            got = c.say('NOOP')
        c.close()
        return got

    def wrapped(source):
        try:
            c = Client(i, source, 465, True)
        except OSError:
            return b'closed'
        c.close()
        return c.hello or b'closed'

    where = r'localhost\[127\.1\.0\.%d\] for service '
    rate(i, '127.1.0.1', mail, MORE, b'250', b'450 4.7.1 Error: too much mail from 127.1.0.1', 'smtpd_client_message_rate_limit',
         'Message delivery request rate limit exceeded: %d from ' % (MORE + 1) + where % 1)
    rate(i, '127.1.0.2', rcpt, 3, b'250', b'450 4.7.1 Error: too many recipients from 127.1.0.2', 'smtpd_client_recipient_rate_limit',
         'Recipient address rate limit exceeded: 4 from ' + where % 2)
    rate(i, '127.1.0.3', auth, 3, b'235', b'450 4.7.1 Error: too many AUTH commands from 127.1.0.3', 'smtpd_client_auth_rate_limit',
         'AUTH command rate limit exceeded: 4 from ' + where % 3)
    rate(i, '127.1.0.4', starttls, MORE, b'2', b'421 4.7.0 ', 'smtpd_client_new_tls_session_rate_limit',
         'New TLS session rate limit exceeded: %d from ' % (MORE + 1) + where % 4)
    got = [starttls('127.1.0.5') for _ in range(MORE + 2)]
    ok(got[-1].startswith(b'454 4.7.0 Error: too many new TLS sessions from localhost[127.1.0.5]'), 'beyond it STARTTLS is refused without a handshake', got)
    ok(i.wait_log('Refusing STARTTLS request from ' + where % 5), 'and the log says so')
    got = [wrapped('127.1.0.6') for _ in range(MORE + 2)]
    ok([g[:3] for g in got[:MORE]] == [b'220'] * MORE and got[-2].startswith(b'421 4.7.0 ') and got[-1] == b'closed', 'and a service that begins with TLS', got)
    ok(i.wait_log('Refusing TLS service request from ' + where % 6), 'with its line')
    ok(all(c.startswith(b'250') for c in [mail(EXEMPT) for _ in range(MORE + 3)]), 'smtpd_client_event_limit_exceptions')
    i.stop()
    i.append_main('smtpd_client_connection_rate_limit = 3')
    i.start()

    def connect(source):
        c = Client(i, source)
        c.close()
        return c.hello
    rate(i, '127.1.0.7', connect, 3, b'220', b'421 4.7.0 ', 'smtpd_client_connection_rate_limit', 'Connection rate limit exceeded: 4 from ' + where % 7)
    for name in ('message', 'recipient', 'auth', 'newtls'):
        ok(i.wait_log(r'anvil\[\d+\]: statistics: max %s rate \d+/5s for \(\S+:127\.1\.0\.\d+\) at ' % name, 5), 'statistics of ' + name)


MAIN = 'mynetworks = 127.0.0.1/32\nsmtpd_client_event_limit_exceptions = %s\npostern_service_processes = 3\nsmtpd_peername_lookup = no\n' % EXEMPT
with Instance(main=MAIN + 'smtpd_client_connection_count_limit = %d\nanvil_status_update_time = 3s\n' % COUNT) as instance:
    for test in (together, deaths, statistics):
        case(test.__name__, lambda t=test: t(instance))
with Instance(main=MAIN + 'anvil_rate_time_unit = 5s\nsmtpd_client_message_rate_limit = %d\nsmtpd_client_recipient_rate_limit = 3\nsmtpd_client_auth_rate_limit = 3\n'
              'smtpd_client_new_tls_session_rate_limit = %d\n' % (MORE, MORE)) as instance:
    case('rates', lambda: rates(instance))
done()
