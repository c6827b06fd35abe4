# SPDX-License-Identifier: ISC
"""Users in PostgreSQL, MariaDB and SQLite: Dovecot's files as they are, in an ISPmail-like schema."""
import os
import shutil
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from authdb import PASSWORDS, Auth, log_in, looked_up, not_injected, refused, under_load  # noqa: E402
from instance import PORT, Instance, wait_until    # noqa: E402
from servers import Maria, Postgres                 # noqa: E402
from sql_users import MAIN, prepare_mysql, prepare_pgsql, prepare_sqlite   # noqa: E402
from tap import done, ok                            # noqa: E402

NAMES = ["' OR '1'='1", "x'; DROP TABLE virtual_users; --", "carol@example.test' -- ", "carol@example.test'#", "\\' OR 1=1 #", '" OR ""="', "' UNION SELECT 'x','{PLAIN}x' --",
         'carol@example.test\\', "$1", "?", "%u", "'||email||'", "carol@example.test' AND SLEEP(9) AND '1'='1", "{fn x}"]


def everything(base, path, what, count, server=None):
    with Instance(main=MAIN % {'file': path}) as i:
        log_in(i, 'carol@example.test', what)
        log_in(i, 'dave@example.test', what)
        refused(i, what)
        looked_up(i, what, {'carol@example.test', 'dave@example.test', 'null@example.test'})
        not_injected(i, NAMES, what)
        ok(count() == '5', what + ': all rows are still there')
        a = Auth(i)
        for user, password, rest in (('twice@example.test', 'twice', 'code=temp_fail'), ('null@example.test', '', ''), ('CAROL@example.test', 'carol-secret', 'OK')):
            answer = a.ask(user, password)
            ok(rest in answer, '%s: %s gets what Dovecot gives' % (what, user), answer)
        ok(i.wait_log('Password query returned multiple matches', 5), what + ': several rows are in the log')
        a.close()
        i.submit('alice', ['alice@example.test'], 'Subject: x\r\n\r\ny\r\n')
        if server:
            under_load(i, server, 'carol@example.test', what, lambda: Auth(i).ask('alice', 'alice-secret'))


def pgsql(base):
    with Postgres(PORT + 800) as pg:
        path = prepare_pgsql(base, pg)
        everything(base, path, 'PostgreSQL', lambda: pg.run('SELECT count(*) FROM virtual_users', 'mail').strip(), pg)


def mysql(base):
    with Maria(PORT + 810) as my:
        path = prepare_mysql(base, my)
        everything(base, path, 'MariaDB', lambda: my.run('SELECT count(*) FROM virtual_users', 'mail').strip(), my)


def sqlite(base):
    path = prepare_sqlite(base)
    everything(base, path, 'SQLite', lambda: str(sqlite3.connect(base + '/lite/users.sqlite').execute('SELECT count(*) FROM virtual_users').fetchone()[0]))
    with Instance(main=MAIN % {'file': path}) as i:
        locked(i, base)
        killed(i)


def locked(i, base):
    """Somebody writes for a while; a file that goes away and comes back."""
    a = Auth(i)
    db = sqlite3.connect(base + '/lite/users.sqlite', isolation_level=None)
    db.execute('BEGIN EXCLUSIVE')
    start = time.time()
    answer = a.ask('carol@example.test', 'carol-secret')
    ok('code=temp_fail' in answer and time.time() - start < 8, 'SQLite: a database that is locked for long is a temporary failure', answer)
    db.execute('ROLLBACK')
    ok(wait_until(lambda: a.ask('carol@example.test', 'carol-secret').startswith('OK'), 10), 'SQLite: ... and service again')
    a.close()


def killed(i):
    """The process that asks dies: its question fails, the next ones do not."""
    a = Auth(i)
    pids = i.pids_of('auth-db')
    ok(len(pids) >= 1, 'a process asks')
    for pid in pids:
        os.kill(pid, 9)
    answers = []
    ok(wait_until(lambda: answers.append(a.ask('carol@example.test', 'carol-secret')) or answers[-1].startswith('OK'), 15) and
       all(x.startswith('OK') or 'code=temp_fail' in x for x in answers), 'after its process was killed, a database answers again', answers[-3:])
    a.close()


def starting(base):
    """What cannot work is refused at the start, with the remedy."""
    good = open(base + '/sqlite.ext').read()
    for change, pattern in ((("'%u'", '%u'), r'sqlite2\.ext: line \d+: password_query: .*(quote|apostroph)'), (('driver = sqlite', 'driver = oracle'), 'driver "oracle" is not one of'),
                            (('iterate_query', 'iterate_qery'), 'unknown setting "iterate_qery"'), (('%u', '%{nosuch}'), r'line \d+: password_query: ')):
        with open(base + '/sqlite2.ext', 'w') as f:
            f.write(good.replace(*change))
        with Instance(start=False, main=MAIN % {'file': base + '/sqlite2.ext'}) as i:
            i.run('postfix', '-c', i.etc, 'start')
            i.running = True
            ok(i.wait_log(pattern, 10), 'refused at the start: %s' % change[1], i.log()[-600:])
    os.mkdir(base + '/nothing')
    with Instance(start=False, main=MAIN % {'file': base + '/sqlite.ext'} + 'postern_module_directory = %s/nothing\n' % base) as i:
        i.run('postfix', '-c', i.etc, 'start')
        i.running = True
        ok(i.wait_log(r"driver sqlite: no module .*install Debian's libsqlite3-dev", 10), 'a module that is not there: one line with the package', i.log()[-600:])


def main():
    base = tempfile.mkdtemp(prefix='postern-sql-')
    os.chmod(base, 0o755)
    want = sys.argv[1:] or ['sqlite', 'pgsql', 'mysql', 'starting']
    try:
        for part in want:
            globals()[part](base)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    ok(PASSWORDS, 'there were users')
    done()


if __name__ == '__main__':
    main()
