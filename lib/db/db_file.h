/* SPDX-License-Identifier: ISC
 *
 * db_file.h - the syntax of Dovecot 2.3's dovecot-sql.conf.ext and
 * dovecot-ldap.conf.ext: "key = value" lines.
 *
 * A line that begins with '#' is a comment, and so is the rest of a line from
 * a '#' outside of quotes. A backslash at the end of a line continues it; the
 * white space before the next line's text is dropped. A value that is quoted as a
 * whole loses its quotes and the backslashes in it. Later keys replace earlier ones.
 *
 * Refuses: a line without '=', a section, !include, a NUL, a file over
 * DB_FILE_MAX. Pure but for db_file_read().
 */
#ifndef DB_FILE_H
#define DB_FILE_H
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { DB_FILE_MAX = 256 << 10, DB_FILE_KEYS_MAX = 128 };

struct db_file_line { struct str key, value; unsigned line; };
/* A setting that is known. def: NULL = empty; flags: the reader's own. */
struct db_key { const char *key, *def; unsigned flags; };
struct db_file {
    struct db_file_line lines[DB_FILE_KEYS_MAX];
    size_t n;
    const struct db_key *keys;      /* of db_file_know */
    size_t n_keys;
};

/* Strings are in the arena. 0, or -1 and *err with the line ("line 3: ..."). */
int db_file_parse(struct str text, struct arena *arena, struct db_file *ret, struct err *err);
/* The last line with that key, NULL: none. */
const struct db_file_line *db_file_find(const struct db_file *f, const char *key);
/* From here on these are the settings there are. -1 and *err: the file has another one. keys must outlive f. */
int db_file_know(struct db_file *f, const struct db_key keys[], size_t n, struct err *err);
/* As the file has it, else its default. */
struct str db_file_value(const struct db_file *f, const char *key);
/* The line where it stands, 0 when it is not set. */
unsigned db_file_line_of(const struct db_file *f, const char *key);
/* The whole of a file, in the arena. Before privileges are dropped: such files are root's. */
int db_file_read(const char *path, struct arena *arena, struct str *ret, struct err *err);
#endif
