/* SPDX-License-Identifier: ISC
 *
 * db.h - questions about users, the chain of databases that answers them, and
 * what a driver of the chain is.
 *
 *   chain.h     passdbs and userdbs in order, result rules, master users, deny
 *   db_conf.c   postern_passdb and postern_userdb at start; names of users and groups
 *   verify.c    a stored password against the client's: at once, cached, or in a worker
 *   rehash.h    an outdated stored password, after a login with it
 *   db_account.c userdb fields to an account: ids, home, where the mail is
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

enum { DB_NAME_MAX = 255 };     /* bytes of a user's name, as in SASL and in questions to other processes */

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
    struct str cert_fp, cert_pubkey_fp; /* of the client's verified certificate, if the asker knows them; zeroed: he does not */

    /* the answer */
    struct fields passdb, userdb;   /* what was said; never a password */
    bool nodelay;                   /* a database asked that a failure be answered at once */
    struct str stored;              /* DB_SECRET: {SCHEME}data, of a user who is disabled or expired, too; the asker wipes it */
    struct account account;         /* want_account or DB_USER, and VERDICT_MATCH */
    bool db_said_no;                /* the last word came from a result rule or deny: for the log only */

    struct chain_state *chain;      /* private to chain.h */
};

/*
 * vars.user as the client gave it becomes the canonical name (separator of
 * master users, translation, allowed characters, format); done once, by
 * db_ask() if not before. False and *ret_why: no database would be asked.
 */
bool db_canonical(struct db_query *q, const char **ret_why);
/* Starts a question; done() is called, maybe before this returns. */
void db_ask(struct db_query *q);
/* done() will not be called any more. */
void db_cancel(struct db_query *q);
/* DB_SECRET: logs why the user was not let in, if that was not said yet; with the failure, or at the end. */
void db_tell(struct db_query *q);
/* After VERDICT_MATCH: the driver of the passdb that let the user in, NULL if none is known. */
const char *db_answered_by(const struct db_query *q);

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

struct db {
    const struct db_driver *driver;
    const struct db_entry *conf;
    size_t index;               /* among the entries of its parameter; SIZE_MAX: not among them */
    bool is_userdb;
    size_t follows;             /* an entry that nobody wrote: of users that this passdb let in; SIZE_MAX = of all */
    struct str sample;          /* a verifier, so that a user who does not exist takes as long; owned by verify.c */
    bool rehash_failed;         /* and that was said */
    void *state;                /* the driver's */
};

/* A question at one driver; lives in the query's arena. */
struct db_step {
    struct db *db;
    struct db_query *query;
    struct auth_vars vars;          /* with this entry's username_format applied */
    struct fields found;            /* the driver adds what it knows */
    struct str stored;              /* a driver that holds passwords: {SCHEME}data or bare; has_stored */
    struct str raw;                 /* the same as the driver gave it */
    bool has_stored;
    bool verified;                  /* with DB_VERIFY: the password is known to be right; is the user there, and may he log in? */
    bool is_outside;                /* the address is not within an allow_nets that was said: no later one takes that back */
    const char *text;               /* for the log, when it is not VERDICT_MATCH; "": not worth a line */
    void *driver_state;
    void (*done)(struct db_step *s, enum auth_verdict verdict);
};

struct rehash;
struct db_driver {
    const char *name;
    bool verifies;                  /* step() with DB_VERIFY says MATCH or MISMATCH itself (pam, ldap bind); others give `stored` */
    bool is_passdb, is_userdb;
    /* Before privileges are dropped, after db_conf_check(); db_refuse() makes messages. */
    int (*open)(struct db *db, bool private_instance, struct err *err);
    /* MATCH = the user is there (and, if it verifies, the password is right). Calls s->done, now or later. */
    void (*step)(struct db_step *s);
    void (*cancel)(struct db_step *s);      /* NULL: answers before step() returns */
    void (*list)(struct db *db, struct db_list *l, void (*over)(struct db_list *l, bool complete));    /* NULL: cannot */
    /* rehash.h; NULL: passwords stay as they are. keep(): what store() needs of the step, copied. False: it does not fit. */
    bool (*keep)(struct db_step *s, struct rehash *r);
    /* r->fresh in the place of r->raw; rehash_stored() when it is done. */
    void (*store)(struct rehash *r);
};
const struct db_driver *db_passwd_file(void);
const struct db_driver *db_lmdb(void);
const struct db_driver *db_static(void);
const struct db_driver *db_prefetch(void);
const struct db_driver *db_passwd(void);
const struct db_driver *db_pam(void);
const struct db_driver *db_app_password(void);

/* All databases, in order. */
struct db_set { struct db rows[DB_ENTRIES_MAX]; size_t n; };
struct db_set *db_passdbs(void);
struct db_set *db_userdbs(void);

/* main.cf's postern_passdb and postern_userdb; opens all. Before privileges are dropped. */
int db_open_all(bool private_instance, const char *config_dir, struct err *err);
/* The error of an entry: "postern_passdb: lmdb:/x: what is wrong and the remedy". Returns -1. */
int db_refuse(const struct db *db, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The directory of an absolute path, opened and allowed by Landlock; *ret_name is what follows it. -1 and *err. */
int db_open_dir(const struct db *db, struct str path, const char **ret_name, struct err *err);
/* A uid or gid: a number, or the name of a user or group of this machine. */
bool db_id(struct str text, bool is_group, uint32_t *ret_id);
/* Does a name fit one of the mask's words? '*' and '?'; '!' in front negates. An empty mask fits all. */
bool db_mask_fits(struct str mask, struct str name);

/* Sets name to the template's expansion with the step's variables. False: it cannot be expanded (s->text says why). */
bool db_set_template(struct db_step *s, struct fields *f, struct str name, struct str pattern);
/* A field of the entry that was found; its value may hold variables. False: as db_set_template. */
bool db_found_field(struct db_step *s, struct str name, struct str value);
/* In the query's arena; sets s->text. */
void db_step_say(struct db_step *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "auth: driver(user,address,<session>): text", in Dovecot's shape. */
void db_log(const struct db_step *s, const char *text);

/* verify.c: the client's password against s->stored. done() as of a step; cancelled with the query. */
struct verify {
    struct db_step *step;
    void (*done)(struct verify *v, enum auth_verdict verdict);
    struct pool_job *job;       /* NULL: nothing to cancel */
};
void verify_start(struct verify *v);
/* Costs what a check would; the verdict is VERDICT_UNKNOWN. */
void verify_dummy(struct verify *v);
void verify_cancel(struct verify *v);
/* A verifier of this database, a slow one if it has any, for verify_dummy(). Copied. */
void verify_keep_sample(struct db *db, struct str stored);
/* Will verify_dummy() need a worker? */
bool verify_is_slow(const struct db *db);

/* db_account.c: what a session becomes, from the userdbs' fields. False and *ret_why: it cannot be (temporary). */
bool db_account(struct db_query *q, const char **ret_why);
#endif
