/* SPDX-License-Identifier: ISC */
#include "listen.h"
#include "os/priv.h"
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

struct open_socket { char *key; int fd; bool wanted; };
static struct { VEC(struct open_socket) v; } sockets;

void listen_begin(void)
{
    for (size_t i = 0; i < sockets.v.n; i++)
        sockets.v.p[i].wanted = false;
}

static void close_unwanted(bool all)
{
    size_t kept = 0;
    for (size_t i = 0; i < sockets.v.n; i++) {
        struct open_socket *s = &sockets.v.p[i];
        if (!all && s->wanted) {
            sockets.v.p[kept++] = *s;
            continue;
        }
        (void)close(s->fd);
        if (strncmp(s->key, "unix:", 5) == 0)
            (void)unlink(s->key + 5);
        free(s->key);
    }
    sockets.v.n = kept;
}

void listen_end(void) { close_unwanted(false); }
void listen_close_all(void) { close_unwanted(true); }

static int find(const char *key)
{
    for (size_t i = 0; i < sockets.v.n; i++) {
        if (strcmp(sockets.v.p[i].key, key) == 0) {
            sockets.v.p[i].wanted = true;
            return sockets.v.p[i].fd;
        }
    }
    return -1;
}

static int keep(const char *key, int fd)
{
    struct open_socket s = { xstrdup(key), fd, true };
    vec_push(&sockets.v, s);
    return fd;
}

/* ---- UNIX ---- */

static int find_group(const char *name, gid_t *ret, struct err *err)
{
    struct group *g = getgrnam(name);
    if (g == NULL)
        return err_set(err, ERR_CONFIG, "no group \"%s\"", name);
    *ret = g->gr_gid;
    return 0;
}

/* Who may connect. As in Postfix, 0666 by default: who may enter the directory. */
static int set_rights(const char *path, const struct plan_socket *socket, const struct listen_plan *plan, struct err *err)
{
    uid_t uid = plan->owner;
    gid_t gid = (gid_t)-1;
    if (socket->user != NULL) {
        struct priv_account who;
        if (priv_account_find(socket->user, false, &who, err) != 0)
            return err_prefix(err, "UNIX socket %s", path);
        uid = who.uid;
        priv_account_done(&who);
    }
    if (socket->group != NULL && find_group(socket->group, &gid, err) != 0)
        return err_prefix(err, "UNIX socket %s", path);
    if ((uid != (uid_t)-1 || gid != (gid_t)-1) && lchown(path, uid, gid) != 0)
        return err_sys(err, ERR_CONFIG, "UNIX socket %s: owner", path);
    if (chmod(path, socket->mode == 0 ? 0666 : socket->mode) != 0)
        return err_sys(err, ERR_CONFIG, "UNIX socket %s: mode", path);
    return 0;
}

/* What a run before left; never a file that is no socket. */
static int remove_old(const char *path, struct err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode) && !S_ISFIFO(st.st_mode))
        return err_set(err, ERR_CONFIG, "UNIX socket %s: there is a file of that name", path);
    (void)unlink(path);
    return 0;
}

/* /run is empty after a start of the machine: /run/dovecot is made again for its sockets. Elsewhere a missing directory is a mistake. */
static void make_run_dir(const char *path)
{
    char dir[sizeof((struct sockaddr_un *)NULL)->sun_path];
    const char *slash = strrchr(path, '/');
    if (strncmp(path, "/run/", 5) == 0 && str_to_fixed(str_make(path, (size_t)(slash - path)), dir, sizeof dir))
        (void)mkdir(dir, 0755);
}

static int open_unix(const char *path, const struct plan_socket *socket_plan, const struct listen_plan *plan, struct err *err)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    if (!str_to_fixed(str_from(path), sa.sun_path, sizeof sa.sun_path))
        return err_set(err, ERR_CONFIG, "%s: name of a UNIX socket is too long", path);
    make_run_dir(path);
    if (remove_old(path, err) != 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, ERR_TEMP, "socket");
    mode_t old = umask(0177);
    int rc = bind(fd, (struct sockaddr *)&sa, sizeof sa);
    (void)umask(old);
    if (rc != 0)
        (void)err_sys(err, ERR_CONFIG, "bind UNIX socket %s", path);
    if (rc == 0)
        rc = set_rights(path, socket_plan, plan, err);
    if (rc == 0 && (rc = listen(fd, BACKLOG)) != 0)
        (void)err_sys(err, ERR_CONFIG, "listen on UNIX socket %s", path);
    if (rc == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* ---- TCP ---- */

static const struct { const char *name, *port; } ports[] = {
    { "smtp", "25" }, { "submission", "587" }, { "submissions", "465" }, { "smtps", "465" }, { "ssmtp", "465" },
    { "imap", "143" }, { "imap2", "143" }, { "imaps", "993" }, { "pop3", "110" }, { "pop3s", "995" },
};

/* The well-known ones need no /etc/services. */
static const char *port_number(const char *port)
{
    for (size_t i = 0; i < N_ELEMS(ports); i++)
        if (strcmp(ports[i].name, port) == 0)
            return ports[i].port;
    return port;
}

static int listen_addr(const struct addrinfo *a, struct err *err)
{
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    (void)getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    int on = 1, fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, ERR_TEMP, "socket for %s port %s", host, port);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    (void)err_sys(err, ERR_CONFIG, "bind %s port %s", host, port);
    (void)close(fd);
    errno = saved;
    return -1;
}

