# SPDX-License-Identifier: ISC
# page.awk - a daemon's manual page, out of the comment that its main.c opens
# with and of the rows of the params.h that it fills:
#   awk -f page.awk -v title=SMTPD main.c [params.h...] >smtpd.8
# The comment has sections (a title alone in capitals, not indented), paragraphs
# apart by empty lines, and lines that stand as they are: those indented deeper than
# their section's first, those with three spaces inside, and the whole SYNOPSIS.

function escape(s)
{
    gsub(/\\/, "\\e", s)
    if (s ~ /^['.]/)
        s = "\\&" s
    return s
}

function literal(on)
{
    if (on != is_literal)
        print on ? ".Bd -literal" : ".Ed"
    is_literal = on
}

function section(title)
{
    literal(0)
    print ".Sh " title
    in_section = title
    base = 0
    gap = 0
}

function name_line(s,   dash)
{
    dash = index(s, " - ")
    if (program == "") {
        print ".Nm " substr(s, 1, dash - 1) "\n.Nd " substr(s, dash + 3)
        program = substr(s, 1, dash - 1)
    } else {
        print escape(s)
    }
}

function text_line(s, indent)
{
    if (base == 0)
        base = indent
    if (in_section == "NAME") {
        name_line(s)
        return
    }
    if (in_section == "SYNOPSIS" || indent > base || s ~ /   /) {
        literal(1)
        printf "%*s%s\n", indent - base, "", escape(s)
    } else {
        literal(0)
        if (gap)
            print ".Pp"
        print escape(s)
    }
    gap = 0
}

# The comment.
FILENAME ~ /main\.c$/ && !over {
    if ($0 ~ /^ \*\//) {
        over = 1
        literal(0)
        next
    }
    if (sub(/^ \*/, "") == 0 || (!begun && $0 !~ /^ +NAME$/))
        next
    if (!begun) {
        title_indent = match($0, /N/)
        begun = 1
    }
    indent = match($0, /[^ ]/)
    line = substr($0, indent)
    if (indent == 0)
        gap = 1
    else if (indent == title_indent && line ~ /^[A-Z ]+$/)
        section(line)
    else
        text_line(line, indent)
    next
}

# A row is P(KIND, member, "name", "default", least, most, "sentence") over one or more lines.
FILENAME ~ /params\.h$/ {
    sub(/[ \t]*\\$/, "")
    if (!in_row && match($0, /^ *P\(/))
        in_row = 1
    if (!in_row)
        next
    row = row $0
    if ($0 !~ /\)$/)
        next
    take_row(row)
    row = ""
    in_row = 0
}

# The next "text" of `rest`, without its escapes.
function take_string(   s)
{
    match(rest, /"([^"\\]|\\.)*"/)
    s = substr(rest, RSTART + 1, RLENGTH - 2)
    rest = substr(rest, RSTART + RLENGTH)
    gsub(/\\"/, "\"", s)
    gsub(/\\\\/, "\\", s)
    return s
}

function take_row(text,   name, def, doc)
{
    rest = text
    name = take_string()
    def = take_string()
    while (rest ~ /"/)
        doc = doc take_string()
    if (doc == "" || name in known)
        return
    known[name] = sprintf(".It Sy %s Pq default: %s\n%s", name, def == "" ? "empty" : escape(def), escape(doc))
    order[++n] = name
}

function sort_names(   i, j, x)
{
    for (i = 2; i <= n; i++) {
        x = order[i]
        for (j = i - 1; j > 0 && order[j] > x; j--)
            order[j + 1] = order[j]
        order[j + 1] = x
    }
}

BEGIN {
    is_literal = 0
    print ".\\\" SPDX-License-Identifier: ISC\n.Dd November 23, 2026\n.Dt " title " 8\n.Os"
}

END {
    if (n > 0) {
        sort_names()
        print ".Sh PARAMETERS\nOf main.cf, or of this service by -o in master.cf; values and units are in\n.Xr postconf 5 .\n.Bl -tag -width indent"
        for (i = 1; i <= n; i++)
            print known[order[i]]
        print ".El"
    }
    print ".Sh SEE ALSO\n.Xr master 5 ,\n.Xr postconf 5"
}
