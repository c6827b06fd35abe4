/* SPDX-License-Identifier: ISC */
#include "intake/expand.h"
#include "proto/addr.h"
#include "proto/smtp_path.h"

enum { CANONICAL_ROUNDS = 100 };
/* canonical_classes and its like; propagate_unmatched_extensions. */
enum class_bits { ENVELOPE_SENDER = 1, ENVELOPE_RECIPIENT = 2, HEADER_SENDER = 4, HEADER_RECIPIENT = 8 };
enum extension_bits { EXT_CANONICAL = 1, EXT_VIRTUAL = 2, EXT_NOWHERE = 4 };

struct expand {
    const struct intake_conf *conf;
    const struct resolve_conf *rconf;
    struct resolve *resolve;
    struct map_list *canonical, *sender_canonical, *recipient_canonical, *aliases;
    struct map_list *local_rcpt, *relay_rcpt, *mailboxes, *sender_bcc, *recipient_bcc;
    unsigned canonical_bits, sender_canonical_bits, recipient_canonical_bits, masquerade_bits;  /* enum class_bits */
    unsigned extension_bits;
};

struct word_bit { const char *word; unsigned bit; };

static int read_bits(const char *param, const char *text, const struct word_bit *known, size_t n, unsigned *ret, struct err *err)
{
    struct str rest = str_from(text), word;
    *ret = 0;
    while (str_token(&rest, ", \t\r\n", &word)) {
        unsigned bit = 0;
        for (size_t i = 0; i < n; i++)
            bit |= str_ieqz(word, known[i].word) ? known[i].bit : 0;
        if (bit == 0)
            return err_set(err, ERR_CONFIG, "%s: unknown word \"%.*s\"", param, STR_FMT(word));
        *ret |= bit;
    }
    return 0;
}

static int read_classes(struct expand *x, struct err *err)
{
    static const struct word_bit classes[] = {
        { "envelope_sender", ENVELOPE_SENDER }, { "envelope_recipient", ENVELOPE_RECIPIENT },
        { "header_sender", HEADER_SENDER }, { "header_recipient", HEADER_RECIPIENT },
    };
    /* Extensions go into nothing that local delivery expands: those words are known, and without effect. */
    static const struct word_bit tables[] = {
        { "canonical", EXT_CANONICAL }, { "virtual", EXT_VIRTUAL }, { "alias", EXT_NOWHERE }, { "forward", EXT_NOWHERE },
        { "include", EXT_NOWHERE }, { "generic", EXT_NOWHERE },
    };
    const struct { const char *param, *text; const struct word_bit *known; size_t n; unsigned *ret; } rows[] = {
        { "canonical_classes", x->conf->canonical_classes, classes, N_ELEMS(classes), &x->canonical_bits },
        { "sender_canonical_classes", x->conf->sender_canonical_classes, classes, N_ELEMS(classes), &x->sender_canonical_bits },
        { "recipient_canonical_classes", x->conf->recipient_canonical_classes, classes, N_ELEMS(classes), &x->recipient_canonical_bits },
        { "masquerade_classes", x->conf->masquerade_classes, classes, N_ELEMS(classes), &x->masquerade_bits },
        { "propagate_unmatched_extensions", x->conf->propagate_extensions, tables, N_ELEMS(tables), &x->extension_bits },
    };
    for (size_t i = 0; i < N_ELEMS(rows); i++)
        if (read_bits(rows[i].param, rows[i].text, rows[i].known, rows[i].n, rows[i].ret, err) < 0)
            return -1;
    return 0;
}

struct expand *expand_open(const struct intake_conf *conf, const struct resolve_conf *rconf, struct resolve *resolve, struct config *config, struct err *err)
{
    struct expand *x = xcalloc(1, sizeof *x);
    *x = (struct expand){ .conf = conf, .rconf = rconf, .resolve = resolve };
    const struct { struct map_list **slot; const char *specs; } lists[] = {
        { &x->canonical, conf->canonical_maps }, { &x->sender_canonical, conf->sender_canonical_maps },
        { &x->recipient_canonical, conf->recipient_canonical_maps }, { &x->aliases, rconf->virtual_alias_maps },
        { &x->local_rcpt, conf->local_recipient_maps }, { &x->relay_rcpt, conf->relay_recipient_maps },
        { &x->mailboxes, rconf->virtual_mailbox_maps }, { &x->sender_bcc, conf->sender_bcc_maps },
        { &x->recipient_bcc, conf->recipient_bcc_maps },
    };
    for (size_t i = 0; i < N_ELEMS(lists); i++)
        if ((*lists[i].slot = map_list_open(lists[i].specs, 0, config, err)) == NULL) {
            expand_close(x);
            return NULL;
        }
    if (read_classes(x, err) == 0)
        return x;
    expand_close(x);
    return NULL;
}

