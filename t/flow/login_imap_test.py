# SPDX-License-Identifier: ISC
"""imap-login: everything before the login, as transcripts."""
import os
import re
import socket
import ssl
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, PASSWORD, tls, wait_until   # noqa: E402
from tap import case, done, ok                              # noqa: E402


def talk(port, parts, secure, seconds=20.0, until=None):
    """Send the parts, each after an answer; everything that came, with <EOF> at a close."""
    s = socket.create_connection(('127.0.0.1', port), timeout=10)
    if secure:
        s = tls().wrap_socket(s)
    out = s.recv(65536).decode(errors='replace')
    s.settimeout(0.1)
    end = time.time() + seconds
    for part in list(parts) + [None]:
        if part is not None:
            try:
                s.sendall(part if isinstance(part, bytes) else part.encode())
            except OSError:
                s.close()
                return out + '<EOF>'
        quiet = 0
        while time.time() < end and quiet < (2 if part is not None else seconds * 10):
            try:
                got = s.recv(65536)
            except TimeoutError:
                quiet += 1
                if part is None and until and re.search(until, out):
                    break
                continue
            except OSError:
                got = b''
            if not got:
                s.close()
                return out + '<EOF>'
            quiet = 0
            out += got.decode(errors='replace')
    s.close()
    return out


# what is said, over TLS or not, what must be in the answer, what must not
CASES = [
    ('the greeting has the capabilities', False, ['a LOGOUT\r\n'], r'\* OK \[CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL\+ STARTTLS LOGINDISABLED\] ', 'AUTH='),
    ('behind TLS it offers AUTH and no STARTTLS', True, ['a CAPABILITY\r\n'], r'AUTH=PLAIN AUTH=LOGIN', 'STARTTLS|LOGINDISABLED'),
    ('NOOP, ID and LOGOUT', True, ['a NOOP\r\nb ID ("name" "x")\r\nc LOGOUT\r\n'], r'a OK.*\* ID \("name" "Postern"\).*b OK.*\* BYE.*c OK.*<EOF>', None),
    ('LOGIN without TLS is refused unseen', False, ['a LOGIN alice %s\r\n' % PASSWORD['alice']], r'a NO \[PRIVACYREQUIRED\]', 'a OK'),
    ('AUTHENTICATE without TLS is refused unseen', False, ['a AUTHENTICATE PLAIN\r\n'], r'a NO \[PRIVACYREQUIRED\]', r'^\+'),
    ('a wrong password', True, ['a LOGIN alice wrong\r\n'], r'a NO \[AUTHENTICATIONFAILED\] ', 'a OK'),
    ('a user who does not exist', True, ['a LOGIN nobody wrong\r\n'], r'a NO \[AUTHENTICATIONFAILED\] Authentication failed\.', 'a OK'),
    ('a literal is asked for', True, ['a LOGIN {5}\r\n', 'alice {5}\r\n', 'wrong\r\n'], r'\+ OK.*\+ OK.*a NO \[AUTHENTICATIONFAILED\]', None),
    ('a literal without asking', True, ['a LOGIN {5+}\r\nalice {5+}\r\nwrong\r\n'], r'a NO \[AUTHENTICATIONFAILED\]', r'^\+'),
    ('a literal that is too big is refused before it is sent', True, ['a LOGIN {1048576}\r\nb NOOP\r\n'], r'a NO \[TOOBIG\].*b OK', r'^\+'),
    ('a literal that is too big and sent all the same is passed over', True, ['a LOGIN {9000+}\r\n' + 'x' * 9000 + ' y\r\nb NOOP\r\n'], r'a NO \[TOOBIG\].*b OK', None),
    ('a literal that is far too big ends the connection', True, ['a LOGIN {1048576+}\r\nb NOOP\r\n'], r'\* BYE.*<EOF>', 'b OK'),
    ('a literal of a command that does not exist is not taken for commands', True, ['a FOO {10+}\r\nb LOGOUT\r\n\r\nc NOOP\r\n'], r'a BAD.*c OK', 'b OK'),
    ('a line over the limit', True, ['a LOGIN ' + '(' * 20000 + '\r\nb NOOP\r\n'], r'\* BAD.*b OK', None),
    ('a line without end', True, ['a' * 300000], r'<EOF>', None),
    ('parentheses without end', True, ['a LOGIN ' + '(' * 4000 + '\r\n'], r'a BAD', None),
    ('a NUL in a quoted string', True, [b'a LOGIN "ali\0ce" "x"\r\n'], r'a BAD', None),
    ('a NUL in a literal', True, [b'a LOGIN {3+}\r\na\0b x\r\n'], r'a BAD', None),
    ('a quoted string that does not end', True, ['a LOGIN "alice "x\\\r\n'], r'a BAD', None),
    ('one argument too few', True, ['a LOGIN alice\r\n'], r'a BAD', None),
    ('one argument too many', True, ['a LOGIN alice x y\r\n'], r'a BAD', None),
    ('a command without tag', True, ['\r\n', '* NOOP\r\n', '+ NOOP\r\n'], r'\* BAD.*\* BAD.*\* BAD', None),
    ('SELECT before the login', True, ['a SELECT INBOX\r\n'], r'a BAD', None),
    ('bad base64', True, ['a AUTHENTICATE PLAIN !!!!\r\n'], r'a BAD', 'a OK'),
    ('a mechanism that does not exist', True, ['a AUTHENTICATE CRAM-MD5\r\n'], r'a BAD', None),
    ('a dialogue that the client gives up', True, ['a AUTHENTICATE PLAIN\r\n', '*\r\n'], r'\+ \r\na BAD', None),
    ('STARTTLS behind TLS', True, ['a STARTTLS\r\n'], r'a BAD', None),
    ('what is sent behind STARTTLS ends the connection', False, ['a STARTTLS\r\nb NOOP\r\n'], r'a OK.*<EOF>', 'b OK'),
    ('too many bad commands', True, ['x FOO\r\n' * 40], r'\* BYE Too many invalid commands\.\r\n<EOF>', None),
]


