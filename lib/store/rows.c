/* SPDX-License-Identifier: ISC
 *
 * The array from and to the index. The index is written by several sessions,
 * none of which knows everything, and may be full: what it says is believed
 * only where it can be right.
 */
#include "base/num.h"
#include "store/private.h"

static bool load_row(void *arg, const struct index_row *row)
{
    struct box *b = arg;
    if (b->msgs.n > 0 && b->msgs.p[b->msgs.n - 1].uid >= row->uid)
        return false;
    struct entry *e = box_add_entry(b, row->uid, row->name, row->in_new, row->ext);
    struct box_msg *m = &b->msgs.p[e->index];
    m->flags = row->flags & FLAGS_STORED;
    m->keywords = row->keywords;
    m->modseq = row->modseq;
    e->size = row->size;
    e->vsize = row->vsize;
    e->date = row->date;
    e->dirty = false;
    e->indexed = true;
    return true;
}

bool box_load_index(struct box *b)
{
    struct index *ix = store_index(b->store);
    struct index_box row;
    if (!index_get_box(ix, str_from(b->subdir), &row)) {
        index_read_end(ix);
        return false;
    }
    bool ok = index_each(ix, row.id, load_row, b);
    index_read_end(ix);
    b->row = row;
    if (!ok) {
        box_forget(b);
        return false;
    }
    b->disk = row.disk;
    b->head.uidvalidity = row.uidvalidity;
    b->head.uidnext = row.uidnext;
    b->head.modseq = MAX(b->head.modseq, row.modseq);
    return true;
}

/*
 * A session that knows less than another must not undo what that one wrote: a row with a higher modseq
 * stays, only what is not known of its size is filled in, and a row that another removed stays away.
 */
static bool other_knows_more(struct box *b, const struct entry *e, struct index_row *row)
{
    struct index_row there;
    if (!index_get_row(store_index(b->store), b->row.id, row->uid, &there))
        return e->indexed;
    if (there.modseq <= row->modseq)
        return false;
    row->flags = there.flags;
    row->keywords = there.keywords;
    row->modseq = there.modseq;
    row->in_new = there.in_new;
    row->name = there.name;
    row->ext = there.ext;
    return false;
}

static void write_row(struct box *b, struct entry *e)
{
    const struct box_msg *m = &b->msgs.p[e->index];
    struct index *ix = store_index(b->store);
    e->dirty = false;
    if (m->gone) {
        index_drop_row(ix, b->row.id, m->uid, m->modseq);
        index_drop_blobs(ix, box_guid(b, e->index));
        return;
    }
    struct index_row row = {
        .uid = m->uid, .flags = m->flags & FLAGS_STORED, .in_new = e->in_new, .keywords = m->keywords, .modseq = m->modseq,
        .size = e->size, .vsize = e->vsize, .date = e->date, .name = str_from(e->name), .ext = str_from(e->ext),
    };
    if (!other_knows_more(b, e, &row))
        index_put_row(ix, b->row.id, &row);
    e->indexed = true;
}

void box_drop_blobs(struct box *b)
{
    for (size_t i = 0; i < b->blobs.n; i++) {
        free(b->blobs.p[i].guid);
        free(b->blobs.p[i].value);
    }
    b->blobs.n = 0;
}

/* A write failed: whatever it held is missing there, so the next one begins the box anew. */
static void begin_rows_anew(struct box *b, struct index *ix)
{
    index_wipe_box(ix, b->row.id, (struct str){ 0 });
    b->row.tombstones_from = b->head.modseq;
    for (size_t i = 0; i < b->ents.n; i++) {
        b->ents.p[i]->indexed = false;
        b->ents.p[i]->dirty = !b->msgs.p[i].gone;
    }
}

static void put_all(struct box *b, struct index *ix)
{
    if (b->rows_lost)
        begin_rows_anew(b, ix);
    if (b->row.id == 0)
        b->row.tombstones_from = b->head.modseq;
    b->row.uidvalidity = b->head.uidvalidity;
    b->row.uidnext = b->head.uidnext;
    b->row.modseq = MAX(b->head.modseq, b->log.modseq);
    b->row.disk = b->disk;
    b->row.messages = 0;
    for (size_t i = 0; i < b->msgs.n; i++)
        b->row.messages += !b->msgs.p[i].gone;
    if (b->head.uidvalidity != 0)
        index_put_box(ix, str_from(b->subdir), &b->row);
    for (size_t i = 0; i < b->ents.n && b->head.uidvalidity != 0; i++)
        if (b->ents.p[i]->dirty)
            write_row(b, b->ents.p[i]);
    for (size_t i = 0; i < b->blobs.n; i++)
        index_put_blob(ix, str_from(b->blobs.p[i].guid), b->blobs.p[i].kind, str_make(b->blobs.p[i].value, b->blobs.p[i].n));
}

void box_write_index(struct box *b)
{
    struct index *ix = store_index(b->store);
    if (!b->row_dirty && b->blobs.n == 0)
        return;
    b->row_dirty = false;
    if (index_begin(ix)) {
        uint32_t id = b->row.id;
        put_all(b, ix);
        b->rows_lost = !index_commit(ix);
        if (b->rows_lost)
            b->row.id = id;
    }
    box_drop_blobs(b);
}
