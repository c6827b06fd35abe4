# SPDX-License-Identifier: ISC
"""Passwords stored in an old scheme are stored anew after a login with them: passwd-files and SQL."""
import os
import re
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from authdb import Auth                               # noqa: E402
from instance import PORT, Instance, wait_until       # noqa: E402
from servers import Maria, Postgres                   # noqa: E402
from tap import case, done, ok                        # noqa: E402

FILE = """# users of the mail server

carol:{SSHA}%(ssha)s:5000:5000:Carol:/home/carol::userdb_x=y:z allow_nets=192.0.2.0/24
# dave left: dave:{PLAIN}dave-secret
dave:{PLAIN}dave-secret
erin:{PLAIN}erin-secret:::::: nologin=yes
frank:{BLF-CRYPT}$2b$05$abcdefghijklmnopqrstuuDiDoRPMjq./yLr5z.auDRO7E8CTMf76:1:2
grace:{SHA512-CRYPT}$6$rounds=1000$saltsalt$0Xfgyl2nETT9Rly87RvPhAR9Ji8AG6OGwtQDB193N5exYXbkcpaEOmxySrDS4DV9hSVbZVwGHG/hzYaqGD8VG.
dave:{PLAIN}a second line counts for nothing
"""
MAIN = """postern_passdb = { passwd-file:%(dir)s/passwd, rehash=SHA512-CRYPT, rehash_rounds=2000 }, passwd-file:$config_directory/passwd
postern_userdb = { static:, uid=%(uid)d, gid=%(uid)d, home=%(dir)s/%%u }
postern_auth_failure_delay = 0
postern_disable_plaintext_auth = no
postern_auth_mechanisms = plain login cram-md5
"""


def ssha(password):
    import base64
    import hashlib
    return base64.b64encode(hashlib.sha1(password.encode() + b'salt').digest() + b'salt').decode()


def place(i, text):
    """A directory of authd's own with the file in it."""
    path = i.base + '/users'
    os.makedirs(path, exist_ok=True)
    with open(path + '/passwd', 'w') as f:
        f.write(text)
    os.chmod(path + '/passwd', 0o640)
    return path


def lines(path):
    with open(path) as f:
        return f.read().split('\n')


def stored(path, user):
    return next((row.split(':')[1] for row in lines(path) if row.startswith(user + ':')), None)


def prepare(i, passwd, rest=''):
    path = place(i, passwd)
    i.append_main(MAIN % {'dir': path, 'uid': os.getuid() or 1000} + rest)


def is_new(path, user):
    return wait_until(lambda: (stored(path, user) or '').startswith('{SHA512-CRYPT}$6$rounds=2000$'), 10)


def one_by_one(i):
    path = i.base + '/users/passwd'
    before = lines(path)
    inode = os.stat(path).st_ino
    a = Auth(i)
    ok(a.ask('carol', 'wrong').startswith('FAIL') and a.ask('erin', 'erin-secret', '192.0.2.11').startswith('FAIL'), 'a wrong password, and a user who may not log in')
    time.sleep(0.5)
    ok(lines(path) == before and os.stat(path).st_ino == inode, '... change nothing')
    ok(a.ask('carol', 'carol-secret') == 'OK\tuser=carol', 'a right one')
    ok(is_new(path, 'carol'), '... is stored anew', stored(path, 'carol'))
    after = lines(path)
    changed = [n for n in range(len(before)) if before[n] != after[n]]
    ok(len(after) == len(before) and changed == [2] and after[2].split(':')[2:] == before[2].split(':')[2:], 'no other field, line or comment has changed', changed)
    ok(os.stat(path).st_mode & 0o7777 == 0o640 and os.listdir(i.base + '/users') == ['passwd'], 'its mode is what it was, and nothing else is there')
    ok(i.wait_log(r'auth: passwd-file\(carol,192\.0\.2\.9\): the password is stored anew, as SHA512-CRYPT', 5), 'the log has it')
    inode = os.stat(path).st_ino
    ok(a.ask('carol', 'carol-secret') == 'OK\tuser=carol' and a.ask('carol', 'wrong', '192.0.2.12').startswith('FAIL'), 'the new one lets in whom the old one did')
    time.sleep(0.5)
    ok(os.stat(path).st_ino == inode, 'and stays')
    ok(a.ask('grace', 'carol-secret').startswith('OK') and is_new(path, 'grace'), 'fewer rounds than wanted are outdated')
    ok(a.ask('frank', 'dave-secret').startswith('OK') and is_new(path, 'frank'), 'so is another slow scheme')
    m = i.imap('dave', 'dave-secret')
    m.logout()
    ok(is_new(path, 'dave') and lines(path)[-2] == 'dave:{PLAIN}a second line counts for nothing', 'a login by IMAP counts, too; of two lines the first is the one')
    ok(stored(path, 'erin') == '{PLAIN}erin-secret', 'who may not log in keeps what he had')
    a.close()


