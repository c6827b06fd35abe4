/* SPDX-License-Identifier: ISC */
#include "ipc/chan.h"
#include "tap.h"
#include "unit/ipc/gen.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct ipc_message *expect;
static const void *expect_msg;
static unsigned received, equal, closed, fds_good;

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)c;
    (void)id;
    received++;
    if (expect != NULL && ipc_message(type) == expect)
        equal += gen_equal(expect, expect_msg, msg);
    if (type == IPC_BROKER_CONNECTED) {
        int fd = chan_take_fd(&((struct ipc_broker_connected *)msg)->socket);
        struct stat st;
        fds_good += fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
        if (fd >= 0)
            (void)close(fd);
    }
}

static void on_closed(struct chan *c)
{
    (void)c;
    closed++;
}
static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };

static void pair(int sv[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv) != 0)
        abort();
}

static void turns(int n)
{
    for (int i = 0; i < n; i++)
        loop_turn(clock_mono_ms() + 2);
}

static unsigned count_fds(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        (void)closedir(d);
    return n;
}

static enum role first_role(uint32_t bits)
{
    unsigned r = 1;     /* not master, whose bit is often there as well */
    while ((bits >> r & 1) == 0 && r < ROLE_COUNT)
        r++;
    return r < ROLE_COUNT ? (enum role)r : ROLE_MASTER;
}

static void test_all_types(void)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    unsigned before = count_fds(), bad = 0;
    for (unsigned t = 0; t < IPC_TYPE_COUNT; t++) {
        const struct ipc_message *m = ipc_message(t);
        int sv[2];
        if (t == IPC_LEAVING)
            continue;           /* the channels' own: t/unit/ipc/leaving_test.c */
        pair(sv);
        enum role from = first_role(m->senders), to = first_role(m->receivers);
        struct chan *a = chan_new(sv[0], from, to, &ops, NULL), *b = chan_new(sv[1], to, from, &ops, NULL);
        union ipc_any msg;
        expect = m;
        expect_msg = &msg;
        received = equal = 0;
        gen_message(m, GEN_SOME, null_fd, &msg);
        bool ok = true;
        for (int i = 0; i < 3; i++)
            ok &= chan_send(a, (enum ipc_type)t, 5, &msg);
        turns(4);
        bad += !(ok && received == 3 && equal == 3);
        chan_free(a);
        chan_free(b);
    }
    expect = NULL;
    OK(bad == 0, "three of every type cross a channel unchanged");
    OK(count_fds() == before, "and leave no descriptor behind");
    (void)close(null_fd);
}

static void test_large_frame(void)
{
    int sv[2];
    pair(sv);
    struct chan *a = chan_new(sv[0], ROLE_SMTPD, ROLE_QMGR, &ops, NULL), *b = chan_new(sv[1], ROLE_QMGR, ROLE_SMTPD, &ops, NULL);
    union ipc_any msg;
    expect = ipc_message(IPC_MSG_OPEN);
    expect_msg = &msg;
    received = equal = 0;
    gen_message(expect, GEN_SOME, -1, &msg);
    msg.msg_open.envelope = str_make(gen_bytes, 3000000);
    OK(chan_send(a, IPC_MSG_OPEN, 1, &msg), "a frame of 3 MB is taken");
    turns(2000);
    OK(received == 1 && equal == 1, "and arrives whole");
    unsigned n = 0;
    while (chan_send(a, IPC_MSG_OPEN, 1, &msg) && n < 10)
        n++;
    OK(n < 10, "a peer that does not read meets the budget");
    chan_free(a);
    chan_free(b);
    turns(2);
    expect = NULL;
}

/* ---- a hostile peer, by hand ---- */

static void raw_send(int fd, const void *p, size_t n, const int *fds, size_t n_fds)
{
    union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * 4)]; } control = { .bytes = { 0 } };
    char copy[256];
    memcpy(copy, p, n);
    struct iovec iov = { copy, n };
    struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (n_fds > 0) {
        mh.msg_control = &control;
        mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        struct cmsghdr *h = CMSG_FIRSTHDR(&mh);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(h), fds, sizeof(int) * n_fds);
    }
    if (sendmsg(fd, &mh, MSG_NOSIGNAL) != (ssize_t)n)
        printf("# short send\n");
}

