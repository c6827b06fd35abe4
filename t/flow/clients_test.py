# SPDX-License-Identifier: ISC
"""Real mail clients, unchanged, against a private instance."""
import os
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PASSWORD, message, tls, wait_until   # noqa: E402
from tap import case, done, ok                                       # noqa: E402


def sh(argv, text=None, env=None, seconds=60):
    return subprocess.run(argv, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds,
                          env=dict(os.environ, **(env or {})), errors='replace', check=False)


def swaks(i, *args):
    return sh(['swaks', '--server', '127.0.0.1', '--helo', 'client.example.test', '--from', 'alice@example.test',
               '--to', 'bob@example.test', *args])


def sending(i):
    auth = ['--auth', 'PLAIN', '--auth-user', 'alice', '--auth-password', PASSWORD['alice']]
    p = swaks(i, '-p', str(i.port + 587), '-tls', *auth, '--h-Subject', 'swaks 587')
    ok(p.returncode == 0 and i.wait_mail('bob', 'swaks 587'), 'swaks sends by 587 with STARTTLS and AUTH PLAIN', p.stdout)
    p = swaks(i, '-p', str(i.port + 465), '--tls-on-connect', '--auth', 'LOGIN', *auth[2:], '--h-Subject', 'swaks 465')
    ok(p.returncode == 0 and i.wait_mail('bob', 'swaks 465'), 'swaks sends by 465 with AUTH LOGIN', p.stdout)
    p = swaks(i, '-p', str(i.port + 587), '-tls', '--h-Subject', 'swaks unauthenticated')
    ok(p.returncode != 0 and re.search(r'5[35]\d 5\.7', p.stdout), 'submission without AUTH is refused', p.stdout)
    p = swaks(i, '-p', str(i.port + 587), *auth, '--h-Subject', 'swaks clear')
    ok(p.returncode != 0 and 'swaks clear' not in ''.join(x.decode(errors='replace') for x in i.mails('bob')),
       'AUTH without TLS is not offered', p.stdout)
    p = swaks(i, '-p', str(i.port + 465), '--tls-on-connect', '--auth', 'PLAIN', '--auth-user', 'alice', '--auth-password', 'wrong')
    ok(p.returncode != 0 and '535' in p.stdout, 'a wrong password is 535', p.stdout)


def with_msmtp(i):
    for port, starttls in ((587, 'on'), (465, 'off')):
        conf = '%s/msmtprc' % i.base
        with open(conf, 'w') as f:
            f.write('account default\nhost 127.0.0.1\nport %d\nfrom alice@example.test\nauth plain\nuser alice\npassword %s\n'
                    'tls on\ntls_starttls %s\ntls_certcheck off\ntls_trust_file\n' % (i.port + port, PASSWORD['alice'], starttls))
        os.chmod(conf, 0o600)
        p = sh(['msmtp', '-C', conf, 'bob@example.test'], message('msmtp %d' % port))
        ok(p.returncode == 0 and i.wait_mail('bob', 'msmtp %d' % port), 'msmtp sends by %d' % port, p.stdout)


def with_curl(i):
    p = sh(['curl', '-sS', '-k', '--user', 'bob:' + PASSWORD['bob'], 'imaps://127.0.0.1:%d/INBOX;MAILINDEX=1' % (i.port + 993)])
    ok(p.returncode == 0 and 'Subject:' in p.stdout, 'curl reads a message by IMAPS', p.stdout)
    p = sh(['curl', '-sS', '-k', '--ssl-reqd', '--user', 'bob:' + PASSWORD['bob'], 'imap://127.0.0.1:%d/INBOX;MAILINDEX=1;SECTION=HEADER' % (i.port + 143)])
    ok(p.returncode == 0 and 'Subject:' in p.stdout, 'curl reads headers by IMAP with STARTTLS', p.stdout)
    p = sh(['curl', '-sS', '-k', '--user', 'bob:' + PASSWORD['bob'], 'pop3s://127.0.0.1:%d/1' % (i.port + 995)])
    ok(p.returncode == 0 and 'Subject:' in p.stdout, 'curl reads a message by POP3S', p.stdout)
    p = sh(['curl', '-sS', '-k', '--ssl-reqd', '--user', 'bob:' + PASSWORD['bob'], 'pop3://127.0.0.1:%d/' % (i.port + 110)])
    ok(p.returncode == 0 and p.stdout.startswith('1 '), 'curl lists by POP3 with STLS', p.stdout)


