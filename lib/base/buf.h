/* SPDX-License-Identifier: ISC
 *
 * buf.h - a growing byte buffer for output.
 *
 * Writing never fails at the call: past its limit a buffer turns `full`, drops
 * what is added and stays so until reset; the owner looks once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H
#include "base/str.h"

struct buf {
    char *p;
    size_t n, cap;
    size_t limit;       /* 0 = no limit of its own */
    bool full;
};

static inline struct buf buf_make(size_t limit) { return (struct buf){ .limit = limit }; }
void buf_done(struct buf *b);
/* Empty, keeping the memory. */
void buf_reset(struct buf *b);
static inline struct str buf_str(const struct buf *b) { return (struct str){ b->p == NULL ? "" : b->p, b->n }; }
/* NUL-terminated view, valid until the next write. */
const char *buf_cstr(struct buf *b);
/* Room for n more bytes at the end, NULL if the limit forbids it; then buf_added(). */
char *buf_room(struct buf *b, size_t n);
static inline void buf_added(struct buf *b, size_t n) { b->n += n; }
void buf_put(struct buf *b, const void *p, size_t n);
void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *z);
void buf_add(struct buf *b, struct str s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_u64(struct buf *b, uint64_t v);         /* in decimal digits */
/* Binary, big-endian; what base/reader.h reads. */
void buf_be16(struct buf *b, uint16_t v);
void buf_be32(struct buf *b, uint32_t v);
void buf_be64(struct buf *b, uint64_t v);
/* Remove n bytes from the front (moves the rest). */
void buf_drop(struct buf *b, size_t n);
/* Give up the excess of an idle buffer: frees the memory when empty. */
void buf_trim(struct buf *b);
#endif
