# SPDX-License-Identifier: ISC
"""Debian's Postfix next door: it sends to Postern and receives from it, with STARTTLS both ways; it authenticates its own
submission users against authd; Postern relays through it as a relayhost with SASL."""
import os
import re
import smtplib
import socket
import sys

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
import peer                                                             # noqa: E402
from instance import Instance, PASSWORD, message, tls, wait_until        # noqa: E402
from tap import case, done, ok                                          # noqa: E402


def both_ways(i, p):
    s = smtplib.SMTP('127.0.0.1', p.port, timeout=30)
    s.sendmail('someone@next.door.test', ['bob@example.test'], message('from next door'))
    s.quit()
    mails = i.wait_mail('bob', 'from next door', seconds=40)
    ok(mails, 'Postfix next door sends to Postern', p.log()[-2000:])
    ok(mails and b'ESMTPS id' in mails[0], 'and uses STARTTLS', mails)
    i.submit('alice', ['user@next.door.test'], message('to next door'))
    ok(wait_until(lambda: 'to next door' in mailbox(p), 40), 'Postern sends to Postfix next door', p.log()[-2000:] + i.log()[-3000:])
    ok('with ESMTPS id' in mailbox(p), 'and uses STARTTLS', mailbox(p))


def mailbox(p):
    try:
        return p.root.read('/var/mail/nobody') + p.root.read('/var/mail/user')
    except FileNotFoundError:
        pass
    text = ''
    for name in ('nobody', 'user'):
        try:
            text += p.root.read('/var/mail/' + name)
        except FileNotFoundError:
            pass
    return text


def submission_next_door(i, p, port):
    s = smtplib.SMTP('127.0.0.1', port, timeout=30)
    s.starttls(context=tls())
    s.ehlo()
    ok('PLAIN' in s.esmtp_features.get('auth', ''), "Postfix offers authd's mechanisms", s.esmtp_features)
    s.login('alice', PASSWORD['alice'])
    s.sendmail('alice@example.test', ['user@next.door.test'], message('authenticated next door'))
    s.quit()
    ok(wait_until(lambda: 'sasl_username=alice' in p.log(), 10), "Postfix authenticates its user against Postern's authd", p.log()[-2000:])
    s = smtplib.SMTP('127.0.0.1', port, timeout=30)
    s.starttls(context=tls())
    s.ehlo()
    try:
        s.login('alice', 'wrong')
        ok(False, 'a wrong password is refused next door')
    except smtplib.SMTPAuthenticationError as e:
        ok(e.smtp_code == 535, 'a wrong password is refused next door', e)
    s.close()


def relayhost_with_sasl(i, p, port):
    i.stop()
    i.append_main('relayhost = [127.0.0.1]:%d\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = inline:{ [127.0.0.1]:%d=alice:%s }\n'
                  'smtp_sasl_security_options =\nsmtp_sasl_tls_security_options =\nsmtp_tls_security_level = encrypt\n'
                  % (port, port, PASSWORD['alice']))
    i.start()
    i.submit('alice', ['user@next.door.test'], message('by the smart host'))
    ok(wait_until(lambda: 'by the smart host' in mailbox(p), 40), 'Postern relays through Postfix with SASL', p.log()[-2000:] + i.log()[-3000:])
    ok(re.search(r'sasl_method=(PLAIN|LOGIN), sasl_username=alice', p.log()), 'and was authenticated there', p.log()[-2000:])


def run():
    base = int(os.environ.get('POSTERN_PORT', '21000')) + 1200
    auth = '/var/spool/postfix/private/auth'
    with Instance(main='transport_maps = inline:{ next.door.test=smtp:[127.0.0.1]:%d }\nsmtp_tls_security_level = may\n' % base) as i:
        root = peer.Root('postfix')
        p = peer.Postfix(base, root=root, start=False, main='''
virtual_alias_maps = inline:{ user@next.door.test=nobody@next.door.test }
transport_maps = inline:{ example.test=smtp:[127.0.0.1]:%d }
relay_domains = example.test
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
''' % (i.port + 25), listen='''127.0.0.1:%d inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_security_level=encrypt
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=
''' % (base + 1))
        try:
            os.makedirs(root.path + os.path.dirname(auth), exist_ok=True)
            open(root.path + auth, 'w').close()
            root._mount('--bind', i.spool() + '/private/auth', root.path + auth)
            os.chmod(i.spool() + '/private/auth', 0o666)
            for d in (i.base, i.dir, i.spool(), i.spool() + '/private'):
                os.chmod(d, os.stat(d).st_mode | 0o011)
            p.start()
            case('both ways: no exception', lambda: both_ways(i, p))
            case('submission next door: no exception', lambda: submission_next_door(i, p, base + 1))
            case('relayhost: no exception', lambda: relayhost_with_sasl(i, p, base + 1))
        finally:
            p.close()


run()
done()
