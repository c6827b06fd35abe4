#!/bin/sh
# SPDX-License-Identifier: ISC
# secrets.sh - secrets are compared by secret_eq() alone. secrets.txt lists the
# files that do so, and how often at least, and every other comparison that looks like
# one of a secret, with the reason why it is none.
cd "$1" || exit 2
python3 - <<'PY'
import re, subprocess, sys
files = subprocess.run(['git', 'ls-files', '--cached', '--others', '--exclude-standard', 'authd', 'lib/auth', 'lib/proto', 'lib/queue', 'keys', 'tls'],
                       stdout=subprocess.PIPE, text=True).stdout.split()
files = [f for f in files if f.endswith('.c') and (not f.startswith('lib/proto/') or re.search('sasl|auth', f))]
sites, allowed = {}, []
for line in open('t/lint/secrets.txt', encoding='utf-8'):
    if line.startswith('compare '):
        _, name, count = line.split()
        sites[name] = int(count)
    elif line.startswith('allow '):
        name, text = line[6:].split(': ', 1)
        allowed.append((name, text.split(' -- ')[0]))
call = re.compile(r'\b(memcmp|strcmp|strncmp|strcasecmp|str_eqz?|str_ieqz?|str_i?cmp|bcmp)\(')
secret = re.compile(r'passw|secret|cookie|\bmac\b|hash|digest|proof|stored|token|key\b|nonce|signature|verifier|binding', re.I)
bad, seen = [], {}
for name in files:
    for number, line in enumerate(open(name, encoding='utf-8'), 1):
        seen[name] = seen.get(name, 0) + line.count('secret_eq(')
        m = call.search(line)
        if m is None or not secret.search(line[m.start():]) or ('"' in line[m.start():] and m.group(1) != 'memcmp'):
            continue
        if not any(name == f and text in line for f, text in allowed):
            bad.append('%s:%d: %s' % (name, number, line.strip()))
moved = ['%s: %d comparisons of secrets, %d in secrets.txt' % (f, n, sites.get(f, 0)) for f, n in sorted(seen.items()) if n < sites.get(f, 0)]
moved += ['%s: no such file' % f for f in sites if f not in seen]
for n, (what, rows) in enumerate((('no secret is compared in a time that depends on it', bad), ('no listed comparison of a secret has gone', moved)), 1):
    print('\n'.join('# ' + r for r in rows) + ('\n' if rows else '') + '%sok %d - %s' % ('not ' if rows else '', n, what))
print('1..2')
sys.exit(1 if bad or moved else 0)
PY
