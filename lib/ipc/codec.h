/* SPDX-License-Identifier: ISC
 *
 * codec.h - messages of schema.h to bytes and back. Pure.
 *
 * Frame: u32 length of what follows | u16 type | u32 request id | fields in
 * schema order, big-endian; a string is u32 length and bytes; an FD field is
 * one byte, 1 if a descriptor travels with the frame. The decoder refuses
 * short, long and trailing input, over-long strings and bools other than 0/1.
 */
#ifndef IPC_CODEC_H
#define IPC_CODEC_H
#include "base/buf.h"
#include "ipc/schema.h"

enum { IPC_FRAME_HEAD = 10, IPC_FRAME_MIN = 6 };

enum ipc_kind { IPC_U32, IPC_U64, IPC_BOOL, IPC_STR, IPC_FD };
#define IPC_C_U32 uint32_t
#define IPC_C_U64 uint64_t
#define IPC_C_BOOL bool
#define IPC_C_STR struct str
#define IPC_C_FD int
#define IPC_MEMBER(T, kind, name, max, doc) IPC_C_##kind name;
#define IPC_STRUCT(UPPER, lower, from, to) struct ipc_##lower { IPC_MSG_##UPPER(IPC_MEMBER, lower) };
IPC_MESSAGES(IPC_STRUCT)
#undef IPC_STRUCT

#define IPC_ENUM(UPPER, lower, from, to) IPC_##UPPER,
enum ipc_type { IPC_MESSAGES(IPC_ENUM) IPC_TYPE_COUNT };
#undef IPC_ENUM

/* Room for any message struct. */
#define IPC_UNION(UPPER, lower, from, to) struct ipc_##lower lower;
union ipc_any { IPC_MESSAGES(IPC_UNION) };
#undef IPC_UNION

struct ipc_field { const char *name; enum ipc_kind kind; uint32_t max; size_t offset; const char *doc; };
struct ipc_message {
    const char *name;
    uint32_t senders, receivers;    /* ROLE_BITs */
    size_t struct_size;
    const struct ipc_field *fields;
    size_t n_fields;
    size_t frame_max;               /* largest legal length of a frame, with its head */
};
const struct ipc_message *ipc_message(unsigned type);   /* NULL: no such type */
bool ipc_may_send(enum role from, enum role to, unsigned type);
uint32_t ipc_schema_hash(void);

/*
 * Append a whole frame to *out. msg is the type's struct. A FD field's value
 * is not written, only whether it is >= 0; passing it is the channel's work.
 * False, and nothing appended, when a string is over its maximum.
 */
bool ipc_encode(enum ipc_type type, uint32_t id, const void *msg, struct buf *out);
/* Is no string of it over its maximum? */
bool ipc_fits(enum ipc_type type, const void *msg);
/* Largest frame that may follow this head (10 bytes), 0 if type or length is illegal. */
size_t ipc_frame_size(const uint8_t head[IPC_FRAME_HEAD], unsigned *ret_type, uint32_t *ret_id);
/* body: the frame after its head. Strings point into it. FD fields become -1 or 0 (0 = one is expected). */
bool ipc_decode(enum ipc_type type, const uint8_t *body, size_t n, void *ret_msg);
#endif
