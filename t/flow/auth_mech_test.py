# SPDX-License-Identifier: ISC
"""SASL mechanisms through submission, IMAP and POP3, with the clients that people use: SCRAM with and without
channel binding, OAuth tokens validated here and at an introspection end, certificates, CRAM-MD5."""
import base64
import hashlib
import hmac
import http.server
import imaplib
import json
import os
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, tls                    # noqa: E402
from tap import case, done, ok                        # noqa: E402

MECHS = 'plain login scram-sha-256 scram-sha-1 cram-md5 xoauth2 oauthbearer external'
SECRET = b'0123456789abcdef0123456789abcdef'


def b64(b):
    return base64.b64encode(b if isinstance(b, bytes) else b.encode()).decode()


def url64(b):
    return base64.urlsafe_b64encode(b if isinstance(b, bytes) else b.encode()).decode().rstrip('=')


class Provider(http.server.BaseHTTPRequestHandler):
    """The identity provider's introspection end: tokens are known by name."""
    users = {'opaque-alice': {'active': True, 'email': 'alice', 'scope': 'mail'}, 'opaque-old': {'active': False}}
    asked = []
    broken = False

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers['Content-Length'])).decode())
        Provider.asked.append((form.get('token', [''])[0], self.headers.get('Authorization', '')))
        if Provider.broken:
            self.send_error(500)
            return
        body = json.dumps(Provider.users.get(form['token'][0], {'active': False})).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def openssl(*args, **kw):
    return subprocess.run(['openssl', *args], check=True, capture_output=True, **kw).stdout


class Keys:
    """What the identity provider and the CA have."""

    def __init__(self, directory):
        self.dir = directory
        os.makedirs(directory + '/keys')
        openssl('genrsa', '-out', directory + '/rsa.key', '2048')
        openssl('rsa', '-in', directory + '/rsa.key', '-pubout', '-out', directory + '/keys/main.pem')
        with open(directory + '/keys/set.json', 'w') as f:
            json.dump({'keys': [{'kty': 'oct', 'kid': 'shared', 'k': url64(SECRET)}]}, f)
        with open(directory + '/secret', 'w') as f:
            f.write('client-secret\n')
        openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', directory + '/ca.key', '-out', directory + '/ca.pem', '-subj', '/CN=Test CA',
                '-days', '2')
        with open(directory + '/san', 'w') as f:
            f.write('subjectAltName=DNS:localhost\n')
        for name, own in (('alice', True), ('mallory', False), ('server', True)):
            p = directory + '/' + name
            openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', p + '.key', '-out', p + '.csr', '-subj', '/CN=alice')
            ca = ['-CA', directory + '/ca.pem', '-CAkey', directory + '/ca.key', '-CAcreateserial'] if own else ['-signkey', p + '.key']
            openssl('x509', '-req', '-in', p + '.csr', '-out', p + '.pem', '-days', '2', *ca, *(['-extfile', directory + '/san'] if name == 'server' else []))

    def jwt(self, claims, alg='RS256', kid='main', pad=0):
        claims = {'exp': int(time.time()) + 600, 'iss': 'https://idp.test', 'scope': 'openid mail', **({'pad': 'x' * pad} if pad else {}), **claims}
        text = url64(json.dumps({'alg': alg, 'kid': kid})) + '.' + url64(json.dumps(claims))
        if alg == 'HS256':
            sig = hmac.new(SECRET, text.encode(), 'sha256').digest()
        elif alg == 'none':
            sig = b''
        else:
            sig = openssl('dgst', '-sha256', '-sign', self.dir + '/rsa.key', input=text.encode())
        return text + '.' + url64(sig)


def bearer(user, token):
    return 'n,a=%s,\x01host=localhost\x01port=993\x01auth=Bearer %s\x01\x01' % (user, token)


def xoauth2(user, token):
    return 'user=%s\x01auth=Bearer %s\x01\x01' % (user, token)


