# SPDX-License-Identifier: ISC
"""The chain of authd's databases: rules, masters, denials, fields, names; through private/auth and by real logins."""
import base64
import imaplib
import os
import poplib
import re
import smtplib
import socket
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, wait_until             # noqa: E402
from tap import case, done, ok                        # noqa: E402



class Auth:
    """A client of private/auth."""

    def __init__(self, i):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(20)
        self.s.connect(i.spool() + '/private/auth')
        self.f = self.s.makefile('rb')
        while self.line() != 'DONE':
            pass
        self.s.sendall(b'VERSION\t1\t2\nCPID\t%d\n' % os.getpid())

    def line(self):
        return self.f.readline().decode().rstrip('\n')

    def plain(self, number, user, password):
        resp = base64.b64encode(('\0%s\0%s' % (user, password)).encode()).decode()
        self.s.sendall(('AUTH\t%d\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=192.0.2.9\trport=4711\tno-penalty\tresp=%s\n' % (number, resp)).encode())
        return self.line()


FAST = 'postern_auth_failure_delay = 0\npostern_auth_cache_ttl = 0\n'
# Directories elsewhere that stand as links among those of FILES
LINKS = {'far%d.test' % n: 'user%d/mail/far%d.test' % (n, n) for n in range(40)}
FILES = {
    'a': 'alice:{PLAIN}one\nbob:{PLAIN}two\n',
    'b': 'alice:{PLAIN}other\ncarol:{PLAIN}three\n',
    'only-alice': 'alice:\n',
    'masters': 'admin:{PLAIN}boss\n',
    'denied': 'bob:\n',
    'broken': 'alice:{NO-SUCH-SCHEME}x\n',
    'fields': ('here:{PLAIN}p::::::allow_nets=192.0.2.0/24\nthere:{PLAIN}p::::::allow_nets=10.0.0.0/8,2001:db8::/32\n'
               'off:{PLAIN}p::::::user_disabled reason=moved\nold:{PLAIN}p::::::pass_expired\nno:{PLAIN}p::::::nologin\n'
               'fail:{PLAIN}p::::::fail=yes\nnext:{PLAIN}p::::::noauthenticate\nfree:::::::nopassword\nempty:\n'
               'renamed:{PLAIN}p::::::user=Else\nnear:{PLAIN}p::::::allow_real_nets=192.0.2.0/24\nfar:{PLAIN}p::::::allow_real_nets=10.0.0.0/8\n'
               'cert:{PLAIN}p::::::check_client_fp=ab:cd\nkey:{PLAIN}p::::::check_client_pubkey_fp=ab:cd\n'),
    'last': 'next:{PLAIN}q\nthere:{PLAIN}q\n',
    'plain': 'alice:one\n',
    'one.test/passwd': 'alice:{PLAIN}one-one\n',
    'two.test/passwd': 'alice:{PLAIN}one-two\n',
    'full': 'alice@one.test:{PLAIN}f\n',
    'dir.test/passwd/x': '',
}
OK_ = 'OK'
NO = 'FAIL'
TEMP = 'FAIL temp_fail'
OFF = 'FAIL user_disabled'
# name, main.cf ({} is the directory of the files), then: user, password, answer and what else is in it
CHAINS = [
    ('each of two files lets in', 'postern_passdb = passwd-file:{}/a, passwd-file:{}/b', [
        ('alice', 'one', OK_), ('alice', 'other', OK_), ('alice', 'neither', NO), ('carol', 'three', OK_), ('nobody', 'x', NO)]),
    ('result_failure=return-fail ends with the first', 'postern_passdb = { passwd-file:{}/a, result_failure=return-fail }, passwd-file:{}/b', [
        ('alice', 'one', OK_), ('alice', 'other', NO), ('carol', 'three', NO)]),
    ('result_success=continue wants the next one, too', 'postern_passdb = { passwd-file:{}/a, result_success=continue, result_failure=return-fail }, passwd-file:{}/only-alice', [
        ('alice', 'one', OK_), ('alice', 'x', NO), ('bob', 'two', NO)]),
    ('result_success=continue-ok holds whatever follows', 'postern_passdb = { passwd-file:{}/a, result_success=continue-ok }, passwd-file:{}/only-alice', [
        ('alice', 'one', OK_), ('bob', 'two', OK_), ('bob', 'x', NO)]),
    ('result_success=continue-fail takes it back', 'postern_passdb = { passwd-file:{}/a, result_success=continue-fail }, passwd-file:{}/only-alice', [
        ('bob', 'two', NO), ('alice', 'one', NO)]),
    ('result_success=return-fail is a no', 'postern_passdb = { passwd-file:{}/a, result_success=return-fail }, passwd-file:{}/b', [
        ('alice', 'one', NO), ('alice', 'other', OK_), ('bob', 'two', NO)]),
    ('skip=authenticated and unauthenticated', 'postern_passdb = { passwd-file:{}/a, result_success=continue-ok }, { passwd-file:{}/denied, deny=yes, skip=authenticated }, { passwd-file:{}/b, skip=authenticated }', [
        ('bob', 'two', OK_), ('alice', 'other', OK_), ('bob', 'x', OFF)]),
    ('a deny list comes first', 'postern_passdb = { passwd-file:{}/denied, deny=yes }, passwd-file:{}/a', [
        ('bob', 'two', OFF), ('bob', 'x', OFF), ('alice', 'one', OK_)]),
    ('a deny list of one service', 'postern_passdb = { passwd-file:{}/denied, deny=yes, services=smtp }, { passwd-file:{}/only-alice, deny=yes, { services = imap pop3 } }, passwd-file:{}/a', [
        ('bob', 'two', OFF), ('alice', 'one', OK_)]),
    ('services that are not meant', 'postern_passdb = { passwd-file:{}/a, services=!smtp }, passwd-file:{}/b', [
        ('alice', 'one', NO), ('alice', 'other', OK_)]),
    ('mechanisms', 'postern_passdb = { passwd-file:{}/a, mechanisms=login }, { passwd-file:{}/b, mechanisms=!login }', [
        ('alice', 'one', NO), ('alice', 'other', OK_)]),
    ('username_filter', 'postern_passdb = { passwd-file:{}/a, { username_filter = !b* } }', [
        ('alice', 'one', OK_), ('bob', 'two', TEMP)]),
    ('master users without a database of them', 'postern_passdb = passwd-file:{}/a', [
        ('alice*bob', 'two', NO), ('alice', 'one', OK_)]),
    ('master users', 'postern_passdb = { passwd-file:{}/masters, master=yes }, passwd-file:{}/a', [
        ('alice*admin', 'boss', OK_ + ' user=alice'), ('alice*admin', 'one', NO), ('alice*bob', 'two', NO), ('nobody*admin', 'boss', OK_ + ' user=nobody'),
        ('admin', 'boss', NO), ('*admin', 'boss', NO), ('alice*', 'one', NO), ('alice', 'one', OK_)]),
    ('a master whose user must be there', 'postern_passdb = { passwd-file:{}/masters, master=yes, pass=yes }, passwd-file:{}/a', [
        ('alice*admin', 'boss', OK_ + ' user=alice'), ('nobody*admin', 'boss', 'FAIL authz_fail'), ('alice*admin', 'x', NO)]),
    ('a master who may not log in everybody', 'postern_passdb = { passwd-file:{}/masters, master=yes, result_success=continue }, { passwd-file:{}/denied, deny=yes }, passwd-file:{}/a', [
        ('alice*admin', 'boss', OK_ + ' user=alice'), ('bob*admin', 'boss', 'FAIL authz_fail')]),
    ('another separator', 'postern_passdb = { passwd-file:{}/masters, master=yes }, passwd-file:{}/a\npostern_auth_master_user_separator = +', [
        ('alice+admin', 'boss', OK_ + ' user=alice'), ('alice*admin', 'boss', NO)]),
    ('no separator', 'postern_passdb = { passwd-file:{}/masters, master=yes }, passwd-file:{}/a\npostern_auth_master_user_separator =', [
        ('alice*admin', 'boss', NO), ('alice', 'one', OK_)]),
    ('a database that cannot tell is a temporary failure', 'postern_passdb = passwd-file:{}/broken', [
        ('alice', 'x', TEMP), ('bob', 'two', NO)]),
    ('... unless the next one knows', 'postern_passdb = passwd-file:{}/broken, passwd-file:{}/a', [
        ('alice', 'one', OK_), ('alice', 'x', TEMP), ('bob', 'x', NO)]),
    ('... or a rule says no', 'postern_passdb = { passwd-file:{}/broken, result_internalfail=return-fail }, passwd-file:{}/a', [
        ('alice', 'one', TEMP), ('bob', 'two', OK_)]),
    ('fields of a passdb', 'postern_passdb = passwd-file:{}/fields, passwd-file:{}/last', [
        ('here', 'p', OK_), ('there', 'p', NO), ('there', 'q', OK_), ('off', 'p', OFF), ('off', 'x', NO), ('old', 'p', 'FAIL pass_expired'), ('no', 'p', OFF),
        ('fail', 'p', NO), ('next', 'p', NO), ('next', 'q', OK_), ('free', 'whatever', OK_), ('empty', 'x', NO), ('renamed', 'p', OK_ + ' user=Else'),
        ('near', 'p', OK_), ('far', 'p', NO), ('cert', 'p', NO), ('key', 'p', NO)]),
    ('variables of the connection', 'postern_passdb = { static:, password=x%{real_rip}%{lip}%{rport} }', [('bob', 'x192.0.2.9127.0.0.14711', OK_), ('bob', 'x', NO)]),
    ('default_fields and override_fields', 'postern_passdb = { passwd-file:{}/fields, default_fields={allow_nets=192.0.2.0/24 user_disabled=no}, override_fields={pass_expired=no} }, { passwd-file:{}/a, override_fields={allow_nets=10.0.0.0/8} }', [
        ('there', 'p', NO), ('here', 'p', OK_), ('old', 'p', OK_), ('free', 'x', OK_), ('alice', 'one', NO)]),
    ('a default scheme', 'postern_passdb = { passwd-file:{}/plain, default_pass_scheme=PLAIN }', [('alice', 'one', OK_), ('alice', 'two', NO)]),
    ('username_format of an entry', 'postern_passdb = { passwd-file:{}/a, username_format=%n }, { passwd-file:{}/full, username_format=%{user | lower} }', [
        ('alice@any.test', 'one', OK_ + ' user=alice@any.test'), ('Alice@One.Test', 'f', OK_ + ' user=alice@one.test')]),
    ('postern_auth_username_format', 'postern_passdb = passwd-file:{}/a\npostern_auth_username_format = %Ln', [('Alice@any.test', 'one', OK_ + ' user=alice')]),
    ('names as they are', 'postern_passdb = passwd-file:{}/a\npostern_auth_username_format =', [('Alice', 'one', NO), ('alice', 'one', OK_)]),
    ('translation and characters', 'postern_passdb = passwd-file:{}/full\npostern_auth_username_translation = /@#@\npostern_auth_username_chars = abcdefghijklmnopqrstuvwxyz.@', [
        ('alice/one.test', 'f', OK_ + ' user=alice@one.test'), ('alice#one.test', 'f', OK_), ('alice1@one.test', 'f', NO)]),
    ('a realm for names without one', 'postern_passdb = passwd-file:{}/full\npostern_auth_default_realm = one.test', [
        ('alice', 'f', OK_ + ' user=alice@one.test'), ('alice@two.test', 'f', NO)]),
    ('any characters', 'postern_passdb = passwd-file:{}/a\npostern_auth_username_chars =', [('al ice/..', 'one', NO), ('alice', 'one', OK_)]),
    ('a file per domain', 'postern_passdb = passwd-file:{}/%d/passwd\npostern_auth_username_format = %Lu', [
        ('alice@one.test', 'one-one', NO), ('alice@none.test', 'x', NO), ('alice', 'x', NO), ('alice@dir.test', 'x', TEMP)]),
    ('a directory per domain that is a link', 'postern_passdb = { passwd-file:{}/%d/passwd, username_format=%n }', [
        ('alice@far1.test', 'far', OK_), ('alice@far2.test', 'x', NO), ('alice@one.test', 'one-one', OK_)]),
    ('a file that is a link', 'postern_passdb = passwd-file:{}/link', [('alice', 'far', OK_)]),
    ('a deny list that cannot be read', 'postern_passdb = { passwd-file:{}/%d/passwd, deny=yes }, { static:, password=x }', [
        ('alice@dir.test', 'x', TEMP), ('alice@none.test', 'x', OK_)]),
    ('a file per domain, names without it', 'postern_passdb = { passwd-file:{}/%d/passwd, username_format=%n }, { static:, nopassword=yes, { username_filter = guest } }', [
        ('guest', 'anything', OK_), ('alice@one.test', 'one-one', OK_ + ' user=alice@one.test'), ('alice@two.test', 'one-two', OK_), ('alice@one.test', 'one-two', NO)]),
    ('static with a password', 'postern_passdb = { static:, password=open-%n }', [('bob', 'open-bob', OK_), ('bob', 'open', NO)]),
    ('an lmdb table', 'postern_passdb = lmdb:{}/table', [
        ('alice', 'one', OK_), ('alice', 'x', NO), ('bob', 'two', OK_), ('carol', 'three', OFF), ('dave', 'x', NO), ('eve', 'x', NO)]),
]
TABLE = 'alice\t{PLAIN}one:1000:1000::/h::\nbob\tpassword={PLAIN}two userdb_uid=1000\ncarol\tpassword={PLAIN}three user_disabled\ndave\t:1000:1000\n'


