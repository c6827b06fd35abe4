/* SPDX-License-Identifier: ISC */
#include "map/lmdb_file.h"
#include "map/map_type.h"
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

enum nul { NUL_UNKNOWN, NUL_YES, NUL_NO };
struct lmdb_file {
    char *path;
    MDB_env *env;
    MDB_dbi dbi;
    int fd;                 /* the environment's own, also locked */
    uint64_t map_size;
    enum nul nul;
    bool write;
};
struct lmdb_batch {
    struct lmdb_file *file;
    MDB_txn *txn;
    size_t puts;
};

static int fail(const struct lmdb_file *f, int code, enum err_kind kind, const char *what, struct err *err)
{
    return err_set(err, kind, "%s: %s: %s", f->path, what, mdb_strerror(code));
}

static int set_lock(const struct lmdb_file *f, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
    return fcntl(f->fd, F_SETLK, &lock);
}

/* WAITS. */
static int lock_file(const struct lmdb_file *f, bool exclusive, struct err *err)
{
    unsigned waited = 0;
    for (unsigned pause = 2; set_lock(f, exclusive ? F_WRLCK : F_RDLCK) < 0; pause = MIN(pause * 2, 200u)) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return err_sys(err, ERR_TEMP, "lock %s", f->path);
        if (waited > LMDB_LOCK_SECONDS * 1000)
            return err_set(err, ERR_TEMP, "%s: still locked by another program after %d seconds", f->path, LMDB_LOCK_SECONDS);
        map_pause(pause);
        waited += pause;
    }
    return 0;
}

static void unlock_file(const struct lmdb_file *f)
{
    (void)set_lock(f, F_UNLCK);
}

/* A map of pages that are not in the file would be a SIGBUS at the first access. */
static int check_length(const struct lmdb_file *f, struct err *err)
{
    MDB_envinfo info;
    MDB_stat pages;
    struct stat st;
    int rc = mdb_env_info(f->env, &info);
    if (rc == 0)
        rc = mdb_env_stat(f->env, &pages);
    if (rc != 0)
        return fail(f, rc, ERR_PROTO, "read", err);
    if (fstat(f->fd, &st) < 0)
        return err_sys(err, ERR_PROTO, "stat %s", f->path);
    uint64_t need = ((uint64_t)info.me_last_pgno + 1) * pages.ms_psize;
    if ((uint64_t)st.st_size < need)
        return err_set(err, ERR_PROTO, "%s: truncated: %lld bytes of %llu; make it anew from its source with postmap",
                       f->path, (long long)st.st_size, (unsigned long long)need);
    return 0;
}

static int begin(const struct lmdb_file *f, unsigned flags, MDB_txn **ret)
{
    int rc = mdb_txn_begin(f->env, NULL, flags, ret);
    if (rc == MDB_MAP_RESIZED && mdb_env_set_mapsize(f->env, 0) == 0)   /* another program has let it grow */
        rc = mdb_txn_begin(f->env, NULL, flags, ret);
    return rc;
}

static int open_database(struct lmdb_file *f, struct err *err)
{
    MDB_txn *txn;
    if (lock_file(f, f->write, err) < 0)
        return -1;
    int rc = check_length(f, err) < 0 ? -1 : begin(f, f->write ? 0 : MDB_RDONLY, &txn);
    if (rc == 0) {
        rc = mdb_dbi_open(txn, NULL, 0, &f->dbi);
        if (rc == 0)
            rc = mdb_txn_commit(txn);
        else
            mdb_txn_abort(txn);
    }
    unlock_file(f);
    return rc <= -1 && rc > -1000 ? -1 : rc == 0 ? 0 : fail(f, rc, ERR_PROTO, "open", err);
}