class Scram:
    """A client of RFC 5802; says() takes the server's messages in turn."""

    def __init__(self, user, password, digest='sha256', gs2='n,,', binding=b''):
        self.user, self.password, self.digest, self.gs2, self.binding = user, password, digest, gs2, binding
        self.nonce = b64(os.urandom(12))
        self.bare = 'n=%s,r=%s' % (user, self.nonce)
        self.server_first = self.server_final = None

    def mac(self, key, text):
        return hmac.new(key, text, self.digest).digest()

    def says(self, message):
        message = message.decode() if isinstance(message, bytes) else message
        if message == '':
            return self.gs2 + self.bare
        if self.server_first is None:
            self.server_first = message
            part = dict(p.split('=', 1) for p in message.split(','))
            salted = hashlib.pbkdf2_hmac(self.digest, self.password.encode(), base64.b64decode(part['s']), int(part['i']))
            client = self.mac(salted, b'Client Key')
            without = 'c=%s,r=%s' % (b64(self.gs2.encode() + self.binding), part['r'])
            auth = ','.join((self.bare, message, without)).encode()
            signature = self.mac(hashlib.new(self.digest, client).digest(), auth)
            self.expect = b64(self.mac(self.mac(salted, b'Server Key'), auth))
            return without + ',p=' + b64(bytes(a ^ b for a, b in zip(client, signature)))
        self.server_final = message
        return ''


def imap_auth(i, mech, says, context=None):
    """Tagged reply ('OK' or 'NO ...') of AUTHENTICATE."""
    m = imaplib.IMAP4_SSL('127.0.0.1', i.port + 993, ssl_context=context or tls(), timeout=30)
    try:
        m.authenticate(mech, lambda x: (lambda y: y.encode() if isinstance(y, str) else y)(says(x)))
        m.logout()
        return 'OK'
    except imaplib.IMAP4.error as e:
        return str(e)


def smtp_auth(i, mech, says, initial=None):
    s = i.submission(user=None)
    code, text = s.docmd('AUTH', mech + ('' if initial is None else ' ' + b64(initial)))
    while code == 334:
        code, text = s.docmd(b64(says(base64.b64decode(text))))
    s.close()
    return code


def pop3_auth(i, mech, says):
    p = i.pop3(user=None)
    p._putcmd('AUTH ' + mech)
    line = p._getline()[0]
    while line.startswith(b'+ '):
        p._putcmd(b64(says(base64.b64decode(line[2:]))))
        line = p._getline()[0]
    p.close()
    return line.decode()


def run(*args, **kw):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, errors='replace', **{'stdin': subprocess.DEVNULL, **kw})


def offers(i):
    m = i.imap(user=None)
    caps = [c for c in m.capabilities if c.startswith('AUTH=')]
    ok('AUTH=SCRAM-SHA-256-PLUS' in caps and 'AUTH=XOAUTH2' in caps and 'AUTH=EXTERNAL' not in caps, 'IMAP offers what the connection can do', caps)
    m.logout()
    m = imaplib.IMAP4('127.0.0.1', i.port + 143, timeout=20)
    ok(not [c for c in m.capabilities if c.startswith('AUTH=')] and 'LOGINDISABLED' in m.capabilities, 'nothing is offered without TLS', m.capabilities)
    m.logout()
    context = tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    m = imaplib.IMAP4_SSL('127.0.0.1', i.port + 993, ssl_context=context, timeout=20)
    ok('AUTH=SCRAM-SHA-256' in m.capabilities and 'AUTH=SCRAM-SHA-256-PLUS' not in m.capabilities, 'no -PLUS under TLS 1.2, which has no tls-exporter', m.capabilities)
    m.logout()
    p = i.pop3(user=None)
    p._putcmd('CAPA')
    capa = p._getlongresp()[1]
    ok(any(line.startswith(b'SASL PLAIN LOGIN SCRAM-SHA-256-PLUS ') for line in capa), 'CAPA has a SASL line', capa)
    p.close()
    s = i.submission(user=None)
    ok('SCRAM-SHA-256-PLUS' in s.esmtp_features['auth'] and 'EXTERNAL' not in s.esmtp_features['auth'], 'EHLO has an AUTH line', s.esmtp_features)
    s.close()
    with socket.socket(socket.AF_UNIX) as a:
        a.connect(i.spool() + '/private/auth')
        a.settimeout(10)
        text = b''
        while b'DONE\n' not in text:
            text += a.recv(4096)
    ok(b'MECH\tSCRAM-SHA-256\tmutual-auth\n' in text and b'-PLUS' not in text and b'EXTERNAL' not in text and
       b'MECH\tCRAM-MD5\tdictionary\tactive\n' in text, 'private/auth has neither -PLUS nor EXTERNAL', text)


