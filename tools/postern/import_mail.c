/* SPDX-License-Identifier: ISC
 *
 * Where mail is, and which mailboxes have a purpose.
 */
#include "import.h"

/* "maildir:PATH:LAYOUT=fs:INDEX=PATH" into what imapd and pop3d read of it. */
void import_location(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    struct str rest = n->value, option, driver;
    struct buf b = buf_make(0);
    if (!str_cut(rest, ':', &driver, &rest)) {
        driver = STR("maildir");
        rest = n->value;
    }
    bool mbox = str_eqz(driver, "mbox");
    if (n->value.n == 0 || (!mbox && !str_eqz(driver, "maildir"))) {
        import_note(im, IMPORT_DECIDE, n, "only maildir and mbox are read: convert the mail with dsync (doveadm) before the switch, keeping UIDs");
        return;
    }
    (void)str_cut(rest, ':', &option, &rest);
    buf_printf(&b, "%.*s:%.*s", STR_FMT(driver), STR_FMT(option));
    while (str_token(&rest, ":", &option)) {
        if (mbox && str_starts(option, STR("INBOX=")))
            buf_printf(&b, ":%.*s", STR_FMT(option));
        else if (str_eqz(option, "LAYOUT=fs") && !mbox)
            import_note_of(im, IMPORT_DECIDE, n, option, "folders are looked for as .A.B, not as A/B: convert the layout before the switch, or users see the inbox only");
        else if (str_starts(option, STR("LAYOUT=")) && !str_eqz(option, "LAYOUT=maildir++") && !(mbox && str_eqz(option, "LAYOUT=fs")))
            import_note_of(im, IMPORT_DECIDE, n, option, "this layout of folders is not read");
        else if (str_starts(option, STR("CONTROL=")))
            import_note_of(im, IMPORT_DECIDE, n, option, "UIDs are kept beside the mail: move dovecot-uidlist of each mailbox there, or clients download everything again");
        else if (str_starts(option, STR("INBOX=")))
            import_note_of(im, IMPORT_DECIDE, n, option, "the inbox is the Maildir itself");
        else if (!str_starts(option, STR("LAYOUT=")))
            import_note_of(im, IMPORT_NO_EFFECT, n, option, "the index lies beside the mail, and is made anew");
    }
    import_set(im, "postern_mail_location", buf_str(&b), n);
    buf_done(&b);
}

/* The second generation's mail_driver, mail_path, mail_inbox_path. */
void import_mail_end(struct import *im)
{
    const struct dovecot_tree *t = &im->tree;
    const struct dovecot_node *driver = dovecot_find(t, SIZE_MAX, "mail_driver"), *path = dovecot_find(t, SIZE_MAX, "mail_path");
    const struct dovecot_node *inbox = dovecot_find(t, SIZE_MAX, "mail_inbox_path"), *layout = dovecot_find(t, SIZE_MAX, "mailbox_list_layout");
    if (path == NULL && driver == NULL)
        return;
    bool mbox = driver != NULL && str_eqz(driver->value, "mbox");
    if (driver != NULL && !mbox && !str_eqz(driver->value, "maildir")) {
        import_note(im, IMPORT_DECIDE, driver, "only maildir and mbox are read: convert the mail with dsync (doveadm) before the switch, keeping UIDs");
        return;
    }
    struct str where = path == NULL ? mbox ? STR("~/mail") : STR("~/Maildir") : path->value;
    struct str value = str_printf(im->arena, "%s:%.*s", mbox ? "mbox" : "maildir", STR_FMT(where));
    if (mbox && inbox != NULL)
        value = str_printf(im->arena, "%.*s:INBOX=%.*s", STR_FMT(value), STR_FMT(inbox->value));
    else if (inbox != NULL && path != NULL && !str_eq(inbox->value, path->value))
        import_note(im, IMPORT_DECIDE, inbox, "the inbox is the Maildir itself");
    if (!mbox && layout != NULL && !str_eqz(layout->value, "maildir++"))
        import_note(im, IMPORT_DECIDE, layout, "folders are looked for as .A.B: convert the layout before the switch, or users see the inbox only");
    import_set(im, "postern_mail_location", value, path == NULL ? driver : path);
}

/* mailbox Sent { special_use = \Sent } */
static void mailbox(struct import *im, size_t at, struct buf *uses)
{
    const struct dovecot_tree *t = &im->tree;
    for (size_t i = at + 1; i < t->nodes[at].end; i = t->nodes[i].end) {
        const struct dovecot_node *n = &t->nodes[i];
        if (str_eqz(n->name, "special_use") && n->value.n > 0) {
            struct str rest = n->value, use;
            if (str_token(&rest, " \t", &use))
                buf_printf(uses, "%s%.*s=%.*s", uses->n > 0 ? ", " : "", STR_FMT(t->nodes[at].arg), STR_FMT(use));
        } else if ((str_eqz(n->name, "auto") || str_eqz(n->name, "mailbox_auto")) && !str_eqz(n->value, "no")) {
            import_note_of(im, IMPORT_DIFFERS, n, str_printf(im->arena, "mailbox %.*s: auto = %.*s", STR_FMT(t->nodes[at].arg), STR_FMT(n->value)),
                           "it is not made by itself: clients make their mailboxes");
        } else if (str_starts(n->name, STR("autoexpunge")) || str_starts(n->name, STR("mailbox_autoexpunge"))) {
            import_note(im, IMPORT_DIFFERS, n, "old mail is not deleted by itself");
        } else if (!str_eqz(n->name, "driver")) {
            import_note(im, IMPORT_NO_EFFECT, n, "only special_use is read of a mailbox");
        }
    }
}

