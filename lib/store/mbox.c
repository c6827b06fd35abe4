/* SPDX-License-Identifier: ISC
 *
 * An mbox as a mailbox. The whole file is read to find its messages; a change
 * is a new text of the whole file, written in place, since other programs may
 * wait for a lock on this very file. So that a crash in the middle loses
 * nothing, the new text is first saved, synced, as .postern-mbox-redo in the
 * mail root; the next open finishes what was begun (mbox_redo.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/num.h"
#include "os/clock.h"
#include "proto/mbox_scan.h"
#include "store/mbox.h"
#include "store/private.h"

enum { MBOX_MAX = 1 << 30 };
#define UID_LAST_MAX (UINT32_MAX - (1u << 24))
static const char redo_name[] = ".postern-mbox-redo";
static const char redo_aside[] = ".postern-mbox-redo.unused";

struct mbox {
    struct mbox_file f;
    char *path;
    uint64_t size;          /* of the file as it was read; with mtime_ns: does it still look like that? */
    int64_t mtime_ns;
    uint64_t dev, ino;
};

/* --- the file as text -------------------------------------------------------------- */

static int read_text(struct mbox *m, struct buf *out, struct err *err)
{
    struct stat st;
    if (fstat(m->f.fd, &st) < 0)
        return err_sys(err, ERR_TEMP, "mailbox %s", m->path);
    if (st.st_size > MBOX_MAX)
        return err_set(err, ERR_LIMIT, "mailbox %s is too large to be read", m->path);
    char *room = buf_room(out, (size_t)st.st_size + 1);
    size_t n = 0;
    while (n < (size_t)st.st_size) {
        ssize_t got = pread(m->f.fd, room + n, (size_t)st.st_size - n, (off_t)n);
        if (got < 0)
            return err_sys(err, ERR_TEMP, "read mailbox %s", m->path);
        if (got == 0)
            break;
        n += (size_t)got;
    }
    buf_added(out, n);
    return 0;
}