def scram(i):
    for user, what in (('dave', 'a password in clear'), ('carol', 'stored keys')):
        for name, login in (('IMAP', imap_auth), ('submission', smtp_auth), ('POP3', pop3_auth)):
            c = Scram(user, user + '-secret')
            r = login(i, 'SCRAM-SHA-256', c.says)
            ok((r in ('OK', 235) or str(r).startswith('+OK')) and c.server_final == 'v=' + c.expect, 'SCRAM-SHA-256 by %s from %s, and the server proves itself' % (name, what), r)
    c = Scram('dave', 'dave-secret', 'sha1')
    ok(imap_auth(i, 'SCRAM-SHA-1', c.says) == 'OK', 'SCRAM-SHA-1 from a password in clear')
    c = Scram('carol', 'carol-secret')
    s = i.submission(user=None)
    code, text = s.docmd('AUTH', 'SCRAM-SHA-256 ' + b64(c.says('')))
    code, text = s.docmd(b64(c.says(base64.b64decode(text))))
    ok(code == 334 and base64.b64decode(text).startswith(b'v='), 'the server\'s last words come before the success')
    ok(s.docmd(b64('more'))[0] == 535, 'a client that answers them with anything but nothing is refused')
    s.close()
    c = Scram('dave', 'dave-secret', gs2='y,,')
    r = imap_auth(i, 'SCRAM-SHA-256', c.says)
    ok('AUTHENTICATIONFAILED' in r and c.server_first is None, 'a client that was made to think there is no -PLUS is refused', r)
    c = Scram('dave', 'dave-secret', gs2='p=tls-exporter,,', binding=b'0' * 32)
    r = imap_auth(i, 'SCRAM-SHA-256-PLUS', c.says)
    ok('AUTHENTICATIONFAILED' in r and c.server_first is not None, 'the channel binding of another connection is refused', r)


def end_point(i):
    """tls-server-end-point (RFC 5929 section 4): the server's certificate, under the hash of its signature."""
    with open(i.etc + '/tls/cert.pem') as f:
        der = ssl.PEM_cert_to_DER_cert(f.read())
    for mech, digest in (('SCRAM-SHA-256-PLUS', 'sha256'), ('SCRAM-SHA-1-PLUS', 'sha1')):
        for name, login in (('IMAP', imap_auth), ('submission', smtp_auth), ('POP3', pop3_auth)):
            c = Scram('dave', 'dave-secret', digest, 'p=tls-server-end-point,,', hashlib.sha256(der).digest())
            r = login(i, mech, c.says)
            ok((r in ('OK', 235) or str(r).startswith('+OK')) and c.server_final == 'v=' + c.expect, '%s by %s, bound to the certificate' % (mech, name), r)
    c = Scram('dave', 'dave-secret', gs2='p=tls-server-end-point,,', binding=hashlib.sha256(der + b'x').digest())
    r = imap_auth(i, 'SCRAM-SHA-256-PLUS', c.says)
    ok('AUTHENTICATIONFAILED' in r and c.server_first is not None, "another server's certificate is refused", r)
    c = Scram('dave', 'dave-secret', gs2='p=tls-exporter,,', binding=hashlib.sha256(der).digest())
    ok('AUTHENTICATIONFAILED' in imap_auth(i, 'SCRAM-SHA-256-PLUS', c.says), 'the data of one kind is none of the other')


def strangers(i):
    seen = {}
    for user in ('dave', 'carol', 'nobody', 'alice'):
        first, replies = [], []
        for _ in range(2):
            c = Scram(user, 'wrong')
            replies.append(smtp_auth(i, 'SCRAM-SHA-256', c.says))
            first.append(c.server_first.split(',', 1)[1])
        ok(first[0] == first[1] and replies == [535, 535], 'salt and iterations of %s stay the same, the proof is refused' % user, (first, replies))
        seen[user] = first[0]
    ok(len(set(map(len, seen.values()))) == 1 and all(f.endswith(',i=4096') for f in seen.values()), 'nothing in them tells who is there', seen)
    i.stop()
    i.start()
    c = Scram('nobody', 'wrong')
    smtp_auth(i, 'SCRAM-SHA-256', c.says)
    ok(c.server_first.split(',', 1)[1] == seen['nobody'], 'nor does a restart')


