# SPDX-License-Identifier: ISC
"""postern pw: what doveadm pw makes it verifies, what it makes doveadm verifies; and its refusals."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
import peer                         # noqa: E402
from instance import DEV            # noqa: E402
from tap import case, done, ok      # noqa: E402

POSTERN = DEV + '/bin/postern'
USER, SECRET = 'joe@example.org', 'sécret {with} $signs:'


def pw(*args, text=''):
    p = subprocess.run([POSTERN, 'pw', *args], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    return p.returncode, p.stdout.strip(), p.stderr.strip()


def schemes():
    return pw('-l')[1].split()


def own():
    ok(len(schemes()) >= 30, 'the schemes are listed', schemes())
    for scheme in ('SHA512-CRYPT', 'BLF-CRYPT', 'CRYPT', 'SSHA256.HEX', 'PLAIN.B64', 'SCRAM-SHA-256'):
        code, made, _ = pw('-s', scheme.lower(), text=SECRET + '\n')
        ok(code == 0 and made.startswith('{%s}' % scheme), '%s: one line of standard input is enough' % scheme, made)
        code, said, _ = pw('-t', made, '-p', SECRET)
        ok(code == 0 and said == made + ' (verified)', '%s: and is verified' % scheme, said)
        code, said, why = pw('-t', made, '-p', SECRET + 'x')
        ok(code == 75 and said == '' and 'does not match' in why, '%s: a wrong password is not' % scheme, why)
    code, said, _ = pw('-V', '-s', 'SSHA', text='same\nsame\n')
    ok(code == 0 and said.endswith(' (verified)'), 'a second line that is the same, and -V', said)
    code, made, why = pw('-s', 'MD5-CRYPT', '-p', 'x')
    ok(code == 0 and 'weak' in why and 'postern_auth_allow_weak_schemes' in why, 'a weak scheme is made, and called so', why)
    code, made, _ = pw('-s', 'SHA512-CRYPT', '-r', '9000', '-p', 'x')
    ok(made.startswith('{SHA512-CRYPT}$6$rounds=9000$'), 'the rounds are those asked for', made)


def refusals():
    for args, code, text, what in (
            (('-s', 'ROT13', '-p', 'x'), 75, 'unknown scheme', 'an unknown scheme'),
            (('-s', 'DIGEST-MD5', '-p', 'x'), 75, '-u', 'a scheme that needs the user'),
            (('-s', 'BLF-CRYPT', '-r', '99', '-p', 'x'), 75, 'rounds', 'rounds out of range'),
            (('-t', 'bare', '-p', 'x'), 75, '{SCHEME}', 'a hash without its scheme'),
            (('-t', '{SHA512-CRYPT}$nope$x', '-p', 'x'), 75, 'libcrypt', 'a hash that does not fit its scheme'),
            (('-r', 'many'), 64, 'usage', 'rounds that are no number'),
            (('-x',), 64, 'usage', 'an unknown option'),
            (('extra',), 64, 'usage', 'an argument too many'),
            (('-p', 'x' * 1025), 75, 'longer', 'a password that is too long')):
        got, _, why = pw(*args)
        ok(got == code and text in why, what + ' is refused', '%d %s' % (got, why))
    code, _, why = pw(text='one\ntwo\n')
    ok(code == 75 and 'not the same' in why, 'two lines that differ are refused', why)


def doveadm(root, *args):
    p = root.run(['doveadm', 'pw', *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return p.returncode, p.stdout.strip()


def both_ways(root):
    theirs = doveadm(root, '-l')[1].split()
    missing = set(theirs) - set(schemes()) - {'OTP'}
    ok(not missing, 'every scheme of doveadm pw is known (but OTP, which no password is checked with)', missing)
    for scheme in [s for s in schemes() if s in theirs] + ['SHA1.HEX', 'SSHA512.B64', 'CRAM-MD5.B64', 'PLAIN.HEX', 'BLF-CRYPT.HEX']:
        code, made, why = pw('-s', scheme, '-u', USER, '-p', SECRET)
        code, said = doveadm(root, '-t', made, '-u', USER, '-p', SECRET)
        ok(code == 0 and said == made + ' (verified)', "%s: doveadm verifies ours" % scheme, '%s: %s %s' % (made, said, why))
        ok(doveadm(root, '-t', made, '-u', USER, '-p', 'other')[0] != 0, '%s: and only with its password' % scheme)
        # doveadm writes a PLAIN-TRUNC without the length that it reads
        made = '{PLAIN-TRUNC}5-' + SECRET[:4] if scheme == 'PLAIN-TRUNC' else doveadm(root, '-s', scheme, '-u', USER, '-p', SECRET)[1]
        code, said, why = pw('-t', made, '-u', USER, '-p', SECRET)
        ok(code == 0 and said == made + ' (verified)', "%s: ours verifies doveadm's" % scheme, '%s: %s' % (made, why))
        ok(pw('-t', made, '-u', USER, '-p', 'other')[0] == 75, '%s: and only with its password' % scheme)


case('own', own)
case('refusals', refusals)
if os.geteuid() == 0:
    peer_root = peer.Root('dovecot')
    peer_root.write('/etc/dovecot/dovecot.conf', 'ssl = no\nprotocols = imap\n')
    try:
        case('both ways', lambda: both_ways(peer_root))
    finally:
        peer_root.close()
else:
    ok(True, 'skipped: doveadm needs root')
done()
