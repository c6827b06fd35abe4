/* SPDX-License-Identifier: ISC */
#include "os/net.h"
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <unistd.h>

static struct sockaddr_in *v4(struct sockaddr_storage *a) { return (struct sockaddr_in *)(void *)a; }
static struct sockaddr_in6 *v6(struct sockaddr_storage *a) { return (struct sockaddr_in6 *)(void *)a; }
static const struct sockaddr_in *cv4(const struct sockaddr_storage *a) { return (const struct sockaddr_in *)(const void *)a; }
static const struct sockaddr_in6 *cv6(const struct sockaddr_storage *a) { return (const struct sockaddr_in6 *)(const void *)a; }
static const struct sockaddr *any(const struct sockaddr_storage *a) { return (const struct sockaddr *)(const void *)a; }

bool net_addr_parse(struct str text, uint16_t port, struct sockaddr_storage *ret)
{
    char z[NET_TEXT];
    struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
    if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = str_make(text.p + 1, text.n - 2);
    if (str_istarts(text, STR("IPv6:")))
        text = str_skip(text, 5);
    if (!str_to_fixed(text, z, sizeof z))
        return false;
    if (inet_pton(AF_INET, z, &v4(&a)->sin_addr) == 1)
        a.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, z, &v6(&a)->sin6_addr) == 1)
        a.ss_family = AF_INET6;
    else
        return false;
    net_set_port(&a, port);
    *ret = a;
    return true;
}

static const uint8_t *mapped(const struct sockaddr_storage *a)
{
    const struct in6_addr *in6 = &cv6(a)->sin6_addr;
    return a->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(in6) ? in6->s6_addr + 12 : NULL;
}

const char *net_text(const struct sockaddr_storage *a, char buf[NET_TEXT])
{
    const char *got = NULL;
    if (mapped(a) != NULL)
        got = inet_ntop(AF_INET, mapped(a), buf, NET_TEXT);
    else if (a->ss_family == AF_INET)
        got = inet_ntop(AF_INET, &cv4(a)->sin_addr, buf, NET_TEXT);
    else if (a->ss_family == AF_INET6)
        got = inet_ntop(AF_INET6, &cv6(a)->sin6_addr, buf, NET_TEXT);
    if (got == NULL)
        buf[0] = '\0';
    return buf;
}

uint16_t net_port(const struct sockaddr_storage *a)
{
    return ntohs(a->ss_family == AF_INET6 ? cv6(a)->sin6_port : a->ss_family == AF_INET ? cv4(a)->sin_port : 0);
}

void net_set_port(struct sockaddr_storage *a, uint16_t port)
{
    if (a->ss_family == AF_INET)
        v4(a)->sin_port = htons(port);
    else if (a->ss_family == AF_INET6)
        v6(a)->sin6_port = htons(port);
}

socklen_t net_len(const struct sockaddr_storage *a)
{
    return a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof *a;
}

void net_unmap(struct sockaddr_storage *a)
{
    const uint8_t *four = mapped(a);
    struct sockaddr_storage b = { .ss_family = AF_INET };
    if (four == NULL)
        return;
    memcpy(&v4(&b)->sin_addr, four, 4);
    net_set_port(&b, net_port(a));
    *a = b;
}

bool net_is_loopback(const struct sockaddr_storage *a)
{
    struct sockaddr_storage b = *a;
    net_unmap(&b);
    if (b.ss_family == AF_INET)
        return ntohl(cv4(&b)->sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *in6 = &cv6(&b)->sin6_addr;
    return b.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(in6);
}

bool net_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    struct sockaddr_storage x = *a, y = *b;
    net_unmap(&x);
    net_unmap(&y);
    if (x.ss_family != y.ss_family)
        return false;
    if (x.ss_family == AF_INET)
        return cv4(&x)->sin_addr.s_addr == cv4(&y)->sin_addr.s_addr;
    return x.ss_family == AF_INET6 && memcmp(&cv6(&x)->sin6_addr, &cv6(&y)->sin6_addr, 16) == 0;
}

static int fail(int fd, struct err *err, const char *what, const struct sockaddr_storage *a)
{
    char text[NET_TEXT];
    (void)err_sys(err, ERR_TEMP, "%s %s:%u", what, net_text(a, text), net_port(a));
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

int net_connect(const struct sockaddr_storage *to, const struct sockaddr_storage *bind_to, struct err *err)
{
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(fd, err, "socket for", to);
    if (bind_to != NULL && bind(fd, any(bind_to), net_len(bind_to)) < 0)
        return fail(fd, err, "bind", bind_to);
    if (connect(fd, any(to), net_len(to)) < 0 && errno != EINPROGRESS)
        return fail(fd, err, "connect to", to);
    return fd;
}

int net_connect_result(int fd)
{
    int e = 0;
    socklen_t n = sizeof e;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) < 0 ? errno : e;
}