def clients(i):
    port = str(i.port + 143)
    for mech, more, what in (('SCRAM-SHA-256', ['--no-cb'], 'SCRAM'), ('SCRAM-SHA-256-PLUS', [], 'channel binding')):
        for protocol, p in (('--imap', i.port + 143), ('--smtp', i.port + 587)):
            r = run('gsasl', protocol, '-m', mech, '--connect', '127.0.0.1:%d' % p, '-a', 'carol', '-p', 'carol-secret', '--x509-ca-file=', *more)
            ok(r.returncode == 0 and 'server trusted' in r.stdout, 'gsasl %s: %s over STARTTLS' % (protocol, what), r.stdout[-600:])
    r = run('gsasl', '--imap', '-m', 'SCRAM-SHA-256-PLUS', '--connect', '127.0.0.1:' + port, '-a', 'carol', '-p', 'wrong', '--x509-ca-file=')
    ok(r.returncode != 0, 'gsasl: a wrong password')
    if shutil.which('msmtp'):
        for mech in ('scram-sha-256', 'cram-md5'):
            r = run('msmtp', '--host=127.0.0.1', '--port=%d' % (i.port + 587), '--tls=on', '--tls-certcheck=off', '--auth=' + mech, '--user=dave',
                    '--passwordeval=echo dave-secret', '--from=dave@example.test', 'bob@example.test', input='Subject: by %s\n\ntext\n' % mech, stdin=None)
            ok(r.returncode == 0, 'msmtp: ' + mech, r.stdout)
        r = run('msmtp', '--host=127.0.0.1', '--port=%d' % (i.port + 587), '--tls=on', '--tls-certcheck=off', '--auth=oauthbearer', '--user=alice',
                '--passwordeval=cat ' + i.keys.dir + '/token', '--from=alice@example.test', 'bob@example.test', input='Subject: by token\n\ntext\n', stdin=None)
        ok(r.returncode == 0, 'msmtp: oauthbearer', r.stdout)
    token = open(i.keys.dir + '/token').read().strip()
    r = run('curl', '-sk', 'imaps://127.0.0.1:%d/' % (i.port + 993), '-u', 'alice:', '--oauth2-bearer', token, '-X', 'NOOP')
    ok(r.returncode == 0, 'curl: IMAP with --oauth2-bearer', r.stdout)
    r = run('curl', '-sk', 'pop3s://127.0.0.1:%d/' % (i.port + 995), '-u', 'alice:', '--oauth2-bearer', token)
    ok(r.returncode == 0, 'curl: POP3 with --oauth2-bearer', r.stdout)
    for mech in ('CRAM-MD5', 'SCRAM-SHA-256')[:2 if 'gsasl' in run('curl', '--version').stdout else 1]:
        r = run('curl', '-sk', 'imaps://127.0.0.1:%d/' % (i.port + 993), '-u', 'dave:dave-secret', '--login-options', 'AUTH=' + mech, '-X', 'NOOP')
        ok(r.returncode == 0, 'curl: AUTH=' + mech, (r.returncode, r.stdout))
    if shutil.which('swaks'):
        r = run('swaks', '--server', '127.0.0.1:%d' % (i.port + 587), '-tls', '--auth', 'CRAM-MD5', '--auth-user', 'dave', '--auth-password', 'dave-secret',
                '--quit-after', 'AUTH')
        ok(r.returncode == 0, 'swaks: CRAM-MD5', r.stdout[-400:])
    if shutil.which('mbsync'):
        box = i.base + '/mbsync'
        os.makedirs(box, exist_ok=True)
        with open(box + '/rc', 'w') as f:
            f.write('IMAPStore r\nTunnel "openssl s_client -quiet -connect 127.0.0.1:%d 2>/dev/null"\nUser dave\nPass dave-secret\nSSLType None\n'
                    'AuthMechs SCRAM-SHA-256\n\nMaildirStore l\nPath %s/\nInbox %s/in\n\nChannel c\nFar :r:\nNear :l:\nPatterns INBOX\nCreate Near\n'
                    'SyncState *\n' % (i.port + 993, box, box))
        r = run('mbsync', '-c', box + '/rc', 'c')
        ok(r.returncode == 0, 'mbsync (libsasl2): SCRAM-SHA-256', r.stdout[-400:])


