/* SPDX-License-Identifier: ISC */
#include "event/tls_pem.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static void begin_key(bool *in_key, const char *instead, struct buf *out)
{
    if (!*in_key)
        buf_puts(out, instead);
    *in_key = true;
}

static void strip(struct str text, const char *instead, struct buf *out)
{
    bool in_key = false;
    while (text.n > 0) {
        ptrdiff_t end = str_chr(text, '\n');
        struct str line = str_head(text, end < 0 ? text.n : (size_t)end + 1);
        text = str_skip(text, line.n);
        bool about_key = str_find(line, STR("PRIVATE KEY-----")) >= 0;
        if (about_key && str_find(line, STR("-----BEGIN ")) >= 0)
            begin_key(&in_key, instead, out);
        else if (about_key && str_find(line, STR("-----END ")) >= 0)
            in_key = false;
        else if (!in_key)
            buf_add(out, line);
    }
}

void tls_pem_strip(struct str text, struct buf *out) { strip(text, "", out); }

/* Bytes read, -1 on errors (errno). */
static ssize_t read_whole(int fd, char *p, size_t cap)
{
    size_t n = 0;
    while (n < cap) {
        ssize_t got = read(fd, p + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

static int read_stripped(const char *path, const char *instead, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "open %s", path);
    char *p = mmap(NULL, TLS_PEM_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ssize_t n = p == MAP_FAILED ? -1 : read_whole(fd, p, TLS_PEM_MAX);
    int rc = 0;
    if (n < 0)
        rc = err_sys(err, ERR_CONFIG, "read %s", path);
    else if (n == TLS_PEM_MAX)
        rc = err_set(err, ERR_CONFIG, "%s: larger than %d bytes", path, TLS_PEM_MAX);
    else
        strip(str_make(p, (size_t)n), instead, out);
    if (p != MAP_FAILED) {
        explicit_bzero(p, n > 0 ? (size_t)n : 0);
        (void)munmap(p, TLS_PEM_MAX);
    }
    (void)close(fd);
    return rc;
}

int tls_pem_read(const char *path, struct buf *out, struct err *err) { return read_stripped(path, "", out, err); }
int tls_pem_read_marked(const char *path, struct buf *out, struct err *err) { return read_stripped(path, TLS_PEM_KEY_MARK, out, err); }
