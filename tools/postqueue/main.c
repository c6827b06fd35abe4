/* SPDX-License-Identifier: ISC
 *
 * NAME
 *      postqueue, mailq - the mail queue for everybody
 *
 * SYNOPSIS
 *      postqueue [-c config_dir] [-v] -p | -j | -f | -i queue_id | -s site
 *      mailq
 *
 * DESCRIPTION
 *      -p lists the queue in the layout of sendmail's mailq, -j as one JSON
 *      object per line. -f tries everything that is deferred again, -i one
 *      message, -s what waits for one site. When the mail system is down, root
 *      and the owner of the queue get the listing from the files.
 *
 * SECURITY
 *      Talks to public/showq and public/qmgr; the queue manager decides who may
 *      flush.
 *
 * DIAGNOSTICS
 *      Exit status 0; 64 usage, 69 the mail system is down, 70 a malformed
 *      listing, 77 not permitted.
 */
#include "base/log.h"
#include "base/num.h"
#include "base/vec.h"
#include "conf/param.h"
#include "ipc/order.h"
#include "postqueue.h"
#include "queue/showq.h"
#include <errno.h>
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

enum { LIST_MAX = 1 << 30 };

struct options { char action; const char *arg, *config_dir; };

static _Noreturn void die(int status, const char *text)
{
    log_as(log_ident(), LOG_FATAL_LEVEL, "%s", text);
    exit(status);
}

static _Noreturn void usage(void)
{
    die(EX_USAGE, "usage: specify one of: postqueue [-c config_dir] [-v] -f | -i queueid | -j | -p | -s site");
}

static struct options read_options(int argc, char **argv, const char *program)
{
    struct options o = { 0 };
    int c;
    if (strcmp(program, "mailq") == 0)
        o.action = 'p';
    while ((c = getopt(argc, argv, "c:fi:jps:v")) != -1) {
        if (c == 'c') {
            o.config_dir = optarg;
        } else if (c == 'v') {
            log_set_verbose(true);
        } else if (c == '?' || (o.action != '\0' && o.action != c)) {
            usage();
        } else {
            o.action = (char)c;
            o.arg = optarg;
        }
    }
    if (o.action == '\0' || optind != argc)
        usage();
    return o;
}

static void enter_queue(const struct options *o, bool *ret_long_ids)
{
    struct err err;
    struct config *c = config_load(config_dir_choose(o->config_dir), &err);
    if (c == NULL)
        die(EX_CONFIG, err.text);
    if (config_enter_queue(c, &err) < 0)
        die(EX_OSERR, err.text);
    const char *long_ids = config_get(c, "enable_long_queue_ids", &err);
    *ret_long_ids = long_ids != NULL && strcmp(long_ids, "yes") == 0;
    config_free(c);
}

/* ---- the list ---- */

static bool read_socket(struct buf *out, struct err *err)
{
    int fd = order_connect("public/showq", err);
    if (fd < 0)
        return false;
    for (;;) {
        char *to = buf_room(out, 65536);
        ssize_t n = to == NULL ? -1 : read(fd, to, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        buf_added(out, (size_t)n);
    }
    (void)close(fd);
    return true;
}

struct listing { struct queue q; enum qplace place; struct buf *out; };

static void list_one(void *arg, const char *id, const struct qio_stat *st)
{
    struct listing *l = arg;
    (void)st;
    (void)showq_file(l->out, l->q.io, l->place, id);
}

static bool read_files(const char *why, struct buf *out)
{
    static const enum qplace places[] = { QPLACE_INCOMING, QPLACE_ACTIVE, QPLACE_DEFERRED, QPLACE_HOLD };
    struct qio io;
    struct listing l = { .out = out };
    qio_init_system(&io, AT_FDCWD);
    l.q.io = &io;
    if (access("active", R_OK | X_OK) < 0)
        return false;
    log_warning("Mail system is down -- accessing queue directly (%s)", why);
    showq_begin(out);
    for (size_t i = 0; i < N_ELEMS(places); i++) {
        l.place = places[i];
        (void)queue_scan(&l.q, l.place, list_one, &l);
    }
    showq_end(out);
    return true;
}

static void list_queue(bool json, bool long_ids)
{
    struct buf raw = buf_make(LIST_MAX), text = { 0 };
    struct err err;
    if (!read_socket(&raw, &err) && !read_files(err.text, &raw))
        die(EX_UNAVAILABLE, "Queue report unavailable - mail system is down");
    if (!print_list(buf_str(&raw), json, long_ids, &text))
        die(EX_SOFTWARE, "malformed showq server response");
    if (text.n > 0 && fwrite(text.p, 1, text.n, stdout) != text.n)
        die(EX_IOERR, "output write error");
    if (fflush(stdout) != 0)
        die(EX_IOERR, "output write error");
    buf_done(&raw);
    buf_done(&text);
}

/* ---- flush ---- */

static void flush(const struct options *o)
{
    struct err err;
    uint32_t n;
    int fd = order_connect("public/qmgr", &err);
    if (fd < 0)
        die(EX_UNAVAILABLE, o->action == 's' ? "Cannot flush mail queue for site - mail system is down" : "Cannot flush mail queue - mail system is down");
    enum queue_op op = o->action == 'f' ? QUEUE_FLUSH : o->action == 'i' ? QUEUE_FLUSH_ID : QUEUE_FLUSH_SITE;
    if (op == QUEUE_FLUSH_ID && !qid_is_valid(str_from(o->arg)))
        die(EX_USAGE, "Cannot flush queue ID - bad queue ID");
    if (order_send(fd, op, str_from(o->arg == NULL ? "" : o->arg), STR(""), &n, &err) < 0)
        die(err.kind == ERR_PERM ? EX_NOPERM : EX_UNAVAILABLE, err.text);
    (void)close(fd);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *program = slash == NULL ? argv[0] : slash + 1;
    bool long_ids;
    log_set_ident(program);
    struct options o = read_options(argc, argv, program);
    enter_queue(&o, &long_ids);
    if (o.action == 'p' || o.action == 'j')
        list_queue(o.action == 'j', long_ids);
    else
        flush(&o);
    return EXIT_SUCCESS;
}
