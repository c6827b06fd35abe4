/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     broker - hands connected sockets to confined processes
 *
 * DESCRIPTION
 *     A confined process cannot connect by path, and should not by address.
 *     It asks the broker for endpoint number n of the endpoints that its own
 *     service's configuration names (lib/daemon/endpoint.h): milters, policy
 *     servers, a foreign auth server, LMTP servers. The broker connects and
 *     passes the descriptor.
 *
 * SECURITY
 *     mail_owner with its supplementary groups, since the sockets of other
 *     daemons belong to groups. Reads numbers only; never reads from or
 *     writes to what it connected. A number outside the list, or one whose
 *     text differs between the two sides, is refused.
 *
 * DIAGNOSTICS
 *     A connection that fails is an errno for the asker, who logs it.
 */
#include "base/enc.h"
#include "base/log.h"
#include "base/num.h"
#include "conf/service.h"
#include "daemon/daemon.h"
#include "daemon/endpoint.h"
#include "event/offload.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECT_MS = 10000, RETRY_MS = 50, IN_WORK_MAX = 1000 };

/* The endpoints of one service of master.cf; the first row is main.cf alone. */
struct service_endpoints { const char *service; struct endpoint_list list; };
/* Channels may close while a connection is being made: work finds its channel by this. */
struct peer { struct list node; struct chan *chan; uint64_t id; };
struct work { uint64_t peer_id; uint32_t id; char endpoint[512]; };

static struct {
    const char *queue_directory;
    VEC(struct service_endpoints) services;
    struct list peers;
    size_t in_work;
} broker;

static int add_service(const struct daemon_ctx *d, const struct service *s, struct err *err)
{
    struct config *c = config_load(d->config_dir, err);
    if (c == NULL)
        return -1;
    for (size_t i = 0; s != NULL && i < s->n_overrides; i++)
        if (config_override(c, str_from(s->overrides[i]), err) != 0)
            return -1;
    struct service_endpoints *row = vec_add(&broker.services);
    row->service = s == NULL ? "" : xstrdup(s->name);
    int rc = endpoint_list_fill(&row->list, c, err);
    config_free(c);
    return rc;
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    struct service_list services;
    broker.queue_directory = d->queue_directory;
    list_init(&broker.peers);
    if (add_service(d, NULL, err) != 0 || service_load(d->config, &services, err) != 0)
        return -1;
    for (size_t i = 0; i < services.n; i++)
        if (services.rows[i].n_overrides > 0 && add_service(d, &services.rows[i], err) != 0)
            return -1;
    /* Load what name lookups need while the files can be read. */
    struct addrinfo *found = NULL, hints = { .ai_socktype = SOCK_STREAM };
    if (getaddrinfo("localhost", "25", &hints, &found) == 0)
        freeaddrinfo(found);
    return 0;
}

static const struct endpoint_list *endpoints_of(const char *service)
{
    for (size_t i = 1; i < broker.services.n; i++)
        if (strcmp(broker.services.p[i].service, service) == 0)
            return &broker.services.p[i].list;
    return &broker.services.p[0].list;
}

/* ---- connecting; on a fiber ---- */

static int wait_connected(int fd, int64_t deadline)
{
    int sys = 0;
    socklen_t n = sizeof sys;
    if (fiber_wait_fd(fd, EPOLLOUT, deadline) != WAIT_OK)
        sys = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &n) != 0)
        sys = errno;
    return sys;
}

static int connect_to(const struct sockaddr *sa, socklen_t n, int64_t deadline, int *ret_fd)
{
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int sys = connect(fd, sa, n) == 0 ? 0 : errno;
    while (sys == EAGAIN && fiber_sleep(MIN(deadline, deadline_in(RETRY_MS))) == WAIT_OK && clock_mono_ms() < deadline)
        sys = connect(fd, sa, n) == 0 ? 0 : errno;      /* a UNIX listener with a full queue */
    if (sys == EINPROGRESS)
        sys = wait_connected(fd, deadline);
    if (sys != 0)
        (void)close(fd);
    else
        *ret_fd = fd;
    return sys;
}

static int connect_path(const char *dir, struct str path, int64_t deadline, int *ret_fd)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int n = snprintf(sa.sun_path, sizeof sa.sun_path, "%s%s%.*s", dir, dir[0] == '\0' ? "" : "/", STR_FMT(path));
    if (n < 0 || (size_t)n >= sizeof sa.sun_path)
        return ENAMETOOLONG;
    return connect_to((struct sockaddr *)&sa, sizeof sa, deadline, ret_fd);
}

struct resolve { struct job job; char host[256], port[32]; struct addrinfo *found; int rc; };

