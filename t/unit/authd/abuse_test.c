/* SPDX-License-Identifier: ISC
 *
 * Guessing against authd's one table, hours of it, by a clock that the test moves.
 */
#include "abuse.h"
#include "authd.h"
#include "base/num.h"
#include "tap.h"

static struct authd state;
struct authd *authd(void) { return &state; }

static void pass(int64_t ms)
{
    static int64_t total;
    total += ms;
    clock_shift_for_test(total);
    loop_turn(0);
}

static struct abuse_who who(const char *user, const char *password, const char *remote)
{
    return (struct abuse_who){ .user = str_from(user), .password = str_from(password), .remote = str_from(remote), .service = STR("imap") };
}

/* One wrong guess, decided at once; was it checked? */
static bool guess(const struct abuse_who *w, int64_t *ret_wait)
{
    struct abuse a = { .units = 0 };
    int64_t wait = abuse_wait(&a, w);
    if (ret_wait != NULL)
        *ret_wait = wait;
    enum abuse_says says = abuse_take(&a, w);
    if (says == ABUSE_CHECK)
        abuse_failed(&a, w);
    return says == ABUSE_CHECK;
}

static bool login(const struct abuse_who *w, int64_t *ret_wait)
{
    struct abuse a = { .units = 0 };
    int64_t wait = abuse_wait(&a, w);
    if (ret_wait != NULL)
        *ret_wait = wait;
    bool may = abuse_take(&a, w) == ABUSE_CHECK;
    if (may)
        abuse_passed(&a, w);
    return may;
}

/* A user whose name ends in # is another one each time. */
static unsigned guesses(unsigned n, const char *user, const char *remote, int64_t every_ms, unsigned seed)
{
    unsigned checked = 0;
    for (unsigned i = 0; i < n; i++) {
        char password[32], name[32];
        (void)snprintf(password, sizeof password, "guess%u-%u", seed, i);
        bool many = str_ends(str_from(user), STR("#"));
        if (many)
            (void)snprintf(name, sizeof name, "%s%u", user, i);
        else
            (void)snprintf(name, sizeof name, "%s", user);
        struct abuse_who w = who(name, password, remote);
        checked += guess(&w, NULL);
        if (every_ms > 0)
            pass(every_ms);
    }
    return checked;
}

static void fresh(void)
{
    abuse_start();
    state.conf.guess_limit = 300;
    state.conf.network_guess_limit = 1500;
    state.conf.trusted_networks = "";
}

static void test_one_address(void)
{
    fresh();
    unsigned n = guesses(10000, "victim#", "203.0.113.7", 0, 1);
    OK(n > 0 && n <= 300, "of 10,000 guesses of one address at once at most 300 are checked");
    struct abuse_who right = who("stranger", "right", "203.0.113.7");
    OK(!login(&right, NULL), "then not even a right password is");
    OK(guesses(1000, "victim#", "::ffff:203.0.113.7", 0, 2) == 0, "nor when the address is written in another way");
    pass(66 * 60 * 1000);
    OK(login(&right, NULL), "an hour later it is");

    fresh();
    unsigned total = guesses(10000, "victim#", "203.0.113.7", 1440, 3);
    OK(total > 0 && total <= 4 * 300, "spread over four hours it is 300 an hour");

    fresh();
    struct abuse_who owner = who("alice", "right", "198.51.100.1");
    (void)login(&owner, NULL);
    OK(guesses(5000, "alice", "198.51.100.9", 0, 4) + guesses(5000, "other#", "198.51.100.9", 0, 5) <= 300,
       "against a user who is known in that network, and others, it is 300 all the same");
    fresh();
    OK(guesses(5000, "victim#", "2001:db8:0:1::1", 0, 6) + guesses(5000, "victim#", "2001:db8:0:1:ffff::2", 0, 7) <= 300,
       "all of an IPv6 /64 is one address");
    struct abuse_who w = who("", "", "203.0.113.8");
    struct abuse a = { .units = 0 };
    for (int i = 0; i < 20; i++)
        abuse_failed(&a, &w);
    OK(abuse_wait(&a, &w) == ABUSE_WAIT_MS, "what is no name at all counts, too");
    w.is_smtp = true;
    OK(abuse_wait(&a, &w) == ABUSE_SMTP_WAIT_MS, "a mail server never waits longer than it would listen");
}

