/* SPDX-License-Identifier: ISC
 *
 * cmd_list.c - LIST with the extensions of RFC 5258, 5819 and 6154, LSUB, and
 * XLIST, by which old clients ask for special uses.
 */
#include "session.h"

enum { PATTERNS_MAX = 64 };
enum select_opt { SEL_SUBSCRIBED = 1, SEL_REMOTE = 2, SEL_RECURSIVE = 4, SEL_SPECIAL = 8 };
enum return_opt { RET_SUBSCRIBED = 1, RET_CHILDREN = 2, RET_SPECIAL = 4, RET_STATUS = 8 };

struct list {
    const char *verb;
    struct str reference, patterns[PATTERNS_MAX];
    size_t n_patterns;
    unsigned select, ret, status;
    bool extended;
};

static const struct { unsigned bit; const char *name; } uses[] = {
    { BOX_DRAFTS, "\\Drafts" }, { BOX_SENT, "\\Sent" }, { BOX_JUNK, "\\Junk" }, { BOX_TRASH, "\\Trash" },
    { BOX_ARCHIVE, "\\Archive" }, { BOX_ALL, "\\All" }, { BOX_FLAGGED, "\\Flagged" },
};
enum { ALL_USES = BOX_DRAFTS | BOX_SENT | BOX_JUNK | BOX_TRASH | BOX_ARCHIVE | BOX_ALL | BOX_FLAGGED };

/* '*' matches everything, '%' everything but the separator. Greedy with one point of return per star: quadratic at worst, and short. */
static bool match(struct str pattern, struct str name)
{
    size_t p = 0, n = 0, star_p = SIZE_MAX, star_n = 0, percent_p = SIZE_MAX, percent_n = 0;
    while (n < name.n || p < pattern.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star_p = ++p;
            star_n = n;
            percent_p = SIZE_MAX;
        } else if (p < pattern.n && pattern.p[p] == '%') {
            percent_p = ++p;
            percent_n = n;
        } else if (p < pattern.n && n < name.n && pattern.p[p] == name.p[n]) {
            p++;
            n++;
        } else if (percent_p != SIZE_MAX && percent_n < name.n && name.p[percent_n] != STORE_SEPARATOR) {
            p = percent_p;
            n = ++percent_n;
        } else if (star_p != SIZE_MAX && star_n < name.n) {
            p = star_p;
            n = ++star_n;
            percent_p = SIZE_MAX;
        } else {
            return false;
        }
    }
    return true;
}

/* INBOX in any case, also as the first level. */
static struct str fold_inbox(struct session *s, struct str pattern)
{
    if (pattern.n < 5 || !str_istarts(pattern, STR("INBOX")) || (pattern.n > 5 && pattern.p[5] != STORE_SEPARATOR))
        return pattern;
    return str_printf(&s->mem, "INBOX%.*s", STR_FMT(str_skip(pattern, 5)));
}

static bool matches(const struct list *l, struct str name)
{
    for (size_t i = 0; i < l->n_patterns; i++)
        if (match(l->patterns[i], name))
            return true;
    return false;
}

static void put_attributes(struct session *s, const struct list *l, const struct box_info *b, bool xlist)
{
    const char *space = "";
    struct buf *o = out(s);
    bool gone = (b->attrs & BOX_NOSELECT) != 0;
    if (gone) {
        bool nonexistent = l->extended && (b->attrs & BOX_HAS_CHILDREN) == 0;
        buf_puts(o, nonexistent ? "\\NonExistent" : "\\Noselect");
        space = " ";
    }
    buf_printf(o, "%s%s", space, (b->attrs & BOX_HAS_CHILDREN) != 0 ? "\\HasChildren" : "\\HasNoChildren");
    if ((b->attrs & BOX_SUBSCRIBED) != 0 && ((l->ret & RET_SUBSCRIBED) != 0 || (l->select & SEL_SUBSCRIBED) != 0))
        buf_puts(o, " \\Subscribed");
    for (size_t i = 0; i < N_ELEMS(uses); i++)
        if ((b->attrs & uses[i].bit) != 0)
            buf_printf(o, " %s", uses[i].bit == BOX_JUNK && xlist ? "\\Spam" : uses[i].name);
    if (xlist && str_eqz(b->name, "INBOX"))
        buf_puts(o, " \\Inbox");
}

