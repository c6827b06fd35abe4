/* SPDX-License-Identifier: ISC
 *
 * virtual(8): mailboxes of virtual_mailbox_domains. One table says where the
 * mailbox is, two say whose it is; nobody has to be in the user database.
 */
#include "base/num.h"
#include "router.h"

static bool find_number(struct rcpt *r, struct map_list *maps, const char *what, uint32_t least, uint32_t def, bool has_def, uint32_t *ret)
{
    struct err err = { 0 };
    struct str value, ext;
    if (map_list_is_empty(maps) && has_def) {
        *ret = def;
        return true;
    }
    switch (map_list_get_address(maps, r->address, router->conf.recipient_delimiter, false, &r->arena, &value, &ext, &err)) {
    case MAP_FOUND:
        if (num_parse_u32(str_trim(value), UINT32_MAX, ret) && *ret >= least && (*ret != 0 || has_def))
            return true;
        rcpt_done(r, OUTCOME_DEFERRED, "4.3.5", "mail system configuration error: bad %s for %.*s", what, STR_FMT(r->address));
        return false;
    case MAP_NONE:
        rcpt_done(r, OUTCOME_DEFERRED, "4.3.5", "mail system configuration error: no %s for %.*s", what, STR_FMT(r->address));
        return false;
    case MAP_TEMP:
        break;
    }
    rcpt_done(r, OUTCOME_DEFERRED, "4.3.0", "%s lookup error for %.*s: %s", what, STR_FMT(r->address), err.text);
    return false;
}

/* The path below virtual_mailbox_base; ".." never gets that far. */
static bool mailbox_path(struct rcpt *r, struct str value, struct str *ret)
{
    struct str part, rest = value;
    bool bad = str_is_empty(value) || str_chr(value, '\0') >= 0;
    while (!bad && str_token(&rest, "/", &part))
        bad = str_eqz(part, "..");
    const char *base = router->conf.mailbox_base;
    if (base[0] == '\0')
        *ret = value;
    else
        *ret = str_printf(&r->arena, "%s/%.*s", base, STR_FMT(value));
    bad = bad || ret->p[0] != '/';
    if (bad)
        rcpt_done(r, OUTCOME_DEFERRED, "4.3.5", "mail system configuration error: bad mailbox \"%.*s\"", STR_FMT(value));
    return !bad;
}

/* No mailbox: an alias, or nobody. */
static void alias_or_unknown(struct rcpt *r)
{
    struct expand_list to = { 0 };
    if (forward_expand(r, r->address, &to)) {
        bool itself = to.addrs.n == 0 || (to.addrs.n == 1 && str_ieq(to.addrs.p[0], r->address));
        if (itself)
            rcpt_done(r, OUTCOME_BOUNCED, "5.1.1", "unknown user: \"%.*s\"", STR_FMT(r->address));
        else
            forward_to(r, &to, r->order->d.sender);
    }
    vec_done(&to.addrs);
}

static bool find_mailbox(struct rcpt *r, struct str *ret_path)
{
    struct err err = { 0 };
    struct str value, ext;
    switch (map_list_get_address(router->mailbox_maps, r->address, router->conf.recipient_delimiter, false, &r->arena, &value, &ext, &err)) {
    case MAP_FOUND:
        return mailbox_path(r, str_trim(value), ret_path);
    case MAP_NONE:
        alias_or_unknown(r);
        return false;
    case MAP_TEMP:
        break;
    }
    rcpt_done(r, OUTCOME_DEFERRED, "4.3.0", "virtual_mailbox_maps lookup error: %s", err.text);
    return false;
}

void deliver_virtual(struct rcpt *r)
{
    struct err err = { 0 };
    struct str path;
    struct act_user user = { .name = "", .home = "/" };
    bool own = router->private_instance;
    int loop = message_has_delivered_to(r->order, r->address, &err);
    if (loop != 0) {
        if (loop > 0)
            rcpt_done(r, OUTCOME_BOUNCED, "5.4.6", "mail forwarding loop for %.*s", STR_FMT(r->address));
        else
            rcpt_done(r, OUTCOME_DEFERRED, "4.3.0", "%s", err.text);
        return;
    }
    if (!find_mailbox(r, &path)
        || !find_number(r, router->uid_maps, "virtual_uid_maps", own ? 0 : router->conf.minimum_uid, router->own_uid, own, &user.uid)
        || !find_number(r, router->gid_maps, "virtual_gid_maps", 0, router->own_gid, own, &user.gid))
        return;
    if (router->conf.virtual_limit > 0 && r->order->d.content_size > router->conf.virtual_limit) {
        rcpt_done(r, OUTCOME_BOUNCED, "5.2.2", "message is larger than virtual_mailbox_limit");
        return;
    }
    bool maildir = path.p[path.n - 1] == '/';
    struct ipc_action a = {
        .kind = maildir ? ACTION_MAILDIR : ACTION_MBOX, .path = maildir ? str_head(path, path.n - 1) : path,
        .headers = message_headers(r, r->address), .limit = router->conf.virtual_limit, .file = -1,
    };
    act_and_done(r, &user, &a);
}
