/* SPDX-License-Identifier: ISC
 *
 * Bringing the array in line with the folder. Everything here that changes
 * files happens under dovecot-uidlist.lock.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "os/clock.h"
#include "store/private.h"

/* A directory that changed this recently may change again without its time moving. */
enum { RACY_NS = 50000000 };

/* --- what the folder looks like from outside ------------------------------- */

static void state_of(int dir, const char *name, bool trust_recent, struct file_state *ret)
{
    struct stat st;
    *ret = (struct file_state){ 0 };
    if (fstatat(dir, name, &st, 0) < 0)
        return;
    int64_t mtime = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if (!trust_recent && clock_wall_us() * 1000 - mtime < RACY_NS)
        return;
    *ret = (struct file_state){ st.st_ino, mtime, S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size };
}

static void folder_state(struct box *b, bool trust_recent, struct disk_state *ret)
{
    state_of(b->dir, "cur", trust_recent, &ret->cur);
    state_of(b->dir, "new", trust_recent, &ret->new);
    state_of(b->dir, "dovecot-uidlist", true, &ret->list);
}

void scan_state(struct box *b, struct disk_state *ret) { folder_state(b, true, ret); }
void scan_state_fresh(struct box *b, struct disk_state *ret) { folder_state(b, false, ret); }

bool folder_is_empty(int dir, const char *name)
{
    int fd = fs_open_dir(dir, name);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL)
        return false;
    const struct dirent *e = readdir(d);
    while (e != NULL && e->d_name[0] == '.')
        e = readdir(d);
    closedir(d);
    return e == NULL;
}

static bool state_eq(const struct file_state *a, const struct file_state *b)
{
    return a->ino != 0 && a->ino == b->ino && a->mtime_ns == b->mtime_ns && a->size == b->size;
}

bool scan_state_eq(const struct disk_state *a, const struct disk_state *b)
{
    return state_eq(&a->cur, &b->cur) && state_eq(&a->new, &b->new) && state_eq(&a->list, &b->list);
}

int box_lock(struct box *b, struct err *err)
{
    if (b->lock.held)
        return 0;
    return dotlock_take(&b->lock, b->dir, "dovecot-uidlist.lock", b->store->lock_seconds, err);
}

int box_lock_to_look(struct box *b, struct err *err)
{
    if (b->look_only || box_lock(b, err) == 0)
        return 0;
    if (!fs_is_forbidden(err->sys))
        return -1;
    b->look_only = b->read_only = true;
    return 0;
}

void box_unlock(struct box *b) { dotlock_drop(&b->lock); }

/* --- names in new/ and cur/ -------------------------------------------------- */

struct found {
    struct maildir_name name;
    char *text;
    uint32_t listed;    /* UID of its last line in the list */
    bool in_new, taken;
    bool recent;        /* was in new/ before this scan */
};
struct names { VEC(struct found *) all; struct htab by_base; };

static void names_done(struct names *n)
{
    for (size_t i = 0; i < n->all.n; i++) {
        free(n->all.p[i]->text);
        free(n->all.p[i]);
    }
    vec_done(&n->all);
    htab_done(&n->by_base);
}

static void names_insert(struct names *n, const char *file, bool in_new, bool recent)
{
    struct found *f = xcalloc(1, sizeof(*f));
    f->text = xstrdup(file);
    f->in_new = in_new;
    f->recent = recent;
    ASSERT(maildir_name_parse(str_from(f->text), &f->name));
    htab_put(&n->by_base, f->name.base, f);
    vec_push(&n->all, f);
}

static bool stat_name(struct box *b, const char *name, bool in_new, struct stat *ret)
{
    struct buf path = buf_make(600);
    buf_printf(&path, "%s/%s", in_new ? "new" : "cur", name);
    bool ok = fstatat(b->dir, buf_cstr(&path), ret, AT_SYMLINK_NOFOLLOW) == 0;
    buf_done(&path);
    return ok;
}

/* Two names of one base may be one file, seen before and after somebody renamed it. */
static bool are_two_files(struct box *b, const char *name, bool in_new, const char *other, bool other_in_new)
{
    struct stat x, y;
    return stat_name(b, name, in_new, &x) && stat_name(b, other, other_in_new, &y) && (x.st_ino != y.st_ino || x.st_dev != y.st_dev);
}

