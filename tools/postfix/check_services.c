/* SPDX-License-Identifier: ISC
 *
 * master.cf: commands that exist, and ports that are free.
 */
#include "postfix.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* Commands that master knows, and those that it says no to. */
static const char *const served[] = {
    "smtpd", "submitd", "lmtpd", "postscreen", "pickup", "qmgr", "oqmgr", "nqmgr", "bounce", "smtp", "lmtp", "error", "discard", "local",
    "virtual", "pipe", "cleanup", "trivial-rewrite", "tlsmgr", "tlsproxy", "dnsblog", "anvil", "verify", "flush", "showq", "scache",
    "proxymap", "postlogd", "nbdb_reindexd", "imap-login", "pop3-login", "tls-proxy", "imapd", "pop3d", "hub", "authd", "auth-worker", "keys",
    "resolver", "lookup", "broker", "logd", "deliver-out", "deliver-router", "deliver-actor", "deliver-bounce",
};
static const char *const refused[] = { "spawn", "qmqpd" };

static bool in_list(const char *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

static void check_command(struct check *k, const struct service *s)
{
    if (in_list(refused, N_ELEMS(refused), s->command))
        check_warn(k, "%s: line %u: %s: the command %s is not served; this service will not run", k->services.file, s->line, s->name, s->command);
    else if (!in_list(served, N_ELEMS(served), s->command))
        check_fatal(k, "%s: line %u: %s: unknown command \"%s\"; correct it or remove the line", k->services.file, s->line, s->name, s->command);
}

static void try_bind(struct check *k, const struct service *s, const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (ai->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 1) < 0) {
        const char *remedy = errno == EADDRINUSE ? "stop the program that listens there, or choose another port"
                           : errno == EACCES ? "ports below 1024 need root; choose a higher one" : "correct the address";
        check_fatal(k, "%s: line %u: cannot listen on %s: %s; %s", k->services.file, s->line, s->name, strerror(errno), remedy);
    }
    (void)close(fd);
}

static void check_port(struct check *k, const struct service *s)
{
    struct arena a = arena_make(4096);
    const char *host, *port;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list = NULL;
    if (!service_split_inet(s->name, &a, &host, &port)) {
        arena_done(&a);
        return;
    }
    struct err err;
    const char *interfaces = config_get(k->config, "inet_interfaces", &err);
    if (*host == '\0' && interfaces != NULL && strcmp(interfaces, "all") != 0)
        host = "127.0.0.1";         /* one of them stands for all: who listens on any address is found too */
    if (*host == '\0')
        hints.ai_family = AF_INET;
    int rc = getaddrinfo(*host == '\0' ? NULL : host, port, &hints, &list);
    if (rc != 0)
        check_fatal(k, "%s: line %u: %s: %s; correct the host or the port", k->services.file, s->line, s->name, gai_strerror(rc));
    else if (!k->running)
        try_bind(k, s, list);
    if (list != NULL)
        freeaddrinfo(list);
    arena_done(&a);
}

void check_services(struct check *k)
{
    for (size_t i = 0; i < k->services.n; i++) {
        check_command(k, &k->services.rows[i]);
        if (k->services.rows[i].type == SERVICE_INET)
            check_port(k, &k->services.rows[i]);
    }
}