def write_files(i):
    d = i.dir + '/db'
    os.makedirs(d, exist_ok=True)
    for name, text in FILES.items():
        os.makedirs(os.path.dirname('%s/%s' % (d, name)), exist_ok=True)
        with open('%s/%s' % (d, name), 'w') as f:
            f.write(text)
    for name, target in LINKS.items():
        far = '%s/elsewhere/%s' % (i.dir, target)
        os.makedirs(far, exist_ok=True)
        with open(far + '/passwd', 'w') as f:
            f.write('alice:{PLAIN}far\n')
        if not os.path.islink(d + '/' + name):
            os.symlink(far, d + '/' + name)
    if not os.path.islink(d + '/link'):
        os.symlink(far + '/passwd', d + '/link')
    with open(d + '/table', 'w') as f:
        f.write(TABLE)
    i.tool('postmap', 'lmdb:' + d + '/table', check=True)
    return d


def set_main(i, text):
    """main.cf as it was, and these lines."""
    with open(i.etc + '/main.cf') as f:
        old = re.sub(r'(?s)\n# --- chain.*', '', f.read())
    with open(i.etc + '/main.cf', 'w') as f:
        f.write(old + '\n# --- chain\n' + text + '\n')


def fits(line, want):
    words = want.split(' ')
    fields = line.split('\t')
    code = [f for f in fields if f.startswith('code=')]
    if words[0] == 'OK':
        return fields[0] == 'OK' and all(w in fields for w in words[1:])
    return fields[0] == 'FAIL' and code == ['code=' + w for w in words[1:]]


