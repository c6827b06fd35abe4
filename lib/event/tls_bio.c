/* SPDX-License-Identifier: ISC */
#include "event/tls_bio.h"
#include "base/buf.h"
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct line { SSL *ssl; int fd; struct buf held; bool ending; };

static CRYPTO_ONCE made = CRYPTO_ONCE_STATIC_INIT;
static BIO_METHOD *method;

static bool is_again(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

/* What was held goes first; *ret_n counts bytes of p only. */
static bool send_both(struct line *l, const char *p, size_t n, size_t *ret_n)
{
    union { const char *in; char *out; } data = { .in = p };
    struct iovec iov[2] = { { l->held.p, l->held.n }, { data.out, n } };
    struct msghdr mh = { .msg_iov = l->held.n > 0 ? iov : iov + 1, .msg_iovlen = l->held.n > 0 ? 2 : 1 };
    ssize_t sent = sendmsg(l->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT | (l->ending ? MSG_MORE : 0));
    if (sent < 0)
        return false;
    size_t old = MIN((size_t)sent, l->held.n);
    if (old > 0) {
        buf_drop(&l->held, old);
        if (l->held.n == 0)
            buf_trim(&l->held);
    }
    *ret_n = (size_t)sent - old;
    errno = EAGAIN;
    return *ret_n > 0;
}

static int line_write(BIO *b, const char *p, size_t n, size_t *ret_n)
{
    struct line *l = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (SSL_get_state(l->ssl) == TLS_ST_SW_SESSION_TICKET) {
        buf_put(&l->held, p, n);
        *ret_n = n;
        return 1;
    }
    if (send_both(l, p, n, ret_n))
        return 1;
    if (is_again())
        BIO_set_retry_write(b);
    return 0;
}

static int line_read(BIO *b, char *p, size_t n, size_t *ret_n)
{
    struct line *l = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    ssize_t got = recv(l->fd, p, n, MSG_DONTWAIT);
    if (got > 0) {
        *ret_n = (size_t)got;
        return 1;
    }
    if (got < 0 && is_again())
        BIO_set_retry_read(b);
    else if (got == 0)
        BIO_set_flags(b, BIO_FLAGS_IN_EOF);
    return 0;
}

void tls_bio_ending(BIO *b)
{
    struct line *l = BIO_get_data(b);
    l->ending = true;
}

static long line_ctrl(BIO *b, int what, long n, void *p)
{
    (void)n, (void)p;
    if (what == BIO_CTRL_EOF)
        return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
    return what == BIO_CTRL_FLUSH;
}

static int line_destroy(BIO *b)
{
    struct line *l = BIO_get_data(b);
    if (l != NULL)
        buf_done(&l->held);
    free(l);
    return 1;
}

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    if (method == NULL || BIO_meth_set_write_ex(method, line_write) != 1 || BIO_meth_set_read_ex(method, line_read) != 1 ||
        BIO_meth_set_ctrl(method, line_ctrl) != 1 || BIO_meth_set_destroy(method, line_destroy) != 1) {
        BIO_meth_free(method);
        method = NULL;
    }
}

BIO *tls_bio_new(SSL *ssl, int fd)
{
    BIO *b = CRYPTO_THREAD_run_once(&made, make_method) == 1 && method != NULL ? BIO_new(method) : NULL;
    struct line *l = b == NULL ? NULL : calloc(1, sizeof *l);
    if (l == NULL) {
        BIO_free(b);
        return NULL;
    }
    l->ssl = ssl;
    l->fd = fd;
    BIO_set_data(b, l);
    BIO_set_init(b, 1);
    return b;
}
