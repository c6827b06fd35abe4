/* SPDX-License-Identifier: ISC
 *
 * New messages: written to tmp/, synced, listed with their UIDs, named in cur/.
 * The order is the promise: a listed name without a file is an expunged
 * message, a file without a line gets a UID at the next scan; neither was
 * acknowledged.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "os/clock.h"
#include "store/mbox.h"
#include "store/private.h"

struct piece {              /* one message of the batch */
    int fd;
    char *tmp, *base, *guid;
    struct buf name;        /* cur/<base>:2,<flags> */
    uint8_t flags;
    uint32_t keywords;
    int64_t date;
    uint64_t size, vsize;
    bool prev_cr;
    struct buf mbox, words; /* whole text and keywords, when the target is an mbox */
};

struct append {
    struct store *store;
    struct box target;      /* only its directory, keywords and lock are used */
    VEC(struct piece *) pieces;
    VEC(uint32_t) uids;
    bool to_mbox;
};

/* --- unique names -------------------------------------------------------------------- */

void unique_name(struct buf *out, uint64_t size, uint64_t vsize)
{
    static unsigned count;
    char host[256] = "localhost";
    int64_t now = clock_wall_us();
    gethostname(host, sizeof(host) - 1);
    buf_printf(out, "%lld.M%06lldP%dQ%u.", (long long)(now / 1000000), (long long)(now % 1000000), (int)getpid(), ++count);
    for (const char *p = host; *p != '\0'; p++) {
        if (*p == '/' || *p == ':' || *p == ',')
            buf_printf(out, "\\%03o", (unsigned)*p);
        else
            buf_putc(out, *p);
    }
    if (size != SIZE_UNKNOWN)
        buf_printf(out, ",S=%llu", (unsigned long long)size);
    if (vsize != SIZE_UNKNOWN)
        buf_printf(out, ",W=%llu", (unsigned long long)vsize);
}

/* --- the target -------------------------------------------------------------------- */

static enum store_result target_open(struct store *s, struct str name, struct box *ret, struct err *err)
{
    struct buf canonical = buf_make(0), subdir = buf_make(0);
    enum store_result result = STORE_OK;
    *ret = (struct box){ .store = s, .dir = -1, .log = { .fd = -1 } };
    if (!name_check(name, &canonical)) {
        err_set(err, ERR_PERM, "not a mailbox name");
        result = STORE_BAD_NAME;
    } else {
        name_subdir(buf_str(&canonical), &subdir);
        ret->name = str_to_heap(buf_str(&canonical));
        ret->subdir = str_to_heap(buf_str(&subdir));
        bool mbox = s->inbox_mbox != NULL && subdir.n == 0;
        if (!mbox && subdir.n > 0 && !folder_exists(s, buf_cstr(&subdir))) {
            err_set(err, ERR_PERM, "mailbox does not exist");
            result = STORE_NOT_FOUND;
        } else if (!mbox && (ret->dir = fs_open_dir(s->dir, subdir.n == 0 ? "." : ret->subdir)) < 0) {
            err_sys(err, ERR_TEMP, "open %s/%s", s->root, ret->subdir);
            result = STORE_FAILED;
        }
    }
    buf_done(&canonical);
    buf_done(&subdir);
    return result;
}

static void target_close(struct box *t)
{
    box_unlock(t);
    for (size_t i = 0; i < STORE_KEYWORDS_MAX; i++)
        free(t->keywords[i]);
    if (t->dir >= 0)
        close(t->dir);
    free(t->name);
    free(t->subdir);
}

/* Under the target's lock: UIDs for n messages whose names are known, on disk before anyone is told. */
static int list_pieces(struct append *a, uint32_t *ret_first, uint32_t *ret_uidvalidity, struct err *err)
{
    struct uidlist_file list;
    struct buf lines = buf_make(0), ext = buf_make(0);
    if (uidlist_load_or_make(a->store, a->target.dir, &list, err) < 0)
        return -1;
    uint32_t first = list.head.uidnext;
    for (size_t i = 0; i < a->pieces.n; i++) {
        const struct piece *p = a->pieces.p[i];
        buf_reset(&ext);
        if (p->guid != NULL)
            buf_printf(&ext, "G%s ", p->guid);
        uidlist_put_line(&lines, &(struct uidlist_line){ first + (uint32_t)i, buf_str(&ext), str_from(p->base) });
    }
    int result = UINT32_MAX - first <= a->pieces.n ? err_set(err, ERR_LIMIT, "%s: no UIDs are left", a->target.name)
               : uidlist_append(a->target.dir, buf_str(&lines), err);
    *ret_first = first;
    *ret_uidvalidity = list.head.uidvalidity;
    buf_done(&lines);
    buf_done(&ext);
    uidlist_done(&list);
    return result;
}

