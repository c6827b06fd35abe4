/* SPDX-License-Identifier: ISC
 *
 * gen.h - random values for any message of the schema, and their comparison,
 * both made from the schema's rows.
 */
#ifndef T_UNIT_IPC_GEN_H
#define T_UNIT_IPC_GEN_H
#include "ipc/codec.h"

static uint64_t gen_state = 0x9e3779b97f4a7c15u;
static inline uint64_t gen_random(void)
{
    gen_state ^= gen_state << 13;
    gen_state ^= gen_state >> 7;
    return gen_state ^= gen_state << 17;
}

/* Random bytes for strings; values are slices of it. */
static char gen_bytes[4 << 20];
static inline void gen_init(void)
{
    for (size_t i = 0; i < sizeof gen_bytes; i++)
        gen_bytes[i] = (char)gen_random();
}

enum gen_size { GEN_EMPTY, GEN_SOME, GEN_FULL };

static inline struct str gen_str(uint32_t max, enum gen_size size)
{
    size_t n = size == GEN_EMPTY ? 0 : size == GEN_FULL ? max : gen_random() % (MIN(max, 300u) + 1);
    return str_make(gen_bytes + gen_random() % (sizeof gen_bytes - n + 1), n);
}

/* fd: what an FD field gets. */
static inline void gen_message(const struct ipc_message *m, enum gen_size size, int fd, void *ret)
{
    for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++) {
        void *at = (char *)ret + f->offset;
        switch (f->kind) {
        case IPC_U32: *(uint32_t *)at = size == GEN_FULL ? UINT32_MAX : (uint32_t)gen_random(); break;
        case IPC_U64: *(uint64_t *)at = size == GEN_FULL ? UINT64_MAX : gen_random(); break;
        case IPC_BOOL: *(bool *)at = gen_random() % 2 == 0; break;
        case IPC_FD: *(int *)at = fd; break;
        case IPC_STR: *(struct str *)at = gen_str(f->max, size); break;
        }
    }
}

/* Equal, descriptors by presence only. */
static inline bool gen_equal(const struct ipc_message *m, const void *a, const void *b)
{
    for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++) {
        const void *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
        bool same = false;
        switch (f->kind) {
        case IPC_U32: same = *(const uint32_t *)x == *(const uint32_t *)y; break;
        case IPC_U64: same = *(const uint64_t *)x == *(const uint64_t *)y; break;
        case IPC_BOOL: same = *(const bool *)x == *(const bool *)y; break;
        case IPC_FD: same = (*(const int *)x < 0) == (*(const int *)y < 0); break;
        case IPC_STR: same = str_eq(*(const struct str *)x, *(const struct str *)y); break;
        }
        if (!same)
            return false;
    }
    return true;
}
#endif
