/* SPDX-License-Identifier: ISC
 *
 * cmd_messages.c - commands on messages of the selected mailbox that change
 * it: STORE, COPY, MOVE, EXPUNGE, CLOSE; UNSELECT and CHECK.
 */
#include "session.h"

/* Indexes of one range of UIDs or sequence numbers: from *ret_at, *ret_n of them. */
static void range_indexes(struct session *s, const struct imap_range *r, bool uid, size_t *ret_at, size_t *ret_n)
{
    if (!uid) {
        *ret_at = r->from - 1;
        *ret_n = r->to - r->from + 1;
        return;
    }
    *ret_at = box_find(s->box, r->from);
    *ret_n = (r->to == UINT32_MAX ? box_count(s->box) : box_find(s->box, r->to + 1)) - *ret_at;
}

bool take_messages(struct session *s, struct imap_cur *c, bool uid, uint32_t **ret, size_t *ret_n, struct reply *ret_reply)
{
    struct imap_seqset set;
    size_t count = box_count(s->box), at, n, total = 0;
    *ret_reply = reply_bad("Invalid messageset.");
    if (!imap_seqset_parse(c, &set) || set.saved || (!uid && imap_seqset_max(&set) > count))
        return false;
    imap_seqset_resolve(&set, count == 0 ? 0 : uid ? box_msgs(s->box)[count - 1].uid : (uint32_t)count);
    for (size_t i = 0; i < set.n; i++) {
        range_indexes(s, &set.ranges[i], uid, &at, &n);
        total += n;
    }
    uint32_t *list = ARENA_ARRAY(&s->mem, uint32_t, total + 1);
    total = 0;
    for (size_t i = 0; i < set.n; i++) {
        range_indexes(s, &set.ranges[i], uid, &at, &n);
        for (size_t k = 0; k < n; k++)
            list[total++] = (uint32_t)(at + k);
    }
    *ret = list;
    *ret_n = total;
    return true;
}

static bool add_flag(struct session *s, struct str word, struct flag_list *f, size_t cap, struct reply *r)
{
    static const struct { const char *name; uint8_t flag; } system[] = {
        { "\\Answered", FLAG_ANSWERED }, { "\\Flagged", FLAG_FLAGGED }, { "\\Deleted", FLAG_DELETED },
        { "\\Seen", FLAG_SEEN }, { "\\Draft", FLAG_DRAFT },
    };
    for (size_t i = 0; i < N_ELEMS(system); i++)
        if (str_ieqz(word, system[i].name)) {
            f->flags |= system[i].flag;
            return true;
        }
    if (word.p[0] == '\\' || word.n > 100 || f->n_names == cap) {
        *r = reply_fmt(s, "BAD", "Invalid system flag %.*s", (int)MIN(word.n, 64u), word.p);
        return false;
    }
    f->names[f->n_names++] = str_dup(&s->mem, word);
    return true;
}

bool take_flags(struct session *s, struct imap_cur *c, bool parens_optional, struct flag_list *ret, struct reply *r)
{
    enum { NAMES_MAX = 64 };
    struct str word;
    bool parens = imap_char(c, '(');
    *ret = (struct flag_list){ .names = ARENA_ARRAY(&s->mem, struct str, NAMES_MAX) };
    *r = reply_bad("Invalid flag list.");
    if (!parens && !parens_optional)
        return false;
    if (parens && imap_char(c, ')'))
        return true;
    do {
        if (!imap_flag(c, &word) || !add_flag(s, word, ret, NAMES_MAX, r))
            return false;
    } while (imap_sp(c));
    return !parens || imap_char(c, ')');
}

/* Names to bits of this mailbox; names that nobody has are made only if they are to be set. */
static enum store_result keyword_bits(struct session *s, const struct flag_list *f, bool create, uint32_t *ret, struct err *err)
{
    *ret = 0;
    for (size_t i = 0; i < f->n_names; i++) {
        unsigned n;
        enum store_result r = box_keyword(s->box, f->names[i], create, &n, err);
        if (r == STORE_NOT_FOUND)
            continue;
        if (r != STORE_OK)
            return r;
        *ret |= (uint32_t)1 << n;
    }
    return STORE_OK;
}

struct store_args { enum box_store_mode mode; bool silent; struct flag_list flags; };