static void namespace_setting(struct import *im, const struct dovecot_node *n, bool private)
{
    bool differs = false;
    if (str_eqz(n->name, "prefix") && n->value.n > 0 && private)
        import_note(im, IMPORT_DECIDE, n, "names have no prefix here: clients that know mailboxes as PREFIX.NAME look for them anew (downloads start over for these)");
    else if (str_eqz(n->name, "separator") && n->value.n > 0 && !str_eqz(n->value, "."))
        differs = true;
    else if ((str_eqz(n->name, "location") || str_eqz(n->name, "mail_path")) && n->value.n > 0)
        import_note(im, IMPORT_DECIDE, n, "all mail of a user is at postern_mail_location");
    else if (str_eqz(n->name, "subscriptions") && !dovecot_is_yes(n->value))
        import_note(im, IMPORT_DIFFERS, n, "subscriptions are kept with the mail");
    if (differs)
        import_note(im, IMPORT_DIFFERS, n, "the separator of names is '.': the mail is where it was, but clients see A.B where they saw A/B");
}

void import_namespace(struct import *im, size_t at)
{
    const struct dovecot_tree *t = &im->tree;
    const struct dovecot_node *type = dovecot_find(t, at, "type"), *disabled = dovecot_find(t, at, "disabled");
    bool private = type == NULL || str_eqz(type->value, "private");
    if (disabled != NULL && dovecot_is_yes(disabled->value))
        return;
    if (!private) {
        import_note(im, IMPORT_DECIDE, &t->nodes[at], "shared and public mailboxes are not served");
        return;
    }
    struct buf uses = buf_make(0);
    for (size_t i = at + 1; i < t->nodes[at].end; i = t->nodes[i].end) {
        if (t->nodes[i].is_section && str_eqz(t->nodes[i].name, "mailbox"))
            mailbox(im, i, &uses);
        else
            namespace_setting(im, &t->nodes[i], private);
    }
    if (uses.n > 0)
        import_set(im, "mailbox_special_use", buf_str(&uses), &t->nodes[at]);
    buf_done(&uses);
}

/* ---- LMTP ---- */

static struct str param(const struct import *im, const char *name)
{
    for (size_t i = 0; i < im->params.n; i++)
        if (strcmp(im->params.p[i].name, name) == 0)
            return im->params.p[i].value;
    return STR("");
}

/* Who is there, whose mail it is and where it is, the userdbs say, over a socket of this instance. */
static void lmtp_tables(struct import *im)
{
    static const char socket[] = "unix:private/auth-userdb";
    struct str listeners = param(im, "postern_auth_listeners"), uid = im->uid.n > 0 ? im->uid : param(im, "postern_mail_uid");
    uint32_t u = 0;
    if (listeners.n > 0 && str_find(listeners, str_from(socket)) < 0)
        import_set(im, "postern_auth_listeners", str_printf(im->arena, "%.*s, %s", STR_FMT(listeners), socket), NULL);
    import_set(im, "virtual_mailbox_domains", STR("static:all"), NULL);
    import_set(im, "virtual_mailbox_maps", str_printf(im->arena, "userdb:%s:mailbox", socket), NULL);
    import_set(im, "virtual_uid_maps", str_printf(im->arena, "userdb:%s:uid", socket), NULL);
    import_set(im, "virtual_gid_maps", str_printf(im->arena, "userdb:%s:gid", socket), NULL);
    if (import_uid(uid, false, &u) && u > 0 && u < 100)
        import_set(im, "virtual_minimum_uid", str_printf(im->arena, "%u", u), NULL);
    if (param(im, "recipient_delimiter").n == 0)
        import_set(im, "recipient_delimiter", STR("+"), NULL);
}

void import_lmtp_end(struct import *im)
{
    if (str_find(param(im, "postern_mailbox_services"), STR("lmtp")) < 0)
        return;
    if (im->own_instance && str_starts(param(im, "postern_mail_location"), STR("maildir:")))
        lmtp_tables(im);
    else
        import_note_of(im, IMPORT_DECIDE, NULL, STR("LMTP"),
                       "it delivers as main.cf says: set virtual_mailbox_domains, and virtual_mailbox_maps, virtual_uid_maps and virtual_gid_maps to "
                       "userdb:unix:private/auth-userdb:mailbox, :uid and :gid (virtual users), or mydestination and home_mailbox (users of the system)");
}
