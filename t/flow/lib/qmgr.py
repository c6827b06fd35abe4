# SPDX-License-Identifier: ISC
"""qmgr.py - a queue manager in a directory of its own, with peers played here; it can be killed and started again."""
import os
import shutil
import socket
import subprocess
import threading
import time

from ipc import Chan, Process, make_instance
from qrec import content, envelope


class Qmgr(Process):
    def __init__(self, main='', master='', under=()):
        self.dir = make_instance('message_size_limit = 1000000\nqueue_journal_size = 8388608\n' + main, {
            'etc/master.cf': 'smtp unix - - n - - smtp\nlocal unix - n n - - local\nvirtual unix - n n - - virtual\nerror unix - - n - - error\n' + master})
        listeners = []
        for name in ('qmgr', 'showq'):
            s = socket.socket(socket.AF_UNIX)
            s.bind('%s/spool/public/%s' % (self.dir, name))
            s.listen(20)
            listeners.append(s)
        super().__init__('qmgr', 'qmgr', self.dir + '/etc', listeners=listeners, under=under)

    def start(self):
        super().start()
        threading.Thread(target=self.read_control, args=(self.master,), daemon=True).start()

    def read_control(self, chan):
        try:
            while chan.recv(3600):
                pass
        except OSError:
            pass

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.control.close()

    def drain(self, seconds=20):
        self.master.send('DRAIN', grace_seconds=10)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self.control.close()
        return self.process.returncode

    def files(self, queue):
        return [f for _, _, names in os.walk('%s/spool/%s' % (self.dir, queue)) for f in names]

    def showq(self):
        """[{queue_name, queue_id, ..., recipients: [(address, reason)]}]"""
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.dir + '/spool/public/showq')
        data = b''
        while True:
            got = s.recv(65536)
            if not got:
                break
            data += got
        words = data.decode().split('\0')
        assert words[:3] == ['protocol', 'mail_queue_list_protocol', ''], words[:4]
        out, i = [], 3
        while words[i]:
            m = {'recipients': []}
            while words[i]:
                if words[i] == 'recipient':
                    m['recipients'].append((words[i + 1], words[i + 3]))
                    i += 4
                else:
                    m[words[i]] = words[i + 1]
                    i += 2
            out.append(m)
            i += 1
        return out

    def order(self, op, queue_id='', queue=''):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.dir + '/spool/public/qmgr')
        ops = ['', 'FLUSH', 'FLUSH_ID', 'FLUSH_SITE', 'DELETE', 'HOLD', 'RELEASE', 'REQUEUE', 'EXPIRE']
        got = Chan(s).call('QUEUE_ORDER', op=ops.index(op), queue_id=queue_id, queue=queue)
        s.close()
        return got

    def done(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class Intake:
    """A receiving process; lease, submit, wait for the verdict."""

    def __init__(self, q, role='smtpd'):
        self.c, self.ids, self.answers = q.peer(role), [], {}

    def lease(self):
        if not self.ids:
            self.c.send('IDS_WANT', 1, n=64)
            while not self.ids:
                self.take()
        return self.ids.pop()

    def take(self, timeout=15):
        got = self.c.recv(timeout)
        if got is None:
            raise EOFError
        m = got[1]
        if m[''] == 'IDS':
            self.ids += m['ids'].decode().split('\0')[:-1]
        elif m[''] in ('MSG_DONE', 'MSG_REFUSED', 'MSG_FILE'):
            self.answers[m['queue_id'].decode()] = m
        return m

    def submit(self, sender, rcpts, text='Subject: x\n\nbody', routes=None, flags=0, extra=(), token=''):
        ident = self.lease()
        routes = b''.join(t.encode() + b'\0' + n.encode() + b'\0' for t, n in routes) if routes else b''
        self.c.send('MSG_SUBMIT', 7, queue_id=ident, arrival_us=int(time.time() * 1e6), flags=flags, n_rcpt=len(rcpts), token=token,
                    envelope=envelope(sender, rcpts, extra), routes=routes, content=content(text))
        return ident

    def wait(self, ident, timeout=15):
        while ident not in self.answers:
            self.take(timeout)
        return self.answers.pop(ident)


class Worker(threading.Thread):
    """Delivers, routes or composes: verdict(rcpt) -> (outcome, dsn, text) or None (no answer yet)."""

    def __init__(self, q, role, verdict=None):
        super().__init__(daemon=True)
        self.c, self.verdict, self.got, self.orders, self.pending = q.peer(role, role), verdict, [], {}, []
        self.acks = 0
        self.start()

    def run(self):
        try:
            while True:
                got = self.c.recv(3600)
                if got is None:
                    return
                self.handle(*got)
        except OSError:
            pass

    def handle(self, ident, m):
        kind = m['']
        if kind == 'INFLIGHT_ASK':
            self.c.send('INFLIGHT_END')
        elif kind == 'RESOLVE':
            domain = m['address'].decode().rpartition('@')[2]
            self.c.send('RESOLVED', ident, transport='smtp', nexthop=domain, recipient=m['address'])
        elif kind == 'DELIVER':
            if m['file'] is not None:
                size = m['content_end'] - m['content_at']
                m['content'] = os.pread(m['file'], size, m['content_at'])
                os.close(m['file'])
            self.orders[m['job']] = m
        elif kind == 'DELIVER_RCPT':
            self.deliver(self.orders[m['job']], m)
        elif kind == 'IDS':
            self.leased = m['ids'].decode().split('\0')[:-1]
        elif kind == 'RESULT_ACK':
            self.acks += 1
        elif kind == 'COMPOSE':
            self.orders[m['job']] = m
            m['rcpts'] = []
        elif kind == 'COMPOSE_RCPT':
            order = self.orders[m['job']]
            order['rcpts'].append(m)
            if len(order['rcpts']) == order['n_rcpt']:
                self.compose(order)

    def deliver(self, order, rcpt):
        self.got.append((order['queue_id'].decode(), rcpt['address'].decode(), order['content'], order))
        verdict = self.verdict(rcpt['address'].decode()) if self.verdict else (1, '2.0.0', 'ok')
        if verdict:
            self.c.send('RESULT', job=order['job'], n=rcpt['n'], outcome=verdict[0], dsn=verdict[1], text=verdict[2],
                        next_hop_failed=len(verdict) > 3)

    def ids(self, n):
        self.leased = []
        self.c.send('IDS_WANT', 3, n=n)
        end = time.time() + 10
        while not self.leased and time.time() < end:
            time.sleep(0.01)
        return self.leased

    def compose(self, order):
        text = 'Subject: notice kind %d of %s\n\n%s' % (order['kind'], order['queue_id'].decode(),
                                                      ', '.join(r['address'].decode() for r in order['rcpts']))
        self.c.send('COMPOSED', job=order['job'], failed=False, envelope=envelope('', [order['sender'].decode()]), content=content(text))