static bool take_store_args(struct session *s, struct imap_cur *c, struct store_args *a, struct reply *r)
{
    *r = reply_bad("Invalid arguments.");
    if (!imap_sp(c))
        return false;
    a->mode = imap_char(c, '+') ? BOX_FLAGS_ADD : imap_char(c, '-') ? BOX_FLAGS_REMOVE : BOX_FLAGS_REPLACE;
    if (!imap_word(c, "FLAGS"))
        return false;
    a->silent = imap_char(c, '.');
    if (a->silent && !imap_word(c, "SILENT"))
        return false;
    if (!imap_sp(c) || !take_flags(s, c, true, &a->flags, r))
        return false;
    *r = reply_bad("Invalid arguments.");
    return imap_at_end(c);
}

static void tell_flags(struct session *s, const uint32_t *list, size_t n, bool uid)
{
    const struct box_msg *msgs = box_msgs(s->box);
    for (size_t i = 0; i < n; i++) {
        const struct box_msg *m = &msgs[list[i]];
        if (m->gone)
            continue;
        buf_printf(out(s), "* %u FETCH (", list[i] + 1);
        if (uid)
            buf_printf(out(s), "UID %u ", m->uid);
        session_put_flags(s, out(s), m);
        buf_puts(out(s), ")\r\n");
        io_flush_some(&s->io);
    }
}

static size_t count_gone(struct session *s, const uint32_t *list, size_t n)
{
    size_t gone = 0;
    for (size_t i = 0; i < n; i++)
        gone += box_msgs(s->box)[list[i]].gone ? 1 : 0;
    return gone;
}

static void count_deleted(struct session *s, const uint32_t *list, size_t n, const struct store_args *a)
{
    if (a->mode == BOX_FLAGS_REMOVE || (a->flags.flags & FLAG_DELETED) == 0)
        return;
    for (size_t i = 0; i < n; i++)
        s->deleted += (box_msgs(s->box)[list[i]].flags & FLAG_DELETED) == 0 ? 1 : 0;
}

static struct reply cmd_store(struct session *s, struct imap_cur *c, bool uid)
{
    struct store_args a = { .mode = BOX_FLAGS_REPLACE };
    struct reply r;
    struct err err = { 0 };
    uint32_t *list, keywords;
    size_t n;
    if (!take_messages(s, c, uid, &list, &n, &r) || !take_store_args(s, c, &a, &r))
        return r;
    enum store_result got = keyword_bits(s, &a.flags, a.mode != BOX_FLAGS_REMOVE, &keywords, &err);
    if (got == STORE_LIMIT)
        return reply_no("[LIMIT] Too many keywords in this mailbox.");
    if (got == STORE_OK) {
        count_deleted(s, list, n, &a);
        got = box_store(s->box, list, n, a.mode, a.flags.flags, keywords, &err);
    }
    if (got != STORE_OK)
        return reply_store(s, got, &err);
    session_tell_keywords(s, false);
    if (!a.silent)
        tell_flags(s, list, n, uid);
    return count_gone(s, list, n) > 0 ? reply_ok("[EXPUNGEISSUED] Store completed.") : reply_ok("Store completed.");
}

static void put_uids(struct buf *to, const uint32_t *uids, size_t n)
{
    struct imap_range_writer w = { .out = to };
    for (size_t i = 0; i < n; i++)
        imap_range_add(&w, uids[i]);
    imap_range_end(&w);
}

/* "[COPYUID validity from to] "; empty where the target gives UIDs only when it is opened. */
static struct str uid_map(struct session *s, const uint32_t *list, size_t n, const struct append_result *res)
{
    uint32_t *from = ARENA_ARRAY(&s->mem, uint32_t, n + 1);
    struct buf map = buf_make(0);
    if (res->n != n)
        return STR("");
    for (size_t i = 0; i < n; i++)
        from[i] = box_msgs(s->box)[list[i]].uid;
    buf_printf(&map, "[COPYUID %u ", res->uidvalidity);
    put_uids(&map, from, n);
    buf_putc(&map, ' ');
    put_uids(&map, res->uids, n);
    buf_puts(&map, "] ");
    struct str text = str_dup(&s->mem, buf_str(&map));
    buf_done(&map);
    return text;
}

static struct reply copy_failed(struct session *s, enum store_result r, struct str to, const struct err *err)
{
    struct box_status st;
    struct err other = { 0 };
    if (r != STORE_NOT_FOUND)
        return reply_store(s, r, err);
    if (store_status(s->store, to, false, &st, &other) == STORE_NOT_FOUND)
        return reply_no("[TRYCREATE] Mailbox doesn't exist");
    return reply_no("[EXPUNGEISSUED] Some of the requested messages no longer exist.");
}

