# SPDX-License-Identifier: ISC
"""Clients of every protocol come and go during reloads, and none of them notices."""
import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PASSWORD, message, wait_until   # noqa: E402
from tap import case, done, ok                                 # noqa: E402

RELOADS = 8
BETWEEN = 2.5


def imaps(i, n):
    m = i.imap('bob')
    m.select()
    m.logout()


def imap(i, n):
    i.imap('bob', implicit=False).logout()


def pop3s(i, n):
    i.pop3('bob').quit()


def pop3(i, n):
    i.pop3('bob', implicit=False).quit()


def submission(i, n):
    i.submit('bob', ['alice@example.test'], message('submission %d' % n))


def smtp(i, n):
    i.send('x@outside.test', ['alice@example.test'], message('smtp %d' % n))


class Client(threading.Thread):
    """Does the same again and again, until it is told to stop, or fails."""

    def __init__(self, i, fn):
        super().__init__(daemon=True)
        self.i, self.fn, self.n, self.over, self.failed = i, fn, 0, False, None

    def run(self):
        while not self.over:
            try:
                self.fn(self.i, self.n)
            except Exception as why:
                self.failed = '%s after %d: %s: %s' % (self.fn.__name__, self.n, type(why).__name__, why)
                return
            self.n += 1


def reloads(i):
    clients = [Client(i, fn) for fn in (imaps, imap, pop3s, pop3, submission, smtp)]
    for c in clients:
        c.start()
    for _ in range(RELOADS):
        time.sleep(BETWEEN)
        i.reload()
    time.sleep(BETWEEN)
    for c in clients:
        c.over = True
    for c in clients:
        c.join(60)
        ok(c.failed is None and not c.is_alive(), '%d reloads: %s' % (RELOADS, c.fn.__name__), c.failed)
        ok(c.n >= RELOADS, 'and it went on: ' + c.fn.__name__, c.n)
    wanted = {'%s %d' % (c.fn.__name__, n) for c in clients for n in range(c.n) if c.fn in (submission, smtp)}

    def missing():
        texts = b'\n'.join(i.mails('alice')).decode()
        return wanted - set(re.findall(r'^Subject: (.*?)\r?$', texts, re.M))
    ok(wait_until(lambda: not missing(), 60, 0.5), 'all %d messages are there' % len(wanted), sorted(missing())[:5])
    ok(len(i.files('alice')) == len(wanted), 'once each', (len(i.files('alice')), len(wanted)))


def queue_id(reply):
    m = re.search(r'queued as (\w+)', reply[1].decode())
    return m and m.group(1)


def in_work(i):
    """What was begun before a reload ends after it, under the queue id that it had."""
    plain, user, large, other = i.smtp(), i.submission('bob'), i.smtp(), i.smtp()
    for s in (plain, large):
        s.ehlo('x.outside.test')
        s.docmd('MAIL', 'FROM:<x@outside.test>')
        s.docmd('RCPT', 'TO:<alice@example.test>')
    ident = re.findall(r'smtpd\[\d+\]: (\w+): client=', i.log())[0]
    large.docmd('DATA')
    large.sock.sendall(b'Subject: large\r\n\r\n' + b'a line of some length, again and again\r\n' * 5000)
    ok(i.wait_log(r': (\w+): client='), 'a message is being received')
    time.sleep(1)
    path = i.postconf('data_directory') + '/auth_token_keys'
    old, keys = i.pids_of('qmgr'), open(path).read()
    ok(len(keys.splitlines()) == 1 and os.stat(path).st_mode & 0o777 == 0o600, 'authd keeps the key of tokens', os.stat(path))
    i.reload()
    time.sleep(1)
    ok(i.pids_of('qmgr') == old, 'the queue manager waits for the file of a large one')
    other.ehlo('y.outside.test')
    other.sock.sendall(b'MAIL FROM:<y@outside.test>\r\n')
    time.sleep(0.5)
    large.sock.sendall(b'\r\n.\r\n')
    ok(large.getreply()[0] == 250, 'which is taken')
    ok(other.getreply()[0] == 250, 'MAIL of another client has waited')
    ok(wait_until(lambda: i.pids_of('qmgr') and i.pids_of('qmgr') != old), 'the successor is there')
    reply = plain.data(message('plain'))
    ok(reply[0] == 250 and queue_id(reply) == ident, 'a small one is taken by it', (reply, ident))
    user.docmd('MAIL', 'FROM:<bob@example.test>')
    user.docmd('RCPT', 'TO:<alice@example.test>')
    ok(user.data(message('user'))[0] == 250, 'and one by a user who had logged in before')
    ok(open(path).read() == keys, 'by the same key')
    for text in ('large', 'plain', 'user'):
        ok(i.wait_mail('alice', 'Subject: ' + text), 'and it is there: ' + text)
    ok(b'with ESMTP id ' + ident.encode() in i.wait_mail('alice', 'Subject: plain')[0], 'and says so in its header')
    for s in (plain, user, large, other):
        s.close()
    for path in i.files('alice'):
        os.unlink(path)


def slow(i):
    """A client that does not go on keeps nobody waiting for long."""
    s = i.smtp()
    s.ehlo('x.outside.test')
    s.docmd('MAIL', 'FROM:<x@outside.test>')
    s.docmd('RCPT', 'TO:<alice@example.test>')
    s.docmd('DATA')
    s.sock.sendall(b'Subject: slow\r\n\r\n' + b'a line of some length, again and again\r\n' * 5000)
    time.sleep(1)
    i.reload()
    time.sleep(1)
    ok(i.send('y@outside.test', ['alice@example.test'], message('beside')) == {} and i.wait_mail('alice', 'Subject: beside'), 'other mail goes on')
    s.sock.sendall(b'.\r\n')
    r = s.getreply()
    ok(r[0] == 451, 'its own is refused for the moment', r)
    s.close()
    for path in i.files('alice'):
        os.unlink(path)


def deaths(i):
    """A client that comes while there is no login process waits for the next one."""
    for program in ('imap-login', 'pop3-login'):
        for pid in i.pids_of(program):
            os.kill(pid, signal.SIGKILL)
    for fn in (imaps, pop3s):
        try:
            fn(i, 0)
            why = None
        except Exception as e:
            why = '%s: %s' % (type(e).__name__, e)
        ok(why is None, 'no login process: %s waits' % fn.__name__, why)


with Instance(main='postern_service_processes = 2') as instance:
    for test in (deaths, in_work, slow, reloads):
        case(test.__name__, lambda t=test: t(instance))
done()
