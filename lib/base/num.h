/* SPDX-License-Identifier: ISC
 *
 * num.h - text to numbers, the only place where digits become integers, and
 * numbers as bytes.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H
#include "base/str.h"

/* Decimal digits only, whole slice, at most max. False leaves *ret alone. */
bool num_parse_u64(struct str s, uint64_t max, uint64_t *ret);
bool num_parse_u32(struct str s, uint32_t max, uint32_t *ret);
bool num_parse_size(struct str s, size_t max, size_t *ret);
/* Optional '-'. */
bool num_parse_i64(struct str s, int64_t min, int64_t max, int64_t *ret);
/* Hexadecimal digits only, no prefix. */
bool num_parse_hex(struct str s, uint64_t max, uint64_t *ret);
/* Digits at the start of *s, which is moved past them. False if there is none or it is over max. */
bool num_take_u64(struct str *s, uint64_t max, uint64_t *ret);

/* Big-endian numbers of 2, 4 and 8 bytes. base/reader.h reads them out of what may be too short. */
static inline void put_be16(uint8_t *p, uint16_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static inline void put_be32(uint8_t *p, uint32_t v) { put_be16(p, (uint16_t)(v >> 16)); put_be16(p + 2, (uint16_t)v); }
static inline void put_be64(uint8_t *p, uint64_t v) { put_be32(p, (uint32_t)(v >> 32)); put_be32(p + 4, (uint32_t)v); }
static inline uint16_t get_be16(const uint8_t *p) { return (uint16_t)((unsigned)p[0] << 8 | p[1]); }
static inline uint32_t get_be32(const uint8_t *p) { return (uint32_t)get_be16(p) << 16 | get_be16(p + 2); }
static inline uint64_t get_be64(const uint8_t *p) { return (uint64_t)get_be32(p) << 32 | get_be32(p + 4); }
#endif