/* --- writing ----------------------------------------------------------------------- */

enum store_result append_open(struct store *s, struct str box, struct append **ret, struct err *err)
{
    struct append *a = xcalloc(1, sizeof(*a));
    a->store = s;
    enum store_result result = target_open(s, box, &a->target, err);
    a->to_mbox = s->inbox_mbox != NULL && a->target.dir < 0;
    if (result == STORE_OK)
        *ret = a;
    else
        append_free(a);
    return result;
}

static struct piece *last(struct append *a)
{
    ASSERT(a->pieces.n > 0);
    return a->pieces.p[a->pieces.n - 1];
}

static struct piece *add_piece(struct append *a, uint8_t flags, int64_t date)
{
    struct piece *p = xcalloc(1, sizeof(*p));
    p->fd = -1;
    p->flags = flags & FLAGS_STORED;
    p->date = date;
    p->name = p->mbox = p->words = buf_make(0);
    vec_push(&a->pieces, p);
    return p;
}

/* A message is worth more than a keyword for which there is no letter left. */
static enum store_result add_keyword(struct append *a, struct piece *p, struct str name, struct err *err)
{
    unsigned bit;
    if (a->to_mbox) {
        buf_printf(&p->words, " %.*s", STR_FMT(name));
        return STORE_OK;
    }
    enum store_result result = box_keyword(&a->target, name, true, &bit, err);
    if (result == STORE_OK)
        p->keywords |= UINT32_C(1) << bit;
    return result == STORE_LIMIT ? STORE_OK : result;
}

enum store_result append_begin(struct append *a, uint8_t flags, const struct str *keywords, size_t n_keywords, int64_t date, struct err *err)
{
    struct piece *p = add_piece(a, flags, date);
    for (size_t i = 0; i < n_keywords; i++) {
        enum store_result result = add_keyword(a, p, keywords[i], err);
        if (result != STORE_OK)
            return result;
    }
    if (a->to_mbox)
        return STORE_OK;
    struct buf tmp = buf_make(600);
    buf_puts(&tmp, "tmp/");
    unique_name(&tmp, SIZE_UNKNOWN, SIZE_UNKNOWN);
    p->tmp = str_to_heap(buf_str(&tmp));
    buf_done(&tmp);
    p->fd = openat(a->target.dir, p->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (p->fd >= 0)
        return STORE_OK;
    err_sys(err, ERR_TEMP, "create %s/%s/%s", a->store->root, a->target.subdir, p->tmp);
    return store_error(err);
}

/* CRLF -> LF. A CR at the end of a piece waits for what follows. */
static void put_lf(struct piece *p, struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (p->prev_cr && c != '\n') {
            buf_putc(out, '\r');
            p->prev_cr = false;
        }
        if (c == '\r') {
            p->prev_cr = true;
            continue;
        }
        if (c == '\n') {
            p->vsize += 2;
            p->prev_cr = false;
        }
        buf_putc(out, c);
    }
}

static enum store_result write_lf(struct append *a, struct piece *p, struct str lf, struct err *err)
{
    size_t lines = 0;
    for (size_t i = 0; i < lf.n; i++)
        lines += lf.p[i] == '\n';
    p->size += lf.n;
    p->vsize += lf.n - lines;
    if (a->store->message_limit > 0 && p->size > a->store->message_limit) {
        err_set(err, ERR_LIMIT, "message is larger than %llu bytes", (unsigned long long)a->store->message_limit);
        return STORE_LIMIT;
    }
    if (a->to_mbox) {
        buf_add(&p->mbox, lf);
        return STORE_OK;
    }
    if (fs_write_all(p->fd, lf.p, lf.n) == 0)
        return STORE_OK;
    err_sys(err, ERR_TEMP, "write %s/%s/%s", a->store->root, a->target.subdir, p->tmp);
    return store_error(err);
}

enum store_result append_write(struct append *a, struct str bytes, struct err *err)
{
    struct buf lf = buf_make(0);
    put_lf(last(a), bytes, &lf);
    enum store_result result = write_lf(a, last(a), buf_str(&lf), err);
    buf_done(&lf);
    return result;
}

/* --- committing ---------------------------------------------------------------------- */

static void name_piece(struct piece *p)
{
    struct buf base = buf_make(600);
    struct maildir_name n;
    unique_name(&base, p->size, p->vsize);
    p->base = str_to_heap(buf_str(&base));
    ASSERT(maildir_name_parse(str_from(p->base), &n));
    buf_puts(&p->name, "cur/");
    maildir_name_put(&p->name, &n, p->flags, p->keywords);
    buf_done(&base);
}

