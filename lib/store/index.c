/* SPDX-License-Identifier: ISC */
#include "store/index.h"
#include <errno.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/num.h"
#include "base/vec.h"

enum { INDEX_VERSION = 2, MAX_READERS = 1024, KEY_MAX_SIZE = 480, ROW_FIXED = 48, BOX_SIZE = 104 };
#define FIRST_MAP_SIZE ((size_t)1 << 30)

enum table { T_META, T_BOX, T_MSG, T_GONE, T_BLOB, N_TABLES };
static const char *const table_names[N_TABLES] = { "meta", "box", "msg", "gone", "blob" };

struct index {
    MDB_env *env;
    MDB_dbi dbi[N_TABLES];
    MDB_txn *read, *write;
    bool failed;                /* the write transaction met an error */
};

static MDB_val val(struct str s) { return (MDB_val){ s.n, (void *)(uintptr_t)s.p }; }

/* --- opening ---------------------------------------------------------------- */

/* A file that is shorter than its last page would end the process with SIGBUS. */
static bool file_is_whole(MDB_env *env)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat st;
    mdb_filehandle_t fd;
    if (mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &stat) != 0 || mdb_env_get_fd(env, &fd) != 0 || fstat(fd, &st) < 0)
        return false;
    return (uint64_t)st.st_size >= ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize || info.me_last_pgno <= 1;
}

static bool check_version(struct index *ix, MDB_txn *txn)
{
    MDB_val key = { 7, (void *)(uintptr_t)"version" }, value;
    uint8_t bytes[4];
    int rc = mdb_get(txn, ix->dbi[T_META], &key, &value);
    if (rc == 0)
        return value.mv_size == 4 && get_be32(value.mv_data) == INDEX_VERSION;
    put_be32(bytes, INDEX_VERSION);
    value = (MDB_val){ 4, bytes };
    return rc == MDB_NOTFOUND && mdb_put(txn, ix->dbi[T_META], &key, &value, 0) == 0;
}

static bool open_tables(struct index *ix)
{
    MDB_txn *txn;
    MDB_stat stat;
    if (mdb_txn_begin(ix->env, NULL, MDB_RDONLY, &txn) != 0)
        return false;
    bool there = true;
    for (size_t i = 0; i < N_TABLES && there; i++)
        there = mdb_dbi_open(txn, table_names[i], 0, &ix->dbi[i]) == 0;
    there = there && mdb_stat(txn, ix->dbi[T_META], &stat) == 0 && stat.ms_entries > 0;
    if (there) {
        bool ok = check_version(ix, txn);
        mdb_txn_commit(txn);
        return ok;
    }
    mdb_txn_abort(txn);
    if (mdb_txn_begin(ix->env, NULL, 0, &txn) != 0)
        return false;
    bool ok = true;
    for (size_t i = 0; i < N_TABLES && ok; i++)
        ok = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &ix->dbi[i]) == 0;
    ok = ok && check_version(ix, txn);
    if (!ok)
        mdb_txn_abort(txn);
    return ok && mdb_txn_commit(txn) == 0;
}

static struct index *try_open(const char *dir)
{
    struct index *ix = xcalloc(1, sizeof(*ix));
    int dead;
    bool ok = mdb_env_create(&ix->env) == 0;
    ok = ok && mdb_env_set_maxreaders(ix->env, MAX_READERS) == 0 && mdb_env_set_maxdbs(ix->env, N_TABLES) == 0
        && mdb_env_set_mapsize(ix->env, FIRST_MAP_SIZE) == 0;
    /* NOMETASYNC: one sync per commit; the last one may be lost, the file cannot be damaged. */
    ok = ok && mdb_env_open(ix->env, dir, MDB_NOMETASYNC | MDB_NOTLS, 0600) == 0 && file_is_whole(ix->env);
    if (ok)
        mdb_reader_check(ix->env, &dead);
    if (ok && open_tables(ix))
        return ix;
    if (ix->env != NULL)
        mdb_env_close(ix->env);
    free(ix);
    return NULL;
}

static void remove_dir(const char *dir)
{
    static const char *const files[] = { "data.mdb", "lock.mdb" };
    struct buf path = buf_make(4300);
    for (size_t i = 0; i < N_ELEMS(files); i++) {
        buf_reset(&path);
        buf_printf(&path, "%s/%s", dir, files[i]);
        unlink(buf_cstr(&path));
    }
    rmdir(dir);
    buf_done(&path);
}

