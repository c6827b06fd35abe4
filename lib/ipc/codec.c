/* SPDX-License-Identifier: ISC */
#include "ipc/codec.h"
#include "base/enc.h"
#include "base/num.h"
#include "base/reader.h"

#define FIELD(T, kind, name, max, doc) { #name, IPC_##kind, max, offsetof(struct ipc_##T, name), doc },
#define FIELDS(UPPER, lower, from, to) static const struct ipc_field fields_##lower[] = { IPC_MSG_##UPPER(FIELD, lower) };
IPC_MESSAGES(FIELDS)

#define SIZE_U32(max) 4u
#define SIZE_U64(max) 8u
#define SIZE_BOOL(max) 1u
#define SIZE_STR(max) (4u + (max))
#define SIZE_FD(max) 1u
#define FIELD_SIZE(T, kind, name, max, doc) + SIZE_##kind(max)

#define MESSAGE(UPPER, lower, from, to)                                                            \
    [IPC_##UPPER] = { #UPPER, from, to, sizeof(struct ipc_##lower), fields_##lower, N_ELEMS(fields_##lower), \
                      IPC_FRAME_HEAD IPC_MSG_##UPPER(FIELD_SIZE, lower) },
static const struct ipc_message messages[IPC_TYPE_COUNT] = { IPC_MESSAGES(MESSAGE) };

#define NAME(upper, name) name,
static const char *const role_names[ROLE_COUNT] = { IPC_ROLES(NAME) };

const char *role_name(enum role role) { return (unsigned)role < ROLE_COUNT ? role_names[role] : "?"; }

enum role role_by_name(const char *name)
{
    unsigned i = 0;
    while (i < ROLE_COUNT && strcmp(role_names[i], name) != 0)
        i++;
    return (enum role)i;
}

const struct ipc_message *ipc_message(unsigned type) { return type < IPC_TYPE_COUNT ? &messages[type] : NULL; }

bool ipc_may_send(enum role from, enum role to, unsigned type)
{
    return type < IPC_TYPE_COUNT && (messages[type].senders >> from & 1u) != 0 && (messages[type].receivers >> to & 1u) != 0;
}

static uint32_t mix(uint32_t h, const void *p, size_t n)
{
    return crc32c(h, p, n);
}

uint32_t ipc_schema_hash(void)
{
    uint32_t h = 0;
    for (const struct ipc_message *m = messages; m < messages + IPC_TYPE_COUNT; m++) {
        h = mix(h, m->name, strlen(m->name) + 1);
        h = mix(h, &m->senders, sizeof m->senders);
        h = mix(h, &m->receivers, sizeof m->receivers);
        for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++) {
            h = mix(h, f->name, strlen(f->name) + 1);
            h = mix(h, &f->kind, sizeof f->kind);
            h = mix(h, &f->max, sizeof f->max);
        }
    }
    return h;
}

static size_t encoded_size(const struct ipc_message *m, const char *msg)
{
    size_t n = IPC_FRAME_HEAD;
    for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++) {
        const struct str *s = (const void *)(msg + f->offset);
        switch (f->kind) {
        case IPC_U32: n += 4; break;
        case IPC_U64: n += 8; break;
        case IPC_BOOL:
        case IPC_FD: n += 1; break;
        case IPC_STR:
            if (s->n > f->max)
                return 0;
            n += 4 + s->n;
            break;
        }
    }
    return n;
}

static uint8_t *put_field(uint8_t *p, const struct ipc_field *f, const char *at)
{
    const struct str *s = (const void *)at;
    switch (f->kind) {
    case IPC_U32: put_be32(p, *(const uint32_t *)(const void *)at); return p + 4;
    case IPC_U64: put_be64(p, *(const uint64_t *)(const void *)at); return p + 8;
    case IPC_BOOL: *p = *(const bool *)at; return p + 1;
    case IPC_FD: *p = *(const int *)(const void *)at >= 0; return p + 1;
    case IPC_STR:
        put_be32(p, (uint32_t)s->n);
        if (s->n > 0)
            memcpy(p + 4, s->p, s->n);
        return p + 4 + s->n;
    }
    UNREACHABLE();
}

bool ipc_fits(enum ipc_type type, const void *msg) { return encoded_size(&messages[type], msg) > 0; }

bool ipc_encode(enum ipc_type type, uint32_t id, const void *msg, struct buf *out)
{
    const struct ipc_message *m = &messages[type];
    size_t n = encoded_size(m, msg);
    uint8_t *p = n == 0 ? NULL : (void *)buf_room(out, n);
    if (p == NULL)
        return false;
    put_be32(p, (uint32_t)(n - 4));
    put_be16(p + 4, (uint16_t)type);
    put_be32(p + 6, id);
    p += IPC_FRAME_HEAD;
    for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++)
        p = put_field(p, f, (const char *)msg + f->offset);
    buf_added(out, n);
    return true;
}

size_t ipc_frame_size(const uint8_t head[IPC_FRAME_HEAD], unsigned *ret_type, uint32_t *ret_id)
{
    size_t n = (size_t)get_be32(head) + 4;
    unsigned type = get_be16(head + 4);
    if (type >= IPC_TYPE_COUNT || n < IPC_FRAME_HEAD || n > messages[type].frame_max)
        return 0;
    *ret_type = type;
    *ret_id = get_be32(head + 6);
    return n;
}

static struct str take_str(struct reader *r, uint32_t max)
{
    uint32_t n = reader_u32(r);
    r->bad |= n > max;
    return reader_bytes(r, n);
}

static bool take_flag(struct reader *r)
{
    uint8_t v = reader_u8(r);
    r->bad |= v > 1;
    return v == 1;
}

bool ipc_decode(enum ipc_type type, const uint8_t *body, size_t n, void *ret_msg)
{
    const struct ipc_message *m = &messages[type];
    struct reader r = reader_make(str_make(body, n));
    for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++) {
        char *at = (char *)ret_msg + f->offset;
        switch (f->kind) {
        case IPC_U32: *(uint32_t *)(void *)at = reader_u32(&r); break;
        case IPC_U64: *(uint64_t *)(void *)at = reader_u64(&r); break;
        case IPC_BOOL: *(bool *)(void *)at = take_flag(&r); break;
        case IPC_FD: *(int *)(void *)at = take_flag(&r) ? 0 : -1; break;
        case IPC_STR: *(struct str *)(void *)at = take_str(&r, f->max); break;
        }
    }
    return reader_ended(&r);
}
