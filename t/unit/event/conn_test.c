/* SPDX-License-Identifier: ISC
 * conn_test.c - lines and blocks over plain and TLS streams. */
#include "event/conn.h"
#include "event/tls.h"
#include "tap.h"
#include "testcert.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { MAX_LINE = 100, IN_MAX = 70000 };

/* What the peer writes, how, and what a reader of lines makes of it. */
struct line_case { const char *name, *input, *want; };
static char too_long[120], huge[70000];
static const struct line_case line_cases[] = {
    { "lines end at CRLF", "one\r\ntwo\r\n", "[one][two]<closed>" },
    { "a bare LF ends a line and is told", "one\ntwo\r\n", "[one!][two]<closed>" },
    { "only one CR before LF is cut off", "one\r\r\n", "[one\r]<closed>" },
    { "an empty line", "\r\n\n", "[][!]<closed>" },
    { "a CR inside stays", "a\rb\r\n", "[a\rb]<closed>" },
    { "bytes without an end are not a line", "one\r\ntw", "[one]<closed>" },
    { "a line over the limit is thrown away up to its end", too_long, "<too long>[next]<closed>" },
    { "one without end for 64 KiB closes", huge, "<closed>" },
};

struct script { int fd; const char *input; size_t chunk; struct tls_ctx *client, *server; bool failed; };
static struct buf seen;

/* Write the input in pieces, letting the reader run in between. */
static void writer(void *arg)
{
    struct script *s = arg;
    struct conn *c = conn_new(s->fd, IN_MAX);
    struct err err;
    struct str rest = str_from(s->input);
    if (s->client != NULL && conn_tls_connect(c, s->client, "localhost", deadline_in(60000), &err) < 0)
        s->failed = true;
    while (rest.n > 0 && !s->failed) {
        conn_put(c, str_head(rest, s->chunk));
        rest = str_skip(rest, s->chunk);
        if (!conn_flush(c, deadline_in(60000)))
            break;
        (void)fiber_sleep(loop_now() + (s->chunk == 1 ? 0 : 1));
    }
    conn_free(c);
}

static void reader(void *arg)
{
    struct script *s = arg;
    struct conn *c = conn_new(s->fd, IN_MAX);
    struct err err;
    if (s->server != NULL && conn_tls_accept(c, s->server, deadline_in(60000), &err) < 0)
        buf_puts(&seen, "<no tls>");
    for (;;) {
        struct str line;
        enum read_result r = conn_read_line(c, MAX_LINE, deadline_in(60000), &line);
        if (r == READ_OK) {
            buf_putc(&seen, '[');
            buf_add(&seen, line);
            buf_puts(&seen, conn_line_was_bare(c) ? "!]" : "]");
        } else {
            buf_puts(&seen, r == READ_TOO_LONG ? "<too long>" : r == READ_CLOSED ? "<closed>" : "<other>");
        }
        if (r != READ_OK && r != READ_TOO_LONG)
            break;
    }
    conn_free(c);
}

static int pair[2];
static void make_pair(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
}

static void run_lines(const struct line_case *t, size_t chunk, struct tls_ctx *server, struct tls_ctx *client)
{
    char name[200];
    make_pair();
    struct script w = { .fd = pair[0], .input = t->input, .chunk = chunk, .client = client };
    struct script r = { .fd = pair[1], .server = server };
    buf_reset(&seen);
    (void)fiber_start("writer", writer, &w);
    (void)fiber_start("reader", reader, &r);
    loop_run();
    (void)snprintf(name, sizeof name, "%s (%s%s)", t->name, chunk == 1 ? "byte by byte" : "whole", server != NULL ? ", TLS" : "");
    OK(str_eqz(buf_str(&seen), t->want), name);
    if (!str_eqz(buf_str(&seen), t->want))
        printf("# got %s\n", buf_cstr(&seen));
}