static void resolve_job(struct job *job)
{
    struct resolve *r = container_of(job, struct resolve, job);
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    r->rc = getaddrinfo(r->host, r->port, &hints, &r->found);
}

static bool split_host_port(struct str at, struct resolve *r)
{
    ptrdiff_t colon = str_rchr(at, ':');
    if (colon < 0)
        return false;
    struct str host = str_head(at, (size_t)colon);
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = str_make(host.p + 1, host.n - 2);
    return str_to_fixed(host, r->host, sizeof r->host) && str_to_fixed(str_skip(at, (size_t)colon + 1), r->port, sizeof r->port);
}

static int connect_inet(struct str at, int64_t deadline, int *ret_fd)
{
    struct resolve r = { .rc = 0 };
    if (!split_host_port(at, &r))
        return EINVAL;
    offload_run(&r.job, resolve_job);
    if (r.rc != 0)
        return EHOSTUNREACH;
    int sys = EHOSTUNREACH;
    for (struct addrinfo *a = r.found; a != NULL && sys != 0; a = a->ai_next)
        sys = connect_to(a->ai_addr, a->ai_addrlen, deadline, ret_fd);
    freeaddrinfo(r.found);
    return sys;
}

/* Relative paths are below the queue directory, as are absolute ones of a chrooted Postfix. */
static int connect_endpoint(struct str e, int64_t deadline, int *ret_fd)
{
    ptrdiff_t colon = str_chr(e, ':');
    struct str at = str_skip(e, (size_t)(colon + 1));
    if (str_starts(e, STR("inet:")) || str_starts(e, STR("tcp:")))
        return connect_inet(at, deadline, ret_fd);
    if (at.n == 0 || at.p[0] != '/')
        return connect_path(broker.queue_directory, at, deadline, ret_fd);
    int sys = connect_path("", at, deadline, ret_fd);
    if (sys == ENOENT && connect_path(broker.queue_directory, str_skip(at, 1), deadline, ret_fd) == 0)
        sys = 0;
    return sys;
}

/* ---- requests ---- */

static struct chan *chan_of(uint64_t peer_id)
{
    LIST_EACH(it, &broker.peers) {
        struct peer *p = container_of(it, struct peer, node);
        if (p->id == peer_id)
            return p->chan;
    }
    return NULL;
}

static void answer(struct chan *c, uint32_t id, int sys, int fd)
{
    struct ipc_broker_connected done = { .sys = (uint32_t)sys, .socket = fd };
    (void)chan_send(c, IPC_BROKER_CONNECTED, id, &done);
}

static void work_run(void *arg)
{
    struct work *w = arg;
    int fd = -1;
    int sys = connect_endpoint(str_from(w->endpoint), deadline_in(CONNECT_MS), &fd);
    struct chan *c = chan_of(w->peer_id);
    if (c != NULL)
        answer(c, w->id, sys, fd);
    if (fd >= 0)
        (void)close(fd);        /* the frame has its own */
    broker.in_work--;
    free(w);
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    const struct ipc_broker_connect *ask = msg;
    if (type != IPC_BROKER_CONNECT)
        return;
    const struct endpoint_list *list = endpoints_of(chan_peer_service(c));
    const char *e = ask->endpoint < list->v.n ? list->v.p[ask->endpoint] : NULL;
    if (e == NULL || crc32c(0, e, strlen(e)) != ask->check || strlen(e) >= sizeof ((struct work *)0)->endpoint) {
        answer(c, id, ESTALE, -1);
        return;
    }
    struct work *w = xcalloc(1, sizeof *w);
    w->peer_id = chan_peer_id(c);
    w->id = id;
    (void)snprintf(w->endpoint, sizeof w->endpoint, "%s", e);
    if (broker.in_work >= IN_WORK_MAX || fiber_start("connect", work_run, w) == NULL) {
        free(w);
        answer(c, id, EAGAIN, -1);
        return;
    }
    broker.in_work++;
}

static void on_closed(struct chan *c)
{
    struct peer *p = chan_user(c);
    list_remove(&p->node);
    free(p);
    chan_free(c);
}

static void on_peer(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    struct peer *p = xcalloc(1, sizeof *p);
    p->id = peer->peer_id;
    p->chan = daemon_chan(peer, fd, &ops, p);
    list_append(&broker.peers, &p->node);
}

static bool idle(void) { return broker.in_work == 0; }

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_BROKER, .before_drop = before_drop, .on_peer = on_peer, .idle = idle },
    };
    return daemon_main(argc, argv, "broker", roles, N_ELEMS(roles));
}
