/* SPDX-License-Identifier: ISC */
#include "auth/account.h"
#include "auth/penalty.h"
#include "tap.h"

#define S(lit) STR_INIT(lit)
static const struct { const char *name; struct str pattern, user, home; const char *out; } expansions[] = {
    { "a tilde is the home", S("maildir:~/Maildir"), S("u"), S("/home/u"), "maildir:/home/u/Maildir" },
    { "a tilde after = is the home", S("mbox:~/mail:INBOX=~/in"), S("u"), S("/h"), "mbox:/h/mail:INBOX=/h/in" },
    { "a tilde elsewhere is itself", S("maildir:/a~/b"), S("u"), S("/h"), "maildir:/a~/b" },
    { "user, local part and domain", S("maildir:/v/%d/%n/%u"), S("u@d.test"), S(""), "maildir:/v/d.test/u/u@d.test" },
    { "home and percent", S("maildir:%h/%%"), S("u"), S("/h"), "maildir:/h/%" },
    { "a domain that is missing is refused", S("maildir:/v/%d/%n"), S("u"), S(""), NULL },
    { "a name with a slash is refused", S("maildir:/v/%u"), S("a/../b"), S(""), NULL },
    { "a name of dots is refused", S("maildir:/v/%n"), S("..@d"), S(""), NULL },
    { "an unknown letter is refused", S("maildir:/v/%y"), S("u"), S(""), NULL },
    { "a percent at the end is refused", S("maildir:/v/%"), S("u"), S(""), NULL },
};

static void test_expand(void)
{
    for (size_t i = 0; i < N_ELEMS(expansions); i++) {
        struct buf b = buf_make(4096);
        struct auth_vars vars = { .user = expansions[i].user, .home = expansions[i].home };
        const char *why;
        bool ok = account_expand(expansions[i].pattern, &vars, &b, &why);
        OK(ok == (expansions[i].out != NULL) && (!ok || str_eqz(buf_str(&b), expansions[i].out)), expansions[i].name);
        buf_done(&b);
    }
}

static const struct account alice = { .user = S("alice"), .has_ids = true, .uid = 1000, .gid = 100, .groups = S(""), .home = S("/h/alice"), .mail = S("maildir:/h/alice/M") };
static const struct account bob = { .user = S("bob"), .has_ids = true, .uid = 1001, .gid = 100, .groups = S(""), .home = S("/h/bob"), .mail = S("maildir:/h/bob/M") };

static void test_cache(void)
{
    struct auth_cache *c = auth_cache_new(2, 1000);
    const struct str pw = STR("secret"), hash = STR("$6$x");
    auth_cache_put(c, alice.user, pw, hash, &alice, 0);
    const struct account *got = auth_cache_get(c, alice.user, pw, hash, 999);
    OK(got != NULL && got->uid == 1000 && str_eq(got->home, alice.home), "a password that was right is known");
    OK(auth_cache_get(c, alice.user, pw, hash, 1000) == NULL, "an entry that is too old is not used");
    OK(auth_cache_get(c, alice.user, STR("secres"), hash, 1) == NULL, "another password is not known: the back end is asked");
    OK(auth_cache_get(c, alice.user, pw, hash, 1) != NULL, "and a wrong one does not throw out the right one");
    OK(auth_cache_get(c, alice.user, STR(""), hash, 1) == NULL && auth_cache_get(c, alice.user, STR("secret\0x"), hash, 1) == NULL &&
       auth_cache_get(c, alice.user, STR("secre"), hash, 1) == NULL, "nor is a part of it, or more than it");
    OK(auth_cache_get(c, alice.user, STR("secret$6$"), STR("x"), 1) == NULL, "password and verifier do not run together");
    OK(auth_cache_get(c, bob.user, pw, hash, 1) == NULL, "another user with the same password is not known");
    OK(auth_cache_get(c, alice.user, pw, STR("$6$y"), 1) == NULL, "after the verifier has changed, the old password is not known");
    auth_cache_put(c, alice.user, STR("new"), hash, &alice, 2);
    OK(auth_cache_get(c, alice.user, STR("new"), hash, 3) != NULL && auth_cache_get(c, alice.user, pw, hash, 3) == NULL,
       "a new password takes the place of the old one, even when the verifier says nothing");
    auth_cache_put(c, bob.user, pw, hash, &bob, 3);
    auth_cache_put(c, STR("carol"), pw, hash, &bob, 4);
    OK(auth_cache_get(c, alice.user, STR("new"), hash, 5) == NULL && auth_cache_get(c, bob.user, pw, hash, 5) != NULL, "the cache is bounded: the oldest goes");
    struct auth_cache_stats stats = auth_cache_stats(c);
    OK(stats.entries == 2 && stats.hits == 4 && stats.misses == 10, "it counts what it answers");
    OK(auth_cache_flush(c, STR("nobody")) == 0 && auth_cache_flush(c, bob.user) == 1 && auth_cache_get(c, bob.user, pw, hash, 5) == NULL, "a user can be flushed");
    OK(auth_cache_flush(c, STR("")) == 1 && auth_cache_stats(c).entries == 0, "and all");
    auth_cache_put(c, alice.user, pw, hash, &alice, 6);
    auth_cache_put(c, bob.user, pw, hash, &bob, 2000);
    OK(auth_cache_stats(c).entries == 1, "what is too old does not stay in memory");
    auth_cache_free(c);
    c = auth_cache_new(2, 0);
    auth_cache_put(c, alice.user, pw, hash, &alice, 0);
    OK(auth_cache_get(c, alice.user, pw, hash, 0) == NULL, "with a lifetime of 0 nothing is kept");
    auth_cache_free(c);
}

