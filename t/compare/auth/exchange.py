# SPDX-License-Identifier: ISC
"""exchange.py - what is said to an auth server, and how its words become a transcript.

An exchange has a name, connections (name -> kind of socket: auth, login, userdb, master, codes) and steps: a connection and what
is sent on it. {pid}, {cpid} (another for each exchange), {cookie:C}, {b64:TEXT} and {plain:USER:PASSWORD} are filled in; a transcript shows them as written.
Transcripts are text: "== NAME", "C = KIND", "C > LINE", "C < LINE", "C closed"; pids, numbers of connections and cookies of the
server stand as <pid>, <n>, <cookie>, a challenge that is never the same as <challenge>.
"""
import base64
import concurrent.futures
import os
import re
import socket
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HELLO = 'VERSION\t1\t2\nCPID\t{cpid}\n'
OLD = 'VERSION\t1\t0\nCPID\t{cpid}\n'
MASTER = 'VERSION\t1\t1\n'


def one(name, *steps, kind='auth', hello=None):
    """An exchange on one connection that begins with a handshake."""
    if hello is None:
        hello = HELLO if kind in ('auth', 'login') else MASTER
    return name, {'c': kind}, ([('c', hello)] if hello else []) + [('c', s) for s in steps]


def auth(n, mech, rest, rip='192.0.2.10'):
    return 'AUTH\t%s\t%s\tservice=smtp\tnologin\tlip=192.0.2.1\trip=%s%s\n' % (n, mech, rip, '\t' + rest if rest else '')


def plain(n, user, password, rip='192.0.2.10'):
    return auth(n, 'PLAIN', 'resp={plain:%s:%s}' % (user, password), rip)


