/* SPDX-License-Identifier: ISC */
#include "authd.h"
#include "socks.h"
#include <grp.h>
#include <pwd.h>

/* Room that is made, so that a neighbour with connections to waste shuts nobody out. */
enum { CLIENTS_KEPT_FREE = 50 };

static struct {
    struct arena arena;
    struct auth_sock rows[AUTH_LISTEN_MAX];
    size_t n;
} socks;

static int find_owner(struct auth_sock *s, const char *mail_owner, bool private_instance, struct err *err)
{
    const char *name = s->listen.user != NULL ? s->listen.user : mail_owner;
    struct passwd *pw = s->listen.user == NULL && private_instance ? NULL : getpwnam(name);
    struct group *gr = s->listen.group == NULL ? NULL : getgrnam(s->listen.group);
    if ((pw == NULL && s->listen.user != NULL) || (gr == NULL && s->listen.group != NULL))
        return err_set(err, ERR_CONFIG, "postern_auth_listeners: %s: no %s", s->listen.socket, pw == NULL && s->listen.user != NULL ? name : s->listen.group);
    s->owner = pw == NULL ? geteuid() : pw->pw_uid;
    s->has_group = gr != NULL;
    s->group = gr == NULL ? 0 : gr->gr_gid;
    return 0;
}

int socks_open(const struct daemon_ctx *d, const char *listeners, struct err *err)
{
    struct auth_listen rows[AUTH_LISTEN_MAX];
    const char *mail_owner = config_get(d->config, "mail_owner", err);
    socks.arena = arena_make(1 << 20);
    if (mail_owner == NULL || auth_listen_parse(str_from(listeners), &socks.arena, rows, &socks.n, err) < 0)
        return -1;
    for (size_t i = 0; i < socks.n; i++) {
        socks.rows[i].listen = rows[i];
        if (find_owner(&socks.rows[i], mail_owner, d->private_instance, err) < 0)
            return -1;
    }
    return 0;
}

struct visit { struct cond over; bool closed; struct stream *stream; struct master *master; };

static void on_visit_over(void *arg)
{
    struct visit *v = arg;
    v->closed = true;
    cond_signal(&v->over);
}

static void close_visit(struct visit *v)
{
    if (v->stream != NULL)
        stream_close(v->stream);
    else
        master_close(v->master);
}

/* The fiber only holds the client's place among max_clients. */
void socks_serve(int fd)
{
    static uint64_t last_id = UINT64_C(1) << 32;
    struct visit v = { .closed = false };
    unsigned i = daemon_listener_of(fd);
    ASSERT(i < socks.n);
    const struct auth_sock *s = &socks.rows[i];
    if (daemon_clients() > AUTHD_CLIENTS_MAX - CLIENTS_KEPT_FREE && !stream_evict_idle())
        (void)master_evict_idle();
    if (s->listen.type == AUTH_LISTEN_AUTH || s->listen.type == AUTH_LISTEN_LOGIN)
        v.stream = stream_new_public(fd, s, ++last_id, on_visit_over, &v);
    else
        v.master = master_new(fd, s, on_visit_over, &v);
    while (!v.closed)
        if (cond_wait(&v.over, FOREVER) == WAIT_CANCELLED && !v.closed)
            close_visit(&v);
}
