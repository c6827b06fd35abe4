/* SPDX-License-Identifier: ISC */
#include "store/deliver.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "os/clock.h"
#include "store/private.h"

enum { BUFFER_SIZE = 65536 };

struct deliver {
    char *maildir, *token;
    int dir, fd;
    struct buf tmp, pending;
    uint64_t size, vsize;
    bool last_cr, dir_synced;
};

static bool has_token(int dir, const char *sub, const char *token)
{
    int fd = fs_open_dir(dir, sub);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    bool found = false;
    if (d == NULL)
        return false;
    struct buf want = buf_make(300);
    buf_printf(&want, "T%s.", token);
    for (const struct dirent *e = readdir(d); e != NULL && !found; e = readdir(d))
        found = str_find(str_from(e->d_name), buf_str(&want)) >= 0;
    closedir(d);
    buf_done(&want);
    return found;
}

static int make_parts(int dir, const char *path, struct err *err)
{
    static const char *const parts[] = { "tmp", "new", "cur" };
    for (size_t i = 0; i < N_ELEMS(parts); i++)
        if (mkdirat(dir, parts[i], 0700) < 0 && errno != EEXIST)
            return err_sys(err, ERR_TEMP, "mkdir %s/%s", path, parts[i]);
    return fs_sync_dir(dir, NULL, err);
}

/* One that is not there is made, and each level synced. Its parts are made when they turn out to be missing. */
static int open_maildir(const char *path, struct err *err)
{
    int dir = fs_open_dir(AT_FDCWD, path);
    if (dir < 0 && errno != ENOENT)
        return err_sys(err, ERR_TEMP, "open %s", path);
    if (dir >= 0)
        return dir;
    if (fs_make_dirs(path, 0700, err) < 0)
        return -1;
    dir = fs_open_dir(AT_FDCWD, path);
    return dir < 0 ? err_sys(err, ERR_TEMP, "open %s", path) : dir;
}

/* The host's name as part of a file name, asked for once. */
static const char *host_part(void)
{
    static char host[256];
    if (host[0] != '\0')
        return host;
    if (gethostname(host, sizeof(host) - 1) < 0 || host[0] == '\0')
        memcpy(host, "localhost", sizeof("localhost"));
    for (char *p = host; *p != '\0'; p++)
        if (*p == '/' || *p == ':' || *p == ',')
            *p = '_';
    return host;
}

static void name_start(struct buf *out, const char *token, int64_t now_us)
{
    static unsigned count;
    buf_printf(out, "%lld.M%06lldP%dQ%uT%s", (long long)(now_us / 1000000), (long long)(now_us % 1000000), (int)getpid(), ++count, token);
}

static int open_tmp(struct deliver *d)
{
    return openat(d->dir, buf_cstr(&d->tmp), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int deliver_open(const char *maildir, const char *token, bool maybe_done, struct deliver **ret, bool *ret_done, struct err *err)
{
    struct err look = { 0 };
    *ret_done = false;
    *ret = NULL;
    int dir = open_maildir(maildir, err);
    if (dir < 0)
        return -1;
    if (maybe_done && (has_token(dir, "new", token) || has_token(dir, "cur", token))) {
        /* Its name may not have been synced before the crash. */
        *ret_done = fs_sync_dir(dir, "new", &look) == 0 && fs_sync_dir(dir, "cur", &look) == 0;
        close(dir);
        return *ret_done ? 0 : err_set(err, ERR_TEMP, "%s", look.text);
    }
    struct deliver *d = xcalloc(1, sizeof(*d));
    *d = (struct deliver){ .maildir = xstrdup(maildir), .token = xstrdup(token), .dir = dir, .tmp = buf_make(600), .pending = buf_make(0) };
    buf_puts(&d->tmp, "tmp/");
    name_start(&d->tmp, token, clock_wall_us());
    d->fd = open_tmp(d);
    int rc = d->fd < 0 && errno == ENOENT ? make_parts(dir, maildir, err) : 0;
    if (d->fd < 0 && rc == 0)
        d->fd = open_tmp(d);
    if (d->fd < 0) {
        if (rc == 0)
            rc = err_sys(err, ERR_TEMP, "create %s/%s", maildir, buf_cstr(&d->tmp));
        buf_reset(&d->tmp);
        deliver_free(d);
        return rc;
    }
    *ret = d;
    return 0;
}

static int write_pending(struct deliver *d, struct err *err)
{
    int rc = fs_write_all(d->fd, d->pending.p, d->pending.n) == 0 ? 0 : err_sys(err, ERR_TEMP, "write %s/%s", d->maildir, buf_cstr(&d->tmp));
    buf_reset(&d->pending);
    return rc;
}

int deliver_write(struct deliver *d, struct str bytes, struct err *err)
{
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] == '\n' && !d->last_cr)
            d->vsize++;
        d->last_cr = bytes.p[i] == '\r';
    }
    d->size += bytes.n;
    d->vsize += bytes.n;
    buf_add(&d->pending, bytes);
    return d->pending.n >= BUFFER_SIZE ? write_pending(d, err) : 0;
}

