# SPDX-License-Identifier: ISC
"""local(8) and pipe(8) with real uids: the router as mail_owner, actors that become the recipient, default_privs or the pipe's user."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from local_router import Router, SENT, DEFERRED, BOUNCED, read   # noqa: E402
from tap import done, ok                           # noqa: E402

USER = 'games'      # of Debian's base-passwd: no files of its own


def forwards(r, base, user):
    def forward(name, text):
        path = '%s/forward/%s' % (base, name)
        with open(path, 'w') as f:
            f.write(text)
        os.chown(path, user.pw_uid, user.pw_gid)
        os.chmod(path, 0o644)

    box = '%s/spool/%s' % (base, USER)
    before = read(box).count('Subject: x')
    forward(USER, '# both\n\\%s, x@example.net\n' % USER)
    got = r.deliver('local', [USER + '@mail.example.test'])
    ok(got[0][''] == 'REPLACE' and got[0]['n_rcpt'] == 1 and b'x@example.net' in got[0]['envelope'] and read(box).count('Subject: x') == before + 1,
       'a .forward keeps a copy and sends one on', got)
    forward(USER + '+sub', '|id -un > %s/open/fwho\n' % base)
    got = r.deliver('local', [USER + '+sub@mail.example.test'])
    ok(got[0]['outcome'] == SENT and read(base + '/open/fwho') == USER + '\n', 'an extension has its own .forward, whose commands run as the user', got)
    forward(USER, '%s@mail.example.test, %s\n' % (USER, USER))
    got = r.deliver('local', [USER + '@mail.example.test'])
    ok(got[0]['outcome'] == SENT and read(box).count('Subject: x') == before + 2, 'a .forward to oneself is one copy in the mailbox', got)
    os.chmod('%s/forward/%s' % (base, USER), 0o666)
    got = r.deliver('local', [USER + '@mail.example.test'])
    ok(got[0]['outcome'] == SENT and got[0]['text'] == b'delivered to mailbox' and r.router.wait_log('ignored'), 'one that others can write is ignored, with a warning', got)
    os.unlink('%s/forward/%s' % (base, USER))


def main():
    if os.geteuid() != 0:
        print('1..0 # SKIP needs root')
        return
    import pwd
    user, nobody = pwd.getpwnam(USER), pwd.getpwnam('nobody')
    base = tempfile.mkdtemp(prefix='postern-root.')
    os.chmod(base, 0o755)
    os.mkdir(base + '/spool')
    os.chown(base + '/spool', 0, 8)
    os.chmod(base + '/spool', 0o2775)
    os.mkdir(base + '/open', 0o777)
    os.chmod(base + '/open', 0o777)
    os.mkdir(base + '/forward')
    with open(base + '/aliases', 'w') as f:
        f.write('cmd "|id -un > %s/open/who; cat > %s/open/text"\nrootly root\nfile %s/open/box\nroot %s\n' % (base, base, base, USER))
    with open(base + '/pipe.sh', 'w') as f:
        f.write('#!/bin/sh\n{ id -un; echo "$@"; cat; } > %s/open/piped\n' % base)
    os.chmod(base + '/pipe.sh', 0o755)
    master = ('box unix - n n - - pipe\n  flags=DR user=%s argv=%s/pipe.sh -f ${sender} -d ${user} + ${extension} @ ${domain} ${nexthop}\n'
              'bad unix - n n - - pipe\n  user=root argv=/bin/true\nlost unix - n n - - pipe\n  user=no-such-user argv=/bin/true\n' % (USER, base))
    r = Router('postern_private = no\nmail_owner = nobody\nmydestination = mail.example.test\nrecipient_delimiter = +\nmail_spool_directory = %s/spool\n'
               'alias_maps = texthash:%s/aliases\nmyorigin = mail.example.test\n'
               'forward_path = %s/forward/$user${recipient_delimiter}${extension}, %s/forward/$user\n' % (base, base, base, base), base, private=False, master=master)
    try:
        got = r.deliver('local', [USER + '@mail.example.test', 'root@mail.example.test', 'cmd@mail.example.test', 'file@mail.example.test',
                                  USER + '+ext@mail.example.test', 'absent@mail.example.test'])
        ok(got[0]['outcome'] == SENT and got[0]['text'] == b'delivered to mailbox', 'a local user gets mail', got[0])
        st = os.stat('%s/spool/%s' % (base, USER))
        ok(st.st_uid == user.pw_uid and st.st_mode & 0o077 == 0, 'in a file of its own', oct(st.st_mode))
        ok(got[1]['outcome'] == SENT, 'root\'s goes where aliases say', got[1])
        ok(read('%s/spool/%s' % (base, USER)).count('\nDelivered-To: ') == 3 and got[4]['outcome'] == SENT, 'an extension is the same user', got[4])
        ok(got[2]['outcome'] == SENT and read(base + '/open/who') == 'nobody\n', 'a command of aliases runs as default_privs', got[2])
        ok(got[3]['outcome'] == SENT and os.stat(base + '/open/box').st_uid == nobody.pw_uid, 'so is a file of aliases', got[3])
        ok(got[5]['outcome'] == BOUNCED and got[5]['dsn'] == b'5.1.1', 'an unknown user bounces', got[5])
        forwards(r, base, user)
        got = r.deliver('box', ['User+ext@example.test'])
        text = read(base + '/open/piped')
        ok(got[0]['outcome'] == SENT and got[0]['text'] == b'delivered via box service', 'a pipe service delivers', got[0])
        ok(text.startswith('%s\n-f from@example.net -d User + ext @ example.test example.test\nReturn-Path: <from@example.net>\nDelivered-To: User+ext@example.test\n' % USER),
           'as its user, with its arguments and header fields', text)
        line = r.router.wait_log('relay=box')
        ok(line and 'postfix/pipe' in line and 'status=sent (delivered via box service)' in line, 'and logs as pipe', line)
        got = r.deliver('bad', ['x@example.test'])
        ok(got[0]['outcome'] == DEFERRED and b'neither root' in got[0]['text'], 'a pipe never runs as root', got[0])
        got = r.deliver('lost', ['x@example.test'])
        ok(got[0]['outcome'] == DEFERRED and b'unknown user no-such-user' in got[0]['text'], 'a missing user is named, and nothing is lost', got[0])
        got = r.deliver('nothing', ['x@example.test'])
        ok(got[0]['outcome'] == DEFERRED and b'"nothing"' in got[0]['text'], 'so is a transport that is not there', got[0])
    finally:
        for line in r.router.log[-20:]:
            print('# ' + line.rstrip())
        for a in r.actors:
            for line in a.log:
                print('# actor: ' + line.rstrip())
        r.stop()
        shutil.rmtree(base, ignore_errors=True)
    done()


main()
