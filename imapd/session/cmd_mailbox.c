/* SPDX-License-Identifier: ISC
 *
 * cmd_mailbox.c - commands on mailboxes by name: SELECT, EXAMINE, CREATE,
 * DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS, and leaving the selected one.
 */
#include "session.h"
#include "proto/mutf7.h"

bool name_ok(struct str mailbox)
{
    return mailbox.n > 0 && mailbox.n <= MAILBOX_NAME_MAX && mutf7_is_valid(mailbox);
}

bool take_mailbox(struct session *s, struct imap_cur *c, struct str *ret, struct reply *ret_reply)
{
    struct str name;
    if (!imap_astring(c, &name)) {
        *ret_reply = reply_bad("Invalid arguments: mailbox name expected.");
        return false;
    }
    if (!name_ok(name)) {
        *ret_reply = name.n == 0 ? reply_no("[CANNOT] Invalid mailbox name: Name is empty")
                                 : reply_no("[CANNOT] Mailbox name is not valid mUTF-7");
        return false;
    }
    *ret = str_ieqz(name, "INBOX") ? STR("INBOX") : str_dup(&s->mem, name);
    return true;
}

/* One name and nothing else. */
static bool only_mailbox(struct session *s, struct imap_cur *c, struct str *ret, struct reply *ret_reply)
{
    if (!take_mailbox(s, c, ret, ret_reply))
        return false;
    if (imap_at_end(c))
        return true;
    *ret_reply = reply_bad("Invalid arguments.");
    return false;
}

/* CREATE takes a trailing separator as a promise of children (RFC 3501 §6.3.3). */
static struct str without_separator(struct str name)
{
    if (name.n > 1 && name.p[name.n - 1] == STORE_SEPARATOR)
        name.n--;
    return name;
}

static struct reply finish(struct session *s, enum store_result r, const struct err *err, const char *done)
{
    return r == STORE_OK ? reply_ok(done) : reply_store(s, r, err);
}

static struct reply cmd_create(struct session *s, struct imap_cur *c, bool uid)
{
    struct str name;
    struct reply r;
    struct err err = { 0 };
    (void)uid;
    if (!only_mailbox(s, c, &name, &r))
        return r;
    return finish(s, store_create(s->store, without_separator(name), &err), &err, "Create completed.");
}

static struct reply cmd_delete(struct session *s, struct imap_cur *c, bool uid)
{
    struct str name;
    struct reply r;
    struct err err = { 0 };
    (void)uid;
    if (!only_mailbox(s, c, &name, &r))
        return r;
    if (str_eqz(name, "INBOX"))
        return reply_no("[CANNOT] INBOX can't be deleted.");
    if (s->box != NULL && str_eqz(name, s->box_name)) {
        session_unselect(s);
        buf_puts(out(s), "* OK [CLOSED] Selected mailbox is being deleted.\r\n");
    }
    return finish(s, store_delete(s->store, name, &err), &err, "Delete completed.");
}

static struct reply cmd_rename(struct session *s, struct imap_cur *c, bool uid)
{
    struct str from, to;
    struct reply r;
    struct err err = { 0 };
    (void)uid;
    if (!take_mailbox(s, c, &from, &r))
        return r;
    if (!imap_sp(c))
        return reply_bad("Invalid arguments.");
    if (!only_mailbox(s, c, &to, &r))
        return r;
    return finish(s, store_rename(s->store, from, without_separator(to), &err), &err, "Rename completed.");
}

static struct reply subscribe(struct session *s, struct imap_cur *c, bool on)
{
    struct str name;
    struct reply r;
    struct err err = { 0 };
    if (!only_mailbox(s, c, &name, &r))
        return r;
    return finish(s, store_subscribe(s->store, without_separator(name), on, &err), &err,
                  on ? "Subscribe completed." : "Unsubscribe completed.");
}

static struct reply cmd_subscribe(struct session *s, struct imap_cur *c, bool uid)
{
    (void)uid;
    return subscribe(s, c, true);
}

static struct reply cmd_unsubscribe(struct session *s, struct imap_cur *c, bool uid)
{
    (void)uid;
    return subscribe(s, c, false);
}

enum status_item { STATUS_MESSAGES = 1, STATUS_RECENT = 2, STATUS_UIDNEXT = 4, STATUS_UIDVALIDITY = 8,
                   STATUS_UNSEEN = 16, STATUS_SIZE = 32, STATUS_DELETED = 64, STATUS_APPENDLIMIT = 128 };
static const struct imap_word status_items[] = {
    { "MESSAGES", STATUS_MESSAGES }, { "RECENT", STATUS_RECENT }, { "UIDNEXT", STATUS_UIDNEXT },
    { "UIDVALIDITY", STATUS_UIDVALIDITY }, { "UNSEEN", STATUS_UNSEEN }, { "SIZE", STATUS_SIZE },
    { "DELETED", STATUS_DELETED }, { "APPENDLIMIT", STATUS_APPENDLIMIT },
};

bool take_status_items(struct imap_cur *c, unsigned *ret)
{
    unsigned items = 0;
    if (!imap_char(c, '('))
        return false;
    while (!imap_char(c, ')')) {
        unsigned bit = imap_word_bit(c, status_items, N_ELEMS(status_items));
        if (bit == 0)
            return false;
        items |= bit;
        (void)imap_sp(c);
    }
    *ret = items;
    return items != 0;
}