void expand_close(struct expand *x)
{
    if (x == NULL)
        return;
    struct map_list *const all[] = { x->canonical, x->sender_canonical, x->recipient_canonical, x->aliases, x->local_rcpt,
                                     x->relay_rcpt, x->mailboxes, x->sender_bcc, x->recipient_bcc };
    for (size_t i = 0; i < N_ELEMS(all); i++)
        if (all[i] != NULL)
            map_list_free(all[i]);
    free(x);
}

/* Is the domain one for which "user" alone is looked up too: myorigin or one of ours? */
static enum expand_result bare_user_counts(struct expand *x, struct str address, bool *ret, struct err *err)
{
    struct str local, domain;
    enum address_class class;
    smtp_address_split(address, &local, &domain);
    *ret = true;
    if (domain.n == 0 || str_ieqz(domain, x->rconf->myorigin))
        return EXPAND_OK;
    if (resolve_domain_class(x->resolve, domain, &class, err) == RESOLVE_TEMP)
        return EXPAND_TEMP;
    *ret = class == CLASS_LOCAL;
    return EXPAND_OK;
}

static enum expand_result find(struct expand *x, struct map_list *maps, struct str address, struct arena *a, struct str *ret_value, struct str *ret_ext,
                               bool *ret_hit, struct err *err)
{
    bool bare;
    *ret_hit = false;
    if (map_list_is_empty(maps))
        return EXPAND_OK;
    if (bare_user_counts(x, address, &bare, err) == EXPAND_TEMP)
        return EXPAND_TEMP;
    *ret_ext = STR("");
    enum map_result m = map_list_get_address(maps, address, x->rconf->recipient_delimiter, bare, a, ret_value, ret_ext, err);
    *ret_hit = m == MAP_FOUND;
    return m == MAP_TEMP ? EXPAND_TEMP : EXPAND_OK;
}

/* "@other" on the right keeps the user part; an extension that the key left out is put back. */
static struct str adopt(struct expand *x, struct str value, struct str orig, struct str ext, struct arena *a)
{
    struct str local, domain, orig_local, orig_domain;
    value = str_trim(value);
    smtp_address_split(orig, &orig_local, &orig_domain);
    if (value.n > 1 && value.p[0] == '@')
        return resolve_rewrite(x->resolve, str_printf(a, "%.*s%.*s", STR_FMT(orig_local), STR_FMT(value)), a);
    smtp_address_split(value, &local, &domain);
    if (ext.n > 0)
        value = str_printf(a, "%.*s%.*s%s%.*s", STR_FMT(local), STR_FMT(ext), domain.n > 0 ? "@" : "", STR_FMT(domain));
    return resolve_rewrite(x->resolve, value, a);
}

/* Until a round changes nothing. */
static enum expand_result canonical(struct expand *x, struct map_list *maps, struct str *address, struct arena *a, struct err *err)
{
    for (int round = 0; round < CANONICAL_ROUNDS; round++) {
        struct str value, ext;
        bool hit;
        if (find(x, maps, *address, a, &value, &ext, &hit, err) == EXPAND_TEMP)
            return EXPAND_TEMP;
        struct str now = hit ? adopt(x, value, *address, (x->extension_bits & EXT_CANONICAL) != 0 ? ext : STR(""), a) : *address;
        bool same = str_ieq(now, *address);
        *address = now;
        if (same)
            return EXPAND_OK;
    }
    (void)err_set(err, ERR_CONFIG, "canonical tables: %.*s never comes to an end", STR_FMT(*address));
    return EXPAND_TOO_MANY;
}

static struct str masquerade(struct expand *x, struct str address, struct arena *a)
{
    struct str local, domain, rest = str_from(x->conf->masquerade_domains), word;
    if (rest.n == 0)
        return address;
    smtp_address_split(address, &local, &domain);
    struct str users = str_from(x->conf->masquerade_exceptions);
    while (str_token(&users, ", \t\r\n", &word))
        if (str_ieq(word, local))
            return address;
    while (str_token(&rest, ", \t\r\n", &word)) {
        bool except = word.p[0] == '!';
        word = str_skip(word, except);
        bool below = domain.n > word.n && str_iends(domain, word) && domain.p[domain.n - word.n - 1] == '.';
        if (str_ieq(domain, word))
            return address;
        if (below)
            return except ? address : str_printf(a, "%.*s@%.*s", STR_FMT(local), STR_FMT(word));
    }
    return address;
}

