# SPDX-License-Identifier: ISC
"""Private keys are in one process only; it dies, hangs and comes back; sessions resume in any process of a service."""
import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PORT, tls, wait_until     # noqa: E402
from tap import case, done, ok                           # noqa: E402

TLS_PROGRAMS = ('smtpd', 'submitd', 'tls-proxy', 'deliver-out')
KINDS = {
    'ed25519': ['-newkey', 'ed25519'],
    'pss': ['-newkey', 'rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048'],
    'rsa': ['-newkey', 'rsa:2048'],
    'ec': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
}
SUBMITD = '%s inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_cert_file=%s -o smtpd_tls_key_file=%s'


def make_cert(path, kind, name='mail.example.test'):
    """path.pem with the certificate, path.key with its key, path.both with both."""
    subprocess.run(['openssl', 'req', '-x509', '-nodes', '-days', '2', '-subj', '/CN=' + name, '-keyout', path + '.key',
                    '-out', path + '.pem', *KINDS[kind]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    with open(path + '.both', 'w') as out:
        out.write(open(path + '.key').read() + open(path + '.pem').read())


def secret_of(key_file):
    """What nobody else's memory may hold: the secret number both ways round, and lines of the PEM text."""
    text = subprocess.run(['openssl', 'pkey', '-in', key_file, '-noout', '-text'], stdout=subprocess.PIPE, text=True, check=True).stdout
    field = re.search(r'(?:priv|prime1|privateExponent):\n((?:\s+[0-9a-f:]+\n)+)', text).group(1)
    number = bytes.fromhex(re.sub(r'[\s:]', '', field)).lstrip(b'\0')
    lines = [line.encode() for line in open(key_file).read().split('\n') if line and '-----' not in line]
    return [number, number[::-1], *[line for line in lines if len(line) == 64][1:3]]


def pages_of(pid):
    """The memory of a process that is really there, run by run."""
    page = 4096
    with open('/proc/%d/maps' % pid) as maps, open('/proc/%d/mem' % pid, 'rb', 0) as mem, open('/proc/%d/pagemap' % pid, 'rb', 0) as table:
        for line in maps:
            start, end = (int(x, 16) // page for x in line.split()[0].split('-'))
            if 'rw' not in line or end - start > 1 << 17:
                continue
            table.seek(start * 8)
            entries = memoryview(table.read((end - start) * 8)).cast('Q')
            at = 0
            while at < len(entries):
                run = at
                while run < len(entries) and entries[run] >> 63:
                    run += 1
                if run > at:
                    try:
                        mem.seek((start + at) * page)
                        yield mem.read((run - at) * page)
                    except (OSError, ValueError, OverflowError):
                        pass
                at = run + 1


def memory_holds(pid, needles):
    return {name for data in pages_of(pid) for name, wanted in needles.items() if any(n in data for n in wanted)}


def connect(i, port, session=None, context=None):
    s = (context or tls()).wrap_socket(socket.create_connection(('127.0.0.1', i.port + port), 20), session=session)
    s.recv(1000)                # the greeting, and the ticket with it
    return s


def works(i, port=993):
    try:
        connect(i, port).close()
        return True
    except OSError:
        return False


def everywhere(i):
    i.imap().logout()
    i.pop3().quit()
    i.submission().quit()
    s = i.smtp()
    s.starttls(context=tls())
    s.quit()
    ok(True, 'SMTP, submission, IMAP and POP3 do TLS with keys apart')


def memory(i):
    needles = {name: secret_of(i.secrets[name]) for name in ('default', 'rsa', 'both')}
    keys = i.pids_of('keys')
    kept = memory_holds(keys[0], needles)
    holders = {(n, name) for n in TLS_PROGRAMS for p in i.pids_of(n) for name in memory_holds(p, needles)}
    ok(len(keys) == 1 and kept == set(needles), 'the keys process holds the keys, also one that is in a file with its certificate', kept)
    ok(not holders, 'no process that speaks TLS has one of them in its memory', holders)


def kinds(i):
    for kind, port in i.kinds.items():
        got = subprocess.run(['openssl', 's_client', '-connect', '127.0.0.1:%d' % port, '-tls1_3', '-CAfile', '%s/%s.pem' % (i.etc, kind)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30).stdout
        ok('Verify return code: 0' in got and 'New, TLSv1.3' in got, 'a certificate of kind %s that a service of master.cf names' % kind, got)
    wrong = i.port + 750
    try:
        tls().wrap_socket(socket.create_connection(('127.0.0.1', wrong), 20)).recv(100)
        failed = False
    except OSError:
        failed = True
    ok(failed and i.wait_log(r'keys\[\d+\]: warning: refused to sign for submitd .*is not among those', 5),
       'a key that is not the certificate\'s makes no connection, and keys says why')
    ok(i.wait_log(r'keys\[\d+\]: warning: smtpd_tls_key_file: .*nokey.key: No such file'), 'a key file that is missing is named')


def death(i):
    m = i.imap()
    before = i.pids_of('keys')
    os.kill(before[0], signal.SIGKILL)
    start = time.time()
    ok(works(i), 'the keys process is killed: the next handshake waits for its successor')
    ok(time.time() - start < 5 and i.pids_of('keys') not in (before, []), 'which is there at once')
    ok(m.noop()[0] == 'OK', 'sessions have not noticed')
    stop, counts = threading.Event(), {True: 0, False: 0}

    def hammer():
        while not stop.is_set():
            counts[works(i, 465)] += 1
    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for t in threads:
        t.start()
    for _ in range(5):
        time.sleep(0.3)
        for pid in i.pids_of('keys'):
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
    stop.set()
    for t in threads:
        t.join(30)
    ok(counts[True] >= 5 and counts[False] <= 5, 'killed five times under load: handshakes go on', counts)
    ok(works(i, 993) and works(i, 995) and works(i, 465), 'and all services work afterwards')
    m.logout()


def hang(i):
    m = i.imap()
    pid = i.pids_of('keys')[0]
    os.kill(pid, signal.SIGSTOP)
    raw = socket.create_connection(('127.0.0.1', i.port + 993), 30)
    try:
        start = time.time()
        failing = threading.Thread(target=lambda: failures.append(works(i, 993)))
        failures = []
        failing.start()
        time.sleep(0.3)
        ok(m.noop()[0] == 'OK' and time.time() - start < 3, 'the keys process hangs: sessions of the same tls-proxy go on')
        failing.join(30)
        ok(failures == [False] and time.time() - start < 15, 'a handshake fails after seconds')
    finally:
        os.kill(pid, signal.SIGCONT)
        raw.close()
    ok(wait_until(lambda: works(i), 10), 'and service goes on when it does')
    ok(i.wait_log('no signature for a TLS handshake: the keys process did not answer in time', 5), 'the log says why')
    m.logout()


def gone_meanwhile(i):
    """Clients that leave while their signature is under way."""
    pid = i.pids_of('keys')[0]
    context = tls()
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(30):
            s = socket.create_connection(('127.0.0.1', i.port + 993), 20)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            o = context.wrap_bio(incoming, outgoing)
            try:
                o.do_handshake()
            except ssl.SSLWantReadError:
                pass
            s.sendall(outgoing.read())
            s.close()
        time.sleep(0.3)
    finally:
        os.kill(pid, signal.SIGCONT)
    ok(wait_until(lambda: works(i), 10) and not re.search('killed by signal (?!9)', i.log()), 'clients that leave meanwhile harm nobody')


def server_pid(i, port, client):
    """The process that has the other end of this connection."""
    local = '%04X' % client.getsockname()[1]
    for line in open('/proc/net/tcp'):
        f = line.split()
        if f[2].endswith(':' + local) and f[1].endswith(':%04X' % (i.port + port)):
            for pid in i.pids_of('tls-proxy') + i.pids_of('submitd'):
                try:
                    if any(os.readlink('/proc/%d/fd/%s' % (pid, fd)) == 'socket:[%s]' % f[9] for fd in os.listdir('/proc/%d/fd' % pid)):
                        return pid
                except OSError:
                    pass
    return None


def resumes(i, port, version):
    """The process that made the session stops for a while: another one resumes it."""
    context = tls()
    context.minimum_version = context.maximum_version = version
    s = connect(i, port, context=context)
    session, maker = s.session, server_pid(i, port, s)
    s.close()
    os.kill(maker, signal.SIGSTOP)
    try:
        s = connect(i, port, session, context)
        other, reused = server_pid(i, port, s), s.session_reused
    finally:
        os.kill(maker, signal.SIGCONT)
    s.close()
    return reused, other not in (None, maker), session, context


def tickets(i):
    for name, version in (('TLS 1.3', ssl.TLSVersion.TLSv1_3), ('TLS 1.2', ssl.TLSVersion.TLSv1_2)):
        for port in (993, 465):
            reused, other, session, context = resumes(i, port, version)
            ok(reused and other, 'a session of %s on %d resumes in another process' % (name, port), (reused, other))
    s = connect(i, 995, session, context)
    ok(not s.session_reused, 'but not in another service')
    s.close()
    session = connect(i, 993, context=context).session
    i.reload()
    wait_until(lambda: len(i.pids_of('keys')) == 1 and works(i), 30)

    def resumed():
        """A full handshake is what one gets until the keys have been handed over."""
        c = connect(i, 993, session, context)
        reused = c.session_reused
        if not reused:
            c.close()
        return c if reused else None
    s = wait_until(resumed, 20, 0.5)
    ok(s, 'after a reload it resumes in the successors')
    s = s or connect(i, 993, session, context)
    s.close()
    ok(wait_until(lambda: len(i.pids_of('keys')) == 1, 10), 'the predecessor of the keys process has gone')


def leaf(i, port, *args):
    """The subject of the certificate that openssl s_client is shown."""
    got = subprocess.run(['openssl', 's_client', '-connect', '127.0.0.1:%d' % port, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=30).stdout
    m = re.search(r'subject=\s*CN\s*=\s*(\S+)', got)
    key = re.search(r'Server public key is (\d+) bit', got)
    return (m.group(1), key.group(1)) if m and key and 'Cipher is (NONE)' not in got else got


RSA_ONLY = ('-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256')
EC_ONLY = ('-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256')


def two_kinds(i):
    """A certificate of RSA and one of EC: each client gets what it knows."""
    for name, port in i.doubles.items():
        got = [leaf(i, port, '-noservername', *only) for only in (RSA_ONLY, EC_ONLY)]
        ok(got == [('mail.example.test', '2048'), ('mail.example.test', '384')], '%s: certificates of two kinds' % name, got)
    for port in (993, 995):
        got = [leaf(i, i.port + port, '-noservername', *only) for only in (RSA_ONLY, EC_ONLY)]
        ok([g[1] for g in got] == ['2048', '256'], 'IMAP and POP3, port %d' % port, got)


def by_name(i):
    """Who asks for a name gets its certificate, from the text of a table and from main.cf."""
    for port in (465, 993):
        asked = {name: leaf(i, i.port + port, '-servername', name)[0] for name in ('one.example.test', 'ONE.example.test', 'two.example.test', 'a.b.three.test',
                                                                                   'three.test', 'other.example.test')}
        first = asked.pop('three.test'), asked.pop('other.example.test')
        ok(asked == {'one.example.test': 'one.example.test', 'ONE.example.test': 'one.example.test', 'two.example.test': 'two.example.test',
                     'a.b.three.test': 'three.test'}, 'port %d: names of the tables' % port, asked)
        ok(first[0] == first[1] == leaf(i, i.port + port, '-noservername')[0], 'others get the first certificate', first)
    names = {name: secret_of('%s/%s.key' % (i.etc, name)) for name in ('one', 'two', 'three')}
    holders = {(n, name) for n in TLS_PROGRAMS for p in i.pids_of(n) for name in memory_holds(p, names)}
    ok(memory_holds(i.pids_of('keys')[0], names) == set(names) and not holders, 'their keys are with the keys process, and nowhere else', holders)
    s = connect(i, 993)
    session = s.session
    s.close()
    raw = socket.create_connection(('127.0.0.1', i.port + 993), 20)
    s = tls().wrap_socket(raw, server_hostname='one.example.test', session=None)
    ok(b'OK' in s.recv(1000) and session is not None, 'and the session goes on as any other')
    s.close()


def tables_refused(i):
    """What cannot be read as a whole is refused, and says what would do."""
    for value, says in (('ldap:/etc/x', 'use texthash:/PATH'), ('texthash:/nonexistent', 'read from the text that the table is made of'),
                        ('inline:{ { one = relative.pem } }', 'absolute paths'), ('inline:{ one }', 'is not { name = files }')):
        i.tool('postconf', '-e', 'tls_server_sni_maps = ' + value)
        out = i.tool('postfix', 'check').stdout
        ok(any('tls_server_sni_maps' in line and says in line and 'fatal' in line for line in out.splitlines()), 'postfix check refuses ' + value, out)


def client_certificate(i):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(i.etc + '/rsa.pem', i.etc + '/rsa.key')
    context.load_verify_locations(i.etc + '/ec.pem')
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(('127.0.0.1', i.port + 800))
    listener.settimeout(30)
    seen = []

    def serve():
        try:
            raw, _ = listener.accept()
            s = context.wrap_socket(raw, server_side=True)
            seen.append(s.getpeercert())
            s.sendall(b'220 hello\r\n')
            f = s.makefile('rb')
            for line in f:
                s.sendall(b'250 ok\r\n' if not line.upper().startswith(b'QUIT') else b'221 bye\r\n')
        except OSError as e:
            seen.append(e)
    t = threading.Thread(target=serve)
    t.start()
    c = smtplib.SMTP('127.0.0.1', i.port + 25, timeout=20)
    c.sendmail('', ['x@elsewhere.test'], 'Subject: hello\n\nhello\n')
    c.quit()
    t.join(40)
    listener.close()
    ok(seen and isinstance(seen[0], dict) and seen[0], 'deliver-out shows its client certificate, with the key apart', seen)


def edit(i):
    for name, kind in (('one', 'rsa'), ('two', 'ec'), ('three', 'rsa')):
        make_cert('%s/%s' % (i.etc, name), kind, name + ('.test' if name == 'three' else '.example.test'))
    with open(i.etc + '/names', 'w') as f:
        f.write('# name files\none.example.test %s/one.both\n.three.test %s/three.key\n  %s/three.pem\n' % (i.etc, i.etc, i.etc))
    for kind in KINDS:
        make_cert('%s/%s' % (i.etc, kind), kind)
    make_cert(i.etc + '/combined', 'rsa')
    i.kinds = {kind: i.port + 700 + n for n, kind in enumerate(KINDS)}
    for kind, port in i.kinds.items():
        i.append_master(SUBMITD % ('127.0.0.1:%d' % port, '%s/%s.pem' % (i.etc, kind), '%s/%s.key' % (i.etc, kind)))
    i.doubles = {name: i.port + 720 + n for n, name in enumerate(('eccert', 'two chain files', 'one chain file'))}
    with open(i.etc + '/whole', 'w') as f:
        f.write(open(i.etc + '/rsa.both').read() + open(i.etc + '/ec.both').read())
    for (name, port), option in zip(i.doubles.items(), ('smtpd_tls_eccert_file=%s/ec.pem -o smtpd_tls_eckey_file=%s/ec.key' % (i.etc, i.etc),
                                                        '{ smtpd_tls_chain_files = %s/rsa.both, %s/ec.key %s/ec.pem }' % (i.etc, i.etc, i.etc),
                                                        'smtpd_tls_chain_files=%s/whole' % i.etc)):
        i.append_master((SUBMITD % ('127.0.0.1:%d' % port, i.etc + '/rsa.pem', i.etc + '/rsa.key')) + ' -o ' + option)
    i.append_main('postern_tls_eccert_file = %s/rsa.pem\npostern_tls_eckey_file = %s/rsa.key\n'
                  'tls_server_sni_maps = hash:%s/names, inline:{ { two.example.test = %s/two.key %s/two.pem } }\n' % ((i.etc,) * 5))
    # A certificate whose key is not there.
    make_cert(i.etc + '/other', 'rsa')
    os.remove(i.etc + '/other.key')
    i.append_master(SUBMITD % ('127.0.0.1:%d' % (i.port + 750), i.etc + '/other.pem', i.etc + '/nokey.key'))
    # Key and certificate in one file.
    i.append_master(SUBMITD % ('127.0.0.1:%d' % (i.port + 760), i.etc + '/combined.both', ''))
    i.append_main('relayhost = [127.0.0.1]:%d\nsmtp_tls_wrappermode = yes\nsmtp_tls_security_level = encrypt\nsmtp_tls_cert_file = %s/ec.pem\n'
                  'smtp_tls_key_file = %s/ec.key\nmynetworks = 127.0.0.0/8\n' % (i.port + 800, i.etc, i.etc))
    i.secrets = {'default': i.tool('postconf', '-h', 'smtpd_tls_key_file').stdout.strip(), 'rsa': i.etc + '/rsa.key', 'both': i.etc + '/combined.key'}


with Instance(port=PORT, edit=edit) as i:
    for test in (everywhere, memory, kinds, two_kinds, by_name, client_certificate, tickets, death, hang, gone_meanwhile, tables_refused):
        case(test.__doc__ or test.__name__.replace('_', ' '), lambda: test(i))
done()
