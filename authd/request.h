/* SPDX-License-Identifier: ISC
 *
 * request.h - between the files of a request: request.c (its life) and
 * request_start.c (what it is made of). For nobody else.
 */
#ifndef AUTHD_REQUEST_H
#define AUTHD_REQUEST_H
#include "abuse.h"
#include "authd.h"
#include "db.h"
#include "derive.h"
#include "oauth.h"

enum state { DIALOGUE, PENALTY, VOUCHING, CHECKING, PAUSED, DERIVING, HELD };

struct request {
    struct list node;
    struct stream *stream;
    struct request_list *all;
    uint32_t id;
    enum state state;
    bool challenged;            /* a CONT was sent */
    struct arena arena;
    struct timer timer;
    int64_t arrived;            /* when the message was complete */
    int64_t started;            /* when its penalty was over */
    struct mech_run run;
    struct token_ask token;
    struct derive derive;
    struct str proof;           /* DERIVING: the client's message */
    bool has_secret;            /* the stored password was asked for; only the proof is missing */
    enum auth_verdict barred;   /* VERDICT_DISABLED, VERDICT_EXPIRED: what a right proof leads to; 0 = in */
    bool has_proof;             /* proven; the client confirms the server's last words */
    bool is_guess;              /* taken from the budget (abuse.h), not settled */
    struct auth_cmd cmd;        /* strings in the arena */
    struct db_query query;
    struct abuse abuse;
    struct str code;            /* HELD: what FAIL will say */
    struct str said;            /* PAUSED: the challenge */
};

/* A message of the client, NULL = none yet: the request may be over, and freed, when this returns. */
void request_step(struct request *r, const struct str *message);
/* The same as it stands on the line. */
void request_step_base64(struct request *r, struct str text);
#endif
