# SPDX-License-Identifier: ISC
"""The programs that read Postfix's and Dovecot's logs read ours: fail2ban's stock filters, pflogsumm. Their packages are unpacked, not
installed."""
import glob
import os
import re
import smtplib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
import peer                                             # noqa: E402
from instance import Instance, message, tls, wait_until  # noqa: E402
from tap import case, done, ok                          # noqa: E402

READERS = ('fail2ban', 'pflogsumm', 'libdate-calc-perl', 'libbit-vector-perl', 'libcarp-clan-perl', 'libdate-calc-xs-perl')


def unpack(directory):
    os.makedirs(peer.CACHE, exist_ok=True)
    for package in READERS:
        have = glob.glob('%s/%s_*.deb' % (peer.CACHE, package))
        if not have:
            subprocess.run(['apt-get', 'download', '-q', package], cwd=peer.CACHE, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            have = glob.glob('%s/%s_*.deb' % (peer.CACHE, package))
        subprocess.run(['dpkg', '-x', have[0], directory], check=True)


def events(i):
    """Two of each kind, from 127.0.0.5, which is nobody's friend."""
    def outside():
        return smtplib.SMTP('127.0.0.1', i.port + 25, timeout=20, source_address=('127.0.0.5', 0))
    for _ in range(2):
        s = outside()
        for rcpt in ('v@ext.test', 'nosuch@example.test'):
            try:
                s.sendmail('a@outside.test', [rcpt], message('refused'))
            except smtplib.SMTPException:
                s.rset()
        s.quit()
    i.submit('alice', ['bob@example.test'], message('seen by pflogsumm'))
    i.wait_mail('bob', 'seen by pflogsumm')
    for _ in range(2):
        s = smtplib.SMTP('127.0.0.1', i.port + 587, timeout=30, source_address=('127.0.0.5', 0))
        s.starttls(context=tls())
        try:
            s.login('alice', 'wrong')
        except smtplib.SMTPException:
            pass
        s.close()
    for connect in (i.imap, i.pop3):
        c = connect(None)
        try:
            c.login('alice', 'wrong') if connect == i.imap else (c.user('alice'), c.pass_('wrong'))
        except Exception:                   # imaplib and poplib have their own kinds
            pass
        (c.shutdown if connect == i.imap else c.close)()
    wait_until(lambda: i.log().count('auth failed') >= 2, 10)


def fail2ban(directory, log, name, mode):
    filters = directory + '/etc/fail2ban/filter.d'
    spec = '%s/%s.conf[mode=%s]' % (filters, name, mode) if mode else '%s/%s.conf' % (filters, name)
    p = subprocess.run([sys.executable, directory + '/usr/bin/fail2ban-regex', '-v', log, spec], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, env=dict(os.environ, PYTHONPATH=directory + '/usr/lib/python3/dist-packages'), check=False)
    m = re.search(r'Lines: \d+ lines, \d+ ignored, (\d+) matched', p.stdout)
    return (int(m.group(1)) if m else -1), p.stdout


def run():
    with tempfile.TemporaryDirectory(prefix='readers-') as directory, Instance(main='mynetworks = 127.0.0.1/32\n') as i:
        unpack(directory)
        events(i)
        log = directory + '/mail.log'
        with open(log, 'w') as f:
            f.write(i.log())
        n, out = fail2ban(directory, log, 'postfix', 'more')
        ok(n >= 4, "fail2ban's postfix filter matches the refused recipients", out[-1500:])
        n, out = fail2ban(directory, log, 'postfix', 'auth')
        ok(n >= 2, 'and in mode auth the failed submission logins', out[-1500:])
        n, out = fail2ban(directory, log, 'dovecot', '')
        ok(n >= 2, "fail2ban's dovecot filter matches the failed IMAP and POP3 logins", out[-1500:])
        perl = ':'.join([directory + '/usr/share/perl5', *glob.glob(directory + '/usr/lib/*/perl5/5.*')])
        p = subprocess.run(['perl', directory + '/usr/sbin/pflogsumm', log], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           env=dict(os.environ, PERL5LIB=perl), check=False)
        counts = {k: int(v) for v, k in re.findall(r'^\s+(\d+)\s+(received|delivered|rejected)\b', p.stdout, re.M)}
        ok(counts.get('received', 0) >= 1 and counts.get('delivered', 0) >= 1, 'pflogsumm counts what was received and delivered', p.stdout[:1500])
        ok(counts.get('rejected', 0) >= 4, 'and what was rejected', p.stdout[:1500])


case('no exception', run)
done()