static int finish_piece(struct append *a, struct piece *p, struct err *err)
{
    enum store_result result = STORE_OK;
    if (p->prev_cr)
        result = write_lf(a, p, STR("\r"), err);
    p->prev_cr = false;
    if (result != STORE_OK)
        return -1;
    name_piece(p);
    if (p->date != 0) {
        struct timespec times[2] = { { p->date, 0 }, { p->date, 0 } };
        futimens(p->fd, times);
    }
    if (fsync(p->fd) < 0)
        return err_sys(err, ERR_TEMP, "fsync %s/%s/%s", a->store->root, a->target.subdir, p->tmp);
    close(p->fd);
    p->fd = -1;
    return 0;
}

static int name_all(struct append *a, struct err *err)
{
    size_t done = 0;
    int result = 0;
    for (; done < a->pieces.n; done++) {
        struct piece *p = a->pieces.p[done];
        if (renameat(a->target.dir, p->tmp, a->target.dir, buf_cstr(&p->name)) < 0) {
            result = err_sys(err, ERR_TEMP, "rename %s/%s/%s", a->store->root, a->target.subdir, p->tmp);
            break;
        }
    }
    if (result == 0)
        result = fs_sync_dir(a->target.dir, "cur", err);
    for (size_t i = 0; i < done && result < 0; i++)
        unlinkat(a->target.dir, buf_cstr(&a->pieces.p[i]->name), 0);
    return result;
}

static enum store_result commit_mbox(struct append *a, struct append_result *ret, struct err *err)
{
    struct buf all = buf_make(0), from = buf_make(0);
    for (size_t i = 0; i < a->pieces.n; i++) {
        struct piece *p = a->pieces.p[i];
        buf_reset(&from);
        mbox_from_line(&from, STR(""), p->date);
        mbox_put_flags(&from, p->flags, false, buf_str(&p->words));
        mbox_put_message(&all, buf_str(&from), buf_str(&p->mbox));
        buf_done(&p->mbox);
    }
    int rc = mbox_append_text(a->store->inbox_mbox, buf_str(&all), a->store->lock_seconds, 0, err);
    buf_done(&all);
    buf_done(&from);
    if (rc < 0)
        return store_error(err);
    *ret = (struct append_result){ 0 };
    return STORE_OK;
}

/* Their bytes are on disk, under names in tmp/. */
static enum store_result commit_pieces(struct append *a, struct append_result *ret, struct err *err)
{
    uint32_t first, uidvalidity;
    if (box_lock(&a->target, err) < 0)
        return store_error(err);
    int result = list_pieces(a, &first, &uidvalidity, err);
    if (result == 0)
        result = name_all(a, err);
    box_unlock(&a->target);
    if (result < 0)
        return store_error(err);
    for (size_t i = 0; i < a->pieces.n; i++) {
        vec_push(&a->uids, first + (uint32_t)i);
        free(a->pieces.p[i]->tmp);
        a->pieces.p[i]->tmp = NULL;
    }
    *ret = (struct append_result){ uidvalidity, a->uids.p, a->uids.n };
    return STORE_OK;
}

/* Those that are links are finished. */
enum store_result append_commit(struct append *a, struct append_result *ret, struct err *err)
{
    if (a->to_mbox)
        return commit_mbox(a, ret, err);
    for (size_t i = 0; i < a->pieces.n; i++)
        if (a->pieces.p[i]->fd >= 0 && finish_piece(a, a->pieces.p[i], err) < 0)
            return store_error(err);
    return commit_pieces(a, ret, err);
}

static void free_piece(struct append *a, struct piece *p)
{
    if (p->fd >= 0)
        close(p->fd);
    if (p->tmp != NULL)
        unlinkat(a->target.dir, p->tmp, 0);
    free(p->tmp);
    free(p->base);
    free(p->guid);
    buf_done(&p->name);
    buf_done(&p->mbox);
    buf_done(&p->words);
    free(p);
}

void append_free(struct append *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->pieces.n; i++)
        free_piece(a, a->pieces.p[i]);
    vec_done(&a->pieces);
    vec_done(&a->uids);
    target_close(&a->target);
    free(a);
}

/* --- copies -------------------------------------------------------------------------- */

static uint32_t map_keywords(struct box *from, struct box *to, uint32_t keywords, struct err *err)
{
    uint32_t result = 0;
    for (unsigned k = 0; k < STORE_KEYWORDS_MAX; k++) {
        unsigned bit;
        if ((keywords >> k & 1) != 0 && from->keywords[k] != NULL
            && box_keyword(to, str_from(from->keywords[k]), true, &bit, err) == STORE_OK)
            result |= UINT32_C(1) << bit;
    }
    return result;
}

