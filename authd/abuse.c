/* SPDX-License-Identifier: ISC */
#include "abuse.h"
#include "auth/address.h"
#include "auth/known.h"
#include "auth/throttle.h"
#include "authd.h"
#include "base/enc.h"
#include "base/htab.h"
#include "base/vec.h"
#include "keep.h"

enum {
    UNITS = 10,                     /* of one guess */
    HOUR_MS = 3600 * 1000, ACCOUNT_WINDOW_MS = 600 * 1000,
    TABLE_MAX = 100000, KNOWN_MAX = 100000,
    RESERVE_PART = 5,               /* one in five of an address's guesses is for users known there ... */
    PAIR_PART = 3,                  /* ... one in three of those for one of them */
    ACCOUNT_FREE = 10, ACCOUNT_STEP_MS = 500,
    LATER_MS = 2000,
    SAY_MS = 60 * 1000,
    SAVE_MS = 10000, KNOWN_FILE_MAX = 64 << 20,
    DAY_MS = 24 * HOUR_MS,
};

static struct {
    struct penalty *penalty;
    struct throttle *guesses;       /* by address and by network: units */
    struct throttle *flying;        /* of those, what is being checked */
    struct throttle *reserve;       /* what users known there have taken: by address, by user and network */
    struct throttle *accounts;      /* by user: failures */
    struct throttle *said;          /* by address: lines of the log */
    struct known *known;
    int known_fd;
    bool dirty;
    struct timer save;
} self = { .known_fd = -1 };

static int64_t today(void) { return clock_wall_ms() / DAY_MS; }

/* ---- what is kept over restarts ---- */

void abuse_open(const char *data_directory) { self.known_fd = keep_open(data_directory, "auth_known", "the networks that users are known from"); }

static void load_known(void)
{
    struct buf text = buf_make(KNOWN_FILE_MAX);
    if (keep_load(self.known_fd, &text))
        (void)known_load(self.known, buf_str(&text), today());
    buf_done(&text);
}

static void save_known(void)
{
    struct buf text = buf_make(KNOWN_FILE_MAX);
    self.dirty = false;
    known_save(self.known, &text);
    if (!text.full)
        keep_save(self.known_fd, buf_str(&text), "auth_known");
    buf_done(&text);
}

static void on_save(struct timer *t)
{
    (void)t;
    if (self.dirty)
        save_known();
}

static void mark_dirty(void)
{
    if (!self.dirty)
        timer_set(&self.save, loop_now() + SAVE_MS, on_save);
    self.dirty = true;
}

static void forget(void)
{
    timer_cancel(&self.save);
    penalty_free(self.penalty);
    throttle_free(self.guesses);
    throttle_free(self.flying);
    throttle_free(self.reserve);
    throttle_free(self.accounts);
    throttle_free(self.said);
    known_free(self.known);
}

void abuse_start(void)
{
    forget();
    self.penalty = penalty_new();
    self.guesses = throttle_new(TABLE_MAX, HOUR_MS);
    self.flying = throttle_new(TABLE_MAX, HOUR_MS);
    self.reserve = throttle_new(TABLE_MAX, HOUR_MS);
    self.accounts = throttle_new(TABLE_MAX, ACCOUNT_WINDOW_MS);
    self.said = throttle_new(TABLE_MAX, SAY_MS);
    self.known = known_new(KNOWN_MAX);
    load_known();
}

void abuse_stop(void)
{
    timer_cancel(&self.save);
    if (self.dirty)
        save_known();
}

/* ---- budgets ---- */

static bool is_exempt(const struct abuse_who *who)
{
    const char *trusted = authd()->conf.trusted_networks;
    return who->exempt || (trusted[0] != '\0' && allow_nets_match(str_from(trusted), who->remote));
}

