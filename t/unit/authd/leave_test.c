/* SPDX-License-Identifier: ISC
 *
 * Clients that leave: after every byte of an exchange, at every state of the
 * requests in it, over and over. What is counted is exact: descriptors, and
 * the bytes that are allocated (by the sanitizer's own books where there is
 * one), are as many afterwards as before, to the last.
 */
#include "abuse.h"
#include "authd.h"
#include "base/enc.h"
#include "db.h"
#include "mechs.h"
#include "socks.h"
#include "tap.h"
#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>
#if defined(__SANITIZE_ADDRESS__)
/* sanitizer/allocator_interface.h, which not every compiler's package brings along */
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

enum { DISCONNECTS = 1000, REPLY_MAX = 65536 };
enum way { AT_ONCE, AFTER_ITS_ANSWER, AFTER_EVERY_LIMIT, WAYS };
enum kind { OUR_SMTP, OUR_LOGIN, NEIGHBOUR, NEIGHBOUR_LOGIN, USERDB, MASTER, KINDS };

static struct authd state;
struct authd *authd(void) { return &state; }

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct authd_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { AUTHD_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

static const char users[] = "alice:{PLAIN}alice-secret:5000:5000::/home/alice::userdb_quota_rule=*:storage=1G\n"
                            "bob:{PLAIN}bob-secret:5000:5000::/home/bob::nologin reason=Moved\n"
                            "carol:{PLAIN}carol-secret:5000:5000::/home/carol::allow_nets=10.0.0.0/8\n"
                            "slow:{BLF-CRYPT}$2y$05$abcdefghijklmnopqrstuuDiDoRPMjq./yLr5z.auDRO7E8CTMf76:5000:5000::/home/slow::\n";

static const struct auth_sock socks[KINDS] = {
    [NEIGHBOUR] = { .listen = { .socket = "unix:auth", .type = AUTH_LISTEN_AUTH, .mode = 0600 } },
    [NEIGHBOUR_LOGIN] = { .listen = { .socket = "unix:login", .type = AUTH_LISTEN_LOGIN, .mode = 0600 } },
    [USERDB] = { .listen = { .socket = "unix:auth-userdb", .type = AUTH_LISTEN_USERDB, .mode = 0600 } },
    [MASTER] = { .listen = { .socket = "unix:auth-master", .type = AUTH_LISTEN_MASTER, .mode = 0600 } },
};

/* ---- what is counted ---- */

static size_t allocated(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

static size_t descriptors(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        closedir(d);
    return n;
}

/* ---- one client ---- */

static void turns(int n)
{
    while (n-- > 0)
        loop_turn(0);
}

static void pass(int64_t ms)
{
    static int64_t total;
    total += ms;
    clock_shift_for_test(total);
    turns(2);
}

static int connect_to(enum kind kind, uint64_t id)
{
    int pair[2];
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
    ASSERT(rc == 0);
    switch (kind) {
    case OUR_SMTP: stream_new(pair[0], STREAM_SMTP, id); break;
    case OUR_LOGIN: stream_new(pair[0], STREAM_LOGIN, id); break;
    case NEIGHBOUR:
    case NEIGHBOUR_LOGIN: (void)stream_new_public(pair[0], &socks[kind], id, NULL, NULL); break;
    case USERDB:
    case MASTER: (void)master_new(pair[0], &socks[kind], NULL, NULL); break;
    case KINDS: UNREACHABLE();
    }
    turns(2);
    return pair[1];
}

static size_t hear(int fd, char reply[REPLY_MAX])
{
    ssize_t n = recv(fd, reply, REPLY_MAX, MSG_DONTWAIT);
    return n > 0 ? (size_t)n : 0;
}

/* Says the first `cut` bytes of the exchange, waits or not, and leaves. Returns how much it was told last. */
static size_t leave(enum kind kind, struct str text, size_t cut, enum way way, bool slowly)
{
    static char reply[REPLY_MAX];
    int fd = connect_to(kind, 7);
    (void)hear(fd, reply);
    for (size_t at = 0, n = slowly ? 1 : cut; at < cut; at += n) {
        ssize_t sent = send(fd, text.p + at, n, MSG_NOSIGNAL);
        (void)sent;
        turns(slowly ? 1 : 3);
    }
    if (way == AFTER_ITS_ANSWER)
        pass(3000);
    else if (way == AFTER_EVERY_LIMIT)
        pass(200000);
    size_t n = hear(fd, reply);
    close(fd);
    turns(3);
    return n;
}

/* ---- what they say ---- */

static void put_base64(struct buf *out, const char *text, size_t n)
{
    enc_base64(out, str_make(text, n));
}

static void put_auth(struct buf *out, unsigned id, const char *mech, const char *resp, size_t n)
{
    buf_printf(out, "AUTH\t%u\t%s\tservice=imap\tlip=192.0.2.1\trip=192.0.2.9\tsession=abc\tresp=", id, mech);
    put_base64(out, resp, n);
    buf_puts(out, "\n");
}

#define PLAIN(id, user, password) put_auth(out, (id), "PLAIN", "\0" user "\0" password, sizeof "\0" user "\0" password - 1)

static void put_cont(struct buf *out, unsigned id, const char *text)
{
    buf_printf(out, "CONT\t%u\t", id);
    put_base64(out, text, strlen(text));
    buf_puts(out, "\n");
}

static void put_logins(struct buf *out)
{
    buf_puts(out, "VERSION\t1\t2\nCPID\t4711\nAUTH\t1\tLOGIN\tservice=imap\trip=192.0.2.9\n");
    put_cont(out, 1, "alice");
    put_cont(out, 1, "alice-secret");
    PLAIN(2, "alice", "alice-secret");
    PLAIN(3, "alice", "wrong");
    PLAIN(4, "slow", "dave-secret");
    PLAIN(5, "nobody", "wrong");
    PLAIN(6, "bob", "bob-secret");
    PLAIN(7, "carol", "carol-secret");
    put_auth(out, 8, "SCRAM-SHA-256", "n,,n=alice,r=fyko", sizeof "n,,n=alice,r=fyko" - 1);
    put_cont(out, 8, "c=biws,r=fyko,p=AAAA");
    put_auth(out, 9, "SCRAM-SHA-1", "n,,n=nobody,r=fyko", sizeof "n,,n=nobody,r=fyko" - 1);
    buf_puts(out, "AUTH\t10\tCRAM-MD5\tservice=smtp\trip=192.0.2.9\nAUTH\t11\tPLAIN\tservice=smtp\trip=192.0.2.9\nCANCEL\t11\n");
    buf_puts(out, "AUTH\t12\tPLAIN\tservice=smtp\tresp=!!!\nCANCEL\t4\nAUTH\t2\tPLAIN\tservice=smtp\trip=192.0.2.9\tresp=AA==\nAUTH\t13\tNONE\tservice=smtp\n");
}

static void put_questions(struct buf *out, bool is_master)
{
    buf_puts(out, "VERSION\t1\t1\nUSER\t1\talice\tservice=x\nPASS\t2\tbob\tservice=x\nUSER\t3\tnobody\tservice=x\nLIST\t4\tservice=x\n");
    buf_puts(out, is_master ? "CACHE-FLUSH\t5\nREQUEST\t6\t4711\t2\t00112233445566778899aabbccddeeff\nNONSENSE\nUSER\t0\n" : "REQUEST\t6\t1\t1\t00\n");
}

/* ---- the test ---- */

static const char *const names[KINDS] = { [OUR_SMTP] = "our own submission process", [OUR_LOGIN] = "our own login process", [NEIGHBOUR] = "a neighbour",
                                          [NEIGHBOUR_LOGIN] = "a neighbour whose logins are handed over", [USERDB] = "a script on a userdb socket",
                                          [MASTER] = "a script on a master socket" };

static void leave_everywhere(enum kind kind, struct str text, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        (void)leave(kind, text, i % (text.n + 1), (enum way)(i / 7 % WAYS), i % 31 == 0);
}

static void test_kind(enum kind kind)
{
    struct buf b = buf_make(0), *out = &b;
    char what[160];
    if (kind == USERDB || kind == MASTER)
        put_questions(out, kind == MASTER);
    else
        put_logins(out);
    struct str text = buf_str(out);
    /* Tables that grow to what they need do so now. */
    leave_everywhere(kind, text, 2 * (unsigned)text.n);
    (void)snprintf(what, sizeof what, "%s: the exchange has answers", names[kind]);
    OK(leave(kind, text, text.n, AFTER_ITS_ANSWER, false) > 100 || kind == NEIGHBOUR || kind == NEIGHBOUR_LOGIN, what);
    pass(3600000);
    size_t bytes = allocated(), fds = descriptors();
    for (size_t cut = 0; cut <= text.n; cut++)
        (void)leave(kind, text, cut, (enum way)(cut % WAYS), false);
    leave_everywhere(kind, text, DISCONNECTS);
    pass(3600000);
    (void)snprintf(what, sizeof what, "%s leaves after each of %zu bytes, 1,000 times and more: not a byte and no descriptor is left", names[kind], text.n);
    OK(allocated() == bytes && descriptors() == fds, what);
    if (allocated() != bytes || descriptors() != fds)
        printf("# %zu bytes more, %zu descriptors more\n", allocated() - bytes, descriptors() - fds);
    (void)snprintf(what, sizeof what, "%s: no request is in work, none waits", names[kind]);
    OK(state.n_requests == 0 && pool_waiting(POOL_HASH) == 0 && handover_pending(state.handover) == 0, what);
    buf_done(out);
}

static void set_up(const char *dir)
{
    struct err err;
    char path[256], text[1024];
    (void)snprintf(path, sizeof path, "%s/passwd", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ASSERT(fd >= 0 && write(fd, users, sizeof users - 1) == (ssize_t)sizeof users - 1);
    close(fd);
    (void)snprintf(text, sizeof text, "postern_passdb = passwd-file:%s\npostern_userdb = passwd-file:%s\npostern_auth_trusted_networks = 192.0.2.0/24\n"
                   "postern_auth_mechanisms = plain login scram-sha-256 scram-sha-1 cram-md5\npostern_app_password_file =\npostern_auth_cache_ttl = 0\n", path, path);
    static struct config *config;       /* its texts are the parameters' */
    config = config_parse(dir, "main.cf", str_from(text), &err);
    ASSERT(config != NULL);
    int rc = config_fill(config, &params, &state.conf, &err);
    ASSERT(rc == 0);
    state.private_instance = true;
    state.cpus = 2;
    rc = mechs_open(dir, &err);
    ASSERT(rc == 0);
    rc = db_open_all(true, dir, &err);
    ASSERT(rc == 0);
    state.cache = auth_cache_new(state.conf.cache_size, 0);
    state.handover = handover_new();
    abuse_start();
    bool ok = tokens_start();
    ASSERT(ok);
}

int main(void)
{
    char dir[] = "/tmp/postern-leave-XXXXXX", path[256];
    const char *made = mkdtemp(dir);
    ASSERT(made != NULL);
    int log[2];
    int rc = socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, log);
    ASSERT(rc == 0);
    log_to_socket(log[0]);      /* whom nobody hears */
    loop_init();
    loop_turn(0);
    set_up(dir);
    for (int kind = 0; kind < KINDS; kind++)
        test_kind((enum kind)kind);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, i == 0 ? "passwd" : "auth_salt_key");
        (void)unlink(path);
    }
    (void)rmdir(dir);
    return tap_done();
}