/* The rewriting that one address goes through; bit: what it is. */
static enum expand_result rewrite(struct expand *x, unsigned bit, struct str *address, struct arena *a, struct err *err)
{
    const struct { struct map_list *maps; unsigned bits; } tables[] = {
        { x->sender_canonical, x->sender_canonical_bits & (ENVELOPE_SENDER | HEADER_SENDER) },
        { x->recipient_canonical, x->recipient_canonical_bits & (ENVELOPE_RECIPIENT | HEADER_RECIPIENT) },
        { x->canonical, x->canonical_bits },
    };
    for (size_t i = 0; i < N_ELEMS(tables); i++) {
        enum expand_result r = (tables[i].bits & bit) == 0 ? EXPAND_OK : canonical(x, tables[i].maps, address, a, err);
        if (r != EXPAND_OK)
            return r;
    }
    if ((x->masquerade_bits & bit) != 0)
        *address = masquerade(x, *address, a);
    return EXPAND_OK;
}

enum expand_result expand_sender(struct expand *x, struct str address, struct arena *a, struct str *ret, struct err *err)
{
    struct str out = resolve_rewrite(x->resolve, address, a);
    enum expand_result r = out.n == 0 ? EXPAND_OK : rewrite(x, ENVELOPE_SENDER, &out, a, err);
    if (r == EXPAND_OK)
        *ret = out;
    return r;
}

enum expand_result expand_header(struct expand *x, enum header_context context, enum addr_role role, struct str address, struct arena *a, struct str *ret,
                                 struct err *err)
{
    struct str out = context == HEADER_LOCAL ? resolve_rewrite(x->resolve, address, a)
                                             : resolve_rewrite_with(x->resolve, address, str_from(x->conf->remote_rewrite_domain), a);
    enum expand_result r = rewrite(x, role == ADDR_ROLE_SENDER ? HEADER_SENDER : HEADER_RECIPIENT, &out, a, err);
    if (r == EXPAND_OK)
        *ret = out;
    return r;
}

static bool has(const struct expand_list *list, size_t from, struct str address)
{
    for (size_t i = from; i < list->addrs.n; i++)
        if (str_ieq(list->addrs.p[i], address))
            return true;
    return false;
}

/* The right-hand side of an alias: a list of addresses. False when it would become too many. */
static bool push_members(struct expand *x, struct str value, struct str orig, struct str ext, struct arena *a, size_t limit, struct expand_list *out)
{
    struct addr_parser p = addr_parser_make(value);
    struct addr m;
    bool fits = true;
    while (fits && addr_next(&p, &m)) {
        if (m.kind != ADDR_MAILBOX || (m.local.n == 0 && m.domain.n == 0))
            continue;
        struct str one = str_printf(a, "%.*s%s%.*s", STR_FMT(m.local), m.domain.n > 0 ? "@" : "", STR_FMT(m.domain));
        fits = out->addrs.n < limit && one.n <= SMTP_ADDRESS_MAX;
        if (fits)
            vec_push(&out->addrs, adopt(x, one, orig, ext, a));
    }
    addr_parser_done(&p);
    return fits;
}

/*
 * Breadth first: each round replaces what is an alias. An address that maps to
 * itself (or to a list with itself in it) ends there.
 */
static enum expand_result expand_aliases(struct expand *x, struct str address, struct arena *a, struct expand_list *done, struct err *err)
{
    struct expand_list todo = { 0 };
    enum expand_result result = EXPAND_OK;
    size_t first = done->addrs.n, seen = 0, rounds = 0;
    vec_push(&todo.addrs, address);
    while (seen < todo.addrs.n && result == EXPAND_OK) {
        struct str one = todo.addrs.p[seen++], value, ext;
        bool hit;
        result = find(x, x->aliases, one, a, &value, &ext, &hit, err);
        if (result != EXPAND_OK)
            break;
        size_t before = todo.addrs.n;
        if (hit && (++rounds > x->conf->alias_recursion_limit || !push_members(x, value, one, (x->extension_bits & EXT_VIRTUAL) != 0 ? ext : STR(""), a,
                                                                                   x->conf->alias_expansion_limit, &todo)))
            result = EXPAND_TOO_MANY;
        bool itself = !hit || has(&todo, before, one);
        if (itself && !has(done, first, one))
            vec_push(&done->addrs, one);
        /* Members seen before, the address itself included, are not looked at again. */
        size_t keep = before;
        for (size_t i = before; i < todo.addrs.n; i++) {
            struct str member = todo.addrs.p[i];
            bool old = false;
            for (size_t k = 0; k < keep && !old; k++)
                old = str_ieq(todo.addrs.p[k], member);
            if (!old)
                todo.addrs.p[keep++] = member;
        }
        todo.addrs.n = keep;
    }
    vec_done(&todo.addrs);
    return result;
}