static void test_lines(struct tls_ctx *server, struct tls_ctx *client)
{
    memset(too_long, 'x', 100);
    memcpy(too_long + 100, "\r\nnext\r\n", 8);
    memset(huge, 'y', sizeof huge - 1);
    for (size_t i = 0; i < N_ELEMS(line_cases); i++) {
        run_lines(&line_cases[i], SIZE_MAX, server, client);
        if (line_cases[i].input != huge)
            run_lines(&line_cases[i], 1, server, client);
    }
}

/* Lines of every length around the buffer's limit. */
static void test_exact_limit(void)
{
    char input[128];
    for (size_t n = MAX_LINE - 3; n <= MAX_LINE; n++) {
        memset(input, 'a', n);
        memcpy(input + n, "\r\n", 3);
        make_pair();
        (void)!write(pair[0], input, n + 2);
        (void)shutdown(pair[0], SHUT_WR);
        struct script r = { .fd = pair[1] };
        buf_reset(&seen);
        (void)fiber_start("reader", reader, &r);
        loop_run();
        (void)close(pair[0]);
        OK(str_starts(buf_str(&seen), n + 2 <= MAX_LINE ? STR("[aaa") : STR("<too long>")), "the limit counts the line end too");
    }
}

static int writes_seen;
static void batch_server(void *arg)
{
    struct conn *c = conn_new(*(int *)arg, IN_MAX);
    struct str line;
    while (conn_read_line(c, MAX_LINE, deadline_in(60000), &line) == READ_OK)
        conn_printf(c, "250 %.*s\r\n", STR_FMT(line));
    conn_free(c);
}
static void batch_client(void *arg)
{
    int fd = *(int *)arg;
    char b[4096];
    (void)!write(fd, "a\r\nb\r\nc\r\n", 9);
    for (size_t got = 0; got < 21; ) {
        if (fiber_wait_fd(fd, 1 /* EPOLLIN */, deadline_in(60000)) != WAIT_OK)
            break;
        ssize_t n = read(fd, b, sizeof b);
        got += n > 0 ? (size_t)n : 0;
        writes_seen++;
    }
    (void)close(fd);
}
static void test_batch(void)
{
    make_pair();
    (void)fiber_start("server", batch_server, &pair[0]);
    (void)fiber_start("client", batch_client, &pair[1]);
    loop_run();
    OK(writes_seen == 1, "a pipelined batch is answered in one write");
}

enum { BULK = 3000000 };
static size_t bulk_got;
static bool bulk_good = true;
static struct tls_ctx *bulk_tls[2];
static void bulk_reader(void *arg)
{
    struct conn *c = conn_new(*(int *)arg, 65536);
    struct str have;
    struct err err;
    if (bulk_tls[0] != NULL)
        (void)conn_tls_accept(c, bulk_tls[0], deadline_in(60000), &err);
    while (bulk_got < BULK && conn_fill(c, 1, deadline_in(60000), &have) == READ_OK) {
        for (size_t i = 0; i < have.n; i++)
            bulk_good &= have.p[i] == (char)((bulk_got + i) % 251);
        bulk_got += have.n;
        conn_consume(c, have.n);
    }
    conn_free(c);
}
static void bulk_writer(void *arg)
{
    struct conn *c = conn_new(*(int *)arg, 1000);
    struct err err;
    char b[10000];
    if (bulk_tls[1] != NULL)
        (void)conn_tls_connect(c, bulk_tls[1], NULL, deadline_in(60000), &err);
    for (size_t at = 0; at < BULK; at += sizeof b) {
        for (size_t i = 0; i < sizeof b; i++)
            b[i] = (char)((at + i) % 251);
        conn_put(c, str_make(b, sizeof b));
    }
    (void)conn_flush(c, deadline_in(60000));
    conn_free(c);
}
static void test_bulk(const char *name)
{
    bulk_got = 0;
    make_pair();
    (void)fiber_start("bulk reader", bulk_reader, &pair[0]);
    (void)fiber_start("bulk writer", bulk_writer, &pair[1]);
    loop_run();
    OK(bulk_got == BULK && bulk_good, name);
}

