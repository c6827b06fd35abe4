/* SPDX-License-Identifier: ISC
 *
 * flag_record.h - the file postern-flags: flag changes that are durable but
 * not yet in file names. Pure; lib/store/FORMAT.md has the rules.
 *
 * Head, 32 bytes: "PFLAGS1\n", u32 generation, u32 0, u64 highest modseq,
 * u32 0, u32 CRC-32C of the 28 bytes before. Records follow; one of another
 * generation, or whose CRC is wrong, ends the file. All numbers big-endian.
 */
#ifndef PROTO_FLAG_RECORD_H
#define PROTO_FLAG_RECORD_H
#include "base/buf.h"

enum { FLAG_HEAD_SIZE = 32, FLAG_RECORD_MIN = 40 };

struct flag_head { uint32_t generation; uint64_t modseq; };
struct flag_record {
    uint32_t uid;
    uint8_t add, remove;                    /* enum store_flag */
    uint32_t keywords_add, keywords_remove;
    uint64_t modseq;
    struct str base;                        /* of the file: guards against a UID list that was replaced */
};

void flag_head_put(struct buf *out, const struct flag_head *h);
bool flag_head_parse(struct str bytes, struct flag_head *ret);
void flag_record_put(struct buf *out, uint32_t generation, const struct flag_record *r);
/* Cut the next record off *bytes; false (and *bytes unchanged) at the end or at damage. base points into the bytes. */
bool flag_record_next(struct str *bytes, uint32_t generation, struct flag_record *ret);
#endif
