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
    for test in (deaths, reloads):
        case(test.__name__, lambda t=test: t(instance))
done()