def many(i):
    """Everybody at once, and an administrator who changes passwords meanwhile."""
    users = ['u%d' % n for n in range(30)]
    path = place(i, ''.join('%s:{PLAIN}%s-secret:::x%d::\n' % (u, u, n) for n, u in enumerate(users))) + '/passwd'
    slow, bad, over = [], [], []

    def log_in(mine):
        a = Auth(i)
        while not over:
            for u in mine:
                start = time.time()
                answer = a.ask(u, u + '-secret', '192.0.2.%d' % (60 + int(u[1:])))
                if not answer.startswith('OK') and u != 'u7':
                    bad.append((u, answer))
                slow.append(time.time() - start)
        a.close()
    threads = [threading.Thread(target=log_in, args=(users[n::3],)) for n in range(3)]
    for t in threads:
        t.start()
    time.sleep(0.3)
    for n in range(5):
        p = i.run('postern', 'pw', '-s', 'SHA512-CRYPT', '-p', 'admin%d' % n)
        with open(path) as f:
            text = f.read()
        with open(path + '.edit', 'w') as f:
            f.write(re.sub(r'^u7:[^:]*:', lambda m: 'u7:%s:' % p.stdout.strip(), text, flags=re.M))
        os.chmod(path + '.edit', 0o640)
        os.rename(path + '.edit', path)
        time.sleep(0.3)
    finished = wait_until(lambda: all(stored(path, u).startswith('{SHA512-CRYPT}') for u in users), 150)
    over.append(True)
    for t in threads:
        t.join(30)
    rows = lines(path)
    ok(finished and not bad, '30 users under load are all stored anew, and none was refused', (bad[:3], rows[:3]))
    ok([r.split(':')[0] for r in rows[:-1]] == users and [r.split(':')[4] for r in rows[:-1]] == ['x%d' % n for n in range(30)], 'no line is lost or moved')
    a = Auth(i)
    ok(a.ask('u7', 'admin4', '192.0.2.200').startswith('OK') and a.ask('u7', 'u7-secret', '192.0.2.201').startswith('FAIL'), 'a password that was changed meanwhile is not brought back')
    a.close()
    print('# %d logins, the slowest %.2f s' % (len(slow), max(slow)))


def failing(i):
    """What cannot be written is said once, and nobody waits for it."""
    path = place(i, 'heidi:{PLAIN}heidi-secret\nivan:{PLAIN}ivan-secret\n') + '/passwd'
    os.rename(path, path + '.real')
    os.symlink('passwd.real', path)
    a = Auth(i)
    ok(wait_until(lambda: a.ask('heidi', 'heidi-secret').startswith('OK'), 5), 'a file that cannot be written lets its users in')
    ok(i.wait_log(r'warning: auth: passwd-file\(heidi,192\.0\.2\.9\): the password is right and stays stored as it was.*symbolic link: name the file itself', 5), 'the log says what to do')
    ok(a.ask('ivan', 'ivan-secret').startswith('OK') and a.ask('heidi', 'heidi-secret').startswith('OK'), 'and others')
    time.sleep(1)
    ok(len(re.findall('stays stored as it was', i.log())) == 1 and os.path.islink(path), 'once')
    os.unlink(path)
    os.rename(path + '.real', path)
    ok(a.ask('ivan', 'ivan-secret').startswith('OK'), 'what was tried rests for an hour')
    a.close()


