# SPDX-License-Identifier: ISC
"""The delivery to other hosts inside a running instance: a relay host, LMTP behind a UNIX socket, and a delivery
process that is killed over and over while mail pours in: nothing is lost."""
import os
import signal
import smtplib
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, message, wait_until    # noqa: E402
from out import Sink                                    # noqa: E402
from tap import done, ok                                # noqa: E402

COUNT = 900


class UnixSink(Sink):
    def listen(self, path):
        if not path.startswith('/'):
            return                          # not yet
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(50)
        threading.Thread(target=self.accept, daemon=True).start()


def send(port, rcpt, n, subject):
    s = smtplib.SMTP('127.0.0.1', port, timeout=30)
    for i in range(n):
        s.sendmail('a@client.test', [rcpt], message('%s %d' % (subject, i)))
    s.quit()


relay, lmtp = Sink(), UnixSink(lmtp=True)
with Instance(main='mynetworks = 127.0.0.0/8\nrelayhost = [127.0.0.1]:%d\ntransport_maps = inline:{ box.test=lmtp:unix:private/sink }\n'
              'minimal_backoff_time = 2s\nqueue_run_delay = 1s\n' % relay.port) as i:
    lmtp.listen(i.spool() + '/private/sink')
    send(i.port + 25, 'bob@box.test', 1, 'by lmtp')
    ok(wait_until(lambda: lmtp.messages, 20) and b'by lmtp' in lmtp.messages[0], 'a message by LMTP through a UNIX socket', i.log()[-2000:])
    ok(wait_until(lambda: 'relay=mail.example.test[private/sink], ' in i.log(), 10), 'its path is in the log')
    send(i.port + 25, 'bob@far.test', 3, 'by relay')
    ok(wait_until(lambda: len(relay.messages) == 3, 20), 'messages by the relay host', len(relay.messages))

    stop = threading.Event()
    kills = [0]

    def killer():
        while not stop.is_set():
            for pid in i.pids_of('deliver-out'):
                os.kill(pid, signal.SIGKILL)
                kills[0] += 1
            time.sleep(0.1)
    t = threading.Thread(target=killer)
    t.start()
    senders = [threading.Thread(target=send, args=(i.port + 25, 'bob@far.test', COUNT // 3, 'storm %d' % k)) for k in range(3)]
    for s in senders:
        s.start()
    for s in senders:
        s.join(60)
    stop.set()
    t.join()

    def arrived():
        text = b''.join(relay.messages)
        return sum((b'Subject: storm %d %d\r\n' % (k, n)) in text for k in range(3) for n in range(COUNT // 3))

    def saved():
        return len([f for _, _, names in os.walk(i.spool() + '/corrupt') for f in names])
    ok(wait_until(lambda: arrived() + saved() >= COUNT, 60), '%d messages, %d kills of the delivery: none is lost' % (COUNT, kills[0]),
       (arrived(), saved(), i.log()[-3000:]))
    print('# %d arrived, %d saved in corrupt/, %d copies too many' % (arrived(), saved(), len(relay.messages) - 3 - arrived()))
done()
