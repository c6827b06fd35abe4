# SPDX-License-Identifier: ISC
"""A disk that does not take what is written: mail is refused for the moment, the log stays readable, and service is back with the disk.

strace makes every sync of the queue manager fail for a while.
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import wait_until                     # noqa: E402
from qmgr import Intake, Qmgr, Worker               # noqa: E402
from tap import case, done, ok                      # noqa: E402

STRACE = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO']

if subprocess.run(STRACE + ['true'], stderr=subprocess.DEVNULL).returncode != 0:
    ok(True, 'a disk with errors # SKIP strace cannot trace here')
    done()

q = Qmgr()
i = Intake(q)
out = Worker(q, 'out', lambda address: None if address.startswith('silent') else (1, '2.0.0', 'ok'))
Worker(q, 'router')


def submit(rcpt):
    ident = i.submit('a@example.test', [rcpt])
    return ident, i.wait(ident)['']


def disk():
    kept, verdict = submit('silent@example.net')
    ok(verdict == 'MSG_DONE' and wait_until(lambda: out.got), 'mail is taken while the disk is good')
    strace = subprocess.Popen(STRACE + ['-p', str(q.process.pid)])
    refused = lambda: submit('x@example.net')[1] == 'MSG_REFUSED'          # noqa: E731
    ok(wait_until(refused), 'and refused when nothing can be made durable')
    ok(all(refused() for _ in range(3)), 'for as long as that is so')
    before = len(q.log)
    time.sleep(2)
    ok(len(q.log) - before < 5, 'which the log says in a few lines', q.log[before:before + 10])
    strace.terminate()
    strace.wait()
    ok(wait_until(lambda: submit('y@example.net')[1] == 'MSG_DONE', 10, 0.5), 'when the disk is back, mail is taken again', q.log[-3:])
    q.kill()
    q.start()
    again = Worker(q, 'out')
    Worker(q, 'router')
    ok(wait_until(lambda: [g for g in again.got if g[0] == kept]), 'and what was taken before is still there after a crash')


case('disk', disk)
q.done()
done()