/* An entry as bytes: neither the password, nor anything that another process's key would make of it. */
static void test_cache_secret(void)
{
    struct auth_cache *one = auth_cache_new(1, 1000), *two = auth_cache_new(1, 1000);
    const struct str pw = STR("correct horse"), hash = STR("{SHA512-CRYPT}$6$salt$stored");
    auth_cache_put(one, alice.user, pw, hash, &alice, 0);
    auth_cache_put(two, alice.user, pw, hash, &alice, 0);
    struct buf a = buf_make(0), b = buf_make(0);
    auth_cache_dump_for_test(one, &a);
    auth_cache_dump_for_test(two, &b);
    OK(a.n > 32 && str_find(buf_str(&a), pw) < 0 && str_find(buf_str(&a), hash) < 0, "an entry holds neither password nor verifier");
    OK(a.n == b.n && !str_eq(buf_str(&a), buf_str(&b)), "and differs between two processes: it is keyed");
    buf_done(&a);
    buf_done(&b);
    auth_cache_free(one);
    auth_cache_free(two);
}

static void test_handover(void)
{
    struct handover *h = handover_new();
    struct arena a = arena_make(1 << 16);
    struct buf k1 = buf_make(0), k2 = buf_make(0);
    struct account got;
    OK(handover_put(h, 7, 1, &alice, 0, &k1) && k1.n == HANDOVER_COOKIE_HEX, "a login gets a cookie");
    OK(handover_put(h, 7, 2, &bob, 0, &k2) && !str_eq(buf_str(&k1), buf_str(&k2)), "another login gets another");
    OK(!handover_take(h, 8, 1, buf_str(&k1), 1, &a, &got), "another channel's number opens nothing");
    OK(handover_take(h, 7, 1, buf_str(&k1), 1, &a, &got) && str_eqz(got.user, "alice") && got.uid == 1000, "the cookie opens its login");
    OK(!handover_take(h, 7, 1, buf_str(&k1), 1, &a, &got), "a cookie used again opens nothing");
    OK(!handover_take(h, 7, 2, buf_str(&k1), 1, &a, &got), "another login's cookie opens nothing");
    OK(!handover_take(h, 7, 2, buf_str(&k2), 1, &a, &got), "and a wrong try has used the entry up");
    buf_reset(&k1);
    (void)handover_put(h, 7, 3, &alice, 0, &k1);
    OK(!handover_take(h, 7, 3, buf_str(&k1), HANDOVER_MS, &a, &got) && handover_pending(h) == 0, "after ten seconds a cookie opens nothing");
    buf_reset(&k1);
    (void)handover_put(h, 7, 4, &alice, 0, &k1);
    handover_forget(h, 7);
    OK(!handover_take(h, 7, 4, buf_str(&k1), 1, &a, &got), "when the login process is gone, its logins are");
    handover_free(h);
    buf_done(&k1);
    buf_done(&k2);
    arena_done(&a);
}

static void test_penalty(void)
{
    struct penalty *p = penalty_new();
    const struct str a = STR("192.0.2.1"), b = STR("192.0.2.2");
    OK(penalty_get(p, a, 0, 15000) == 0, "an address that did nothing waits for nothing");
    penalty_failed(p, a, 1, 0);
    int64_t one = penalty_get(p, a, 1, 15000);
    penalty_failed(p, a, 1, 0);
    OK(one > 0 && penalty_get(p, a, 1, 15000) == one, "the same wrong password again does not raise the level");
    for (uint64_t i = 2; i < 9; i++)
        penalty_failed(p, a, i, 0);
    OK(penalty_get(p, a, 1, 15000) == 13000 && penalty_get(p, a, 1, 3500) == 3500, "the wait grows to its end, and to the caller's cap");
    OK(penalty_get(p, b, 1, 15000) == 0, "another address does not wait");
    OK(penalty_get(p, STR("::ffff:192.0.2.1"), 1, 15000) == 13000, "an IPv4 address in IPv6 clothes is the same");
    penalty_failed(p, STR("2001:db8::1"), 1, 1);
    OK(penalty_get(p, STR("2001:db8::2"), 1, 15000) > 0 && penalty_get(p, STR("2001:db8:0:1::2"), 1, 15000) == 0, "IPv6 counts by /64");
    penalty_passed(p, a);
    OK(penalty_get(p, a, 1, 15000) == 0, "a right password clears it");
    OK(penalty_get(p, STR("2001:db8::2"), PENALTY_QUIET_MS + 1, 15000) == 0 && penalty_count(p) == 0, "it is forgotten after a quiet minute");
    penalty_failed(p, STR("not an address"), 1, 0);
    OK(penalty_count(p) == 0, "text that is no address is not counted");
    penalty_free(p);
}

int main(void)
{
    test_expand();
    test_cache();
    test_cache_secret();
    test_handover();
    test_penalty();
    return tap_done();
}
