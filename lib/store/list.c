/* SPDX-License-Identifier: ISC
 *
 * The set of mailboxes: listing, creating, deleting, renaming, subscribing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "store/private.h"

static const char subscriptions_file[] = "subscriptions";

struct listing { struct arena *a; VEC(struct box_info) all; struct htab by_name; };

/* --- listing ------------------------------------------------------------------------- */

static bool is_listed(const struct listing *l, struct str name, size_t *ret_i)
{
    const void *at = htab_get(&l->by_name, name);
    if (at == NULL)
        return false;
    *ret_i = (size_t)(uintptr_t)at - 1;
    return true;
}

static void add(struct listing *l, struct str name, unsigned attrs)
{
    size_t i;
    if (is_listed(l, name, &i)) {
        if ((attrs & BOX_NOSELECT) == 0)
            l->all.p[i].attrs &= ~(unsigned)BOX_NOSELECT;
        l->all.p[i].attrs |= attrs & ~(unsigned)BOX_NOSELECT;
        return;
    }
    struct box_info info = { str_dup(l->a, name), attrs };
    vec_push(&l->all, info);
    htab_put(&l->by_name, info.name, (void *)(uintptr_t)l->all.n);
}

static int add_folders(struct store *s, struct listing *l, struct err *err)
{
    struct buf canonical = buf_make(0);
    int fd = fs_open_dir(s->dir, ".");
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL)
        return err_sys(err, ERR_TEMP, "open %s", s->root);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        if (e->d_name[0] == '.' && name_check(str_from(e->d_name + 1), &canonical) && folder_exists(s, e->d_name)
            && !str_eqz(buf_str(&canonical), "INBOX"))
            add(l, buf_str(&canonical), 0);
    closedir(d);
    buf_done(&canonical);
    return 0;
}

static int add_subscribed(struct store *s, struct listing *l, struct err *err)
{
    struct buf text = buf_make(SMALL_FILE_MAX), name = buf_make(0), canonical = buf_make(0);
    size_t pos = 0;
    int rc = fs_read(s->dir, subscriptions_file, SMALL_FILE_MAX / 2, &text, NULL, err);
    while (rc == 0 && subscriptions_next(buf_str(&text), &pos, STORE_SEPARATOR, &name))
        if (name_check(buf_str(&name), &canonical))
            add(l, buf_str(&canonical), BOX_SUBSCRIBED | BOX_NOSELECT);
    buf_done(&text);
    buf_done(&name);
    buf_done(&canonical);
    return rc < 0 ? -1 : 0;
}

static void add_levels(struct listing *l)
{
    for (size_t i = 0; i < l->all.n; i++) {
        struct str name = l->all.p[i].name;
        ptrdiff_t dot = str_rchr(name, STORE_SEPARATOR);
        if (dot <= 0)
            continue;
        add(l, str_head(name, (size_t)dot), BOX_NOSELECT | BOX_HAS_CHILDREN);  /* appended, so its own parent follows */
    }
}

static unsigned use_by_attribute(struct str word)
{
    static const struct { const char *name; unsigned attr; } uses[] = {
        { "\\Drafts", BOX_DRAFTS }, { "\\Sent", BOX_SENT }, { "\\Junk", BOX_JUNK }, { "\\Trash", BOX_TRASH },
        { "\\Archive", BOX_ARCHIVE }, { "\\All", BOX_ALL }, { "\\Flagged", BOX_FLAGGED },
    };
    for (size_t i = 0; i < N_ELEMS(uses); i++)
        if (str_ieqz(word, uses[i].name))
            return uses[i].attr;
    return 0;
}

static void mark_uses(struct store *s, struct listing *l)
{
    struct str item, name, use, rest = str_from(s->special_use);
    bool more = true;
    while (more && rest.n > 0) {
        more = str_cut(rest, ',', &item, &rest);
        size_t i;
        if (str_cut(str_trim(item), '=', &name, &use) && is_listed(l, str_trim(name), &i))
            l->all.p[i].attrs |= use_by_attribute(str_trim(use));
    }
}

static int by_name(const void *a, const void *b)
{
    const struct box_info *x = a, *y = b;
    bool xi = str_eqz(x->name, "INBOX"), yi = str_eqz(y->name, "INBOX");
    return xi != yi ? (xi ? -1 : 1) : str_cmp(x->name, y->name);
}

