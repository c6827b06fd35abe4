# SPDX-License-Identifier: ISC
"""table.py - chains of databases and what is asked of them, written once for Dovecot and for authd.

A row has a name, settings, passdbs, userdbs and questions. A database is (what, {option: value}), what being the name of a file of
FILES (a passwd-file), "sick" (SQL that always fails), "static" or "prefetch". Questions are words: "USER PASSWORD" (PLAIN),
"LOGIN USER PASSWORD" (that mechanism), "? USER" (USER on the userdb socket), "! USER" (PASS there).
"""
import base64
import os
import re
import socket
import threading

FILES = {
    'a': 'alice:{PLAIN}one\nbob:{PLAIN}two\n',
    'b': 'alice:{PLAIN}other\ncarol:{PLAIN}three\n',
    'c': 'alice:{PLAIN}one\nbob:{PLAIN}zwei\ndave:{PLAIN}four\n',
    'only-alice': 'alice:\n',
    'masters': 'admin:{PLAIN}boss\n',
    'denied': 'bob:\n',
    'fields': ('here:{PLAIN}p::::::allow_nets=192.0.2.0/24\nthere:{PLAIN}p::::::allow_nets=10.0.0.0/8\nnext:{PLAIN}p::::::noauthenticate\n'
               'free:::::::nopassword\nempty:\nrenamed:{PLAIN}p::::::user=else\nfail:{PLAIN}p::::::fail=yes\nmore:{PLAIN}p::::::proxy_mech=a mark=fields\n'),
    'last': 'next:{PLAIN}q\nthere:{PLAIN}q\nfail:{PLAIN}q\nmore:{PLAIN}q::::::mark=last\n',
    'homes-a': 'alice::1001:1001::/a/alice::userdb_quota=1\nbob::1002:1002::/a/bob::\n',
    'homes-b': 'alice::2001:2001::/b/alice::userdb_quota=2 userdb_mail=maildir:~/b\ncarol::2003:2003::/b/carol::\n',
    'bare': 'alice::1001:1001::/a/alice::quota=1\n',
    'tempfail': 'alice::1001:1001::/t/alice::userdb_tempfail=yes\n',
}


def row(name, passdbs, questions, userdbs=(), settings=None):
    return name, settings or {}, passdbs, list(userdbs), questions


def rules(what, success=None, failure=None, internal=None, **more):
    """A database and its three rules."""
    options = {'result_success': success, 'result_failure': failure, 'result_internalfail': internal, **more}
    return what, {k: v for k, v in options.items() if v is not None}


ALL = ('return', 'return-ok', 'return-fail', 'continue', 'continue-ok', 'continue-fail')
BOTH = ['alice one', 'alice other', 'alice x', 'bob two', 'bob x', 'carol three', 'nobody x']
ROWS = [row('two files', [('a', {}), ('b', {})], BOTH), row('one file', [('a', {})], BOTH)]
# each rule in front, and as the last
for _rule in ALL:
    ROWS += [row('result_success=%s, and another' % _rule, [rules('a', _rule), ('b', {})], BOTH),
             row('result_failure=%s, and another' % _rule, [rules('a', None, _rule), ('b', {})], BOTH),
             row('result_internalfail=%s, and another' % _rule, [rules('sick', None, None, _rule), ('a', {})], BOTH),
             row('another, and result_success=%s' % _rule, [('a', {}), rules('b', _rule)], BOTH),
             row('another, and result_failure=%s' % _rule, [('a', {}), rules('b', None, _rule)], BOTH),
             row('another, and result_internalfail=%s' % _rule, [('a', {}), rules('sick', None, None, _rule)], BOTH),
             row('result_success=%s alone' % _rule, [rules('a', _rule)], ['alice one', 'alice x', 'nobody x']),
             row('after continue-ok: result_failure=%s' % _rule, [rules('a', 'continue-ok'), rules('b', None, _rule)], BOTH),
             row('after continue-ok: result_success=%s' % _rule, [rules('a', 'continue-ok'), rules('c', _rule)], BOTH),
             row('after continue-ok: result_internalfail=%s' % _rule, [rules('a', 'continue-ok'), rules('sick', None, None, _rule)], BOTH),
             row('after continue: result_success=%s' % _rule, [rules('a', 'continue'), rules('c', _rule)], BOTH)]
