/* SPDX-License-Identifier: ISC
 *
 * fields.h - an ordered set of name=value pairs: what databases say of a user
 * ("uid", "userdb_home", "allow_nets", "nologin" ...), the options of an entry
 * of postern_passdb, the parameters of a request.
 *
 * A name without a value has the value "yes" when it was read as a bare word,
 * and is_bare is kept so that it is written back as one. Setting a name again
 * replaces its value in place. Strings are copied into the set's arena. At most
 * FIELDS_MAX names and FIELDS_BYTES_MAX bytes of text; beyond it fields_set()
 * is false and the set is `full` (a lookup with a full set fails as temporary:
 * half of what a database said is never acted on).
 */
#ifndef AUTH_FIELDS_H
#define AUTH_FIELDS_H
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum { FIELDS_MAX = 64, FIELDS_BYTES_MAX = 16384, FIELD_NAME_MAX = 128 };

struct field { struct str name, value; bool is_bare; };
struct fields {
    struct arena *arena;        /* borrowed */
    struct field *rows;         /* in the arena; a copy of the struct is for reading */
    size_t n, room, bytes;
    bool full;
};
struct fields fields_make(struct arena *arena);
bool fields_set(struct fields *f, struct str name, struct str value);
/* NULL: absent. Names are compared as they are (Dovecot's field names are lower case). */
const struct field *fields_find(const struct fields *f, const char *name);
/* The value; "" when absent. */
struct str fields_get(const struct fields *f, const char *name);
bool fields_has(const struct fields *f, const char *name);
void fields_remove(struct fields *f, const char *name);
/* yes, y, true, 1, "" or a bare word are true; no, n, false, 0 and absent are false. */
bool fields_is_true(const struct fields *f, const char *name);
/* All of `from` whose name starts with prefix ("" = all), without the prefix, set in f. */
bool fields_import(struct fields *f, const struct fields *from, struct str prefix);

/* "name=value name2 name3=value" separated by blanks (passwd-file's extra fields). False: full. */
bool fields_parse_words(struct fields *f, struct str text);
/* As fields of an auth protocol line, each after a TAB, escaped (proto/auth_proto.h); and back. */
void fields_put_line(const struct fields *f, struct buf *out);
bool fields_parse_line(struct fields *f, struct str text);
#endif
