/* SPDX-License-Identifier: ISC
 *
 * source.h - the text that tables are made from.
 *
 * postmap form: "key value"; white space within double quotes does not end the
 * key, and the quotes stay part of it. aliases(5) form: "key: value, value ...",
 * where a quoted key loses its quotes. Keys and values come out as they are to be stored,
 * except for folding to lower case, which is the caller's.
 */
#ifndef MAP_SOURCE_H
#define MAP_SOURCE_H
#include "base/buf.h"
#include "base/err.h"
#include "conf/lex.h"

struct source {
    struct lexer lexer;
    const char *name;       /* for messages */
    bool aliases;
    struct buf key, value;
    unsigned line;
    char warning[240];      /* of the last source_next(), "" if none */
};
struct source_entry { struct str key, value; unsigned line; };

enum source_result { SOURCE_ENTRY, SOURCE_END, SOURCE_BAD };

void source_init(struct source *s, const char *name, struct str text, bool aliases);
/* SOURCE_BAD: a line that cannot be used; its warning is set, reading may go on. The entry is valid until the next call. */
enum source_result source_next(struct source *s, struct source_entry *ret);
void source_done(struct source *s);
#endif
