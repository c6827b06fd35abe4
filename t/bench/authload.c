/* SPDX-License-Identifier: ISC
 *
 * authload - load and timing for an auth socket, of Postern or of Dovecot.
 *
 *   authload load SOCKET PASSWORD LOGINS CONNECTIONS WINDOW
 *       Right logins by PLAIN of u0000 ... u1999. All requests are made before
 *       the clock starts; a connection sends its next WINDOW of them when the
 *       last ones are answered. Prints seconds.
 *
 *   authload timing SOCKET MECHANISM SAMPLES
 *       Wrong passwords for users who exist (u0000 ...) and who do not
 *       (x0000 ...), in random order, one at a time, each from an address of a
 *       network of its own. Prints "u|x NANOSECONDS ANSWER" for each step of
 *       an exchange that depends on the user.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/enc.h"
#include "base/num.h"
#include <errno.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { USERS = 2000, CONNECTIONS_MAX = 64, LINE_MAX_BYTES = 4096 };

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "authload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            fail("send");
        p += sent;
        n -= (size_t)sent;
    }
}

static int open_client(const char *path, unsigned number)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    char text[LINE_MAX_BYTES];
    size_t have = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || !str_to_fixed(str_from(path), to.sun_path, sizeof to.sun_path) || connect(fd, (const struct sockaddr *)(const void *)&to, sizeof to) != 0)
        fail(path);
    while (!str_ends(str_make(text, have), STR("DONE\n"))) {
        ssize_t n = recv(fd, text + have, sizeof text - have, 0);
        if (n <= 0)
            fail("handshake");
        have += (size_t)n;
    }
    int n = snprintf(text, sizeof text, "VERSION\t1\t2\nCPID\t%u\n", (unsigned)getpid() * 100 + number);
    send_all(fd, text, (size_t)n);
    return fd;
}

static void put_base64(struct buf *out, const struct buf *raw) { enc_base64(out, buf_str(raw)); }

/* ---- load ---- */

struct client { int fd; size_t waiting, good; bool in_line; };

struct load { struct buf text; size_t *ends; size_t n, next; };

static void put_login(struct buf *out, uint32_t id, const char *password)
{
    struct buf raw = buf_make(0);
    buf_putc(&raw, '\0');
    buf_printf(&raw, "u%04u", id % USERS);
    buf_putc(&raw, '\0');
    buf_puts(&raw, password);
    buf_printf(out, "AUTH\t%u\tPLAIN\tservice=smtp\tlip=127.0.0.1\trip=192.0.2.%u\tsecured\tresp=", id, id % 200 + 1);
    put_base64(out, &raw);
    buf_putc(out, '\n');
    buf_done(&raw);
}

static void make_load(struct load *l, const char *password, uint32_t total, uint32_t window)
{
    l->ends = xcalloc(total / window + 1, sizeof *l->ends);
    for (uint32_t id = 1; id <= total; id++) {
        put_login(&l->text, id, password);
        if (id % window == 0)
            l->ends[l->n++] = l->text.n;
    }
}

static bool send_next(struct load *l, struct client *c, size_t window)
{
    if (l->next == l->n)
        return false;
    size_t from = l->next == 0 ? 0 : l->ends[l->next - 1];
    send_all(c->fd, l->text.p + from, l->ends[l->next++] - from);
    c->waiting = window;
    return true;
}

static void take_answers(struct client *c)
{
    static char text[1 << 16];
    ssize_t n = recv(c->fd, text, sizeof text, 0);
    if (n <= 0)
        fail("an answer");
    struct str rest = str_make(text, (size_t)n), line;
    while (rest.n > 0) {
        if (!c->in_line)
            c->good += rest.p[0] == 'O';
        bool whole = str_cut(rest, '\n', &line, &rest);
        c->in_line = !whole;
        c->waiting -= whole;
    }
}

static int load(const char *path, const char *password, uint32_t total, uint32_t n_clients, uint32_t window)
{
    struct load l = { .text = buf_make(0) };
    struct client clients[CONNECTIONS_MAX] = { 0 };
    struct pollfd polls[CONNECTIONS_MAX] = { 0 };
    size_t busy = 0, good = 0;
    make_load(&l, password, total, window);
    for (uint32_t i = 0; i < n_clients; i++)
        polls[i] = (struct pollfd){ .fd = clients[i].fd = open_client(path, i), .events = POLLIN };
    int64_t start = now_ns();
    for (uint32_t i = 0; i < n_clients; i++)
        busy += send_next(&l, &clients[i], window);
    while (busy > 0) {
        if (poll(polls, n_clients, 60000) <= 0)
            fail("no answer for a minute");
        for (uint32_t i = 0; i < n_clients; i++) {
            if (polls[i].revents == 0)
                continue;
            take_answers(&clients[i]);
            if (clients[i].waiting == 0 && !send_next(&l, &clients[i], window)) {
                busy--;
                polls[i].events = 0;
            }
        }
    }
    int64_t took = now_ns() - start;
    for (uint32_t i = 0; i < n_clients; i++)
        good += clients[i].good;
    if (good != l.n * window) {
        fprintf(stderr, "authload: %zu of %zu logins were answered with OK\n", good, l.n * window);
        return 1;
    }
    printf("%.6f %zu\n", (double)took / 1e9, good);
    return 0;
}

/* ---- timing ---- */

struct sample { bool exists; unsigned user; };

static struct str read_line(int fd, char text[LINE_MAX_BYTES])
{
    size_t have = 0;
    while (have == 0 || text[have - 1] != '\n') {
        ssize_t n = have == LINE_MAX_BYTES ? 0 : recv(fd, text + have, LINE_MAX_BYTES - have, 0);
        if (n <= 0)
            fail("an answer");
        have += (size_t)n;
    }
    return str_make(text, have - 1);
}