static void test_network(void)
{
    unsigned checked = 0;
    fresh();
    for (unsigned i = 1; i < 255; i++) {
        char address[32];
        (void)snprintf(address, sizeof address, "203.0.113.%u", i);
        checked += guesses(200, "victim#", address, 0, i);
    }
    OK(checked >= 1400 && checked <= 1500, "a network of 254 addresses has 1,500 guesses an hour");
    checked = 0;
    for (unsigned i = 0; i < 500; i++) {
        char address[64];
        (void)snprintf(address, sizeof address, "2001:db8:7:%x::1", i);
        checked += guesses(20, "victim#", address, 0, i);
    }
    OK(checked >= 1400 && checked <= 1500, "and so has an IPv6 /48");
    state.conf.guess_limit = state.conf.network_guess_limit = 0;
    OK(guesses(1000, "victim#", "203.0.113.7", 0, 9) == 1000, "limits of 0 are none");
}

/* 1,000 addresses in as many networks against one account, for an hour. */
static void test_one_account(void)
{
    int64_t worst_home = 0, worst_away = 0, wait;
    bool in = true;
    fresh();
    struct abuse_who home = who("alice", "right", "198.51.100.20");
    (void)login(&home, NULL);
    for (unsigned i = 0; i < 1000; i++) {
        char address[32], away_address[32];
        (void)snprintf(address, sizeof address, "10.%u.%u.1", i / 250, i % 250);
        (void)guesses(20, "alice", address, 180, i);
        in &= login(&home, &wait);
        worst_home = MAX(worst_home, wait);
        (void)snprintf(away_address, sizeof away_address, "172.16.%u.%u", i / 250, i % 250);
        struct abuse_who away = who("alice", "right", away_address);
        in &= login(&away, &wait);
        worst_away = MAX(worst_away, wait);
    }
    printf("# 20,000 guesses of 1,000 addresses: the owner waited at most %lld ms at home, %lld ms elsewhere\n", (long long)worst_home, (long long)worst_away);
    OK(in, "1,000 addresses against one account never lock its owner out");
    OK(worst_home == 0, "from a network that he is known in he does not even wait");
    OK(worst_away > 0 && worst_away <= ABUSE_ACCOUNT_WAIT_MS, "from elsewhere he waits 5 s at most");
    struct abuse_who smtp = who("alice", "right", "172.17.0.1");
    struct abuse a = { .units = 0 };
    smtp.is_smtp = true;
    OK(abuse_wait(&a, &smtp) <= ABUSE_SMTP_WAIT_MS, "and through a mail server less");
}

/* Somebody behind the same NAT guesses all the time. */
static void test_same_nat(void)
{
    int64_t wait, worst = 0;
    bool in = true;
    fresh();
    const char *nat = "192.0.2.1";
    struct abuse_who known = who("bob", "right", nat), new = who("carol", "right", nat);
    (void)login(&known, NULL);
    for (unsigned i = 0; i < 500; i++) {
        (void)guesses(20, "victim#", nat, 0, i);
        in &= login(&known, &wait);
        worst = MAX(worst, wait);
        pass(7200);
    }
    OK(in && worst == 0, "who is known there logs in without a wait, whatever the neighbour does");
    fresh();
    (void)guesses(20, "victim#", nat, 0, 1);
    OK(login(&new, &wait) && wait <= 15000 - 2000, "who is not waits less than 15 s");
    struct abuse_who wrong = who("bob", "typo", nat);
    (void)login(&known, NULL);
    (void)guesses(300, "victim#", nat, 0, 2);
    OK(guess(&wrong, &wait) && wait == 0 && login(&known, &wait) && wait == 0, "who is known may mistype even then");
    abuse_stop();
}

static void test_repetition(void)
{
    fresh();
    struct abuse_who old = who("dora", "yesterday's", "192.0.2.9");
    unsigned checked = 0;
    int64_t wait = 0;
    for (unsigned i = 0; i < 120; i++, pass(30000))
        checked += guess(&old, &wait);
    OK(checked == 120, "a client that sends an old password every 30 s is always checked");
    OK(wait > 0 && wait <= 1500, "and waits no longer each time");
    struct abuse_who right = who("dora", "today's", "192.0.2.10");
    OK(login(&right, &wait) && wait == 0, "its repetitions are not counted against the account");
    checked = 0;
    for (unsigned i = 0; i < 10000; i++)
        checked += guess(&old, NULL);
    OK(checked <= 3000, "but repetitions have their limit");
    fresh();
    struct abuse_who proof = who("dora", "", "192.0.2.11");
    for (unsigned i = 0; i < 6; i++)
        (void)guess(&proof, &wait);
    OK(wait == ABUSE_WAIT_MS, "proofs of a password (SCRAM) are never repetitions");
}

