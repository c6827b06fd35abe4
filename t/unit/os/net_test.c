/* SPDX-License-Identifier: ISC
 * net_test.c - addresses as text, listening and connecting on loopback. */
#include "os/local.h"
#include "os/net.h"
#include "os/rand.h"
#include "tap.h"
#include <errno.h>
#include <poll.h>
#include <unistd.h>

static const struct { const char *name, *text, *want; bool loopback; } cases[] = {
    { "an IPv4 address", "192.0.2.1", "192.0.2.1", false },
    { "an IPv6 address is written without brackets", "[2001:DB8:0::1]", "2001:db8::1", false },
    { "an address literal with its tag", "[IPv6:2001:db8::2]", "2001:db8::2", false },
    { "a v4-mapped address is IPv4", "::ffff:127.0.0.9", "127.0.0.9", true },
    { "IPv6 loopback", "::1", "::1", true },
    { "a host name is no address", "localhost", NULL, false },
    { "nor is a part of one", "127.1", NULL, false },
    { "nor is nothing", "", NULL, false },
    { "nor are 300 bytes", "1111111111111111111111111111111111111111111111111111111111111111111111111111", NULL, false },
};

static void test_text(void)
{
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct sockaddr_storage a;
        char text[NET_TEXT];
        bool ok = net_addr_parse(str_from(cases[i].text), 25, &a);
        OK(cases[i].want == NULL ? !ok
           : ok && strcmp(net_text(&a, text), cases[i].want) == 0 && net_port(&a) == 25 && net_is_loopback(&a) == cases[i].loopback,
           cases[i].name);
    }
}

/* On a free port of the loopback address. */
static int listener(struct sockaddr_storage *ret)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    OK(net_addr_parse(STR("127.0.0.1"), 0, &a) && bind(fd, (struct sockaddr *)&a, net_len(&a)) == 0 && listen(fd, 5) == 0 &&
       getsockname(fd, (struct sockaddr *)&a, &n) == 0 && net_port(&a) != 0, "a listener");
    *ret = a;
    return fd;
}

static void test_connect(void)
{
    struct err err;
    struct sockaddr_storage mine;
    int l = listener(&mine);
    int c = net_connect(&mine, NULL, &err);
    struct pollfd p = { .fd = c, .events = POLLOUT };
    OK(c >= 0 && poll(&p, 1, 1000) == 1 && net_connect_result(c) == 0, "a connection");
    OK(net_connect(&mine, &mine, &err) < 0 && err.sys == EADDRINUSE && strstr(err.text, "127.0.0.1:") != NULL, "an own address that is in use is named");
    (void)close(l);
    (void)close(c);
    c = net_connect(&mine, NULL, &err);
    p = (struct pollfd){ .fd = c, .events = POLLOUT };
    if (c >= 0)
        (void)poll(&p, 1, 1000);
    OK(c < 0 || net_connect_result(c) == ECONNREFUSED, "a closed port refuses");
    if (c >= 0)
        (void)close(c);
}

static void test_local(void)
{
    struct err err;
    char path[] = "/tmp/net_test.XXXXXX";
    uid_t uid;
    gid_t gid;
    pid_t pid;
    (void)close(mkstemp(path));
    (void)unlink(path);
    OK(local_connect(path, &err) < 0 && strstr(err.text, path) != NULL, "a socket that is not there is named");
    int l = local_listen(path, 0600, 5, &err), again = local_listen(path, 0600, 5, &err);
    OK(l >= 0 && again >= 0, "a stale socket is replaced");
    int c = local_connect(path, &err);
    OK(c >= 0 && local_peer(c, &uid, &gid, &pid) && uid == geteuid() && pid == getpid(), "the peer is known");
    (void)unlink(path);
    (void)close(l);
    (void)close(again);
    (void)close(c);
}

static void test_rand(void)
{
    bool low = false, high = false, in = true;
    for (int i = 0; i < 1000; i++) {
        uint64_t v = rand_below(10);
        in &= v < 10;
        low |= v == 0;
        high |= v == 9;
    }
    OK(in && low && high, "random numbers reach both ends and not beyond");
}

int main(void)
{
    test_text();
    test_connect();
    test_local();
    test_rand();
    return tap_done();
}