/* The answer's first word, and how long it took. */
static struct str ask(int fd, const struct buf *line, bool measured, char kind, char text[LINE_MAX_BYTES])
{
    int64_t start = now_ns();
    send_all(fd, line->p, line->n);
    struct str answer = read_line(fd, text), word, rest;
    int64_t took = now_ns() - start;
    (void)str_cut(answer, '\t', &word, &rest);
    if (measured)
        printf("%c %lld %.*s\n", kind, (long long)took, STR_FMT(word));
    return answer;
}

static void begin(struct buf *out, uint32_t id, const char *mech)
{
    uint32_t first = strcmp(mech, "PLAIN") == 0 ? 20 : strcmp(mech, "LOGIN") == 0 ? 84 : 148;
    buf_reset(out);
    buf_printf(out, "AUTH\t%u\t%s\tservice=smtp\trip=%u.%u.7.9\tsecured", id, mech, first + (id & 63), id >> 6 & 255);
}

static void go_on(struct buf *out, uint32_t id, const struct buf *raw)
{
    buf_reset(out);
    buf_printf(out, "CONT\t%u\t", id);
    put_base64(out, raw);
    buf_putc(out, '\n');
}

static void end_with(struct buf *out, const struct buf *raw)
{
    buf_puts(out, "\tresp=");
    put_base64(out, raw);
    buf_putc(out, '\n');
}

/* The final message for a server's first one: its nonce, and a proof that is none. */
static void scram_final(struct buf *raw, struct str answer, bool is_sha1)
{
    static const uint8_t none[32];
    struct buf server = buf_make(0);
    struct str nonce, rest;
    ptrdiff_t at = str_rchr(answer, '\t');
    if (at < 0 || !enc_unbase64(&server, str_skip(answer, (size_t)at + 1)))
        fail("SCRAM's first answer");
    (void)str_cut(buf_str(&server), ',', &nonce, &rest);
    buf_reset(raw);
    buf_puts(raw, "c=biws,");
    buf_add(raw, nonce);
    buf_puts(raw, ",p=");
    enc_base64(raw, str_make(none, is_sha1 ? 20 : 32));
    buf_done(&server);
}

static void exchange(int fd, uint32_t id, const char *mech, struct sample s)
{
    char user[16], text[LINE_MAX_BYTES], kind = s.exists ? 'u' : 'x';
    struct buf raw = buf_make(0), line = buf_make(0);
    (void)snprintf(user, sizeof user, "%c%04u", kind, s.user);
    begin(&line, id, mech);
    if (strcmp(mech, "LOGIN") == 0) {
        buf_puts(&raw, user);
        end_with(&line, &raw);
        (void)ask(fd, &line, false, kind, text);
        buf_reset(&raw);
        buf_puts(&raw, "wrong-password");
        go_on(&line, id, &raw);
    } else if (strcmp(mech, "CRAM-MD5") == 0) {
        buf_putc(&line, '\n');
        (void)ask(fd, &line, false, kind, text);
        buf_printf(&raw, "%s 0123456789abcdef0123456789abcdef", user);
        go_on(&line, id, &raw);
    } else if (str_starts(str_from(mech), STR("SCRAM"))) {
        buf_printf(&raw, "n,,n=%s,r=abcdefghijklmnopqrstuvwx", user);
        end_with(&line, &raw);
        scram_final(&raw, ask(fd, &line, true, kind, text), strcmp(mech, "SCRAM-SHA-1") == 0);
        go_on(&line, id, &raw);
    } else {
        buf_putc(&raw, '\0');
        buf_puts(&raw, user);
        buf_putc(&raw, '\0');
        buf_puts(&raw, "wrong-password");
        end_with(&line, &raw);
    }
    (void)ask(fd, &line, true, kind, text);
    buf_done(&raw);
    buf_done(&line);
}

/* Users of both kinds once each, shuffled. */
static struct sample *make_order(uint32_t samples)
{
    struct sample *order = xcalloc(2 * (size_t)samples, sizeof *order);
    for (uint32_t i = 0; i < 2 * samples; i++)
        order[i] = (struct sample){ .exists = i % 2 == 0, .user = i / 2 };
    for (uint32_t i = 2 * samples; i > 1; i--) {
        uint32_t r = 0;
        if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
            fail("getrandom");
        struct sample other = order[r % i];
        order[r % i] = order[i - 1];
        order[i - 1] = other;
    }
    return order;
}

static int timing(const char *path, const char *mech, uint32_t samples)
{
    struct sample *order = make_order(samples);
    int fd = open_client(path, 0);
    for (uint32_t i = 0; i < 2 * samples; i++)
        exchange(fd, i + 1, mech, order[i]);
    free(order);
    return 0;
}

static uint32_t number(const char *text, uint32_t max)
{
    uint32_t n = 0;
    if (!num_parse_u32(str_from(text), max, &n) || n == 0) {
        fprintf(stderr, "authload: \"%s\" is not a number from 1 to %u\n", text, max);
        exit(1);
    }
    return n;
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "load") == 0)
        return load(argv[2], argv[3], number(argv[4], 10000000), number(argv[5], CONNECTIONS_MAX), number(argv[6], 1000));
    if (argc == 5 && strcmp(argv[1], "timing") == 0)
        return timing(argv[2], argv[3], number(argv[4], USERS));
    fprintf(stderr, "usage: authload load SOCKET PASSWORD LOGINS CONNECTIONS WINDOW | timing SOCKET MECHANISM SAMPLES\n");
    return 1;
}