/*
 * LMDB trusts its pages: what damage nobody looked for can end the process, and would end each that follows. So the
 * last act of a process that has the index open is to set it aside; then the signal takes its course.
 */
static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGABRT };
static struct {
    char dir[4200], bad[4200], bad_data[4250], bad_lock[4250];
    struct sigaction before[N_ELEMS(fatal_signals)];
    bool armed;
} last_act;

static void set_aside(int signo)
{
    int saved = errno;
    (void)unlink(last_act.bad_data);
    (void)unlink(last_act.bad_lock);
    (void)rmdir(last_act.bad);
    (void)rename(last_act.dir, last_act.bad);
    /* All of them: what happens next may be another one. */
    for (size_t i = 0; i < N_ELEMS(fatal_signals); i++)
        (void)sigaction(fatal_signals[i], &last_act.before[i], NULL);
    errno = saved;
    (void)raise(signo);     /* comes when this handler has returned */
}

static void arm(const char *dir, const char *bad)
{
    struct sigaction sa = { .sa_handler = set_aside };
    snprintf(last_act.dir, sizeof(last_act.dir), "%s", dir);
    snprintf(last_act.bad, sizeof(last_act.bad), "%s", bad);
    snprintf(last_act.bad_data, sizeof(last_act.bad_data), "%s/data.mdb", last_act.bad);
    snprintf(last_act.bad_lock, sizeof(last_act.bad_lock), "%s/lock.mdb", last_act.bad);
    for (size_t i = 0; i < N_ELEMS(fatal_signals) && !last_act.armed; i++)
        (void)sigaction(fatal_signals[i], &sa, &last_act.before[i]);
    last_act.armed = true;
}

static void disarm(void)
{
    for (size_t i = 0; i < N_ELEMS(fatal_signals) && last_act.armed; i++)
        (void)sigaction(fatal_signals[i], &last_act.before[i], NULL);
    last_act.armed = false;
}

struct index *index_open(const char *root, bool hidden)
{
    struct buf dir = buf_make(4200), bad = buf_make(4200);
    buf_printf(&dir, "%s/%spostern-index", root, hidden ? "." : "");
    buf_printf(&bad, "%s/%spostern-index.bad", root, hidden ? "." : "");
    struct index *ix = NULL;
    if (mkdir(buf_cstr(&dir), 0700) == 0 || errno == EEXIST) {
        arm(buf_cstr(&dir), buf_cstr(&bad));
        ix = try_open(buf_cstr(&dir));
        if (ix == NULL) {
            remove_dir(buf_cstr(&bad));
            if (rename(buf_cstr(&dir), buf_cstr(&bad)) == 0 && mkdir(buf_cstr(&dir), 0700) == 0)
                ix = try_open(buf_cstr(&dir));
        }
    }
    if (ix == NULL)
        disarm();
    buf_done(&dir);
    buf_done(&bad);
    return ix;
}

void index_close(struct index *ix)
{
    if (ix == NULL)
        return;
    index_read_end(ix);
    if (ix->write != NULL)
        mdb_txn_abort(ix->write);
    mdb_env_close(ix->env);
    free(ix);
    disarm();
}

/* --- reading ---------------------------------------------------------------- */

static MDB_txn *begin_read(struct index *ix)
{
    if (ix->read != NULL)
        return ix->read;
    int rc = mdb_txn_begin(ix->env, NULL, MDB_RDONLY, &ix->read);
    if (rc == MDB_MAP_RESIZED && mdb_env_set_mapsize(ix->env, 0) == 0)
        rc = mdb_txn_begin(ix->env, NULL, MDB_RDONLY, &ix->read);
    if (rc != 0)
        ix->read = NULL;
    return ix->read;
}

void index_read_end(struct index *ix)
{
    if (ix != NULL && ix->read != NULL) {
        mdb_txn_abort(ix->read);
        ix->read = NULL;
    }
}

/* Reads inside a write transaction see its own changes. */
static bool get(struct index *ix, enum table table, MDB_val *key, MDB_val *ret)
{
    if (ix == NULL)
        return false;
    MDB_txn *txn = ix->write != NULL ? ix->write : begin_read(ix);
    return txn != NULL && mdb_get(txn, ix->dbi[table], key, ret) == 0;
}

static const uint8_t *get_state(const uint8_t *p, struct file_state *s)
{
    *s = (struct file_state){ get_be64(p), (int64_t)get_be64(p + 8), get_be64(p + 16) };
    return p + 24;
}

