/* SPDX-License-Identifier: ISC
 *
 * socks.h - the sockets of postern_auth_listeners: who may ask what.
 *
 *   socks.c    the rows, their owners, and the place of each client
 *   kept.c     logins that wait for a master's REQUEST: once, for KEPT_MS
 *   master.c   a client of a userdb or master socket
 *
 * A userdb socket of mode 0666 exactly answers everybody, but whom: who is
 * neither root nor its owner nor of its group hears of its own uid only, and
 * gets neither PASS nor LIST. With any other mode the file's permissions are
 * all there is.
 */
#ifndef AUTHD_SOCKS_H
#define AUTHD_SOCKS_H
#include "daemon/auth_listen.h"
#include "db.h"
#include <unistd.h>

enum { AUTH_COOKIE_HEX = 32, KEPT_MS = 60000, KEPT_PER_STREAM_MAX = 1000 };

struct auth_sock { struct auth_listen listen; uid_t owner; gid_t group; bool has_group; };
/* Reads the rows. Before privileges are dropped. */
int socks_open(const struct daemon_ctx *d, const char *listeners, struct err *err);
/* A client; for on_client. WAITS until it is gone. */
void socks_serve(int fd);

/* A login that was granted, its strings in its own arena. */
struct kept {
    struct list node;
    uint32_t id;
    int64_t expires;
    struct arena arena;
    struct account account;
    struct fields userdb;
    struct str mech, original_user, master_user;
};
void kept_add(struct list *all, uint32_t id, const struct db_query *q, int64_t now);
/* NULL: there is none, or it is too late. The caller frees it. */
struct kept *kept_take(struct list *all, uint32_t id, int64_t now);
void kept_free(struct kept *k);
void kept_forget(struct list *all, uint32_t id);
void kept_forget_all(struct list *all);

/* stream.c: after an OK on a socket whose logins are handed over */
struct stream;
void stream_keep(struct stream *s, uint32_t id, const struct db_query *q);
/* The login of that process, if the cookie is its connection's. */
struct kept *stream_take_kept(uint32_t cpid, uint32_t id, struct str cookie);
struct stream *stream_new_public(int fd, const struct auth_sock *sock, uint64_t peer_id, void (*on_closed)(void *arg), void *arg);
/* The longest idle neighbour makes room; it will connect again when it has something to ask. False: all are at work. */
bool stream_evict_idle(void);

/* answers.c: OK and FAIL (verb is set): user, original_user, auth_user, and the passdb's fields. */
void answer_fill(struct auth_answer *a, struct db_query *q);
/* As they stand on the line. is_client: in the words of OK; else as the database said them. */
void answer_passdb_fields(const struct fields *said, bool is_client, struct arena *arena, struct str *ret);

struct master;
struct master *master_new(int fd, const struct auth_sock *sock, void (*on_closed)(void *arg), void *arg);
void master_close(struct master *m);
/* Those without a question are closed now, the others with their last answer. */
void master_drain(void);
bool master_evict_idle(void);
#endif
