# SPDX-License-Identifier: ISC
"""sql_users.py - users in a database, with Dovecot's files as they are, in an ISPmail-like schema."""
import contextlib
import os
import shutil
import sqlite3
import tempfile

from authdb import CAROL, DAVE

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
MAIN = """postern_passdb = passwd-file:$config_directory/passwd, sql:%(file)s
postern_userdb = passwd-file:$config_directory/passwd, sql:%(file)s
postern_auth_username_chars =
postern_auth_master_user_separator =
postern_auth_cache_ttl = 0
postern_auth_listeners = unix:private/auth, { unix:private/auth-userdb, mode=0600 }
postern_auth_failure_delay = 0
auth_verbose = yes
"""


@contextlib.contextmanager
def scratch():
    """A directory for the files that name databases."""
    base = tempfile.mkdtemp(prefix='postern-users-')
    os.chmod(base, 0o755)
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)


def write(base, driver, connect, quota):
    with open('%s/%s.ext' % (base, driver), 'w') as f:
        f.write(FILE % {'driver': driver, 'connect': connect, 'quota': quota, 'home': base + '/vmail', 'uid': os.getuid() or 1000})
    return '%s/%s.ext' % (base, driver)


def prepare_pgsql(base, pg):
    """The database and the file that names it."""
    pg.run("CREATE ROLE mail LOGIN PASSWORD 'it''s secret'; CREATE DATABASE mail;")
    pg.run(SCHEMA + 'GRANT SELECT ON virtual_users TO mail;', 'mail')
    # The first host is not there: the second is asked.
    connect = "host=127.0.0.1 hostaddr=127.0.0.1 host=127.0.0.1 port=%d dbname=mail user=mail password='it\\'s secret' maxconns=3" % pg.port
    return write(base, 'pgsql', connect, "concat('*:bytes=', quota)")


def prepare_mysql(base, my):
    my.run("CREATE DATABASE mail; CREATE USER mail@localhost IDENTIFIED BY 'secret', mail@'127.0.0.1' IDENTIFIED BY 'secret'; "
           "GRANT SELECT ON mail.* TO mail@localhost, mail@'127.0.0.1';")
    my.run(SCHEMA, 'mail')
    connect = 'host=%s/nowhere host=%s/s host=127.0.0.1 port=%d dbname=mail user=mail password=secret' % (my.dir, my.dir, my.port)
    return write(base, 'mysql', connect, "CONCAT('*:bytes=', quota)")


def prepare_sqlite(base):
    os.mkdir(base + '/lite', 0o755)
    db = sqlite3.connect(base + '/lite/users.sqlite')
    db.executescript(SCHEMA)
    db.close()
    return write(base, 'sqlite', base + '/lite/users.sqlite', "'*:bytes=' || quota")
