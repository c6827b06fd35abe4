/* SPDX-License-Identifier: ISC
 * pump_test.c - bytes through a TLS pump, both ways, slow sides, ends, memory. */
#include "event/conn.h"
#include "event/pump.h"
#include "event/tls_sign.h"
#include "tap.h"
#include "testcert.h"
#include <fcntl.h>
#include <linux/tcp.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { BULK = 2000000, IDLE = 200 };
static struct tls_ctx *server, *client;

struct side { int fd; size_t send, got; bool tls, close_first, ok; };
static int secure_calls, closed_calls;
static bool hello;
static bool closed_with_error;
static struct pump *the_pump;
static int64_t patience_ms = 30000;

static void on_secure(struct pump *p, void *user, struct tls_info *info)
{
    (void)user;
    if (hello)
        pump_say(p, STR("HELLO\r\n"));
    secure_calls += strcmp(info->protocol, "TLSv1.3") == 0;
}
static void on_closed(struct pump *p, void *user, const struct err *err)
{
    (void)user;
    closed_calls++;
    closed_with_error = err != NULL;
    pump_free(p);
}
static int active_calls;
static void on_active(struct pump *p, void *user)
{
    (void)p, (void)user;
    active_calls++;
}
static const struct pump_ops ops = { .on_secure = on_secure, .on_active = on_active, .on_closed = on_closed };

static void put_pattern(struct conn *c, size_t n)
{
    char b[5000];
    for (size_t at = 0; at < n; at += sizeof b) {
        for (size_t i = 0; i < sizeof b; i++)
            b[i] = (char)((at + i) % 241);
        conn_put(c, str_make(b, sizeof b));
    }
}

/* Sends a pattern and closes, or reads the other side's. */
static void talk(void *arg)
{
    struct side *s = arg;
    struct conn *c = conn_new(s->fd, 65536);
    struct err err;
    struct str have;
    s->ok = !s->tls || conn_tls_connect(c, client, NULL, deadline_in(30000), &err) == 0;
    if (s->close_first) {
        put_pattern(c, s->send);
        (void)conn_flush(c, deadline_in(30000));
        conn_free(c);
        return;
    }
    while (conn_fill(c, 1, deadline_in(30000), &have) == READ_OK) {
        for (size_t i = 0; i < have.n; i++)
            s->ok &= have.p[i] == (char)((s->got + i) % 241);
        s->got += have.n;
        conn_consume(c, have.n);
        (void)fiber_yield();
    }
    conn_free(c);
}

static void run_pair(struct side *tls_side, struct side *plain_side)
{
    int a[2], b[2];
    (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a);
    (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b);
    tls_side->fd = a[0];
    tls_side->tls = true;
    plain_side->fd = b[0];
    secure_calls = closed_calls = active_calls = 0;
    the_pump = pump_new(a[1], server, b[1], deadline_in(patience_ms), &ops, NULL);
    pump_begin(the_pump);
    (void)fiber_start("tls side", talk, tls_side);
    (void)fiber_start("plain side", talk, plain_side);
    loop_run();
}

static void test_both_ways(void)
{
    struct side t = { .send = BULK, .close_first = true }, p = { .got = 0 };
    run_pair(&t, &p);
    OK(p.ok && p.got == BULK && secure_calls == 1 && active_calls == 1 && closed_calls == 1 && !closed_with_error,
       "two megabytes from the TLS side arrive before its end does");
    t = (struct side){ .got = 0 };
    p = (struct side){ .send = BULK, .close_first = true };
    run_pair(&t, &p);
    OK(t.ok && t.got == BULK && closed_calls == 1 && active_calls <= 1, "and from the plain side");
}

static void test_failures(void)
{
    int a[2], b[2];
    (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a);
    (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b);
    (void)!write(a[0], "GET / HTTP/1.0\r\n\r\n", 18);
    closed_calls = 0;
    pump_begin(pump_new(a[1], server, b[1], deadline_in(30000), &ops, NULL));
    loop_run();
    OK(closed_calls == 1 && closed_with_error, "plain text on the TLS side fails the handshake");
    (void)close(a[0]);
    (void)close(b[0]);
    (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a);
    (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b);
    pump_begin(pump_new(a[1], server, b[1], deadline_in(3), &ops, NULL));
    loop_run();
    OK(closed_calls == 2 && closed_with_error, "a silent client meets the handshake deadline");
    (void)close(a[0]);
    (void)close(b[0]);
}

/* The server says its last word while the client goes on sending; TCP, since only there a reset exists. */
static struct { size_t more; bool greeted, heard, reset; unsigned segments; } chatter;
static void chatty(void *arg)
{
    struct conn *c = conn_new(*(int *)arg, 65536);
    struct err err;
    struct str line;
    if (conn_tls_connect(c, client, NULL, deadline_in(30000), &err) == 0) {
        chatter.greeted = conn_read_line(c, 100, deadline_in(5000), &line) == READ_OK && str_eqz(line, "HELLO");
        (void)fiber_sleep(deadline_in(150));    /* the last word is on its way, unread */
        for (size_t n = 0; n < chatter.more && !conn_is_broken(c); n += 5000) {
            put_pattern(c, 5000);
            (void)conn_flush(c, deadline_in(2000));
            (void)fiber_sleep(deadline_in(1));
        }
        struct tcp_info info;
        socklen_t n = sizeof info;
        (void)getsockopt(conn_fd(c), IPPROTO_TCP, TCP_INFO, &info, &n);
        chatter.segments = info.tcpi_data_segs_in;
        chatter.heard = chatter.greeted && conn_read_line(c, 100, deadline_in(5000), &line) == READ_OK && str_eqz(line, "BYE");
    }
    chatter.reset = conn_is_broken(c);
    conn_free(c);
}