enum store_result store_list(struct store *s, struct arena *a, struct box_info **ret, size_t *ret_n, struct err *err)
{
    struct listing l = { .a = a };
    add(&l, STR("INBOX"), 0);
    int result = add_folders(s, &l, err);
    if (result == 0) {
        add_levels(&l);     /* before the subscribed ones: what is gone has no levels above it */
        result = add_subscribed(s, &l, err);
    }
    if (result == 0) {
        mark_uses(s, &l);
        qsort(l.all.p, l.all.n, sizeof(l.all.p[0]), by_name);
        *ret = ARENA_ARRAY(a, struct box_info, l.all.n);
        memcpy(*ret, l.all.p, l.all.n * sizeof(l.all.p[0]));
        *ret_n = l.all.n;
    }
    vec_done(&l.all);
    htab_done(&l.by_name);
    return result < 0 ? STORE_FAILED : STORE_OK;
}

/* --- one name --------------------------------------------------------------------------- */

static enum store_result resolve(struct str name, struct buf *canonical, struct buf *subdir, struct err *err)
{
    if (!name_check(name, canonical)) {
        err_set(err, ERR_PERM, "not a mailbox name");
        return STORE_BAD_NAME;
    }
    name_subdir(buf_str(canonical), subdir);
    return STORE_OK;
}

static enum store_result make(struct store *s, const char *subdir, struct err *err)
{
    struct uidlist_file list;
    struct dotlock lock;
    if (folder_make(s, subdir, err) < 0)
        return store_error(err);
    int dir = fs_open_dir(s->dir, subdir[0] == '\0' ? "." : subdir);
    if (dir < 0) {
        err_sys(err, ERR_TEMP, "open %s/%s", s->root, subdir);
        return STORE_FAILED;
    }
    int rc = dotlock_take(&lock, dir, "dovecot-uidlist.lock", s->lock_seconds, err);
    if (rc == 0) {
        rc = uidlist_load_or_make(s, dir, &list, err);
        dotlock_drop(&lock);
        if (rc == 0)
            uidlist_done(&list);
    }
    close(dir);
    return rc < 0 ? STORE_FAILED : STORE_OK;
}

enum store_result store_create(struct store *s, struct str name, struct err *err)
{
    struct buf canonical = buf_make(0), subdir = buf_make(0);
    if (name.n > 1 && name.p[name.n - 1] == STORE_SEPARATOR)    /* RFC 3501 6.3.3: a hint that names below it will follow */
        name.n--;
    enum store_result result = resolve(name, &canonical, &subdir, err);
    if (result == STORE_OK && (subdir.n == 0 || folder_exists(s, buf_cstr(&subdir)))) {
        err_set(err, ERR_PERM, "mailbox exists already");
        result = STORE_EXISTS;
    }
    if (result == STORE_OK)
        result = make(s, buf_cstr(&subdir), err);
    buf_done(&canonical);
    buf_done(&subdir);
    return result;
}

/* --- deleting ------------------------------------------------------------------------------ */

static void remove_files(int dir)
{
    int fd = fs_open_dir(dir, ".");
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL)
        return;
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dir, e->d_name, 0);
    closedir(d);
}

/* What was a folder: its three directories and the files beside them; nothing below is a directory of ours. */
static void remove_folder(struct store *s, const char *name)
{
    static const char *const parts[] = { "cur", "new", "tmp" };
    int dir = fs_open_dir(s->dir, name);
    if (dir < 0)
        return;
    for (size_t i = 0; i < N_ELEMS(parts); i++) {
        int sub = fs_open_dir(dir, parts[i]);
        if (sub < 0)
            continue;
        remove_files(sub);
        close(sub);
        unlinkat(dir, parts[i], AT_REMOVEDIR);
    }
    remove_files(dir);
    close(dir);
    unlinkat(s->dir, name, AT_REMOVEDIR);
}

static void index_forget(struct store *s, struct str subdir)
{
    struct index_box row;
    if (index_begin(store_index(s))) {
        if (index_get_box(store_index(s), subdir, &row))
            index_wipe_box(store_index(s), row.id, subdir);
        index_commit(store_index(s));
    }
}

