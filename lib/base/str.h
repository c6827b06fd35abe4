/* SPDX-License-Identifier: ISC
 *
 * str.h - a slice of bytes that someone else owns.
 *
 * Parsed input is a struct str: it may hold any byte, NUL included, is not
 * terminated, and lives as long as what it points into. `char *` appears only
 * toward libc, and a slice with a NUL inside cannot become one.
 */
#ifndef BASE_STR_H
#define BASE_STR_H
#include "base/def.h"

struct arena;
struct str { const char *p; size_t n; };

#define STR(lit) ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_INIT(lit) { "" lit, sizeof(lit) - 1 }
/* For printf's "%.*s". */
#define STR_FMT(s) (int)(s).n, (s).p

static inline struct str str_from(const char *z) { return (struct str){ z, z == NULL ? 0 : strlen(z) }; }
static inline struct str str_make(const void *p, size_t n) { return (struct str){ p, n }; }
static inline bool str_is_empty(struct str s) { return s.n == 0; }
static inline bool str_eq(struct str a, struct str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool str_eqz(struct str a, const char *z) { return str_eq(a, str_from(z)); }
/* ASCII case folding only, whatever the locale. */
bool str_ieq(struct str a, struct str b);
bool str_ieqz(struct str a, const char *z);
/* <0, 0, >0 as memcmp; a prefix sorts first. */
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_iends(struct str s, struct str suffix);

/* From index `from` to the end, or n bytes of it; both clamp to the slice. */
struct str str_skip(struct str s, size_t from);
struct str str_head(struct str s, size_t n);
/* Index of the first/last c, or -1. */
ptrdiff_t str_chr(struct str s, char c);
ptrdiff_t str_rchr(struct str s, char c);
/* Index of the first occurrence of needle, or -1. An empty needle is at 0. */
ptrdiff_t str_find(struct str s, struct str needle);
/* Does s fit a pattern in which '*' is any text and '?' any byte? Time: the product of the lengths at most. */
bool str_glob(struct str pattern, struct str s);
/* Without ASCII white space (SP HT CR LF VT FF) at both ends. */
struct str str_trim(struct str s);
/*
 * Cut the next token off *rest. A token is a run of bytes not in `seps`;
 * runs of separators count as one. False when nothing is left.
 */
bool str_token(struct str *rest, const char *seps, struct str *ret_token);
/* Split at the first c: head before it, *rest after it. False if c is absent (head = all, rest = empty). */
bool str_cut(struct str s, char c, struct str *ret_head, struct str *ret_rest);

static inline bool ascii_is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static inline bool ascii_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool ascii_is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static inline bool ascii_is_alnum(char c) { return ascii_is_digit(c) || ascii_is_alpha(c); }
static inline char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static inline char ascii_upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 32) : c; }

/* Copies into the arena. str_to_cstr returns NULL when s holds a NUL. */
struct str str_dup(struct arena *a, struct str s);
struct str str_lower(struct arena *a, struct str s);
char *str_to_cstr(struct arena *a, struct str s);
/* Into a fixed buffer, for paths and names: false when too long or s holds a NUL. */
bool str_to_fixed(struct str s, char *buf, size_t cap);
/* printf into the arena. */
struct str str_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
#endif
