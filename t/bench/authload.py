# SPDX-License-Identifier: ISC
"""authload.py - runs build/t/authload (authload.c) on an auth socket, of Postern or of Dovecot, and reckons with what it prints."""
import os
import resource
import subprocess

PROGRAM = os.environ.get('POSTERN_RELEASE', os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + '/build') + '/t/authload'
USERS = 2000            # u0000 ...: those of authload.c


def run(*argv, cpus=None):
    """What it printed, and the CPU it took itself."""
    def pin():
        if cpus:
            os.sched_setaffinity(0, cpus)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([PROGRAM, *map(str, argv)], stdout=subprocess.PIPE, text=True, check=True, timeout=300, preexec_fn=pin).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return out, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def load(path, password, total, clients=4, window=50, cpus=None):
    """total right logins: (seconds, how many, seconds of CPU of the generator, its preparations included)."""
    out, cpu = run('load', path, password, total, clients, window, cpus=cpus)
    took, done = out.split()
    return float(took), int(done), cpu


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


def median(values):
    return sorted(values)[len(values) // 2]


def timing(path, mech, samples, cpus=None):
    """Of each step: [(answer, AUC of unknown user against wrong password, their medians in us)]."""
    steps = {}
    for line in run('timing', path, mech, samples, cpus=cpus)[0].splitlines():
        kind, ns, word = line.split()
        steps.setdefault(word, {'x': [], 'u': []})[kind].append(int(ns))
    if any(len(times) != samples for kinds in steps.values() for times in kinds.values()):
        raise RuntimeError('%s: %s' % (mech, {w: {k: len(t) for k, t in kinds.items()} for w, kinds in steps.items()}))
    return [(word, auc(k['x'], k['u']), (median(k['x']) / 1000, median(k['u']) / 1000)) for word, k in steps.items()]
