# SPDX-License-Identifier: ISC
# ARCHITECTURE.md's role table is what master --print-roles prints. With "write"
# as second argument the file is brought up to date.
root=${1:-.}
master=${POSTERN_DEV:-$root/build-dev}/bin/master
file=$root/ARCHITECTURE.md
table=$(mktemp) || exit 1
new=$(mktemp) || exit 1
trap 'rm -f "$table" "$new"' EXIT
"$master" --print-roles > "$table" || { echo "not ok 1 - the role table is printed"; exit 1; }
awk -v table="$table" '
    /^\| role \| program / { next }
    /^<!-- generated: master --print-roles -->/ { print; while ((getline line < table) > 0) print line; skip = 1; next }
    skip && /^\|/ { next }
    { skip = 0; print }
' "$file" > "$new"
[ "$2" = write ] && cat "$new" > "$file"
if cmp -s "$new" "$file"; then
    echo "ok 1 - ARCHITECTURE.md's role table is up to date"
else
    echo "not ok 1 - ARCHITECTURE.md's role table is up to date (sh t/lint/roles.sh . write)"
    echo "1..1"
    exit 1
fi
echo "1..1"
