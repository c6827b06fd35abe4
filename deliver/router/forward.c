/* SPDX-License-Identifier: ISC
 *
 * Mail that goes on to other addresses: what Postfix's cleanup does to them,
 * and the message that replaces the recipient. A recipient of a virtual mailbox
 * domain without a mailbox may be an alias too: mail that was made in here
 * (bounces, notices, forwarded mail) has not met virtual_alias_maps before.
 */
#include "proto/qrec.h"
#include "router.h"

bool forward_expand(struct rcpt *r, struct str address, struct expand_list *list)
{
    struct err err = { 0 };
    switch (expand_recipient(router->expand, address, &r->arena, list, &err)) {
    case EXPAND_OK:
        return true;
    case EXPAND_TEMP:
        rcpt_done(r, OUTCOME_DEFERRED, "4.3.0", "alias lookup error for %.*s: %s", STR_FMT(address), err.text);
        return false;
    case EXPAND_TOO_MANY:
        rcpt_done(r, OUTCOME_BOUNCED, "5.4.6", "alias expansion of %.*s does not end", STR_FMT(address));
        return false;
    }
    UNREACHABLE();
}

void forward_to(struct rcpt *r, const struct expand_list *to, struct str sender)
{
    struct arena *a = &r->arena;
    char id[33];
    if (!orders_take_id(id, a)) {
        rcpt_done(r, OUTCOME_DEFERRED, "4.3.0", "no queue id for forwarding");
        return;
    }
    struct buf envelope = buf_make(1 << 20), prepend = buf_make(8000), line = buf_make(2000);
    qrec_put_attr(&envelope, "rewrite_context", STR("local"));
    qrec_put_attr(&envelope, "message_origin", STR("local"));
    qrec_put(&envelope, QREC_SENDER, sender);
    for (size_t i = 0; i < to->addrs.n; i++)
        qrec_put(&envelope, QREC_RCPT, to->addrs.p[i]);
    buf_printf(&line, "Delivered-To: %.*s", STR_FMT(r->address));
    qrec_put_line(&prepend, buf_str(&line), true);
    r->replace = ARENA_NEW(a, struct ipc_replace);
    *r->replace = (struct ipc_replace){
        .job = r->order->d.job, .n = r->n, .queue_id = str_dup(a, str_from(id)), .text = str_printf(a, "forwarded as %s", id),
        .n_rcpt = (uint32_t)to->addrs.n, .envelope = str_dup(a, buf_str(&envelope)), .prepend = str_dup(a, buf_str(&prepend)),
    };
    rcpt_done(r, OUTCOME_FORWARDED, "2.0.0", "forwarded as %s", id);
    buf_done(&envelope);
    buf_done(&prepend);
    buf_done(&line);
}