def chains(i):
    d = write_files(i)
    for name, main, logins in CHAINS:
        set_main(i, FAST + main.replace('{}', d))
        i.stop()
        i.start()
        a = Auth(i)
        got = [(user, password, want, a.plain(n + 1, user, password)) for n, (user, password, want) in enumerate(logins)]
        bad = [g for g in got if not fits(g[3], g[2])]
        ok(not bad, name, '\n'.join(map(str, bad)) + '\n' + i.log()[-1500:] if bad else '')


REFUSED = [
    ('an unknown database', 'postern_passdb = passwdfile:/x', 'postern_passdb: entry "passwdfile:/x": there is no database "passwdfile": use one of'),
    ('a database in the wrong place', 'postern_userdb = pam', 'postern_userdb: entry "pam": no user database is "pam": name it in postern_passdb'),
    ('an unknown option', 'postern_passdb = { passwd-file:{}/a, resultsuccess=continue }', 'unknown option "resultsuccess": remove it'),
    ('a missing file', 'postern_passdb = passwd-file:{}/none', '/none": create it, with a line'),
    ('a missing directory', 'postern_passdb = passwd-file:{}/none/%d/passwd', '/none": create the directory'),
    ('a missing table', 'postern_passdb = lmdb:{}/none', '/none.lmdb": make it with postmap'),
    ('a relative path', 'postern_passdb = passwd-file:passwd', 'no absolute path "passwd": write the path of a file'),
    ('a bad template of a path', 'postern_passdb = passwd-file:{}/%y/passwd', 'unknown variable in'),
    ('a bad rule', 'postern_passdb = { passwd-file:{}/a, result_failure=stop }', 'result_failure cannot be "stop": use return'),
    ('a brace that is not closed', 'postern_passdb = { passwd-file:{}/a', 'close each'),
    ('a bad user name format', 'postern_auth_username_format = %{usr}', 'postern_auth_username_format: unknown variable in "%{usr}": VARIABLES in authdb(5)'),
    ('deny of a userdb', 'postern_userdb = { passwd-file:{}/a, deny=yes }', 'they are for postern_passdb: remove them'),
]
# What only authd finds out
REFUSED_AT_START = [
    ('a static passdb that lets nobody in', 'postern_passdb = static', 'postern_passdb: static: nobody could log in: add password='),
    ('a static template', 'postern_userdb = { static:, home=/v/%y }', 'postern_userdb: static: unknown variable in "/v/%y": VARIABLES'),
    ('a user who is not there', 'postern_userdb = { static:, uid=no-such-user }', 'postern_userdb: static: uid=no-such-user: create that user, or write a number'),
]


