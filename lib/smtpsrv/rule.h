/* SPDX-License-Identifier: ISC
 *
 * rule.h - the words of restriction lists. Private to the rule code: the table
 * of words is in rule_words.c, the parser in restrict.c, access(5) in access.c.
 */
#ifndef SMTPSRV_RULE_H
#define SMTPSRV_RULE_H
#include "smtpsrv/session.h"

enum word_arg { ARG_NONE, ARG_TABLE, ARG_ZONE, ARG_SECONDS, ARG_ENDPOINT };
struct rule_word {
    const char *name;
    enum word_arg arg;
    enum ruling (*run)(struct session *s, const struct rule *r);
};
struct rule {
    const struct rule_word *word;       /* NULL: a class */
    const struct rule_class *class;
    struct str arg;
    struct map_list *maps;
    bool warn;                          /* warn_if_reject */
};
/* NULL: no such word. */
const struct rule_word *rule_word_find(struct str name);
/* The word for a bare type:table in a list of this stage; NULL: none. */
const struct rule_word *rule_word_for_table(enum stage stage);
enum ruling rule_run(struct session *s, const struct rule *r);

/* What is being judged, for replies: "<x>: Client host rejected". */
struct subject { struct str shown; const char *noun; const char *dsn_reject, *dsn_defer; };

/* WAITS. Look up keys in turn; the first hit's action decides. The first key is whole, the others are parts of it. *ret_found: one was a hit. */
enum ruling access_check(struct session *s, struct map_list *maps, const struct str *keys, size_t n_keys, const struct subject *subject, bool *ret_found);
/* WAITS. Do what the right-hand side of an access table, or a policy server, says. */
enum ruling access_act(struct session *s, const struct subject *subject, struct str value);
/* WAITS. check_policy_service */
enum ruling rule_policy(struct session *s, const struct rule *r);
enum { ACCESS_KEYS_MAX = 64 };
/* Keys of a host name (with parents), of an address (with its networks), of a mail address. Return the number. */
size_t access_host_keys(struct session *s, struct str name, struct str *keys, size_t n);
size_t access_addr_keys(struct session *s, struct str addr, struct str *keys, size_t n);
size_t access_mail_keys(struct session *s, struct str address, struct str *keys, size_t n);
struct subject subject_client(struct session *s);
struct subject subject_helo(struct session *s);
struct subject subject_sender(struct session *s);
struct subject subject_rcpt(struct session *s);
/* 451 for a table that failed. */
enum ruling reject_lookup(struct session *s, struct str what, const struct err *err);
/* "zone" or "zone=FILTER", FILTER four numbers, sets or ranges: 127.0.0.[2..4;9]. */
bool rbl_filter_is_valid(struct str arg);
bool rbl_filter_matches(struct str filter, const uint8_t addr[4]);
/* Reply code for users of this class that do not exist. */
unsigned unknown_user_code(const struct session *s, enum address_class class);
/* WAITS. reject_unlisted_sender */
enum ruling rule_unlisted_sender(struct session *s, const struct rule *r);
/* Is mail for s->dest taken for anyone? */
bool is_our_destination(const struct session *s);
#endif
