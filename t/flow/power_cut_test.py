# SPDX-License-Identifier: ISC
"""Ten power cuts under load: queue and mailboxes on one ext4 and on two, on loop devices. The processes are frozen, the filesystems
shut down without flushing their journals (FS_IOC_SHUTDOWN), unmounted, mounted, and Postern started again: nothing that got its 250
may be missing. POSTERN_CUTS sets how many. Needs root."""
import fcntl
import os
import random
import re
import signal
import smtplib
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(__file__) + '/lib')
from instance import Instance, RELEASE, message, wait_until      # noqa: E402
from tap import done, ok                                        # noqa: E402

CUTS = int(os.environ.get('POSTERN_CUTS', '10'))
FS_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587d, 2


class Disk:
    """An ext4 in a file, on a loop device."""

    def __init__(self, directory, name, megabytes=400):
        self.image, self.at = '%s/%s.img' % (directory, name), '%s/%s' % (directory, name)
        os.mkdir(self.at)
        with open(self.image, 'wb') as f:
            f.truncate(megabytes << 20)
        subprocess.run(['mkfs.ext4', '-q', '-F', self.image], check=True)
        self.mount()

    def mount(self):
        subprocess.run(['mount', '-o', 'loop', self.image, self.at], check=True)

    def cut(self):
        fd = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack('I', NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def umount(self):
        for _ in range(100):
            if subprocess.run(['umount', self.at], stderr=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(0.1)
        subprocess.run(['umount', '-l', self.at], check=False)


def client(i, number, stop, accepted):
    serial = 0
    while not stop.is_set():
        try:
            s = smtplib.SMTP('127.0.0.1', i.port + 25, timeout=10)
            while not stop.is_set():
                serial += 1
                ident = 'cut-%d-%d-x' % (number, serial)
                s.sendmail('sender@load.test', ['bob@example.test'], message(ident, 'x' * random.choice((100, 3000, 3000, 90000))))
                accepted.append(ident)
        except (OSError, smtplib.SMTPException):
            time.sleep(0.05)


def freeze(i):
    for _ in range(3):
        for pid in i.pids():
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                pass
        time.sleep(0.05)


def seen(i):
    ids = {}
    for text in i.mails('bob'):
        m = re.search(rb'^Subject: (cut-\d+-\d+-x)', text, re.M)
        if m:
            ids[m.group(1).decode()] = ids.get(m.group(1).decode(), 0) + 1
    return ids


def cuts(disks, spool, mail, count, label):
    i = Instance(release=True, start=False)
    try:
        for name, where in (('spool', spool), ('mail', mail)):
            target = '%s/%s' % (where, name)
            subprocess.run(['cp', '-a', '%s/%s' % (i.dir, name), target], check=True)
            subprocess.run(['rm', '-rf', '%s/%s' % (i.dir, name)], check=True)
            os.symlink(target, '%s/%s' % (i.dir, name))
        i.append_main('queue_directory = %s/spool\nvirtual_mailbox_base = %s/mail\n' % (spool, mail))
        i.start()
        accepted, rng = [], random.Random(7)
        for n in range(count):
            stop = threading.Event()
            threads = [threading.Thread(target=client, args=(i, n * 100 + k, stop, accepted)) for k in range(8)]
            for t in threads:
                t.start()
            time.sleep(rng.uniform(0.5, 3))
            freeze(i)
            acknowledged = list(accepted)
            for d in disks:
                d.cut()
            i.kill_rest()
            stop.set()
            for t in threads:
                t.join()
            for d in disks:
                d.umount()
                d.mount()
            i.start()
            del accepted[len(acknowledged):]
        wait_until(lambda: not set(accepted) - set(seen(i)), 60, 1)
        ids = seen(i)
        missing = sorted(set(accepted) - set(ids))
        extra = sum(v - 1 for v in ids.values())
        print('# %s: %d cuts, %d acknowledged, %d missing, %d extra copies' % (label, count, len(accepted), len(missing), extra))
        ok(len(accepted) > 20 * count, '%s: mail was acknowledged under load' % label, len(accepted))
        ok(not missing, '%s: no acknowledged mail is lost' % label, '%s\n%s' % (missing[:20], i.log()[-3000:]))
    finally:
        i.close()


directory = tempfile.mkdtemp(prefix='cuts-', dir='/var/tmp')
made = []
try:
    one = Disk(directory, 'one')
    made.append(one)
    cuts([one], one.at, one.at, CUTS - CUTS // 2, 'one filesystem')
    a, b = Disk(directory, 'queue'), Disk(directory, 'boxes')
    made += [a, b]
    cuts([a, b], a.at, b.at, CUTS // 2, 'two filesystems')
finally:
    for d in made:
        d.umount()
    subprocess.run(['rm', '-rf', directory], check=False)
done()
