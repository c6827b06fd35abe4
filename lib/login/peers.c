/* SPDX-License-Identifier: ISC */
#include "base/log.h"
#include "login/internal.h"
#include <unistd.h>

enum { GREETING_MAX = 1000 /* as LOGIN_GREETING has it */, TLS_START_MS = 5000 };

struct peer { struct list node; struct chan *chan; struct buf told; bool told_binding; };

/* A client that waits for tls-proxy; lives on its fiber's stack. */
struct tls_wait { struct list node; struct cond done; uint32_t ticket; struct chan *chan; int fd; bool answered; struct login_client *client; };

static struct {
    struct list tls, sessions, waits;
    uint32_t ticket;
    bool ready;
    int64_t tls_by;             /* until then tls-proxy is being started */
    struct cond tls_came, session_came;
} self;

static void init(void)
{
    if (self.ready)
        return;
    list_init(&self.tls);
    list_init(&self.sessions);
    list_init(&self.waits);
    self.ready = true;
}

static struct chan *newest(struct list *all)
{
    init();
    LIST_EACH(it, all) {
        struct chan *c = container_of(it, struct peer, node)->chan;
        if (!chan_is_leaving(c))
            return c;
    }
    return NULL;
}

struct chan *login_await_session(int64_t deadline)
{
    while (newest(&self.sessions) == NULL)
        if (cond_wait(&self.session_came, deadline) != WAIT_OK)
            return NULL;
    return newest(&self.sessions);
}

void login_expect_tls(void) { self.tls_by = deadline_in(TLS_START_MS); }

bool login_has_tls(void)
{
    init();
    /* Those that are there and leave have successors. */
    int64_t until = list_is_empty(&self.tls) ? self.tls_by : deadline_in(TLS_START_MS);
    while (newest(&self.tls) == NULL && loop_now() < until)
        if (cond_wait(&self.tls_came, until) != WAIT_OK)
            break;
    return newest(&self.tls) != NULL;
}

static void wake(struct tls_wait *w)
{
    list_remove(&w->node);
    w->answered = true;
    cond_signal(&w->done);
}

static void on_closed(struct chan *c)
{
    struct peer *p = chan_user(c);
    LIST_EACH(it, &self.waits) {
        struct tls_wait *w = container_of(it, struct tls_wait, node);
        if (w->chan == c)
            wake(w);
    }
    list_remove(&p->node);
    chan_free(c);
    buf_done(&p->told);
    free(p);
    if (newest(&self.tls) == NULL)
        login_expect_tls();     /* master starts another */
}

static void answer_wait(struct ipc_client *m)
{
    LIST_EACH(it, &self.waits) {
        struct tls_wait *w = container_of(it, struct tls_wait, node);
        if (w->ticket != m->ticket)
            continue;
        if (m->tls.n > 0) {
            w->fd = chan_take_fd(&m->stream);
            (void)snprintf(w->client->tls, sizeof w->client->tls, "%.*s", STR_FMT(m->tls));
            (void)snprintf(w->client->binding, sizeof w->client->binding, "%.*s", STR_FMT(m->binding));
            (void)snprintf(w->client->cert_user, sizeof w->client->cert_user, "%.*s", STR_FMT(m->cert_user));
        }
        wake(w);
        return;
    }
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)c, (void)id;
    struct ipc_client *m = msg;
    if (type != IPC_CLIENT)
        return;
    if (m->ticket != 0)
        answer_wait(m);
    else if (m->stream >= 0 && m->tls.n > 0)
        (void)login_start_stream(m, chan_take_fd(&m->stream));
}

static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };

static void add(struct list *all, const struct ipc_peer *peer, int fd)
{
    init();
    struct peer *p = xcalloc(1, sizeof *p);
    list_init(&p->node);
    p->chan = daemon_chan(peer, fd, &ops, p);
    p->told = buf_make(0);
    list_prepend(all, &p->node);
}

void login_tell_greeting(struct str text, bool binding)
{
    struct ipc_login_greeting m = { .text = text, .binding = binding };
    if (text.n > GREETING_MAX)
        return;
    LIST_EACH(it, &self.tls) {
        struct peer *p = container_of(it, struct peer, node);
        if ((str_eq(buf_str(&p->told), text) && p->told_binding == binding) || !chan_send(p->chan, IPC_LOGIN_GREETING, 0, &m))
            continue;
        buf_reset(&p->told);
        buf_add(&p->told, text);
        p->told_binding = binding;
    }
}

void login_add_tls(const struct ipc_peer *peer, int fd)
{
    add(&self.tls, peer, fd);
    cond_broadcast(&self.tls_came);
}

/* master introduces zygotes of our own protocol only, and they check again. */
void login_add_session(const struct ipc_peer *peer, int fd)
{
    add(&self.sessions, peer, fd);
    cond_broadcast(&self.session_came);
}

static void forget_wait(void *arg)
{
    struct tls_wait *w = arg;
    list_remove(&w->node);
    if (w->fd >= 0)
        close(w->fd);
}

int login_tls_exchange(struct login_client *c, int fd, int64_t deadline)
{
    struct tls_wait w = { .fd = -1, .chan = newest(&self.tls), .client = c };
    struct cleanup cleanup;
    if (w.chan == NULL)
        return -1;
    self.ticket = self.ticket == UINT32_MAX ? 1 : self.ticket + 1;
    w.ticket = self.ticket;
    struct ipc_tls_start m = { .ticket = w.ticket, .service = str_from(c->protocol->service), .remote = str_from(c->remote), .local = str_from(c->local),
                               .remote_port = c->remote_port, .local_port = c->local_port, .socket = fd };
    if (!chan_send(w.chan, IPC_TLS_START, 0, &m))
        return -1;
    list_append(&self.waits, &w.node);
    cleanup_push(&cleanup, forget_wait, &w);
    while (!w.answered)
        if (cond_wait(&w.done, deadline) != WAIT_OK)
            break;
    int stream = w.fd;
    w.fd = -1;
    cleanup_pop(&cleanup, true);
    return stream;
}
