/* SPDX-License-Identifier: ISC
 *
 * One message: its bytes, sizes, date, names, and the texts made from it.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "store/mbox.h"
#include "store/private.h"

static int open_entry(const struct box *b, const struct entry *e)
{
    struct buf path = buf_make(600);
    buf_printf(&path, "%s/%s", e->in_new ? "new" : "cur", e->name);
    int fd = openat(b->dir, buf_cstr(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    buf_done(&path);
    return fd;
}

/* -1 with errno ENOENT in *err when the message has gone. */
int box_open_file(struct box *b, size_t i, struct err *err)
{
    struct entry *e = b->ents.p[i];
    int fd = open_entry(b, e);
    if (fd < 0 && errno == ENOENT && !b->msgs.p[i].gone) {
        /* Renamed by somebody, or gone: look once, then believe it. */
        if (box_lock_to_look(b, err) < 0)
            return -1;
        int rc = b->look_only ? 0 : flaglog_lock(&b->log, err);
        if (rc == 0)
            rc = scan_folder(b, err);
        flaglog_unlock(&b->log);
        box_unlock(b);
        if (rc < 0)
            return -1;
        errno = ENOENT;
        if (!b->msgs.p[i].gone)
            fd = open_entry(b, e);
    }
    return fd < 0 ? err_sys(err, ERR_TEMP, "open %s/%s/%s", b->store->root, b->subdir, e->name) : fd;
}

static enum store_result open_result(const struct err *err) { return err->sys == ENOENT ? STORE_NOT_FOUND : STORE_FAILED; }

/* --- line ends --------------------------------------------------------------------- */

/* LF -> CRLF; a CR that is there already stays the only one. *prev_cr: did the last piece end in CR. */
static void put_crlf(struct buf *out, struct str s, bool *prev_cr)
{
    while (s.n > 0) {
        const char *lf = memchr(s.p, '\n', s.n);
        size_t line = lf == NULL ? s.n : (size_t)(lf - s.p);
        bool cr = line > 0 ? s.p[line - 1] == '\r' : *prev_cr;
        buf_put(out, s.p, line);
        *prev_cr = cr;
        if (lf == NULL)
            return;
        buf_put(out, cr ? "\n" : "\r\n", cr ? 1 : 2);
        *prev_cr = false;
        s = str_skip(s, line + 1);
    }
}

static uint64_t count_crlf(struct str s, bool *prev_cr)
{
    uint64_t n = s.n;
    while (s.n > 0) {
        const char *lf = memchr(s.p, '\n', s.n);
        size_t line = lf == NULL ? s.n : (size_t)(lf - s.p);
        bool cr = line > 0 ? s.p[line - 1] == '\r' : *prev_cr;
        *prev_cr = cr;
        if (lf == NULL)
            break;
        n += !cr;
        *prev_cr = false;
        s = str_skip(s, line + 1);
    }
    return n;
}