def refusals(i):
    d = i.dir + '/db'
    i.stop()
    for name, main, says in REFUSED:
        set_main(i, main.replace('{}', d))
        out = i.tool('postfix', 'check').stdout
        lines = [line for line in out.splitlines() if says in line]
        ok(len(lines) == 1 and 'fatal' in lines[0], 'postfix check refuses ' + name, out)
    for name, main, says in REFUSED_AT_START:
        set_main(i, main.replace('{}', d))
        i.tool('postfix', 'start')
        ok(wait_until(lambda: says in i.log(), 10), 'authd refuses ' + name, i.log()[-1500:])
        i.tool('postfix', 'stop')


# main.cf ({} the files, <> where mail is), then: login name, password, the directory of the mailbox below <>, or None: refused
LOGINS = [
    ('a file per domain, static userdb, masters', """
postern_passdb = { passwd-file:{}/masters, master=yes, result_success=continue },
    { passwd-file:{}/%d/passwd, username_format=%n }
postern_userdb = { static:, uid=%U, gid=%G, home=<>/%d/%n }
postern_mail_location = maildir:%{home}/Mail
""", [('alice@one.test', 'one-one', 'one.test/alice'), ('Alice@Two.test', 'one-two', 'two.test/alice'), ('alice@two.test*admin', 'boss', 'two.test/alice'),
      ('alice@one.test', 'one-two', None), ('nobody@one.test*admin', 'boss', None), ('alice@../one.test', 'one-one', None)]),
    ('an lmdb table with the fields of its users, and prefetch', """
postern_passdb = lmdb:{}/mailboxes
postern_userdb = prefetch, { lmdb:{}/mailboxes, default_fields={home=<>/default/%u} }
""", [('pre', 'p1', 'pre-home'), ('line', 'p2', 'line-home'), ('bare', 'p3', 'default/bare'), ('bare', 'p4', None)]),
    ('defaults of main.cf, mail and home of a passwd-file', """
postern_passdb = passwd-file:{}/boxes
postern_mail_home = <>/homes/%{user | username}/%1.1n
postern_mail_location = maildir:~/Mail
""", [('alice', 'one', 'homes/alice/l'), ('own', 'p', 'own'), ('other', 'p', 'elsewhere/other'), ('new', 'p', 'elsewhere/new')]),
]
FILES.update({
    'boxes': ('alice:{PLAIN}one\nmoved:{PLAIN}p::::<>/moved::proxy=y host=192.0.2.77\nown:{PLAIN}p::::<>/own\nother:{PLAIN}p::::<>/own::userdb_mail=maildir:<>/elsewhere/%u/Mail\n'
              'new:{PLAIN}p::::::userdb_mail_driver=maildir userdb_mail_path=<>/elsewhere/%n/Mail\n'),
})
MAILBOXES = 'pre\tpassword={PLAIN}p1 userdb_home=<>/pre-home\nline\t{PLAIN}p2::::<>/line-home\nbare\tpassword={PLAIN}p3\n'