static bool family_wanted(const struct listen_plan *plan, int family)
{
    const char *p = plan->inet_protocols;
    return strstr(p, "all") != NULL || strstr(p, family == AF_INET6 ? "ipv6" : "ipv4") != NULL;
}

struct target { int *fds; size_t *n, max, opened; };

static int add_addr(const struct addrinfo *a, struct target *t, struct err *err)
{
    char host[NI_MAXHOST], port[NI_MAXSERV], key[NI_MAXHOST + NI_MAXSERV + 8];
    if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return err_set(err, ERR_CONFIG, "an address that has no text form");
    (void)snprintf(key, sizeof key, "inet:[%s]:%s", host, port);
    int fd = find(key);
    if (fd < 0) {
        fd = listen_addr(a, err);
        /* A host without IPv6, asked for all protocols. */
        if (fd < 0 && a->ai_family == AF_INET6 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
            return 0;
        if (fd < 0)
            return -1;
        (void)keep(key, fd);
    }
    t->opened++;
    if (*t->n < t->max)
        t->fds[(*t->n)++] = fd;
    return 0;
}

/* host NULL: the wildcard addresses. */
static int open_host(const char *host, const char *port, const struct listen_plan *plan, struct target *t, struct err *err)
{
    struct addrinfo *found = NULL, hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    int rc = getaddrinfo(host, port_number(port), &hints, &found);
    if (rc != 0)
        return err_set(err, ERR_CONFIG, "%s port %s: %s", host == NULL ? "*" : host, port, gai_strerror(rc));
    rc = 0;
    for (struct addrinfo *a = found; rc == 0 && a != NULL; a = a->ai_next)
        if ((a->ai_family == AF_INET || a->ai_family == AF_INET6) && family_wanted(plan, a->ai_family))
            rc = add_addr(a, t, err);
    freeaddrinfo(found);
    return rc;
}

static int open_interfaces(const char *port, const struct listen_plan *plan, struct target *t, struct err *err)
{
    struct str rest = str_from(plan->inet_interfaces), word;
    int rc = 0;
    while (rc == 0 && str_token(&rest, " \t,", &word)) {
        char host[256];
        if (str_eqz(word, "all")) {
            rc = open_host(NULL, port, plan, t, err);
        } else if (str_eqz(word, "loopback-only")) {
            rc = open_host("127.0.0.1", port, plan, t, err);
            if (rc == 0)
                rc = open_host("::1", port, plan, t, err);
        } else {
            if (word.n > 2 && word.p[0] == '[' && word.p[word.n - 1] == ']')
                word = str_make(word.p + 1, word.n - 2);
            rc = str_to_fixed(word, host, sizeof host) ? open_host(host, port, plan, t, err) : err_set(err, ERR_CONFIG, "inet_interfaces: name too long");
        }
    }
    return rc;
}

static int open_inet(const char *name, const struct listen_plan *plan, struct target *t, struct err *err)
{
    struct arena a = arena_make(8192);
    const char *host, *port;
    int rc;
    if (!service_split_inet(name, &a, &host, &port))
        rc = err_set(err, ERR_CONFIG, "\"%s\" is not host:port", name);
    else if (host[0] == '\0')
        rc = open_interfaces(port, plan, t, err);
    else
        rc = open_host(host, port, plan, t, err);
    if (rc == 0 && t->opened == 0)
        rc = err_set(err, ERR_CONFIG, "no address to listen on for \"%s\" (inet_interfaces, inet_protocols)", name);
    arena_done(&a);
    return rc;
}

int listen_open(const struct plan_socket *socket, const struct listen_plan *plan, int fds[], size_t *n, size_t max, struct err *err)
{
    const char *name = socket->name;
    if (strncmp(name, "inet:", 5) == 0) {
        struct target t = { .fds = fds, .n = n, .max = max };
        return open_inet(name + 5, plan, &t, err);
    }
    int fd = find(name);
    if (fd >= 0 && set_rights(name + 5, socket, plan, err) != 0)
        return -1;
    if (fd < 0) {
        fd = open_unix(name + 5, socket, plan, err);
        if (fd < 0)
            return -1;
        (void)keep(name, fd);
    }
    if (*n < max)
        fds[(*n)++] = fd;
    return 0;
}