EXCHANGES = [
    # handshake
    one('handshake of a client', hello=HELLO),
    one('handshake of an old client', hello=OLD),
    one('handshake without CPID', plain(1, 'alice', 'alice-secret'), hello='VERSION\t1\t2\n'),
    one('CPID before VERSION', plain(1, 'alice', 'alice-secret'), hello='CPID\t{cpid}\nVERSION\t1\t2\n'),
    one('another major version', hello='VERSION\t2\t0\nCPID\t{cpid}\n'),
    one('a newer minor version', plain(1, 'alice', 'alice-secret'), hello='VERSION\t1\t9\nCPID\t{cpid}\n'),
    one('VERSION twice', 'VERSION\t1\t2\n', plain(1, 'alice', 'alice-secret')),
    one('a request before VERSION', hello=plain(1, 'alice', 'alice-secret')),
    one('VERSION without numbers', hello='VERSION\n'),
    one('a handshake in one packet with the request', hello=HELLO + plain(1, 'alice', 'alice-secret')),
    # success
    one('PLAIN with an initial response', plain(1, 'alice', 'alice-secret')),
    one('PLAIN without', auth(1, 'PLAIN', ''), 'CONT\t1\t{plain:alice:alice-secret}\n'),
    one('PLAIN against a crypt hash', plain(1, 'bob', 'bob-secret')),
    one('mechanism in lower case', plain(1, 'alice', 'alice-secret').replace('PLAIN', 'plain', 1)),
    one('LOGIN in two rounds', auth(1, 'LOGIN', ''), 'CONT\t1\t{b64:alice}\n', 'CONT\t1\t{b64:alice-secret}\n'),
    one('LOGIN with the name at once', auth(1, 'LOGIN', 'resp={b64:alice}'), 'CONT\t1\t{b64:alice-secret}\n'),
    one('a name in upper case', plain(1, 'ALICE', 'alice-secret')),
    one('a name with a domain', plain(1, 'ivan@example.org', 'ivan-secret')),
    one('the highest request id', plain(4294967295, 'alice', 'alice-secret')),
    one('protocol= in place of service=', plain(1, 'alice', 'alice-secret').replace('service=', 'protocol=')),
    one('every parameter', 'AUTH\t1\tPLAIN\tservice=imap\tlip=192.0.2.1\trip=192.0.2.10\tlport=993\trport=4711\treal_rip=192.0.2.11\treal_lip=192.0.2.1\t'
        'real_rport=1\treal_lport=993\tsecured=tls\tsession=abc\tlocal_name=mail.example.org\tclient_id=x\tfinal-resp-ok\tno-penalty\t'
        'valid-client-cert\tcert_username=zed\tdebug\tunknown\tunknown2=x\tresp={plain:alice:alice-secret}\n'),
    one('an address that is none', plain(1, 'alice', 'alice-secret', rip='nonsense')),
    one('an IPv6 address', plain(1, 'alice', 'alice-secret', rip='2001:db8::1')),
    one('an authorization identity equal to the name', auth(1, 'PLAIN', 'resp={b64:alice\\0alice\\0alice-secret}')),
    one('the same id again after the answer', plain(1, 'alice', 'alice-secret'), plain(1, 'alice', 'alice-secret')),
    one('two requests, answered both', plain(1, 'alice', 'alice-secret'), plain(2, 'bob', 'bob-secret')),
    one('fields of the passdb: nologin and reason', plain(1, 'carol', 'carol-secret')),
    one('fields of the passdb: a reason', plain(1, 'heidi', 'heidi-secret')),
    one('fields of the passdb: another name', plain(1, 'frank', 'frank-secret')),
    one('fields of the passdb: proxy', plain(1, 'grace', 'grace-secret')),
    one('fields of the userdb are not told to clients', plain(1, 'erin', 'erin-secret')),
    one('allowed network', plain(1, 'dave', 'dave-secret', rip='192.0.2.44')),
    one('escapes in a field', 'AUTH\t1\tPLAIN\tservice=smtp\tsession=a\x01tb\x01\x31\tresp={plain:alice:alice-secret}\n'),
    one('a line that ends with CR LF', plain(1, 'alice', 'alice-secret').replace('\n', '\r\n')),
    # refusals
    one('a wrong password', plain(1, 'alice', 'wrong')),
    one('an unknown user', plain(1, 'nobody', 'wrong')),
    one('a wrong password by LOGIN', auth(1, 'LOGIN', ''), 'CONT\t1\t{b64:alice}\n', 'CONT\t1\t{b64:wrong}\n'),
    one('an unknown user by LOGIN', auth(1, 'LOGIN', ''), 'CONT\t1\t{b64:nobody}\n', 'CONT\t1\t{b64:wrong}\n'),
    one('a wrong password of a crypt hash', plain(1, 'bob', 'wrong')),
    one('an empty password', plain(1, 'alice', '')),
    one('an empty name', plain(1, '', 'wrong')),
    one('a name in upper case, wrong password', plain(1, 'ALICE', 'wrong')),
    one('characters that a name may not have', plain(1, 'al ice', 'alice-secret')),
    one('a quote in a name', plain(1, "alice'--", 'alice-secret')),
    one('network that is not allowed', plain(1, 'dave', 'dave-secret', rip='198.51.100.1')),
    one('a scheme that nobody knows', plain(1, 'judy', 'x')),
    one('PLAIN without separators', auth(1, 'PLAIN', 'resp={b64:alice}')),
    one('PLAIN with one separator', auth(1, 'PLAIN', 'resp={b64:\\0alice}')),
    one('PLAIN with a separator too many', auth(1, 'PLAIN', 'resp={b64:\\0alice\\0alice-secret\\0x}')),
    one('fields of the passdb are not told after a wrong password', plain(1, 'grace', 'wrong')),
    one('nologin and a wrong password', plain(1, 'carol', 'wrong')),
    # master users
    one('a master user by authorization identity', auth(1, 'PLAIN', 'resp={b64:alice\\0admin\\0admin-secret}')),
    one('a master user by separator', plain(1, 'alice*admin', 'admin-secret')),
    one('a master user, wrong password', plain(1, 'alice*admin', 'wrong')),
    one('a master user for nobody', plain(1, 'nobody*admin', 'admin-secret')),
    one('a user who is no master', plain(1, 'alice*bob', 'bob-secret')),
    one('a user by identity who is no master', auth(1, 'PLAIN', 'resp={b64:alice\\0bob\\0bob-secret}')),
    # base64
    one('bad base64 in the initial response', auth(1, 'PLAIN', 'resp=!!!!'), plain(2, 'alice', 'alice-secret')),
    one('base64 without its padding', auth(1, 'PLAIN', 'resp=AGFsaWNlAGFsaWNlLXNlY3JldA')),
    one('bad base64 in a continuation', auth(1, 'PLAIN', ''), 'CONT\t1\t!!!!\n', plain(2, 'alice', 'alice-secret')),
    one('a lone = as initial response', auth(1, 'PLAIN', 'resp==')),
    one('an empty initial response, version 2', auth(1, 'PLAIN', 'resp=')),
    one('an empty initial response, version 0', auth(1, 'PLAIN', 'resp='), 'CANCEL\t1\n', hello=OLD),
    one('an empty continuation', auth(1, 'PLAIN', ''), 'CONT\t1\t\n'),
    one('LOGIN with an empty name', auth(1, 'LOGIN', ''), 'CONT\t1\t\n', 'CONT\t1\t{b64:x}\n'),
    # order
    one('a continuation of nothing', 'CONT\t77\tAA==\n', plain(1, 'alice', 'alice-secret')),
    one('a continuation of what is answered', plain(1, 'alice', 'alice-secret'), 'CONT\t1\tAA==\n'),
    one('a continuation that nobody asked for', plain(1, 'alice', 'wrong') + 'CONT\t1\tAA==\n'),
    one('CANCEL of a dialogue', auth(1, 'PLAIN', ''), 'CANCEL\t1\n', 'CONT\t1\t{plain:alice:alice-secret}\n'),
    one('CANCEL of nothing', 'CANCEL\t9\n', plain(1, 'alice', 'alice-secret')),
    one('an id used twice', auth(1, 'PLAIN', ''), auth(1, 'PLAIN', '')),
    one('id 0', plain(0, 'alice', 'alice-secret')),
    one('an id over 32 bits', plain(4294967296, 'alice', 'alice-secret')),
    one('an id that is no number', plain('x', 'alice', 'alice-secret')),
    one('no service', 'AUTH\t1\tPLAIN\tresp={plain:alice:alice-secret}\n'),
    one('no mechanism', 'AUTH\t1\n'),
    one('parameters after resp=', auth(1, 'PLAIN', 'resp={plain:alice:alice-secret}\tsecured')),
    one('a mechanism that is not offered', auth(1, 'GSSAPI', ''), plain(2, 'alice', 'alice-secret')),
    one('an unknown command', 'HELP\n', plain(1, 'alice', 'alice-secret')),
    one('a command in lower case', plain(1, 'alice', 'alice-secret').replace('AUTH', 'auth')),
    one('an empty line', '\n', plain(1, 'alice', 'alice-secret')),
    one('a line over every limit', 'AUTH\t1\tPLAIN\tservice=smtp\tsession=' + 'x' * 70000 + '\n'),
    one('a command of the master socket', 'USER\t1\talice\tservice=smtp\n'),
    # userdb and master sockets
    one('handshake of a userdb client', kind='userdb'),
    one('handshake of a master client', kind='master'),
    one('a user', 'USER\t1\talice\tservice=lmtp\n', kind='userdb'),
    one('a user with more fields', 'USER\t1\terin\tservice=lmtp\tlip=192.0.2.1\trip=192.0.2.2\n', kind='userdb'),
    one('a user in upper case', 'USER\t1\tALICE\tservice=lmtp\n', kind='userdb'),
    one('a user who does not exist', 'USER\t1\tnobody\tservice=lmtp\n', kind='userdb'),
    one('a user of forbidden characters', 'USER\t1\tal ice\tservice=lmtp\n', kind='userdb'),
    one('two users', 'USER\t1\talice\tservice=lmtp\n', 'USER\t2\tbob\tservice=lmtp\n', kind='userdb'),
    one('a user without service', 'USER\t1\talice\n', 'USER\t2\tbob\tservice=lmtp\n', kind='userdb'),
    one('a question without user', 'USER\t1\n', kind='userdb'),
    one('question 0', 'USER\t0\talice\tservice=lmtp\n', kind='userdb'),
    one('a userdb question on the master socket', 'USER\t1\talice\tservice=lmtp\n', kind='master'),
    one('passdb fields', 'PASS\t1\tcarol\tservice=imap\n', kind='userdb'),
    one('passdb fields of a plain user', 'PASS\t1\talice\tservice=imap\n', kind='userdb'),
    one('passdb fields with a userdb part', 'PASS\t1\terin\tservice=imap\n', kind='userdb'),
    one('passdb fields of a proxy', 'PASS\t1\tgrace\tservice=imap\n', kind='master'),
    one('passdb fields of nobody', 'PASS\t1\tnobody\tservice=imap\n', kind='userdb'),
    one('passdb fields outside allow_nets', 'PASS\t1\tdave\tservice=imap\trip=198.51.100.1\n', kind='userdb'),
    one('all users', 'LIST\t1\tservice=doveadm\n', kind='userdb'),
    one('users by mask', 'LIST\t1\tuser=a*\tservice=doveadm\n', kind='userdb'),
    one('no user by mask', 'LIST\t1\tuser=zz*\tservice=doveadm\n', kind='userdb'),
    one('REQUEST on a userdb socket', 'REQUEST\t1\t{cpid}\t1\t00000000000000000000000000000000\n', kind='userdb'),
    one('CACHE-FLUSH on a userdb socket', 'CACHE-FLUSH\t1\n', kind='userdb'),
    one('CACHE-FLUSH', 'CACHE-FLUSH\t1\n', 'CACHE-FLUSH\t2\talice\n', kind='master'),
    one('REQUEST of nobody', 'REQUEST\t1\t1\t1\t00000000000000000000000000000000\n', kind='master'),
    one('REQUEST with half a cookie', 'REQUEST\t1\t1\t1\t0000\n', kind='master'),
    one('REQUEST without numbers', 'REQUEST\t1\tx\ty\n', kind='master'),
    one('an unknown command of a master', 'FROBNICATE\t1\n', 'USER\t1\talice\tservice=lmtp\n', kind='master'),
    one('AUTH on a userdb socket', plain(1, 'alice', 'alice-secret'), kind='userdb'),
    one('another major version of a master', kind='master', hello='VERSION\t2\t0\n'),
    one('a master question before VERSION', kind='master', hello='USER\t1\talice\tservice=lmtp\n'),
    # codes: Dovecot's come from a script, ours from fields of the same users
    one('code: an account that is disabled', plain(1, 'disabled', 'secret'), kind='codes', hello=HELLO),
    one('code: an account that is disabled, by LOGIN', auth(1, 'LOGIN', ''), 'CONT\t1\t{b64:disabled}\n', 'CONT\t1\t{b64:secret}\n', kind='codes', hello=HELLO),
    one('code: a password that is expired', plain(1, 'expired', 'secret'), kind='codes', hello=HELLO),
    one('code: a database that does not say', plain(1, 'broken', 'secret'), kind='codes', hello=HELLO),
    one('code: none for a wrong password', plain(1, 'wrong', 'secret'), kind='codes', hello=HELLO),
    # hand-over
    ('a login is handed over', {'l': 'login', 'm': 'master'},
     [('l', HELLO), ('m', MASTER), ('l', plain(1, 'alice', 'alice-secret').replace('nologin\t', '')),
      ('m', 'REQUEST\t5\t{cpid}\t1\t{cookie:l}\tsession_pid={pid}\n'), ('m', 'REQUEST\t6\t{cpid}\t1\t{cookie:l}\tsession_pid={pid}\n')]),
    ('a hand-over with a wrong cookie', {'l': 'login', 'm': 'master'},
     [('l', HELLO), ('m', MASTER), ('l', plain(1, 'alice', 'alice-secret').replace('nologin\t', '')),
      ('m', 'REQUEST\t5\t{cpid}\t1\t00000000000000000000000000000000\n'), ('m', 'REQUEST\t6\t{cpid}\t1\t{cookie:l}\n')]),
    ('a hand-over to another process', {'l': 'login', 'm': 'master'},
     [('l', HELLO), ('m', MASTER), ('l', plain(1, 'alice', 'alice-secret').replace('nologin\t', '')),
      ('m', 'REQUEST\t5\t{cpid}\t1\t{cookie:l}\tsession_pid=1\n')]),
    ('a hand-over of a master login', {'l': 'login', 'm': 'master'},
     [('l', HELLO), ('m', MASTER), ('l', plain(1, 'erin*admin', 'admin-secret').replace('nologin\t', '')),
      ('m', 'REQUEST\t5\t{cpid}\t1\t{cookie:l}\tsession_pid={pid}\n')]),
    ('a hand-over of a refused login', {'l': 'login', 'm': 'master'},
     [('l', HELLO), ('m', MASTER), ('l', plain(1, 'alice', 'wrong').replace('nologin\t', '')),
      ('m', 'REQUEST\t5\t{cpid}\t1\t{cookie:l}\tsession_pid={pid}\n')]),
    ('two logins with one process id', {'l': 'login', 'o': 'login'},
     [('l', HELLO), ('o', HELLO), ('l', plain(1, 'alice', 'alice-secret').replace('nologin\t', ''))]),
    ('a hand-over of a login whose process is gone', {'l': 'login', 'm': 'master'},
     [('l', HELLO), ('m', MASTER), ('l', plain(1, 'alice', 'alice-secret').replace('nologin\t', '') + 'NONSENSE\n'),
      ('m', 'REQUEST\t5\t{cpid}\t1\t{cookie:l}\tsession_pid={pid}\n')]),
    ('a hand-over with other fields', {'l': 'login', 'm': 'master'},
     [('l', HELLO), ('m', MASTER), ('l', plain(1, 'erin', 'erin-secret').replace('nologin\t', 'session=abc\tlocal_name=mail.example.org\t')),
      ('m', 'REQUEST\t5\t{cpid}\t1\t{cookie:l}\tsession_pid={pid}\trequest_auth_token\n')]),
    ('a hand-over of a name that was changed', {'l': 'login', 'm': 'master'},
     [('l', HELLO), ('m', MASTER), ('l', plain(1, 'FRANK', 'frank-secret').replace('nologin\t', '')),
      ('m', 'REQUEST\t5\t{cpid}\t1\t{cookie:l}\n')]),
    ('a login on a socket that hands nothing over', {'l': 'auth', 'm': 'master'},
     [('l', HELLO), ('m', MASTER), ('l', plain(1, 'alice', 'alice-secret')), ('m', 'REQUEST\t5\t{cpid}\t1\t{cookie:l}\n')]),
]