static void final_name(struct deliver *d, struct buf *out)
{
    buf_puts(out, "new/");
    buf_add(out, str_skip(buf_str(&d->tmp), 4));
    buf_printf(out, ".%s", host_part());
    buf_printf(out, ",S=%llu,W=%llu", (unsigned long long)d->size, (unsigned long long)d->vsize);
}

/* Begin writing out, without waiting: the first fsync then finds the others' blocks in the same journal commit. */
static int start_writing(struct deliver *d, struct err *err)
{
    int rc = write_pending(d, err);
    if (rc == 0)
        (void)sync_file_range(d->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return rc;
}

static int sync_and_name(struct deliver *d, struct err *err)
{
    if (fsync(d->fd) < 0)
        return err_sys(err, ERR_TEMP, "fsync %s/%s", d->maildir, buf_cstr(&d->tmp));
    struct buf name = buf_make(600);
    final_name(d, &name);
    int rc = renameat(d->dir, buf_cstr(&d->tmp), d->dir, buf_cstr(&name));
    if (rc < 0 && errno == ENOENT && make_parts(d->dir, d->maildir, err) == 0)      /* new/ was missing */
        rc = renameat(d->dir, buf_cstr(&d->tmp), d->dir, buf_cstr(&name));
    if (rc < 0)
        rc = err_sys(err, ERR_TEMP, "rename %s/%s", d->maildir, buf_cstr(&d->tmp));
    else
        buf_reset(&d->tmp);
    buf_done(&name);
    return rc;
}

/* One sync for all that were renamed into the same new/. */
static void sync_dirs(struct deliver *const *d, size_t n, int *rc, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (rc[i] != 0 || d[i]->dir_synced)
            continue;
        int result = fs_sync_dir(d[i]->dir, "new", &err[i]);
        for (size_t k = i; k < n; k++) {
            if (rc[k] != 0 || strcmp(d[i]->maildir, d[k]->maildir) != 0)
                continue;
            d[k]->dir_synced = true;
            rc[k] = result;
            if (k != i)
                err[k] = err[i];
        }
    }
}

void deliver_commit_all(struct deliver *const *d, size_t n, int *rc, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        rc[i] = start_writing(d[i], &err[i]);
    for (size_t i = 0; i < n; i++)
        if (rc[i] == 0)
            rc[i] = sync_and_name(d[i], &err[i]);
    sync_dirs(d, n, rc, err);
}

void deliver_free(struct deliver *d)
{
    if (d == NULL)
        return;
    if (d->fd >= 0)
        close(d->fd);
    if (d->tmp.n > 0)
        unlinkat(d->dir, buf_cstr(&d->tmp), 0);
    close(d->dir);
    buf_done(&d->tmp);
    buf_done(&d->pending);
    free(d->maildir);
    free(d->token);
    free(d);
}
