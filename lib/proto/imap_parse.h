/* SPDX-License-Identifier: ISC
 *
 * imap_parse.h - IMAP commands as bytes (RFC 3501 §9, literals of RFC 7888 and
 * RFC 3516).
 *
 * struct imap_input assembles one command: lines and literals, fed in pieces
 * of any size. It stops at every literal's announcement and lets the owner
 * decide: take it into the command (imap_input_accept), or take what is there
 * as the command, whose end the literal is (imap_open_literal), and read it. Nothing is allocated for a literal
 * before it was accepted, and no command is longer than its limit.
 *
 * struct imap_cur walks over an assembled command. Every function either moves
 * past what it names or leaves the cursor where it was and returns false.
 * NUL is never accepted; 8-bit bytes only inside strings.
 */
#ifndef PROTO_IMAP_PARSE_H
#define PROTO_IMAP_PARSE_H
#include "base/arena.h"
#include "base/buf.h"

enum { IMAP_LINE_MAX = 65536, IMAP_TAG_MAX = 128 };

struct imap_literal {
    uint64_t size;
    bool nonsync;       /* {n+}: the client does not wait */
    bool binary;        /* ~{n} */
};

enum imap_input_result {
    IMAP_INPUT_MORE,        /* feed more */
    IMAP_INPUT_COMMAND,     /* complete: imap_input_text() */
    IMAP_INPUT_LITERAL,     /* announced in in->literal: accept, skip or reset */
    IMAP_INPUT_TOO_LONG,    /* the command passed its limit; the rest of the line is still to come */
};

struct imap_input {
    struct buf text;            /* lines and literals so far, without the last line end */
    struct imap_literal literal;
    uint64_t literal_left;      /* bytes of an accepted literal that are still missing */
    size_t literal_from;        /* where its bytes begin in text */
    bool has_nul;
    size_t limit;
};

static inline struct imap_input imap_input_make(size_t limit) { return (struct imap_input){ .limit = limit }; }
/* Takes bytes off *in until there is a result. */
enum imap_input_result imap_input_feed(struct imap_input *in, struct str *bytes);
/* The literal's bytes belong to the command. False if the command would pass its limit. */
bool imap_input_accept(struct imap_input *in);
static inline struct str imap_input_text(const struct imap_input *in) { return buf_str(&in->text); }
/* Ready for the next command. */
void imap_input_reset(struct imap_input *in);
void imap_input_done(struct imap_input *in);

/* --- the words of a command ---------------------------------------------- */

struct imap_cur {
    const char *p, *end;
    struct arena *mem;      /* for strings that had to be unescaped */
};
static inline struct imap_cur imap_cur_make(struct str s, struct arena *mem)
{
    return (struct imap_cur){ s.p, s.p + s.n, mem };
}
static inline bool imap_at_end(const struct imap_cur *c) { return c->p == c->end; }
static inline bool imap_peek(const struct imap_cur *c, char ch) { return c->p < c->end && *c->p == ch; }
bool imap_char(struct imap_cur *c, char ch);
bool imap_sp(struct imap_cur *c);
/* One word of letters, any case, that ends there. */
bool imap_word(struct imap_cur *c, const char *word);
/* The bit of the word that stands there, one of n; 0 (and nothing is taken) if it is none of them. */
struct imap_word { const char *word; unsigned bit; };
unsigned imap_word_bit(struct imap_cur *c, const struct imap_word words[], size_t n);
bool imap_tag(struct imap_cur *c, struct str *ret);
bool imap_atom(struct imap_cur *c, struct str *ret);
/* Quoted string or literal. */
bool imap_string(struct imap_cur *c, struct str *ret);
bool imap_astring(struct imap_cur *c, struct str *ret);
/* NIL: *ret_nil and an empty string. */
bool imap_nstring(struct imap_cur *c, struct str *ret, bool *ret_nil);
/* As astring, with the wildcards % and * (RFC 3501 list-mailbox). */
bool imap_list_mailbox(struct imap_cur *c, struct str *ret);
bool imap_number(struct imap_cur *c, uint64_t max, uint64_t *ret);
/* "\Seen", "$Forwarded", "keyword". */
bool imap_flag(struct imap_cur *c, struct str *ret);
/* "{n}" CRLF at the very end: the literal that the owner reads itself. */
bool imap_open_literal(struct imap_cur *c);

/* --- strings of a reply -------------------------------------------------- */

/* Quoted if it can be, else a literal. A NUL, which no string may hold, becomes 0x80. */
void imap_put_string(struct buf *out, struct str s);
/* As it is when it is an atom, else imap_put_string. */
void imap_put_astring(struct buf *out, struct str s);
/* A header value, unfolded; a literal where a quoted string would need backslashes. */
void imap_put_header_string(struct buf *out, struct str folded);
#endif
