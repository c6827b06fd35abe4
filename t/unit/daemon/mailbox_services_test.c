/* SPDX-License-Identifier: ISC */
#include "base/buf.h"
#include "daemon/mailbox_services.h"
#include "tap.h"

static const struct { const char *name, *text, *want; } good[] = {
    { "nothing", "", "" },
    { "the usual ones", "imap imaps, pop3\tpop3s", "imap imap-login inet::143;imaps tls-proxy inet::993;pop3 pop3-login inet::110;pop3s tls-proxy inet::995;" },
    { "LMTP for a Postfix", "dovecot-lmtp", "dovecot-lmtp lmtpd unix:private/dovecot-lmtp;" },
    { "auth is always there", "auth, imaps", "imaps tls-proxy inet::993;" },
    { "another port", "{ imaps, port=10993 }", "imaps tls-proxy inet::10993;" },
    { "an address", "{ pop3s, address=127.0.0.1 }", "pop3s tls-proxy inet:127.0.0.1:995;" },
    { "an IPv6 address, with and without brackets", "{imap address=::1} {imap address=[::2] port=1143}", "imap imap-login inet:[::1]:143;imap imap-login inet:[::2]:1143;" },
    { "one name on two ports", "imap, { imap, port=1143 }", "imap imap-login inet::143;imap imap-login inet::1143;" },
    { "LMTP on a port", "{ lmtp, address=127.0.0.1 }", "lmtp lmtpd inet:127.0.0.1:24;" },
    { "a socket in another queue, with its owner", "{ dovecot-lmtp, path=/var/spool/postfix/private/dovecot-lmtp, mode=0600, user=postfix, group=mail }",
      "dovecot-lmtp lmtpd unix:/var/spool/postfix/private/dovecot-lmtp 600 postfix mail;" },
};

static const struct { const char *name, *text, *want; } bad[] = {
    { "an unknown service", "imap gopher", "\"gopher\" is an unknown service" },
    { "a port that is none", "{ imap, port=0 }", "\"port=0\" is none of" },
    { "a port over 65535", "{ imap, port=65536 }", "is none of" },
    { "a name for an address", "{ imap, address=localhost }", "\"address=localhost\" is none of" },
    { "an owner for a port", "{ imap, user=root }", "\"user=root\" is none of" },
    { "a port for a path", "{ dovecot-lmtp, port=24 }", "\"port=24\" is none of path" },
    { "a mode that is none", "{ dovecot-lmtp, mode=rw }", "\"mode=rw\" is none of" },
    { "a path upwards", "{ dovecot-lmtp, path=../x }", "is none of" },
    { "an option without a value", "{ imap, port }", "\"port\" is none of" },
    { "a socket twice", "imap { imap, port=143 }", "\"inet::143\" is there twice" },
    { "empty braces", "{ }", "names no service" },
    { "a brace that does not fit", "{ imap", "brace" },
    { "auth with options", "{ auth, port=1 }", "unknown service" },
};

static void flat(const struct mailbox_service *s, struct buf *out)
{
    buf_printf(out, "%s %s %s", s->name, s->command, s->socket);
    if (s->mode != 0)
        buf_printf(out, " %o %s %s", s->mode, s->user, s->group);
    buf_puts(out, ";");
}

int main(void)
{
    struct mailbox_service rows[MAILBOX_SERVICES_MAX];
    size_t n;
    for (size_t i = 0; i < N_ELEMS(good); i++) {
        struct arena a = arena_make(1 << 20);
        struct err err = { 0 };
        struct buf b = buf_make(0);
        bool ok = mailbox_services_parse(str_from(good[i].text), &a, rows, &n, &err) == 0;
        for (size_t k = 0; ok && k < n; k++)
            flat(&rows[k], &b);
        OK(ok && str_eqz(buf_str(&b), good[i].want), good[i].name);
        if (!ok || !str_eqz(buf_str(&b), good[i].want))
            printf("# %s %s\n", buf_cstr(&b), err.text);
        buf_done(&b);
        arena_done(&a);
    }
    for (size_t i = 0; i < N_ELEMS(bad); i++) {
        struct arena a = arena_make(1 << 20);
        struct err err = { 0 };
        bool refused = mailbox_services_parse(str_from(bad[i].text), &a, rows, &n, &err) < 0;
        OK(refused && strstr(err.text, bad[i].want) != NULL && strncmp(err.text, "postern_mailbox_services: ", 26) == 0, bad[i].name);
        if (refused && strstr(err.text, bad[i].want) == NULL)
            printf("# %s\n", err.text);
        arena_done(&a);
    }
    return tap_done();
}