def refused(i, base):
    i.stop()
    os.chmod(base + '/users', 0o700)
    with open(i.etc + '/main.cf') as f:
        good = f.read()
    for entry, says in (('{ passwd-file:$config_directory/passwd, rehash=SHA512-CRYPT }', 'move the password file to a directory of its own'),
                        ('{ lmdb:$config_directory/aliases, rehash=SHA512-CRYPT }', 'no new password can be stored in "lmdb": rehash is for passwd-file and sql'),
                        ('{ passwd-file:%s/users/passwd, rehash=MD5-CRYPT }' % base, 'is a weak scheme'),
                        ('{ pam, rehash=SHA512-CRYPT }', 'no new password can be stored in "pam"')) + \
            ((('{ passwd-file:/etc/passwd, rehash=SHA512-CRYPT }', 'belongs to another user'),) if os.getuid() != 0 else ()):
        with open(i.etc + '/main.cf', 'w') as f:
            f.write(good + '\npostern_passdb = %s\n' % entry)
        seen = len(i.log())
        i.tool('postfix', 'start')
        i.running = True
        ok(wait_until(lambda: says in i.log()[seen:], 10), 'refused at the start: ' + entry, i.log()[seen:][-600:])
        i.stop()
    with open(i.etc + '/main.cf', 'w') as f:
        f.write(good)


def sql():
    with Instance(start=False) as i:
        os.mkdir(i.base + '/lite', 0o755)
        db = sqlite3.connect(i.base + '/lite/users.sqlite', isolation_level=None)
        db.executescript("CREATE TABLE users (name TEXT PRIMARY KEY, pw TEXT); INSERT INTO users VALUES ('carol@example.test', '{SSHA}%s'), ('dave@example.test', '{PLAIN}dave-secret');"
                         % ssha('carol-secret'))
        with open(i.base + '/sqlite.ext', 'w') as f:
            f.write("driver = sqlite\nconnect = %s/lite/users.sqlite\npassword_query = SELECT pw AS password FROM users WHERE name='%%u'\n"
                    "user_query = SELECT '/nowhere' AS home, 5000 AS uid, 5000 AS gid\n" % i.base)
        row = lambda user: db.execute('SELECT pw FROM users WHERE name=?', (user,)).fetchone()[0]   # noqa: E731
        with open(i.etc + '/main.cf') as f:
            good = f.read()

        def configure(query):
            with open(i.etc + '/main.cf', 'w') as f:
                f.write(good + "postern_auth_failure_delay = 0\npostern_passdb = passwd-file:$config_directory/passwd,\n"
                        "  { sql:%s/sqlite.ext, rehash=SHA512-CRYPT, rehash_rounds=2000,\n    { rehash_query = %s } }\n" % (i.base, query))
        configure("UPDATE users SET pw='%{rehash}' WHERE name='%u'")
        i.start()
        a = Auth(i)
        ok(a.ask('carol@example.test', 'carol-secret').startswith('OK'), 'SQL: a user logs in')
        ok(wait_until(lambda: row('carol@example.test').startswith('{SHA512-CRYPT}$6$rounds=2000$'), 10), 'SQL: the statement stores the new password', row('carol@example.test'))
        ok(row('dave@example.test') == '{PLAIN}dave-secret', 'SQL: ... of that user')
        ok(a.ask('carol@example.test', 'carol-secret').startswith('OK') and a.ask('carol@example.test', 'wrong', '192.0.2.12').startswith('FAIL'), 'SQL: which lets in whom the old one did')
        a.close()
        i.stop()
        configure("UPDATE people SET pw='%{rehash}' WHERE name='%u'")
        i.start()
        a = Auth(i)
        ok(a.ask('dave@example.test', 'dave-secret').startswith('OK') and
           i.wait_log(r'warning: auth: sql\(dave@example\.test,192\.0\.2\.9\): .*rehash_query failed: .*no such table.*correct rehash_query', 10), 'SQL: a statement that fails: the login works, the log says what to do')
        a.close()


