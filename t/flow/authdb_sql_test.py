# SPDX-License-Identifier: ISC
"""Users in PostgreSQL, MariaDB and SQLite: Dovecot's files as they are, in an ISPmail-like schema."""
import os
import shutil
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from authdb import CAROL, DAVE, PASSWORDS, Auth, log_in, looked_up, not_injected, refused, under_load  # noqa: E402
from instance import PORT, Instance, wait_until    # noqa: E402
from servers import Maria, Postgres                 # noqa: E402
from tap import done, ok                            # noqa: E402

SCHEMA = """
CREATE TABLE virtual_domains (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL);
CREATE TABLE virtual_users (id INTEGER PRIMARY KEY, domain_id INTEGER NOT NULL, email VARCHAR(100) NOT NULL, password VARCHAR(150), quota BIGINT NOT NULL DEFAULT 0);
INSERT INTO virtual_domains VALUES (1, 'example.test');
INSERT INTO virtual_users VALUES (1, 1, 'carol@example.test', '%s', 0), (2, 1, 'dave@example.test', '%s', 1000000),
    (3, 1, 'twice@example.test', '{PLAIN}twice', 0), (4, 1, 'twice@example.test', '{PLAIN}twice', 0), (5, 1, 'null@example.test', NULL, 0);
""" % (CAROL, DAVE)
# As ISPmail guides have it, with a comment and a continued line.
FILE = """# users of the mail server
driver = %(driver)s
connect = %(connect)s
default_pass_scheme = SHA512-CRYPT    # for those without a prefix

password_query = SELECT email AS user, password \\
  FROM virtual_users WHERE email='%%u'
user_query = SELECT email AS user, %(quota)s AS quota_rule, '%(home)s/%%d/%%n' AS home, \\
  %(uid)d AS uid, %(uid)d AS gid FROM virtual_users WHERE email='%%u'
iterate_query = SELECT email AS user FROM virtual_users
"""
NAMES = ["' OR '1'='1", "x'; DROP TABLE virtual_users; --", "carol@example.test' -- ", "carol@example.test'#", "\\' OR 1=1 #", '" OR ""="', "' UNION SELECT 'x','{PLAIN}x' --",
         'carol@example.test\\', "$1", "?", "%u", "'||email||'", "carol@example.test' AND SLEEP(9) AND '1'='1", "{fn x}"]
MAIN = """postern_passdb = passwd-file:$config_directory/passwd, sql:%(file)s
postern_userdb = passwd-file:$config_directory/passwd, sql:%(file)s
postern_auth_username_chars =
postern_auth_master_user_separator =
postern_auth_cache_ttl = 0
postern_auth_listeners = unix:private/auth, { unix:private/auth-userdb, mode=0600 }
postern_auth_failure_delay = 0
"""


def write(base, driver, connect, quota):
    with open('%s/%s.ext' % (base, driver), 'w') as f:
        f.write(FILE % {'driver': driver, 'connect': connect, 'quota': quota, 'home': base + '/vmail', 'uid': os.getuid() or 1000})
    return '%s/%s.ext' % (base, driver)


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
        pg.run("CREATE ROLE mail LOGIN PASSWORD 'it''s secret'; CREATE DATABASE mail;")
        pg.run(SCHEMA + 'GRANT SELECT ON virtual_users TO mail;', 'mail')
        # The first host is not there: the second is asked.
        connect = "host=127.0.0.1 hostaddr=127.0.0.1 host=127.0.0.1 port=%d dbname=mail user=mail password='it\\'s secret' maxconns=3" % (PORT + 800)
        path = write(base, 'pgsql', connect, "concat('*:bytes=', quota)")
        everything(base, path, 'PostgreSQL', lambda: pg.run('SELECT count(*) FROM virtual_users', 'mail').strip(), pg)


def mysql(base):
    with Maria(PORT + 810) as my:
        my.run("CREATE DATABASE mail; CREATE USER mail@localhost IDENTIFIED BY 'secret', mail@'127.0.0.1' IDENTIFIED BY 'secret'; "
               "GRANT SELECT ON mail.* TO mail@localhost, mail@'127.0.0.1';")
        my.run(SCHEMA, 'mail')
        connect = 'host=%s/nowhere host=%s/s host=127.0.0.1 port=%d dbname=mail user=mail password=secret' % (my.dir, my.dir, PORT + 810)
        path = write(base, 'mysql', connect, "CONCAT('*:bytes=', quota)")
        everything(base, path, 'MariaDB', lambda: my.run('SELECT count(*) FROM virtual_users', 'mail').strip(), my)


def sqlite(base):
    os.mkdir(base + '/lite', 0o755)
    db = sqlite3.connect(base + '/lite/users.sqlite')
    db.executescript(SCHEMA)
    db.close()
    path = write(base, 'sqlite', base + '/lite/users.sqlite', "'*:bytes=' || quota")
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
