/* SPDX-License-Identifier: ISC
 *
 * derive.h - SCRAM over passwords that are stored in clear: the keys of such a
 * user cost thousands of rounds of a hash (RFC 5802 section 3, "Hi"), which an
 * auth-hash process computes. The front waits for none of them.
 *
 * auth/mech.h would derive the keys by itself when the proof is there; here they
 * are in the exchange before, and the clear password is out of it.
 */
#ifndef AUTHD_DERIVE_H
#define AUTHD_DERIVE_H
#include "auth/mech.h"
#include "pool.h"

/* Embedded by the asker; zeroed at first. */
struct derive {
    struct mech_run *run;
    /* false: nobody had time for it. The keys are in *run, or no proof will hold. May free the derive. */
    void (*done)(struct derive *d, bool answered);
    struct pool_job job;        /* private */
    bool in_work;               /* private */
};

/* Does the exchange need keys before its next message? */
bool derive_needed(const struct mech_run *run);
/* done() is called, maybe before this returns. remote: for the lanes of the pool. */
void derive_start(struct derive *d, struct mech_run *run, struct str remote, void (*done)(struct derive *d, bool answered));
/* done() will not be called any more. */
void derive_cancel(struct derive *d);
#endif