THREE = BOTH + ['bob zwei', 'dave four']
ROWS += [
    # skip
    row('skip=authenticated', [rules('a', 'continue-ok'), rules('c', skip='authenticated')], THREE),
    row('skip=authenticated after continue', [rules('a', 'continue'), rules('c', skip='authenticated')], THREE),
    row('skip=unauthenticated', [rules('a', 'continue-ok'), rules('c', skip='unauthenticated')], THREE),
    row('skip=unauthenticated, the first', [rules('a', skip='unauthenticated'), ('b', {})], ['alice one', 'alice other']),
    row('skip=never', [rules('a', 'continue-ok'), rules('b', skip='never', failure='return-fail')], THREE),
    row('skip=authenticated, and a third', [rules('a', 'continue-ok'), rules('b', skip='authenticated'), ('c', {})], THREE),
    # deny
    row('deny first', [rules('denied', deny='yes'), ('a', {})], BOTH),
    row('deny last', [rules('a', 'continue-ok'), rules('denied', deny='yes')], BOTH),
    row('deny that cannot tell', [rules('sick', deny='yes'), ('a', {})], BOTH),
    row('deny, skipped by those who were let in', [rules('a', 'continue-ok'), rules('denied', deny='yes', skip='authenticated'), ('b', {})], BOTH),
    # master
    row('masters', [rules('masters', master='yes'), ('a', {})], ['alice*admin boss', 'alice*admin x', 'nobody*admin boss', 'alice*bob two', 'admin boss', 'alice one']),
    row('masters, pass=yes', [rules('masters', master='yes', **{'pass': 'yes'}), ('a', {})], ['alice*admin boss', 'alice*admin x', 'nobody*admin boss', 'alice one']),
    row('masters, result_success=continue', [rules('masters', 'continue', master='yes'), ('a', {})], ['alice*admin boss', 'alice*admin x', 'nobody*admin boss', 'alice one']),
    row('masters, result_success=continue-ok', [rules('masters', 'continue-ok', master='yes'), ('a', {})], ['alice*admin boss', 'alice*admin x', 'nobody*admin boss', 'alice one']),
    row('masters, then a deny list', [rules('masters', 'continue', master='yes'), rules('denied', deny='yes'), ('a', {})], ['alice*admin boss', 'bob*admin boss', 'bob*admin x']),
    row('two files of masters', [rules('masters', master='yes'), rules('c', master='yes'), ('a', {})], ['alice*admin boss', 'alice*dave four', 'alice*dave x', 'alice*alice one']),
    row('no masters', [('a', {})], ['alice*admin boss', 'alice one']),
    row('masters that cannot be asked', [rules('sick', master='yes'), ('a', {})], ['alice*admin boss', 'alice one']),
    # filters
    row('username_filter', [rules('a', username_filter='!b*'), rules('c', username_filter='b* d*')], THREE),
    row('username_filter that fits nobody', [rules('a', username_filter='z*')], ['alice one', 'zoe x']),
    row('username_filter with a domain', [rules('a', username_filter='*@example.org'), ('b', {})], ['alice one', 'alice other', 'alice@example.org one']),
    row('mechanisms', [rules('a', mechanisms='login'), rules('b', mechanisms='plain')], ['alice one', 'alice other', 'LOGIN alice one', 'LOGIN alice other']),
    row('mechanisms that are not meant', [rules('a', mechanisms='!plain')], ['alice one', 'LOGIN alice one']),
    row('mechanisms, several', [rules('a', mechanisms='plain login')], ['alice one', 'LOGIN alice one']),
    # fields
    row('fields', [('fields', {}), ('last', {})],
        ['here p', 'there p', 'there q', 'there x', 'next p', 'next q', 'free x', 'empty x', 'renamed p', 'fail p', 'fail q', 'more p', 'more q']),
    row('fields of the last', [('fields', {})], ['here p', 'there p', 'next p', 'free x', 'empty x', 'renamed p', 'fail p']),
    row('fields go with their database', [rules('fields', 'continue'), ('last', {})], ['more p', 'next p', 'next q', 'renamed p', 'free x', 'here p']),
    row('default_fields', [rules('fields', default_fields='allow_nets=10.0.0.0/8 mark=default')], ['here p', 'more p', 'renamed p']),
    row('override_fields', [rules('fields', override_fields='allow_nets=192.0.2.0/24 mark=override')], ['here p', 'there p', 'more p']),
    row('override_fields with a variable', [rules('a', override_fields='mark=%u user=%u@example.org')], ['alice one']),
    row('override_fields of a database that says no', [rules('a', override_fields='mark=a'), ('b', {})], ['alice one', 'alice other', 'carol three']),
    row('noauthenticate from a static one', [('static', {'noauthenticate': 'yes', 'mark': 'static'}), ('a', {})], ['alice one', 'alice x', 'nobody x']),
    row('static in front', [('static', {'password': 'open'}), ('a', {})], ['alice open', 'alice one', 'nobody open', 'nobody x']),
    row('username_format', [('a', {'username_format': '%n'}), ('b', {})], ['alice@example.org one', 'alice@example.org other', 'alice other']),
    # what scripts ask
    row('PASS', [rules('a', 'continue', override_fields='mark=a'), rules('b', override_fields='more=b')], ['! alice', '! bob', '! carol', '! nobody']),
    row('PASS and return-fail', [rules('a', None, 'return-fail'), ('b', {})], ['! alice', '! carol']),
    row('PASS and a deny list', [rules('denied', deny='yes'), ('a', {})], ['! alice', '! bob']),
    row('PASS and a failure', [rules('sick'), ('a', {})], ['! alice', '! nobody']),
    row('PASS and masters', [rules('masters', master='yes'), ('a', {})], ['! alice', '! admin', '! alice*admin']),
    # userdbs
    row('two userdbs', [('a', {})], ['? alice', '? bob', '? carol', '? nobody'], [('homes-a', {}), ('homes-b', {})]),
    row('a userdb that cannot tell', [('a', {})], ['? alice', '? carol'], [('sick', {}), ('homes-a', {})]),
    row('fields of a userdb without userdb_', [('a', {})], ['? alice'], [('bare', {})]),
    row('tempfail', [('a', {})], ['? alice', '? carol'], [('tempfail', {}), ('homes-b', {})]),
    row('userdb skip=found', [('a', {})], ['? alice', '? carol'], [rules('homes-a', 'continue-ok'), rules('homes-b', skip='found')]),
    row('userdb skip=notfound', [('a', {})], ['? alice', '? carol'], [rules('homes-a', 'continue-ok'), rules('homes-b', skip='notfound')]),
    row('userdb default_fields', [('a', {})], ['? alice', '? bob'], [rules('homes-a', default_fields='quota=9 mark=d', override_fields='home=/o/%u')]),
]
for _rule in ALL:
    ROWS += [row('userdb result_success=%s' % _rule, [('a', {})], ['? alice', '? bob', '? carol'], [rules('homes-a', _rule), ('homes-b', {})]),
             row('userdb result_failure=%s' % _rule, [('a', {})], ['? alice', '? carol', '? nobody'], [rules('homes-a', None, _rule), ('homes-b', {})]),
             row('userdb result_internalfail=%s' % _rule, [('a', {})], ['? alice', '? carol'], [rules('sick', None, None, _rule), ('homes-b', {})])]

