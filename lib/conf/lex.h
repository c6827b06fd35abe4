/* SPDX-License-Identifier: ISC
 *
 * lex.h - logical lines, as all of Postfix's configuration files have them.
 *
 * A line that starts with white space continues the one before it. Lines that
 * are empty or whose first visible byte is '#' are skipped, also in the middle
 * of a continued line. Pieces are joined as they stand, without the newline.
 * White space at the end goes away, and with it the CR of a CRLF file. A line
 * that continues nothing is marked `orphan`: what that means is for the caller.
 */
#ifndef CONF_LEX_H
#define CONF_LEX_H
#include "base/buf.h"
#include "base/err.h"

struct lexer {
    struct str rest;
    unsigned at;            /* physical line last read */
    struct buf joined;      /* used by continued lines only */
};
struct lex_line {
    struct str text;        /* valid until the next lex_next() */
    unsigned first, last;   /* physical lines, from 1 */
    bool orphan;
};

static inline struct lexer lex_make(struct str text) { return (struct lexer){ .rest = text }; }
/* False at the end. */
bool lex_next(struct lexer *lx, struct lex_line *ret_line);
void lex_done(struct lexer *lx);
/*
 * "name = value" apart. False, and a reason as text, when there is no name or
 * no '='. The value has no white space at its ends.
 */
bool lex_name_value(struct str line, struct str *ret_name, struct str *ret_value, const char **ret_why);
/*
 * The next word of *rest, apart by bytes of seps; within { } they do not
 * separate: "a { b c } type:{ {d}, {e} }" is three words, braces included.
 * False at the end. An unbalanced brace takes all that is left.
 */
bool lex_word(struct str *rest, const char *seps, struct str *ret_word);
/* "{ text }" -> "text"; any other word is left as it is. False when a brace is not closed or something follows it. */
bool lex_unbrace(struct str *word);
/*
 * Reads a whole regular file of at most `limit` bytes into out. -1 and *err
 * when it cannot be read; text with a NUL in it is refused with its line.
 */
int lex_read_file(const char *path, size_t limit, struct buf *out, struct err *err);
#endif
