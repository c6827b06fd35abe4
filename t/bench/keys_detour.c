/* SPDX-License-Identifier: ISC
 *
 * keys_detour - what a signature costs more when another process makes it.
 *
 * Two processes on one CPU, the channel and the messages of the keys role, a
 * fiber that waits below tls_sign(): as in a handshake, without the rest of
 * it. Told in us for each signature: CPU of both processes, and the time that
 * passes. Small batches with and without the detour take turns, and what
 * counts is the median of the differences within a pair: a processor whose
 * speed changes changes both alike. As root, nobody else runs in between.
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

enum { PAIRS = 500, TIMES = 4, WARM_PAIRS = 20, LIMIT_US = 60 };

static EVP_PKEY *key;
static struct chan *line;
static bool pss;
static struct { double cpu[2][PAIRS], wall[2][PAIRS], more_cpu[PAIRS], more_wall[PAIRS]; } seen;

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

/* The other process may have something left to do when its answer is here: that belongs to this batch. */
static void settle(void)
{
    const struct timespec t = { .tv_nsec = 100 * 1000 };
    (void)nanosleep(&t, NULL);
}

static void sign(EVP_PKEY *detour)
{
    unsigned char sig[TLS_SIGN_MAX];
    size_t n = sizeof sig;
    EVP_PKEY_CTX *of_key;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (EVP_DigestSignInit(ctx, &of_key, EVP_sha256(), NULL, detour) != 1 ||
        (pss && (EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_PKCS1_PSS_PADDING) <= 0 || EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, RSA_PSS_SALTLEN_DIGEST) <= 0)) ||
        EVP_DigestSign(ctx, sig, &n, (const unsigned char *)"abc", 3) != 1)
        abort();
    EVP_MD_CTX_free(ctx);
}

static void batch(EVP_PKEY *detour, clockid_t other, int apart, int i)
{
    tls_keys_apart(apart ? ask : NULL);
    settle();
    double cpu = us(CLOCK_PROCESS_CPUTIME_ID) + us(other), wall = us(CLOCK_MONOTONIC);
    for (int k = 0; k < TIMES; k++)
        sign(detour);
    wall = us(CLOCK_MONOTONIC) - wall;
    settle();
    seen.cpu[apart][i] = (us(CLOCK_PROCESS_CPUTIME_ID) + us(other) - cpu) / TIMES;
    seen.wall[apart][i] = wall / TIMES;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double part(double *v, int percent)
{
    qsort(v, PAIRS, sizeof *v, by_size);
    return v[(PAIRS - 1) * percent / 100];
}

static void tell(const char *name)
{
    for (int i = 0; i < PAIRS; i++) {
        seen.more_cpu[i] = seen.cpu[1][i] - seen.cpu[0][i];
        seen.more_wall[i] = seen.wall[1][i] - seen.wall[0][i];
    }
    double more = part(seen.more_cpu, 50);
    printf("%-7s here %6.1f us CPU; the detour costs %5.1f us CPU (quartiles %.1f, %.1f), %5.1f us of time (%.1f, %.1f): %s %d us\n", name,
           part(seen.cpu[0], 50), more, part(seen.more_cpu, 25), part(seen.more_cpu, 75), part(seen.more_wall, 50), part(seen.more_wall, 25),
           part(seen.more_wall, 75), more <= LIMIT_US ? "within" : "OVER", LIMIT_US);
}

static pid_t child;
static void measure(void *arg)
{
    EVP_PKEY *detour = tls_key_detour(key);
    clockid_t other;
    if (detour == NULL || clock_getcpuclockid(child, &other) != 0)
        abort();
    for (int i = -WARM_PAIRS; i < PAIRS; i++) {
        batch(detour, other, i & 1, MAX(i, 0));
        batch(detour, other, ~i & 1, MAX(i, 0));
    }
    tell(arg);
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
    key = strncmp(name, "RSA", 3) == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen(name);
    pss = strcmp(name, "RSA-PSS") == 0;
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
    (void)sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 });
    run("P-256");
    run("RSA");
    run("RSA-PSS");     /* how TLS 1.3 signs with an RSA key */
    return 0;
}
