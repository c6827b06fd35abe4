#!/bin/sh
# SPDX-License-Identifier: ISC
# text.sh - every source file names its licence; no unfinished business.
cd "$1" || exit 2
status=0
say() { if [ -z "$2" ]; then echo "ok $n - $1"; else status=1; echo "not ok $n - $1"; printf '%s\n' "$2" | sed 's/^/# /'; fi; n=$((n + 1)); }
n=1
sources=$(git ls-files --cached --others --exclude-standard '*.c' '*.h' '*.S' '*.py' '*.sh')
say "every source file has its SPDX line" "$(for f in $sources; do head -3 "$f" | grep -q 'SPDX-License-Identifier: ISC' || echo "$f"; done)"
say "nothing is left for later" "$(grep -nE 'TODO|FIXME|\bXXX\b|not (yet )?implemented|for now\b' $sources | grep -v '^t/lint/text.sh' | head -20)"
say "no white space at line ends" "$(grep -nE '[[:blank:]]+$' $sources | head -20)"
exit $status
