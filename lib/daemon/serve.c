/* SPDX-License-Identifier: ISC
 *
 * serve.c - listeners and the fibers of their clients. A client that comes
 * alone costs one accept; in a rush, up to ACCEPTS_PER_TURN are accepted in a
 * turn. At max_clients, or when the system is out of descriptors or memory,
 * the listeners rest.
 */
#include "base/log.h"
#include "daemon/skeleton.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 16, CLIENTS_DEFAULT = 1000, REST_MS = 500, RUSH_MS = 2 };

struct listener { struct watch watch; int fd; bool stream; int64_t last; };
struct client { struct list node; struct fiber *fiber; int fd; unsigned listener; struct sockaddr_storage peer, local; };

static struct {
    const struct role_ops *ops;
    struct listener listeners[64];
    unsigned n_listeners;
    struct list clients;
    size_t n_clients, max_clients;
    bool told_to_rest, resting, closed;
    struct timer wake;
} serve;

static void update_listeners(void);

static void client_run(void *arg)
{
    struct client *c = arg;
    serve.ops->on_client(c->fd, &c->peer, &c->local);
}

static void client_gone(void *arg)
{
    struct client *c = arg;
    list_remove(&c->node);
    serve.n_clients--;
    free(c);
    update_listeners();
}

/* The bookkeeping holds even if the session is aborted. */
static void client_fiber(void *arg)
{
    struct cleanup gone;
    cleanup_push(&gone, client_gone, arg);
    client_run(arg);
    cleanup_pop(&gone, true);
}

static void rest_until(struct timer *t)
{
    (void)t;
    serve.resting = false;
    update_listeners();
}

static void rest_a_while(void)
{
    serve.resting = true;
    timer_set(&serve.wake, deadline_in(REST_MS), rest_until);
    update_listeners();
}

/* False when nothing more shall be accepted in this turn. */
static bool accept_one(struct listener *l)
{
    struct client *c = xcalloc(1, sizeof *c);
    socklen_t n = sizeof c->peer;
    c->listener = (unsigned)(l - serve.listeners);
    c->fd = accept4(l->fd, (struct sockaddr *)&c->peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (c->fd < 0) {
        bool again = errno == ECONNABORTED || errno == EINTR;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_warning("accept: %s", strerror(errno));
            rest_a_while();
        }
        free(c);
        return again;
    }
    n = sizeof c->local;
    (void)getsockname(c->fd, (struct sockaddr *)&c->local, &n);
    list_append(&serve.clients, &c->node);
    serve.n_clients++;
    c->fiber = fiber_start("client", client_fiber, c);
    if (c->fiber == NULL) {
        (void)close(c->fd);
        client_gone(c);
        rest_a_while();
        return false;
    }
    return true;
}

static void on_connect(struct watch *w, uint32_t events)
{
    struct listener *l = container_of(w, struct listener, watch);
    (void)events;
    unsigned most = loop_now() - l->last <= RUSH_MS ? ACCEPTS_PER_TURN : 1;
    l->last = loop_now();
    for (unsigned i = 0; i < most && serve.n_clients < serve.max_clients; i++)
        if (!accept_one(l))
            break;
    update_listeners();
}

static void update_listeners(void)
{
    bool open = !serve.closed && !serve.told_to_rest && !serve.resting && serve.n_clients < serve.max_clients;
    for (unsigned i = 0; i < serve.n_listeners; i++) {
        struct listener *l = &serve.listeners[i];
        if (!l->stream || l->fd < 0)
            continue;
        if (open && l->watch.fn == NULL)
            /* Exclusive: one of the processes that share the listener wakes, not all. */
            watch_start(&l->watch, l->fd, EPOLLIN | (uint32_t)EPOLLEXCLUSIVE, on_connect);
        else if (!open && l->watch.fn != NULL)
            watch_stop(&l->watch);
    }
}

void serve_start(const struct role_ops *ops, unsigned listeners, unsigned max_clients)
{
    serve.ops = ops;
    serve.max_clients = max_clients != 0 ? max_clients : ops->max_clients != 0 ? ops->max_clients : CLIENTS_DEFAULT;
    list_init(&serve.clients);
    serve.n_listeners = MIN(listeners, (unsigned)N_ELEMS(serve.listeners));
    for (unsigned i = 0; i < serve.n_listeners; i++) {
        struct listener *l = &serve.listeners[i];
        int type = 0;
        socklen_t n = sizeof type;
        l->fd = DAEMON_FD_LISTEN + (int)i;
        (void)fcntl(l->fd, F_SETFD, FD_CLOEXEC);
        (void)fcntl(l->fd, F_SETFL, fcntl(l->fd, F_GETFL) | O_NONBLOCK);
        l->stream = getsockopt(l->fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM && ops->on_client != NULL;
    }
    update_listeners();
}

void serve_close_listeners(void)
{
    serve.closed = true;
    update_listeners();
    for (unsigned i = 0; i < serve.n_listeners; i++) {
        struct listener *l = &serve.listeners[i];
        if (l->stream && l->fd >= 0) {
            (void)close(l->fd);
            l->fd = -1;
        }
    }
    timer_cancel(&serve.wake);
}

void serve_cancel_clients(void)
{
    LIST_EACH(it, &serve.clients) {
        struct client *c = container_of(it, struct client, node);
        if (c->fiber != NULL)
            fiber_cancel(c->fiber);
    }
}

size_t serve_clients(void) { return serve.n_clients; }
size_t daemon_clients(void) { return serve.n_clients; }
unsigned daemon_listener_of(int fd)
{
    for (struct list *it = serve.clients.prev; it != &serve.clients; it = it->prev) {
        struct client *c = container_of(it, struct client, node);
        if (c->fd == fd)
            return c->listener;
    }
    return 0;
}

int daemon_listener(unsigned i) { return i < serve.n_listeners ? serve.listeners[i].fd : -1; }

void daemon_rest(bool rest)
{
    serve.told_to_rest = rest;
    update_listeners();
}
