# SPDX-License-Identifier: ISC
"""pop3-login and pop3d: RFC 1939 from greeting to QUIT, with Python's poplib and raw bytes."""
import os
import poplib
import re
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PASSWORD, tls, wait_until   # noqa: E402
from tap import case, done, ok                              # noqa: E402

MAILS = [
    b'From: a@example.test\nSubject: one\n\nbody one\n',
    b'From: a@example.test\nSubject: two\n\n.leading dot\n..two dots\n.\nlast\n',
    b'From: a@example.test\r\nSubject: three\r\n\r\nCRLF inside\r\n',
    b'From: a@example.test\nSubject: four\n\nno line end at the end',
    b'Subject: five\n\n' + b'x' * 70 + b'\n' * 3 + b'line\n' * 5000,
]


def wire(text):
    text = text.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n')
    return text if text.endswith(b'\r\n') else text + b'\r\n'


def fill(i, user):
    for sub in ('new', 'cur', 'tmp'):
        os.makedirs(i.maildir(user) + '/' + sub, exist_ok=True)
    for n, text in enumerate(MAILS):
        with open('%s/new/17000000%02d.M1P%d.host' % (i.maildir(user), n, n), 'wb') as f:
            f.write(text)


def raw(i, data, secure=True, seconds=5):
    """All at once; what came until the close."""
    s = socket.create_connection(('127.0.0.1', i.port + (995 if secure else 110)), timeout=seconds)
    if secure:
        s = tls().wrap_socket(s)
    out = b''
    try:
        s.sendall(data)
    except TimeoutError:
        return out
    except OSError:
        pass                    # the server may close while there is more to send
    try:
        while True:
            got = s.recv(65536)
            if not got:
                out += b'<EOF>'
                break
            out += got
    except TimeoutError:
        pass
    except OSError:
        out += b'<EOF>'         # a reset is an end, too
    s.close()
    return out


def before_login(i):
    p = i.pop3(user=None, implicit=False)
    capa = p.capa()
    ok({'CAPA', 'TOP', 'UIDL', 'RESP-CODES', 'PIPELINING', 'AUTH-RESP-CODE', 'USER'} <= set(capa) and capa.get('SASL') == ['PLAIN', 'LOGIN'] and 'STLS' not in capa,
       'CAPA behind STLS', capa)
    p.close()
    out = raw(i, b'CAPA\r\nUSER alice\r\nPASS x\r\nAUTH PLAIN\r\nSTAT\r\nQUIT\r\n', secure=False)
    ok(b'STLS' in out and b'SASL' not in out and b'\r\nUSER\r\n' not in out, 'CAPA without TLS offers STLS and no password', out)
    ok(out.count(b'-ERR [AUTH] Plaintext authentication disallowed') == 2 and b'+OK\r\n-ERR' not in out, 'USER and AUTH without TLS are refused', out)
    ok(b'-ERR Unknown command.' in out and out.endswith(b'+OK Logging out\r\n<EOF>'), 'STAT before the login is refused, QUIT is not', out)
    out = raw(i, b'STLS\r\nCAPA\r\n', secure=False)
    ok(out.startswith(b'+OK') and out.endswith(b'+OK Begin TLS negotiation now.\r\n<EOF>'), 'what is sent behind STLS ends the connection', out)
    out = raw(i, b'USER alice\r\nPASS wrong\r\nQUIT\r\n')
    ok(b'-ERR [AUTH] Authentication failed.\r\n' in out, 'a wrong password', out)
    out = raw(i, b'PASS x\r\nUSER alice\r\nSTAT\r\nUSER\r\nAUTH\r\nAUTH CRAM-MD5\r\nAUTH PLAIN !!\r\nAPOP a b\r\nQUIT\r\n')
    ok(out.count(b'-ERR') == 6 and b'PLAIN\r\nLOGIN\r\n.\r\n' in out, 'commands out of their order are refused', out)
    out = raw(i, b'AUTH PLAIN\r\n*\r\nQUIT\r\n')
    ok(b'+ \r\n-ERR Authentication aborted by client.' in out, 'AUTH that the client gives up', out)
    ok(raw(i, b'A' * 200000).endswith(b'<EOF>'), 'a line without end ends the connection')