def tried(fn, *args):
    try:
        return fn(*args)
    except (imaplib.IMAP4.error, poplib.error_proto, smtplib.SMTPException):
        return None


def one_login(i, mail, user, password, box):
    """Reached by all three services, or by none."""
    # imaplib does not quote
    imap, pop3, smtp = tried(i.imap, '"%s"' % user, password), tried(i.pop3, user, password), tried(i.submission, user, password)
    got = (imap is not None, pop3 is not None, smtp is not None)
    if imap:
        imap.select('INBOX')
        imap.logout()
    if pop3:
        pop3.quit()
    if smtp:
        smtp.quit()
    if box is None:
        return got == (False, False, False), got
    return got == (True, True, True) and os.path.isdir('%s/%s/Mail' % (mail, box)), got


def logins(i):
    d, mail = i.dir + '/db', i.dir + '/boxes'
    os.makedirs(mail, exist_ok=True)
    with open(d + '/boxes', 'w') as f:
        f.write(FILES['boxes'].replace('<>', mail))
    with open(d + '/mailboxes', 'w') as f:
        f.write(MAILBOXES.replace('<>', mail))
    i.tool('postmap', 'lmdb:' + d + '/mailboxes', check=True)
    for name, main, users in LOGINS:
        text = main if 'postern_mail_location' in main else main + 'postern_mail_location = maildir:~/Mail\n'
        set_main(i, FAST + text.replace('{}', d).replace('<>', mail).replace('%U', str(os.geteuid())).replace('%G', str(os.getegid())))
        i.stop()
        i.start()
        for user, password, box in users:
            good, got = one_login(i, mail, user, password, box)
            ok(good, '%s: %s %s' % (name, user, 'is let in' if box else 'is refused'), '%s\n%s' % (got, i.log()[-1500:]))
    ok(tried(i.imap, 'moved', 'p') is None and tried(i.pop3, 'moved', 'p') is None and i.wait_log(r'auth: moved: a database says proxy, to host 192\.0\.2\.77', 5),
       'a user whom a database sends to another host gets no mailbox here', i.log()[-1500:])


