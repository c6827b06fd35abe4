/* SPDX-License-Identifier: ISC
 *
 * chain.h - between the files of the chain: chain.c (passdbs, questions),
 * chain_user.c (userdbs), names.c (who is asked for), step.c (what a driver's
 * step says and sets). For nobody else.
 */
#ifndef AUTHD_CHAIN_H
#define AUTHD_CHAIN_H
#include "authd.h"
#include "db.h"

enum { NOTES_MAX = 2 * DB_ENTRIES_MAX };

struct chain_state {
    struct db_step *step;           /* being asked; NULL: nothing to cancel */
    struct verify verify;
    size_t at;                      /* of passdbs or userdbs */
    bool is_canonical, as_master, verifying, in_userdbs;
    bool success, failed, verified, saw_internal, asked_any;
    bool user_found, user_saw_internal;
    size_t let_in_by;               /* passdb */
    const struct db *answered;      /* the same */
    struct rehash *rehash;          /* to be started when the user is let in; NULL: nothing is outdated */
    struct db_step *notes[NOTES_MAX];   /* those that did not let the user in */
    size_t n_notes;
    enum auth_verdict untold;       /* DB_SECRET: what the notes are about; VERDICT_MATCH = nothing is left to say */
};

/* ---- chain.c ---- */
/* The step of this entry, with its username_format and default_fields. */
void chain_start_step(struct db_query *q, struct db *db, void (*done)(struct db_step *, enum auth_verdict));
/* Not meant for this service, mechanism or name. */
bool chain_is_filtered(const struct db_query *q, const struct db *db);
bool chain_is_skipped(enum db_skip skip, bool so_far);
/* A no, for the log if it comes to one. */
void chain_note(struct db_query *q, struct db_step *s, enum auth_verdict verdict);
void chain_finish(struct db_query *q, enum auth_verdict verdict);

/* ---- chain_user.c ---- */
/* From chain->at on. */
void chain_ask_userdbs(struct db_query *q, enum auth_verdict last);

/* ---- names.c ---- */
void chain_take_names(struct db_query *q, struct db_step *s);

/* ---- step.c ---- */
bool db_set_templates(struct db_step *s, const struct fields *templates);
void db_log_level(const struct db_step *s, enum log_level level, const char *text);
#endif
