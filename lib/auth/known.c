/* SPDX-License-Identifier: ISC */
#include "auth/known.h"
#include "auth/address.h"
#include "base/arena.h"
#include "base/htab.h"
#include "base/list.h"
#include "base/num.h"

enum { USER_MAX = 255, KEY_MAX = ADDRESS_KEY_MAX + 1 + USER_MAX, DAY_MAX = 1 << 24 };

struct pair {
    struct list node;           /* by day of the last login, newest at the end */
    int64_t day;
    size_t net_n, key_n;
    char key[];                 /* length of the network, network, user */
};

struct known { struct htab by_key; struct list by_age; size_t max; };

struct known *known_new(size_t max)
{
    struct known *k = xcalloc(1, sizeof *k);
    k->max = MAX(max, (size_t)1);
    list_init(&k->by_age);
    return k;
}

static struct str key_of(const struct pair *p) { return str_make(p->key, p->key_n); }
static struct str net_of(const struct pair *p) { return str_make(p->key + 1, p->net_n); }
static struct str user_of(const struct pair *p) { return str_skip(key_of(p), 1 + p->net_n); }

static void drop(struct known *k, struct pair *p)
{
    (void)htab_remove(&k->by_key, key_of(p));
    list_remove(&p->node);
    free(p);
}

size_t known_forget(struct known *k, struct str user)
{
    size_t n = 0;
    LIST_EACH(it, &k->by_age) {
        struct pair *p = container_of(it, struct pair, node);
        if (user.n > 0 && !str_eq(user_of(p), user))
            continue;
        drop(k, p);
        n++;
    }
    return n;
}

void known_free(struct known *k)
{
    if (k == NULL)
        return;
    (void)known_forget(k, STR(""));
    htab_done(&k->by_key);
    free(k);
}

/* Its length; 0: no such pair can be. */
static size_t make_key(struct str user, const struct address_key *net, char key[KEY_MAX])
{
    if (net->n == 0 || user.n == 0 || user.n > USER_MAX)
        return 0;
    key[0] = (char)net->n;
    memcpy(key + 1, net->bytes, net->n);
    memcpy(key + 1 + net->n, user.p, user.n);
    return 1 + net->n + user.n;
}

bool known_has(const struct known *k, struct str user, struct str address, int64_t today)
{
    char key[KEY_MAX];
    struct address_key net = address_key_net(address);
    size_t n = make_key(user, &net, key);
    const struct pair *p = n == 0 ? NULL : htab_get(&k->by_key, str_make(key, n));
    return p != NULL && today - p->day <= KNOWN_DAYS;
}

static void expire(struct known *k, int64_t today)
{
    while (!list_is_empty(&k->by_age)) {
        struct pair *oldest = container_of(k->by_age.next, struct pair, node);
        if (today - oldest->day <= KNOWN_DAYS && k->by_key.n <= k->max)
            return;
        drop(k, oldest);
    }
}

bool known_add(struct known *k, struct str user, struct str address, int64_t today)
{
    char key[KEY_MAX];
    struct address_key net = address_key_net(address);
    size_t n = make_key(user, &net, key);
    if (n == 0)
        return false;
    struct pair *p = htab_get(&k->by_key, str_make(key, n));
    if (p != NULL && p->day == today)
        return false;
    if (p == NULL) {
        p = xcalloc(1, sizeof *p + n);
        p->net_n = net.n;
        p->key_n = n;
        memcpy(p->key, key, n);
        list_init(&p->node);
        (void)htab_put(&k->by_key, key_of(p), p);
    }
    p->day = today;
    list_remove(&p->node);
    list_append(&k->by_age, &p->node);
    expire(k, today);
    return true;
}

size_t known_count(const struct known *k) { return k->by_key.n; }

void known_save(const struct known *k, struct buf *out)
{
    LIST_EACH(it, &k->by_age) {
        const struct pair *p = container_of(it, struct pair, node);
        /* A name that could pass for another line is not worth a special notation. */
        if (str_chr(user_of(p), '\n') >= 0 || str_chr(user_of(p), '\0') >= 0)
            continue;
        buf_printf(out, "%lld ", (long long)p->day);
        address_key_put(net_of(p), out);
        buf_putc(out, ' ');
        buf_add(out, user_of(p));
        buf_putc(out, '\n');
    }
}

static bool load_line(struct known *k, struct str line, int64_t today)
{
    struct str day, net, address, size, user;
    uint32_t when;
    if (!str_cut(line, ' ', &day, &line) || !str_cut(line, ' ', &net, &user) || !str_cut(net, '/', &address, &size))
        return false;
    if (!num_parse_u32(day, DAY_MAX, &when) || (int64_t)when > today || address_key_net(address).n == 0 || user.n == 0 || user.n > USER_MAX)
        return false;
    if (today - (int64_t)when <= KNOWN_DAYS)
        (void)known_add(k, user, address, (int64_t)when);
    return true;
}

size_t known_load(struct known *k, struct str text, int64_t today)
{
    size_t bad = 0;
    while (text.n > 0) {
        struct str line;
        /* A last line without its end was cut off. */
        if (!str_cut(text, '\n', &line, &text))
            return bad + 1;
        bad += !load_line(k, line, today);
    }
    return bad;
}
