#!/bin/sh
# SPDX-License-Identifier: ISC
# worst.sh - a mirror, not a gate: the longest functions and files.
cd "$1" || exit 2
git ls-files --cached --others --exclude-standard '*.c' | grep -v '^t/' | ctags -L - --languages=C --kinds-C=f --fields=+ne -f - 2>/dev/null |
    awk -F'\t' '{ s = e = 0; for (i = 1; i <= NF; i++) { if ($i ~ /^line:/) s = substr($i, 6); if ($i ~ /^end:/) e = substr($i, 5) }
                  n = e - s + 1; print n, $2 ":" $1 }' | sort -rn > /tmp/postern-worst.$$
awk '{ n[NR] = $1; all += $1; if ($1 > 60) big += $1 } NR <= 10 { print "# " $0 }
     END { printf "# %d functions, median %d lines, 95%% within %d, %d%% of lines in functions over 60\n", NR, n[int(NR / 2)], n[int(NR / 20) + 1], 100 * big / all }' /tmp/postern-worst.$$
wc -l $(git ls-files --cached --others --exclude-standard '*.c' | grep -v '^t/') | sort -rn | sed -n '2,11s/^/# /p'
[ -s /tmp/postern-worst.$$ ] && echo "ok 1 - looked at every function" || echo "not ok 1 - looked at every function"
rm -f /tmp/postern-worst.$$
