/* SPDX-License-Identifier: ISC */
#include "auth/account.h"
#include "base/enc.h"
#include "base/htab.h"
#include "base/list.h"
#include "base/num.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

enum { KEY_SIZE = 32, MAC_SIZE = 32, COOKIE_SIZE = HANDOVER_COOKIE_HEX / 2, ACCOUNT_MAX = 64 << 10 };

struct account account_dup(struct arena *a, const struct account *from)
{
    struct account to = *from;
    to.user = str_dup(a, from->user);
    to.groups = str_dup(a, from->groups);
    to.home = str_dup(a, from->home);
    to.mail = str_dup(a, from->mail);
    to.extra = str_dup(a, from->extra);
    to.master = str_dup(a, from->master);
    return to;
}

/* A name that becomes part of a path must be one component of it. */
bool account_escape(struct buf *out, struct str value, void *arg)
{
    const struct auth_vars *vars = arg;
    bool is_home = vars->home.n > 0 && str_eq(value, vars->home);
    buf_add(out, value);
    return is_home || (value.n > 0 && value.p[0] != '.' && str_chr(value, '/') < 0 && str_chr(value, '\0') < 0);
}

bool account_expand(struct str pattern, const struct auth_vars *vars, struct buf *out, const char **ret_why)
{
    struct auth_vars v = *vars;
    struct buf plain = buf_make(VAR_RESULT_MAX);
    for (size_t i = 0; i < pattern.n; i++) {
        bool starts = i == 0 || pattern.p[i - 1] == ':' || pattern.p[i - 1] == '=';
        if (starts && pattern.p[i] == '~' && (i + 1 == pattern.n || pattern.p[i + 1] == '/'))
            buf_puts(&plain, "%h");
        else
            buf_putc(&plain, pattern.p[i]);
    }
    *ret_why = "the result is too long of";
    bool ok = !plain.full && var_expand(buf_str(&plain), &v, account_escape, &v, out, ret_why) && !out->full;
    buf_done(&plain);
    return ok;
}

struct cached {
    struct list node;           /* by time, newest at the end */
    struct arena arena;
    struct account account;
    uint8_t mac[MAC_SIZE];
    int64_t at;
};

struct auth_cache {
    uint8_t key[KEY_SIZE];
    size_t max;
    int64_t ttl;
    uint64_t hits, misses;
    struct htab by_user;
    struct list by_age;
};

struct auth_cache *auth_cache_new(size_t entries_max, int64_t ttl_ms)
{
    struct auth_cache *c = xcalloc(1, sizeof *c);
    c->max = entries_max;
    c->ttl = ttl_ms;
    list_init(&c->by_age);
    if (getrandom(c->key, sizeof c->key, 0) != (ssize_t)sizeof c->key)
        c->ttl = 0;
    return c;
}

static void drop_cached(struct auth_cache *c, struct cached *e)
{
    (void)htab_remove(&c->by_user, e->account.user);
    list_remove(&e->node);
    arena_done(&e->arena);
    secret_wipe(e->mac, sizeof e->mac);
    free(e);
}

void auth_cache_free(struct auth_cache *c)
{
    if (c == NULL)
        return;
    while (!list_is_empty(&c->by_age))
        drop_cached(c, container_of(c->by_age.next, struct cached, node));
    htab_done(&c->by_user);
    secret_wipe(c->key, sizeof c->key);
    free(c);
}

size_t auth_cache_flush(struct auth_cache *c, struct str user)
{
    size_t n = 0;
    struct cached *one = user.n == 0 ? NULL : htab_get(&c->by_user, user);
    if (one != NULL) {
        drop_cached(c, one);
        return 1;
    }
    for (; user.n == 0 && !list_is_empty(&c->by_age); n++)
        drop_cached(c, container_of(c->by_age.next, struct cached, node));
    return n;
}

static void put_text(struct buf *b, struct str s)
{
    uint8_t be[8];
    put_be64(be, s.n);
    buf_put(b, be, sizeof be);
    buf_add(b, s);
}

static void fast_hash(const struct auth_cache *c, struct str user, struct str password, struct str verifier, uint8_t mac[MAC_SIZE])
{
    struct buf b = buf_make(0);
    unsigned n = MAC_SIZE;
    put_text(&b, user);
    put_text(&b, password);
    put_text(&b, verifier);
    const void *ok = HMAC(EVP_sha256(), c->key, KEY_SIZE, (const unsigned char *)buf_cstr(&b), b.n, mac, &n);
    ASSERT(ok != NULL && n == MAC_SIZE);
    secret_wipe(b.p, b.n);
    buf_done(&b);
}

const struct account *auth_cache_get(struct auth_cache *c, struct str user, struct str password, struct str verifier, int64_t now)
{
    uint8_t mac[MAC_SIZE];
    struct cached *e = htab_get(&c->by_user, user);
    bool hit = e != NULL && now - e->at < c->ttl;
    if (hit) {
        fast_hash(c, user, password, verifier, mac);
        hit = secret_eq(str_make(mac, MAC_SIZE), str_make(e->mac, MAC_SIZE));
        secret_wipe(mac, sizeof mac);
    }
    c->hits += hit;
    c->misses += !hit;
    return hit ? &e->account : NULL;
}

