/* SPDX-License-Identifier: ISC
 *
 * imap_search.h - search programs (RFC 3501 §6.4.4).
 *
 * A program is a list of steps on one truth value: a test sets it, NOT turns
 * it, jumps leave an AND at the first false and an OR at the first true. So it
 * is parsed and run without recursion, and stops as early as a tree would.
 * Nesting is limited to IMAP_SEARCH_DEPTH, keys to IMAP_SEARCH_KEYS.
 */
#ifndef PROTO_IMAP_SEARCH_H
#define PROTO_IMAP_SEARCH_H
#include "proto/imap_seqset.h"

enum { IMAP_SEARCH_DEPTH = 64, IMAP_SEARCH_KEYS = 1000 };

enum search_kind {
    SEARCH_ALL, SEARCH_FLAGS, SEARCH_NO_FLAGS, SEARCH_NEW, SEARCH_KEYWORD, SEARCH_UNKEYWORD,
    SEARCH_BEFORE, SEARCH_ON, SEARCH_SINCE, SEARCH_SENTBEFORE, SEARCH_SENTON, SEARCH_SENTSINCE,
    SEARCH_LARGER, SEARCH_SMALLER, SEARCH_HEADER, SEARCH_BODY, SEARCH_TEXT, SEARCH_SEQ, SEARCH_UID,
    SEARCH_OLDER, SEARCH_YOUNGER,
};
struct search_key {
    enum search_kind kind;
    unsigned flags;             /* of SEARCH_FLAGS, SEARCH_NO_FLAGS: as given in the word table */
    uint64_t number;            /* size or seconds */
    int64_t day;                /* days since 1970 */
    struct str name;            /* header field or keyword */
    struct str text;            /* as sent; folded by the owner */
    struct imap_seqset set;
};
enum search_op { SEARCH_TEST, SEARCH_NOT, SEARCH_IF_FALSE, SEARCH_IF_TRUE };
struct search_step { enum search_op op; uint32_t arg; };    /* key of a test, step to jump to */
struct search_program {
    struct search_key *keys;
    struct search_step *steps;
    size_t n_keys, n_steps;
};

/* Flag bits of search keys. */
enum { SEARCH_F_DRAFT = 1, SEARCH_F_FLAGGED = 2, SEARCH_F_ANSWERED = 4, SEARCH_F_SEEN = 8, SEARCH_F_DELETED = 16,
       SEARCH_F_RECENT = 32 };

/* search-key *(SP search-key) to the end of the command. Memory is the cursor's arena's. */
bool imap_search_parse(struct imap_cur *c, struct search_program *ret, const char **ret_why);
/* test(key, user) says whether one key holds. */
bool imap_search_run(const struct search_program *s, bool (*test)(const struct search_key *key, void *user), void *user);
#endif
