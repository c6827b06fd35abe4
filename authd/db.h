/* SPDX-License-Identifier: ISC
 *
 * db.h - questions about users, the chain of databases that answers them, and
 * what a driver of the chain is.
 *
 *   chain.c     passdbs and userdbs in order, result rules, master users, deny
 *   verify.c    a stored password against the client's: at once, cached, or in a worker
 *   db_*.c      drivers: passwd-file, lmdb, static, prefetch, passwd, pam; sql and
 *               ldap through auth-db processes
 *
 * A question may be answered before the call returns or much later; until then
 * it can be cancelled. Nothing here waits.
 */
#ifndef AUTHD_DB_H
#define AUTHD_DB_H
#include "auth/account.h"
#include "auth/db_conf.h"
#include "auth/var.h"
#include "ipc/schema.h"

enum db_kind {
    DB_VERIFY,      /* is vars->password this user's password (passdbs) */
    DB_SECRET,      /* the stored password, for a mechanism that proves it otherwise (passdbs that hold one) */
    DB_LOOKUP,      /* passdb fields without any password: PASS, EXTERNAL, tokens, a master login's user */
    DB_USER,        /* userdb fields */
};

/*
 * One question. The asker fills the first part and keeps it until done();
 * vars.user is the name as the client gave it until the chain made it canonical.
 */
struct db_query {
    struct arena *arena;
    struct auth_vars vars;
    enum db_kind kind;
    bool want_account;              /* after a success of the passdbs: ask the userdbs, too, and fill account */
    void (*done)(struct db_query *q, enum auth_verdict verdict);

    /* the answer */
    struct fields passdb, userdb;   /* what was said; never a password */
    struct str stored;              /* DB_SECRET: {SCHEME}data; wiped by the chain after done() */
    struct account account;         /* want_account or DB_USER, and VERDICT_MATCH */
    bool db_said_no;                /* the last word came from a result rule or deny: for the log only */

    struct chain_state *chain;      /* private to chain.c */
};

/* Starts a question; done() is called, maybe before this returns. */
void db_ask(struct db_query *q);
/* done() will not be called any more. */
void db_cancel(struct db_query *q);

/* All users that the userdbs (or the passdbs, where a userdb cannot) can list. */
struct db_list {
    struct str mask;                /* wildcards * and ?, "" = all */
    void (*on_user)(struct db_list *l, struct str user);
    void (*done)(struct db_list *l, bool complete);
    size_t at; void *state;         /* private */
};
void db_list_start(struct db_list *l);
void db_list_cancel(struct db_list *l);

/* ---- drivers ---- */

struct db { const struct db_driver *driver; const struct db_entry *conf; size_t index; bool is_userdb; void *state; };

/* A question at one driver; lives in the query's arena. */
struct db_step {
    struct db *db;
    struct db_query *query;
    struct auth_vars vars;          /* with this entry's username_format applied */
    struct fields found;            /* the driver adds what it knows */
    struct str stored;              /* a driver that holds passwords: {SCHEME}data or bare; has_stored */
    bool has_stored;
    const char *text;               /* for the log, when it is not VERDICT_MATCH */
    void *driver_state;
    void (*done)(struct db_step *s, enum auth_verdict verdict);
};

struct db_driver {
    const char *name;
    bool verifies;                  /* step() with DB_VERIFY says MATCH or MISMATCH itself (pam, ldap bind); others give `stored` */
    bool is_passdb, is_userdb;
    /* Before privileges are dropped. Refuses options that it does not know. */
    int (*open)(struct db *db, bool private_instance, struct err *err);
    /* MATCH = the user is there (and, if it verifies, the password is right). Calls s->done, now or later. */
    void (*step)(struct db_step *s);
    void (*cancel)(struct db_step *s);      /* NULL: answers before step() returns */
    void (*list)(struct db *db, struct db_list *l, void (*over)(struct db_list *l, bool complete));    /* NULL: cannot */
};
extern const struct db_driver db_passwd_file, db_lmdb, db_static, db_prefetch, db_passwd, db_pam, db_sql, db_ldap;

/* main.cf's postern_passdb and postern_userdb; opens all. Before privileges are dropped. */
int db_open_all(bool private_instance, const char *config_dir, struct err *err);
#endif
