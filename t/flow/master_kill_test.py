# SPDX-License-Identifier: ISC
"""Two toy roles under the real master, killed under load while their sessions go on."""
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from tap import done, ok            # noqa: E402
from toys import Session, Toys      # noqa: E402

SECONDS = 8
SESSIONS = 20


class Load(threading.Thread):
    """One session that asks and asks, and is opened again only if its own process died."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.answers, self.later, self.lost, self.ids, self.going = port, 0, 0, 0, [], True

    def run(self):
        session = None
        while self.going:
            try:
                session = session or Session(self.port)
                answer = session.ask()
                if answer.startswith('id '):
                    self.answers += 1
                    self.ids.append(answer)
                elif answer == 'later':
                    self.later += 1
                else:
                    raise OSError('closed')
                time.sleep(0.005)
            except (OSError, IndexError, ValueError):
                self.lost += 1
                session = None
                time.sleep(0.02)


def run_load(toys, victims, every):
    load = [Load(toys.port) for _ in range(SESSIONS)]
    for thread in load:
        thread.start()
    end, kills = time.time() + SECONDS, 0
    while time.time() < end:
        time.sleep(every)
        pids = [p for name in victims for p in toys.pids(name)]
        if pids:
            os.kill(random.choice(pids), signal.SIGKILL)
            kills += 1
    for thread in load:
        thread.going = False
    for thread in load:
        thread.join(15)
    return load, kills


def owner_dies(toys):
    before = toys.pids('smtpd')
    load, kills = run_load(toys, ['qmgr', 'broker', 'logd'], 0.1)
    answers, lost = sum(t.answers for t in load), sum(t.lost for t in load)
    print('# %d kills, %d answers, %d later, %d sessions lost' % (kills, answers, sum(t.later for t in load), lost))
    ok(kills > SECONDS, 'the owner and the helpers are killed again and again')
    ok(lost == 0, 'no session ends because the owner dies', lost)
    ok(toys.pids('smtpd') == before, 'the processes with the sessions outlive the owner')
    ok(all(t.answers > 20 for t in load) and sum(t.later for t in load) == 0, 'and every session gets its answers all the time')
    ids = [i for t in load for i in t.ids]
    ok(len(ids) == len(set(ids)), 'no answer is given twice')


def sessions_die(toys):
    load, kills = run_load(toys, ['smtpd', 'qmgr'], 0.1)
    print('# %d kills, %d answers, %d sessions lost' % (kills, sum(t.answers for t in load), sum(t.lost for t in load)))
    ok(all(t.answers > 20 for t in load), 'with the sessions role killed too, service goes on')
    end = time.time() + 5
    while (len(toys.pids('smtpd')), len(toys.pids('qmgr'))) != (2, 1) and time.time() < end:
        time.sleep(0.05)
    ok((len(toys.pids('smtpd')), len(toys.pids('qmgr'))) == (2, 1), 'all processes are back')


def crash_takes_one(toys):
    a = Session(toys.port)
    others = [Session(toys.port) for _ in range(10)]
    try:
        a.file.write('crash\n')
        a.file.flush()
        a.file.readline()
    except OSError:
        pass
    alive = [s for s in others if s.pid != a.pid]
    ok(all(s.ask().startswith('id ') for s in alive), 'a crash ends the sessions of its own process only')
    end = time.time() + 5
    while 'killed by signal 6' not in toys.log() and time.time() < end:
        time.sleep(0.05)
    ok('warning: process %s/bin/smtpd pid %d killed by signal 6' % (toys.dir, a.pid) in toys.log(), 'the log names program, pid and signal', toys.log()[-500:])


def log_survives(toys):
    killed = toys.log().count('killed by signal 9')
    ok(killed > 0 and 'killed by signal 9' in toys.log(), 'each death is in the log, whoever died')


def main():
    toys = Toys()
    try:
        started = toys.start()
        ok(started.returncode == 0, 'master starts', started.stdout)
        time.sleep(0.5)
        owner_dies(toys)
        log_survives(toys)
        sessions_die(toys)
        crash_takes_one(toys)
        ok(toys.stop(), 'master stops')
    finally:
        toys.close()
    done()


main()
