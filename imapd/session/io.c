/* SPDX-License-Identifier: ISC
 *
 * io.c - the client's bytes. All waiting of a session happens here. A session
 * that waits for long gives its buffers back, since most sessions wait most of
 * the time.
 */
#include "session.h"
#include "login/line.h"
#include "os/clock.h"
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* SIGTERM: the session ends at its next wait. */
static volatile sig_atomic_t stopped;
static void on_sigterm(int signo) { stopped = signo; }

bool io_stopped(void) { return stopped != 0; }

void io_stop_on_sigterm(void)
{
    struct sigaction sa = { .sa_handler = on_sigterm };
    sigset_t set;
    (void)sigaction(SIGTERM, &sa, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

enum { SEND_TIMEOUT_MS = 300000, LINGER_MS = 300 };

void io_init(struct io *io, int fd, struct str read_ahead)
{
    *io = (struct io){ .fd = fd, .hub = -1 };
    if (read_ahead.n == 0)
        return;
    io->in = xmalloc(MAX(read_ahead.n, (size_t)IO_IN_SIZE));
    memcpy(io->in, read_ahead.p, read_ahead.n);
    io->unread = str_make(io->in, read_ahead.n);
    io->bytes_in = read_ahead.n;
}

void io_done(struct io *io)
{
    (void)close(io->fd);
    buf_done(&io->out);
    free(io->in);
    io->in = NULL;
}

/* Milliseconds for poll(), rounded up, capped. */
static int until(int64_t deadline)
{
    int64_t left = deadline - clock_mono_ms();
    return left <= 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

static void send_piece(struct io *io, const char *p, size_t n)
{
    int64_t deadline = deadline_in(SEND_TIMEOUT_MS);
    while (n > 0 && !io->broken) {
        ssize_t done = send(io->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done > 0) {
            p += done;
            n -= (size_t)done;
            io->bytes_out += (uint64_t)done;
            continue;
        }
        struct pollfd pfd = { .fd = io->fd, .events = POLLOUT };
        if (done < 0 && errno == EINTR)
            continue;
        if (done == 0 || (errno != EAGAIN && errno != EWOULDBLOCK) || (poll(&pfd, 1, until(deadline)) == 0))
            io->broken = true;
    }
}

/* The time is for each piece: a large message may take long on a slow line. */
static void send_all(struct io *io, const char *p, size_t n)
{
    for (; n > 0 && !io->broken; p += MIN(n, (size_t)IO_OUT_FLUSH), n -= MIN(n, (size_t)IO_OUT_FLUSH))
        send_piece(io, p, MIN(n, (size_t)IO_OUT_FLUSH));
}

void io_flush(struct io *io)
{
    send_all(io, io->out.p, io->out.n);
    buf_reset(&io->out);
}

void io_flush_some(struct io *io)
{
    if (io->out.n >= IO_OUT_FLUSH)
        io_flush(io);
}

static void put_no_nul(struct buf *to, struct str bytes)
{
    size_t from = to->n;
    buf_add(to, bytes);
    for (char *nul = memchr(to->p + from, '\0', to->n - from); nul != NULL;
         nul = memchr(nul, '\0', to->n - (size_t)(nul - to->p)))
        *nul = (char)0x80;
}

void io_put_body(struct io *io, struct str bytes)
{
    if (bytes.n < IO_OUT_FLUSH) {
        if (bytes.n > 0)
            put_no_nul(&io->out, bytes);
        return;
    }
    if (memchr(bytes.p, '\0', bytes.n) == NULL) {
        io_flush(io);
        send_all(io, bytes.p, bytes.n);
        return;
    }
    for (; bytes.n > 0; bytes = str_skip(bytes, IO_OUT_FLUSH)) {
        put_no_nul(&io->out, str_head(bytes, IO_OUT_FLUSH));
        io_flush(io);
    }
}

static void give_back(struct io *io)
{
    buf_done(&io->out);
    free(io->in);
    io->in = NULL;
    (void)malloc_trim(0);
    io->trimmed = true;
}

static enum io_result receive(struct io *io)
{
    if (io->in == NULL)
        io->in = xmalloc(IO_IN_SIZE);
    io->trimmed = false;
    ssize_t n;
    do
        n = recv(io->fd, io->in, IO_IN_SIZE, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return IO_TIMEOUT;
    if (n <= 0) {
        io->broken = true;
        return IO_CLOSED;
    }
    io->unread = str_make(io->in, (size_t)n);
    io->bytes_in += (uint64_t)n;
    return IO_OK;
}

/* A hub that is gone for good leaves a line at its end. */
static void read_hub(struct io *io)
{
    char bytes[256];
    ssize_t n;
    while ((n = recv(io->hub, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        io->kicked = io->kicked || memchr(bytes, LINE_KICK, (size_t)n) != NULL;
    if (n == 0)
        io->hub = -1;
}

enum io_result io_wait(struct io *io, int64_t deadline, int also_fd)
{
    io_flush(io);
    if (io->broken)
        return IO_CLOSED;
    if (io->unread.n > 0)
        return IO_OK;
    while (!stopped && !io->kicked) {
        /* poll() passes over a negative descriptor. */
        struct pollfd pfd[3] = { { .fd = io->fd, .events = POLLIN }, { .fd = io->hub, .events = POLLIN }, { .fd = also_fd, .events = POLLIN } };
        int wait = until(deadline);
        bool linger = !io->trimmed && wait > LINGER_MS;
        int n = poll(pfd, 3, linger ? LINGER_MS : wait);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return IO_CLOSED;
        if (n > 0 && pfd[1].revents != 0)
            read_hub(io);
        if (pfd[0].revents != 0 && !io->kicked) {
            enum io_result r = receive(io);
            if (r != IO_TIMEOUT)
                return r;
            continue;
        }
        if (n > 0 && pfd[2].revents != 0 && !io->kicked)
            return IO_TIMEOUT;
        if (n > 0)
            continue;
        if (!linger)
            return IO_TIMEOUT;
        give_back(io);
    }
    return IO_CLOSED;
}
