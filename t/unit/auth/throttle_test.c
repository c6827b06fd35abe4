/* SPDX-License-Identifier: ISC */
#include "auth/address.h"
#include "auth/known.h"
#include "auth/throttle.h"
#include "tap.h"

static const struct { const char *name, *address, *host, *net; } addresses[] = {
    { "an IPv4 address counts by itself and by its /24", "192.0.2.77", "192.0.2.77", "192.0.2.0/24" },
    { "an IPv4 address in IPv6 clothes is the same", "::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0/24" },
    { "an IPv6 address counts by its /64 and its /48", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48" },
    { "the largest IPv4 address", "255.255.255.255", "255.255.255.255", "255.255.255.0/24" },
    { "the smallest IPv4 address", "0.0.0.0", "0.0.0.0", "0.0.0.0/24" },
    { "a number over 255 is no part of an address", "192.0.2.256", "", "" },
    { "a number of four digits is none", "192.0.2.0077", "", "" },
    { "a zero in front of a number is refused", "192.0.02.7", "", "" },
    { "three numbers are no address", "192.0.2", "", "" },
    { "five numbers are no address", "192.0.2.7.1", "", "" },
    { "an empty number is none", "192..2.7", "", "" },
    { "something behind an address makes it none", "192.0.2.7 ", "", "" },
    { "a name is no address", "localhost", "", "" },
    { "nothing is no address", "", "", "" },
    { "an address with a zone is none", "fe80::1%eth0", "", "" },
    { "text longer than any address is none", "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", "", "" },
};

static void test_address(void)
{
    for (size_t i = 0; i < N_ELEMS(addresses); i++) {
        struct address_key host = address_key_host(str_from(addresses[i].address)), net = address_key_net(str_from(addresses[i].address));
        struct buf a = buf_make(0), b = buf_make(0);
        address_key_put(address_key_str(&host), &a);
        address_key_put(address_key_str(&net), &b);
        OK(str_eqz(buf_str(&a), addresses[i].host) && str_eqz(buf_str(&b), addresses[i].net), addresses[i].name);
        buf_done(&a);
        buf_done(&b);
    }
}

/* Any window of an hour holds at most what the sum allows: events every 7 s, taken only while the sum is under the limit. */
static bool never_over(uint64_t limit)
{
    enum { STEP = 7000, HOUR = 3600 * 1000, STEPS = 4 * HOUR / STEP };
    static bool taken[STEPS];
    struct throttle *t = throttle_new(4, HOUR);
    bool good = true;
    for (int i = 0; i < STEPS; i++) {
        taken[i] = throttle_sum(t, STR("k"), (int64_t)i * STEP) < limit;
        if (taken[i])
            throttle_add(t, STR("k"), 1, (int64_t)i * STEP);
        uint64_t in_window = 0;
        for (int k = i; k >= 0 && (i - k) * STEP < HOUR; k--)
            in_window += taken[k];
        good &= in_window <= limit;
    }
    throttle_free(t);
    return good;
}

static bool collect(void *arg, struct str key, uint64_t sum)
{
    struct buf *out = arg;
    buf_printf(out, "%.*s=%llu ", STR_FMT(key), (unsigned long long)sum);
    return out->n < 9;
}

static void test_throttle(void)
{
    struct throttle *t = throttle_new(3, 12000);
    struct buf text = buf_make(0);
    const struct str a = STR("a"), b = STR("b");
    OK(throttle_sum(t, a, 0) == 0, "nothing has happened under a new key");
    throttle_add(t, a, 2, 0);
    throttle_add(t, a, 3, 5000);
    OK(throttle_sum(t, a, 5000) == 5 && throttle_sum(t, b, 5000) == 0, "events add up, by key");
    OK(throttle_sum(t, a, 12999) == 5 && throttle_sum(t, a, 13000) == 3 && throttle_sum(t, a, 18000) == 0, "what is a window old does not count");
    throttle_add(t, a, 7, 20000);
    throttle_take_back(t, a, 4, 20001);
    OK(throttle_sum(t, a, 20001) == 3, "what was taken can be given back");
    throttle_take_back(t, a, 9, 20001);
    OK(throttle_sum(t, a, 20001) == 0 && throttle_keys(t) == 0, "but no more than that, and an empty key is forgotten");
    throttle_take_back(t, a, 1, 20001);
    throttle_add(t, a, 1, 30000);
    throttle_add(t, b, 2, 30001);
    throttle_add(t, STR("c"), 3, 30002);
    throttle_add(t, a, 1, 30003);
    throttle_add(t, STR("d"), 4, 30004);
    OK(throttle_keys(t) == 3 && throttle_sum(t, b, 30004) == 0 && throttle_sum(t, a, 30004) == 2, "the table is bounded: the key longest quiet goes");
    throttle_each(t, 30004, collect, &text);
    OK(str_eqz(buf_str(&text), "c=3 a=2 d=4 "), "all keys can be listed");
    OK(throttle_forget(t, a) && !throttle_forget(t, a) && throttle_sum(t, a, 30004) == 0, "a key can be forgotten, once");
    throttle_add(t, b, 1, 100000);
    OK(throttle_keys(t) == 1, "quiet keys go by themselves");
    throttle_add(t, b, UINT32_MAX, 100000);
    OK(throttle_sum(t, b, 100000) == UINT32_MAX, "a count stops at its end");
    throttle_clear(t);
    OK(throttle_keys(t) == 0, "all can be cleared");
    throttle_free(t);
    OK(never_over(300) && never_over(7) && never_over(1), "no hour holds more than the limit, wherever it begins");
    buf_done(&text);
    char long_key[1000];
    memset(long_key, 'x', sizeof long_key);
    t = throttle_new(3, 12000);
    throttle_add(t, str_make(long_key, sizeof long_key), 1, 0);
    OK(throttle_sum(t, str_make(long_key, THROTTLE_KEY_MAX), 0) == 1, "a key over its limit counts by its beginning");
    throttle_free(t);
}

static const struct { const char *name, *line; size_t bad, n; } lines[] = {
    { "a pair as it was saved is known", "100 192.0.2.0/24 alice\n", 0, 1 },
    { "a pair that is too old is dropped", "39 192.0.2.0/24 alice\n", 0, 0 },
    { "a pair from the future is refused", "101 192.0.2.0/24 alice\n", 1, 0 },
    { "a line without a user is refused", "100 192.0.2.0/24 \n", 1, 0 },
    { "a line without an address is refused", "100 bogus/24 alice\n", 1, 0 },
    { "a line that was cut off is refused", "100 192.0.2.0/24 ali", 1, 0 },
    { "binary text is refused", "\1\2\3\n\n", 2, 0 },
};

static void test_known(void)
{
    struct known *k = known_new(3);
    struct buf text = buf_make(0);
    const struct str alice = STR("alice"), home = STR("192.0.2.1");
    OK(!known_has(k, alice, home, 100), "nobody is known at first");
    OK(known_add(k, alice, home, 100) && known_has(k, alice, STR("192.0.2.200"), 100), "a user is known in the network of a login");
    OK(!known_has(k, alice, STR("192.0.3.1"), 100) && !known_has(k, STR("bob"), home, 100), "not elsewhere, and nobody else is");
    OK(!known_add(k, alice, home, 100) && known_add(k, alice, home, 101), "another login changes nothing but the day");
    OK(known_has(k, alice, home, 101 + KNOWN_DAYS) && !known_has(k, alice, home, 102 + KNOWN_DAYS), "after two months without a login it is forgotten");
    OK(!known_add(k, alice, STR("nowhere"), 101) && !known_add(k, STR(""), home, 101), "no address, no name: no pair");
    (void)known_add(k, STR("bob"), STR("2001:db8:1:2::3"), 102);
    known_save(k, &text);
    OK(str_eqz(buf_str(&text), "101 192.0.2.0/24 alice\n102 2001:db8:1::/48 bob\n"), "it is saved as text");
    struct known *again = known_new(3);
    OK(known_load(again, buf_str(&text), 103) == 0 && known_has(again, STR("bob"), STR("2001:db8:1:ffff::1"), 103) && known_count(again) == 2, "and read back");
    (void)known_add(k, STR("carol"), home, 103);
    (void)known_add(k, STR("dave"), home, 103);
    OK(known_count(k) == 3 && !known_has(k, alice, home, 103), "the table is bounded: the pair longest unseen goes");
    OK(known_forget(k, STR("bob")) == 1 && known_forget(k, STR("bob")) == 0 && known_count(k) == 2, "a user's pairs can be forgotten");
    OK(known_add(k, STR("x\n1 192.0.2.0/24 y"), home, 104), "a name with a line end is known ...");
    buf_reset(&text);
    known_save(k, &text);
    OK(str_find(buf_str(&text), STR(" y")) < 0, "... but not saved: it cannot make a line of its own");
    known_free(again);
    known_free(k);
    for (size_t i = 0; i < N_ELEMS(lines); i++) {
        k = known_new(3);
        size_t bad = known_load(k, str_from(lines[i].line), 100);
        OK(bad == lines[i].bad && known_count(k) == lines[i].n, lines[i].name);
        known_free(k);
    }
    buf_done(&text);
}

int main(void)
{
    test_address();
    test_throttle();
    test_known();
    return tap_done();
}
