# SPDX-License-Identifier: ISC
"""SQLite's file is moved away, locked and replaced, the processes that read it are killed, while clients log in by IMAP, POP3 and submission."""
import os
import shutil
import signal
import sqlite3
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from authdb import Auth                            # noqa: E402
from instance import PASSWORD, Instance, wait_until  # noqa: E402
from outage import Round, endure, ports_of, same_bytes   # noqa: E402
from sql_users import MAIN, prepare_sqlite, scratch  # noqa: E402
from tap import done, ok                           # noqa: E402

WHAT, USER = 'SQLite', 'carol@example.test'


class Lock:
    """Somebody who writes for long."""

    def __init__(self, path):
        self.path = path

    def take(self):
        self.db = sqlite3.connect(self.path, isolation_level=None, timeout=10)
        self.db.execute('BEGIN EXCLUSIVE')

    def give(self):
        self.db.execute('ROLLBACK')
        self.db.close()


def kill_readers(i):
    for pid in i.pids_of('auth-db'):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def replaced(i, path):
    """A new file under the old name, as scripts that make it from elsewhere leave it."""
    shutil.copy(path, path + '.new')
    db = sqlite3.connect(path + '.new')
    db.execute("UPDATE virtual_users SET password = '{PLAIN}changed' WHERE email = ?", (USER,))
    db.commit()
    db.close()
    os.rename(path + '.new', path)
    a = Auth(i)
    ok(wait_until(lambda: a.ask(USER, 'changed').startswith('OK'), 5, 0.2), WHAT + ': what a new file of the same name says counts')
    line = a.ask(USER, 'carol-secret', '192.0.2.77')
    ok(line.startswith('FAIL') and 'temp_fail' not in line, WHAT + ': ... and the old password no more', line)
    a.close()


with scratch() as base:
    main, path = MAIN % {'file': prepare_sqlite(base)}, base + '/lite/users.sqlite'
    with Instance(main=main) as i:
        auth, ports, lock = i.spool() + '/private/auth', ports_of(i), Lock(path)
        same_bytes(WHAT, ports, USER, auth=auth)
        endure(WHAT, ports, i.log, USER, 'carol-secret', [
            Round('moved away', lambda: os.rename(path, path + '.away'), 3, lambda: os.rename(path + '.away', path)),
            Round('locked', lock.take, 6, lock.give),
            Round('readers killed', lambda: kill_readers(i), -3, lambda: None, False)], bystander=('alice', PASSWORD['alice']))
        lock.take()
        same_bytes(WHAT + ' locked', ports, USER, temporary=True, auth=auth, net='127.0.11')
        lock.give()
        replaced(i, path)
done()
