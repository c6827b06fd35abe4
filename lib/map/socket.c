/* SPDX-License-Identifier: ISC
 *
 * tcp_table(5) and socketmap_table(5): tables that another program serves.
 *
 *   tcp:HOST:PORT                 "get KEY" -> "200 value", "500 text" (none), "400 text" (try later)
 *   socketmap:inet:HOST:PORT:MAP  netstring "MAP KEY" -> netstring "OK value", "NOTFOUND", "TEMP text", "PERM text"
 *   socketmap:unix:PATH:MAP
 *
 * A confined process gets its connections from the broker (map_set_connect);
 * a tool makes them itself. One idle connection is kept per table. Whatever is
 * not an answer of the protocol, an answer longer than the limit, or none
 * within the time limit is temporary, and the connection is given up.
 */
#include "base/enc.h"
#include "base/num.h"
#include "event/fiber.h"
#include "map/map_type.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_MS = 30000, KEY_MAX = 4096, TCP_LINE_MAX = 32768, SOCKETMAP_MAX = 100000 };

struct remote {
    const char *endpoint;       /* "tcp:h:p", "inet:h:p", "unix:/path" */
    const char *name;           /* socketmap: of the map */
    bool is_tcp;
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

/* ---- tcp ---- */

static int tcp_complete(struct str got)
{
    ptrdiff_t end = str_chr(got, '\n');
    return end < 0 ? (got.n > TCP_LINE_MAX ? -1 : 0) : (size_t)end + 1 == got.n ? 1 : -1;
}

static void percent_encode(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == '%' || c >= 127)
            buf_printf(out, "%%%02X", c);
        else
            buf_putc(out, (char)c);
    }
}

static bool percent_decode(struct buf *out, struct str s)
{
    while (s.n > 0) {
        uint64_t c;
        if (s.p[0] != '%') {
            buf_putc(out, s.p[0]);
            s = str_skip(s, 1);
        } else if (s.n < 3 || !num_parse_hex(str_make(s.p + 1, 2), 255, &c)) {
            return false;
        } else {
            buf_putc(out, (char)c);
            s = str_skip(s, 3);
        }
    }
    return true;
}

static enum map_result tcp_answer(struct str line, struct buf *value)
{
    line = str_trim(line);
    bool good = line.n >= 4 && line.p[3] == ' ' && percent_decode(value, str_skip(line, 4));
    if (good && str_starts(line, STR("200 ")))
        return MAP_FOUND;
    return good && str_starts(line, STR("500 ")) ? MAP_NONE : MAP_TEMP;
}

/* ---- socketmap ---- */

/* "12:text," - the text; 0 incomplete, -1 malformed. */
static int netstring(struct str got, struct str *ret_text)
{
    uint64_t n;
    struct str rest = got;
    if (got.n == 0)
        return 0;
    if (!num_take_u64(&rest, SOCKETMAP_MAX, &n) || (rest.n > 0 && rest.p[0] != ':'))
        return -1;
    if (rest.n < n + 2)
        return 0;
    if (rest.n != n + 2 || rest.p[n + 1] != ',')
        return -1;
    *ret_text = str_make(rest.p + 1, (size_t)n);
    return 1;
}

static int socketmap_complete(struct str got)
{
    struct str text;
    return netstring(got, &text);
}

static enum map_result socketmap_answer(struct str got, struct buf *value)
{
    struct str text, word, rest;
    if (netstring(got, &text) != 1)
        return MAP_TEMP;
    (void)str_cut(text, ' ', &word, &rest);
    buf_add(value, rest);
    return str_eqz(word, "OK") ? MAP_FOUND : str_eqz(word, "NOTFOUND") ? MAP_NONE : MAP_TEMP;
}

/* ---- a lookup ---- */

static void put_request(const struct remote *r, struct str key, struct buf *out)
{
    if (r->is_tcp) {
        buf_puts(out, "get ");
        percent_encode(out, key);
        buf_putc(out, '\n');
    } else {
        buf_printf(out, "%zu:%s %.*s,", strlen(r->name) + 1 + key.n, r->name, STR_FMT(key));
    }
}

/* One question over fd; false when the connection is of no use. */
static bool exchange(const struct remote *r, int fd, struct str request, int64_t deadline, struct buf *value, enum map_result *ret)
{
    struct buf in = buf_make(SOCKETMAP_MAX + 8192);
    bool good = send_all(fd, request, deadline) && read_answer(fd, &in, r->is_tcp ? tcp_complete : socketmap_complete, deadline);
    if (good)
        *ret = r->is_tcp ? tcp_answer(buf_str(&in), value) : socketmap_answer(buf_str(&in), value);
    buf_done(&in);
    return good;
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
    struct buf request = buf_make(4 * KEY_MAX), value = buf_make(SOCKETMAP_MAX);
    if (key.n > KEY_MAX || memchr(key.p, 0, key.n) != NULL)
        return MAP_NONE;
    put_request(r, key, &request);
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
    r->is_tcp = true;
    r->endpoint = m->spec;
    return strchr(m->arg, ':') != NULL ? 0 : err_set(err, ERR_CONFIG, "%s: write tcp:host:port", m->spec);
}

int map_open_socketmap(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    struct remote *r = remote_new(m);
    struct str arg = str_from(m->arg);
    ptrdiff_t colon = str_rchr(arg, ':');
    bool inet = str_starts(arg, STR("inet:")), local = str_starts(arg, STR("unix:"));
    if ((!inet && !local) || colon < 6 || (size_t)colon + 1 == arg.n)
        return err_set(err, ERR_CONFIG, "%s: write socketmap:inet:host:port:name or socketmap:unix:/path:name", m->spec);
    r->endpoint = str_to_cstr(&m->arena, str_head(arg, (size_t)colon));
    r->name = str_to_cstr(&m->arena, str_skip(arg, (size_t)colon + 1));
    return 0;
}