static void test_in_work(void)
{
    static struct abuse all[2000];
    unsigned counts[ABUSE_BUSY + 1] = { 0 };
    fresh();
    struct abuse_who w = who("erin", "right", "192.0.2.30");
    for (size_t i = 0; i < N_ELEMS(all); i++) {
        all[i] = (struct abuse){ .units = 0 };
        counts[abuse_take(&all[i], &w)]++;
    }
    OK(counts[ABUSE_CHECK] > 0 && counts[ABUSE_CHECK] <= 300 && counts[ABUSE_REFUSE] == 0 && counts[ABUSE_LATER] == 2000 - counts[ABUSE_CHECK],
       "2,000 logins of one address at once: 300 are checked, the others wait, none is refused");
    for (unsigned i = 0; i < counts[ABUSE_CHECK]; i++)
        abuse_passed(&all[i], &w);
    OK(abuse_take(&all[1999], &w) == ABUSE_CHECK, "when those were right, the others are checked");
    abuse_passed(&all[1999], &w);
    fresh();
    for (size_t i = 0; i < 400; i++) {
        all[i] = (struct abuse){ .units = 0 };
        (void)abuse_take(&all[i], &w);
    }
    pass(3000);
    OK(abuse_take(&all[399], &w) == ABUSE_BUSY, "a wait that lasts too long is a temporary failure");
    for (size_t i = 0; i < 300; i++)
        abuse_undecided(&all[i], &w);
    OK(login(&w, NULL), "checks that nobody could decide cost nothing");
    fresh();
    struct abuse_who gone = who("x", "y", "192.0.2.31");
    unsigned left = 0;
    for (unsigned i = 0; i < 1000; i++) {
        struct abuse a = { .units = 0 };
        if (abuse_take(&a, &gone) == ABUSE_CHECK) {
            abuse_abandoned(&a, &gone);
            left++;
        }
    }
    OK(left <= 300, "to leave before the answer does not give the guess back");
}

static void test_exempt(void)
{
    fresh();
    struct abuse_who w = who("frank", "wrong", "192.0.2.40");
    unsigned n = 0;
    w.exempt = true;
    for (int i = 0; i < 1000; i++)
        n += guess(&w, NULL);
    w.exempt = false;
    int64_t wait;
    OK(n == 1000 && guess(&w, &wait) && wait == 0, "no-penalty: not counted, not refused");
    state.conf.trusted_networks = "192.0.2.0/24, 2001:db8::/32";
    OK(guesses(1000, "victim#", "192.0.2.41", 0, 1) == 1000, "a trusted network is not counted");
    OK(guesses(1000, "victim#", "192.0.3.41", 0, 1) <= 300, "another is");
}

static void test_clear(void)
{
    struct buf text = buf_make(0);
    fresh();
    (void)guesses(20, "gina", "192.0.2.50", 0, 1);
    abuse_list(&text, 10);
    OK(str_find(buf_str(&text), STR("address\t192.0.2.50\t20.0\t13000\n")) >= 0 && str_find(buf_str(&text), STR("network\t192.0.2.0/24\t20.0\t0\n")) >= 0 &&
       str_find(buf_str(&text), STR("account\tgina\t20\t5000\n")) >= 0, "addresses, networks and accounts are listed");
    struct abuse_who w = who("hana", "right", "192.0.2.50");
    int64_t wait;
    OK(abuse_clear(STR("192.0.2.50")) > 0 && login(&w, &wait) && wait == 0, "an address can be cleared");
    OK(abuse_clear(STR("gina")) == 1 && abuse_clear(STR("gina")) == 0 && abuse_clear(STR("nobody")) == 0, "an account, once");
    (void)guesses(20, "ivan", "192.0.2.60", 0, 4);
    (void)guesses(20, "ivan", "192.0.2.200", 0, 5);
    (void)guesses(20, "ivan", "198.51.100.1", 0, 6);
    OK(abuse_clear(STR("192.0.2.0/25")) > 0, "a network");
    buf_reset(&text);
    abuse_list(&text, 10);
    OK(str_find(buf_str(&text), STR("address\t192.0.2.60")) < 0 && str_find(buf_str(&text), STR("address\t192.0.2.200\t")) >= 0 &&
       str_find(buf_str(&text), STR("address\t198.51.100.1\t")) >= 0, "and nobody outside of it");
    OK(abuse_clear(STR("192.0.2.0/25")) == 0 && abuse_clear(STR("not/one")) == 0, "once");
    (void)guesses(300, "x#", "192.0.2.51", 0, 2);
    OK(abuse_clear(STR("all")) > 0, "and all of it");
    buf_reset(&text);
    abuse_list(&text, 10);
    OK(text.n == 0, "then nothing is listed");
    (void)guesses(300, "x#", "192.0.2.51", 0, 3);
    abuse_list(&text, 2);
    unsigned lines = 0;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    OK(lines == 4, "a list has an end: two accounts of many, one address, one network");
    buf_done(&text);
}

int main(void)
{
    loop_init();
    loop_turn(0);
    test_one_address();
    test_network();
    test_one_account();
    test_same_nat();
    test_repetition();
    test_in_work();
    test_exempt();
    test_clear();
    return tap_done();
}
