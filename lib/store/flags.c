/* SPDX-License-Identifier: ISC
 *
 * Changing flags, keywords and the set of messages.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "store/mbox.h"
#include "store/private.h"

/* --- keywords -------------------------------------------------------------------- */

static bool is_keyword(struct str s)
{
    if (s.n == 0 || s.n > 100 || s.p[0] == '\\')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 127 || strchr("(){%*\"\\]", s.p[i]) != NULL)
            return false;
    return true;
}

static bool find_keyword(const struct box *b, struct str name, unsigned *ret_n)
{
    for (unsigned i = 0; i < STORE_KEYWORDS_MAX; i++)
        if (b->keywords[i] != NULL && str_ieqz(name, b->keywords[i])) {
            *ret_n = i;
            return true;
        }
    return false;
}

static enum store_result add_keyword(struct box *b, struct str name, unsigned *ret_n, struct err *err)
{
    unsigned i = 0;
    while (i < STORE_KEYWORDS_MAX && b->keywords[i] != NULL)
        i++;
    if (i == STORE_KEYWORDS_MAX) {
        err_set(err, ERR_LIMIT, "a mailbox has at most %d keywords", STORE_KEYWORDS_MAX);
        return STORE_LIMIT;
    }
    b->keywords[i] = str_to_heap(name);
    if ((b->mbox != NULL ? mbox_keyword(b, err) : keywords_write(b, err)) == 0) {
        *ret_n = i;
        return STORE_OK;
    }
    free(b->keywords[i]);
    b->keywords[i] = NULL;
    return STORE_FAILED;
}

enum store_result box_keyword(struct box *b, struct str name, bool create, unsigned *ret_n, struct err *err)
{
    if (find_keyword(b, name, ret_n))
        return STORE_OK;
    if (!create)
        return STORE_NOT_FOUND;
    if (b->read_only) {
        err_set(err, ERR_PERM, "mailbox was opened read-only");
        return STORE_READ_ONLY;
    }
    if (!is_keyword(name)) {
        err_set(err, ERR_PERM, "not a keyword");
        return STORE_BAD_NAME;
    }
    if (b->mbox != NULL)
        return add_keyword(b, name, ret_n, err);
    bool had_lock = b->lock.held;
    enum store_result result = STORE_FAILED;
    if (box_lock(b, err) < 0)
        return STORE_FAILED;
    if (keywords_read(b, err) == 0)
        result = find_keyword(b, name, ret_n) ? STORE_OK : add_keyword(b, name, ret_n, err);
    if (!had_lock)
        box_unlock(b);
    return result;
}

/* --- flags ------------------------------------------------------------------------- */

struct change { uint8_t flags; uint32_t keywords; };

static struct change changed_to(const struct box_msg *m, enum box_store_mode mode, uint8_t flags, uint32_t keywords)
{
    uint8_t have = m->flags & FLAGS_STORED;
    switch (mode) {
    case BOX_FLAGS_ADD:
        return (struct change){ (uint8_t)(have | flags), m->keywords | keywords };
    case BOX_FLAGS_REMOVE:
        return (struct change){ (uint8_t)(have & ~flags), m->keywords & ~keywords };
    case BOX_FLAGS_REPLACE:
        break;
    }
    return (struct change){ flags, keywords };
}

/* What differs becomes a record; a record names only what it changes, so that foreign changes to other flags survive. */
static void put_change(struct box *b, size_t i, struct change to, uint64_t modseq, struct buf *out)
{
    struct box_msg *m = &b->msgs.p[i];
    const struct entry *e = b->ents.p[i];
    uint8_t have = m->flags & FLAGS_STORED;
    flag_record_put(out, b->log.generation, &(struct flag_record){
        .uid = m->uid, .add = (uint8_t)(to.flags & ~have), .remove = (uint8_t)(have & ~to.flags),
        .keywords_add = to.keywords & ~m->keywords, .keywords_remove = m->keywords & ~to.keywords,
        .modseq = modseq, .base = e->base,
    });
}

static void note_change(struct box *b, size_t i, struct change to, uint64_t modseq)
{
    struct box_msg *m = &b->msgs.p[i];
    struct entry *e = b->ents.p[i];
    uint8_t have = m->flags & FLAGS_STORED;
    uint8_t add = (uint8_t)(to.flags & ~have), remove = (uint8_t)(have & ~to.flags);
    uint32_t kadd = to.keywords & ~m->keywords, kremove = m->keywords & ~to.keywords;
    e->add = (uint8_t)((e->add | add) & ~remove);
    e->remove = (uint8_t)((e->remove | remove) & ~add);
    e->keywords_add = (e->keywords_add | kadd) & ~kremove;
    e->keywords_remove = (e->keywords_remove | kremove) & ~kadd;
    e->dirty = true;
    m->flags = (uint8_t)((m->flags & FLAG_RECENT) | to.flags);
    m->keywords = to.keywords;
    m->modseq = modseq;
    b->row_dirty = true;
}

