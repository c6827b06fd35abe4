/* SPDX-License-Identifier: ISC
 *
 * Actions that end in a mailbox.
 */
#include <errno.h>
#include "actor.h"
#include "store/deliver.h"
#include "store/mbox.h"

void action_failed(struct action_result *r, const char *what, const struct err *err)
{
    bool full = err->sys == EDQUOT || err->sys == EFBIG;
    r->outcome = full ? OUTCOME_BOUNCED : OUTCOME_DEFERRED;
    r->dsn = full ? "5.2.2" : err->sys == EACCES || err->sys == EPERM || err->sys == ENOSPC || err->sys == EROFS ? "4.3.0" : "4.2.0";
    buf_reset(&r->text);
    buf_printf(&r->text, "%s delivery failed: %s", what, err->text);
}

static int write_piece(void *arg, struct str piece, struct err *err) { return deliver_write(arg, piece, err); }

/* Letters and digits only: the router's queue id is, but it is part of a file name here. */
static bool make_token(const struct ipc_action *a, char *token, size_t cap)
{
    for (size_t i = 0; i < a->queue_id.n; i++)
        if (!ascii_is_alnum(a->queue_id.p[i]))
            return false;
    int n = snprintf(token, cap, "%llxI%.*sR%u", (unsigned long long)a->arrival_us, STR_FMT(a->queue_id), a->n);
    return n > 0 && (size_t)n < cap;
}

void action_maildir_end(int rc, const struct err *err, struct action_result *r)
{
    if (rc < 0) {
        action_failed(r, "maildir", err);
        return;
    }
    r->outcome = OUTCOME_SENT;
    r->dsn = "2.0.0";
    buf_puts(&r->text, "delivered to maildir");
}

void action_maildir_begin(const struct ipc_action *a, struct deliver **ret, struct action_result *r)
{
    struct err err = { 0 };
    char path[4097], token[100];
    struct deliver *d = NULL;
    bool done = false;
    int rc = str_to_fixed(a->path, path, sizeof(path)) && make_token(a, token, sizeof(token)) ? 0
           : err_set(&err, ERR_PERM, "bad path or queue id");
    if (rc == 0)
        rc = deliver_open(path, token, a->maybe_done, &d, &done, &err);
    if (rc == 0 && !done)
        rc = content_each(a, write_piece, d, &err);
    *ret = d;
    if (rc == 0 && !done)
        return;
    deliver_free(d);
    *ret = NULL;
    action_maildir_end(rc, &err, r);
}

static int collect(void *arg, struct str piece, struct err *err)
{
    struct buf *out = arg;
    buf_add(out, piece);
    return out->full ? err_set(err, ERR_LIMIT, "message is too large for a mailbox file") : 0;
}

void action_mbox(const struct ipc_action *a, struct action_result *r)
{
    enum { MBOX_MESSAGE_MAX = 1 << 30, LOCK_SECONDS = 30 };
    struct err err = { 0 };
    char path[4097];
    struct buf text = buf_make(MBOX_MESSAGE_MAX), from = buf_make(2048);
    int rc = str_to_fixed(a->path, path, sizeof(path)) ? 0 : err_set(&err, ERR_PERM, "bad path");
    if (rc == 0)
        rc = content_each(a, collect, &text, &err);
    if (rc == 0) {
        mbox_from_line(&from, a->sender, 0);
        rc = mbox_append(path, buf_str(&from), buf_str(&text), LOCK_SECONDS, a->limit, &err);
    }
    buf_done(&text);
    buf_done(&from);
    if (rc < 0) {
        action_failed(r, "mailbox", &err);
        return;
    }
    r->outcome = OUTCOME_SENT;
    r->dsn = "2.0.0";
    buf_puts(&r->text, "delivered to mailbox");
}