static uint8_t *put_state(uint8_t *p, const struct file_state *s)
{
    put_be64(p, s->ino);
    put_be64(p + 8, (uint64_t)s->mtime_ns);
    put_be64(p + 16, s->size);
    return p + 24;
}

static void pack_box(uint8_t p[BOX_SIZE], const struct index_box *box)
{
    put_be32(p, box->id);
    put_be32(p + 4, box->uidvalidity);
    put_be32(p + 8, box->uidnext);
    put_be64(p + 12, box->modseq);
    put_be64(p + 20, box->tombstones_from);
    p = put_state(p + 28, &box->disk.cur);
    p = put_state(p, &box->disk.new);
    p = put_state(p, &box->disk.list);
    put_be32(p, box->messages);
}

static MDB_val box_key(struct str name, char buf[KEY_MAX_SIZE])
{
    size_t n = MIN(name.n, (size_t)KEY_MAX_SIZE - 1);
    buf[0] = '.';
    memcpy(buf + 1, name.p, n);
    return (MDB_val){ n + 1, buf };
}

bool index_get_box(struct index *ix, struct str name, struct index_box *ret)
{
    char buf[KEY_MAX_SIZE];
    MDB_val key = box_key(name, buf), value;
    if (!get(ix, T_BOX, &key, &value) || value.mv_size != BOX_SIZE)
        return false;
    const uint8_t *p = value.mv_data;
    struct index_box b = {
        .id = get_be32(p), .uidvalidity = get_be32(p + 4), .uidnext = get_be32(p + 8),
        .modseq = get_be64(p + 12), .tombstones_from = get_be64(p + 20),
    };
    p = get_state(p + 28, &b.disk.cur);
    p = get_state(p, &b.disk.new);
    p = get_state(p, &b.disk.list);
    b.messages = get_be32(p);
    *ret = b;
    return true;
}

/* flags 1, in_new 1, name length 2, keywords 4, modseq 8, size 8, vsize 8, date 8, spare 8, name, ext */
static bool unpack_row(const MDB_val *key, const MDB_val *value, struct index_row *ret)
{
    if (key->mv_size != 8 || value->mv_size < ROW_FIXED)
        return false;
    const uint8_t *p = value->mv_data;
    size_t name_n = get_be16(p + 2);
    if (value->mv_size < ROW_FIXED + name_n)
        return false;
    const char *text = (const char *)p + ROW_FIXED;
    *ret = (struct index_row){
        .uid = get_be32((const uint8_t *)key->mv_data + 4), .flags = p[0], .in_new = p[1] != 0, .keywords = get_be32(p + 4),
        .modseq = get_be64(p + 8), .size = get_be64(p + 16), .vsize = get_be64(p + 24), .date = (int64_t)get_be64(p + 32),
        .name = str_make(text, name_n), .ext = str_make(text + name_n, value->mv_size - ROW_FIXED - name_n),
    };
    return name_n > 0;
}

bool index_get_row(struct index *ix, uint32_t box_id, uint32_t uid, struct index_row *ret)
{
    uint8_t bytes[8];
    put_be32(bytes, box_id);
    put_be32(bytes + 4, uid);
    MDB_val key = { sizeof(bytes), bytes }, value;
    return get(ix, T_MSG, &key, &value) && unpack_row(&key, &value, ret);
}

