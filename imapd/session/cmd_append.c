/* SPDX-License-Identifier: ISC
 *
 * cmd_append.c - APPEND. The message goes from the socket to the store in
 * pieces and is never whole in memory.
 */
#include "session.h"
#include "proto/date.h"

enum { DRAIN_MAX = 64 << 20 };

struct target {
    struct str mailbox;
    struct flag_list flags;
    int64_t date;
};

/* Reads the literal to its end, into the append unless that is NULL. False: the client is gone. */
static bool read_literal(struct session *s, uint64_t left, struct append *a, enum store_result *r, struct err *err)
{
    while (left > 0) {
        if (s->io.unread.n == 0 && !session_wait(s))
            return false;
        struct str piece = str_head(s->io.unread, (size_t)MIN(left, (uint64_t)s->io.unread.n));
        if (a != NULL && *r == STORE_OK)
            *r = append_write(a, piece, err);
        s->io.unread = str_skip(s->io.unread, piece.n);
        left -= piece.n;
    }
    return true;
}

/* Refused before the literal: who waits hears it now; from who does not wait, the bytes are on their way. */
static struct reply refuse(struct session *s, struct reply r)
{
    struct imap_literal lit = s->input.literal;
    struct str rest;
    struct err err = { 0 };
    enum store_result ignored = STORE_OK;
    if (!lit.nonsync)
        return r;
    r.text = str_dup(&s->mem, r.text);
    if (lit.size > DRAIN_MAX) {
        buf_puts(out(s), "* BYE [TOOBIG] Literal is too large.\r\n");
        s->why_ended = "Too large literal";
        s->state = ST_LOGOUT;
        return r;
    }
    if (read_literal(s, lit.size, NULL, &ignored, &err))
        (void)session_read_line(s, &rest);
    return r;
}

static bool take_target(struct session *s, struct imap_cur *c, struct target *t, struct reply *r)
{
    struct str when;
    int zone;
    if (!take_mailbox(s, c, &t->mailbox, r))
        return false;
    *r = reply_bad("Invalid arguments.");
    if (!imap_sp(c))
        return false;
    if (imap_peek(c, '(') && (!take_flags(s, c, false, &t->flags, r) || !imap_sp(c)))
        return false;
    if (imap_peek(c, '"')) {
        *r = reply_bad("Invalid internal date.");
        if (!imap_string(c, &when) || !date_parse_imap_time(when, &t->date, &zone) || !imap_sp(c))
            return false;
    }
    *r = reply_bad("Invalid arguments: message literal expected.");
    return imap_open_literal(c);
}

static struct reply store_reply(struct session *s, enum store_result r, const struct err *err)
{
    if (r == STORE_NOT_FOUND)
        return reply_no("[TRYCREATE] Mailbox doesn't exist");
    return reply_store(s, r, err);
}

/* The literal, the end of the line, and the commit. */
static struct reply receive(struct session *s, struct append *a, const struct target *t)
{
    struct imap_literal lit = s->input.literal;
    struct str rest;
    struct err err = { 0 };
    struct append_result res;
    enum store_result r = append_begin(a, t->flags.flags & FLAGS_STORED, t->flags.names, t->flags.n_names, t->date, &err);
    if (r != STORE_OK)
        return refuse(s, store_reply(s, r, &err));
    if (!lit.nonsync)
        buf_puts(out(s), "+ OK\r\n");
    if (!read_literal(s, lit.size, a, &r, &err) || !session_read_line(s, &rest))
        return reply_no("Connection closed.");
    if (rest.n > 0)
        return reply_bad("Invalid arguments behind the message.");
    if (r == STORE_OK && lit.size == 0)
        return reply_no("[CANNOT] Can't save a zero byte message.");
    if (r == STORE_OK)
        r = append_commit(a, &res, &err);
    if (r != STORE_OK)
        return store_reply(s, r, &err);
    if (res.n == 0)
        return reply_ok("Append completed.");       /* an mbox gives UIDs only when it is opened */
    return reply_fmt(s, "OK", "[APPENDUID %u %u] Append completed.", res.uidvalidity, res.uids[0]);
}

struct reply cmd_append(struct session *s, struct imap_cur *c, bool uid)
{
    struct target t = { 0 };
    struct reply r = reply_bad("Invalid arguments: message literal expected.");
    struct append *a = NULL;
    struct err err = { 0 };
    (void)uid;
    if (imap_at_end(c) || c->end[-1] != '\n')
        return r;       /* dispatched as a whole line: no literal was announced */
    if (!take_target(s, c, &t, &r))
        return refuse(s, r);
    if (s->input.literal.size > s->conf->message_limit)
        return refuse(s, reply_no("[TOOBIG] Message is too large."));
    enum store_result opened = append_open(s->store, t.mailbox, &a, &err);
    if (opened != STORE_OK)
        return refuse(s, store_reply(s, opened, &err));
    r = receive(s, a, &t);
    append_free(a);
    return r;
}
