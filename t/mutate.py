# SPDX-License-Identifier: ISC
"""mutate.py - breaks the product one listed line at a time; each time a test must fail.

mutations*.txt, one block per mutation:

    name: what is broken
    file: path
    from: the text to replace (once in the file)
    to: what it becomes
    test: names of tests for the runner, one of which must fail
"""
import glob
import os
import re
import subprocess
import sys
import tempfile


def read_rows(rows):
    """A row without a name goes on with the one before."""
    block, name = {}, None
    for row in rows:
        m = re.match(r'(name|file|from|to|test): ?(.*)', row)
        if m:
            name = m.group(1)
            block[name] = m.group(2)
        else:
            block[name] += '\n' + row
    return block


def load(path):
    blocks = []
    for block in re.split(r'\n\s*\n', open(path, encoding='utf-8').read()):
        rows = [line for line in block.splitlines() if line and not line.startswith('#')]
        if rows:
            blocks.append(read_rows(rows))
    return blocks


def apply(tree, m):
    path = os.path.join(tree, m['file'])
    text = open(path, encoding='utf-8').read()
    if text.count(m['from']) != 1:
        return None
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text.replace(m['from'], m['to']))
    return text


def main(root, words):
    mutations = [m for path in sorted(glob.glob(root + '/t/mutations*.txt')) for m in load(path)
                 if not words or any(w in m['name'] for w in words)]
    tree = tempfile.mkdtemp(prefix='postern-mutate-', dir='/var/tmp')
    killed = 0
    try:
        # a copy of what is here, with its build, so that each round builds one file
        subprocess.run('git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t %s' % tree, shell=True, cwd=root, check=True)
        for m in mutations:
            before = apply(tree, m)
            if before is None:
                print('not ok - %s: the line is not there exactly once in %s' % (m['name'], m['file']), flush=True)
                continue
            p = subprocess.run([sys.executable, tree + '/t/runner.py', *m['test'].split()], cwd=tree, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors='replace', check=False)
            built = '# built dev' in p.stdout
            seen = p.returncode != 0 and built
            killed += seen
            print('%sok - %s (%s)' % ('' if seen else 'not ', m['name'], m['test'] if built else 'does not build: ' + p.stdout[-300:]), flush=True)
            with open(os.path.join(tree, m['file']), 'w', encoding='utf-8') as f:
                f.write(before)
    finally:
        subprocess.run(['rm', '-rf', tree], check=False)
    print('%d of %d mutations were seen' % (killed, len(mutations)))
    print('%d passed, %d failed' % (killed, len(mutations) - killed))
    return 0 if killed == len(mutations) and mutations else 1