static bool differs(const struct box *b, size_t i, struct change to)
{
    const struct box_msg *m = &b->msgs.p[i];
    return !m->gone && (to.flags != (m->flags & FLAGS_STORED) || to.keywords != m->keywords);
}

static int store_locked(struct box *b, const uint32_t *index, size_t n, enum box_store_mode mode, uint8_t flags, uint32_t keywords, struct err *err)
{
    struct buf records = buf_make(0);
    if (box_read_log(b, err) < 0)
        return -1;
    uint64_t modseq = MAX(b->head.modseq, b->log.modseq) + 1;
    for (size_t k = 0; k < n; k++) {
        struct change to = changed_to(&b->msgs.p[index[k]], mode, flags, keywords);
        if (differs(b, index[k], to))
            put_change(b, index[k], to, modseq, &records);
    }
    int result = records.n == 0 ? 0 : flaglog_append(&b->log, buf_str(&records), modseq, err);
    for (size_t k = 0; k < n && result == 0 && records.n > 0; k++) {
        struct change to = changed_to(&b->msgs.p[index[k]], mode, flags, keywords);
        if (differs(b, index[k], to))
            note_change(b, index[k], to, modseq);
    }
    if (result == 0 && records.n > 0)
        b->head.modseq = modseq;
    buf_done(&records);
    return result;
}

enum store_result box_store(struct box *b, const uint32_t *index, size_t n, enum box_store_mode mode,
                            uint8_t flags, uint32_t keywords, struct err *err)
{
    if (b->read_only) {
        err_set(err, ERR_PERM, "mailbox was opened read-only");
        return STORE_READ_ONLY;
    }
    flags &= FLAGS_STORED;
    if (b->mbox != NULL)
        return mbox_store(b, index, n, mode, flags, keywords, err) < 0 ? store_error(err) : STORE_OK;
    if (flaglog_lock(&b->log, err) < 0)
        return store_error(err);
    int result = store_locked(b, index, n, mode, flags, keywords, err);
    flaglog_unlock(&b->log);
    return result < 0 ? store_error(err) : STORE_OK;
}

/* --- from the log to the names ------------------------------------------------------ */

static bool is_pending(const struct entry *e) { return (e->add | e->remove) != 0 || (e->keywords_add | e->keywords_remove) != 0; }

/* One message's name. 1: it is not there under the name that we know. */
static int rename_entry(struct box *b, struct entry *e, struct err *err)
{
    struct maildir_name n;
    struct buf from = buf_make(600), to = buf_make(600);
    int result = 0;
    if (maildir_name_parse(str_from(e->name), &n)) {
        buf_printf(&from, "%s/%s", e->in_new ? "new" : "cur", e->name);
        buf_puts(&to, "cur/");
        maildir_name_put(&to, &n, (uint8_t)((n.flags | e->add) & ~e->remove), (n.keywords | e->keywords_add) & ~e->keywords_remove);
        if (strcmp(buf_cstr(&from), buf_cstr(&to)) != 0) {
            if (renameat(b->dir, buf_cstr(&from), b->dir, buf_cstr(&to)) == 0)
                entry_set_name(b, e, str_skip(buf_str(&to), 4), false);
            else
                result = errno == ENOENT ? 1 : err_sys(err, ERR_TEMP, "rename %s/%s/%s", b->store->root, b->subdir, buf_cstr(&from));
        }
    }
    buf_done(&from);
    buf_done(&to);
    return result;
}

/* 1: some were not there under the names that we know. */
static int apply_names(struct box *b, struct err *err)
{
    int result = 0;
    for (size_t i = 0; i < b->ents.n; i++) {
        struct entry *e = b->ents.p[i];
        if (!is_pending(e) || b->msgs.p[i].gone)
            continue;
        if (!dotlock_touch(&b->lock))
            return err_set(err, ERR_TEMP, "the lock of %s/%s was taken over", b->store->root, b->subdir);
        int rc = rename_entry(b, e, err);
        if (rc < 0)
            return -1;
        result |= rc;
        e->dirty = true;
    }
    return fs_sync_dir(b->dir, "cur", err) < 0 ? -1 : result;
}