static void put_status_items(struct session *s, const struct box_status *st, unsigned items)
{
    const uint64_t values[] = { st->messages, st->recent, st->uidnext, st->uidvalidity, st->unseen, st->vsize,
                                st->deleted, s->conf->message_limit };
    const char *space = "";
    for (size_t i = 0; i < N_ELEMS(status_items); i++)
        if ((items & status_items[i].bit) != 0) {
            buf_printf(out(s), "%s%s %llu", space, status_items[i].word, (unsigned long long)values[i]);
            space = " ";
        }
}

static enum store_result status(struct session *s, struct str name, unsigned items, struct err *err)
{
    struct box_status st = { 0 };
    enum store_result r = store_status(s->store, name, (items & STATUS_SIZE) != 0, &st, err);
    if (r != STORE_OK)
        return r;
    buf_puts(out(s), "* STATUS ");
    imap_put_astring(out(s), name);
    buf_puts(out(s), " (");
    put_status_items(s, &st, items);
    buf_puts(out(s), ")\r\n");
    return STORE_OK;
}

void put_status(struct session *s, struct str name, unsigned items)
{
    struct err err = { 0 };
    (void)status(s, name, items, &err);
}

static struct reply cmd_status(struct session *s, struct imap_cur *c, bool uid)
{
    struct str name;
    struct reply r;
    struct err err = { 0 };
    unsigned items;
    (void)uid;
    if (!take_mailbox(s, c, &name, &r))
        return r;
    if (!imap_sp(c) || !take_status_items(c, &items) || !imap_at_end(c))
        return reply_bad("Invalid status items.");
    return finish(s, status(s, name, items, &err), &err, "Status completed.");
}

static void tell_selected(struct session *s)
{
    const struct box_head *h = box_head(s->box);
    const struct box_msg *msgs = box_msgs(s->box);
    session_tell_keywords(s, true);
    s->told_exists = (uint32_t)box_count(s->box);
    s->told_recent = h->recent;
    buf_printf(out(s), "* %u EXISTS\r\n* %u RECENT\r\n", s->told_exists, s->told_recent);
    for (uint32_t i = 0; i < s->told_exists; i++)
        if ((msgs[i].flags & FLAG_SEEN) == 0) {
            buf_printf(out(s), "* OK [UNSEEN %u] First unseen.\r\n", i + 1);
            break;
        }
    buf_printf(out(s), "* OK [UIDVALIDITY %u] UIDs valid\r\n* OK [UIDNEXT %u] Predicted next UID\r\n", h->uidvalidity,
               h->uidnext);
}

/* RFC 3501 §6.3.1: a failed SELECT leaves no mailbox selected. */
static struct reply do_select(struct session *s, struct imap_cur *c, bool read_only)
{
    struct str name;
    struct reply r;
    struct err err = { 0 };
    if (s->box != NULL)
        buf_puts(out(s), "* OK [CLOSED] Previous mailbox closed.\r\n");
    session_unselect(s);
    if (!only_mailbox(s, c, &name, &r))
        return r;
    enum store_result got = box_open(s->store, name, read_only ? BOX_READ_ONLY : 0, &s->box, &err);
    if (got != STORE_OK) {
        s->box = NULL;
        return reply_store(s, got, &err);
    }
    s->box_name = xcalloc(name.n + 1, 1);
    (void)str_to_fixed(name, s->box_name, name.n + 1);
    if (!read_only && box_is_read_only(s->box)) {
        session_log(s, LOG_WARNING_LEVEL, "Warning: mailbox %s cannot be written to, opened read-only", s->box_name);
        read_only = true;
    }
    s->read_only = read_only;
    s->state = ST_SELECTED;
    tell_selected(s);
    r = reply_ok(read_only ? "[READ-ONLY] Examine completed." : "[READ-WRITE] Select completed.");
    r.no_news = true;
    return r;
}

static struct reply cmd_select(struct session *s, struct imap_cur *c, bool uid)
{
    (void)uid;
    return do_select(s, c, false);
}

static struct reply cmd_examine(struct session *s, struct imap_cur *c, bool uid)
{
    (void)uid;
    return do_select(s, c, true);
}

const struct command *commands_mailbox(void)
{
    enum { ANY = ST_AUTH | ST_SELECTED };
    static const struct command table[] = {
        { "SELECT", ANY, 0, cmd_select },
        { "EXAMINE", ANY, 0, cmd_examine },
        { "CREATE", ANY, 0, cmd_create },
        { "DELETE", ANY, 0, cmd_delete },
        { "RENAME", ANY, 0, cmd_rename },
        { "SUBSCRIBE", ANY, 0, cmd_subscribe },
        { "UNSUBSCRIBE", ANY, 0, cmd_unsubscribe },
        { "STATUS", ANY, 0, cmd_status },
        { "LIST", ANY, 0, cmd_list },
        { "LSUB", ANY, 0, cmd_lsub },
        { "XLIST", ANY, 0, cmd_xlist },
        { "APPEND", ANY, CMD_CHANGES, cmd_append },
        { NULL, 0, 0, NULL },
    };
    return table;
}
