# SPDX-License-Identifier: ISC
"""postqueue, mailq, postsuper, postcat: with the system up and down; columns, JSON, exit codes, what they refuse."""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from ipc import DEV                                                  # noqa: E402
from qmgr import Intake, Qmgr, Worker                                # noqa: E402
from tap import case, done, ok                                       # noqa: E402

q = Qmgr()
i = Intake(q)
Worker(q, 'out', lambda a: (2, '4.2.0', 'connect to mx.example[192.0.2.1]:25: Connection refused'))
Worker(q, 'router')
ENV = dict(os.environ, TZ='UTC', ASAN_OPTIONS='detect_leaks=0')


def tool(name, *args, stdin=''):
    p = subprocess.run([DEV + '/bin/' + name, '-c', q.dir + '/etc', *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       universal_newlines=True, env=ENV, timeout=60)
    return p.returncode, p.stdout, p.stderr


def deferred(*rcpts):
    a = i.submit('sender@back.example', list(rcpts))
    i.wait(a)
    end = time.time() + 10
    while a not in q.files('deferred') and time.time() < end:
        time.sleep(0.02)
    return a


def listing(when):
    code, out, _ = tool('postqueue', '-p')
    lines = out.split('\n')
    ok(code == 0 and lines[0] == '-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------', when + ': the heading', out)
    ok(re.match(r'^%s +\d+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d  sender@back\.example$' % one, lines[1]) and lines[1][19] == ' ' and len(lines[1]) == 60,
       when + ': columns of a message', lines[1])
    ok(lines[2] == '%s(%s)' % (' ' * max(0, 76 - len(REASON)), REASON), when + ': the reason, to the right', lines[2])
    ok(lines[3] == ' ' * 41 + 'x@d.example' and lines[4] == ' ' * 41 + 'y@d.example' and lines[5] == '', when + ': recipients', lines[3:6])
    ok(lines[-2] == '-- 0 Kbytes in 1 Request.', when + ': the sum', lines[-2])
    code, out, _ = tool('postqueue', '-j')
    m = json.loads(out)
    ok(m['queue_name'] == 'deferred' and m['queue_id'] == one and m['sender'] == 'sender@back.example' and m['forced_expire'] is False and
       m['recipients'][0] == {'address': 'x@d.example', 'delay_reason': REASON}, when + ': JSON', out)


def up():
    listing('up')
    code, out, err = tool('postsuper', '-h', one)
    ok(code == 0 and err == 'postsuper: Placed on hold: 1 message\n' and q.wait_log(one + ': placed on hold'), 'postsuper -h says what it did, and the log says to which', err)
    ok(tool('postqueue', '-p')[1].split('\n')[1].startswith(one + '! '), 'a held message has its mark')
    code, out, err = tool('postsuper', '-H', '-', stdin='no id!\n' + one + '\n')
    ok(code == 0 and err == 'postsuper: warning: invalid mail queue id: no id!\npostsuper: Released from hold: 1 message\n', '-H takes ids from standard input', err)
    end = time.time() + 5
    while one not in q.files('deferred') and time.time() < end:
        time.sleep(0.02)
    code, out, err = tool('postsuper', '-d', '../../etc/passwd')
    ok(code == 0 and err == 'postsuper: warning: invalid mail queue id: ../../etc/passwd\npostsuper: Deleted: 0 messages\n', 'a path is no queue id', err)
    code, out, err = tool('postsuper', '-d', 'ABCDEF0000')
    ok(code == 0 and err == 'postsuper: Deleted: 0 messages\n', 'an id that is not there is no message', err)
    ok(tool('postsuper', '-d', 'ALL', 'nosuch')[0] == 1, 'a queue that does not exist is refused')
    ok(tool('postqueue', '-f')[0] == 0 and tool('postqueue', '-i', one)[0] == 0 and tool('postqueue', '-s', 'd.example')[0] == 0, 'flushes')
    ok(tool('postqueue', '-i', 'a/b')[0] == 64 and tool('postqueue')[0] == 64 and tool('postqueue', '-p', '-f')[0] == 64, 'usage errors are 64')


def postcat():
    code, out, _ = tool('postcat', '-q', one)
    ok(code == 0 and out.startswith('*** ENVELOPE RECORDS deferred/%s/%s ***\n' % (one[0], one)) and '*** MESSAGE CONTENTS deferred/' in out and
       out.endswith('*** MESSAGE FILE END deferred/%s/%s ***\n' % (one[0], one)), 'postcat -q shows a message', out)
    ok('sender: sender@back.example\n' in out and 'recipient: x@d.example\n' in out and 'Subject: x\n' in out, 'its records and its text')
    ok(tool('postcat', '-bh', '-q', one)[1] == 'Subject: x\n\nbody\n', '-bh is the text alone')
    ok(tool('postcat', '-h', '-q', one)[1] == 'Subject: x\n', '-h the headers')
    ok(re.search(r'^ +0  67 message_size:', tool('postcat', '-od', '-q', one)[1], re.M), '-od: offsets and types')
    ok(tool('postcat', '-q', 'ABCDEF0000')[0] == 1, 'an id that is not there is an error')
    path = q.dir + '/broken'
    data = open('%s/spool/deferred/%s/%s' % (q.dir, one[0], one), 'rb').read()
    open(path, 'wb').write(data[:150])
    code, out, err = tool('postcat', path)
    ok(code == 1 and 'record read error' in err, 'a truncated file is named', err)
    open(path, 'wb').write(b'hello')
    ok('not a valid queue file' in tool('postcat', path)[2], 'a file that is no queue file, too')


def down():
    ok(q.drain() == 0, 'the system is stopped')
    for listener in q.listeners:
        listener.close()
    listing('down')
    ok('Mail system is down' in tool('postqueue', '-p')[2], 'a warning says so')
    ok(tool('postqueue', '-f')[0] == 69, 'a flush is 69')
    code, out, err = tool('postsuper', '-h', 'ALL')
    ok(one in q.files('hold') and 'Placed on hold: 1 message' in err, 'postsuper works on the files', err)
    tool('postsuper', '-H', 'ALL')
    ok(one in q.files('deferred'), 'and back')
    code, out, err = tool('postsuper', '-d', 'ALL')
    ok(not q.files('deferred') and not q.files('defer') and 'Deleted: 1 message' in err, 'and deletes', err)
    ok(tool('postqueue', '-p')[1] == 'Mail queue is empty\n', 'an empty queue')


REASON = 'connect to mx.example[192.0.2.1]:25: Connection refused'
one = deferred('x@d.example', 'y@d.example')
for fn in (up, postcat, down):
    case(fn.__name__, fn)
q.done()
done()
