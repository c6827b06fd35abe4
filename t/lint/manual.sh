#!/bin/sh
# SPDX-License-Identifier: ISC
# manual.sh - every program has a manual page, and each page renders without a
# complaint of groff, in the places where an installation has it.
root=$(cd "$1" && pwd) || exit 2
build=${POSTERN_DEV:-$root/build-dev}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
mkdir "$work/man1" "$work/man5" &&
    cp "$root"/etc/man/*.1 "$work/man1" && cp "$root"/etc/man/*.5 "$build"/man/*.5 "$work/man5" &&
    mkdir "$work/man8" && cp "$build"/man/*.8 "$work/man8" && cd "$work" || exit 2
n=0 failed=0
result() {                                  # status sentence
    n=$((n + 1))
    [ "$1" = 0 ] || { failed=1; printf 'not '; }
    echo "ok $n - $2"
}

complaints=$work/complaints
for page in man?/*; do
    # A default that is longer than a line is not the page's fault.
    groff -mandoc -ww -Tutf8 -z "$page" 2>&1 | grep -v "can't break line"
done >"$complaints"
sed 's/^/# /' "$complaints"
[ ! -s "$complaints" ]
result $? "groff has nothing to say about any page"

bad=0
programs=$("$build/bin/master" --print-roles | awk -F'|' 'NR > 2 { gsub(/ /, "", $3); print $3 }' | sort -u)
for program in $programs; do
    for title in NAME DESCRIPTION SECURITY DIAGNOSTICS PARAMETERS; do
        grep -qsx ".Sh $title" "man8/$program.8" || { echo "# $program(8) has no $title"; bad=1; }
    done
done
[ $bad = 0 ] && [ "$(echo "$programs" | wc -w)" -gt 20 ]
result $? "every daemon has a page that names its parameters and what it logs"

bad=0
for tool in $(sed -n 's/^foreach(tool \(.*postern\))$/\1/p' "$root/CMakeLists.txt") mailq newaliases postalias; do
    [ -e "man1/$tool.1" ] || { echo "# $tool has no manual page"; bad=1; }
done
[ $bad = 0 ] && [ -e man1/sendmail.1 ]
result $? "every command has a page"

bad=0
for reference in $(sed -n 's/^\.Xr \([a-z0-9_.-]*\) \([158]\).*/\1.\2/p' man?/* | sort -u); do
    page=$(ls man"${reference##*.}/$reference" 2>/dev/null)
    case $reference in passwd.5|group.5|ldap.conf.5) page=system ;; esac
    [ -n "$page" ] || { echo "# a page refers to $reference, which is none"; bad=1; }
done
result $bad "what a page refers to is there"
echo "1..$n"
exit $failed
