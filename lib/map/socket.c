/* SPDX-License-Identifier: ISC
 *
 * tcp_table(5) and socketmap_table(5): tables that another program serves; and users
 * of an auth server as a table.
 *
 *   tcp:HOST:PORT                 "get KEY" -> "200 value", "500 text" (none), "400 text" (try later)
 *   socketmap:inet:HOST:PORT:MAP  netstring "MAP KEY" -> netstring "OK value", "NOTFOUND", "TEMP text", "PERM text"
 *   socketmap:unix:PATH:MAP
 *   userdb:unix:PATH:FIELD        "USER\t1\tKEY ..." -> "USER\t1\tname\tuid=..." or "NOTFOUND\t1"
 *
 * A confined process gets its connections from the broker (map_set_connect);
 * a tool makes them itself. One idle connection is kept per table. Whatever is
 * not an answer of the protocol, an answer longer than the limit, or none
 * within the time limit is temporary, and the connection is given up.
 */
#include "event/fiber.h"
#include "map/map_type.h"
#include "map/socket_proto.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_MS = 30000, KEY_MAX = 4096, USER_MAX = 255 };

struct remote {
    const char *endpoint;       /* "tcp:h:p", "inet:h:p", "unix:/path" */
    const char *name;           /* socketmap: of the map; userdb: of the field */
    enum { WIRE_TCP, WIRE_MAP, WIRE_USERDB } wire;
    int idle;                   /* -1: none */
};

static map_connect_fn *connect_hook;

void map_set_connect(map_connect_fn *fn)
{
    connect_hook = fn;
}

/* ---- connections ---- */

static int connect_inet(const char *host_port, struct err *err)
{
    struct arena a = arena_make(4096);
    struct str host, s = str_from(host_port);
    ptrdiff_t colon = str_rchr(s, ':');
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
    int fd = -1, rc = EAI_NONAME;
    if (colon > 0) {
        host = str_head(s, (size_t)colon);
        if (host.p[0] == '[' && host.p[host.n - 1] == ']')
            host = str_make(host.p + 1, host.n - 2);
        rc = getaddrinfo(str_to_cstr(&a, host), host_port + colon + 1, &hints, &list);
    }
    if (rc != 0)
        (void)err_set(err, ERR_TEMP, "%s: %s", host_port, gai_strerror(rc));
    for (const struct addrinfo *at = list; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) < 0) {
            (void)err_sys(err, ERR_TEMP, "connect to %s", host_port);
            (void)close(fd);
            fd = -1;
        }
    }
    if (list != NULL)
        freeaddrinfo(list);
    arena_done(&a);
    return fd;
}

static int connect_unix(const char *path, struct err *err)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    if (!str_to_fixed(str_from(path), sun.sun_path, sizeof sun.sun_path))
        return err_set(err, ERR_CONFIG, "%s: socket name too long", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&sun, sizeof sun) == 0)
        return fd < 0 ? err_sys(err, ERR_TEMP, "socket") : fd;
    (void)err_sys(err, ERR_TEMP, "connect to %s", path);
    (void)close(fd);
    return -1;
}

static int open_connection(const struct remote *r, int64_t deadline, struct err *err)
{
    int fd;
    if (connect_hook != NULL && fiber_current() != NULL)
        fd = connect_hook(r->endpoint, deadline, err);
    else if (fiber_current() != NULL)
        fd = err_set(err, ERR_TEMP, "%s: this program has no broker", r->endpoint);
    else
        fd = strncmp(r->endpoint, "unix:", 5) == 0 ? connect_unix(r->endpoint + 5, err) : connect_inet(strchr(r->endpoint, ':') + 1, err);
    if (fd >= 0)
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* WAITS, on a fiber or off it. */
static bool wait_ready(int fd, bool to_write, int64_t deadline)
{
    if (fiber_current() != NULL)
        return fiber_wait_fd(fd, to_write ? EPOLLOUT : EPOLLIN, deadline) == WAIT_OK;
    struct pollfd p = { .fd = fd, .events = to_write ? POLLOUT : POLLIN };
    int64_t left = deadline - clock_mono_ms();
    return poll(&p, 1, left <= 0 ? 0 : (int)MIN(left, ANSWER_MS)) == 1;
}

static bool send_all(int fd, struct str text, int64_t deadline)
{
    while (text.n > 0) {
        ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);
        if (n >= 0)
            text = str_skip(text, (size_t)n);
        else if ((errno != EAGAIN && errno != EINTR) || !wait_ready(fd, true, deadline))
            return false;
    }
    return true;
}

/* Until complete() says so (1), or that it is none (-1). */
static bool read_answer(int fd, struct buf *in, int (*complete)(struct str got), int64_t deadline)
{
    for (;;) {
        int state = complete(buf_str(in));
        if (state != 0)
            return state > 0;
        char *room = buf_room(in, 4096);
        ssize_t n = room == NULL ? -1 : recv(fd, room, 4096, 0);
        if (n > 0)
            buf_added(in, (size_t)n);
        else if (room == NULL || n == 0 || (errno != EAGAIN && errno != EINTR) || !wait_ready(fd, false, deadline))
            return false;
    }
}

/* ---- a lookup ---- */

