# SPDX-License-Identifier: ISC
"""The parameters of the delivery to other hosts, one by one; what a hostile server may try."""
import os
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
import out
from ipc import Daemon
from out import BOUNCED, DEFERRED, MAIN, SENT, Out, Qmgr, Sink, brief, build, tls
from tap import ok, done

plain, secure, wrapped = Sink(), Sink(ehlo=('PIPELINING', 'STARTTLS'), tls=tls), Sink(tls=tls, wrapper=True)
with open(out.cert + '/policy', 'w') as f:
    f.write('[127.0.0.1]:%d encrypt\n127.0.0.3 none\nmail.tls.test nonsense\n' % plain.port)
with open(out.cert + '/senders', 'w') as f:
    f.write('alice@example.test alice:a\n[127.0.0.1]:%d hop:h\n' % plain.port)
rows = {
    'policy': 'smtp_tls_policy_maps=texthash:%s/policy' % out.cert,
    'wrap': 'smtp_tls_wrappermode=yes',
    'fallback': 'smtp_fallback_relay=[127.0.0.1]:%d' % plain.port,
    'nodsn': 'smtp_discard_ehlo_keywords=dsn,size',
    'onlylogin': 'smtp_sasl_auth_enable=yes -o smtp_sasl_password_maps=inline:{{127.0.0.1=u:p}} -o smtp_sasl_security_options= -o smtp_sasl_mechanism_filter=login',
    'bysender': 'smtp_sasl_auth_enable=yes -o smtp_sasl_password_maps=texthash:%s/senders -o smtp_sasl_security_options= -o smtp_sender_dependent_authentication=yes' % out.cert,
    'hardauth': 'smtp_sasl_auth_enable=yes -o smtp_sasl_password_maps=inline:{{127.0.0.1=u:p}} -o smtp_sasl_security_options= -o smtp_sasl_auth_soft_bounce=no',
    'once': 'smtp_connection_reuse_count_limit=1',
    'never': 'smtp_connection_cache_on_demand=no',
    'hardgreet': 'smtp_skip_5xx_greeting=no',
    'bind': 'smtp_bind_address=127.0.0.5',
    'nodns': 'disable_dns_lookups=yes',
    'native': 'smtp_host_lookup=native',
    'name': 'smtp_helo_name=other.example',
    'port': 'smtp_tcp_port=%d' % plain.port,
    'long': 'smtp_line_length_limit=0',
    'oneaddr': 'smtp_mx_address_limit=1',
    'six': 'inet_protocols=ipv6',
    'quiet': 'smtp_tls_security_level=none -o smtp_tls_note_starttls_offer=yes',
    'enc': 'smtp_tls_security_level=encrypt',
    'oldenc': 'smtp_enforce_tls=yes',
    'oldmay': 'smtp_use_tls=yes',
}
master = ''.join('%s unix - - n - - smtp -o %s\n' % r for r in rows.items())
with Out(MAIN, master) as d:
    q = Qmgr(d)

    def go(transport, sink=plain, hop=None, **more):
        return q.deliver(hop or sink.nexthop, transport=transport, **more)[0]
    r = go('policy')
    ok(brief(r)[:2] == (DEFERRED, '4.7.4'), 'a TLS policy by destination: encrypt', brief(r))
    ok(go('policy', secure)['outcome'] == SENT, 'a destination without a policy')
    r = go('policy', hop='[mail.tls.test]:%d' % secure.port)
    ok(brief(r)[:2] == (DEFERRED, '4.7.5') and 'TLS policy' in brief(r)[2], 'a policy that is none defers', brief(r))
    ok(go('wrap', wrapped)['outcome'] == SENT, 'TLS from the first byte')
    r = go('fallback', hop='[127.0.0.2]:1')
    ok(r['outcome'] == SENT and d.wait_log('connect to 127.0.0.2[127.0.0.2]:1'), 'the fallback relay when nobody answers', brief(r))
    ok(go('fallback', hop='gone.test')['outcome'] == SENT, 'and when the destination does not exist')
    n = len(plain.commands)
    r = go('nodsn', rcpts=[{'address': 'x@y', 'notify': 1}])
    ok(plain.commands[n + 1:n + 3] == ['MAIL FROM:<alice@example.test>', 'RCPT TO:<x@y>'], 'extensions that shall not be used', plain.commands[n:])
    s = Sink(ehlo=('AUTH PLAIN LOGIN',))
    go('onlylogin', s)
    ok(any(c.startswith('AUTH LOGIN') for c in s.commands) and not any(c.startswith('AUTH PLAIN') for c in s.commands), 'a filter of mechanisms', s.commands)
    s = Sink(ehlo=('AUTH PLAIN',))
    go('bysender', s)
    go('bysender', s, sender='carol@example.test')
    ok([c for c in s.commands if c.startswith('AUTH')] == ['AUTH PLAIN AGFsaWNlAGE='] and s.connections == 2, 'a password by sender, and connections are not shared', s.commands)
    r = go('hardauth', Sink(ehlo=('AUTH PLAIN',), AUTH='535 5.7.8 no'))
    ok(brief(r)[:2] == (BOUNCED, '5.7.8'), 'a refused password bounces if so configured', brief(r))
    for t, want, name in (('once', 2, 'one message per connection'), ('never', 2, 'no connection is kept')):
        s = Sink()
        go(t, s)
        go(t, s)
        ok(s.connections == want, name, s.connections)
    r = go('hardgreet', Sink(greeting='554 5.3.2 no'))
    ok(brief(r)[:2] == (BOUNCED, '5.3.0'), 'a 5xx greeting bounces if so configured', brief(r))
    s = Sink()
    r = go('bind', s)
    ok(r['outcome'] == SENT and s.clients == ['127.0.0.5'], 'a bind address', (brief(r), s.clients))
    r = go('nodns', hop='good.test:%d' % plain.port)
    ok(brief(r)[0] != SENT and 'type=A' in brief(r)[2], 'without DNS lookups there are no MX', brief(r))
    r = go('native', hop='localhost:%d' % plain.port)
    ok(r['outcome'] == SENT, 'a name of /etc/hosts', brief(r))
    go('name')
    ok('EHLO other.example' in plain.commands, 'another HELO name')
    ok(go('port', hop='[127.0.0.1]')['outcome'] == SENT, 'another default port')
    go('long', text=b'z' * 1500 + b'\n')
    ok(b'z' * 1500 in plain.messages[-1], 'lines are not folded with limit 0')
    r = go('oneaddr', hop='backup.test:%d' % plain.port)
    ok(r['outcome'] == DEFERRED, 'one address is tried, not two', brief(r))
    r = go('six')
    ok(brief(r)[:2] == (DEFERRED, '4.4.4'), 'an IPv4 destination without IPv4', brief(r))
    go('quiet', secure)
    ok(d.wait_log('Host offered STARTTLS: [127.0.0.1]'), 'STARTTLS that is not used is noted')
    ok(brief(go('oldenc'))[1] == '4.7.4' and go('oldmay')['outcome'] == SENT, 'the old names of the levels')

    # what a hostile server may try
    s = Sink(ehlo=('STARTTLS',), STARTTLS='220 go\r\n250 injected')
    r = go('enc', s)
    ok(brief(r)[:2] == (DEFERRED, '4.7.5') and d.wait_log('plaintext input after STARTTLS'), 'a reply sent ahead of TLS is refused', brief(r))
    s = Sink(EHLO='250-a\r\n' * 5000 + '250 b')
    r = go('once', s)
    ok(brief(r)[:2] == (DEFERRED, '4.5.0'), 'a reply of thousands of lines', brief(r))
    s = Sink(RCPT='550 \x1b[31m\x07 bad\x00')
    r = go('once', s)
    ok(all(32 <= b < 127 for b in r['text']), 'control characters of a reply go no further', r['text'])
    s = Sink(ehlo=('SIZE 99999999999999999999999999', 'AUTH ' + 'X' * 1500, 'PIPELINING'))
    ok(go('once', s)['outcome'] == SENT, 'numbers and names beyond all bounds in EHLO')
    s = Sink(DATA='354 go\r\n250 2.0.0 already')
    go('once', s)
    ok(d.process.poll() is None, 'a reply sent before its time harms only its own mail')

for text, want in (('smtp_tls_security_level = sometimes', 'TLS security level "sometimes" is not supported'),
                   ('smtp_bind_address = here', 'bad bind address "here"'),
                   ('smtp_tcp_port = nosuch', 'unknown port "nosuch"'),
                   ('smtp_tls_security_level = may\nsmtp_tls_CAfile = /nonexistent/ca.pem', '/nonexistent/ca.pem'),
                   ('smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = nosuch:/x', 'nosuch')):
    with Daemon('deliver-out', 'out', text, service='out', build=build) as d:
        line = d.wait_log('fatal')
        ok(line is not None and want in line, 'refused at the start: ' + text.split('\n')[-1], d.log)
done()