def b64(text):
    return base64.b64encode(text.replace('\\0', '\0').encode()).decode()


def quote(line):
    return re.sub(r'[^\x20-\x7e]', lambda m: '\\t' if m.group() == '\t' else '\\x%02x' % ord(m.group()), line)


def normal(line):
    for pattern, to in ((r'^OK\t(\d+)\t\d+$', r'OK\t\1\t<n>'), (r'^SPID\t\d+$', 'SPID\t<pid>'), (r'^CUID\t\d+$', 'CUID\t<n>'), (r'^COOKIE\t[0-9a-f]{32}$', 'COOKIE\t<cookie>'),
                        (r'\bauth_token=[0-9a-f]+', 'auth_token=<token>'), (r'\bmaster_user=admin\tauth_user', 'master_user=admin\tauth_user')):
        line = re.sub(pattern, to, line)
    return line


class Conn:
    def __init__(self, address):
        self.s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.s.connect(address)
        self.data, self.closed, self.cookie = b'', False, ''

    def lines(self, quiet, until=0, most=12.0):
        """What arrives until `until` lines are there and then nothing for `quiet` seconds, or the end."""
        got, end = [], time.time() + most
        last = time.time()
        while not self.closed and time.time() < end:
            if time.time() - last >= quiet and len(got) >= until:
                break
            self.s.settimeout(0.05)
            try:
                more = self.s.recv(65536)
            except socket.timeout:
                continue
            except ConnectionError:
                more = b''
            last = time.time()
            self.closed = more == b''
            self.data += more
            while b'\n' in self.data:
                line, self.data = self.data.split(b'\n', 1)
                got.append(line.decode('latin-1'))
        for line in got:
            if line.startswith('COOKIE\t'):
                self.cookie = line.split('\t')[1]
        return got