static void forget_pending(struct box *b)
{
    for (size_t i = 0; i < b->ents.n; i++) {
        struct entry *e = b->ents.p[i];
        e->add = e->remove = 0;
        e->keywords_add = e->keywords_remove = 0;
    }
}

static int scan_and_replay(struct box *b, struct err *err)
{
    if (scan_folder(b, err) < 0)
        return -1;
    b->log.at = 0;
    return box_read_log(b, err);
}

/* Both locks are held. The names must be the current ones, so a folder that others changed is read first. */
static int flush_locked(struct box *b, struct err *err)
{
    struct disk_state now;
    if (box_read_log(b, err) < 0)
        return -1;
    scan_state(b, &now);
    if (!scan_state_eq(&now, &b->disk) && scan_and_replay(b, err) < 0)
        return -1;
    int rc = apply_names(b, err);
    if (rc > 0)         /* renamed by one that takes no lock; what is missing now, too, has gone */
        rc = scan_and_replay(b, err) < 0 ? -1 : apply_names(b, err);
    if (rc < 0 || flaglog_empty(&b->log, b->head.modseq, err) < 0)
        return -1;
    forget_pending(b);
    scan_state(b, &now);
    if (b->disk.cur.ino != 0)       /* else there is more in it than we know */
        b->disk.cur = now.cur;
    b->row_dirty = true;
    return 0;
}

enum store_result box_flush(struct box *b, struct err *err)
{
    if (b->mbox != NULL || b->read_only || !box_needs_flush(b))
        return STORE_OK;
    bool had_lock = b->lock.held;
    if (box_lock(b, err) < 0)
        return STORE_FAILED;
    int result = flaglog_lock(&b->log, err);
    if (result == 0)
        result = flush_locked(b, err);
    flaglog_unlock(&b->log);
    if (!had_lock)
        box_unlock(b);
    if (result == 0)
        box_write_index(b);
    return result < 0 ? store_error(err) : STORE_OK;
}

/* --- expunge ------------------------------------------------------------------------- */

static int unlink_entry(struct box *b, const struct entry *e, struct err *err)
{
    struct buf path = buf_make(600);
    buf_printf(&path, "%s/%s", e->in_new ? "new" : "cur", e->name);
    int result = unlinkat(b->dir, buf_cstr(&path), 0) == 0 || errno == ENOENT ? 0
               : err_sys(err, ERR_TEMP, "unlink %s/%s/%s", b->store->root, b->subdir, buf_cstr(&path));
    buf_done(&path);
    return result;
}

static int expunge_locked(struct box *b, const uint32_t *index, size_t n, struct err *err)
{
    struct disk_state now;
    scan_state(b, &now);
    if (!scan_state_eq(&now, &b->disk) && scan_folder(b, err) < 0)
        return -1;
    uint64_t modseq = box_next_modseq(b);
    bool in_new = false;
    for (size_t k = 0; k < n; k++) {
        struct box_msg *m = &b->msgs.p[index[k]];
        struct entry *e = b->ents.p[index[k]];
        if (m->gone)
            continue;
        if (unlink_entry(b, e, err) < 0)
            return -1;
        in_new = in_new || e->in_new;
        m->gone = e->dirty = true;
        m->modseq = modseq;
    }
    if (fs_sync_dir(b->dir, "cur", err) < 0 || (in_new && fs_sync_dir(b->dir, "new", err) < 0))
        return -1;
    scan_state(b, &now);
    if (b->disk.cur.ino != 0)       /* else there is more in it than we know */
        b->disk.cur = now.cur;
    return flaglog_note(&b->log, modseq, err);
}

enum store_result box_expunge(struct box *b, const uint32_t *index, size_t n, struct err *err)
{
    if (b->read_only) {
        err_set(err, ERR_PERM, "mailbox was opened read-only");
        return STORE_READ_ONLY;
    }
    if (n == 0)
        return STORE_OK;
    if (b->mbox != NULL)
        return mbox_expunge(b, index, n, err) < 0 ? store_error(err) : STORE_OK;
    bool had_lock = b->lock.held;
    if (box_lock(b, err) < 0)
        return STORE_FAILED;
    int result = flaglog_lock(&b->log, err);
    if (result == 0 && (result = box_read_log(b, err)) == 0)
        result = expunge_locked(b, index, n, err);
    flaglog_unlock(&b->log);
    if (!had_lock)
        box_unlock(b);
    box_write_index(b);
    return result < 0 ? store_error(err) : STORE_OK;
}
