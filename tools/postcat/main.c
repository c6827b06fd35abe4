/* SPDX-License-Identifier: ISC
 *
 * NAME
 *      postcat - show queue files
 *
 * SYNOPSIS
 *      postcat [-bdehoqrv] [-c config_dir] [file ...]
 *
 * DESCRIPTION
 *      Prints queue files, or standard input, in readable form: envelope (-e),
 *      headers (-h), body (-b); all three by default. -q: the names are queue
 *      ids, looked for in the queue. -o prints the offset of each record, -d
 *      its type as a number, -r follows no pointers, -v names the type of each
 *      content record too.
 *
 * SECURITY
 *      Reads what its user may read, nothing else.
 *
 * DIAGNOSTICS
 *      A file that is no queue file gets a warning, a damaged one "fatal: record
 *      read error"; exit status 1.
 */
#include "base/log.h"
#include "conf/param.h"
#include "postcat.h"
#include "queue/qid.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 30 };

static bool read_all(int fd, struct buf *out)
{
    for (;;) {
        char *to = buf_room(out, 65536);
        ssize_t n = to == NULL ? -1 : read(fd, to, 65536);
        if (n < 0 && to != NULL && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        buf_added(out, (size_t)n);
    }
}

static void show(int fd, const char *name, const struct postcat_options *o)
{
    struct buf file = buf_make(FILE_MAX), out = { 0 };
    struct err err;
    if (!read_all(fd, &file))
        log_fatal("read %s: %s", name, strerror(errno));
    int r = postcat_print(buf_str(&file), name, o, &out, &err);
    (void)fwrite(out.n == 0 ? "" : out.p, 1, out.n, stdout);
    (void)fflush(stdout);
    if (r < 0 && err.kind == ERR_PERM)
        log_warning("%s", err.text);
    else if (r < 0)
        log_fatal("%s", err.text);
    buf_done(&file);
    buf_done(&out);
}

static void enter_queue(const char *config_dir)
{
    struct err err;
    struct config *c = config_load(config_dir_choose(config_dir), &err);
    if (c == NULL || config_enter_queue(c, &err) < 0)
        log_fatal("%s", err.text);
    config_free(c);
}

static void show_id(const char *id, const struct postcat_options *o)
{
    static const char *const queues[] = { "maildrop", "incoming", "active", "deferred", "hold", "saved", "corrupt" };
    char path[QPATH_MAX];
    if (!qid_is_valid(str_from(id)))
        log_fatal("bad mail queue ID: %s", id);
    for (size_t i = 0; i < N_ELEMS(queues); i++) {
        qid_path(queues[i], id, "", path);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        show(fd, path, o);
        (void)close(fd);
        return;
    }
    log_fatal("open queue file %s: %s", id, strerror(ENOENT));
}

static void show_file(const char *name, const struct postcat_options *o)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        log_fatal("open %s: %s", name, strerror(errno));
    show(fd, name, o);
    (void)close(fd);
}

static void set_option(struct postcat_options *o, int c)
{
    switch (c) {
    case 'b': o->body = true; break;
    case 'd': o->decimal = true; break;
    case 'e': o->envelope = true; break;
    case 'h': o->headers = true; break;
    case 'o': o->offsets = true; break;
    case 'r': o->raw = true; break;
    case 'v': o->verbose = true; break;
    default:
        log_fatal("usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] [-h (header text)] "
                  "[-o (print offset)] [-q (access queue)] [-r (raw)] [-v] [file(s)...]");
    }
}

int main(int argc, char **argv)
{
    const char *config_dir = NULL;
    struct postcat_options o = { 0 };
    bool in_queue = false;
    int c;
    log_set_ident("postcat");
    while ((c = getopt(argc, argv, "bc:dehoqrv")) != -1) {
        if (c == 'c')
            config_dir = optarg;
        else if (c == 'q')
            in_queue = true;
        else
            set_option(&o, c);
    }
    if (!o.body && !o.envelope && !o.headers)
        o.body = o.envelope = o.headers = true;
    if (in_queue)
        enter_queue(config_dir);
    if (optind == argc && !in_queue)
        show(STDIN_FILENO, "stdin", &o);
    for (int i = optind; i < argc; i++)
        (in_queue ? show_id : show_file)(argv[i], &o);
    return EXIT_SUCCESS;
}