struct auth_cache_stats auth_cache_stats(const struct auth_cache *c)
{
    return (struct auth_cache_stats){ .entries = c->by_user.n, .hits = c->hits, .misses = c->misses };
}

/* What nobody will be let in by any more need not stay in memory. */
static void drop_old(struct auth_cache *c, int64_t now)
{
    while (!list_is_empty(&c->by_age)) {
        struct cached *oldest = container_of(c->by_age.next, struct cached, node);
        if (now - oldest->at < c->ttl)
            return;
        drop_cached(c, oldest);
    }
}

void auth_cache_put(struct auth_cache *c, struct str user, struct str password, struct str verifier, const struct account *account, int64_t now)
{
    if (c->ttl == 0 || c->max == 0)
        return;
    drop_old(c, now);
    struct cached *old = htab_get(&c->by_user, user);
    struct cached *e = xcalloc(1, sizeof *e);
    e->arena = arena_make(ACCOUNT_MAX);
    e->arena.block_size = 512;
    e->account = account_dup(&e->arena, account);
    e->account.user = str_dup(&e->arena, user);
    e->at = now;
    fast_hash(c, user, password, verifier, e->mac);
    if (old != NULL)
        drop_cached(c, old);
    else if (c->by_user.n >= c->max)
        drop_cached(c, container_of(c->by_age.next, struct cached, node));
    (void)htab_put(&c->by_user, e->account.user, e);
    list_append(&c->by_age, &e->node);
}

void auth_cache_dump_for_test(const struct auth_cache *c, struct buf *out)
{
    LIST_EACH(it, &c->by_age) {
        const struct cached *e = container_of(it, struct cached, node);
        buf_put(out, e->mac, sizeof e->mac);
        buf_put(out, &e->at, sizeof e->at);
        buf_add(out, e->account.user);
        buf_add(out, e->account.groups);
        buf_add(out, e->account.home);
        buf_add(out, e->account.mail);
    }
}

struct pending {
    struct list node;           /* by time, newest at the end */
    struct arena arena;
    struct account account;
    uint64_t channel;
    uint32_t request;
    char cookie[HANDOVER_COOKIE_HEX];
    int64_t at;
};

struct handover { struct list by_age; size_t n; };

struct handover *handover_new(void)
{
    struct handover *h = xcalloc(1, sizeof *h);
    list_init(&h->by_age);
    return h;
}

static void drop_pending(struct handover *h, struct pending *p)
{
    list_remove(&p->node);
    arena_done(&p->arena);
    secret_wipe(p->cookie, sizeof p->cookie);
    free(p);
    h->n--;
}

void handover_free(struct handover *h)
{
    if (h == NULL)
        return;
    while (!list_is_empty(&h->by_age))
        drop_pending(h, container_of(h->by_age.next, struct pending, node));
    free(h);
}

static void expire(struct handover *h, int64_t now)
{
    LIST_EACH(it, &h->by_age) {
        struct pending *p = container_of(it, struct pending, node);
        if (now - p->at < HANDOVER_MS)
            return;
        drop_pending(h, p);
    }
}

bool handover_put(struct handover *h, uint64_t channel, uint32_t request, const struct account *account, int64_t now, struct buf *cookie)
{
    uint8_t raw[COOKIE_SIZE];
    expire(h, now);
    if (h->n >= HANDOVER_PENDING_MAX || getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
        return false;
    struct pending *p = xcalloc(1, sizeof *p);
    struct buf hex = buf_make(0);
    enc_hex(&hex, str_make(raw, sizeof raw));
    p->arena = arena_make(ACCOUNT_MAX);
    p->arena.block_size = 512;
    p->account = account_dup(&p->arena, account);
    p->channel = channel;
    p->request = request;
    p->at = now;
    memcpy(p->cookie, hex.p, sizeof p->cookie);
    list_append(&h->by_age, &p->node);
    h->n++;
    buf_add(cookie, buf_str(&hex));
    buf_done(&hex);
    return true;
}

bool handover_take(struct handover *h, uint64_t channel, uint32_t request, struct str cookie, int64_t now, struct arena *a, struct account *ret)
{
    bool found = false;
    expire(h, now);
    LIST_EACH(it, &h->by_age) {
        struct pending *p = container_of(it, struct pending, node);
        if (p->channel != channel || p->request != request)
            continue;
        found = secret_eq(str_make(p->cookie, sizeof p->cookie), cookie);
        if (found)
            *ret = account_dup(a, &p->account);
        drop_pending(h, p);
        break;
    }
    return found;
}

void handover_forget(struct handover *h, uint64_t channel)
{
    LIST_EACH(it, &h->by_age) {
        struct pending *p = container_of(it, struct pending, node);
        if (p->channel == channel)
            drop_pending(h, p);
    }
}

size_t handover_pending(const struct handover *h) { return h->n; }