def with_mbsync(i):
    store = i.base + '/mbsync'
    os.makedirs(store)
    conf = i.base + '/mbsyncrc'
    with open(conf, 'w') as f:
        f.write('IMAPAccount a\nHost localhost\nPort %d\nUser bob\nPass %s\nSSLType IMAPS\nCertificateFile %s\n\n'
                'IMAPStore far\nAccount a\n\nMaildirStore near\nPath %s/\nInbox %s/INBOX\n\n'
                'Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n'
                % (i.port + 993, PASSWORD['bob'], certificate(i), store, store))
    count = len(i.files('bob'))
    p = sh(['mbsync', '-c', conf, '-a'])
    got = sum(len(files) for base, _, files in os.walk(store + '/INBOX') if base.endswith(('/cur', '/new')))
    ok(p.returncode == 0 and got == count, 'mbsync fetches the whole mailbox', '%d of %d\n%s' % (got, count, p.stdout))
    with open(store + '/INBOX/cur/1.local.mbsync:2,S', 'w') as f:
        f.write(message('uploaded by mbsync').replace('\r\n', '\n'))
    p = sh(['mbsync', '-c', conf, '-a'])
    ok(p.returncode == 0 and i.wait_mail('bob', 'uploaded by mbsync'), 'mbsync uploads by APPEND', p.stdout)


def certificate(i):
    """The instance's certificate, fetched as a careful user would: from the server."""
    path = i.base + '/server.pem'
    p = sh(['openssl', 's_client', '-connect', '127.0.0.1:%d' % (i.port + 993), '-showcerts'], '')
    pem = re.search(r'-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----', p.stdout, re.S).group(0)
    with open(path, 'w') as f:
        f.write(pem + '\n')
    return path


def with_getmail(i):
    box = i.base + '/getmail'
    for d in ('cur', 'new', 'tmp', '../gm'):
        os.makedirs('%s/%s' % (box, d), exist_ok=True)
    with open(i.base + '/gm/getmailrc', 'w') as f:
        f.write('[retriever]\ntype = SimplePOP3SSLRetriever\nserver = 127.0.0.1\nport = %d\nusername = bob\npassword = %s\n'
                '[destination]\ntype = Maildir\npath = %s/\n[options]\ndelete = false\nread_all = false\n' % (i.port + 995, PASSWORD['bob'], box))
    env = {'HOME': i.base}
    getmail = ['getmail', '--getmaildir', i.base + '/gm']
    if os.geteuid() == 0:               # it refuses to deliver as root
        for path in (box, i.base + '/gm'):
            subprocess.run(['chown', '-R', 'nobody', path], check=True)
        getmail = ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup', '--clear-groups', *getmail]
    p = sh(getmail, env=env)
    got = len(os.listdir(box + '/new'))
    ok(p.returncode == 0 and got == len(i.files('bob')), 'getmail fetches all and leaves it on the server', p.stdout)
    p = sh(getmail, env=env)
    ok(p.returncode == 0 and len(os.listdir(box + '/new')) == got, 'a second getmail knows the UIDLs and fetches nothing', p.stdout)


