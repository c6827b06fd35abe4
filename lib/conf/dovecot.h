/* SPDX-License-Identifier: ISC
 *
 * dovecot.h - Dovecot's configuration, and what `doveconf -n` prints, as a tree.
 *
 *   key = value              passdb {                    service auth {
 *   key = <file              passdb sql {                  unix_listener "a b" {
 *
 * The tree is an array in the order of the text: a section is followed by what
 * is inside it, up to `end`. Each node knows its file and line. Values lose their quotes;
 * "<path" is marked (is_file), and so is a value that doveconf would not
 * print (is_hidden). A line that ends in a backslash goes on in the next one.
 *
 * Both generations have this shape; what names mean is the reader's business.
 * `!include` and `!include_try` are followed when files are read, not when
 * text is. Refuses: sections deeper than DOVECOT_DEPTH_MAX, more nodes than
 * DOVECOT_NODES_MAX, a '}' too much or too few, a line that is neither a
 * setting nor a section.
 */
#ifndef CONF_DOVECOT_H
#define CONF_DOVECOT_H
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { DOVECOT_DEPTH_MAX = 16, DOVECOT_NODES_MAX = 20000, DOVECOT_FILE_MAX = 4 << 20, DOVECOT_FILES_MAX = 200 };

struct dovecot_node {
    struct str name;            /* of the setting, or the section's first word */
    struct str arg;             /* the section's second word; "" */
    struct str value;           /* of a setting */
    bool is_section, is_file, is_hidden;
    unsigned depth;             /* 0 = top */
    size_t end;                 /* index after what is inside; of a setting: the next one */
    const char *file;
    unsigned line;
};
struct dovecot_tree {
    struct dovecot_node *nodes;
    size_t n;
    struct str version;         /* "2.3.19.1" of doveconf's first line, or dovecot_config_version; "" = not said */
    struct str path;            /* the main file that doveconf names; "" = not said */
};

/* Everything is in the arena. file: the name of the text, for messages. */
int dovecot_parse(const char *file, struct str text, struct arena *arena, struct dovecot_tree *ret, struct err *err);
/* A file with what it includes. */
int dovecot_read(const char *path, struct arena *arena, struct dovecot_tree *ret, struct err *err);
/*
 * A file of settings only (dovecot-sql.conf.ext and its like): a '#' begins a comment
 * only where a line begins, quotes are part of a value unless they surround it.
 */
int dovecot_parse_ext(const char *file, struct str text, struct arena *arena, struct dovecot_tree *ret, struct err *err);

/* The last setting of this name directly inside the section at `at` (SIZE_MAX: at the top). NULL: none. */
const struct dovecot_node *dovecot_find(const struct dovecot_tree *t, size_t at, const char *name);
/* "30 mins", "2h", "15", "500ms" (of a bare number: unit_ms each) in milliseconds. False: no time. */
bool dovecot_time(struct str text, uint64_t unit_ms, uint64_t *ret_ms);
/* "yes", "y", "1", "true"; false for everything else. */
bool dovecot_is_yes(struct str value);
#endif