def tokens(i):
    k = i.keys
    good = k.jwt({'email': 'alice'})
    ok(imap_auth(i, 'XOAUTH2', lambda x: xoauth2('alice', good)) == 'OK', 'XOAUTH2 with a signed token, IMAP')
    ok(imap_auth(i, 'OAUTHBEARER', lambda x: bearer('alice', good)) == 'OK', 'OAUTHBEARER with a signed token, IMAP')
    ok(smtp_auth(i, 'XOAUTH2', None, xoauth2('Alice', good)) == 235, 'XOAUTH2, submission, with an initial response')
    ok(pop3_auth(i, 'XOAUTH2', lambda x: xoauth2('alice', good)).startswith('+OK'), 'XOAUTH2, POP3')
    ok(imap_auth(i, 'OAUTHBEARER', lambda x: bearer('alice', k.jwt({'email': 'alice'}, 'HS256', 'shared'))) == 'OK', 'HS256, because it is named')
    big = k.jwt({'email': 'alice'}, pad=6000)
    ok(len(big) > 8192 and imap_auth(i, 'OAUTHBEARER', lambda x: bearer('alice', big)) == 'OK', 'a token of more than 8 KiB, IMAP')
    ok(smtp_auth(i, 'OAUTHBEARER', lambda x: bearer('alice', big)) == 235, 'a token of more than 8 KiB, submission')
    bad = (('has expired', 'alice', k.jwt({'email': 'alice', 'exp': 1000})), ('is of another user', 'bob', good),
           ('is of another issuer', 'alice', k.jwt({'email': 'alice', 'iss': 'https://evil.test'})), ('lacks the scope', 'alice', k.jwt({'email': 'alice', 'scope': 'web'})),
           ('has alg none', 'alice', k.jwt({'email': 'alice'}, 'none')), ('is of nobody here', 'nobody', k.jwt({'email': 'nobody'})),
           ('is broken', 'alice', good[:-8] + 'AAAAAAAA'))
    for what, user, token in bad:
        said = []

        def says(x, token=token, user=user, said=said):
            said.append(x)
            return bearer(user, token) if len(said) == 1 else '\x01'
        r = smtp_auth(i, 'OAUTHBEARER', says)
        told = [json.loads(x) for x in said[1:]]
        ok(r == 535 and (what == 'is of nobody here' or told == [{'status': 'invalid_token', 'schemes': 'bearer', 'scope': 'mail',
                                                              'openid-configuration': 'https://idp.test/.well-known/openid-configuration'}]),
           'a token that %s is refused, and the client told as RFC 7628 has it' % what, (r, said))
    ok('token has expired' in i.log() and good not in i.log() and good.split('.')[2] not in i.log(), 'the log says why, and no token')
    ok(imap_auth(i, 'OAUTHBEARER', lambda x: 'n,,\x01auth=Bearer %s\x01\x01' % good) == 'OK', 'a client that names no user is who the token says')


def introspection(i):
    ok(imap_auth(i, 'XOAUTH2', lambda x: xoauth2('alice', 'opaque-alice')) == 'OK', 'a token that the introspection end vouches for')
    ok(Provider.asked and Provider.asked[-1] == ('opaque-alice', 'Basic ' + b64('postern:client-secret')), 'it was asked with client id and secret', Provider.asked[-1:])
    ok(smtp_auth(i, 'XOAUTH2', lambda x: xoauth2('alice', 'opaque-old') if x == b'' else '') == 535, 'a token that is not active')
    ok(smtp_auth(i, 'XOAUTH2', lambda x: xoauth2('bob', 'opaque-alice') if x == b'' else '') == 535, 'a token of another user')
    Provider.broken = True
    ok(smtp_auth(i, 'XOAUTH2', lambda x: xoauth2('alice', 'opaque-alice') if x == b'' else '') == 454, 'an introspection end that fails is temporary')
    Provider.broken = False
    ok(smtp_auth(i, 'XOAUTH2', lambda x: xoauth2('alice', 'opaque-alice') if x == b'' else '') == 235, 'then service again')