static void listen_pair(int ret_pair[2])
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(l, (struct sockaddr *)&a, n) < 0 || listen(l, 1) < 0 || getsockname(l, (struct sockaddr *)&a, &n) < 0)
        abort();
    ret_pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(ret_pair[0], (struct sockaddr *)&a, n) < 0)
        abort();
    ret_pair[1] = accept4(l, NULL, NULL, SOCK_NONBLOCK);
    (void)fcntl(ret_pair[0], F_SETFL, O_NONBLOCK);
    (void)close(l);
}

/* When the greeting has been acknowledged (a delayed acknowledgement takes 40 ms), which would push out what waits for the end. */
static void say_bye(void *arg)
{
    const int *fd = arg;
    for (int i = 0; i < 5000 && !chatter.greeted; i++)
        (void)fiber_sleep(deadline_in(1));
    (void)fiber_sleep(deadline_in(100));
    (void)!write(*fd, "BYE\r\n", 5);
    (void)close(*fd);
}

static void run_chatter(size_t more)
{
    int a[2], b[2];
    listen_pair(a);
    (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b);
    chatter.more = more;
    chatter.greeted = false;
    closed_calls = 0;
    hello = true;
    pump_begin(pump_new(a[1], server, b[1], deadline_in(30000), &ops, NULL));
    (void)fiber_start("client", chatty, &a[0]);
    (void)fiber_start("plain side", say_bye, &b[0]);
    loop_run();
    hello = false;
}

static void test_linger(void)
{
    run_chatter(0);
    OK(chatter.heard && closed_calls == 1, "the last reply of a server that closes is read");
    OK(chatter.segments == 3, "handshake, ticket with greeting, last reply with end: a segment each");
    run_chatter(200000);
    OK(chatter.heard && !chatter.reset && closed_calls == 1, "also by a client that goes on sending first");
    int64_t start = loop_now();
    run_chatter(3000000);
    OK(closed_calls == 1 && loop_now() - start < 9000, "a client that sends without end is cut off");
}

/* Signatures from elsewhere: the pump's owner loses patience before they come. */
static EVP_PKEY *far_key;
static int64_t far_ms;
static bool sign_far(const unsigned char *id, enum tls_sign_kind kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n)
{
    (void)id;
    return fiber_sleep(deadline_in(far_ms)) == WAIT_OK && !fiber_is_cancelled() && tls_sign_here(far_key, kind, in, ret_sig, cap, ret_n);
}

static void test_apart(void)
{
    char cert[] = "/tmp/pump_test.XXXXXX";
    struct err err;
    struct side t = { .send = BULK, .close_first = true }, p = { .got = 0 };
    struct tls_ctx *near = server;
    far_key = EVP_EC_gen("P-256");
    testcert_write_cert(cert, far_key);
    tls_keys_apart(sign_far);
    struct tls_server_conf conf = { .cert_file = cert, .service = "pump_test" };
    server = tls_server_ctx(&conf, &err);
    far_ms = 20;
    run_pair(&t, &p);
    OK(p.ok && p.got == BULK && secure_calls == 1 && closed_calls == 1, "a signature that takes its time: everything arrives");
    far_ms = 200;
    patience_ms = 50;
    run_pair(&t, &p);
    OK(secure_calls == 0 && closed_calls == 1 && closed_with_error, "the deadline passes while a signature is waited for");
    far_ms = 0;
    far_key = NULL;
    server = near;
    tls_keys_apart(NULL);
}

static void only_handshake(void *arg)
{
    struct err err;
    struct conn *c = conn_new(*(int *)arg, 1000);
    (void)conn_tls_connect(c, client, NULL, deadline_in(60000), &err);
    (void)fiber_sleep(deadline_in(100000));
    conn_free(c);
}

/* All are up, or the machine is much too slow. */
static int64_t give_up;
static void end_it(struct timer *t)
{
    if (secure_calls == IDLE || loop_now() > give_up)
        loop_stop();
    else
        timer_set(t, loop_now() + 100, end_it);
}

/* Client side included, so the pump's share is less than half. */
static void test_idle_memory(void)
{
    static int fds[IDLE];
    struct timer t = { .fn = NULL };
    struct mallinfo2 before = mallinfo2();
    secure_calls = 0;
    for (int i = 0; i < IDLE; i++) {
        int a[2], b[2];
        (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a);
        (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b);
        fds[i] = a[0];
        pump_begin(pump_new(a[1], server, b[1], deadline_in(60000), &ops, NULL));
        (void)fiber_start("client", only_handshake, &fds[i]);
    }
    give_up = deadline_in(60000);
    timer_set(&t, deadline_in(100), end_it);
    loop_run();
    size_t each = (mallinfo2().uordblks - before.uordblks) / IDLE;
    printf("# %d handshakes, %zu bytes of heap for each pump and its client together\n", secure_calls, each);
    OK(secure_calls == IDLE && each < 120 * 1024, "an idle TLS connection holds less than 60 KiB");
}

int main(void)
{
    char cert[] = "/tmp/pump_test.XXXXXX";
    struct err err;
    testcert_write(cert);
    loop_init();
    struct tls_server_conf conf = { .cert_file = cert, .service = "pump_test" };
    struct tls_client_conf cconf = { .verify = false };
    server = tls_server_ctx(&conf, &err);
    client = tls_client_ctx(&cconf, &err);
    (void)unlink(cert);
    test_both_ways();
    test_failures();
    test_apart();
    test_linger();
    test_idle_memory();
    fflush(stdout);
    int status = tap_done();
    fflush(stdout);
    _exit(status);      /* with clients still open: leaks are not the question here */
}
