/* SPDX-License-Identifier: ISC
 *
 * An open mailbox: the array, opening, closing, and box_sync.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/num.h"
#include "os/clock.h"
#include "store/mbox.h"
#include "store/private.h"

char *str_to_heap(struct str s)
{
    char *p = xmalloc(s.n + 1);
    memcpy(p, s.p == NULL ? "" : s.p, s.n);
    p[s.n] = '\0';
    return p;
}

/* --- entries ----------------------------------------------------------------- */

void entry_set_ext(struct entry *e, struct str ext)
{
    if (e->ext == NULL ? ext.n == 0 : str_eqz(ext, e->ext))
        return;
    free(e->ext);
    e->ext = ext.n == 0 ? NULL : str_to_heap(ext);
    struct str v;
    uint64_t n;
    if (uidlist_ext(ext, 'S', &v) && num_parse_u64(v, INT64_MAX, &n))
        e->size = n;
    if (uidlist_ext(ext, 'W', &v) && num_parse_u64(v, INT64_MAX, &n))
        e->vsize = n;
    e->dirty = true;
}

static struct str base_of(const char *name)
{
    struct str head, rest;
    str_cut(str_from(name), ':', &head, &rest);
    return head;
}

void entry_set_name(struct box *b, struct entry *e, struct str name, bool in_new)
{
    if (e->name != NULL && htab_get(&b->by_base, e->base) == e)
        htab_remove(&b->by_base, e->base);
    free(e->name);
    e->name = str_to_heap(name);
    e->base = base_of(e->name);
    e->in_new = in_new;
    htab_put(&b->by_base, e->base, e);
}

struct entry *box_add_entry(struct box *b, uint32_t uid, struct str name, bool in_new, struct str ext)
{
    struct entry *e = xcalloc(1, sizeof(*e));
    e->size = e->vsize = SIZE_UNKNOWN;
    e->date = DATE_UNKNOWN;
    e->index = (uint32_t)b->msgs.n;
    entry_set_name(b, e, name, in_new);
    entry_set_ext(e, ext);
    struct box_msg *m = vec_add(&b->msgs);
    m->uid = uid;
    vec_push(&b->ents, e);
    return e;
}

static void entry_free(struct box *b, struct entry *e)
{
    if (htab_get(&b->by_base, e->base) == e)
        htab_remove(&b->by_base, e->base);
    free(e->name);
    free(e->ext);
    free(e);
}

void box_drop_entries(struct box *b)
{
    for (size_t i = 0; i < b->ents.n; i++)
        entry_free(b, b->ents.p[i]);
    b->ents.n = b->msgs.n = 0;
    b->shown = 0;
}

void box_forget(struct box *b)
{
    box_drop_entries(b);
    if (index_begin(store_index(b->store))) {
        index_wipe_box(store_index(b->store), b->row.id, str_from(b->subdir));
        index_commit(store_index(b->store));
    }
    b->row = (struct index_box){ 0 };
    b->head = (struct box_head){ .modseq = b->head.modseq };
}

uint64_t box_next_modseq(struct box *b)
{
    b->head.modseq = MAX(b->head.modseq, b->log.modseq) + 1;
    b->row_dirty = true;
    return b->head.modseq;
}

/* --- the log ------------------------------------------------------------------ */

static void clear_pending(struct box *b)
{
    for (size_t i = 0; i < b->ents.n; i++) {
        struct entry *e = b->ents.p[i];
        e->add = e->remove = 0;
        e->keywords_add = e->keywords_remove = 0;
    }
}

static void apply_record(struct box *b, const struct flag_record *r)
{
    struct entry *e = htab_get(&b->by_base, r->base);
    if (e == NULL || b->msgs.p[e->index].uid != r->uid)
        return;
    struct box_msg *m = &b->msgs.p[e->index];
    e->add = (uint8_t)((e->add | r->add) & ~r->remove);
    e->remove = (uint8_t)((e->remove | r->remove) & ~r->add);
    e->keywords_add = (e->keywords_add | r->keywords_add) & ~r->keywords_remove;
    e->keywords_remove = (e->keywords_remove | r->keywords_remove) & ~r->keywords_add;
    uint8_t flags = (uint8_t)((m->flags | r->add) & ~r->remove);
    uint32_t keywords = (m->keywords | r->keywords_add) & ~r->keywords_remove;
    if (flags != m->flags || keywords != m->keywords)
        e->changed = e->dirty = true;
    if (m->modseq < r->modseq)
        e->dirty = true;
    m->flags = flags;
    m->keywords = keywords;
    m->modseq = MAX(m->modseq, r->modseq);
}

