# SPDX-License-Identifier: ISC
"""local_router.py - a real router and real actors; the test is qmgr and master."""
import os
import socket
import threading
import time

from ipc import Daemon, role_number
from qrec import content

SENT, DEFERRED, BOUNCED, FORWARDED = 1, 2, 3, 4


class Router:
    """A router, and an actor for each NEED."""

    def __init__(self, main, base, private=True, master=''):
        self.base = base
        self.actor_main = '' if private else 'postern_private = no'
        self.router = Daemon('deliver-router', 'router', main=main, files={'etc/master.cf': master} if master else {})
        self.actors = []
        self.links = 0
        self.stopping = False
        threading.Thread(target=self.serve_needs, daemon=True).start()
        self.qmgr = self.router.peer('qmgr')
        self.job = 0

    def serve_needs(self):
        while not self.stopping:
            try:
                got = self.router.master.recv(timeout=60)
            except (OSError, TimeoutError):
                return
            if got is None:
                return
            if got[1][''] == 'NEED':
                self.add_actor()

    def add_actor(self):
        actor = Daemon('deliver-actor', 'actor', main=self.actor_main)
        self.actors.append(actor)
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.links += 1
        self.router.master.send('PEER', role=role_number('actor'), service='actor', generation=1, peer_id=1000 + self.links, channel=a.fileno())
        actor.master.send('PEER', role=role_number('router'), service='router', generation=1, peer_id=1, channel=b.fileno())
        a.close()
        b.close()

    def deliver(self, transport, rcpts, text='Subject: x\n\nbody\n', sender='from@example.net', ack=True, **more):
        """The results by recipient number."""
        self.job += 1
        self.qmgr.send('DELIVER', job=self.job, queue_id='4F2BAC%04d' % self.job, transport=transport, nexthop='example.test', sender=sender,
                       arrival_us=int(time.time() * 1e6), active_us=int(time.time() * 1e6), content_size=len(text), n_rcpt=len(rcpts), content=content(text), **more)
        for n, r in enumerate(rcpts):
            self.qmgr.send('DELIVER_RCPT', job=self.job, n=n, address=r, orig=r)
        results = {}
        while len(results) < len(rcpts):
            got = self.qmgr.recv(60)
            if got is None:
                break
            m = got[1]
            if m[''] == 'IDS_WANT':
                self.qmgr.send('IDS', got[0], n=2, ids='4F2BADAAAA\x004F2BADBBBB\x00')
            elif m['job'] == self.job:
                results[m['n']] = m
                if ack:
                    self.qmgr.send('RESULT_ACK', job=self.job, n=m['n'])
        return results

    def stop(self):
        self.stopping = True
        self.router.stop()
        for a in self.actors:
            a.stop()


def files(path):
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


def read(path):
    with open(path) as f:
        return f.read()