static const uint8_t hello[] = { 0, 0, 0, 14, 0, IPC_HELLO, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2 };
static const uint8_t connected[] = { 0, 0, 0, 11, 0, IPC_BROKER_CONNECTED, 0, 0, 0, 1, 0, 0, 0, 0, 1 };
static const uint8_t unconnected[] = { 0, 0, 0, 11, 0, IPC_BROKER_CONNECTED, 0, 0, 0, 1, 0, 0, 0, 0, 0 };
static const uint8_t trailing[] = { 0, 0, 0, 12, 0, IPC_BROKER_CONNECTED, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
static const uint8_t unknown[] = { 0, 0, 0, 6, 0xff, 0xff, 0, 0, 0, 1 };
static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 0, IPC_HELLO, 0, 0, 0, 1 };

static const struct {
    const char *name;
    const uint8_t *bytes;
    size_t n, n_fds;
    enum role peer;
    bool taken, closes;
} hostile[] = {
    { "a descriptor that the frame announces is taken", connected, sizeof connected, 1, ROLE_BROKER, true, false },
    { "a frame without descriptor is taken", unconnected, sizeof unconnected, 0, ROLE_BROKER, true, false },
    { "an announced descriptor that does not come closes the channel", connected, sizeof connected, 0, ROLE_BROKER, false, true },
    { "a descriptor nobody announced closes the channel", unconnected, sizeof unconnected, 1, ROLE_BROKER, true, true },
    { "two descriptors with one frame close the channel", connected, sizeof connected, 2, ROLE_BROKER, false, true },
    { "a type that the peer's role may not send closes the channel", connected, sizeof connected, 1, ROLE_QMGR, false, true },
    { "a hello from a peer that is not a child closes the channel", hello, sizeof hello, 0, ROLE_QMGR, false, true },
    { "a trailing byte closes the channel", trailing, sizeof trailing, 0, ROLE_BROKER, false, true },
    { "an unknown type closes the channel", unknown, sizeof unknown, 0, ROLE_BROKER, false, true },
    { "an impossible length closes the channel", huge, sizeof huge, 0, ROLE_BROKER, false, true },
};