/* Records read once more bring back what was between them; only what is different at their end is a change. */
static void note_before(struct box *b)
{
    for (size_t i = 0; i < b->ents.n; i++) {
        b->ents.p[i]->flags_before = b->msgs.p[i].flags;
        b->ents.p[i]->keywords_before = b->msgs.p[i].keywords;
        b->ents.p[i]->changed_before = b->ents.p[i]->changed;
    }
}

static void drop_same(struct box *b)
{
    for (size_t i = 0; i < b->ents.n; i++) {
        struct entry *e = b->ents.p[i];
        if (!e->changed_before && e->flags_before == b->msgs.p[i].flags && e->keywords_before == b->msgs.p[i].keywords)
            e->changed = false;
    }
}

int box_read_log(struct box *b, struct err *err)
{
    bool again = b->log.at == 0;
    struct buf records = buf_make(0);
    bool restarted;
    int result = flaglog_read(&b->log, &records, &restarted, err);
    if (result == 0) {
        struct str rest = buf_str(&records);
        struct flag_record r;
        if (restarted)
            clear_pending(b);
        if (rest.n > 0 && keywords_read(b, err) < 0)    /* records may use letters that are new to us */
            result = -1;
        if (again)
            note_before(b);
        while (flag_record_next(&rest, b->log.generation, &r))
            apply_record(b, &r);
        if (again)
            drop_same(b);
        b->head.modseq = MAX(b->head.modseq, b->log.modseq);
    }
    buf_done(&records);
    return result;
}

/* --- opening ------------------------------------------------------------------ */

static bool new_is_empty(struct box *b);

/* Under the lock: whatever the state of the disk asks for. */
static int sync_locked(struct box *b, struct err *err)
{
    struct disk_state now;
    scan_state(b, &now);
    bool rest_same = now.cur.ino != 0 && b->disk.cur.ino == now.cur.ino && b->disk.cur.mtime_ns == now.cur.mtime_ns
        && b->disk.list.ino == now.list.ino && b->disk.list.mtime_ns == now.list.mtime_ns && b->disk.list.size == now.list.size
        && now.list.ino != 0 && b->list.version == 3;
    if (!b->look_only && flaglog_lock(&b->log, err) < 0)
        return -1;
    int result = box_read_log(b, err);
    if (result == 0)
        result = rest_same ? scan_new(b, err) : scan_folder(b, err);
    if (result == 0 && !b->look_only && b->head.modseq > b->log.modseq)
        result = flaglog_note(&b->log, b->head.modseq, err);
    flaglog_unlock(&b->log);
    return result;
}

/* What a first scan added may have records in the log that were read before it was known. */
static int replay_log(struct box *b, struct err *err)
{
    if (flaglog_is_empty(&b->log))
        return 0;
    b->log.at = 0;
    return box_read_log(b, err);
}

static int sync_disk(struct box *b, struct err *err)
{
    struct disk_state now;
    scan_state(b, &now);
    if (scan_state_eq(&now, &b->disk))
        return 0;
    struct disk_state same = b->disk;
    same.new = now.new;
    if (now.new.ino != 0 && scan_state_eq(&now, &same) && new_is_empty(b))
        return 0;
    if (box_lock_to_look(b, err) < 0)
        return -1;
    size_t before = b->msgs.n;
    int result = sync_locked(b, err);
    box_unlock(b);
    return result == 0 && b->msgs.n > before ? replay_log(b, err) : result;
}

static bool new_is_empty(struct box *b)
{
    struct disk_state before;
    scan_state_fresh(b, &before);
    if (!folder_is_empty(b->dir, "new"))
        return false;
    b->disk.new = before.new;
    return true;
}

static void open_times(struct box *b)
{
    uint64_t floor = (uint64_t)(clock_wall_ms() / 1000) << 20;
    if (b->row.id == 0)
        b->head.modseq = MAX(MAX(b->head.modseq, b->log.modseq), floor);
}