/* One rename decides, the rest is cleaning up. Of a folder that is a link (somebody else's, shared) only the link goes. */
static int remove_mailbox(struct store *s, const char *subdir, struct err *err)
{
    struct buf trash = buf_make(0);
    struct stat st;
    bool is_link = fstatat(s->dir, subdir, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
    buf_puts(&trash, "..postern-deleted.");
    unique_name(&trash, SIZE_UNKNOWN, SIZE_UNKNOWN);
    int rc = is_link ? unlinkat(s->dir, subdir, 0) : renameat(s->dir, subdir, s->dir, buf_cstr(&trash));
    rc = rc < 0 ? err_sys(err, ERR_TEMP, "remove %s/%s", s->root, subdir) : fs_sync_dir(s->dir, NULL, err);
    if (rc == 0 && !is_link)
        remove_folder(s, buf_cstr(&trash));
    buf_done(&trash);
    return rc;
}

enum store_result store_delete(struct store *s, struct str name, struct err *err)
{
    struct buf canonical = buf_make(0), subdir = buf_make(0);
    enum store_result result = resolve(name, &canonical, &subdir, err);
    if (result == STORE_OK && subdir.n == 0) {
        err_set(err, ERR_PERM, "INBOX cannot be deleted");
        result = STORE_BAD_NAME;
    } else if (result == STORE_OK && !folder_exists(s, buf_cstr(&subdir))) {
        err_set(err, ERR_PERM, "mailbox does not exist");
        result = STORE_NOT_FOUND;
    }
    if (result == STORE_OK && remove_mailbox(s, buf_cstr(&subdir), err) < 0)
        result = STORE_FAILED;
    if (result == STORE_OK)
        index_forget(s, buf_str(&subdir));
    buf_done(&canonical);
    buf_done(&subdir);
    return result;
}

/* --- renaming ------------------------------------------------------------------------------ */

static enum store_result rename_inbox(struct store *s, const char *to_name, const char *to_subdir, struct err *err)
{
    struct box *b;
    struct append_result copied;
    enum store_result result = make(s, to_subdir, err);
    if (result == STORE_OK)
        result = box_open(s, STR("INBOX"), 0, &b, err);
    if (result != STORE_OK)
        return result;
    VEC(uint32_t) all = { 0 };
    for (uint32_t i = 0; i < box_count(b); i++)
        vec_push(&all, i);
    if (all.n > 0)
        result = box_copy(b, all.p, all.n, str_from(to_name), true, &copied, err);
    vec_done(&all);
    box_close(b);
    return result;
}

/* The folder and all below it; targets were checked to be free. */
static enum store_result rename_tree(struct store *s, struct str from, struct str to, struct err *err)
{
    struct arena a = arena_make(64 << 20);
    struct box_info *all;
    size_t n;
    struct buf old = buf_make(0), new = buf_make(0);
    enum store_result result = store_list(s, &a, &all, &n, err);
    for (size_t i = 0; i < n && result == STORE_OK; i++) {
        struct str name = all[i].name;
        bool below = str_starts(name, from) && (name.n == from.n || name.p[from.n] == STORE_SEPARATOR);
        if (!below || (all[i].attrs & BOX_NOSELECT) != 0)
            continue;
        buf_reset(&old);
        buf_reset(&new);
        buf_printf(&old, ".%.*s", STR_FMT(name));
        buf_printf(&new, ".%.*s%.*s", STR_FMT(to), STR_FMT(str_skip(name, from.n)));
        if (new.n > BOX_NAME_MAX + 1 || renameat(s->dir, buf_cstr(&old), s->dir, buf_cstr(&new)) < 0) {
            err_sys(err, ERR_TEMP, "rename %s/%s", s->root, buf_cstr(&old));
            result = STORE_FAILED;
        } else if (index_begin(store_index(s))) {
            index_rename_box(store_index(s), buf_str(&old), buf_str(&new));
            index_commit(store_index(s));
        }
    }
    if (result == STORE_OK && fs_sync_dir(s->dir, NULL, err) < 0)
        result = STORE_FAILED;
    buf_done(&old);
    buf_done(&new);
    arena_done(&a);
    return result;
}

static enum store_result check_rename(struct store *s, struct buf *from, struct buf *to, struct str from_sub, struct str to_sub, struct err *err)
{
    struct str f = buf_str(from), t = buf_str(to);
    if (to_sub.n == 0 || folder_exists(s, to_sub.p)) {
        err_set(err, ERR_PERM, "target exists already");
        return STORE_EXISTS;
    }
    if (str_starts(t, f) && t.n > f.n && t.p[f.n] == STORE_SEPARATOR && from_sub.n > 0) {
        err_set(err, ERR_PERM, "a mailbox cannot be moved below itself");
        return STORE_BAD_NAME;
    }
    struct arena a = arena_make(64 << 20);
    struct box_info *all;
    size_t n;
    enum store_result result = store_list(s, &a, &all, &n, err);
    bool found = false;
    for (size_t i = 0; i < n && result == STORE_OK; i++) {
        bool gone = (all[i].attrs & BOX_NOSELECT) != 0 && (all[i].attrs & BOX_HAS_CHILDREN) == 0;
        found = found || (str_eq(all[i].name, f) && !gone);
    }
    arena_done(&a);
    if (result == STORE_OK && !found) {
        err_set(err, ERR_PERM, "mailbox does not exist");
        result = STORE_NOT_FOUND;
    }
    return result;
}

enum store_result store_rename(struct store *s, struct str from, struct str to, struct err *err)
{
    struct buf fname = buf_make(0), fsub = buf_make(0), tname = buf_make(0), tsub = buf_make(0);
    enum store_result result = resolve(from, &fname, &fsub, err);
    if (result == STORE_OK)
        result = resolve(to, &tname, &tsub, err);
    (void)buf_cstr(&tsub);
    if (result == STORE_OK)
        result = check_rename(s, &fname, &tname, buf_str(&fsub), buf_str(&tsub), err);
    if (result == STORE_OK)
        result = fsub.n == 0 ? rename_inbox(s, buf_cstr(&tname), buf_cstr(&tsub), err)
                             : rename_tree(s, buf_str(&fname), buf_str(&tname), err);
    buf_done(&fname);
    buf_done(&fsub);
    buf_done(&tname);
    buf_done(&tsub);
    return result;
}

/* --- subscriptions ------------------------------------------------------------------------- */

static int rewrite_subscriptions(struct store *s, struct str name, bool on, struct err *err)
{
    struct buf text = buf_make(SMALL_FILE_MAX), out = buf_make(0), each = buf_make(0);
    size_t pos = 0;
    bool there = false, changed = false;
    int rc = fs_read(s->dir, subscriptions_file, SMALL_FILE_MAX / 2, &text, NULL, err);
    subscriptions_put_head(&out);
    while (rc == 0 && subscriptions_next(buf_str(&text), &pos, STORE_SEPARATOR, &each)) {
        bool same = str_eq(buf_str(&each), name);
        if (same && (!on || there)) {
            changed = true;
            continue;
        }
        there = there || same;
        subscriptions_put(&out, buf_str(&each), STORE_SEPARATOR);
    }
    if (rc >= 0 && on && !there) {
        subscriptions_put(&out, name, STORE_SEPARATOR);
        changed = true;
    }
    if (rc >= 0)
        rc = changed ? fs_replace(s->dir, subscriptions_file, buf_str(&out), 0600, err) : 0;
    buf_done(&text);
    buf_done(&out);
    buf_done(&each);
    return rc;
}

enum store_result store_subscribe(struct store *s, struct str name, bool on, struct err *err)
{
    struct buf canonical = buf_make(0), subdir = buf_make(0);
    struct dotlock lock;
    enum store_result result = resolve(name, &canonical, &subdir, err);
    if (result == STORE_OK && on && subdir.n > 0 && !folder_exists(s, buf_cstr(&subdir))) {
        err_set(err, ERR_PERM, "mailbox does not exist");
        result = STORE_NOT_FOUND;
    }
    if (result == STORE_OK && dotlock_take(&lock, s->dir, "subscriptions.lock", s->lock_seconds, err) < 0)
        result = STORE_FAILED;
    else if (result == STORE_OK) {
        if (rewrite_subscriptions(s, buf_str(&canonical), on, err) < 0)
            result = STORE_FAILED;
        dotlock_drop(&lock);
    }
    buf_done(&canonical);
    buf_done(&subdir);
    return result;
}