/* Calls fn for the file's bytes, piece by piece. */
static int each_piece(int fd, void (*fn)(void *arg, struct str piece), void *arg)
{
    char *piece = xmalloc(65536);
    ssize_t n;
    while ((n = read(fd, piece, 65536)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            fn(arg, str_make(piece, (size_t)n));
    int saved = errno;
    free(piece);
    errno = saved;
    return n < 0 ? -1 : 0;
}

struct sink { struct buf *out; uint64_t n; bool prev_cr; };
static void read_piece(void *arg, struct str s) { struct sink *k = arg; put_crlf(k->out, s, &k->prev_cr); }
static void count_piece(void *arg, struct str s) { struct sink *k = arg; k->n += count_crlf(s, &k->prev_cr); }

static void learn_vsize(struct box *b, size_t i, uint64_t vsize)
{
    struct entry *e = b->ents.p[i];
    if (e->vsize == vsize)
        return;
    e->vsize = vsize;
    e->dirty = b->row_dirty = true;
}

static void learn_stat(struct box *b, struct entry *e, const struct stat *st)
{
    if (e->date == st->st_mtim.tv_sec)
        return;
    e->date = st->st_mtim.tv_sec;
    e->dirty = b->row_dirty = true;
}

static enum store_result scan_body(struct box *b, size_t i, void (*fn)(void *arg, struct str piece), struct sink *sink, struct err *err)
{
    if (b->mbox != NULL) {
        struct buf body = buf_make(0);
        int rc = mbox_body(b, i, &body, err);
        if (rc == 0)
            fn(sink, buf_str(&body));
        buf_done(&body);
        return rc < 0 ? open_result(err) : STORE_OK;
    }
    int fd = box_open_file(b, i, err);
    if (fd < 0)
        return open_result(err);
    struct stat st;
    if (fstat(fd, &st) == 0)
        learn_stat(b, b->ents.p[i], &st);
    int rc = each_piece(fd, fn, sink);
    if (rc < 0)
        err_sys(err, ERR_TEMP, "read %s/%s/%s", b->store->root, b->subdir, b->ents.p[i]->name);
    close(fd);
    return rc < 0 ? STORE_FAILED : STORE_OK;
}

enum store_result box_read(struct box *b, size_t i, struct buf *out, struct err *err)
{
    size_t before = out->n;
    struct sink sink = { .out = out };
    if (b->ents.p[i]->size < SIZE_MAX / 4 && out->limit == 0)
        (void)buf_room(out, (size_t)MIN(b->ents.p[i]->size, (uint64_t)64 << 20) + 4096);
    enum store_result result = scan_body(b, i, read_piece, &sink, err);
    if (result == STORE_OK && out->full) {
        err_set(err, ERR_LIMIT, "message does not fit into memory");
        return STORE_LIMIT;
    }
    if (result == STORE_OK)
        learn_vsize(b, i, out->n - before);
    return result;
}

enum store_result box_vsize(struct box *b, size_t i, uint64_t *ret, struct err *err)
{
    if (b->ents.p[i]->vsize == SIZE_UNKNOWN) {
        struct sink sink = { 0 };
        enum store_result result = scan_body(b, i, count_piece, &sink, err);
        if (result != STORE_OK)
            return result;
        learn_vsize(b, i, sink.n);
    }
    *ret = b->ents.p[i]->vsize;
    return STORE_OK;
}

enum store_result box_date(struct box *b, size_t i, int64_t *ret, struct err *err)
{
    struct entry *e = b->ents.p[i];
    if (b->mbox != NULL) {
        *ret = mbox_date(b, i);
        return STORE_OK;
    }
    if (e->date == DATE_UNKNOWN) {
        struct stat st;
        int fd = box_open_file(b, i, err);
        if (fd < 0)
            return open_result(err);
        if (fstat(fd, &st) == 0)
            learn_stat(b, e, &st);
        close(fd);
    }
    *ret = e->date == DATE_UNKNOWN ? 0 : e->date;
    return STORE_OK;
}

/* --- names ------------------------------------------------------------------------- */

void box_uidl(struct box *b, size_t i, struct buf *out)
{
    const struct entry *e = b->ents.p[i];
    struct str stored;
    if (e->ext != NULL && uidlist_ext(str_from(e->ext), 'P', &stored))
        buf_add(out, stored.n == 0 ? e->base : stored);
    else
        buf_printf(out, "%08x%08x", b->msgs.p[i].uid, b->head.uidvalidity);
}

struct str box_guid(const struct box *b, size_t i)
{
    const struct entry *e = b->ents.p[i];
    struct str guid;
    return e->ext != NULL && uidlist_ext(str_from(e->ext), 'G', &guid) && guid.n > 0 ? guid : e->base;
}

/* --- cache ------------------------------------------------------------------------- */

static const struct blob *pending_blob(const struct box *b, struct str guid, unsigned kind)
{
    for (size_t i = b->blobs.n; i > 0; i--)
        if (b->blobs.p[i - 1].kind == kind && str_eqz(guid, b->blobs.p[i - 1].guid))
            return &b->blobs.p[i - 1];
    return NULL;
}

bool box_cache_get(struct box *b, size_t i, enum box_cache_kind kind, struct str *ret)
{
    struct str guid = box_guid(b, i);
    if (b->mbox != NULL)
        return false;
    if (index_get_blob(store_index(b->store), guid, kind, ret))
        return true;
    const struct blob *blob = b->blobs.n < 64 ? pending_blob(b, guid, kind) : NULL;
    if (blob != NULL)
        *ret = str_make(blob->value, blob->n);
    return blob != NULL;
}

void box_cache_end(struct box *b) { index_read_end(b->store->index); }

void box_cache_put(struct box *b, size_t i, enum box_cache_kind kind, struct str value)
{
    enum { BLOB_MAX = 65536, BLOBS_AT_ONCE = 20000 };
    /* More than that wait for their next chance: writing here would end a read that the caller still uses. */
    if (b->mbox != NULL || store_index(b->store) == NULL || value.n > BLOB_MAX || b->blobs.n >= BLOBS_AT_ONCE)
        return;
    struct blob *blob = vec_add(&b->blobs);
    blob->guid = str_to_heap(box_guid(b, i));
    blob->kind = kind;
    blob->value = str_to_heap(value);
    blob->n = value.n;
}
