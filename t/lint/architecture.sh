#!/bin/sh
# SPDX-License-Identifier: ISC
# architecture.sh - every file and function that ARCHITECTURE.md names is there.
cd "$1" || exit 2
python3 - <<'PY'
import os, re, subprocess
text = open('ARCHITECTURE.md', encoding='utf-8').read()
text = re.sub(r'<!-- generated.*?<!-- end -->', '', text, flags=re.S)
files = subprocess.run(['git', 'ls-files', '--cached', '--others', '--exclude-standard'], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
source = ''.join(open(f, errors='replace').read() for f in files if f.endswith(('.c', '.h')) and not f.startswith('t/') and os.path.exists(f))
bad, n = [], 0
for name in re.findall(r'`([^`\s]+)`', text):
    function, path = re.fullmatch(r'(\w+)\(\)', name), re.fullmatch(r'[\w/.]+\.(c|h|md|txt|sh)', name)
    n += bool(function or path)
    if function and not re.search(r'^\w[\w *]*\b%s\(' % function.group(1), source, re.M):
        bad.append('no function ' + name)
    if path and not any(f == name or f.endswith('/' + name) for f in files):
        bad.append('no file ' + name)
print('\n'.join('# ' + b for b in bad))
print('%sok 1 - the %d files and functions that ARCHITECTURE.md names exist' % ('not ' if bad or n < 40 else '', n))
raise SystemExit(1 if bad or n < 40 else 0)
PY
