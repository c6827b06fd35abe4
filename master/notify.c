/* SPDX-License-Identifier: ISC */
#include "notify.h"
#include "base/buf.h"
#include "base/log.h"
#include "os/clock.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct { struct sockaddr_un to; socklen_t n; } notify;

void notify_init(void)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t n = name == NULL ? 0 : strlen(name);
    if (n > 1 && n < sizeof notify.to.sun_path && (name[0] == '/' || name[0] == '@')) {
        notify.to.sun_family = AF_UNIX;
        memcpy(notify.to.sun_path, name, n);
        /* An abstract name ends with the length of the address, not with a NUL. */
        notify.n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'));
        if (name[0] == '@')
            notify.to.sun_path[0] = '\0';
    } else if (n > 0) {
        log_warning("NOTIFY_SOCKET: not a path or an abstract name that can be used: nobody is told when the system is up");
    }
    (void)unsetenv("NOTIFY_SOCKET");
}

/* Never waits: a manager that does not read is told nothing. */
static void say(const struct buf *text)
{
    int fd = notify.n == 0 ? -1 : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (sendto(fd, text->p, text->n, MSG_NOSIGNAL, (const struct sockaddr *)&notify.to, notify.n) < 0)
        log_warning("NOTIFY_SOCKET: %s", strerror(errno));
    (void)close(fd);
}

void notify_ready(const char *status)
{
    struct buf b = buf_make(0);
    buf_printf(&b, "READY=1\nMAINPID=%ld\nSTATUS=%s\n", (long)getpid(), status);
    say(&b);
    buf_done(&b);
}

void notify_reloading(void)
{
    struct buf b = buf_make(0);
    buf_printf(&b, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reading the configuration again\n", (long long)clock_mono_ms() * 1000);
    say(&b);
    buf_done(&b);
}

void notify_stopping(void)
{
    struct buf b = buf_make(0);
    buf_puts(&b, "STOPPING=1\nSTATUS=sessions and deliveries end\n");
    say(&b);
    buf_done(&b);
}
