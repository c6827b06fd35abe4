/* SPDX-License-Identifier: ISC
 *
 * var.h - variables in queries, templates and paths, of both generations:
 *
 *   2.3   %u %n %d %s %p %l %r %h %a %b %m %c %k %{name}, with modifiers between
 *         '%' and the letter: L U E X H (hash) R N M D T, width and offset
 *         (%1n %2.1n %-3u %04Hu), and %256Hu, %1Mu
 *   2.4   %{user} %{user | username | lower} %{remote_ip} %{protocol} %{userdb:x}
 *         %{passdb:x} %{owner_user}, filters lower upper username domain substr
 *         default hash/md5/sha256 hex base64 replace truncate if ...
 *
 * What a value may do is the caller's to say: `escape` is called for each
 * value that is put in, never for the pattern's own text.
 *
 * Refuses: an unknown variable or filter, a malformed %{...}, a result over
 * VAR_RESULT_MAX, a filter chain over VAR_FILTERS_MAX. Pure.
 */
#ifndef AUTH_VAR_H
#define AUTH_VAR_H
#include "auth/fields.h"

enum { VAR_RESULT_MAX = 16384, VAR_FILTERS_MAX = 16 };

/* What is known of a request; "" = not known. Strings borrowed. */
struct auth_vars {
    struct str user;            /* canonical: after username translation and format */
    struct str original_user;   /* as the client sent it */
    struct str login_user;      /* of a master login: who shall be logged in; else "" */
    struct str master_user;     /* of a master login: whose password it is; else "" */
    struct str service;         /* imap, pop3, smtp, lmtp ... */
    struct str mech;            /* PLAIN ... */
    struct str remote, local, remote_port, local_port, real_remote, real_local;
    struct str session, local_name, client_id, cert;
    struct str home, password;  /* password: only where a query asks for it */
    struct str rehash;          /* a new stored password; only for the statement that stores it */
    bool secured;
    const struct fields *passdb, *userdb;   /* NULL = none yet */
    const struct fields *row;               /* what a database just returned: %{sql:x}, %{ldap:x}; NULL = none */
};

/* Appends value to out in the form that is safe where it stands. False: it cannot be. */
typedef bool (*var_escape)(struct buf *out, struct str value, void *arg);

/* False and *ret_why (a literal or text in out's neighbourhood that stays valid): nothing of use was appended. escape NULL: as it is. */
bool var_expand(struct str pattern, const struct auth_vars *vars, var_escape escape, void *arg, struct buf *out, const char **ret_why);
/* Would every variable and filter of the pattern be known? For start-up. */
bool var_check(struct str pattern, const char **ret_why);
/* Does the pattern use the user's password? */
bool var_uses_password(struct str pattern);

/*
 * A query cut into parts for a database that takes parameters: text outside is
 * the query with a marker in place of each quoted string that holds variables;
 * that string's content, expanded, is the parameter. 'a%u' is one parameter. A
 * variable outside quotes is refused (*ret_why): no escaping makes it safe.
 * marker(out, n, arg) writes the n-th marker (from 1): $1, ? ...
 */
enum { VAR_PARAMS_MAX = 32 };
bool var_query(struct str pattern, const struct auth_vars *vars, struct arena *arena, void (*marker)(struct buf *out, unsigned n),
               struct buf *query, struct str *ret_params, size_t *ret_n, const char **ret_why);
#endif