def transcripts(i):
    for what, secure, parts, want, refuse in CASES:
        out = talk(i.port + (993 if secure else 143), parts, secure, until=want)
        ok(re.search(want, out, re.S) and not (refuse and re.search(refuse, out.split('\r\n', 1)[-1] if refuse != 'AUTH=' else out, re.M)), what, out)


def log_lines(i):
    ok(i.wait_log(r'dovecot.*: imap-login: Aborted login \(auth failed, 1 attempts in \d+ secs\): user=<alice>, method=PLAIN, rip=127\.0\.0\.1, lip=127\.0\.0\.1, TLS, session=<\S+>', 5),
       'a failed login is logged as Dovecot has it')
    ok(i.wait_log(r'imap-login: Aborted login \(tried to use disallowed plaintext auth\): user=<>, method=PLAIN, rip=127\.0\.0\.1', 5), 'so is a password without TLS')
    talk(i.port + 993, ['a LOGIN "x>, rip=9.9.9.9, lip=1.1.1.1" wrong\r\n'], True, 3, 'a NO')
    ok(not re.search(r', rip=9\.9\.9\.9', i.log()), 'a user name cannot look like an address field')
    ok(i.wait_log(r'imap-login: Disconnected \(no auth attempts in \d+ secs\): user=<>, rip=127\.0\.0\.1', 5), 'a connection without a login is logged')


def starttls(i):
    s = socket.create_connection(('127.0.0.1', i.port + 143), timeout=10)
    s.recv(4096)
    s.sendall(b'a STARTTLS\r\n')
    ok(s.recv(4096).startswith(b'a OK'), 'STARTTLS is accepted')
    s = tls().wrap_socket(s)
    s.sendall(b'b CAPABILITY\r\n')
    text = wait_until(lambda: s.recv(4096).decode())
    ok('AUTH=PLAIN' in text and 'STARTTLS' not in text, 'after STARTTLS the capabilities are others', text)
    s.close()


def dies_alone(i):
    """A client that leaves at every point of a dialogue leaves nothing behind."""
    text = b'a AUTHENTICATE LOGIN\r\nYWxpY2U=\r\nd3Jvbmc=\r\n'
    for cut in range(0, len(text), 3):
        s = tls().wrap_socket(socket.create_connection(('127.0.0.1', i.port + 993), timeout=10))
        s.sendall(text[:cut])
        s.close()
    out = talk(i.port + 993, ['a NOOP\r\n'], True, 3, 'a OK')
    ok('a OK' in out, 'connections that end in the middle leave the process working')


def greeted(i):
    """tls-proxy says login's greeting, and asks login when the client speaks, falls silent for a second, or leaves."""
    first, second = (talk(i.port + 993, ['a CAPABILITY\r\nb LOGOUT\r\n'], True, 3, 'b OK') for _ in range(2))
    ok(first == second and first.startswith('* OK [CAPABILITY ') and first.count('* OK [') == 1, 'the second client hears what the first heard', (first, second))
    ok('* ' + first.split('[')[1].split(']')[0] + '\r\n' in first, 'which is what CAPABILITY answers', first)
    s = tls().wrap_socket(socket.create_connection(('127.0.0.1', i.port + 993), timeout=10))
    s.recv(4096)
    time.sleep(1.3)
    s.sendall(b'a NOOP\r\n')
    ok(s.recv(4096).startswith(b'a OK'), 'a client that waits before it speaks is served')
    s.close()
    old = tls()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    s = old.wrap_socket(socket.create_connection(('127.0.0.1', i.port + 993), timeout=10))
    text = s.recv(4096)
    ok(text.startswith(b'* OK [CAPABILITY ') and b'-PLUS' not in text, 'one with TLS 1.2, without channel binding, is greeted with its own', text)
    s.close()
    before = len(re.findall('imap-login: Disconnected .no auth attempts', i.log()))
    for wait in (0, 1.3):
        s = tls().wrap_socket(socket.create_connection(('127.0.0.1', i.port + 993), timeout=10))
        s.recv(4096)
        time.sleep(wait)
        s.close()
    ok(wait_until(lambda: len(re.findall('imap-login: Disconnected .no auth attempts', i.log())) >= before + 2),
       'those that leave without a word are in the log')


with Instance() as instance:
    for test in (transcripts, log_lines, starttls, dies_alone, greeted):
        case(test.__name__, lambda t=test: t(instance))
done()