/* Another base name for a file whose own is taken by another file. NULL: it stays where it is, and is not seen until then. */
static char *rename_apart(struct box *b, const char *file, bool in_new)
{
    struct maildir_name n;
    struct buf base = buf_make(600), from = buf_make(600), to = buf_make(600);
    char *result = NULL;
    if (!b->read_only && maildir_name_parse(str_from(file), &n)) {
        unique_name(&base, n.has_size ? n.size : SIZE_UNKNOWN, n.has_vsize ? n.vsize : SIZE_UNKNOWN);
        n.base = buf_str(&base);
        buf_printf(&from, "%s/%s", in_new ? "new" : "cur", file);
        buf_puts(&to, "cur/");
        maildir_name_put(&to, &n, n.flags, n.keywords);
        if (renameat(b->dir, buf_cstr(&from), b->dir, buf_cstr(&to)) == 0)
            result = xstrdup(buf_cstr(&to) + 4);
    }
    buf_done(&base);
    buf_done(&from);
    buf_done(&to);
    return result;
}

static void insert_apart(struct box *b, struct names *n, const char *file, bool in_new, bool recent)
{
    char *fresh = rename_apart(b, file, in_new);
    if (fresh != NULL)
        names_insert(n, fresh, false, recent);
    free(fresh);
}

/*
 * The same base twice: from a backup, or from a deliverer whose clock went back. Two files are two messages; the one
 * that was here first keeps the name, under which it is in the UID list.
 */
static void names_add(struct box *b, struct names *n, const char *file, bool in_new, bool recent)
{
    struct maildir_name name;
    if (!maildir_name_parse(str_from(file), &name))
        return;
    struct found *other = htab_get(&n->by_base, name.base);
    if (other == NULL) {
        names_insert(n, file, in_new, recent);
    } else if (are_two_files(b, file, in_new, other->text, other->in_new)) {
        char *fresh = other->recent && !recent ? rename_apart(b, other->text, other->in_new) : NULL;
        if (fresh == NULL) {
            insert_apart(b, n, file, in_new, recent);
            return;
        }
        htab_remove(&n->by_base, other->name.base);
        free(other->text);
        *other = (struct found){ .text = fresh, .recent = true };
        ASSERT(maildir_name_parse(str_from(fresh), &other->name));
        htab_put(&n->by_base, other->name.base, other);
        names_insert(n, file, in_new, recent);
    }
}