static int open_env(struct lmdb_file *f, unsigned mode, struct err *err)
{
    struct stat st;
    if (stat(f->path, &st) == 0 && (uint64_t)st.st_size * 2 > f->map_size)
        f->map_size = (uint64_t)st.st_size * 2;
    int rc = mdb_env_create(&f->env);
    if (rc == 0)
        rc = mdb_env_set_mapsize(f->env, f->map_size);
    if (rc == 0)
        rc = mdb_env_open(f->env, f->path, MDB_NOSUBDIR | MDB_NOLOCK | (f->write ? 0u : MDB_RDONLY), (mdb_mode_t)mode);
    if (rc == 0)
        rc = mdb_env_get_fd(f->env, &f->fd);
    if (rc != 0)
        return fail(f, rc, rc == ENOENT || rc == EACCES ? ERR_CONFIG : ERR_PROTO, "open", err);
    (void)fcntl(f->fd, F_SETFD, FD_CLOEXEC);
    return open_database(f, err);
}

struct lmdb_file *lmdb_file_open(const char *path, bool write, unsigned mode, uint64_t map_size, struct err *err)
{
    struct lmdb_file *f = xcalloc(1, sizeof *f);
    f->path = xstrdup(path);
    f->map_size = MAX(map_size, (uint64_t)1 << 20);
    f->write = write;
    if (open_env(f, mode, err) == 0)
        return f;
    lmdb_file_close(f);
    return NULL;
}

void lmdb_file_close(struct lmdb_file *f)
{
    if (f == NULL)
        return;
    if (f->env != NULL)
        mdb_env_close(f->env);
    free(f->path);
    free(f);
}

static int get_as(const struct lmdb_file *f, MDB_txn *txn, const char *key, size_t n, MDB_val *ret)
{
    if (n == 0 || n > (size_t)mdb_env_get_maxkeysize(f->env))
        return MDB_NOTFOUND;
    MDB_val k = { .mv_size = n, .mv_data = (void *)(uintptr_t)key };
    return mdb_get(txn, f->dbi, &k, ret);
}

/* key is followed by a NUL. */
static int get_either(struct lmdb_file *f, MDB_txn *txn, struct str key, MDB_val *ret)
{
    int rc = f->nul == NUL_NO ? MDB_NOTFOUND : get_as(f, txn, key.p, key.n + 1, ret);
    if (rc == 0)
        f->nul = NUL_YES;
    if (rc != MDB_NOTFOUND || f->nul == NUL_YES)
        return rc;
    rc = get_as(f, txn, key.p, key.n, ret);
    if (rc == 0)
        f->nul = NUL_NO;
    return rc;
}

static struct str without_nul(MDB_val v)
{
    struct str s = str_make(v.mv_data, v.mv_size);
    if (s.n > 0 && s.p[s.n - 1] == '\0')
        s.n--;
    return s;
}

enum map_result lmdb_file_get(struct lmdb_file *f, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    MDB_txn *txn;
    MDB_val value;
    struct str k = str_dup(a, key);
    if (lock_file(f, false, err) < 0)
        return MAP_TEMP;
    int rc = begin(f, MDB_RDONLY, &txn);
    if (rc == 0) {
        rc = get_either(f, txn, k, &value);
        if (rc == 0)
            *ret_value = str_dup(a, without_nul(value));
        mdb_txn_abort(txn);
    }
    unlock_file(f);
    if (rc == 0)
        return MAP_FOUND;
    if (rc == MDB_NOTFOUND)
        return MAP_NONE;
    (void)fail(f, rc, ERR_TEMP, "lookup", err);
    return MAP_TEMP;
}

static int delete_as(const struct lmdb_file *f, MDB_txn *txn, const char *key, size_t n)
{
    MDB_val k = { .mv_size = n, .mv_data = (void *)(uintptr_t)key };
    return n > (size_t)mdb_env_get_maxkeysize(f->env) ? MDB_NOTFOUND : mdb_del(txn, f->dbi, &k, NULL);
}

enum map_result lmdb_file_delete(struct lmdb_file *f, struct str key, struct err *err)
{
    MDB_txn *txn;
    char *z = xcalloc(1, key.n + 1);
    memcpy(z, key.p, key.n);
    int rc = lock_file(f, true, err) < 0 ? -1 : begin(f, 0, &txn);
    if (rc == 0) {
        int with = delete_as(f, txn, z, key.n + 1), without = delete_as(f, txn, z, key.n);
        rc = with == 0 || without == 0 ? 0 : with;
        int done = mdb_txn_commit(txn);
        if (done != 0)
            rc = done;
    }
    if (rc != -1)
        unlock_file(f);
    free(z);
    if (rc == MDB_NOTFOUND)
        return MAP_NONE;
    if (rc > 0 || rc < -1)
        (void)fail(f, rc, ERR_TEMP, "delete", err);
    return rc == 0 ? MAP_FOUND : MAP_TEMP;
}

