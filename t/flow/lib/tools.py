# SPDX-License-Identifier: ISC
"""tools.py - command-line tools on a configuration directory of the test's own."""
import os
import shutil
import subprocess
import tempfile

from instance import DEV


class Conf:
    def __init__(self, main='', master=''):
        self.dir = tempfile.mkdtemp(prefix='postern-conf-')
        self.write('main.cf', main)
        self.write('master.cf', master)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return self.dir + '/' + name

    def write(self, name, text):
        with open(self.path(name), 'w', newline='') as f:
            f.write(text)

    def read(self, name):
        with open(self.path(name), newline='') as f:
            return f.read()

    def run(self, program, *args, stdin='', config=True):
        """(exit status, standard output, standard error); MAIL_CONFIG names this directory."""
        env = dict(os.environ, **({'MAIL_CONFIG': self.dir} if config else {}))
        p = subprocess.run(['%s/bin/%s' % (DEV, program), *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, timeout=60, env=env, cwd=self.dir)
        return p.returncode, p.stdout, p.stderr