bool index_each(struct index *ix, uint32_t box_id, bool (*fn)(void *arg, const struct index_row *row), void *arg)
{
    MDB_txn *txn = ix == NULL ? NULL : ix->write != NULL ? ix->write : begin_read(ix);
    MDB_cursor *cursor;
    if (txn == NULL || mdb_cursor_open(txn, ix->dbi[T_MSG], &cursor) != 0)
        return false;
    uint8_t from[8] = { 0 };
    put_be32(from, box_id);
    MDB_val key = { 8, from }, value;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    bool ok = true;
    while (rc == 0 && ok && key.mv_size == 8 && memcmp(key.mv_data, from, 4) == 0) {
        struct index_row row;
        ok = unpack_row(&key, &value, &row) && fn(arg, &row);
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return ok && (rc == 0 || rc == MDB_NOTFOUND);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

bool index_gone(struct index *ix, const struct index_box *box, uint64_t since, struct arena *a, uint32_t **ret, size_t *ret_n)
{
    MDB_txn *txn = ix == NULL ? NULL : begin_read(ix);
    MDB_cursor *cursor;
    if (txn == NULL || since < box->tombstones_from || mdb_cursor_open(txn, ix->dbi[T_GONE], &cursor) != 0)
        return false;
    uint8_t from[16] = { 0 };
    put_be32(from, box->id);
    put_be64(from + 4, since + 1);
    MDB_val key = { 16, from }, value;
    VEC(uint32_t) uids = { 0 };
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    for (; rc == 0 && key.mv_size == 16 && memcmp(key.mv_data, from, 4) == 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
        vec_push(&uids, get_be32((const uint8_t *)key.mv_data + 12));
    mdb_cursor_close(cursor);
    if (uids.n > 0)
        qsort(uids.p, uids.n, sizeof(uids.p[0]), by_number);
    *ret = ARENA_ARRAY(a, uint32_t, uids.n + 1);
    if (uids.n > 0)
        memcpy(*ret, uids.p, uids.n * sizeof(uids.p[0]));
    *ret_n = uids.n;
    vec_done(&uids);
    return true;
}

static bool blob_key(struct str guid, unsigned kind, char buf[KEY_MAX_SIZE], MDB_val *ret)
{
    if (guid.n + 1 > KEY_MAX_SIZE)
        return false;
    memcpy(buf, guid.p, guid.n);
    buf[guid.n] = (char)kind;
    *ret = (MDB_val){ guid.n + 1, buf };
    return true;
}

bool index_get_blob(struct index *ix, struct str guid, unsigned kind, struct str *ret)
{
    char buf[KEY_MAX_SIZE];
    MDB_val key, value;
    if (!blob_key(guid, kind, buf, &key) || !get(ix, T_BLOB, &key, &value))
        return false;
    *ret = str_make(value.mv_data, value.mv_size);
    return true;
}

/* --- writing ---------------------------------------------------------------- */

static int begin_write(struct index *ix)
{
    int rc = mdb_txn_begin(ix->env, NULL, 0, &ix->write);
    if (rc == MDB_MAP_RESIZED && mdb_env_set_mapsize(ix->env, 0) == 0)
        rc = mdb_txn_begin(ix->env, NULL, 0, &ix->write);
    return rc;
}

/* Grow before the map is full: a transaction that met MDB_MAP_FULL would have to be done again. */
static void grow(struct index *ix)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(ix->env, &info) != 0 || mdb_env_stat(ix->env, &stat) != 0)
        return;
    uint64_t used = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
    if (used > info.me_mapsize / 4 * 3)
        mdb_env_set_mapsize(ix->env, info.me_mapsize * 2);
}

bool index_begin(struct index *ix)
{
    if (ix == NULL)
        return false;
    index_read_end(ix);
    grow(ix);
    ix->failed = false;
    if (begin_write(ix) == 0)
        return true;
    ix->write = NULL;
    return false;
}

static void put(struct index *ix, enum table table, MDB_val key, MDB_val value)
{
    if (ix != NULL && ix->write != NULL && !ix->failed)
        ix->failed = mdb_put(ix->write, ix->dbi[table], &key, &value, 0) != 0;
}

static void drop(struct index *ix, enum table table, MDB_val key)
{
    if (ix == NULL || ix->write == NULL || ix->failed)
        return;
    int rc = mdb_del(ix->write, ix->dbi[table], &key, NULL);
    ix->failed = rc != 0 && rc != MDB_NOTFOUND;
}

static uint32_t next_box_id(struct index *ix)
{
    MDB_val key = { 4, (void *)(uintptr_t)"next" }, value;
    uint32_t id = 1;
    if (get(ix, T_META, &key, &value) && value.mv_size == 4)
        id = get_be32(value.mv_data);
    uint8_t bytes[4];
    put_be32(bytes, id + 1);
    put(ix, T_META, key, (MDB_val){ 4, bytes });
    return id;
}

void index_put_box(struct index *ix, struct str name, struct index_box *box)
{
    if (ix == NULL || ix->write == NULL)
        return;
    if (box->id == 0)
        box->id = next_box_id(ix);
    uint8_t bytes[BOX_SIZE];
    char buf[KEY_MAX_SIZE];
    pack_box(bytes, box);
    put(ix, T_BOX, box_key(name, buf), (MDB_val){ sizeof(bytes), bytes });
}

void index_put_row(struct index *ix, uint32_t box_id, const struct index_row *row)
{
    uint8_t key[8], p[ROW_FIXED] = { 0 };
    if (ix == NULL || ix->write == NULL || row->name.n > UINT16_MAX)
        return;
    put_be32(key, box_id);
    put_be32(key + 4, row->uid);
    p[0] = row->flags;
    p[1] = row->in_new;
    put_be16(p + 2, (uint16_t)row->name.n);
    put_be32(p + 4, row->keywords);
    put_be64(p + 8, row->modseq);
    put_be64(p + 16, row->size);
    put_be64(p + 24, row->vsize);
    put_be64(p + 32, (uint64_t)row->date);
    struct buf b = buf_make(0);
    buf_put(&b, p, sizeof(p));
    buf_add(&b, row->name);
    buf_add(&b, row->ext);
    put(ix, T_MSG, (MDB_val){ sizeof(key), key }, val(buf_str(&b)));
    buf_done(&b);
}

void index_drop_row(struct index *ix, uint32_t box_id, uint32_t uid, uint64_t modseq)
{
    uint8_t key[8], gone[16];
    put_be32(key, box_id);
    put_be32(key + 4, uid);
    put_be32(gone, box_id);
    put_be64(gone + 4, modseq);
    put_be32(gone + 12, uid);
    drop(ix, T_MSG, (MDB_val){ sizeof(key), key });
    put(ix, T_GONE, (MDB_val){ sizeof(gone), gone }, (MDB_val){ 0, gone });
}

static void wipe_prefix(struct index *ix, enum table table, uint32_t box_id)
{
    MDB_cursor *cursor;
    uint8_t from[16] = { 0 };
    put_be32(from, box_id);
    if (mdb_cursor_open(ix->write, ix->dbi[table], &cursor) != 0) {
        ix->failed = true;
        return;
    }
    MDB_val key = { table == T_GONE ? 16 : 8, from }, value;
    while (mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE) == 0 && key.mv_size >= 4 && memcmp(key.mv_data, from, 4) == 0) {
        if (mdb_cursor_del(cursor, 0) != 0) {
            ix->failed = true;
            break;
        }
        key = (MDB_val){ table == T_GONE ? 16 : 8, from };
    }
    mdb_cursor_close(cursor);
}

