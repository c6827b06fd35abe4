# SPDX-License-Identifier: ISC
"""authload.py - load and timing for the auth socket, of Postern or of Dovecot."""
import base64
import os
import random
import socket
import time


def plain(user, password):
    return base64.b64encode(('\0%s\0%s' % (user, password)).encode()).decode()


class Client:
    def __init__(self, path, number=0):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(60)
        self.s.connect(path)
        hello = b''
        while b'DONE\n' not in hello:
            hello += self.s.recv(4096)
        self.mechs = [line.split(b'\t')[1].decode() for line in hello.split(b'\n') if line.startswith(b'MECH\t')]
        self.s.sendall(b'VERSION\t1\t2\nCPID\t%d\n' % (os.getpid() * 100 + number))

    def read_lines(self, count):
        data = b''
        while data.count(b'\n') < count:
            got = self.s.recv(1 << 18)
            if not got:
                raise RuntimeError('the auth socket was closed')
            data += got
        return data.split(b'\n')[:-1]


def load(path, users, password, total, clients=4, window=50):
    """total right logins over a few connections, each with a window of requests outstanding. Seconds."""
    all_ = [Client(path, n) for n in range(clients)]
    batches, sent = [], 0
    while sent < total:
        lines = ['AUTH\t%d\tPLAIN\tservice=smtp\tlip=127.0.0.1\trip=192.0.2.%d\tsecured\tresp=%s\n' % (
            sent + k + 1, (sent + k) % 200 + 1, plain(users[(sent + k) % len(users)], password)) for k in range(window)]
        batches.append(''.join(lines).encode())
        sent += window
    start, good = time.time(), 0
    for at in range(0, len(batches), clients):
        round_ = list(zip(all_, batches[at:at + clients]))
        for c, text in round_:
            c.s.sendall(text)
        for c, text in round_:
            lines = c.read_lines(window)
            good += sum(line.startswith(b'OK\t') for line in lines)
    took = time.time() - start
    if good != sent:
        raise RuntimeError('%d of %d logins were answered with OK' % (good, sent))
    return took, sent


def once(c, number, mech, user, password, rip):
    """Nanoseconds from the request to its last answer: a password mechanism, or SCRAM's first message."""
    head = 'AUTH\t%d\t%s\tservice=smtp\trip=%s\tsecured\t' % (number, mech, rip)
    if mech == 'LOGIN':
        c.s.sendall((head + 'resp=%s\n' % base64.b64encode(user.encode()).decode()).encode())
        c.read_lines(1)
        text = 'CONT\t%d\t%s\n' % (number, base64.b64encode(password.encode()).decode())
    elif mech.startswith('SCRAM'):
        first = base64.b64encode(('n,,n=%s,r=abcdefghijklmnopqrstuvwx' % user).encode()).decode()
        text = head + 'resp=%s\n' % first
    else:
        text = head + 'resp=%s\n' % plain(user, password)
    start = time.perf_counter_ns()
    c.s.sendall(text.encode())
    c.read_lines(1)
    return time.perf_counter_ns() - start


def auc(a, b):
    """The chance that one of a is larger than one of b; 0.5 = they cannot be told apart."""
    ranked = sorted([(v, 0) for v in a] + [(v, 1) for v in b])
    total, i = 0.0, 0
    while i < len(ranked):
        j = i
        while j < len(ranked) and ranked[j][0] == ranked[i][0]:
            j += 1
        total += (i + j + 1) / 2 * sum(1 for k in range(i, j) if ranked[k][1] == 0)
        i = j
    return (total - len(a) * (len(a) + 1) / 2) / (len(a) * len(b))


def timing(path, mech, samples):
    """(AUC of unknown user against wrong password, medians in us). Users u0, u1, ... exist; x0, x1, ... do not."""
    c, times = Client(path), ([], [])
    order = [(kind, n) for n in range(samples) for kind in (0, 1)]
    random.Random(7).shuffle(order)
    for number, (kind, n) in enumerate(order):
        rip = '%d.%d.7.9' % ({'PLAIN': 20, 'LOGIN': 84}.get(mech, 148) + (number & 63), number >> 6 & 255)     # each from a network of its own: none is slowed down
        times[kind].append(once(c, number + 1, mech, '%s%04d' % ('xu'[kind], n), 'wrong-password', rip))
    medians = [sorted(t)[len(t) // 2] / 1000 for t in times]
    return auc(*times), medians