static int each_file(struct box *b, const char *sub, void (*fn)(struct box *b, struct names *n, const char *file), struct names *n, struct err *err)
{
    int fd = fs_open_dir(b->dir, sub);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL)
        return err_sys(err, ERR_TEMP, "open %s/%s/%s", b->store->root, b->subdir, sub);
    struct dirent *e;
    while (errno = 0, (e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            fn(b, n, e->d_name);
    int result = errno == 0 ? 0 : err_sys(err, ERR_TEMP, "read %s/%s/%s", b->store->root, b->subdir, sub);
    closedir(d);
    return result;
}

static void take_cur(struct box *b, struct names *n, const char *file) { names_add(b, n, file, false, false); }

/* The entry of that name that is still there. One that has gone may have come back, as a new message. */
static struct entry *live_entry(const struct box *b, struct str base)
{
    struct entry *e = htab_get(&b->by_base, base);
    return e != NULL && !b->msgs.p[e->index].gone ? e : NULL;
}

/* Never over a file that is there. */
static int rename_new(struct box *b, const char *from, const char *to)
{
    struct stat st;
    if (renameat2(b->dir, from, b->dir, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (fstatat(b->dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(b->dir, from, b->dir, to);
}

/* new/ -> cur/, unless the mailbox is only looked at. A file that cannot be moved is shown where it is. */
static void take_new(struct box *b, struct names *n, const char *file)
{
    struct buf from = buf_make(600), to = buf_make(600);
    struct maildir_name name;
    if (b->read_only || !maildir_name_parse(str_from(file), &name)) {
        names_add(b, n, file, true, true);
    } else {
        const struct entry *e = live_entry(b, name.base);
        bool colon = str_chr(str_from(file), ':') >= 0;
        buf_puts(&from, "new/");
        buf_puts(&from, file);
        buf_printf(&to, "cur/%.*s%s", STR_FMT(colon ? str_from(file) : name.base), colon ? "" : ":2,");
        if (e != NULL && are_two_files(b, file, true, e->name, e->in_new))
            insert_apart(b, n, file, true, true);
        else if (rename_new(b, buf_cstr(&from), buf_cstr(&to)) == 0)
            names_add(b, n, buf_cstr(&to) + 4, false, true);
        else if (errno == EEXIST)
            insert_apart(b, n, file, true, true);
        else if (errno != ENOENT)
            names_add(b, n, file, true, true);
    }
    buf_done(&from);
    buf_done(&to);
}

/* --- merging ----------------------------------------------------------------- */

static void effective(const struct entry *e, const struct maildir_name *n, uint8_t *ret_flags, uint32_t *ret_keywords)
{
    *ret_flags = (uint8_t)((n->flags | e->add) & ~e->remove);
    *ret_keywords = (n->keywords | e->keywords_add) & ~e->keywords_remove;
}

static void sizes_from_name(struct entry *e, const struct maildir_name *n)
{
    if (e->size == SIZE_UNKNOWN && n->has_size)
        e->size = n->size;
    if (e->vsize == SIZE_UNKNOWN && n->has_vsize)
        e->vsize = n->vsize;
}

static void merge_known(struct box *b, struct entry *e, const struct found *f, uint64_t *modseq)
{
    struct box_msg *m = &b->msgs.p[e->index];
    uint8_t flags;
    uint32_t keywords;
    effective(e, &f->name, &flags, &keywords);
    e->mark = b->scan;
    if (f->recent)
        m->flags |= FLAG_RECENT;
    if (strcmp(e->name, f->text) != 0 || e->in_new != f->in_new) {
        entry_set_name(b, e, str_from(f->text), f->in_new);
        e->dirty = true;
    }
    if (flags == (m->flags & FLAGS_STORED) && keywords == m->keywords)
        return;
    if (*modseq == 0)
        *modseq = box_next_modseq(b);
    m->flags = (uint8_t)((m->flags & FLAG_RECENT) | flags);
    m->keywords = keywords;
    m->modseq = *modseq;
    e->dirty = e->changed = true;
}

static void merge_new(struct box *b, uint32_t uid, struct found *f, struct str ext, uint64_t modseq)
{
    struct entry *e = box_add_entry(b, uid, str_from(f->text), f->in_new, ext);
    struct box_msg *m = &b->msgs.p[e->index];
    m->flags = (uint8_t)(f->name.flags | (f->recent ? FLAG_RECENT : 0));
    m->keywords = f->name.keywords;
    m->modseq = modseq;
    e->mark = b->scan;
    e->dirty = true;
    sizes_from_name(e, &f->name);
}

static int by_time(const void *a, const void *b)
{
    const struct found *x = *(struct found *const *)a, *y = *(struct found *const *)b;
    struct str sx, sy, rest;
    str_cut(x->name.base, '.', &sx, &rest);
    str_cut(y->name.base, '.', &sy, &rest);
    if (sx.n != sy.n)
        return sx.n < sy.n ? -1 : 1;    /* seconds: the longer number is the later one */
    return str_cmp(x->name.base, y->name.base);
}

/*
 * Known by UID list: update or add. Names that the list has are taken. Of two lines for one name
 * the later counts, and the list's UID more than ours: then what we know under that name goes.
 */
static void merge_listed(struct box *b, struct names *names, struct uidlist_file *list, uint64_t *modseq)
{
    for (size_t i = 0; i < list->lines.n; i++) {
        struct found *f = htab_get(&names->by_base, list->lines.p[i].base);
        if (f != NULL)
            f->listed = list->lines.p[i].uid;
    }
    for (size_t i = 0; i < list->lines.n; i++) {
        const struct uidlist_entry *l = &list->lines.p[i];
        struct found *f = htab_get(&names->by_base, l->base);
        if (f == NULL || f->taken || f->listed != l->uid)
            continue;
        struct entry *e = live_entry(b, l->base);
        if (e != NULL && b->msgs.p[e->index].uid == l->uid) {
            f->taken = true;
            entry_set_ext(e, l->ext);
            merge_known(b, e, f, modseq);
        } else if (b->msgs.n == 0 || b->msgs.p[b->msgs.n - 1].uid < l->uid) {
            f->taken = true;
            if (*modseq == 0)
                *modseq = box_next_modseq(b);
            merge_new(b, l->uid, f, l->ext, *modseq);
        }
    }
}

/* Names that the list does not have, in order of arrival, get the next UIDs. The list is synced before anyone sees them. */
static int assign_uids(struct box *b, struct names *names, struct uidlist_file *list, uint64_t *modseq, struct err *err)
{
    VEC(struct found *) fresh = { 0 };
    struct buf lines = buf_make(0);
    for (size_t i = 0; i < names->all.n; i++)
        if (!names->all.p[i]->taken && live_entry(b, names->all.p[i]->name.base) == NULL)
            vec_push(&fresh, names->all.p[i]);
    if (fresh.n > 0)
        qsort(fresh.p, fresh.n, sizeof(fresh.p[0]), by_time);
    uint32_t uid = list->head.uidnext;
    int result = UINT32_MAX - uid > fresh.n ? 0 : err_set(err, ERR_LIMIT, "%s/%s: no UIDs are left", b->store->root, b->subdir);
    for (size_t i = 0; i < fresh.n; i++)
        uidlist_put_line(&lines, &(struct uidlist_line){ uid + (uint32_t)i, STR(""), fresh.p[i]->name.base });
    if (result == 0 && fresh.n > 0)
        result = uidlist_append(b->dir, buf_str(&lines), err);
    if (result == 0 && fresh.n > 0 && *modseq == 0)
        *modseq = box_next_modseq(b);
    for (size_t i = 0; i < fresh.n && result == 0; i++)
        merge_new(b, uid + (uint32_t)i, fresh.p[i], STR(""), *modseq);
    if (result == 0)
        list->head.uidnext += (uint32_t)fresh.n;
    vec_done(&fresh);
    buf_done(&lines);
    return result;
}

static bool any_missing(const struct box *b)
{
    for (size_t i = 0; i < b->ents.n; i++)
        if (b->ents.p[i]->mark != b->scan && !b->msgs.p[i].gone)
            return true;
    return false;
}

static void mark_gone(struct box *b)
{
    uint64_t modseq = 0;
    for (size_t i = 0; i < b->ents.n; i++) {
        struct entry *e = b->ents.p[i];
        if (e->mark == b->scan || b->msgs.p[i].gone)
            continue;
        if (modseq == 0)
            modseq = box_next_modseq(b);
        b->msgs.p[i].gone = true;
        b->msgs.p[i].modseq = modseq;
        e->dirty = true;
    }
}

/* cur's state is taken before it is read, but after our own moves into it. */
static int read_names(struct box *b, struct names *n, struct disk_state *ret_before, struct err *err)
{
    folder_state(b, false, ret_before);
    if (each_file(b, "new", take_new, n, err) < 0)
        return -1;
    if (n->all.n > 0 && !b->read_only) {
        struct disk_state moved;
        folder_state(b, true, &moved);
        ret_before->cur = moved.cur;
        ret_before->new.ino = 0;    /* look again: something may have come while we moved */
    }
    return each_file(b, "cur", take_cur, n, err);
}

/*
 * A file that another program renames while the directory is read may be missed:
 * only what is missing twice has gone.
 */
static int look_again(struct box *b, struct uidlist_file *list, uint64_t *modseq, struct err *err)
{
    struct names again = { 0 };
    struct disk_state unused;
    int result = read_names(b, &again, &unused, err);
    if (result == 0) {
        merge_listed(b, &again, list, modseq);
        mark_gone(b);
    }
    names_done(&again);
    return result;
}

static void take_head(struct box *b, const struct uidlist_file *list)
{
    free(b->list_other);
    b->list_other = str_to_heap(list->head.other);
    b->list = list->head;
    b->list.other = str_from(b->list_other);
    b->head.uidvalidity = list->head.uidvalidity;
    b->head.uidnext = MAX(b->head.uidnext, list->head.uidnext);
    memcpy(b->head.guid, list->head.guid, sizeof(b->head.guid));
}

/* Dead lines stay in the list until they are a quarter of it. */
static int maybe_rewrite(struct box *b, struct uidlist_file *list, struct err *err)
{
    size_t live = 0;
    for (size_t i = 0; i < list->lines.n; i++) {
        const struct entry *e = htab_get(&b->by_base, list->lines.p[i].base);
        if (e != NULL && b->msgs.p[e->index].uid == list->lines.p[i].uid && !b->msgs.p[e->index].gone)
            list->lines.p[live++] = list->lines.p[i];
    }
    bool worth = list->lines.n > live + 16 && live * 4 < list->lines.n * 3;
    if (b->look_only || (!worth && !list->damaged && list->head.version == 3))
        return 0;
    list->lines.n = live;
    list->head.version = 3;
    int rc = uidlist_replace(b->dir, list, err);
    return rc < 0 && fs_is_full(err->sys) && !list->damaged ? 0 : rc;
}

/*
 * Without room or leave for their UIDs new messages have to wait, unseen; but the others can be read and
 * removed. Nothing that is known of the folder's state is believed then: the next sync tries again.
 */
static int wait_for_room(const struct box *b, struct disk_state *state, const struct err *err)
{
    if (!fs_is_full(err->sys) && !(b->look_only && fs_is_forbidden(err->sys)))
        return -1;
    state->cur.ino = state->new.ino = 0;
    return 0;
}

static int merge_all(struct box *b, struct names *names, struct uidlist_file *list, struct disk_state *state, struct err *err)
{
    uint64_t modseq = 0;
    b->scan++;
    merge_listed(b, names, list, &modseq);
    if (any_missing(b) && look_again(b, list, &modseq, err) < 0)
        return -1;
    /* The list must hold its lines in memory until here; new ones are appended to the file only. */
    size_t before = b->msgs.n;
    if (assign_uids(b, names, list, &modseq, err) < 0)
        return wait_for_room(b, state, err);
    bool appended = b->msgs.n > before;
    return appended ? 0 : maybe_rewrite(b, list, err);
}

/* The UID list was replaced: nothing of what we know is true any more. */
static int check_validity(struct box *b, const struct uidlist_file *list, struct err *err)
{
    if (b->head.uidvalidity == 0 || b->head.uidvalidity == list->head.uidvalidity)
        return 0;
    if (b->is_open)
        return err_set(err, ERR_TEMP, "%s/%s: UIDVALIDITY has changed", b->store->root, b->subdir);
    box_forget(b);
    return 0;
}

static void scan_done(struct box *b, const struct disk_state *before)
{
    scan_state(b, &b->disk);
    b->disk.cur = before->cur;
    b->disk.new = before->new;
    b->row_dirty = true;
}

static int load_list(struct box *b, struct uidlist_file *ret, struct err *err)
{
    if (!b->look_only)
        return uidlist_load_or_make(b->store, b->dir, ret, err);
    if (uidlist_load(b->dir, ret, err) < 0)
        return -1;
    if (!ret->missing)
        return 0;
    uidlist_done(ret);
    return err_set(err, ERR_TEMP, "%s/%s has no UID list, and none can be written", b->store->root, b->subdir);
}

int scan_folder(struct box *b, struct err *err)
{
    struct uidlist_file list;
    struct names names = { 0 };
    struct disk_state before;
    if (keywords_read(b, err) < 0 || load_list(b, &list, err) < 0)
        return -1;
    int result = check_validity(b, &list, err);
    if (result == 0)
        result = read_names(b, &names, &before, err);
    if (result == 0)
        result = merge_all(b, &names, &list, &before, err);
    if (result == 0) {
        take_head(b, &list);
        scan_done(b, &before);
    }
    names_done(&names);
    uidlist_done(&list);
    return result;
}

int scan_new(struct box *b, struct err *err)
{
    struct uidlist_file list = { .head = b->list };
    struct names names = { 0 };
    struct disk_state before;
    uint64_t modseq = 0;
    list.head.uidnext = b->head.uidnext;
    folder_state(b, false, &before);
    int result = each_file(b, "new", take_new, &names, err);
    if (result == 0 && names.all.n > 0)
        result = assign_uids(b, &names, &list, &modseq, err);
    bool full = result < 0 && wait_for_room(b, &before, err) == 0;
    if (full) {
        b->disk.cur.ino = 0;
        result = 0;
    } else if (result == 0 && names.all.n > 0) {
        b->list.uidnext = b->head.uidnext = list.head.uidnext;
        scan_state(b, &b->disk);
        before.new.ino = 0;
        b->row_dirty = true;
    }
    b->disk.new = before.new;
    names_done(&names);
    return result;
}
