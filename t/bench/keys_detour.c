/* SPDX-License-Identifier: ISC
 *
 * keys_detour - what a signature costs more when another process makes it.
 *
 * Two processes on one CPU, the channel and the messages of the keys role, a
 * fiber that waits below tls_sign(): as in a handshake, without the rest of
 * it. Told in us for each signature: CPU of both processes, and the time that
 * passes. Rounds with and without the detour take turns; the median counts.
 */
#include "event/tls_sign.h"
#include "ipc/chan.h"
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 41, TIMES = 50 };

static EVP_PKEY *key;
static struct chan *line;
static struct { double cpu[2][ROUNDS], wall[2][ROUNDS]; } seen;

static void serve(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    const struct ipc_key_sign *m = msg;
    unsigned char sig[TLS_SIGN_MAX];
    size_t n = 0;
    (void)type;
    (void)tls_sign_here(key, m->kind, m->input, sig, sizeof sig, &n);
    struct ipc_key_signed answer = { .signature = str_make(sig, n) };
    (void)chan_send(c, IPC_KEY_SIGNED, id, &answer);
}

static void stop(struct chan *c) { (void)c; loop_stop(); }

static bool ask(const unsigned char *id, enum tls_sign_kind kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n)
{
    const struct ipc_key_sign m = { .key = str_make(id, TLS_KEY_ID), .kind = kind, .input = in };
    struct arena a = arena_make(8192);
    enum ipc_type type;
    union ipc_any answer;
    bool ok = chan_call(line, IPC_KEY_SIGN, &m, IPC_KEY_SIGNED, IPC_TYPE_COUNT, deadline_in(5000), &a, &type, &answer) == CHAN_OK &&
              answer.key_signed.signature.n > 0 && answer.key_signed.signature.n <= cap;
    if (ok) {
        memcpy(ret_sig, answer.key_signed.signature.p, answer.key_signed.signature.n);
        *ret_n = answer.key_signed.signature.n;
    }
    arena_done(&a);
    return ok;
}

static double us(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void round_of(EVP_PKEY *detour, clockid_t other, int apart, int i)
{
    unsigned char sig[TLS_SIGN_MAX];
    tls_keys_apart(apart ? ask : NULL);
    double cpu = us(CLOCK_PROCESS_CPUTIME_ID) + us(other), wall = us(CLOCK_MONOTONIC);
    for (int k = 0; k < TIMES; k++) {
        size_t n = sizeof sig;
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, detour) != 1 || EVP_DigestSign(ctx, sig, &n, (const unsigned char *)"abc", 3) != 1)
            abort();
        EVP_MD_CTX_free(ctx);
    }
    seen.cpu[apart][i] = (us(CLOCK_PROCESS_CPUTIME_ID) + us(other) - cpu) / TIMES;
    seen.wall[apart][i] = (us(CLOCK_MONOTONIC) - wall) / TIMES;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof *v, by_size);
    return v[ROUNDS / 2];
}

static pid_t child;
static void measure(void *arg)
{
    EVP_PKEY *detour = tls_key_detour(key);
    clockid_t other;
    if (detour == NULL || clock_getcpuclockid(child, &other) != 0)
        abort();
    for (int i = 0; i < ROUNDS; i++) {
        round_of(detour, other, i % 2, i);
        round_of(detour, other, 1 - i % 2, i);
    }
    double here = median(seen.cpu[0]), apart = median(seen.cpu[1]), wall_here = median(seen.wall[0]), wall_apart = median(seen.wall[1]);
    printf("%-6s here %7.1f us CPU, apart %7.1f us CPU: the detour costs %5.1f us CPU, %5.1f us of time\n", (const char *)arg, here, apart,
           apart - here, wall_apart - wall_here);
    EVP_PKEY_free(detour);
    chan_free(line);
    loop_stop();
}

static void run(const char *name)
{
    static const struct chan_ops ops = { .on_message = serve, .on_closed = stop };
    int pair[2];
    union { const char *in; void *out; } arg = { .in = name };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        abort();
    key = strcmp(name, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen(name);
    (void)fflush(stdout);
    child = fork();
    loop_init();
    if (child == 0) {
        (void)close(pair[0]);
        (void)chan_new(pair[1], ROLE_KEYS, ROLE_TLS, &ops, NULL);
        loop_run();
        _exit(0);
    }
    (void)close(pair[1]);
    line = chan_new(pair[0], ROLE_TLS, ROLE_KEYS, &ops, NULL);
    (void)fiber_start("measure", measure, arg.out);
    loop_run();
    (void)waitpid(child, NULL, 0);
    EVP_PKEY_free(key);
}

int main(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    (void)sched_setaffinity(0, sizeof one, &one);
    run("P-256");
    run("RSA");
    return 0;
}