/* A link in tmp/ first: until the list has the name nobody may see it. */
static enum store_result link_piece(struct append *a, struct box *b, size_t i, struct err *err)
{
    const struct entry *e = b->ents.p[i];
    const struct box_msg *m = &b->msgs.p[i];
    struct piece *p = add_piece(a, m->flags, 0);
    struct buf path = buf_make(600);
    p->keywords = map_keywords(b, &a->target, m->keywords, err);
    p->size = e->size;
    p->vsize = e->vsize;
    if (str_chr(box_guid(b, i), ' ') < 0)      /* which would end the field in the list */
        p->guid = str_to_heap(box_guid(b, i));
    name_piece(p);
    buf_printf(&path, "tmp/%s", p->base);
    p->tmp = str_to_heap(buf_str(&path));
    int rc = -1;
    for (int tries = 0; tries < 2 && rc < 0 && !m->gone; tries++) {
        buf_reset(&path);
        buf_printf(&path, "%s/%s", e->in_new ? "new" : "cur", e->name);
        rc = linkat(b->dir, buf_cstr(&path), a->target.dir, p->tmp, 0);
        if (rc < 0)
            err_sys(err, ERR_TEMP, "link %s/%s/%s", b->store->root, b->subdir, e->name);
        int fd = rc < 0 && err->sys == ENOENT && tries == 0 ? box_open_file(b, i, err) : -1;
        if (fd >= 0)
            close(fd);
        e = b->ents.p[i];
        m = &b->msgs.p[i];
    }
    buf_done(&path);
    if (rc == 0)
        return STORE_OK;
    if (m->gone)
        err_set(err, ERR_PERM, "a message has been expunged");
    return m->gone || err->sys == ENOENT ? STORE_NOT_FOUND : STORE_FAILED;
}

static enum store_result copy_bytes(struct append *a, struct box *b, size_t i, struct err *err)
{
    struct buf body = buf_make(0);
    struct str words[STORE_KEYWORDS_MAX];
    size_t n = 0;
    int64_t date = 0;
    for (unsigned k = 0; k < STORE_KEYWORDS_MAX; k++)
        if ((b->msgs.p[i].keywords >> k & 1) != 0 && b->keywords[k] != NULL)
            words[n++] = str_from(b->keywords[k]);
    enum store_result result = box_date(b, i, &date, err);
    if (result == STORE_OK)
        result = append_begin(a, b->msgs.p[i].flags, words, n, date, err);
    if (result == STORE_OK)
        result = box_read(b, i, &body, err);
    if (result == STORE_OK)
        result = append_write(a, buf_str(&body), err);
    buf_done(&body);
    return result;
}

/* Another file system, a file of somebody else's, a file with too many names: a link is an optimisation only. */
static bool cannot_link(int sys)
{
    return sys == EXDEV || sys == EPERM || sys == EACCES || sys == EMLINK || sys == EOPNOTSUPP || sys == ENOSYS;
}

static enum store_result copy_one(struct append *a, struct box *b, size_t i, struct err *err)
{
    if (b->mbox != NULL || a->to_mbox)
        return copy_bytes(a, b, i, err);
    enum store_result result = link_piece(a, b, i, err);
    if (result != STORE_FAILED || !cannot_link(err->sys))
        return result;
    free_piece(a, a->pieces.p[--a->pieces.n]);
    return copy_bytes(a, b, i, err);
}

enum store_result box_copy(struct box *b, const uint32_t *index, size_t n, struct str to, bool move,
                           struct append_result *ret, struct err *err)
{
    struct append *a;
    struct append_result r = { 0 };
    if (move && b->read_only) {
        err_set(err, ERR_PERM, "mailbox was opened read-only");
        return STORE_READ_ONLY;
    }
    enum store_result result = append_open(b->store, to, &a, err);
    if (result != STORE_OK)
        return result;
    for (size_t k = 0; k < n && result == STORE_OK; k++)
        result = copy_one(a, b, index[k], err);
    if (result == STORE_OK && n > 0)
        result = append_commit(a, &r, err);
    b->copied.n = 0;
    for (size_t i = 0; i < r.n; i++)
        vec_push(&b->copied, r.uids[i]);
    append_free(a);
    if (result == STORE_OK && move)
        result = box_expunge(b, index, n, err);
    if (result == STORE_OK)
        *ret = (struct append_result){ r.uidvalidity, b->copied.p, b->copied.n };
    return result;
}