static struct reply copy(struct session *s, struct imap_cur *c, bool uid, bool move)
{
    struct reply r;
    struct err err = { 0 };
    struct append_result res;
    struct str to;
    uint32_t *list;
    size_t n;
    if (!take_messages(s, c, uid, &list, &n, &r))
        return r;
    if (!imap_sp(c))
        return reply_bad("Invalid arguments.");
    if (!take_mailbox(s, c, &to, &r))
        return r;
    if (!imap_at_end(c))
        return reply_bad("Invalid arguments.");
    if (n == 0)
        return reply_ok(move ? "No messages found." : "No messages copied.");
    enum store_result got = box_copy(s->box, list, n, to, move, &res, &err);
    if (got != STORE_OK)
        return copy_failed(s, got, to, &err);
    s->expunged += move ? n : 0;
    struct str map = uid_map(s, list, n, &res);
    if (!move)
        return (struct reply){ "OK", str_printf(&s->mem, "%.*sCopy completed.", STR_FMT(map)), false };
    /* RFC 6851 §4.3: the code comes before the expunges. */
    buf_puts(out(s), "* OK ");
    buf_add(out(s), map);
    buf_puts(out(s), "Moved UIDs.\r\n");
    return reply_ok("Move completed.");
}

static struct reply cmd_copy(struct session *s, struct imap_cur *c, bool uid) { return copy(s, c, uid, false); }
static struct reply cmd_move(struct session *s, struct imap_cur *c, bool uid) { return copy(s, c, uid, true); }

/* Messages with \Deleted, out of a list of indexes or (NULL) of all. */
static enum store_result expunge(struct session *s, const uint32_t *list, size_t n, struct err *err)
{
    const struct box_msg *msgs = box_msgs(s->box);
    uint32_t *gone = ARENA_ARRAY(&s->mem, uint32_t, n + 1);
    size_t n_gone = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = list == NULL ? (uint32_t)i : list[i];
        if ((msgs[at].flags & FLAG_DELETED) != 0 && !msgs[at].gone)
            gone[n_gone++] = at;
    }
    s->expunged += n_gone;
    return n_gone == 0 ? STORE_OK : box_expunge(s->box, gone, n_gone, err);
}

static struct reply cmd_expunge(struct session *s, struct imap_cur *c, bool uid)
{
    struct reply r;
    struct err err = { 0 };
    uint32_t *list = NULL;
    size_t n = box_count(s->box);
    if (uid && !take_messages(s, c, true, &list, &n, &r))
        return r;
    if (!imap_at_end(c))
        return reply_bad("Invalid arguments.");
    enum store_result got = expunge(s, list, n, &err);
    return got == STORE_OK ? reply_ok("Expunge completed.") : reply_store(s, got, &err);
}

static struct reply cmd_close(struct session *s, struct imap_cur *c, bool uid)
{
    struct err err = { 0 };
    (void)c, (void)uid;
    enum store_result r = s->read_only ? STORE_OK : expunge(s, NULL, box_count(s->box), &err);
    session_unselect(s);
    return r == STORE_OK ? reply_ok("Close completed.") : reply_store(s, r, &err);
}

static struct reply cmd_unselect(struct session *s, struct imap_cur *c, bool uid)
{
    (void)c, (void)uid;
    session_unselect(s);
    return reply_ok("Unselect completed.");
}

static struct reply cmd_check(struct session *s, struct imap_cur *c, bool uid)
{
    struct err err = { 0 };
    (void)c, (void)uid;
    enum store_result r = s->read_only ? STORE_OK : box_flush(s->box, &err);
    return r == STORE_OK ? reply_ok("Check completed.") : reply_store(s, r, &err);
}

const struct command *commands_messages(void)
{
    static const struct command table[] = {
        { "FETCH", ST_SELECTED, CMD_UID | CMD_MSN, cmd_fetch },
        { "SEARCH", ST_SELECTED, CMD_UID | CMD_MSN, cmd_search },
        { "STORE", ST_SELECTED, CMD_UID | CMD_MSN | CMD_WRITES | CMD_CHANGES, cmd_store },
        { "COPY", ST_SELECTED, CMD_UID | CMD_CHANGES, cmd_copy },
        { "MOVE", ST_SELECTED, CMD_UID | CMD_WRITES | CMD_CHANGES, cmd_move },
        { "EXPUNGE", ST_SELECTED, CMD_UID | CMD_WRITES | CMD_CHANGES, cmd_expunge },
        { "CLOSE", ST_SELECTED, CMD_NO_ARGS | CMD_CHANGES, cmd_close },
        { "UNSELECT", ST_SELECTED, CMD_NO_ARGS, cmd_unselect },
        { "CHECK", ST_SELECTED, CMD_NO_ARGS, cmd_check },
        { NULL, 0, 0, NULL },
    };
    return table;
}
