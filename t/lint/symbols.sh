#!/bin/sh
# SPDX-License-Identifier: ISC
# symbols.sh - no library or program exports a writable variable.
cd "$1" || exit 2
bad=$(for f in build/*.a; do nm -A --defined-only "$f" 2>/dev/null; done | awk '$(NF-1) ~ /^[BDGS]$/')
[ -n "$bad" ] && printf '%s\n' "$bad" | sed 's/^/# /'
[ -z "$bad" ] && ls build/*.a >/dev/null 2>&1 && echo "ok 1 - no exported writable symbols" || { echo "not ok 1 - no exported writable symbols"; exit 1; }
