/* SPDX-License-Identifier: ISC
 *
 * reader.h - binary fields, big-endian, out of a record whose lengths nobody
 * can vouch for.
 *
 * A reader never leaves its record. Once something does not fit it is bad and
 * stays so; what it gives then is zeros and empty text, so that a parser takes
 * all its fields and looks once at the end.
 */
#ifndef BASE_READER_H
#define BASE_READER_H
#include "base/num.h"

struct reader { const uint8_t *p; size_t n; bool bad; };

static inline struct reader reader_make(struct str record) { return (struct reader){ .p = (const void *)record.p, .n = record.n }; }

/* The next n bytes, which stay the record's; empty if there are not so many. */
static inline struct str reader_bytes(struct reader *r, size_t n)
{
    if (r->bad || n > r->n) {
        r->bad = true;
        return STR("");
    }
    struct str s = str_make(r->p, n);
    r->p += n;
    r->n -= n;
    return s;
}

static inline const uint8_t *reader_fixed(struct reader *r, size_t n)
{
    static const uint8_t zeros[8];
    struct str s = reader_bytes(r, n);
    return r->bad ? zeros : (const uint8_t *)s.p;
}

static inline uint8_t reader_u8(struct reader *r) { return *reader_fixed(r, 1); }
static inline uint32_t reader_u32(struct reader *r) { return get_be32(reader_fixed(r, 4)); }
static inline uint64_t reader_u64(struct reader *r) { return get_be64(reader_fixed(r, 8)); }
/* All of it was taken, and all fitted. */
static inline bool reader_ended(const struct reader *r) { return !r->bad && r->n == 0; }
#endif
