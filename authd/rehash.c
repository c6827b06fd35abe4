/* SPDX-License-Identifier: ISC */
#include "rehash.h"
#include "auth/scheme.h"
#include "authd.h"
#include "base/enc.h"
#include "base/htab.h"

enum { REHASH_ARENA_MAX = 256 << 10, TRIED_MAX = 1024, AGAIN_MS = 3600 * 1000 };

static struct {
    size_t n;
    struct { uint64_t key; int64_t at; } tried[TRIED_MAX];
} self;

size_t rehash_count(void) { return self.n; }

static void wipe(struct str s)
{
    void *p;
    memcpy(&p, &s.p, sizeof p);
    if (s.n > 0)
        secret_wipe(p, s.n);
}

/* By user and stored password: another one is another try. Two that share a place cost each other an hour. */
static bool was_tried(const struct rehash *r, bool set)
{
    uint64_t key = htab_hash(r->user) * 31 + htab_hash(r->old) + r->db->index;
    size_t at = (size_t)(key % TRIED_MAX);
    bool was = self.tried[at].at != 0 && self.tried[at].key == key && loop_now() - self.tried[at].at < AGAIN_MS;
    if (set) {
        self.tried[at].key = key;
        self.tried[at].at = loop_now();
    }
    return was;
}

struct rehash *rehash_prepare(struct db_step *s)
{
    const struct db_entry *e = s->db->conf;
    struct scheme stored = scheme_split(s->stored);
    if (e->rehash.n == 0 || s->db->driver->store == NULL || self.n >= REHASHES_MAX || !scheme_is_outdated(&stored, e->rehash, e->rehash_rounds))
        return NULL;
    struct rehash *r = xcalloc(1, sizeof *r);
    r->arena = arena_make(REHASH_ARENA_MAX);
    r->db = s->db;
    r->user = str_dup(&r->arena, s->vars.user);
    r->remote = str_dup(&r->arena, s->vars.remote);
    r->old = str_dup(&r->arena, s->stored);
    r->raw = str_dup(&r->arena, s->raw);
    r->password = str_dup(&r->arena, s->vars.password);
    r->fresh = STR("");
    if (!was_tried(r, false) && s->db->driver->keep(s, r))
        return r;
    rehash_drop(r);
    return NULL;
}

void rehash_drop(struct rehash *r)
{
    if (r == NULL)
        return;
    wipe(r->password);
    wipe(r->old);
    wipe(r->raw);
    wipe(r->fresh);
    arena_done(&r->arena);
    free(r);
}

static void end(struct rehash *r)
{
    self.n--;
    rehash_drop(r);
}

static void complain(struct rehash *r, const char *why)
{
    if (!r->db->rehash_failed)
        log_as("dovecot", LOG_WARNING_LEVEL, "auth: %s(%.*s,%.*s): the password is right and stays stored as it was, it cannot be stored as %.*s: %s", r->db->driver->name,
               STR_FMT(r->user), STR_FMT(r->remote), STR_FMT(r->db->conf->rehash), why);
    r->db->rehash_failed = true;
}

void rehash_stored(struct rehash *r, bool changed, const char *why)
{
    if (why != NULL) {
        complain(r, why);
    } else if (!changed) {
        struct account known = { .user = r->user };
        r->db->rehash_failed = false;
        /* What the cache knows is of the old text. With the new one, the next login is known at once. */
        (void)auth_cache_flush(authd()->cache, r->user);
        auth_cache_put(authd()->cache, r->user, r->password, r->fresh, &known, loop_now());
        log_as("dovecot", LOG_INFO_LEVEL, "auth: %s(%.*s,%.*s): the password is stored anew, as %.*s", r->db->driver->name, STR_FMT(r->user), STR_FMT(r->remote),
               STR_FMT(r->db->conf->rehash));
    }
    end(r);
}

static void on_made(struct pool_job *job, const struct ipc_verdict *answer)
{
    struct rehash *r = job->arg;
    if (answer != NULL && answer->verdict == VERDICT_MATCH && answer->text.n > 0) {
        r->fresh = str_dup(&r->arena, answer->text);
        r->db->driver->store(r);
        return;
    }
    /* Nobody had time for it: the next login asks again. */
    if (answer != NULL)
        complain(r, str_printf(&r->arena, "%.*s: choose another scheme or fewer rounds", STR_FMT(answer->text)).p);
    end(r);
}

void rehash_start(struct rehash *r)
{
    const struct db_entry *e = r->db->conf;
    if (self.n >= REHASHES_MAX || pool_waiting(POOL_HASH) > 0) {
        rehash_drop(r);
        return;
    }
    self.n++;
    (void)was_tried(r, true);
    r->job.ask = (struct ipc_verify){ .backend = STR("make"), .user = r->user, .password = r->password, .remote = STR(""), .service = STR(""),
                                      .scheme = e->rehash, .verifier = STR(""), .rounds = e->rehash_rounds };
    r->job.done = on_made;
    r->job.arg = r;
    if (!pool_submit(&r->job))
        end(r);
}