def raw_auth(i, mech, says, path='auth', about=''):
    """By private/auth: the words after FAIL or OK."""
    with socket.socket(socket.AF_UNIX) as a:
        a.settimeout(20)
        a.connect(i.spool() + '/private/' + path)
        f = a.makefile('rwb')
        while f.readline() != b'DONE\n':
            pass
        f.write(b'VERSION\t1\t2\nCPID\t%d\nAUTH\t1\t%s\tservice=smtp\trip=127.0.0.1%s\n' % (os.getpid(), mech.encode(), about.encode()))
        f.flush()
        line = f.readline()
        while line.startswith(b'CONT\t1\t'):
            f.write(b'CONT\t1\t%s\n' % b64(says(base64.b64decode(line.split(b'\t')[2]))).encode())
            f.flush()
            line = f.readline()
        return line.decode().rstrip('\n').split('\t')


def codes(i):
    """Who may not log in hears why, once the proof was right, as with PLAIN."""
    def cram(user, password):
        return lambda x: '%s %s' % (user, hmac.new(password.encode(), x, 'md5').hexdigest())
    for user, code in (('erin', 'code=user_disabled'), ('frank', 'code=pass_expired'), ('grace', 'code=user_disabled')):
        for what, login in (('SCRAM-SHA-256', lambda p: raw_auth(i, 'SCRAM-SHA-256', Scram(user, p).says)), ('CRAM-MD5', lambda p: raw_auth(i, 'CRAM-MD5', cram(user, p))),
                            ('PLAIN', lambda p: raw_auth(i, 'PLAIN', lambda x: '\0%s\0%s' % (user, p)))):
            right, wrong = login(user + '-secret'), login('wrong')
            ok(right[0] == 'FAIL' and code in right, '%s tells %s %s' % (what, user, code), right)
            ok(wrong == ['FAIL', '1', 'user=' + user], '%s tells nothing to who does not know the password' % what, wrong)
        r = raw_auth(i, 'OAUTHBEARER', lambda x: bearer(user, i.keys.jwt({'email': user})))
        ok(r[0] == 'FAIL' and code in r, 'OAUTHBEARER tells %s %s' % (user, code), r)
    r = raw_auth(i, 'SCRAM-SHA-256', Scram('heidi', 'heidi-secret').says)
    ok(r == ['FAIL', '1', 'user=heidi'], 'allow_nets of elsewhere is a wrong password', r)
    for user, code in (('erin', 'code=user_disabled'), ('frank', 'code=pass_expired')):
        r = raw_auth(i, 'EXTERNAL', lambda x: '', 'auth-trusted', '\tvalid-client-cert\tcert_username=' + user)
        ok(r[0] == 'FAIL' and code in r, 'EXTERNAL tells %s %s' % (user, code), r)


def certificates(i):
    def context(name):
        c = tls()
        c.load_cert_chain(i.keys.dir + '/%s.pem' % name, i.keys.dir + '/%s.key' % name)
        return c
    m = imaplib.IMAP4_SSL('127.0.0.1', i.port + 993, ssl_context=context('alice'), timeout=30)
    ok('AUTH=EXTERNAL' in m.capabilities, 'EXTERNAL is offered with a certificate', m.capabilities)
    m.logout()
    ok(imap_auth(i, 'EXTERNAL', lambda x: '', context('alice')) == 'OK', 'EXTERNAL, IMAP')
    ok('AUTHENTICATIONFAILED' in imap_auth(i, 'EXTERNAL', lambda x: 'bob', context('alice')), 'EXTERNAL for somebody else is refused')
    m = imaplib.IMAP4_SSL('127.0.0.1', i.port + 993, ssl_context=context('mallory'), timeout=30)
    ok('AUTH=EXTERNAL' not in m.capabilities, 'a certificate that the CA has not signed is none', m.capabilities)
    m.logout()
    ok('OK' != imap_auth(i, 'EXTERNAL', lambda x: '', context('mallory')), '... and lets nobody in')
    r = imap_auth(i, 'EXTERNAL', lambda x: 'alice')
    ok('OK' != r, 'EXTERNAL without a certificate is refused', r)
    s = smtplib.SMTP('127.0.0.1', i.port + 587, timeout=30)
    s.ehlo('c')
    s.starttls(context=context('alice'))
    s.ehlo('c')
    ok('EXTERNAL' in s.esmtp_features['auth'].split() and s.docmd('AUTH', 'EXTERNAL =')[0] == 235, 'EXTERNAL, submission', s.esmtp_features)
    s.close()