def by_server(what, driver, connect, row):
    """A server stores it, whose user may not, at first."""
    with Instance(start=False) as i:
        with open(i.base + '/users.ext', 'w') as f:
            f.write("driver = %s\nconnect = %s\ndefault_pass_scheme = SSHA\npassword_query = SELECT pw AS password FROM people WHERE name='%%u'\n"
                    "user_query = SELECT '/nowhere' AS home, 5000 AS uid, 5000 AS gid\n" % (driver, connect))
        i.append_main("postern_auth_failure_delay = 0\npostern_passdb = { sql:%s/users.ext, rehash=SHA512-CRYPT, rehash_rounds=2000,\n"
                      "    { rehash_query = UPDATE people SET pw='%%{rehash}' WHERE name='%%u' } }\n" % i.base)
        i.start()
        a = Auth(i)
        ok(a.ask('carol@example.test', 'carol-secret').startswith('OK'), what + ': a user logs in')
        ok(i.wait_log(r'warning: auth: sql\(carol@example\.test,.*rehash_query failed: .*(denied|permission)', 15), what + ': who may not change it: the log says what to do', i.log()[-900:])
        yield
        i.stop()
        i.start()
        a = Auth(i)
        ok(wait_until(lambda: a.ask('carol@example.test', 'carol-secret').startswith('OK'), 10), what + ': a user logs in again')
        ok(wait_until(lambda: row().startswith('{SHA512-CRYPT}$6$rounds=2000$'), 10), what + ': a password without its scheme is stored with the new one', row())
        ok(a.ask('carol@example.test', 'carol-secret').startswith('OK') and a.ask('carol@example.test', 'wrong', '192.0.2.12').startswith('FAIL'), what + ': it is as good as the old one')
        a.close()
        yield


PEOPLE = "CREATE TABLE people (name VARCHAR(100) PRIMARY KEY, pw VARCHAR(200)); INSERT INTO people VALUES ('carol@example.test', '%s'); " % ssha('carol-secret')


def postgres():
    with Postgres(PORT + 800) as pg:
        pg.run("CREATE ROLE mail LOGIN PASSWORD 'secret'; CREATE DATABASE mail;")
        pg.run(PEOPLE + 'GRANT SELECT ON people TO mail;', 'mail')
        steps = by_server('PostgreSQL', 'pgsql', 'host=127.0.0.1 port=%d dbname=mail user=mail password=secret' % (PORT + 800), lambda: pg.run('SELECT pw FROM people', 'mail').strip())
        next(steps)
        pg.run('GRANT UPDATE ON people TO mail;', 'mail')
        next(steps)
        steps.close()


def maria():
    with Maria(PORT + 810) as my:
        my.run("CREATE DATABASE mail; CREATE USER mail@'127.0.0.1' IDENTIFIED BY 'secret'; CREATE USER mail@localhost IDENTIFIED BY 'secret';")
        my.run(PEOPLE, 'mail')
        my.run("GRANT SELECT ON mail.* TO mail@'127.0.0.1', mail@localhost;")
        steps = by_server('MariaDB', 'mysql', 'host=127.0.0.1 port=%d dbname=mail user=mail password=secret' % (PORT + 810), lambda: my.run('SELECT pw FROM people', 'mail').strip())
        next(steps)
        my.run("GRANT UPDATE ON mail.* TO mail@'127.0.0.1', mail@localhost;")
        next(steps)
        steps.close()


with Instance(start=False) as instance:
    prepare(instance, FILE % {'ssha': ssha('carol-secret')})
    instance.start()
    for test in (one_by_one, many, failing):
        case(test.__name__, lambda t=test: t(instance))
    case('refused', lambda: refused(instance, instance.base))
case('sql', sql)
case('postgres', postgres)
case('maria', maria)
done()