/* The first bytes of the UID list; the rest is not needed when the index is fresh. */
static bool load_list_head(struct box *b)
{
    char text[512];
    struct str line, rest;
    int fd = openat(b->dir, "dovecot-uidlist", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (fd >= 0)
        close(fd);
    struct uidlist_head head;
    if (n <= 0 || !str_cut(str_make(text, (size_t)n), '\n', &line, &rest) || !uidlist_parse_head(line, &head))
        return false;
    free(b->list_other);
    b->list_other = str_to_heap(head.other);
    b->list = head;
    b->list.other = str_from(b->list_other);
    memcpy(b->head.guid, head.guid, sizeof(b->head.guid));
    return head.uidvalidity == b->head.uidvalidity;
}

/* Rows that do not belong to the state they come with would hide messages: they are read again from the folder. */
static void check_rows(struct box *b)
{
    struct disk_state now, was = b->disk;
    scan_state(b, &now);
    was.new = now.new;      /* whatever is in there, cur/ and the list would not be read again */
    if (b->msgs.n == b->row.messages || (now.new.ino != 0 && !scan_state_eq(&now, &was)))
        return;
    box_drop_entries(b);
    b->rows_lost = true;
    b->disk = (struct disk_state){ 0 };
}

static int open_maildir(struct box *b, struct err *err)
{
    b->dir = fs_open_dir(b->store->dir, b->subdir[0] == '\0' ? "." : b->subdir);
    if (b->dir < 0)
        return err_sys(err, ERR_TEMP, "open %s/%s", b->store->root, b->subdir);
    if (flaglog_open(&b->log, b->dir, true, err) < 0) {
        if (!fs_is_forbidden(err->sys) || flaglog_open_to_read(&b->log, b->dir, err) < 0)
            return -1;
        b->look_only = b->read_only = true;
    }
    bool loaded = box_load_index(b);
    if (loaded && !load_list_head(b))
        b->disk = (struct disk_state){ 0 };
    if (loaded)
        check_rows(b);
    for (size_t i = 0; i < b->ents.n && !b->read_only; i++)
        if (b->ents.p[i]->in_new)       /* known from a look that moved nothing: take it up now */
            b->disk.cur.ino = 0;
    if ((loaded && keywords_read(b, err) < 0) || box_read_log(b, err) < 0)
        return -1;
    open_times(b);
    if (sync_disk(b, err) < 0)
        return -1;
    for (size_t i = 0; i < b->ents.n; i++)
        b->ents.p[i]->changed = false;
    return 0;
}

static void count_recent(struct box *b)
{
    b->head.recent = 0;
    for (size_t i = 0; i < b->shown; i++)
        b->head.recent += (b->msgs.p[i].flags & FLAG_RECENT) != 0;
}

static void drop_gone(struct box *b, bool report)
{
    size_t keep = 0, removed = 0;
    for (size_t i = 0; i < b->msgs.n; i++) {
        if (b->msgs.p[i].gone) {
            if (report && i < b->shown) {
                vec_push(&b->gone_index, (uint32_t)(i - removed));
                vec_push(&b->gone_uid, b->msgs.p[i].uid);
            }
            removed++;
            entry_free(b, b->ents.p[i]);
            continue;
        }
        b->msgs.p[keep] = b->msgs.p[i];
        b->ents.p[keep] = b->ents.p[i];
        b->ents.p[keep]->index = (uint32_t)keep;
        keep++;
    }
    if (report)
        b->shown -= b->gone_index.n;
    b->msgs.n = b->ents.n = keep;
}

enum store_result box_open(struct store *s, struct str name, unsigned flags, struct box **ret, struct err *err)
{
    struct buf canonical = buf_make(0), subdir = buf_make(0);
    struct box *b = NULL;
    enum store_result result = STORE_BAD_NAME;
    if (!name_check(name, &canonical)) {
        err_set(err, ERR_PERM, "not a mailbox name");
        goto out;
    }
    name_subdir(buf_str(&canonical), &subdir);
    b = xcalloc(1, sizeof(*b));
    b->store = s;
    b->name = str_to_heap(buf_str(&canonical));
    b->subdir = str_to_heap(buf_str(&subdir));
    b->dir = b->log.fd = -1;
    b->read_only = (flags & BOX_READ_ONLY) != 0;
    bool mbox = s->inbox_mbox != NULL && b->subdir[0] == '\0';
    result = STORE_NOT_FOUND;
    if (!mbox && b->subdir[0] != '\0' && !folder_exists(s, b->subdir)) {
        err_set(err, ERR_PERM, "mailbox does not exist");
        goto out;
    }
    if (mbox ? mbox_open(b, s->inbox_mbox, err) < 0 : open_maildir(b, err) < 0) {
        result = store_error(err);
        goto out;
    }
    box_write_index(b);
    drop_gone(b, false);
    b->shown = b->msgs.n;
    count_recent(b);
    b->is_open = true;
    *ret = b;
    b = NULL;
    result = STORE_OK;
out:
    if (b != NULL) {
        b->read_only = true;    /* nothing to flush */
        box_close(b);
    }
    buf_done(&canonical);
    buf_done(&subdir);
    return result;
}

void box_close(struct box *b)
{
    struct err ignored;
    if (b == NULL)
        return;
    if (b->mbox != NULL)
        mbox_close(b);
    else if (!b->read_only && box_needs_flush(b))
        (void)box_flush(b, &ignored);
    if (b->mbox == NULL)
        box_write_index(b);
    box_unlock(b);
    box_cache_end(b);
    flaglog_close(&b->log);
    for (size_t i = 0; i < b->ents.n; i++)
        entry_free(b, b->ents.p[i]);
    for (size_t i = 0; i < STORE_KEYWORDS_MAX; i++)
        free(b->keywords[i]);
    box_drop_blobs(b);
    vec_done(&b->msgs);
    vec_done(&b->ents);
    vec_done(&b->blobs);
    vec_done(&b->gone_index);
    vec_done(&b->gone_uid);
    vec_done(&b->changed);
    vec_done(&b->copied);
    htab_done(&b->by_base);
    if (b->dir >= 0)
        close(b->dir);
    free(b->list_other);
    free(b->name);
    free(b->subdir);
    free(b);
}

/* --- sync ----------------------------------------------------------------------- */

bool box_has_news(struct box *b)
{
    struct disk_state now;
    if (b->mbox != NULL)
        return mbox_has_news(b);
    scan_state(b, &now);
    return !scan_state_eq(&now, &b->disk) || flaglog_has_news(&b->log);
}

static void collect_changes(struct box *b, bool may_expunge, struct box_changes *ret)
{
    b->gone_index.n = b->gone_uid.n = b->changed.n = 0;
    size_t known = b->shown;
    if (may_expunge) {
        drop_gone(b, true);
        known = b->shown;
    }
    for (size_t i = 0; i < b->msgs.n; i++) {
        if (b->ents.p[i]->changed && i < known && !b->msgs.p[i].gone)
            vec_push(&b->changed, (uint32_t)i);
        b->ents.p[i]->changed = false;
    }
    b->shown = b->msgs.n;
    *ret = (struct box_changes){
        .gone_index = b->gone_index.p, .gone_uid = b->gone_uid.p, .n_gone = b->gone_uid.n,
        .changed = b->changed.p, .n_changed = b->changed.n, .n_new = b->shown - known,
    };
    count_recent(b);
}

enum store_result box_sync(struct box *b, bool may_expunge, struct box_changes *ret, struct err *err)
{
    if (b->mbox != NULL) {
        if (mbox_sync(b, err) < 0)
            return store_error(err);
    } else {
        if (flaglog_has_news(&b->log) && box_read_log(b, err) < 0)
            return store_error(err);
        if (sync_disk(b, err) < 0)
            return store_error(err);
        box_write_index(b);
    }
    collect_changes(b, may_expunge, ret);
    return STORE_OK;
}

bool box_vanished(struct box *b, uint64_t since, struct arena *a, uint32_t **ret_uids, size_t *ret_n)
{
    struct index_box row;
    struct index *ix = store_index(b->store);
    bool ok = b->mbox == NULL && index_get_box(ix, str_from(b->subdir), &row) && index_gone(ix, &row, since, a, ret_uids, ret_n);
    index_read_end(ix);
    return ok;
}

/* --- accessors -------------------------------------------------------------------- */

const struct box_head *box_head(const struct box *b) { return &b->head; }
bool box_is_read_only(const struct box *b) { return b->read_only && b->mbox == NULL; }
size_t box_count(const struct box *b) { return b->shown; }
const struct box_msg *box_msgs(const struct box *b) { return b->msgs.p; }
bool box_needs_flush(const struct box *b) { return b->mbox != NULL ? mbox_needs_flush(b) : !flaglog_is_empty(&b->log); }

size_t box_find_among(const struct box *b, size_t n, uint32_t uid)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (b->msgs.p[mid].uid < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

size_t box_find(const struct box *b, uint32_t uid) { return box_find_among(b, b->shown, uid); }

const char *box_keyword_name(const struct box *b, unsigned n)
{
    return n < STORE_KEYWORDS_MAX ? b->keywords[n] : NULL;
}