SICK = 'driver = sqlite\nconnect = %s/nothing.sqlite\ndefault_pass_scheme = PLAIN\npassword_query = SELECT nothing AS password FROM nowhere\nuser_query = SELECT nothing AS home FROM nowhere\n'


def write_files(directory):
    """What the databases read. Paths inside are those of inside()."""
    os.makedirs(directory, exist_ok=True)
    for name, text in FILES.items():
        with open('%s/%s' % (directory, name), 'w') as f:
            f.write(text)
    open(directory + '/nothing.sqlite', 'w').close()


def write_sick(directory, inside):
    with open(directory + '/sick.ext', 'w') as f:
        f.write(SICK % inside)
    os.chmod(directory + '/sick.ext', 0o644)


# ---- as Dovecot has it ----

def dovecot_block(kind, db, directory):
    what, options = db[0], dict(db[1])
    lines, args = [], []
    if what == 'static':
        args = ['%s=%s' % o if o[1] != 'yes' else o[0] for o in options.items()]
        options = {}
    elif what not in ('sick', 'prefetch'):
        args = ['username_format=' + options.pop('username_format')] if 'username_format' in options else []
    driver = {'sick': 'sql', 'static': 'static', 'prefetch': 'prefetch'}.get(what, 'passwd-file')
    if driver == 'passwd-file':
        args.append('%s/%s' % (directory, what))
    if driver == 'sql':
        args.append(directory + '/sick.ext')
    lines = ['driver = ' + driver] + (['args = ' + ' '.join(args)] if args else []) + ['%s = %s' % o for o in options.items()]
    return '%s {\n%s}\n' % (kind, ''.join('  %s\n' % line for line in lines))


