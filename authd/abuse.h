/* SPDX-License-Identifier: ISC
 *
 * abuse.h - one table of who guesses passwords, for all services.
 *
 *   abuse_wait()     how long the request waits before its password is looked at
 *   abuse_take()     may it be looked at now: a guess is taken from the budget
 *   then one of: abuse_failed(), abuse_passed(), abuse_undecided(), abuse_abandoned()
 *
 * An address (IPv4 /32, IPv6 /64) that fails waits longer and longer
 * (auth/penalty.h), and has a budget of wrong passwords an hour; so has, a
 * larger one, the network around it (/24, /48). Beyond its budget every answer
 * is the failure that a wrong password gets, and nothing is checked: guessing
 * on is then without effect. A wrong password sent again costs a tenth of a
 * guess, and no longer wait: it is a client that was not told.
 *
 * An account that fails often, wherever from, is answered after a wait of at
 * most ACCOUNT_WAIT_MS; it is never locked. A user who has logged in from this
 * network lately (auth/known.h) waits for nothing, and has a part of each
 * address's budget that others cannot use up.
 *
 * Right passwords cost nothing: what is taken for a check is given back. Checks
 * that are still in work can hold others up for a moment, never refuse them.
 *
 * The address is what the asker says (rip=). Our own processes say where the
 * connection comes from; a neighbour on private/auth is believed, and could
 * blame anyone: whoever may open that socket is trusted that far.
 */
#ifndef AUTHD_ABUSE_H
#define AUTHD_ABUSE_H
#include "base/buf.h"
#include "base/err.h"

enum { ABUSE_SMTP_WAIT_MS = 3500, ABUSE_WAIT_MS = 13000, ABUSE_ACCOUNT_WAIT_MS = 5000 };

struct abuse_who {
    struct str user;            /* canonical; "": no name was understood */
    struct str password;        /* "": none was sent in clear */
    struct str remote, service;
    bool is_smtp;               /* the asker gives up early */
    bool exempt;                /* a neighbour that counts by itself (no-penalty) */
};

/* What a request has taken; zeroed at first. */
struct abuse { uint64_t mark; uint32_t units; bool known, repeated; int64_t since; };

enum abuse_says {
    ABUSE_CHECK,
    ABUSE_REFUSE,               /* the budget is used up: a failure without a check; it was logged */
    ABUSE_LATER,                /* ask again in ABUSE_AGAIN_MS: others of this address are being checked */
    ABUSE_BUSY,                 /* and have been for too long: a temporary failure */
};
enum { ABUSE_AGAIN_MS = 200 };

/* Before privileges are dropped: opens what is kept over restarts, in data_directory; without it nothing is kept. */
void abuse_open(const char *data_directory);
void abuse_start(void);
/* Writes what is not written yet. */
void abuse_stop(void);

/* Milliseconds. */
int64_t abuse_wait(struct abuse *a, const struct abuse_who *who);
enum abuse_says abuse_take(struct abuse *a, const struct abuse_who *who);
void abuse_failed(struct abuse *a, const struct abuse_who *who);
void abuse_passed(struct abuse *a, const struct abuse_who *who);
/* Nobody can say whether the password was right. */
void abuse_undecided(struct abuse *a, const struct abuse_who *who);

/* The asker went away during the check: that was a guess, but perhaps not a wrong one. */
void abuse_abandoned(struct abuse *a, const struct abuse_who *who);

/* For postern auth: lines "address\tADDRESS\tGUESSES\tWAIT_MS", "network\t...", "account\tUSER\tFAILURES\tWAIT_MS", at most max of each. */
void abuse_list(struct buf *out, size_t max);
/* An address, a network (ADDRESS/BITS), a user, or "all": how many entries went. */
size_t abuse_clear(struct str what);
size_t abuse_known_count(void);
/* The networks of one user, or ("") of all: how many. */
size_t abuse_forget_known(struct str user);
#endif