static void note_state(struct mbox *m)
{
    struct stat st;
    if (fstat(m->f.fd, &st) < 0)
        return;
    m->size = (uint64_t)st.st_size;
    m->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static bool looks_same(const struct mbox *m)
{
    struct stat st;
    return fstat(m->f.fd, &st) == 0 && (uint64_t)st.st_size == m->size
        && m->mtime_ns == (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* --- writing, and finishing what a crash interrupted ---------------------------------- */

static int write_in_place(struct mbox *m, struct str text, struct err *err)
{
    size_t n = 0;
    while (n < text.n) {
        ssize_t put = pwrite(m->f.fd, text.p + n, text.n - n, (off_t)n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return err_sys(err, ERR_TEMP, "write mailbox %s", m->path);
        n += (size_t)put;
    }
    if (ftruncate(m->f.fd, (off_t)text.n) < 0 || fsync(m->f.fd) < 0)
        return err_sys(err, ERR_TEMP, "write mailbox %s", m->path);
    return 0;
}

/* Room for what is added, before anything is overwritten: a full disk is met here, and later deliveries go behind it. */
static int make_longer(struct mbox *m, size_t n, struct err *err)
{
    int rc = fallocate(m->f.fd, 0, 0, (off_t)n);
    if (rc < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
        rc = ftruncate(m->f.fd, (off_t)n);
    return rc == 0 && fsync(m->f.fd) == 0 ? 0 : err_sys(err, ERR_TEMP, "write mailbox %s", m->path);
}

/* old: the file as it is. A mailbox that could not be made longer is cut to that again. */
static int rewrite(struct box *b, struct str old, struct str text, struct err *err)
{
    struct mbox *m = b->mbox;
    struct buf redo = buf_make(0);
    if (str_eq(old, text))
        return 0;
    mbox_redo_put(&redo, m->ino, old, text);
    int rc = fs_replace(b->store->dir, redo_name, buf_str(&redo), 0600, err);
    buf_done(&redo);
    if (rc < 0)
        return -1;
    bool untouched = false;
    if (text.n > old.n && make_longer(m, text.n, err) < 0) {
        untouched = ftruncate(m->f.fd, (off_t)old.n) == 0 && fsync(m->f.fd) == 0;
        rc = -1;
    } else {
        rc = write_in_place(m, text, err);
    }
    if (rc == 0 || untouched)
        unlinkat(b->store->dir, redo_name, 0);
    note_state(m);
    if (rc < 0)
        m->mtime_ns = 0;    /* what the array says may not be so: read again */
    return rc;
}

static int redo(struct box *b, struct err *err)
{
    struct mbox *m = b->mbox;
    struct buf saved = buf_make(0), now = buf_make(0), text = buf_make(0);
    int rc = fs_read(b->store->dir, redo_name, (size_t)MBOX_MAX + MBOX_MAX / 512, &saved, NULL, err);
    bool there = rc == 0;
    if (there)
        rc = read_text(m, &now, err);
    if (there && rc == 0) {
        switch (mbox_redo_check(buf_str(&saved), m->ino, buf_str(&now), &text)) {
        case MBOX_REDO_NOTHING: unlinkat(b->store->dir, redo_name, 0); break;
        case MBOX_REDO_WRITE: rc = rewrite(b, buf_str(&now), buf_str(&text), err); break;
        case MBOX_REDO_FOREIGN: (void)renameat(b->store->dir, redo_name, b->store->dir, redo_aside); break;
        }
    }
    buf_done(&saved);
    buf_done(&now);
    buf_done(&text);
    return rc < 0 ? -1 : 0;
}

/* --- text to messages -------------------------------------------------------------------- */

static uint32_t keyword_bits(struct box *b, struct str names)
{
    uint32_t bits = 0;
    struct str name;
    while (str_token(&names, " \t,", &name)) {
        unsigned i = 0;
        while (i < STORE_KEYWORDS_MAX && b->keywords[i] != NULL && !str_ieqz(name, b->keywords[i]))
            i++;
        if (i == STORE_KEYWORDS_MAX)
            continue;
        if (b->keywords[i] == NULL)
            b->keywords[i] = str_to_heap(name);
        bits |= UINT32_C(1) << i;
    }
    return bits;
}

static uint8_t flag_bits(const struct mbox_message *p)
{
    return (uint8_t)((p->seen ? FLAG_SEEN : 0) | (p->answered ? FLAG_ANSWERED : 0) | (p->flagged ? FLAG_FLAGGED : 0)
                     | (p->draft ? FLAG_DRAFT : 0) | (p->deleted ? FLAG_DELETED : 0) | (p->old ? 0 : FLAG_RECENT));
}

static void take_base(struct box *b, const struct mbox_message *p)
{
    if (!p->has_base || b->head.uidvalidity != 0)
        return;
    if (p->last_uid > UID_LAST_MAX)
        return;     /* there would be none left */
    b->head.uidvalidity = p->uidvalidity;
    b->head.uidnext = MAX(b->head.uidnext, p->last_uid + 1);
    (void)keyword_bits(b, p->base_keywords);
}

/*
 * A UID counts when it rises and was given out already, and is that of a message which is there or can follow
 * those which are: one that is gone, or was never seen among the others, would not be written back.
 */
static bool uid_fits(const struct box *b, const struct mbox_message *p, uint32_t last)
{
    if (b->head.uidvalidity == 0 || p->uid <= last || p->uid >= b->head.uidnext)
        return false;
    size_t i = box_find_among(b, b->msgs.n, p->uid);
    return i == b->msgs.n || (b->msgs.p[i].uid == p->uid && !b->msgs.p[i].gone);
}

static bool take_message(struct box *b, const struct mbox_message *p, uint32_t *last, uint64_t modseq)
{
    bool fits = uid_fits(b, p, *last);
    uint32_t uid = fits ? p->uid : b->head.uidnext++;
    size_t i = box_find_among(b, b->msgs.n, uid);
    *last = uid;
    struct entry *e = i < b->msgs.n ? b->ents.p[i] : NULL;
    if (e == NULL) {
        char name[32];
        int n = snprintf(name, sizeof(name), "%u", uid);
        e = box_add_entry(b, uid, str_make(name, (size_t)n), false, STR(""));
        b->msgs.p[e->index].modseq = modseq;
        b->msgs.p[e->index].flags = flag_bits(p);
    }
    struct box_msg *m = &b->msgs.p[e->index];
    uint8_t flags = (uint8_t)((flag_bits(p) & FLAGS_STORED) | (m->flags & FLAG_RECENT));
    uint32_t keywords = keyword_bits(b, p->keywords);
    if (flags != m->flags || (keywords != m->keywords && m->modseq != modseq)) {
        e->changed = true;
        m->modseq = modseq;
    }
    m->flags = flags;
    m->keywords = keywords;
    e->at = p->at;
    e->end = p->end;
    e->date = mbox_from_date(p->from);
    e->mark = b->scan;
    return fits;
}

/* *ret_complete: every message had its UID in the file. */
static int parse(struct box *b, struct str text, bool *ret_complete, struct err *err)
{
    struct mbox_message p;
    size_t pos = 0;
    uint32_t last = 0;
    bool complete = true;
    uint64_t modseq = box_next_modseq(b);
    b->scan++;
    while (pos < text.n && mbox_next(text, &pos, &p)) {
        take_base(b, &p);
        if (!p.internal)
            complete = take_message(b, &p, &last, modseq) && complete;
    }
    if (pos < text.n)
        return err_set(err, ERR_PROTO, "%s is not an mbox: no From line at byte %zu", b->mbox->path, pos);
    if (b->head.uidvalidity == 0) {
        b->head.uidvalidity = (uint32_t)(clock_wall_ms() / 1000);
        complete = text.n == 0;
    }
    for (size_t i = 0; i < b->ents.n; i++)
        if (b->ents.p[i]->mark != b->scan && !b->msgs.p[i].gone) {
            b->msgs.p[i].gone = true;
            b->msgs.p[i].modseq = modseq;
        }
    *ret_complete = complete;
    return 0;
}

/* --- messages to text ------------------------------------------------------------------------ */

static void put_keywords(struct buf *out, const struct box *b, uint32_t bits)
{
    for (unsigned i = 0; i < STORE_KEYWORDS_MAX; i++)
        if ((bits >> i & 1) != 0 && b->keywords[i] != NULL)
            buf_printf(out, " %s", b->keywords[i]);
}

static void put_fields(struct buf *out, const struct box *b, size_t i, bool first)
{
    const struct box_msg *m = &b->msgs.p[i];
    if (first) {
        buf_printf(out, "X-IMAPbase: %u %010u", b->head.uidvalidity, b->head.uidnext - 1);
        put_keywords(out, b, UINT32_MAX);
        buf_putc(out, '\n');
    }
    buf_printf(out, "X-UID: %u\n", m->uid);
    struct buf keywords = buf_make(0);
    put_keywords(&keywords, b, m->keywords);
    mbox_put_flags(out, m->flags, true, buf_str(&keywords));
    buf_done(&keywords);
}

/* Its length: what separates a header from the body. 0 when the message ends with the header. */
static size_t empty_line_at_end(struct str header)
{
    struct str line;
    size_t n = 0;
    while (header.n > 0) {
        size_t before = header.n;
        (void)str_cut(header, '\n', &line, &header);
        n = line.n == 0 || str_eqz(line, "\r") ? before - header.n : 0;
    }
    return n;
}

/* One message of the old text with today's fields; notes where it now is. */
static void put_message(struct buf *out, struct box *b, size_t i, struct str text, bool first)
{
    struct entry *e = b->ents.p[i];
    struct mbox_message p;
    size_t pos = e->at, start = out->n;
    if (!mbox_next(text, &pos, &p))
        return;
    struct buf visible = buf_make(0);
    struct mbox_message head = p;
    head.end = head.body;
    mbox_put_visible(&visible, text, &head);
    size_t head_n = visible.n, empty = empty_line_at_end(buf_str(&visible));
    buf_reset(&visible);
    mbox_put_visible(&visible, text, &p);
    buf_add(out, p.from);
    buf_putc(out, '\n');
    buf_add(out, str_head(buf_str(&visible), head_n - empty));
    if (out->p[out->n - 1] != '\n')
        buf_putc(out, '\n');
    put_fields(out, b, i, first);
    buf_add(out, empty == 0 ? STR("\n") : str_skip(buf_str(&visible), head_n - empty));
    if (out->n > 0 && out->p[out->n - 1] != '\n')
        buf_putc(out, '\n');
    buf_putc(out, '\n');
    buf_done(&visible);
    e->at = start;
    e->end = out->n;
}

/* Under the write lock, with the array in line with the text. */
static int write_all(struct box *b, struct str text, struct err *err)
{
    struct buf out = buf_make(0);
    bool first = true;
    for (size_t i = 0; i < b->msgs.n; i++) {
        if (b->msgs.p[i].gone)
            continue;
        put_message(&out, b, i, text, first);
        first = false;
    }
    int rc = 0;
    if (first) {    /* UIDVALIDITY must outlive the last message */
        struct buf from = buf_make(0);
        mbox_from_line(&from, STR(""), 0);
        buf_add(&out, buf_str(&from));
        buf_printf(&out, "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAPbase: %u %010u\nStatus: RO\n\n"
                         "This text is part of the format of the mail folder, not a message.\n\n", b->head.uidvalidity, b->head.uidnext - 1);
        buf_done(&from);
    }
    rc = rewrite(b, text, buf_str(&out), err);
    buf_done(&out);
    return rc;
}

/* --- the interface ---------------------------------------------------------------------------- */

/* Under a lock: take up what the file says now. *ret_text: what was read. */
static int refresh(struct box *b, struct buf *text, bool *ret_complete, struct err *err)
{
    if (redo(b, err) < 0 || read_text(b->mbox, text, err) < 0 || parse(b, buf_str(text), ret_complete, err) < 0)
        return -1;
    note_state(b->mbox);
    return 0;
}

int mbox_sync(struct box *b, struct err *err)
{
    struct buf text = buf_make(0);
    bool complete;
    if (b->mbox->f.fd < 0 || (b->mbox->mtime_ns != 0 && looks_same(b->mbox)))
        return 0;
    if (mbox_file_lock(&b->mbox->f, true, b->store->lock_seconds, err) < 0)
        return -1;
    int rc = refresh(b, &text, &complete, err);
    if (rc == 0 && !complete)
        rc = write_all(b, buf_str(&text), err);
    mbox_file_unlock(&b->mbox->f);
    buf_done(&text);
    return rc;
}

int mbox_open(struct box *b, const char *path, struct err *err)
{
    struct mbox *m = xcalloc(1, sizeof(*m));
    struct stat st;
    b->head.modseq = (uint64_t)(clock_wall_ms() / 1000) << 20;
    b->head.uidnext = 1;
    m->f.fd = m->f.dir = -1;
    m->path = xstrdup(path);
    b->mbox = m;
    if (mbox_file_open(path, true, 0, &m->f, err) < 0) {
        if ((err->sys != EACCES && err->sys != ENOENT) || stat(path, &st) == 0)
            return -1;
        b->read_only = true;        /* no mailbox yet, and only delivery can make one: empty for this session */
        b->head.uidvalidity = 1;
        return 0;
    }
    if (fstat(m->f.fd, &st) == 0)
        m->ino = st.st_ino;
    memcpy(b->head.guid, "postern-mbox-ino", 16);
    put_be64(b->head.guid + 8, m->ino);
    int rc = mbox_sync(b, err);
    for (size_t i = 0; i < b->ents.n; i++)
        b->ents.p[i]->changed = false;
    return rc;
}

void mbox_close(struct box *b)
{
    mbox_file_close(&b->mbox->f);
    free(b->mbox->path);
    free(b->mbox);
    b->mbox = NULL;
}

bool mbox_has_news(const struct box *b) { return b->mbox->f.fd >= 0 && !looks_same(b->mbox); }
bool mbox_needs_flush(const struct box *b) { (void)b; return false; }

/* Lock, refresh, let fn change the array, write. */
static int change(struct box *b, void (*fn)(struct box *b, void *arg), void *arg, struct err *err)
{
    struct buf text = buf_make(0);
    bool complete;
    if (mbox_file_lock(&b->mbox->f, true, b->store->lock_seconds, err) < 0)
        return -1;
    int rc = refresh(b, &text, &complete, err);
    if (rc == 0) {
        fn(b, arg);
        rc = write_all(b, buf_str(&text), err);
        if (rc < 0)
            b->mbox->mtime_ns = 0;      /* the array says what the file does not */
    }
    mbox_file_unlock(&b->mbox->f);
    buf_done(&text);
    return rc;
}

struct flag_change { const uint32_t *index; size_t n; enum box_store_mode mode; uint8_t flags; uint32_t keywords; };

static void change_flags(struct box *b, void *arg)
{
    const struct flag_change *c = arg;
    uint64_t modseq = box_next_modseq(b);
    for (size_t k = 0; k < c->n; k++) {
        struct box_msg *m = &b->msgs.p[c->index[k]];
        uint8_t have = m->flags & FLAGS_STORED, recent = m->flags & FLAG_RECENT;
        if (m->gone)
            continue;
        uint8_t flags = c->mode == BOX_FLAGS_ADD ? (uint8_t)(have | c->flags) : c->mode == BOX_FLAGS_REMOVE ? (uint8_t)(have & ~c->flags) : c->flags;
        m->keywords = c->mode == BOX_FLAGS_ADD ? m->keywords | c->keywords : c->mode == BOX_FLAGS_REMOVE ? m->keywords & ~c->keywords : c->keywords;
        m->flags = (uint8_t)(flags | recent);
        m->modseq = modseq;
    }
}

int mbox_store(struct box *b, const uint32_t *index, size_t n, enum box_store_mode mode, uint8_t flags, uint32_t keywords, struct err *err)
{
    struct flag_change c = { index, n, mode, flags, keywords };
    return change(b, change_flags, &c, err);
}

static void drop_messages(struct box *b, void *arg)
{
    const struct flag_change *c = arg;
    uint64_t modseq = box_next_modseq(b);
    for (size_t k = 0; k < c->n; k++) {
        b->msgs.p[c->index[k]].gone = true;
        b->msgs.p[c->index[k]].modseq = modseq;
    }
}

int mbox_expunge(struct box *b, const uint32_t *index, size_t n, struct err *err)
{
    struct flag_change c = { .index = index, .n = n };
    return change(b, drop_messages, &c, err);
}

/* A new keyword is written with the first message that has it. */
int mbox_keyword(struct box *b, struct err *err)
{
    (void)b;
    (void)err;
    return 0;
}

int mbox_body(struct box *b, size_t i, struct buf *out, struct err *err)
{
    struct buf text = buf_make(0);
    struct mbox_message p;
    bool complete;
    if (mbox_file_lock(&b->mbox->f, true, b->store->lock_seconds, err) < 0)
        return -1;
    int rc = looks_same(b->mbox) ? read_text(b->mbox, &text, err) : refresh(b, &text, &complete, err);
    mbox_file_unlock(&b->mbox->f);
    size_t pos = (size_t)b->ents.p[i]->at;
    if (rc == 0 && (b->msgs.p[i].gone || !mbox_next(buf_str(&text), &pos, &p))) {
        errno = ENOENT;
        rc = err_sys(err, ERR_PERM, "message has been expunged");
    }
    if (rc == 0)
        mbox_put_visible(out, buf_str(&text), &p);
    buf_done(&text);
    return rc;
}

int64_t mbox_date(const struct box *b, size_t i) { return b->ents.p[i]->date; }