static enum read_result silent_result;
static bool input_before, input_after;
static void silent_reader(void *arg)
{
    struct conn *c = conn_new(*(int *)arg, 1000);
    struct str line;
    input_before = conn_has_input(c);
    silent_result = conn_read_line(c, 1000, deadline_in(3), &line);
    (void)!write(pair[1], "x", 1);
    input_after = conn_has_input(c);
    conn_free(c);
}
static void test_timeout(void)
{
    make_pair();
    (void)fiber_start("silent", silent_reader, &pair[0]);
    loop_run();
    (void)close(pair[1]);
    OK(silent_result == READ_TIMEOUT, "a silent peer meets the deadline");
    OK(!input_before && input_after, "input is seen without waiting");
}

static bool write_failed;
static void slow_writer(void *arg)
{
    struct conn *c = conn_new(*(int *)arg, 1000);
    char b[1000];
    memset(b, 'z', sizeof b);
    conn_set_write_timeout(c, 20);
    for (int i = 0; i < 2000 && !conn_is_broken(c); i++)
        conn_put(c, str_make(b, sizeof b));
    write_failed = conn_is_broken(c) && !conn_flush(c, deadline_in(1));
    conn_free(c);
}
static void test_slow_peer(void)
{
    make_pair();
    (void)fiber_start("slow writer", slow_writer, &pair[0]);
    loop_run();
    (void)close(pair[1]);
    OK(write_failed, "a peer that does not read breaks the connection after the write timeout");
}

static int tls_result;
static char tls_text[320];
static void stuffed_accept(void *arg)
{
    struct conn *c = conn_new(pair[0], 1000);
    struct str line;
    struct err err = { .text = "" };
    (void)conn_read_line(c, 1000, deadline_in(30000), &line);
    conn_puts(c, "220 go ahead\r\n");
    tls_result = conn_tls_accept(c, arg, deadline_in(30000), &err);
    (void)snprintf(tls_text, sizeof tls_text, "%s", err.text);
    conn_free(c);
}
static void test_stuffed_starttls(struct tls_ctx *server)
{
    make_pair();
    (void)!write(pair[1], "STARTTLS\r\nRSET\r\n", 16);
    (void)fiber_start("stuffed", stuffed_accept, server);
    loop_run();
    (void)close(pair[1]);
    OK(tls_result == -1 && strstr(tls_text, "plaintext") != NULL, "commands sent behind STARTTLS make it fail");
    make_pair();
    (void)!write(pair[1], "STARTTLS\r\n", 10);
    (void)shutdown(pair[1], SHUT_WR);
    (void)fiber_start("hangs up", stuffed_accept, server);
    loop_run();
    (void)close(pair[1]);
    OK(tls_result == -1 && strstr(tls_text, "lost connection") != NULL, "a peer that hangs up in the handshake is a lost connection");
    make_pair();
    (void)!write(pair[1], "STARTTLS\r\n", 10);
    struct fiber *f = fiber_start("speaks plain", stuffed_accept, server);
    for (int i = 0; i < 5; i++)
        loop_turn(deadline_in(2));
    (void)!write(pair[1], "MAIL FROM:<>\r\n", 14);
    loop_run();
    (void)f;
    (void)close(pair[1]);
    OK(tls_result == -1 && tls_text[0] != '\0', "plain text instead of a handshake is an error with a reason");
}

