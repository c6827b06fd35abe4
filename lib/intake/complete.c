/* SPDX-License-Identifier: ISC */
#include "intake/complete.h"
#include "proto/addr.h"
#include "proto/smtp_path.h"

static const struct str fields[] = {
    STR_INIT("From"), STR_INIT("To"), STR_INIT("Cc"), STR_INIT("Sender"), STR_INIT("Reply-To"),
    STR_INIT("Resent-From"), STR_INIT("Resent-To"), STR_INIT("Resent-Cc"), STR_INIT("Resent-Sender"), STR_INIT("Resent-Reply-To"),
};

static bool has_addresses(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(fields); i++)
        if (str_ieq(name, fields[i]))
            return true;
    return false;
}

static bool is_short(const struct addr *a)
{
    return a->kind == ADDR_MAILBOX && !a->cut && a->local.n > 0 && a->domain.n == 0 && a->route.n == 0 && !smtp_local_needs_quotes(a->local);
}

/* Is there one to complete, and none that could not be written again? */
static bool wants_work(struct str value)
{
    struct addr_parser p = addr_parser_make(value);
    struct addr a;
    bool any = false, odd = false;
    while (addr_next(&p, &a)) {
        any = any || is_short(&a);
        odd = odd || (a.kind == ADDR_MAILBOX && !is_short(&a) && (a.bad || a.cut || a.domain.n == 0));
    }
    addr_parser_done(&p);
    return any && !odd;
}

/* A display name: as it is when it consists of atoms, else quoted. */
static void put_name(struct buf *out, struct str name)
{
    bool plain = true;
    for (size_t i = 0; i < name.n; i++)
        plain = plain && (ascii_is_alnum(name.p[i]) || (unsigned char)name.p[i] >= 0x80 || strchr(" !#$%&'*+-/=?^_`{|}~", name.p[i]) != NULL) && name.p[i] != '\0';
    if (plain) {
        buf_add(out, name);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"' || name.p[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, (unsigned char)name.p[i] < 0x20 ? ' ' : name.p[i]);
    }
    buf_putc(out, '"');
}

static void put_mailbox(struct buf *out, const struct addr *a, struct str domain)
{
    if (a->angle && a->has_name) {
        put_name(out, a->name);
        buf_putc(out, ' ');
    }
    if (a->angle)
        buf_putc(out, '<');
    addr_put_spec(out, a);
    if (is_short(a)) {
        buf_putc(out, '@');
        buf_add(out, domain);
    }
    if (a->angle)
        buf_putc(out, '>');
    else if (a->has_name)
        buf_printf(out, " (%.*s)", STR_FMT(a->name));
}

static void put_list(struct buf *out, struct str value, struct str domain)
{
    struct addr_parser p = addr_parser_make(value);
    struct addr a;
    const char *before = "";
    while (addr_next(&p, &a)) {
        if (a.kind == ADDR_GROUP_END) {
            buf_putc(out, ';');
            before = ",\n\t";
            continue;
        }
        buf_puts(out, before);
        if (a.kind == ADDR_GROUP) {
            put_name(out, a.name);
            buf_putc(out, ':');
            before = " ";
            continue;
        }
        put_mailbox(out, &a, domain);
        before = ",\n\t";
    }
    addr_parser_done(&p);
}

bool complete_field(struct str field, struct str domain, struct buf *out)
{
    struct str name, value;
    if (!str_cut(field, ':', &name, &value) || !has_addresses(str_trim(name)) || !wants_work(value))
        return false;
    buf_printf(out, "%.*s: ", STR_FMT(str_trim(name)));
    put_list(out, value, domain);
    return true;
}