def masters(i):
    """A master's proof is of his own password, also where the user must be found."""
    with open(i.etc + '/masters', 'w') as f:
        f.write('admin:{PLAIN}boss\n')
    for more in ('', ', pass=yes'):
        i.append_main('postern_passdb = { passwd-file:%s/masters, master=yes%s }, passwd-file:%s/passwd' % (i.etc, more, i.etc))
        i.start()
        for password, want in (('boss', ['OK', '1', 'user=dave']), ('dave-secret', ['FAIL'])):
            r = raw_auth(i, 'SCRAM-SHA-256', Scram('dave*admin', password).says)
            ok(r[:len(want)] == want, 'a master login by SCRAM%s, %s' % (more, 'with the master\'s password' if password == 'boss' else 'refused with the user\'s'), r)
        i.stop()


def refusals(i):
    for setting, words in (('postern_auth_mechanisms = plain gssapi', 'is not one of'), ('postern_auth_mechanisms = plain plain', 'named twice'),
                           ('postern_auth_mechanisms = external\npostern_auth_ssl_username_from_cert = no', 'needs postern_auth_ssl_username_from_cert'),
                           ('postern_oauth2_algorithms = RS256 none\npostern_auth_mechanisms = plain', 'is not one of RS256'),
                           ('postern_auth_mechanisms = xoauth2\npostern_oauth2_algorithms = RS256\npostern_oauth2_local_keys =\npostern_oauth2_introspection_url =', 'need postern_oauth2_local_keys')):
        i.append_main(setting)
        i.tool('postfix', 'start')
        found = i.wait_log(words, 10)
        i.tool('postfix', 'stop')
        ok(found, 'refused at start: ' + setting.split('\n')[0], i.log()[-600:])


def main():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Provider)
    i = Instance(start=False)
    i.keys = Keys(i.base + '/idp')
    d = i.keys.dir
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(d + '/server.pem', d + '/server.key')
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    i.append_main('\n'.join((
        'postern_auth_mechanisms = ' + MECHS, 'postern_auth_failure_delay = 0', 'postern_auth_trusted_networks = 127.0.0.1', 'postern_auth_ssl_username_from_cert = yes',
        'postern_auth_listeners = unix:private/auth, { unix:private/auth-trusted, trusted=yes, mode=0600 }', 'postern_tls_ask_client_cert = yes', 'smtpd_tls_CAfile = %s/ca.pem' % d, 'smtpd_tls_ask_ccert = yes', 'smtpd_sasl_mechanism_filter =',
        'postern_oauth2_local_keys = %s/keys' % d, 'postern_oauth2_algorithms = RS256 HS256', 'postern_oauth2_issuers = https://idp.test',
        'postern_oauth2_scope = mail', 'postern_oauth2_client_id = postern', 'postern_oauth2_client_secret_file = %s/secret' % d,
        'postern_oauth2_introspection_url = https://localhost:%d/introspect' % server.server_address[1],
        'postern_oauth2_ca_file = %s/ca.pem' % d,
        'postern_oauth2_openid_configuration_url = https://idp.test/.well-known/openid-configuration')))
    keys = run(i.bin('postern'), 'pw', '-s', 'SCRAM-SHA-256', '-p', 'carol-secret').stdout.strip()
    with open(i.etc + '/passwd', 'a') as f:
        f.write('dave:{PLAIN}dave-secret:::::\ncarol:%s:::::\n' % keys)
        f.write('erin:{PLAIN}erin-secret::::::nologin\nfrank:{PLAIN}frank-secret::::::pass_expired\ngrace:{PLAIN}grace-secret::::::user_disabled\n'
                'heidi:{PLAIN}heidi-secret::::::allow_nets=192.0.2.0/24\n')
    with open(d + '/token', 'w') as f:
        f.write(i.keys.jwt({'email': 'alice'}) + '\n')
    with i:
        i.start()
        for test in (introspection, offers, scram, end_point, codes, tokens, certificates, clients, strangers):
            case(test.__name__ + ': to its end', lambda t=test: t(i))
        i.stop()
        case('masters: to its end', lambda: masters(i))
        case('refusals: to its end', lambda: refusals(i))
    server.shutdown()
    done()


main()
