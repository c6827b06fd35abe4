/* SPDX-License-Identifier: ISC
 *
 * chain_user.c - the userdbs in order: who is the user that was let in, or asked for.
 */
#include "chain.h"

static void userdbs_over(struct db_query *q, enum auth_verdict verdict)
{
    struct chain_state *c = q->chain;
    const char *why = "user not found from any userdbs";
    if (c->user_found)
        verdict = VERDICT_MATCH;
    else if (c->user_saw_internal)
        verdict = VERDICT_TEMPFAIL;
    else if (verdict == VERDICT_MATCH)
        verdict = VERDICT_UNKNOWN;      /* as with passdbs: a rule must say that it is the user */
    if (verdict == VERDICT_UNKNOWN && q->kind == DB_USER) {
        chain_finish(q, VERDICT_UNKNOWN);
        return;
    }
    if (verdict == VERDICT_MATCH && db_account(q, &why)) {
        chain_finish(q, VERDICT_MATCH);
        return;
    }
    if (verdict != VERDICT_TEMPFAIL)
        log_as("dovecot", LOG_ERROR_LEVEL, "auth: userdb(%.*s,%.*s): %s", STR_FMT(q->vars.user), STR_FMT(q->vars.remote), why);
    chain_finish(q, VERDICT_TEMPFAIL);
}

static void on_userdb(struct db_step *s, enum auth_verdict verdict)
{
    struct db_query *q = s->query;
    struct chain_state *c = q->chain;
    c->step = NULL;
    if (verdict == VERDICT_MATCH && (!db_set_templates(s, &s->db->conf->overrides) || !fields_import(&q->userdb, &s->found, STR("")))) {
        if (s->text == NULL)
            s->text = "the database said more than there is room for";
        verdict = VERDICT_TEMPFAIL;
    }
    if (verdict == VERDICT_MATCH && fields_is_true(&q->userdb, "tempfail"))
        verdict = VERDICT_TEMPFAIL;
    if (verdict != VERDICT_MATCH)
        chain_note(q, s, verdict);
    enum db_rule rule = verdict == VERDICT_MATCH ? s->db->conf->on_success
                      : verdict == VERDICT_TEMPFAIL ? s->db->conf->on_internalfail : s->db->conf->on_failure;
    if (rule == DB_RETURN_OK || rule == DB_CONTINUE_OK)
        c->user_found = true;
    else if (rule == DB_RETURN_FAIL || rule == DB_CONTINUE_FAIL)
        c->user_found = false;
    if (rule == DB_RETURN_FAIL && verdict == VERDICT_MATCH)
        verdict = VERDICT_UNKNOWN;
    c->user_saw_internal |= verdict == VERDICT_TEMPFAIL;
    c->at++;
    if (rule == DB_CONTINUE || rule == DB_CONTINUE_OK || rule == DB_CONTINUE_FAIL)
        chain_ask_userdbs(q, verdict);
    else
        userdbs_over(q, verdict);
}

void chain_ask_userdbs(struct db_query *q, enum auth_verdict last)
{
    struct chain_state *c = q->chain;
    struct db_set *all = db_userdbs();
    for (; c->at < all->n; c->at++) {
        const struct db *db = &all->rows[c->at];
        bool follows = db->follows == SIZE_MAX || c->let_in_by == SIZE_MAX || db->follows == c->let_in_by;
        if (follows && !chain_is_filtered(q, db) && !chain_is_skipped(db->conf->skip, c->user_found))
            break;
    }
    if (c->at < all->n)
        chain_start_step(q, &all->rows[c->at], on_userdb);
    else
        userdbs_over(q, last);
}