static int each_record(const struct lmdb_file *f, MDB_txn *txn, bool (*each)(void *user, struct str key, struct str value), void *user)
{
    MDB_cursor *cur;
    MDB_val k, v;
    int rc = mdb_cursor_open(txn, f->dbi, &cur);
    if (rc != 0)
        return rc;
    for (rc = mdb_cursor_get(cur, &k, &v, MDB_FIRST); rc == 0; rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT))
        if (!each(user, without_nul(k), without_nul(v)))
            break;
    mdb_cursor_close(cur);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int lmdb_file_each(struct lmdb_file *f, bool (*each)(void *user, struct str key, struct str value), void *user, struct err *err)
{
    MDB_txn *txn;
    if (lock_file(f, false, err) < 0)
        return -1;
    int rc = begin(f, MDB_RDONLY, &txn);
    if (rc == 0) {
        rc = each_record(f, txn, each, user);
        mdb_txn_abort(txn);
    }
    unlock_file(f);
    return rc == 0 ? 0 : fail(f, rc, ERR_TEMP, "read", err);
}

struct lmdb_batch *lmdb_batch_begin(struct lmdb_file *f, bool keep, struct err *err)
{
    MDB_txn *txn;
    if (lock_file(f, true, err) < 0)
        return NULL;
    int rc = begin(f, 0, &txn);
    if (rc == 0 && !keep && (rc = mdb_drop(txn, f->dbi, 0)) != 0)
        mdb_txn_abort(txn);
    if (rc != 0) {
        (void)fail(f, rc, ERR_TEMP, "write", err);
        unlock_file(f);
        return NULL;
    }
    struct lmdb_batch *b = xcalloc(1, sizeof *b);
    *b = (struct lmdb_batch){ .file = f, .txn = txn };
    return b;
}

static MDB_val nul_ended(struct buf *room, struct str s, bool with_nul)
{
    buf_reset(room);
    buf_add(room, s);
    buf_putc(room, '\0');
    return (MDB_val){ .mv_size = s.n + with_nul, .mv_data = room->p };
}

int lmdb_batch_put(struct lmdb_batch *b, struct str key, struct str value, bool with_nul, bool replace, struct err *err)
{
    struct buf kb = buf_make(0), vb = buf_make(0);
    MDB_val k = nul_ended(&kb, key, with_nul), v = nul_ended(&vb, value, with_nul);
    int rc;
    if (key.n == 0 || k.mv_size > (size_t)mdb_env_get_maxkeysize(b->file->env))
        rc = err_set(err, ERR_LIMIT, "%s: key \"%.*s\" is %s (at most %d bytes)", b->file->path, (int)MIN(key.n, 40), key.p,
                     key.n == 0 ? "empty" : "too long", LMDB_KEY_MAX);
    else if ((rc = mdb_put(b->txn, b->file->dbi, &k, &v, replace ? 0u : MDB_NOOVERWRITE)) == MDB_KEYEXIST)
        rc = 1;
    else if (rc == MDB_MAP_FULL)
        rc = err_set(err, ERR_LIMIT, "%s: the table does not fit into %llu bytes; raise lmdb_map_size", b->file->path,
                     (unsigned long long)b->file->map_size);
    else if (rc != 0)
        rc = fail(b->file, rc, ERR_TEMP, "write", err);
    buf_done(&kb);
    buf_done(&vb);
    return rc;
}

int lmdb_batch_commit(struct lmdb_batch *b, struct err *err)
{
    int rc = mdb_txn_commit(b->txn);
    if (rc != 0)
        rc = fail(b->file, rc, ERR_TEMP, "commit", err);
    unlock_file(b->file);
    free(b);
    return rc;
}

void lmdb_batch_abort(struct lmdb_batch *b)
{
    if (b == NULL)
        return;
    mdb_txn_abort(b->txn);
    unlock_file(b->file);
    free(b);
}
