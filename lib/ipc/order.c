/* SPDX-License-Identifier: ISC */
#include "ipc/order.h"
#include "base/num.h"
#include "ipc/codec.h"
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { TIMEOUT_SECONDS = 300 };

int order_connect(const char *path, struct err *err)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct timeval limit = { .tv_sec = TIMEOUT_SECONDS };
    if (!str_to_fixed(str_from(path), un.sun_path, sizeof un.sun_path))
        return err_set(err, ERR_CONFIG, "socket path %s is too long", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(err, ERR_TEMP, "socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (const struct sockaddr *)&un, sizeof un) < 0) {
        (void)err_sys(err, ERR_TEMP, "connect to %s", path);
        (void)close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n <= 0 && errno != EINTR)
            return false;
        s = str_skip(s, n > 0 ? (size_t)n : 0);
    }
    return true;
}

static bool read_all(int fd, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t got = read(fd, p, n);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return false;
        p += got > 0 ? got : 0;
        n -= got > 0 ? (size_t)got : 0;
    }
    return true;
}

int order_send(int fd, enum queue_op op, struct str queue_id, struct str queue, uint32_t *ret_n, struct err *err)
{
    struct ipc_queue_order order = { .op = (uint32_t)op, .queue_id = queue_id, .queue = queue };
    struct buf out = { 0 };
    uint8_t frame[1024];
    unsigned type;
    uint32_t id;
    if (!ipc_encode(IPC_QUEUE_ORDER, 1, &order, &out)) {
        buf_done(&out);
        return err_set(err, ERR_PROTO, "bad queue id");
    }
    bool sent = send_all(fd, buf_str(&out));
    buf_done(&out);
    size_t n = sent && read_all(fd, frame, IPC_FRAME_HEAD) ? ipc_frame_size(frame, &type, &id) : 0;
    struct ipc_queue_done done;
    if (n == 0 || n > sizeof frame || type != IPC_QUEUE_DONE || !read_all(fd, frame + IPC_FRAME_HEAD, n - IPC_FRAME_HEAD) ||
        !ipc_decode(IPC_QUEUE_DONE, frame + IPC_FRAME_HEAD, n - IPC_FRAME_HEAD, &done))
        return err_set(err, ERR_TEMP, "the queue manager did not answer");
    if (done.text.n > 0)
        return err_set(err, ERR_PERM, "%.*s", STR_FMT(done.text));
    *ret_n = done.n;
    return 0;
}
