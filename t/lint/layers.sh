#!/bin/sh
# SPDX-License-Identifier: ISC
# layers.sh - every #include "..." follows layers.txt: in lib a layer that this
# one may use, in a program folder the library or the folder's own headers, and
# of other programs at most their params.h (tables only).
cd "$1" || exit 2
files=$(git ls-files --cached --others --exclude-standard '*.c' '*.h' | grep -v '^t/')
awk '
FNR == NR { layer[$1]; for (i = 1; i <= NF; i++) ok[$1, $i]; next }
!/^#include "/ { next }
{
    split(FILENAME, at, "/"); split($2, part, "\""); n = split(part[2], inc, "/")
    if (at[1] == "lib" && !(n > 1 && (at[2], inc[1]) in ok)) { bad++; printf "# %s:%d: %s may not include %s\n", FILENAME, FNR, at[2], part[2] }
    if (at[1] != "lib" && n > 1 && !(inc[1] in layer) && inc[1] != at[1] && part[2] !~ /params[a-z_]*\.h$/) { bad++; printf "# %s:%d: not a library header: %s\n", FILENAME, FNR, part[2] }
}
END { print (bad ? "not " : "") "ok 1 - every include follows the layers"; print "1..1"; exit bad != 0 }
' t/lint/layers.txt $files
