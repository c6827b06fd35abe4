/* SPDX-License-Identifier: ISC */
#include "sendmail.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/utf8.h"
#include "os/clock.h"
#include "os/local.h"
#include "proto/addr.h"
#include "proto/qrec.h"
#include "proto/rfc822.h"

void post_done(struct post *p)
{
    vec_done(&p->rcpts);
    buf_done(&p->content);
    buf_done(&p->header);
    arena_done(&p->arena);
}

void post_line(struct post *p, struct str line, bool ends)
{
    p->size += line.n + ends;
    if (p->limit > 0 && p->size > p->limit)
        return;
    qrec_put_line(&p->content, line, ends);
    if (!p->in_body && p->header.n + line.n < POST_HEADER_MAX) {
        buf_add(&p->header, line);
        if (ends)
            buf_putc(&p->header, '\n');
        p->in_body = ends && line.n == 0;
    }
}

/* ---- addresses ---- */

void post_add_list(struct post *p, struct str list)
{
    struct addr_parser parser = addr_parser_make(list);
    struct addr a;
    while (addr_next(&parser, &a)) {
        if (a.kind != ADDR_MAILBOX || (a.local.n == 0 && a.domain.n == 0))
            continue;
        struct str one = str_printf(&p->arena, "%.*s%s%.*s", STR_FMT(a.local), a.domain.n > 0 ? "@" : "", STR_FMT(a.domain));
        bool old = false;
        for (size_t i = 0; i < p->rcpts.n && !old; i++)
            old = str_ieq(p->rcpts.p[i], one);
        if (!old)
            vec_push(&p->rcpts, one);
    }
    addr_parser_done(&parser);
}

void post_add_header_rcpts(struct post *p)
{
    static const struct { struct str plain, resent; } names[] = {
        { STR_INIT("To"), STR_INIT("Resent-To") }, { STR_INIT("Cc"), STR_INIT("Resent-Cc") }, { STR_INIT("Bcc"), STR_INIT("Resent-Bcc") },
    };
    bool resent = false;
    for (int round = 0; round < 2; round++) {       /* the Resent- fields count if there are any (RFC 5322 §3.6.6) */
        struct str rest = buf_str(&p->header);
        struct rfc822_field f;
        while (rfc822_next(&rest, &f))
            for (size_t i = 0; i < N_ELEMS(names); i++) {
                if (round == 0)
                    resent = resent || str_ieq(f.name, names[i].resent);
                else if (str_ieq(f.name, resent ? names[i].resent : names[i].plain))
                    post_add_list(p, f.value);
            }
    }
}

/* ---- the file ---- */

static void put_envelope(const struct post *p, struct buf *out)
{
    bool utf8 = !utf8_is_ascii(p->sender);
    qrec_put_attr(out, "rewrite_context", STR("local"));
    if (p->encoding != NULL)
        qrec_put_attr(out, "encoding", str_from(p->encoding));
    for (size_t i = 0; i < p->rcpts.n; i++)
        utf8 = utf8 || !utf8_is_ascii(p->rcpts.p[i]);
    if (utf8)
        qrec_put_attr(out, "smtputf8", STR("1"));
    if (p->full_name.n > 0)
        qrec_put(out, QREC_FULLNAME, p->full_name);
    qrec_put(out, QREC_SENDER, p->sender);
    if (p->ret != SMTP_RET_NONE)
        qrec_putf(out, QREC_DSN_RET, "%d", (int)p->ret);
    if (p->envid.n > 0)
        qrec_put(out, QREC_DSN_ENVID, p->envid);
    for (size_t i = 0; i < p->rcpts.n; i++) {
        if (p->notify != 0)
            qrec_putf(out, QREC_DSN_NOTIFY, "%u", p->notify);
        qrec_put(out, QREC_RCPT, p->rcpts.p[i]);
    }
    qrec_putz(out, QREC_MESSAGE, "");
}

static bool write_all(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = str_skip(s, (size_t)n);
    }
    return true;
}

/* A new file of ours in maildrop, which others of our group may neither list nor read. */
static int create(int dir, char *name, size_t cap)
{
    for (int tries = 0; tries < 100; tries++) {
        (void)snprintf(name, cap, "%llx.%ld.%d", (unsigned long long)clock_wall_us(), (long)getpid(), tries);
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

static void wake_pickup(const char *queue_directory)
{
    struct buf path = buf_make(0);
    struct err err;
    buf_printf(&path, "%s/public/pickup", queue_directory);
    int fd = local_connect(buf_cstr(&path), &err);
    buf_done(&path);
    if (fd >= 0)
        (void)close(fd);            /* nobody there: it will look by itself when the system is up */
}

/* The x bit says that the file is whole, so it comes after the sync. */
static int store(struct post *p, int dir, const char *queue_directory)
{
    char name[100];
    struct buf head = buf_make(0);
    int fd = create(dir, name, sizeof name);
    if (fd < 0) {
        tell("%s/maildrop: %s", queue_directory, strerror(errno));
        return errno == EACCES || errno == EPERM ? EX_NOPERM : EX_TEMPFAIL;
    }
    put_envelope(p, &head);
    qrec_putz(&p->content, QREC_EXTRACTED, "");
    qrec_putz(&p->content, QREC_END, "");
    bool ok = write_all(fd, buf_str(&head)) && write_all(fd, buf_str(&p->content)) && fsync(fd) == 0 && fchmod(fd, 0744) == 0 && fsync(fd) == 0;
    if (!ok) {
        tell("%s/maildrop/%s: %s", queue_directory, name, strerror(errno));
        (void)unlinkat(dir, name, 0);
    }
    (void)close(fd);
    buf_done(&head);
    return ok ? 0 : EX_TEMPFAIL;
}

int post_commit(struct post *p, const char *queue_directory)
{
    char path[4096];
    if (p->limit > 0 && p->size > p->limit) {
        tell("message is larger than message_size_limit = %llu bytes", (unsigned long long)p->limit);
        return EX_DATAERR;
    }
    (void)snprintf(path, sizeof path, "%s/maildrop", queue_directory);
    int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        tell("%s: %s", path, strerror(errno));
        return EX_UNAVAILABLE;
    }
    int rc = store(p, dir, queue_directory);
    (void)close(dir);
    if (rc == 0)
        wake_pickup(queue_directory);
    return rc;
}