static uint64_t account_wait(struct str user, int64_t now)
{
    uint64_t n = user.n == 0 ? 0 : throttle_sum(self.accounts, user, now);
    return n < ACCOUNT_FREE ? 0 : MIN((n - ACCOUNT_FREE + 1) * ACCOUNT_STEP_MS, (uint64_t)ABUSE_ACCOUNT_WAIT_MS);
}

/* Is the user at home there, with guesses left of those kept for such users? */
struct reserve { struct str pair, host; char text[1 + ADDRESS_KEY_MAX + THROTTLE_KEY_MAX]; };

static void reserve_of(const struct abuse_who *who, struct reserve *r)
{
    struct address_key host = address_key_host(who->remote), net = address_key_net(who->remote);
    size_t user_n = MIN(who->user.n, THROTTLE_KEY_MAX - 2 - net.n);
    char *p = r->text;
    *p++ = 'h';
    memcpy(p, host.bytes, host.n);
    p += host.n;
    r->host = str_make(r->text, 1 + host.n);
    r->pair = str_make(p, 2 + net.n + user_n);
    *p++ = 'p';
    *p++ = (char)net.n;
    memcpy(p, net.bytes, net.n);
    if (user_n > 0)
        memcpy(p + net.n, who->user.p, user_n);
}

static uint64_t limit_units(void) { return (uint64_t)authd()->conf.guess_limit * UNITS; }
static uint64_t reserve_units(void) { return limit_units() / RESERVE_PART; }

static bool has_reserve(const struct abuse_who *who, uint32_t units, int64_t now)
{
    if (who->user.n == 0 || !known_has(self.known, who->user, who->remote, today()))
        return false;
    struct reserve r;
    reserve_of(who, &r);
    return limit_units() == 0 || (throttle_sum(self.reserve, r.host, now) + units <= reserve_units() &&
                                  throttle_sum(self.reserve, r.pair, now) + units <= reserve_units() / PAIR_PART);
}

static void move_reserve(const struct abuse_who *who, uint32_t units, bool give_back, int64_t now)
{
    struct reserve r;
    reserve_of(who, &r);
    (give_back ? throttle_take_back : throttle_add)(self.reserve, r.host, units, now);
    (give_back ? throttle_take_back : throttle_add)(self.reserve, r.pair, units, now);
}

static enum abuse_says ask(struct str key, uint64_t limit, uint32_t units, int64_t now)
{
    uint64_t all = throttle_sum(self.guesses, key, now), flying = throttle_sum(self.flying, key, now);
    if (limit == 0 || all + units <= limit)
        return ABUSE_CHECK;
    return all - MIN(flying, all) + units <= limit ? ABUSE_LATER : ABUSE_REFUSE;
}

static void move(struct throttle *t, const struct abuse_who *who, uint32_t units, bool give_back, int64_t now)
{
    struct address_key host = address_key_host(who->remote), net = address_key_net(who->remote);
    if (host.n == 0)
        return;
    (give_back ? throttle_take_back : throttle_add)(t, address_key_str(&host), units, now);
    (give_back ? throttle_take_back : throttle_add)(t, address_key_str(&net), units, now);
}

static enum abuse_says ask_budget(const struct abuse_who *who, uint32_t units, int64_t now)
{
    struct address_key host = address_key_host(who->remote), net = address_key_net(who->remote);
    if (host.n == 0)
        return ABUSE_CHECK;
    uint64_t wide = (uint64_t)authd()->conf.network_guess_limit * UNITS;
    enum abuse_says narrow = ask(address_key_str(&host), limit_units() - reserve_units(), units, now);
    return narrow != ABUSE_CHECK ? narrow : ask(address_key_str(&net), wide, units, now);
}

/* ---- one request ---- */

static uint64_t mark_of(const struct abuse_who *who)
{
    struct buf text = buf_make(0);
    buf_add(&text, who->user);
    buf_putc(&text, '\0');
    buf_add(&text, who->password);
    uint64_t mark = htab_hash(buf_str(&text));
    secret_wipe(text.p, text.n);
    buf_done(&text);
    return mark;
}

