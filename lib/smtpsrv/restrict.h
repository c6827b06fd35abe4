/* SPDX-License-Identifier: ISC
 *
 * restrict.h - smtpd_*_restrictions: main.cf text to rules once, rules to a
 * verdict per command (Postfix's SMTPD_ACCESS_README).
 *
 * A list is tried from left to right; the first rule that says permit or
 * reject ends it. An unknown word, a rule without its argument, or a table
 * that cannot be opened is a configuration error that names parameter and
 * word: a rule is never skipped silently. A lookup that fails temporarily is 451.
 */
#ifndef SMTPSRV_RESTRICT_H
#define SMTPSRV_RESTRICT_H
#include "base/err.h"
#include "base/str.h"

struct session;
struct smtpsrv;
struct arena;
struct config;
struct rule;

enum ruling { V_DUNNO, V_PERMIT, V_REJECT, V_DISCARD };
enum stage { STAGE_CLIENT, STAGE_HELO, STAGE_SENDER, STAGE_RELAY, STAGE_RCPT, STAGE_DATA, STAGE_EOD, STAGE_REWRITE, STAGE_COUNT };

/* What a refusal says: "CODE DSN TEXT". */
struct reject { unsigned code; char dsn[16]; struct str text; };

struct rule_list { struct rule *rules; size_t n; };
struct rule_class { struct str name; struct rule_list list; };
struct rule_set {
    struct rule_list stages[STAGE_COUNT];
    struct rule_class *classes;
    size_t n_classes;
    struct arena *arena;                /* holds the rules */
};
/* What rules remember during one evaluation. */
struct rule_state {
    bool relay_ok;                      /* a rule about the client allowed relaying */
    bool warn_only;
    bool defer_if_permit;
    struct reject deferred;             /* what to say then */
    bool defer_if_reject;
    struct reject instead;              /* what to say then */
    const char *stage_name;             /* for the log: "RCPT" */
};

/* -1 and *err. */
int rules_parse(struct smtpsrv *srv, struct config *config, struct err *err);
void rules_free(struct rule_set *set);
/* WAITS. V_REJECT: s->reject is set. */
enum ruling rules_apply(struct session *s, enum stage stage, const char *stage_name);
/* WAITS. Is it one of local_header_rewrite_clients? */
bool rules_is_local_client(struct session *s);
/* WAITS. All lists that have their say at RCPT, and the relay and existence checks that no configuration can leave out. */
enum ruling rules_for_rcpt(struct session *s);
/*
 * WAITS. May this session use the sender address? (smtpd_sender_login_maps, or login and login@domain.)
 * only_known: addresses in no table are free. The other two: whom to check.
 */
enum ruling rules_sender_owned(struct session *s, bool only_known, bool if_logged_in, bool if_stranger);
/* Set s->reject; returns V_REJECT. */
enum ruling reject_with(struct session *s, unsigned code, const char *dsn, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
#endif