def fill(text, conns, name, apart):
    if apart:       # every exchange from an address of its own: one server's penalties are off, the other's are not
        text = text.replace('rip=192.0.2.10\t', 'rip=10.0.%d.10\t' % [e[0] for e in EXCHANGES].index(name))
    text = text.replace('{pid}', str(os.getpid())).replace('{cpid}', str(100000 + [e[0] for e in EXCHANGES].index(name)))
    text = re.sub(r'\{cookie:(\w+)\}', lambda m: conns[m.group(1)].cookie or '0' * 32, text)
    text = re.sub(r'\{b64:([^{}]*)\}', lambda m: b64(m.group(1)), text)
    return re.sub(r'\{plain:([^:{}]*):([^{}]*)\}', lambda m: b64('\\0%s\\0%s' % m.groups()), text)


def play(exchange, sockets, quiet=0.3, expected=None, apart=False):
    """One exchange as a list of transcript lines. expected: a transcript, whose numbers of lines are waited for."""
    name, kinds, steps = exchange
    conns, out = {}, ['== ' + name]
    counts = reply_counts(expected) if expected else []
    for c, kind in kinds.items():
        conns[c] = Conn(sockets[kind])
        out.append('%s = %s' % (c, kind))
    for i, (c, text) in enumerate(steps):
        conn = conns[c]
        out += ['%s > %s' % (c, quote(part if len(part) < 2000 else part[:40] + '<%d more>' % (len(part) - 40))) for part in text.split('\n')[:-1]]
        try:
            conn.s.sendall(fill(text, conns, name, apart).encode('latin-1'))
        except OSError:
            pass
        was_closed = conn.closed
        got = [quote(normal(line)) for line in conn.lines(quiet, counts[i] if i < len(counts) else 0)]
        users = sorted(line for line in got if line.startswith('LIST\\t'))        # in no order
        out += ['%s < %s' % (c, line) for line in users + [line for line in got if line not in users]]
        if conn.closed and not was_closed:
            out.append('%s closed' % c)
    for conn in conns.values():
        conn.s.close()
    return out


def reply_counts(transcript):
    """Answers per step; a step's lines of "C > " stand together."""
    counts, sending = [], False
    for line in transcript:
        if re.match(r'\w+ > ', line):
            if not sending:
                counts.append(0)
            sending = True
        elif re.match(r'\w+ < ', line):
            counts[-1] += 1
            sending = False
        elif line.endswith(' closed'):
            sending = False
    return counts


def play_all(sockets, quiet, expected=None, workers=16, apart=False, exchanges=None):
    """{name: transcript}"""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        jobs = {e[0]: pool.submit(play, e, sockets, quiet, (expected or {}).get(e[0]), apart) for e in exchanges or EXCHANGES}
        return {name: job.result() for name, job in jobs.items()}


def load(path):
    found, name = {}, None
    with open(path) as f:
        for line in f.read().split('\n'):
            if line.startswith('== '):
                name = line[3:]
                found[name] = []
            if name and line:
                found[name].append(line)
    return found


def save(path, head, transcripts):
    with open(path, 'w') as f:
        f.write(head)
        for e in EXCHANGES:
            f.write('\n' + '\n'.join(transcripts[e[0]]) + '\n')