/* One question over fd; false when the connection is of no use. */
static bool exchange(const struct remote *r, int fd, struct str request, int64_t deadline, struct buf *value, enum map_result *ret)
{
    static int (*const complete[])(struct str) = { [WIRE_TCP] = socket_tcp_complete, [WIRE_MAP] = socket_map_complete, [WIRE_USERDB] = socket_userdb_complete };
    struct buf in = buf_make(SOCKET_ANSWER_MAX + 8192);
    bool good = send_all(fd, request, deadline) && read_answer(fd, &in, complete[r->wire], deadline);
    struct str got = buf_str(&in);
    if (good)
        *ret = r->wire == WIRE_TCP ? socket_tcp_answer(got, value) : r->wire == WIRE_MAP ? socket_map_answer(got, value)
             : socket_userdb_answer(got, str_from(r->name), value);
    buf_done(&in);
    return good;
}

static bool greet(int fd, int64_t deadline)
{
    struct buf hello = buf_make(64);
    socket_userdb_hello(&hello);
    bool ok = send_all(fd, buf_str(&hello), deadline);
    buf_done(&hello);
    return ok;
}

static enum map_result ask(struct remote *r, struct str request, struct buf *value, struct err *err)
{
    int64_t deadline = deadline_in(ANSWER_MS);
    enum map_result result;
    for (int attempt = 0; attempt < 2; attempt++) {
        bool fresh = r->idle < 0;
        int fd = fresh ? open_connection(r, deadline, err) : r->idle;
        r->idle = -1;
        if (fd < 0)
            return MAP_TEMP;
        buf_reset(value);
        if (fresh && r->wire == WIRE_USERDB && !greet(fd, deadline)) {
            (void)close(fd);
            break;
        }
        if (exchange(r, fd, request, deadline, value, &result)) {
            if (r->idle < 0)
                r->idle = fd;
            else
                (void)close(fd);
            return result;
        }
        (void)close(fd);
        if (fresh)
            break;          /* an idle connection may have been closed meanwhile: once more with a new one */
    }
    (void)err_set(err, ERR_TEMP, "%s: no answer of the protocol", r->endpoint);
    buf_reset(value);
    return MAP_TEMP;
}

static enum map_result remote_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    struct remote *r = m->state;
    struct buf request = buf_make(4 * KEY_MAX), value = buf_make(SOCKET_ANSWER_MAX);
    if (key.n > KEY_MAX || memchr(key.p, 0, key.n) != NULL)
        return MAP_NONE;
    /* "@domain" is a question about everybody, which no user database is for. */
    if (r->wire == WIRE_USERDB && (key.n == 0 || key.n > USER_MAX || key.p[0] == '@'))
        return MAP_NONE;
    if (r->wire == WIRE_TCP)
        socket_tcp_request(key, &request);
    else if (r->wire == WIRE_USERDB)
        socket_userdb_request(key, &request);
    else
        socket_map_request(str_from(r->name), key, &request);
    err->text[0] = '\0';
    enum map_result result = ask(r, buf_str(&request), &value, err);
    if (result == MAP_FOUND)
        *ret_value = str_dup(a, buf_str(&value));
    else if (result == MAP_TEMP && err->text[0] == '\0')
        (void)err_set(err, ERR_TEMP, "%s: %.*s", m->spec, (int)MIN(value.n, 200), value.n == 0 ? "" : value.p);
    buf_done(&request);
    buf_done(&value);
    return result;
}

static void remote_close(struct map *m)
{
    const struct remote *r = m->state;
    if (r->idle >= 0)
        (void)close(r->idle);
}

static const struct map_ops remote_ops = { .get = remote_get, .close = remote_close, .fixed_keys = true };

static struct remote *remote_new(struct map *m)
{
    struct remote *r = ARENA_NEW(&m->arena, struct remote);
    r->idle = -1;
    m->state = r;
    m->ops = &remote_ops;
    return r;
}

int map_open_tcp(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    struct remote *r = remote_new(m);
    r->wire = WIRE_TCP;
    r->endpoint = m->spec;
    return strchr(m->arg, ':') != NULL ? 0 : err_set(err, ERR_CONFIG, "%s: write tcp:host:port", m->spec);
}

static int open_named(struct map *m, const char *usage, struct err *err)
{
    struct remote *r = m->state;
    struct str arg = str_from(m->arg);
    ptrdiff_t colon = str_rchr(arg, ':');
    bool inet = str_starts(arg, STR("inet:")), local = str_starts(arg, STR("unix:"));
    if ((!inet && !local) || colon < 6 || (size_t)colon + 1 == arg.n)
        return err_set(err, ERR_CONFIG, "%s: %s", m->spec, usage);
    r->endpoint = str_to_cstr(&m->arena, str_head(arg, (size_t)colon));
    r->name = str_to_cstr(&m->arena, str_skip(arg, (size_t)colon + 1));
    return 0;
}

int map_open_socketmap(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    remote_new(m)->wire = WIRE_MAP;
    return open_named(m, "write socketmap:inet:host:port:name or socketmap:unix:/path:name", err);
}

int map_open_userdb(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    remote_new(m)->wire = WIRE_USERDB;
    return open_named(m, "write userdb:unix:private/auth-userdb:FIELD, with mailbox, uid, gid or another field of the user database", err);
}