def session(i):
    fill(i, 'alice')
    p = i.pop3('alice')
    sizes = [len(wire(m)) - (0 if m.endswith(b'\n') else 2) for m in MAILS]
    ok(p.stat() == (len(MAILS), sum(sizes)), 'STAT counts bytes as they are sent', p.stat())
    ok([x.decode() for x in p.list()[1]] == ['%d %d' % (n + 1, s) for n, s in enumerate(sizes)], 'LIST')
    ok(p.list(2) == b'+OK 2 %d' % sizes[1], 'LIST of one')
    for n, text in enumerate(MAILS):
        got = b'\r\n'.join(p.retr(n + 1)[1]) + b'\r\n'
        ok(got == wire(text), 'RETR %d is the message, dots and line ends included' % (n + 1), got[:200])
    ok(p.top(2, 1)[1] == [b'From: a@example.test', b'Subject: two', b'', b'.leading dot'], 'TOP')
    ok(p.top(1, 0)[1] == [b'From: a@example.test', b'Subject: one', b''], 'TOP of no lines')
    uids = [x.decode().split() for x in p.uidl()[1]]
    ok(all(re.fullmatch('[0-9a-f]{16}', u[1]) for u in uids) and len({u[1] for u in uids}) == len(MAILS), 'UIDL', uids)
    ok(p.uidl(3) == b'+OK 3 ' + uids[2][1].encode(), 'UIDL of one')
    for command in ('RETR 9', 'DELE 0', 'LIST 99999999999', 'TOP 1', 'RETR x', 'FOO', 'STLS', 'USER alice'):
        try:
            p._shortcmd(command)
            ok(False, command + ' is refused')
        except poplib.error_proto as e:
            ok('-ERR' in str(e), command + ' is refused', e)
    p.dele(2)
    try:
        p.retr(2)
        ok(False, 'a deleted message cannot be read')
    except poplib.error_proto:
        ok(p.stat()[0] == len(MAILS) - 1 and len(p.list()[1]) == len(MAILS) - 1, 'a deleted message is not counted and cannot be read')
    p.rset()
    ok(p.stat()[0] == len(MAILS), 'RSET takes it back')
    p.dele(1)
    p.dele(3)
    p.close()
    ok(wait_until(lambda: re.search(r'pop3\(alice\)<\d+><\S+>: Disconnected: Connection closed top=2/\d+, retr=5/\d+, del=2/5', i.log()), 5), 'the end of a session is logged')
    p = i.pop3('alice')
    ok(p.stat()[0] == len(MAILS), 'a session that does not QUIT deletes nothing')
    ok([x.decode().split()[1] for x in p.uidl()[1]] == [u[1] for u in uids], 'unique ids stay')
    p.dele(1)
    p.dele(3)
    ok(p.quit() == b'+OK Logging out, messages deleted.', 'QUIT deletes')
    p = i.pop3('alice')
    left = [x.decode().split()[1] for x in p.uidl()[1]]
    ok(p.stat()[0] == 3 and left == [uids[n][1] for n in (1, 3, 4)], 'what was deleted is gone, the rest keeps its ids', left)
    p.quit()


def pipelining(i):
    out = raw(i, b'USER alice\r\nPASS %s\r\nSTAT\r\nUIDL\r\nRETR 1\r\nNOOP\r\nQUIT\r\n' % PASSWORD['alice'].encode())
    ok(re.search(rb'Logged in\.\r\n\+OK 3 \d+\r\n\+OK\r\n1 .*\r\n\.\r\n\+OK \d+ octets\r\n.*\r\n\.\r\n\+OK\r\n\+OK Logging out\.\r\n<EOF>$', out, re.S),
       'commands sent in one go with the login are answered in order', out)
    ok(b'\r\n..leading dot\r\n...two dots\r\n..\r\n' in out, 'dots are stuffed on the wire')


def two_sessions(i):
    a, b = i.pop3('alice'), i.pop3('alice')
    n = b.stat()[0]
    a.dele(1)
    a.quit()
    try:
        b.retr(1)
        ok(False, 'a message that another session removed')
    except poplib.error_proto as e:
        ok('SYS/TEMP' in str(e), 'a message that another session removed is said to be gone', e)
    ok(b.stat()[0] == n, 'the numbers of a session do not move')
    b.quit()
    with open(i.maildir('alice') + '/new/1700000000.M1P1.host', 'w') as f:      # a name that tells no size
        f.write('Subject: other\n\nx\n')
    a, b = i.pop3('alice'), i.pop3('alice')
    last = a.stat()[0]
    a.dele(last)
    a.quit()
    try:
        ok(b.stat()[0] == last - 1 and len(b.list()[1]) == last - 1, 'one that was removed before it was measured is not counted')
    except poplib.error_proto as e:
        ok(False, 'one that was removed before it was measured is not counted', e)
    b.quit()


def limits(i):
    out = raw(i, b'USER alice\r\nPASS %s\r\n' % PASSWORD['alice'].encode() + b'JUNK\r\n' * 60)
    ok(out.endswith(b'<EOF>') and out.count(b'-ERR') <= 21, 'too many bad commands end the session', out[-200:])
    out = raw(i, b'USER alice\r\nPASS %s\r\n' % PASSWORD['alice'].encode() + b'DELE 9999\r\nNOOP\r\n' * 40 + b'QUIT\r\n')
    ok(out.count(b"-ERR There's no message") == 40 and b'+OK Logging out' in out, 'those that are no habit do not', out[-200:])
    out = raw(i, b'USER alice\r\nPASS %s\r\n' % PASSWORD['alice'].encode() + b'x' * 600 + b'\r\nQUIT\r\n')
    ok(b'-ERR Command line is too long.' in out and b'+OK Logging out' in out, 'a line over the limit is refused', out)
    many = []
    refused = False
    for _ in range(12):
        try:
            many.append(i.pop3('bob'))
        except (poplib.error_proto, OSError):
            refused = True
    ok(refused and len(many) == 10, 'mail_max_userip_connections holds', len(many))
    for p in many:
        p.quit()
    ok(wait_until(lambda: works(i, 'bob'), 5), 'and ends with the sessions')


def works(i, user):
    try:
        return i.pop3(user).quit().startswith(b'+OK')
    except (poplib.error_proto, OSError):
        return False


def authd_killed(i):
    p = i.pop3('alice')
    for pid in i.pids_of('authd'):
        os.kill(pid, signal.SIGKILL)
    ok(p.noop().startswith(b'+OK') and p.stat(), 'a session outlives authd')
    p.quit()
    ok(wait_until(lambda: works(i, 'alice'), 20, 0.5), 'and the next login finds its successor')


with Instance() as instance:
    for test in (before_login, session, pipelining, two_sessions, limits, authd_killed):
        case(test.__name__, lambda t=test: t(instance))
done()
