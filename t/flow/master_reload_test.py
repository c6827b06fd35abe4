# SPDX-License-Identifier: ISC
"""The whole system reloaded under load: sessions go on, mail is taken all the time, nothing is lost or doubled."""
import os
import smtplib
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, wait_until      # noqa: E402
from tap import done, ok                                 # noqa: E402

SECONDS = 10


class Sender(threading.Thread):
    """One connection after the other, each for a while; counts what was accepted and what was put off."""

    def __init__(self, port, number):
        super().__init__(daemon=True)
        self.port, self.number, self.accepted, self.put_off, self.broken, self.again, self.going = port, number, [], [], [], [], True
        self.gap, self.last = 0.0, time.time()

    def run(self):
        n = 0
        while self.going:
            try:
                with smtplib.SMTP('127.0.0.1', self.port + 25, timeout=30) as s:
                    for _ in range(40):
                        n += 1
                        mark = 'r%d.%d.' % (self.number, n)
                        try:
                            s.sendmail('x@load.test', ['alice@example.test'], 'Subject: %s\n\n%s\n' % (mark, mark))
                            self.accepted.append(mark)
                            self.gap = max(self.gap, time.time() - self.last)
                            self.last = time.time()
                        except smtplib.SMTPResponseException as e:
                            self.put_off.append(repr(e))
                            if e.smtp_code >= 500:
                                self.broken.append(repr(e))
                            if e.smtp_code == 421:
                                break
                            s.rset()
                        except smtplib.SMTPRecipientsRefused as e:
                            self.put_off.append(repr(e))
                            s.rset()
                        if not self.going:
                            return
            except (OSError, smtplib.SMTPException) as e:
                # A session of the old generation ends between two mails; the client comes again.
                if self.going:
                    self.again.append(repr(e))
                    time.sleep(0.05)


def main():
    with Instance() as i:
        imap = i.imap()
        imap.select()
        senders = [Sender(i.port, n) for n in range(4)]
        for s in senders:
            s.start()
        end, reloads = time.time() + SECONDS, 0
        while time.time() < end:
            time.sleep(1.5)
            i.tool('postfix', 'reload')
            reloads += 1
        time.sleep(1)
        for s in senders:
            s.going = False
        for s in senders:
            s.join(40)
        accepted = [m for s in senders for m in s.accepted]
        print('# %d reloads, %d accepted, %d put off, broken: %s' % (reloads, len(accepted), sum(len(s.put_off) for s in senders), [b for s in senders for b in s.broken + s.again][:5]))
        put_off = [p for s in senders for p in s.put_off]
        for text in sorted(set(put_off)):
            print('# put off: %d times %s' % (put_off.count(text), text))
        ok(reloads >= 4 and len(accepted) > 50, 'mail is taken while the system is reloaded again and again')
        ok(not any(s.broken for s in senders), 'nothing is refused for good')
        print('# longest time without an accepted message: %.2f s' % max(s.gap for s in senders))
        ok(max(s.gap for s in senders) < 6, 'no sender is put off for long')
        ok(imap.noop()[0] == 'OK', 'an IMAP session outlives all reloads')
        imap.logout()
        imap = i.imap()

        def subjects():
            n = int(imap.select()[1][0])
            if n == 0:
                return []
            return [p[1].split()[-1].decode() for p in imap.fetch('1:*', '(BODY.PEEK[HEADER.FIELDS (SUBJECT)])')[1] if isinstance(p, tuple)]
        ok(wait_until(lambda: set(accepted) <= set(subjects()), 40), 'every acknowledged message is in the mailbox', sorted(set(accepted) - set(subjects()))[:10])
        found = subjects()
        ok(len(found) == len(set(found)), 'none is there twice', len(found) - len(set(found)))
        ok('throttling' not in i.log() and 'killed by' not in i.log(), 'nobody died', [line for line in i.log().splitlines() if 'killed by' in line or 'throttl' in line][:5])
        imap.logout()
    done()


main()