static void put_box(struct session *s, const struct list *l, const struct box_info *b, bool child_info)
{
    buf_printf(out(s), "* %s (", l->verb);
    put_attributes(s, l, b, str_eqz(str_from(l->verb), "XLIST"));
    buf_printf(out(s), ") \"%c\" ", STORE_SEPARATOR);
    imap_put_astring(out(s), b->name);
    if (child_info)
        buf_puts(out(s), " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
    buf_puts(out(s), "\r\n");
    io_flush_some(&s->io);
}

static bool has_subscribed_child(const struct box_info *boxes, size_t n, size_t i)
{
    for (size_t k = 0; k < n; k++)
        if ((boxes[k].attrs & BOX_SUBSCRIBED) != 0 && boxes[k].name.n > boxes[i].name.n &&
            str_starts(boxes[k].name, boxes[i].name) && boxes[k].name.p[boxes[i].name.n] == STORE_SEPARATOR)
            return true;
    return false;
}

static void list_one(struct session *s, const struct list *l, const struct box_info *boxes, size_t n, size_t i)
{
    const struct box_info *b = &boxes[i];
    bool subscribed = (b->attrs & BOX_SUBSCRIBED) != 0, child_info = false, gone = (b->attrs & BOX_NOSELECT) != 0;
    if (!matches(l, b->name) || ((l->select & SEL_SPECIAL) != 0 && (b->attrs & ALL_USES) == 0))
        return;
    if ((l->select & SEL_SUBSCRIBED) != 0) {
        child_info = (l->select & SEL_RECURSIVE) != 0 && has_subscribed_child(boxes, n, i);
        if (!subscribed && !child_info)
            return;
    } else if (gone && (b->attrs & BOX_HAS_CHILDREN) == 0) {
        return;         /* subscribed, but no mailbox any more */
    }
    put_box(s, l, b, child_info);
    if ((l->ret & RET_STATUS) != 0 && !gone)
        put_status(s, b->name, l->status);
}

static struct reply run_list(struct session *s, const struct list *l, const char *done)
{
    struct box_info *boxes;
    size_t n;
    struct err err = { 0 };
    enum store_result r = store_list(s->store, &s->mem, &boxes, &n, &err);
    if (r != STORE_OK)
        return reply_store(s, r, &err);
    for (size_t i = 0; i < n; i++)
        list_one(s, l, boxes, n, i);
    return reply_ok(done);
}

static bool take_reference(struct imap_cur *c, struct list *l)
{
    return imap_astring(c, &l->reference) && l->reference.n <= MAILBOX_NAME_MAX && imap_sp(c);
}

static bool add_pattern(struct session *s, struct imap_cur *c, struct list *l)
{
    struct str p;
    if (l->n_patterns == PATTERNS_MAX || !imap_list_mailbox(c, &p) || p.n > MAILBOX_NAME_MAX)
        return false;
    /* RFC 3501 §6.3.8: the reference goes in front, unless the pattern starts at the root. */
    if (l->reference.n > 0)
        p = str_printf(&s->mem, "%.*s%.*s", STR_FMT(l->reference), STR_FMT(p));
    l->patterns[l->n_patterns++] = fold_inbox(s, p);
    return true;
}

static bool take_patterns(struct session *s, struct imap_cur *c, struct list *l)
{
    if (!imap_char(c, '('))
        return add_pattern(s, c, l);
    l->extended = true;
    do {
        if (!add_pattern(s, c, l))
            return false;
    } while (imap_sp(c));
    return imap_char(c, ')');
}

/* "(WORD WORD ...)": the bits of the words; false on an unknown one. */
static bool take_select_options(struct imap_cur *c, struct list *l)
{
    static const struct imap_word words[] = {
        { "SUBSCRIBED", SEL_SUBSCRIBED }, { "REMOTE", SEL_REMOTE }, { "RECURSIVEMATCH", SEL_RECURSIVE },
        { "SPECIAL-USE", SEL_SPECIAL },
    };
    while (!imap_char(c, ')')) {
        unsigned bit = imap_word_bit(c, words, N_ELEMS(words));
        if (bit == 0)
            return false;
        l->select |= bit;
        (void)imap_sp(c);
    }
    /* RFC 5258 §3.1: RECURSIVEMATCH modifies another option and is nothing alone. */
    return (l->select & SEL_RECURSIVE) == 0 || (l->select & (SEL_SUBSCRIBED | SEL_SPECIAL)) != 0;
}

static bool take_return_options(struct imap_cur *c, struct list *l)
{
    static const struct imap_word words[] = {
        { "SUBSCRIBED", RET_SUBSCRIBED }, { "CHILDREN", RET_CHILDREN }, { "SPECIAL-USE", RET_SPECIAL },
        { "STATUS", RET_STATUS },
    };
    if (!imap_char(c, '('))
        return false;
    while (!imap_char(c, ')')) {
        unsigned bit = imap_word_bit(c, words, N_ELEMS(words));
        if (bit == 0)
            return false;
        l->ret |= bit;
        if (bit == RET_STATUS && (!imap_sp(c) || !take_status_items(c, &l->status)))
            return false;
        (void)imap_sp(c);
    }
    return true;
}

struct reply cmd_list(struct session *s, struct imap_cur *c, bool uid)
{
    struct list *l = ARENA_NEW(&s->mem, struct list);
    l->verb = "LIST";
    (void)uid;
    if (imap_char(c, '(')) {
        l->extended = true;
        if (!take_select_options(c, l) || !imap_sp(c))
            return reply_bad("Invalid LIST selection options.");
    }
    if (!take_reference(c, l) || !take_patterns(s, c, l))
        return reply_bad("Invalid arguments.");
    if (imap_sp(c)) {
        l->extended = true;
        if (!imap_word(c, "RETURN") || !imap_sp(c) || !take_return_options(c, l))
            return reply_bad("Invalid LIST return options.");
    }
    if (!imap_at_end(c))
        return reply_bad("Invalid arguments.");
    if (!l->extended && l->n_patterns == 1 && l->patterns[0].n == l->reference.n && l->reference.n == 0) {
        buf_printf(out(s), "* LIST (\\Noselect) \"%c\" \"\"\r\n", STORE_SEPARATOR);
        return reply_ok("List completed.");
    }
    return run_list(s, l, "List completed.");
}

struct reply cmd_lsub(struct session *s, struct imap_cur *c, bool uid)
{
    struct list *l = ARENA_NEW(&s->mem, struct list);
    l->verb = "LSUB";
    (void)uid;
    if (!take_reference(c, l) || !add_pattern(s, c, l) || !imap_at_end(c))
        return reply_bad("Invalid arguments.");
    struct box_info *boxes;
    size_t n;
    struct err err = { 0 };
    enum store_result r = store_list(s->store, &s->mem, &boxes, &n, &err);
    if (r != STORE_OK)
        return reply_store(s, r, &err);
    for (size_t i = 0; i < n; i++) {
        bool subscribed = (boxes[i].attrs & BOX_SUBSCRIBED) != 0;
        /* RFC 3501 §6.3.9: "%" shows the level above a subscribed name, without the name itself. */
        bool above = !subscribed && l->patterns[0].n > 0 && l->patterns[0].p[l->patterns[0].n - 1] == '%' &&
                     has_subscribed_child(boxes, n, i);
        if ((!subscribed && !above) || !matches(l, boxes[i].name))
            continue;
        buf_printf(out(s), "* LSUB (%s) \"%c\" ", above ? "\\Noselect" : "", STORE_SEPARATOR);
        imap_put_astring(out(s), boxes[i].name);
        buf_puts(out(s), "\r\n");
    }
    return reply_ok("Lsub completed.");
}

struct reply cmd_xlist(struct session *s, struct imap_cur *c, bool uid)
{
    struct list *l = ARENA_NEW(&s->mem, struct list);
    l->verb = "XLIST";
    (void)uid;
    if (!take_reference(c, l) || !add_pattern(s, c, l) || !imap_at_end(c))
        return reply_bad("Invalid arguments.");
    return run_list(s, l, "Xlist completed.");
}