def with_mutt(i):
    rc = i.base + '/muttrc'
    with open(rc, 'w') as f:
        f.write('set ssl_verify_host=no\nset ssl_verify_dates=no\nset certificate_file=%s\nset ssl_starttls=no\nset header_cache=\n'
                'set imap_user=bob\nset imap_pass=%s\nset folder=imaps://127.0.0.1:%d/\nset spoolfile=+INBOX\nset quit=yes\nset wait_key=no\n'
                'set copy=no\nset confirmappend=no\nset confirmcreate=no\nset delete=no\n' % (certificate(i), PASSWORD['bob'], i.port + 993))
    out = i.base + '/mutt-copy'
    with open(rc, 'a') as f:
        f.write('push "<tag-pattern>~A<enter><tag-prefix><copy-message>%s<enter><exit>"\n' % out)
    p = sh(['script', '-qfec', 'mutt -n -F %s' % rc, '/dev/null'], env={'HOME': i.base, 'TERM': 'xterm'}, seconds=90)
    copied = open(out, errors='replace').read().lower().count('\nmessage-id:') if os.path.exists(out) else 0
    ok(copied > 0, 'mutt opens the mailbox and copies its messages', p.stdout[-500:])


def with_python(i):
    i.submit('alice', ['bob@example.test'], message('by smtplib'))
    ok(i.wait_mail('bob', 'by smtplib'), 'smtplib sends by submission')
    m = i.imap('bob')
    m.select('INBOX')
    uid = m.uid('SEARCH', None, 'SUBJECT', '"by smtplib"')[1][0].split()
    ok(len(uid) == 1, 'imaplib finds it by SEARCH SUBJECT')
    status, data = m.uid('FETCH', uid[-1], '(FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[])')
    size = int(re.search(rb'RFC822.SIZE (\d+)', data[0][0]).group(1))
    bodies = [d[1] for d in data if isinstance(d, tuple)]
    ok(status == 'OK' and any(len(b) == size for b in bodies), 'RFC822.SIZE is the length of BODY[]')
    m.logout()
    p = i.pop3('bob')
    count, octets = p.stat()
    listed = [int(line.split()[1]) for line in p.list()[1]]
    got = [sum(len(line) + 2 for line in p.retr(n + 1)[1]) for n in range(count)]
    ok(count == len(listed) and sum(listed) == octets and got == listed, 'poplib: STAT, LIST and RETR agree on sizes')
    ok(len(set(p.uidl()[1])) == count, 'poplib: every UIDL differs')
    p.quit()


def two_idle_clients(i):
    first, second = i.imap('bob'), i.imap('bob', implicit=False)
    seen = {}

    def idle(name, m):
        m.send(b'I IDLE\r\n')
        m.sock.settimeout(15)
        seen[name] = b''
        try:
            while b'FETCH' not in seen[name] or b'EXISTS' not in seen[name]:
                line = m.readline()
                if not line:
                    break
                seen[name] += line
        except OSError:
            pass

    third = i.imap('bob')
    for m in (first, second, third):
        m.select('INBOX')
    threads = [threading.Thread(target=idle, args=a) for a in (('first', first), ('second', second))]
    for t in threads:
        t.start()
    wait_until(lambda: all(b'+ ' in seen.get(n, b'') for n in ('first', 'second')), 10)
    i.submit('alice', ['bob@example.test'], message('while idle'))
    third.store('1', '+FLAGS', r'(\Flagged)')
    for t in threads:
        t.join()
    ok(all(b'EXISTS' in seen[n] for n in seen), 'two clients in IDLE are told of new mail', seen)
    ok(all(b'Flagged' in seen[n] for n in seen), "two clients in IDLE are told of a third one's flag", seen)
    for m in (first, second):
        m.send(b'DONE\r\n')
        m.shutdown()
    third.logout()


with Instance() as instance:
    for what, fn in (('sending', sending), ('msmtp', with_msmtp), ('curl', with_curl), ('mbsync', with_mbsync),
                     ('getmail', with_getmail), ('mutt', with_mutt), ('python', with_python), ('idle', two_idle_clients)):
        case('%s: no exception' % what, lambda f=fn: f(instance))
done()
