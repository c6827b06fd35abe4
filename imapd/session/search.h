/* SPDX-License-Identifier: ISC
 *
 * search.h - whether a message matches a search program.
 *
 * Text is compared as i;unicode-casemap would: decoded from its transfer
 * encoding and charset, encoded words decoded, letters folded, runs of white
 * space taken as one space. Dates compare without time zone, as RFC 3501
 * §6.4.4 wants it.
 */
#ifndef IMAPD_SEARCH_H
#define IMAPD_SEARCH_H
#include "session.h"
#include "proto/imap_search.h"

struct search;
/* Resolves sets and keywords, folds texts. False: *ret_reply (unknown charset, bad set) is the answer. */
bool search_prepare(struct session *s, struct search_program *p, struct str charset, struct search **ret,
                    struct reply *ret_reply);
/* A message that is gone matches nothing. *r is set when the store failed. */
bool search_matches(struct search *se, size_t index, enum store_result *r, struct err *err);
void search_done(struct search *se);
#endif