def userdb(i, command):
    """What private/auth-userdb answers to one command: its lines."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(i.spool() + '/private/auth-userdb')
    f = s.makefile('rb')
    s.sendall(b'VERSION\t1\t1\n' + command.encode() + b'\n')
    lines = []
    while not lines or (command.startswith('LIST') and not lines[-1].startswith('DONE')):
        line = f.readline().decode().rstrip('\n')
        if line.split('\t')[0] not in ('VERSION', 'SPID'):
            lines.append(line)
        if line == '':
            break
    return lines


def userdbs(i):
    d, mail = i.dir + '/db', i.dir + '/boxes'
    own = 'postern_auth_listeners = {unix:private/auth-userdb, type=userdb, mode=0600}\n'
    sockets = FAST + own + 'postern_passdb = passwd-file:%s/boxes, passwd-file:%s/b\n' % (d, d)
    set_main(i, sockets + 'postern_userdb = { passwd-file:%s/boxes, skip=found }, { static:, uid=1, gid=2, home=%s/%%u, extra=%%{userdb:none:x}, { quota = 1 G } }\n' % (d, mail))
    i.stop()
    i.start()
    ok(userdb(i, 'USER\t1\town\tservice=lmtp')[0].startswith('USER\t1\town\t') and 'home=%s/own' % mail in userdb(i, 'USER\t1\town\tservice=lmtp')[0],
       'the first userdb that knows the user answers', userdb(i, 'USER\t1\town\tservice=lmtp'))
    line = userdb(i, 'USER\t2\tCarol\tservice=lmtp')[0]
    ok(line.startswith('USER\t2\tcarol\t') and 'home=%s/carol' % mail in line and '\textra=x' in line and '\tquota=1 G' in line, 'static fields of a user whom a passdb knows', line)
    ok(userdb(i, 'USER\t3\tnobody\tservice=lmtp') == ['NOTFOUND\t3'], 'static does not answer for a user whom no passdb knows')
    names = sorted(x.split('\t')[2] for x in userdb(i, 'LIST\t4\tservice=lmtp')[:-1])
    ok(names == ['alice', 'moved', 'new', 'other', 'own'], 'the users of a passwd-file are listed', names)
    set_main(i, sockets + 'postern_userdb = { passwd-file:%s/%%d/passwd, username_format=%%n }, passwd-file:%s/boxes\n' % (d, d))
    i.stop()
    i.start()
    lines = userdb(i, 'LIST\t4\tservice=lmtp')
    ok(lines[-1] == 'DONE\t4\tfail' and len(lines) == 6 and i.wait_log(r'auth: passwd-file: \S+/%d/passwd: users are not listed', 5),
       'a file per domain cannot be listed: the others are, the end says so, and the log why', lines)
    set_main(i, sockets + 'postern_userdb = { static:, allow_all_users=yes, home=%s/%%u }\n' % mail)
    i.stop()
    i.start()
    ok(userdb(i, 'USER\t5\tanybody\tservice=lmtp')[0].startswith('USER\t5\tanybody\t'), 'allow_all_users takes everybody for a user')
    names = sorted(x.split('\t')[2] for x in userdb(i, 'LIST\t6\tservice=lmtp')[:-1])
    ok(names == ['alice', 'alice', 'carol', 'moved', 'new', 'other', 'own'], 'where no userdb can list, the passdbs do', names)
    set_main(i, sockets + 'postern_userdb = passwd\npostern_first_valid_uid = 1\n')
    i.stop()
    i.start()
    ok(userdb(i, 'USER\t7\tdaemon\tservice=lmtp')[0].startswith('USER\t7\tdaemon\t'), 'a user of the system')
    ok(userdb(i, 'USER\t8\tno-such-user\tservice=lmtp') == ['NOTFOUND\t8'], 'one who is not there')
    names = [x.split('\t')[2] for x in userdb(i, 'LIST\t9\tservice=lmtp')[:-1]]
    ok(userdb(i, 'PASS\t10\tnobody-at-all\tservice=lmtp') == ['NOTFOUND\t10'], 'PASS of an unknown user')
    ok('daemon' in names and 'bin' in names and 'root' not in names and len(names) == len(set(names)), 'the users of the system are listed', names)
    set_main(i, FAST + own + 'postern_passdb = pam\n')
    i.stop()
    i.start()
    ok(userdb(i, 'PASS\t11\tdaemon\tservice=lmtp')[0].startswith('FAIL\t11\treason='), 'PASS where only PAM is asked is no answer', userdb(i, 'PASS\t11\tdaemon\tservice=lmtp'))


with Instance(start=False) as instance:
    for test in (chains, logins, userdbs, refusals):
        case(test.__name__, lambda t=test: t(instance))
done()
