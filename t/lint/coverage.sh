#!/bin/sh
# SPDX-License-Identifier: ISC
# coverage.sh - every test that COVERAGE.md names exists: `file: sentence`,
# where the sentence stands in that file.
cd "$1" || exit 2
python3 - <<'PY'
import re, sys
bad, rows = [], 0
for line in open('t/COVERAGE.md', encoding='utf-8'):
    for path, sentence in re.findall(r'`([^`:]+): ([^`]+)`', line):
        rows += 1
        try:
            text = open('t/' + path, encoding='utf-8', errors='replace').read()
        except OSError:
            bad.append('%s: no such file' % path)
            continue
        if sentence not in text:
            bad.append('%s: no test says "%s"' % (path, sentence))
print('\n'.join('# ' + b for b in bad))
print('%sok 1 - the %d tests that COVERAGE.md names exist' % ('not ' if bad or rows < 40 else '', rows))
sys.exit(1 if bad or rows < 40 else 0)
PY