int64_t abuse_wait(struct abuse *a, const struct abuse_who *who)
{
    int64_t now = loop_now();
    if (is_exempt(who) || has_reserve(who, UNITS, now))
        return 0;
    (void)a;
    int64_t cap = who->is_smtp ? ABUSE_SMTP_WAIT_MS : ABUSE_WAIT_MS;
    int64_t ms = penalty_get(self.penalty, who->remote, now, cap), account = (int64_t)account_wait(who->user, now);
    return MIN(MAX(ms, account), cap);
}

/* Once a minute and address: the login process and the mail server log each of them. */
static void log_over(const struct abuse_who *who, int64_t now)
{
    struct address_key host = address_key_host(who->remote);
    if (throttle_sum(self.said, address_key_str(&host), now) > 0)
        return;
    throttle_add(self.said, address_key_str(&host), 1, now);
    log_as("dovecot", LOG_INFO_LEVEL, "auth: login(%.*s,%.*s): too many wrong passwords from this address or network: not checked",
           STR_FMT(who->user), STR_FMT(who->remote));
}

enum abuse_says abuse_take(struct abuse *a, const struct abuse_who *who)
{
    int64_t now = loop_now();
    if (is_exempt(who))
        return ABUSE_CHECK;
    a->mark = mark_of(who);
    a->repeated = who->password.n > 0 && penalty_repeated(self.penalty, who->remote, a->mark);
    uint32_t units = a->repeated ? 1 : UNITS;
    a->known = has_reserve(who, units, now);
    enum abuse_says says = a->known ? ABUSE_CHECK : ask_budget(who, units, now);
    if (says == ABUSE_CHECK) {
        a->units = units;
        if (a->known) {
            move_reserve(who, units, false, now);
            return says;
        }
        move(self.guesses, who, units, false, now);
        move(self.flying, who, units, false, now);
    } else if (says == ABUSE_REFUSE) {
        log_over(who, now);
    } else {
        a->since = a->since == 0 ? now : a->since;
        says = now - a->since > LATER_MS ? ABUSE_BUSY : ABUSE_LATER;
    }
    return says;
}

/* The check is over; a guess that was none is given back. */
static void settle(struct abuse *a, const struct abuse_who *who, bool give_back)
{
    int64_t now = loop_now();
    if (a->units > 0 && !a->known)
        move(self.flying, who, a->units, true, now);
    if (a->units > 0 && give_back && a->known)
        move_reserve(who, a->units, true, now);
    else if (a->units > 0 && give_back)
        move(self.guesses, who, a->units, true, now);
    a->units = 0;
}

void abuse_failed(struct abuse *a, const struct abuse_who *who)
{
    if (is_exempt(who))
        return;
    if (a->mark == 0)
        a->mark = mark_of(who);
    settle(a, who, false);
    /* Proofs of a password differ each time: none of them is a repetition. */
    penalty_failed(self.penalty, who->remote, who->password.n > 0 ? a->mark : PENALTY_NO_MARK, loop_now());
    if (!a->repeated && who->user.n > 0)
        throttle_add(self.accounts, who->user, 1, loop_now());
}

void abuse_passed(struct abuse *a, const struct abuse_who *who)
{
    settle(a, who, true);
    /* Who is at home there never waited: the others' count stays. */
    if (!a->known && !is_exempt(who))
        penalty_passed(self.penalty, who->remote);
    if (known_add(self.known, who->user, who->remote, today()))
        mark_dirty();
}

void abuse_undecided(struct abuse *a, const struct abuse_who *who) { settle(a, who, true); }
void abuse_abandoned(struct abuse *a, const struct abuse_who *who) { settle(a, who, false); }

/* ---- for postern auth ---- */

struct listing { struct buf *out; size_t left; int64_t now; bool nets; };

