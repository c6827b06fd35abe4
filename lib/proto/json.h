/* SPDX-License-Identifier: ISC
 *
 * json.h - reading JSON (RFC 8259): claims of tokens, key sets, answers of an
 * identity provider; and writing strings of it.
 *
 * A text is checked whole once, by json_parse(); then values are slices of it,
 * found by walking. Nothing is copied until a string is asked for.
 *
 * Refuses: anything after the value, depth over JSON_DEPTH_MAX, text that is
 * not UTF-8, control characters in strings, lone surrogates, NUL (also as
 * \u0000). A name that an object has twice is found by json_get() as
 * JSON_NONE: two readers must not see two different claims.
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H
#include "base/arena.h"
#include "base/buf.h"

enum { JSON_DEPTH_MAX = 32 };
enum json_type { JSON_NONE, JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* text: with its brackets or quotes. */
struct json { enum json_type type; struct str text; };

/* False: not JSON, or beyond the limits. */
bool json_parse(struct str text, struct json *ret);
/* A member of an object; JSON_NONE when it is absent, there twice, or o is no object. */
struct json json_get(struct json o, const char *name);
/* Members or elements in turn; *pos starts at 0. False at the end, or when v is neither object nor array. ret_name may be NULL for arrays: it is "" there, with quotes else. */
bool json_each(struct json v, size_t *pos, struct json *ret_name, struct json *ret);
/* The string, decoded, in the arena. False: v is none. */
bool json_string(struct json v, struct arena *arena, struct str *ret);
/* Whole seconds and the like: a fraction is cut off; an exponent is refused. */
bool json_i64(struct json v, int64_t *ret);
/* Is v this string, or an array that has it? */
bool json_has(struct json v, struct str wanted);

/* With quotes. Bytes that are not UTF-8 become '?'. */
void json_put_string(struct buf *out, struct str s);
#endif