def dovecot_conf(r, directory):
    _, settings, passdbs, userdbs, _ = r
    return (''.join('%s = %s\n' % s for s in settings.items()) + ''.join(dovecot_block('passdb', db, directory) for db in passdbs) +
            ''.join(dovecot_block('userdb', db, directory) for db in userdbs or [('static', {'uid': '5000', 'gid': '5000', 'home': '/h/%u'})]))


# ---- as main.cf has it ----

def postern_entry(db, directory):
    what, options = db
    head = {'sick': 'sql:%s/sick.ext' % directory, 'static': 'static:', 'prefetch': 'prefetch'}.get(what, 'passwd-file:%s/%s' % (directory, what))
    return '{ %s }' % ', '.join([head] + ['{ %s = %s }' % o for o in options.items()])


def postern_main(r, directory):
    _, settings, passdbs, userdbs, _ = r
    userdbs = userdbs or [('static', {'uid': '5000', 'gid': '5000', 'home': '/h/%u'})]
    return ''.join('%s = %s\n' % s for s in settings.items()) + 'postern_passdb = %s\npostern_userdb = %s\n' % (
        ',\n  '.join(postern_entry(db, directory) for db in passdbs), ',\n  '.join(postern_entry(db, directory) for db in userdbs))


# ---- asking ----

def b64(text):
    return base64.b64encode(text.encode()).decode()


class Client:
    """The auth and the userdb socket of a server. Each login comes from an address of its own."""

    def __init__(self, auth, userdb):
        self.auth = self.connect(auth, 'VERSION\t1\t2\nCPID\t%d\n' % threading.get_native_id(), 'DONE')
        self.userdb = self.connect(userdb, 'VERSION\t1\t1\n', 'SPID')
        self.n = 0

    def connect(self, path, hello, last):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(path)
        f = s.makefile('rwb')
        f.write(hello.encode())
        f.flush()
        while True:
            line = f.readline().decode().rstrip('\n')
            if line.split('\t')[0] == last:
                break
            if not line:
                raise RuntimeError('no handshake from ' + path)
        s.close()       # f keeps it
        return f

    def say(self, f, text):
        f.write(text.encode() + b'\n')
        f.flush()
        return f.readline().decode().rstrip('\n')

    def ask(self, question):
        self.n += 1
        words = question.split(' ')
        if words[0] in '?!':
            line = self.say(self.userdb, '%s\t%d\t%s\tservice=imap' % ('USER' if words[0] == '?' else 'PASS', self.n, words[1]))
        else:
            mech = 'LOGIN' if words[0] == 'LOGIN' else 'PLAIN'
            user, password = words[-2:]
            resp = b64(user) if mech == 'LOGIN' else b64('\0%s\0%s' % (user, password))
            line = self.say(self.auth, 'AUTH\t%d\t%s\tservice=imap\tnologin\tlip=192.0.2.1\trip=192.0.2.%d\tresp=%s' % (self.n, mech, 10 + self.n, resp))
            if line.startswith('CONT'):
                line = self.say(self.auth, 'CONT\t%d\t%s' % (self.n, b64(password)))
        return normal(line)

    def close(self):
        self.auth.close()
        self.userdb.close()


def normal(line):
    """Without its id and empty fields; the fields in order, but for the name in USER."""
    fields = [x for x in line.split('\t')[2:] if x and not re.match(r'(auth_token|event_\w+)=', x)]
    name = 1 if line.startswith('USER\t') else 0
    return ' '.join([line.split('\t')[0], *fields[:name], *sorted(fields[name:])])


def transcript(r, answers):
    name, settings, passdbs, userdbs, questions = r
    head = ['== ' + name] + ['%s = %s' % s for s in settings.items()]
    for kind, dbs in (('passdb', passdbs), ('userdb', userdbs)):
        head += ['%s %s%s' % (kind, what, ''.join(' %s=%s' % (k, '{%s}' % v if ' ' in v else v) for k, v in options.items())) for what, options in dbs]
    return head + ['%s -> %s' % qa for qa in zip(questions, answers)]
