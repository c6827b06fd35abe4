/* SPDX-License-Identifier: ISC */
#include "base/arena.h"
#include "base/num.h"
#include "ipc/codec.h"
#include "tap.h"
#include "unit/ipc/gen.h"

enum { ROUNDS = 20, CUT_MAX = 4096 };

static bool decodes(enum ipc_type type, const struct buf *b, size_t n, union ipc_any *ret)
{
    /* A copy of the exact size, so that a read beyond it is seen. */
    uint8_t *copy = xmalloc(n == 0 ? 1 : n);
    memcpy(copy, b->p + IPC_FRAME_HEAD, n);
    bool ok = ipc_decode(type, copy, n, ret);
    free(copy);
    return ok;
}

static bool round_trips(enum ipc_type type, enum gen_size size, int fd)
{
    const struct ipc_message *m = ipc_message(type);
    union ipc_any in, out;
    struct buf b = { 0 };
    gen_message(m, size, fd, &in);
    unsigned got_type;
    uint32_t got_id;
    bool ok = ipc_encode(type, 77, &in, &b) && b.n <= m->frame_max &&
              ipc_frame_size((const uint8_t *)b.p, &got_type, &got_id) == b.n && got_type == (unsigned)type && got_id == 77 &&
              ipc_decode(type, (const uint8_t *)b.p + IPC_FRAME_HEAD, b.n - IPC_FRAME_HEAD, &out) && gen_equal(m, &in, &out);
    buf_done(&b);
    return ok;
}

static void test_round_trip(enum ipc_type type)
{
    bool ok = true;
    for (int i = 0; i < ROUNDS; i++)
        ok &= round_trips(type, GEN_SOME, i % 2 - 1);
    char what[128];
    (void)snprintf(what, sizeof what, "%s: random values come back as they were", ipc_message(type)->name);
    OK(ok, what);
    (void)snprintf(what, sizeof what, "%s: empty and longest values come back as they were", ipc_message(type)->name);
    OK(round_trips(type, GEN_EMPTY, -1) && round_trips(type, GEN_FULL, 0), what);
}

static void test_lengths(enum ipc_type type)
{
    const struct ipc_message *m = ipc_message(type);
    union ipc_any in, out;
    struct buf b = { 0 };
    gen_message(m, GEN_SOME, 0, &in);
    bool ok = ipc_encode(type, 1, &in, &b);
    size_t body = b.n - IPC_FRAME_HEAD;
    for (size_t cut = 0; cut < body; cut += cut < CUT_MAX ? 1 : 997)
        ok &= !decodes(type, &b, cut, &out);
    char what[128];
    (void)snprintf(what, sizeof what, "%s: every truncation is refused", m->name);
    OK(ok, what);
    buf_putc(&b, '\0');
    (void)snprintf(what, sizeof what, "%s: a trailing byte is refused", m->name);
    OK(!decodes(type, &b, body + 1, &out), what);
    buf_done(&b);
}

/* A string over its maximum neither leaves nor enters. */
static void test_maxima(enum ipc_type type)
{
    const struct ipc_message *m = ipc_message(type);
    bool ok = true;
    for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++) {
        union ipc_any in;
        struct buf b = { 0 };
        gen_message(m, GEN_EMPTY, -1, &in);
        if (f->kind != IPC_STR || f->max >= sizeof gen_bytes)
            continue;
        *(struct str *)(void *)((char *)&in + f->offset) = str_make(gen_bytes, f->max + 1);
        ok &= !ipc_encode(type, 1, &in, &b) && b.n == 0;
        buf_done(&b);
    }
    char what[128];
    (void)snprintf(what, sizeof what, "%s: a string over its maximum is not sent", m->name);
    OK(ok, what);
}

static void test_bad_values(void)
{
    const uint8_t broker[] = { 0, 0, 0, 0, 2 }, busy[] = { 0, 0, 0, 1, 7 }, hello_ok[] = { 0, 0, 0, 1, 0, 0, 0, 2 };
    uint8_t order[] = { 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 'x' };
    union ipc_any any;
    OK(ipc_decode(IPC_HELLO, hello_ok, sizeof hello_ok, &any) && any.hello.pid == 2, "a plain message is taken");
    OK(!ipc_decode(IPC_BROKER_CONNECTED, broker, sizeof broker, &any), "a descriptor mark other than 0 and 1 is refused");
    OK(!ipc_decode(IPC_BUSY, busy, sizeof busy, &any), "a bool other than 0 and 1 is refused");
    OK(!ipc_decode(IPC_TABLE_GET, order, sizeof order, &any), "a string length that points far outside is refused");
    static uint8_t whole[8 + 4097];
    put_be32(whole + 4, 4096);
    OK(ipc_decode(IPC_TABLE_GET, whole, sizeof whole - 1, &any) && any.table_get.key.n == 4096, "a string of its maximum is taken");
    put_be32(whole + 4, 4097);
    OK(!ipc_decode(IPC_TABLE_GET, whole, sizeof whole, &any), "a string over its maximum is refused, though it is all there");
}

static void test_heads(void)
{
    uint8_t head[IPC_FRAME_HEAD] = { 0, 0, 0, 14, 0, IPC_HELLO, 0, 0, 0, 9 };
    unsigned type;
    uint32_t id;
    OK(ipc_frame_size(head, &type, &id) == 18 && id == 9, "a head gives the frame's size, type and id");
    put_be32(head, IPC_FRAME_MIN - 1);
    OK(ipc_frame_size(head, &type, &id) == 0, "a frame shorter than its head is refused");
    put_be32(head, 15);
    OK(ipc_frame_size(head, &type, &id) == 0, "a frame longer than its type allows is refused");
    put_be32(head, UINT32_MAX);
    OK(ipc_frame_size(head, &type, &id) == 0, "the largest length is refused");
    put_be32(head, 14);
    put_be16(head + 4, IPC_TYPE_COUNT);
    OK(ipc_frame_size(head, &type, &id) == 0, "an unknown type is refused");
}

static void test_roles(void)
{
    OK(ipc_may_send(ROLE_MASTER, ROLE_SMTPD, IPC_PEER), "master may introduce a peer");
    OK(!ipc_may_send(ROLE_SMTPD, ROLE_MASTER, IPC_PEER), "smtpd may not");
    OK(!ipc_may_send(ROLE_SMTPD, ROLE_QMGR, IPC_DELIVER), "smtpd may not order a delivery");
    OK(!ipc_may_send(ROLE_BOUNCE, ROLE_QMGR, IPC_MSG_SUBMIT), "bounce may not submit as a client does");
    OK(!ipc_may_send(ROLE_LOGIN, ROLE_AUTHD, IPC_AUTH_REQUEST), "login may not ask for a user's identity");
    OK(!ipc_may_send(ROLE_MASTER, ROLE_SMTPD, 9999), "a type that does not exist");
    bool named = true;
    for (unsigned r = 0; r < ROLE_COUNT; r++)
        named &= role_by_name(role_name((enum role)r)) == (enum role)r;
    OK(named && role_by_name("nobody") == ROLE_COUNT && role_name(ROLE_COUNT)[0] == '?', "roles are found by their names");
    OK(ipc_schema_hash() != 0 && ipc_schema_hash() == ipc_schema_hash(), "the schema has one hash");
}

int main(void)
{
    gen_init();
    for (unsigned t = 0; t < IPC_TYPE_COUNT; t++) {
        test_round_trip((enum ipc_type)t);
        test_lengths((enum ipc_type)t);
        test_maxima((enum ipc_type)t);
    }
    test_bad_values();
    test_heads();
    test_roles();
    return tap_done();
}