void index_wipe_box(struct index *ix, uint32_t box_id, struct str name)
{
    char buf[KEY_MAX_SIZE];
    if (ix == NULL || ix->write == NULL)
        return;
    wipe_prefix(ix, T_MSG, box_id);
    wipe_prefix(ix, T_GONE, box_id);
    if (name.p != NULL)
        drop(ix, T_BOX, box_key(name, buf));
}

void index_rename_box(struct index *ix, struct str from, struct str to)
{
    struct index_box box;
    char buf[KEY_MAX_SIZE];
    if (ix == NULL || ix->write == NULL || !index_get_box(ix, from, &box))
        return;
    drop(ix, T_BOX, box_key(from, buf));
    index_put_box(ix, to, &box);
}

void index_put_blob(struct index *ix, struct str guid, unsigned kind, struct str value)
{
    char buf[KEY_MAX_SIZE];
    MDB_val key;
    if (blob_key(guid, kind, buf, &key))
        put(ix, T_BLOB, key, val(value));
}

void index_drop_blobs(struct index *ix, struct str guid)
{
    enum { KINDS = 32 };
    char first[KEY_MAX_SIZE];
    MDB_cursor *cursor;
    MDB_val key, value, from;
    if (ix == NULL || ix->write == NULL || ix->failed || !blob_key(guid, 0, first, &from)
        || mdb_cursor_open(ix->write, ix->dbi[T_BLOB], &cursor) != 0)
        return;
    for (unsigned kinds = 0; kinds < KINDS; kinds++) {
        key = from;
        if (mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE) != 0 || key.mv_size != guid.n + 1 || memcmp(key.mv_data, guid.p, guid.n) != 0)
            break;
        if (mdb_cursor_del(cursor, 0) != 0) {
            ix->failed = true;
            break;
        }
    }
    mdb_cursor_close(cursor);
}

bool index_commit(struct index *ix)
{
    if (ix == NULL || ix->write == NULL)
        return false;
    MDB_txn *txn = ix->write;
    ix->write = NULL;
    if (!ix->failed)
        return mdb_txn_commit(txn) == 0;
    mdb_txn_abort(txn);
    return false;
}