static void test_hostile(void)
{
    unsigned before = count_fds();
    for (size_t i = 0; i < N_ELEMS(hostile); i++) {
        int sv[2], fds[2] = { open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/null", O_RDONLY | O_CLOEXEC) };
        pair(sv);
        struct chan *c = chan_new(sv[1], ROLE_SMTPD, hostile[i].peer, &ops, NULL);
        received = closed = fds_good = 0;
        raw_send(sv[0], hostile[i].bytes, hostile[i].n, fds, hostile[i].n_fds);
        turns(3);
        OK((received == 1) == hostile[i].taken && (closed == 1) == hostile[i].closes, hostile[i].name);
        (void)close(fds[0]);
        (void)close(fds[1]);
        (void)close(sv[0]);
        chan_free(c);
    }
    OK(count_fds() == before, "whatever came, no descriptor stays open");
}

static void test_byte_by_byte(void)
{
    int sv[2], fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pair(sv);
    struct chan *c = chan_new(sv[1], ROLE_SMTPD, ROLE_BROKER, &ops, NULL);
    received = closed = fds_good = 0;
    for (size_t i = 0; i < sizeof connected; i++) {
        raw_send(sv[0], connected + i, 1, &fd, i == 0);
        turns(1);
    }
    OK(received == 1 && closed == 0 && fds_good == 1, "a frame may come byte by byte, its descriptor with the first");
    (void)close(sv[0]);
    turns(2);
    OK(closed == 1, "the end of the peer is told once");
    chan_free(c);
    (void)close(fd);
}

/* ---- calls ---- */

static struct { struct chan *client, *server; bool mute; enum chan_result result; struct str value; unsigned done; struct arena arena; } calls;

static void on_question(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    struct ipc_table_get *get = msg;
    struct ipc_table_value v = { .result = 0, .value = get->key };
    if (type == IPC_TABLE_GET && !calls.mute)
        (void)chan_send(c, IPC_TABLE_VALUE, id, &v);
}
static const struct chan_ops server_ops = { .on_message = on_question, .on_closed = on_closed };

static void caller(void *arg)
{
    const char *key = arg;
    struct ipc_table_get get = { .table = 1, .key = str_from(key) };
    enum ipc_type type;
    union ipc_any answer;
    calls.result = chan_call(calls.client, IPC_TABLE_GET, &get, IPC_TABLE_VALUE, IPC_TYPE_COUNT, deadline_in(50), &calls.arena, &type, &answer);
    if (calls.result == CHAN_OK)
        calls.value = answer.table_value.value;
    calls.done++;
}

static void begin_calls(bool mute)
{
    int sv[2];
    pair(sv);
    calls.client = chan_new(sv[0], ROLE_SMTPD, ROLE_LOOKUP, &ops, NULL);
    calls.server = chan_new(sv[1], ROLE_LOOKUP, ROLE_SMTPD, &server_ops, NULL);
    calls.mute = mute;
    calls.done = 0;
    calls.arena = arena_make(1 << 16);
}

static void end_calls(void)
{
    chan_free(calls.client);
    chan_free(calls.server);
    arena_done(&calls.arena);
    turns(2);
}

static void test_calls(void)
{
    static char one[] = "a@example.test";
    begin_calls(false);
    (void)fiber_start("caller", caller, one);
    turns(6);
    OK(calls.done == 1 && calls.result == CHAN_OK && str_eqz(calls.value, one), "a call gets its answer, in its arena");
    for (int i = 0; i < 200; i++)
        (void)fiber_start("caller", caller, one);
    turns(20);
    OK(calls.done == 201, "two hundred calls at once are all answered");
    end_calls();

    begin_calls(true);
    (void)fiber_start("caller", caller, one);
    turns(60);
    OK(calls.done == 1 && calls.result == CHAN_TIMEOUT, "a call without answer ends at its deadline");
    struct fiber *f = fiber_start("caller", caller, one);
    turns(2);
    fiber_cancel(f);
    turns(2);
    OK(calls.done == 2 && calls.result == CHAN_CANCELLED, "a cancelled fiber's call says so");
    (void)fiber_start("caller", caller, one);
    turns(2);
    chan_free(calls.server);
    calls.server = NULL;
    turns(4);
    OK(calls.done == 3 && calls.result == CHAN_CLOSED, "a peer that dies fails the calls in flight");
    (void)fiber_start("caller", caller, one);
    turns(2);
    OK(calls.done == 4 && calls.result == CHAN_CLOSED, "and the later ones at once");
    end_calls();

    begin_calls(true);
    (void)fiber_start("caller", caller, one);
    turns(2);
    chan_free(calls.client);
    calls.client = NULL;
    turns(2);
    OK(calls.done == 1 && calls.result == CHAN_CLOSED, "freeing a channel ends its calls");
    end_calls();
}

/* The owner may free the channel inside its callbacks. */
static void free_at_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)type;
    (void)id;
    (void)msg;
    received++;
    chan_free(c);
}
static void free_at_close(struct chan *c)
{
    closed++;
    chan_free(c);
}
static const struct chan_ops free_ops = { .on_message = free_at_message, .on_closed = free_at_close };

static void test_free_inside(void)
{
    int sv[2];
    pair(sv);
    received = closed = 0;
    (void)chan_new(sv[1], ROLE_SMTPD, ROLE_BROKER, &free_ops, NULL);
    raw_send(sv[0], unconnected, sizeof unconnected, NULL, 0);
    raw_send(sv[0], unconnected, sizeof unconnected, NULL, 0);
    turns(3);
    OK(received == 1 && closed == 0, "a channel freed by its handler delivers nothing more");
    (void)close(sv[0]);
    pair(sv);
    (void)chan_new(sv[1], ROLE_SMTPD, ROLE_BROKER, &free_ops, NULL);
    (void)close(sv[0]);
    turns(3);
    OK(closed == 1, "a channel may be freed when its end is told");
}

int main(void)
{
    loop_init();
    gen_init();
    test_all_types();
    test_large_frame();
    test_hostile();
    test_byte_by_byte();
    test_calls();
    test_free_inside();
    return tap_done();
}