struct shake { int fd; struct tls_ctx *ctx; const char *name; int rc; struct tls_info info; struct err err; };
static void shake_server(void *arg)
{
    struct shake *s = arg;
    struct conn *c = conn_new(s->fd, 1000);
    struct str line;
    s->rc = conn_tls_accept(c, s->ctx, deadline_in(60000), &s->err);
    if (s->rc == 0) {
        s->info = *conn_tls_info(c);
        (void)conn_read_line(c, 100, deadline_in(60000), &line);
    }
    conn_free(c);
}
static void shake_client(void *arg)
{
    struct shake *s = arg;
    struct conn *c = conn_new(s->fd, 1000);
    s->rc = conn_tls_connect(c, s->ctx, s->name, deadline_in(60000), &s->err);
    if (s->rc == 0)
        s->info = *conn_tls_info(c);
    conn_puts(c, "x\r\n");
    (void)conn_flush(c, deadline_in(100));
    conn_free(c);
}
static void shake_hands(struct tls_ctx *server, struct tls_ctx *client, const char *name, struct shake *ret_s, struct shake *ret_c)
{
    make_pair();
    *ret_s = (struct shake){ .fd = pair[0], .ctx = server };
    *ret_c = (struct shake){ .fd = pair[1], .ctx = client, .name = name };
    (void)fiber_start("tls server", shake_server, ret_s);
    (void)fiber_start("tls client", shake_client, ret_c);
    loop_run();
}

static struct tls_ctx *client_ctx(const char *ca, bool verify, const char *alpn)
{
    struct err err;
    struct tls_client_conf conf = { .ca_file = ca, .verify = verify, .alpn = alpn };
    return tls_client_ctx(&conf, &err);
}

static void test_tls_choices(struct tls_ctx *server, const char *cert)
{
    struct shake s, c;
    struct tls_ctx *good = client_ctx(cert, true, "smtp"), *alien = client_ctx(NULL, false, "http/1.1");
    shake_hands(server, good, "localhost", &s, &c);
    OK(s.rc == 0 && c.rc == 0 && c.info.peer_verified, "a certificate that verifies");
    OK(strcmp(s.info.protocol, "TLSv1.3") == 0 && strcmp(s.info.sni, "localhost") == 0 &&
       strcmp(s.info.key_exchange, "X25519") == 0 && s.info.bits >= 128, "what was negotiated is known to the server");
    OK(strcmp(c.info.signature, "ECDSA (prime256v1)") == 0 && strcmp(c.info.digest, "SHA256") == 0, "and to the client");
    shake_hands(server, good, "other.example", &s, &c);
    OK(c.rc == -1 && strstr(c.err.text, "verification failed") != NULL, "a certificate for another name is refused");
    shake_hands(server, alien, "localhost", &s, &c);
    OK(s.rc == -1 && c.rc == -1, "a client that offers only another protocol by ALPN is refused");
    tls_ctx_free(good);
    tls_ctx_free(alien);
}

static void test_bad_conf(const char *cert)
{
    struct err err;
    struct tls_server_conf none = { .cert_file = "/nonexistent/cert.pem" }, proto = { .cert_file = cert, .min_protocol = "SSLv2" };
    OK(tls_server_ctx(&none, &err) == NULL && strstr(err.text, "/nonexistent/cert.pem") != NULL, "a missing certificate is named");
    OK(tls_server_ctx(&proto, &err) == NULL && strstr(err.text, "SSLv2") != NULL, "an unknown protocol version is named");
}

int main(void)
{
    char cert[] = "/tmp/conn_test.XXXXXX";
    struct err err;
    testcert_write(cert);
    loop_init();
    struct tls_server_conf conf = { .cert_file = cert, .alpn = "smtp", .service = "conn_test" };
    struct tls_ctx *server = tls_server_ctx(&conf, &err), *client = client_ctx(NULL, false, NULL);
    OK(server != NULL && client != NULL, "contexts");
    test_lines(NULL, NULL);
    test_lines(server, client);
    test_exact_limit();
    test_batch();
    test_bulk("three megabytes in order");
    bulk_tls[0] = server;
    bulk_tls[1] = client;
    test_bulk("three megabytes in order over TLS");
    test_timeout();
    test_slow_peer();
    test_stuffed_starttls(server);
    test_tls_choices(server, cert);
    test_bad_conf(cert);
    tls_ctx_free(server);
    tls_ctx_free(client);
    buf_done(&seen);
    (void)unlink(cert);
    return tap_done();
}