enum expand_result expand_recipient(struct expand *x, struct str address, struct arena *a, struct expand_list *list, struct err *err)
{
    struct str out = resolve_rewrite(x->resolve, address.n == 0 ? str_from(x->conf->empty_recipient) : address, a);
    enum expand_result r = rewrite(x, ENVELOPE_RECIPIENT, &out, a, err);
    if (r != EXPAND_OK)
        return r;
    if (map_list_is_empty(x->aliases)) {
        vec_push(&list->addrs, out);
        return EXPAND_OK;
    }
    return expand_aliases(x, out, a, list, err);
}

static enum expand_result add_copy(struct expand *x, struct map_list *maps, struct str key, struct arena *a, struct expand_list *list, struct err *err)
{
    struct str value, ext;
    bool hit;
    if (key.n == 0 || map_list_is_empty(maps))
        return EXPAND_OK;
    if (find(x, maps, key, a, &value, &ext, &hit, err) == EXPAND_TEMP)
        return EXPAND_TEMP;
    return hit ? expand_recipient(x, str_trim(value), a, list, err) : EXPAND_OK;
}

enum expand_result expand_bcc(struct expand *x, struct str sender, struct str recipient, struct arena *a, struct expand_list *list, struct err *err)
{
    if (recipient.n > 0)
        return add_copy(x, x->recipient_bcc, recipient, a, list, err);
    if (x->conf->always_bcc[0] != '\0') {
        enum expand_result r = expand_recipient(x, str_from(x->conf->always_bcc), a, list, err);
        if (r != EXPAND_OK)
            return r;
    }
    return add_copy(x, x->sender_bcc, sender, a, list, err);
}

static enum known in_maps(struct expand *x, struct map_list *maps, struct str address, struct arena *a, struct err *err)
{
    struct str value, ext;
    bool hit;
    if (find(x, maps, address, a, &value, &ext, &hit, err) == EXPAND_TEMP)
        return KNOWN_TEMP;
    return hit ? KNOWN : KNOWN_NOT;
}

/* The table of its class; no table = everybody is known. */
static enum known in_class(struct expand *x, const struct resolved *where, struct arena *a, const char **ret_table, struct err *err)
{
    struct map_list *maps = NULL;
    switch (where->class) {
    case CLASS_LOCAL:           maps = x->local_rcpt; *ret_table = "local recipient table"; break;
    case CLASS_VIRTUAL_ALIAS:   *ret_table = "virtual alias table"; return KNOWN_NOT;
    case CLASS_VIRTUAL_MAILBOX: maps = x->mailboxes; *ret_table = "virtual mailbox table"; break;
    case CLASS_RELAY:           maps = x->relay_rcpt; *ret_table = "relay recipient table"; break;
    case CLASS_DEFAULT:         return KNOWN;
    }
    return map_list_is_empty(maps) ? KNOWN : in_maps(x, maps, where->recipient, a, err);
}

enum known expand_is_known(struct expand *x, struct str address, const struct resolved *where, struct arena *a, const char **ret_table, bool *ret_plain,
                           struct err *err)
{
    struct map_list *const before[] = { x->recipient_canonical, x->canonical, x->aliases };
    const char *table = NULL;
    *ret_plain = false;
    for (size_t i = 0; i < N_ELEMS(before); i++) {
        enum known k = in_maps(x, before[i], address, a, err);
        if (k != KNOWN_NOT)
            return k;
    }
    *ret_plain = (x->masquerade_bits & ENVELOPE_RECIPIENT) == 0 || x->conf->masquerade_domains[0] == '\0';
    if (str_eqz(where->transport, "error"))
        return where->class == CLASS_VIRTUAL_ALIAS ? (*ret_table = x->conf->unknown_table_name ? "virtual alias table" : NULL, KNOWN_NOT) : KNOWN;
    enum known k = in_class(x, where, a, &table, err);
    if (k == KNOWN_NOT)
        *ret_table = x->conf->unknown_table_name ? table : NULL;
    return k;
}