static bool list_guesses(void *arg, struct str key, uint64_t sum)
{
    struct listing *l = arg;
    struct buf name = buf_make(0);
    address_key_put(key, &name);
    bool is_net = key.n == 3 || key.n == 6;
    if (is_net == l->nets) {
        struct str host = buf_str(&name), rest;
        (void)str_cut(host, '/', &host, &rest);
        buf_printf(l->out, "%s\t%.*s\t%llu.%llu\t%lld\n", is_net ? "network" : "address", STR_FMT(buf_str(&name)),
                   (unsigned long long)(sum / UNITS), (unsigned long long)(sum % UNITS),
                   is_net ? 0LL : (long long)penalty_get(self.penalty, host, l->now, ABUSE_WAIT_MS));
        l->left--;
    }
    buf_done(&name);
    return l->left > 0;
}

static bool list_account(void *arg, struct str key, uint64_t sum)
{
    struct listing *l = arg;
    buf_printf(l->out, "account\t%.*s\t%llu\t%llu\n", STR_FMT(key), (unsigned long long)sum, (unsigned long long)account_wait(key, l->now));
    return --l->left > 0;
}

void abuse_list(struct buf *out, size_t max)
{
    struct listing l = { .out = out, .now = loop_now() };
    for (int nets = 0; nets < 2; nets++) {
        l.left = max;
        l.nets = nets == 1;
        throttle_each(self.guesses, l.now, list_guesses, &l);
    }
    l.left = max;
    throttle_each(self.accounts, l.now, list_account, &l);
}

static size_t clear_address(struct str what)
{
    struct address_key host = address_key_host(what), net = address_key_net(what);
    if (host.n == 0)
        return 0;
    struct reserve r;
    reserve_of(&(struct abuse_who){ .remote = what, .user = STR("") }, &r);
    size_t n = throttle_forget(self.guesses, address_key_str(&host));
    n += throttle_forget(self.guesses, address_key_str(&net));
    n += throttle_forget(self.reserve, r.host);
    n += penalty_count(self.penalty);
    penalty_passed(self.penalty, what);
    return n - penalty_count(self.penalty);
}

/* The addresses of a network, and the networks in it, as they are listed: the table is changed when it has been walked. */
struct inside { struct str net; struct arena arena; VEC(struct str) found; };

static bool find_inside(void *arg, struct str key, uint64_t sum)
{
    struct inside *w = arg;
    struct buf text = buf_make(0);
    struct str address, bits;
    (void)sum;
    address_key_put(key, &text);
    (void)str_cut(buf_str(&text), '/', &address, &bits);
    if (allow_nets_match(w->net, address))
        vec_push(&w->found, str_dup(&w->arena, address));
    buf_done(&text);
    return true;
}

static size_t clear_network(struct str net)
{
    struct inside w = { .net = net, .arena = arena_make(64 * TABLE_MAX) };
    size_t n = 0;
    throttle_each(self.guesses, loop_now(), find_inside, &w);
    for (size_t i = 0; i < w.found.n; i++)
        n += clear_address(w.found.p[i]);
    vec_done(&w.found);
    arena_done(&w.arena);
    return n;
}

size_t abuse_clear(struct str what)
{
    if (str_chr(what, '/') >= 0)
        return clear_network(what) + throttle_forget(self.accounts, what);
    if (!str_eqz(what, "all"))
        return clear_address(what) + throttle_forget(self.accounts, what);
    size_t n = throttle_keys(self.guesses) + throttle_keys(self.accounts) + throttle_keys(self.reserve) + penalty_count(self.penalty);
    throttle_clear(self.guesses);
    throttle_clear(self.reserve);
    throttle_clear(self.accounts);
    penalty_clear(self.penalty);
    return n;
}

size_t abuse_known_count(void) { return known_count(self.known); }

size_t abuse_forget_known(struct str user)
{
    mark_dirty();
    return known_forget(self.known, user);
}
