/* SPDX-License-Identifier: ISC
 *
 * recover.c - reading the ring after a stop of any kind.
 *
 * All segments with a valid header are parsed; a bad spot is passed in steps of
 * 64 bytes. Each record says up to where the journal was durable when it was
 * written: a hole below the highest such mark is damage and is reported; the
 * first hole above it is where the tail was torn, and everything after it was
 * never acknowledged. Nothing is written.
 */
#include "queue/journal_int.h"
#include "base/enc.h"
#include "base/num.h"
#include "os/clock.h"
#include <errno.h>

struct found { enum journal_type type; uint64_t lsn, ref; unsigned slot; size_t at, length; };
struct hole { unsigned slot; size_t at, end; uint64_t before_lsn; };
struct lsn_range { uint64_t first, last; };

struct scan {
    struct journal *j;
    char *mem[JOURNAL_SEGMENTS];        /* a valid segment, whole */
    unsigned order[JOURNAL_SEGMENTS], n_order;
    VEC(struct found) records;
    VEC(struct hole) holes;
    VEC(struct lsn_range) voids;
    uint64_t durable;                   /* highest mark seen */
};

static bool parse_header(struct journal *j, const uint8_t *p, struct segment *ret)
{
    if (get_be64(p + SH_MAGIC) != SEGMENT_MAGIC || get_be32(p + SH_VERSION) != 1 || get_be32(p + SH_SIZE) != j->segment_size ||
        get_be32(p + SH_CRC) != crc32c(0, p, SH_CRC))
        return false;
    *ret = (struct segment){ .state = SEGMENT_LIVE, .number = get_be64(p + SH_NUMBER), .salt = get_be64(p + SH_SALT),
                             .first_lsn = get_be64(p + SH_FIRST_LSN) };
    if (get_be32(p + SH_OLDEST_CRC) == crc32c(0, p, SH_OLDEST_CRC))
        ret->oldest = get_be64(p + SH_OLDEST);
    return ret->number > 0 && ret->first_lsn > 0;
}

static int read_segment(struct scan *s, unsigned slot, struct err *err)
{
    struct journal *j = s->j;
    uint8_t head[JOURNAL_HEAD];
    uint64_t at = slot * j->segment_size;
    if (qio_read_all(j->io, j->fd, head, sizeof head, at) < 0)
        return err_sys(err, ERR_TEMP, "read queue journal");
    if (!parse_header(j, head, &j->segments[slot]) && !parse_header(j, head + SH_COPY, &j->segments[slot]))
        return 0;
    s->mem[slot] = xmalloc(j->segment_size);
    if (qio_read_all(j->io, j->fd, s->mem[slot], j->segment_size, at) < 0)
        return err_sys(err, ERR_TEMP, "read queue journal");
    unsigned i = s->n_order++;
    for (; i > 0 && j->segments[s->order[i - 1]].number > j->segments[slot].number; i--)
        s->order[i] = s->order[i - 1];
    s->order[i] = slot;
    return 0;
}

/*
 * A segment that was free and could not be opened again still shows what it
 * once held, while those that ended that mail may be gone.
 */
static void forget_freed(struct scan *s)
{
    uint64_t oldest = 0;
    for (unsigned i = 0; i < s->n_order; i++)
        oldest = MAX(oldest, s->j->segments[s->order[i]].oldest);
    unsigned gone = 0;
    while (gone < s->n_order && s->j->segments[s->order[gone]].number < oldest)
        s->j->segments[s->order[gone++]].state = SEGMENT_FREE;
    s->n_order -= gone;
    memmove(s->order, s->order + gone, s->n_order * sizeof *s->order);
}

/* A whole, valid record of this segment at this place. */
static bool parse_record(const struct scan *s, unsigned slot, size_t at, struct found *ret, uint64_t *ret_durable)
{
    const uint8_t *p = (const uint8_t *)s->mem[slot] + at;
    size_t left = s->j->segment_size - at;
    if (left < sizeof(struct record_head) || get_be32(p + RH_MAGIC) != RECORD_MAGIC || get_be64(p + RH_SALT) != s->j->segments[slot].salt ||
        get_be32(p + RH_CRC) != crc32c(0, p, RH_CRC))
        return false;
    size_t length = get_be32(p + RH_LENGTH);
    if (length > left - sizeof(struct record_head) || get_be32(p + RH_PAYLOAD_CRC) != crc32c(0, p + sizeof(struct record_head), length))
        return false;
    *ret = (struct found){ .type = (enum journal_type)get_be16(p + RH_TYPE), .lsn = get_be64(p + RH_LSN), .ref = get_be64(p + RH_REF),
                           .slot = slot, .at = at, .length = length };
    *ret_durable = get_be64(p + RH_DURABLE);
    return true;
}

static void note_record(struct scan *s, const struct found *f, uint64_t durable)
{
    *vec_add(&s->records) = *f;
    s->durable = MAX(s->durable, MIN(durable, f->lsn - 1));
    if (f->type == JREC_VOID && f->length == 8) {
        const uint8_t *p = (const uint8_t *)s->mem[f->slot] + f->at + sizeof(struct record_head);
        *vec_add(&s->voids) = (struct lsn_range){ f->ref, get_be64(p) };
    }
}

static void scan_segment(struct scan *s, unsigned slot, uint64_t *next_lsn)
{
    size_t hole = 0;
    for (size_t at = JOURNAL_HEAD; at + sizeof(struct record_head) <= s->j->segment_size;) {
        struct found f;
        uint64_t durable;
        if (!parse_record(s, slot, at, &f, &durable) || f.lsn < *next_lsn) {
            hole = hole == 0 ? at : hole;
            at += JOURNAL_ALIGN;
            continue;
        }
        if (hole != 0)
            *vec_add(&s->holes) = (struct hole){ slot, hole, at, f.lsn };
        hole = 0;
        note_record(s, &f, durable);
        *next_lsn = f.lsn + 1;
        at += (sizeof(struct record_head) + f.length + JOURNAL_ALIGN - 1) / JOURNAL_ALIGN * JOURNAL_ALIGN;
    }
}

static bool is_void(const struct scan *s, uint64_t lsn)
{
    for (size_t i = 0; i < s->voids.n; i++)
        if (lsn >= s->voids.p[i].first && lsn <= s->voids.p[i].last)
            return true;
    return false;
}

/* Are all records of the gap declared to have never happened? */
static bool gap_is_void(const struct scan *s, uint64_t from, uint64_t to)
{
    while (from < to) {
        uint64_t before = from;
        for (size_t i = 0; i < s->voids.n; i++)
            if (from >= s->voids.p[i].first && from <= s->voids.p[i].last)
                from = s->voids.p[i].last + 1;
        if (from == before)
            return false;
    }
    return true;
}

static void report_holes(const struct scan *s, const struct journal_ops *ops, void *user, uint64_t from, uint64_t to)
{
    bool any = false;
    for (size_t i = 0; i < s->holes.n; i++) {
        const struct hole *h = &s->holes.p[i];
        if (h->before_lsn <= from || h->before_lsn > to)
            continue;
        any = true;
        ops->on_damage(user, h->slot * s->j->segment_size + h->at, str_make(s->mem[h->slot] + h->at, h->end - h->at));
    }
    if (!any)
        ops->on_damage(user, 0, (struct str){ "", 0 });
}

/* Returns the LSN after the last one accepted. */
static uint64_t hand_out(const struct scan *s, const struct journal_ops *ops, void *user)
{
    uint64_t next = s->n_order == 0 ? 0 : s->j->segments[s->order[0]].first_lsn;
    for (size_t i = 0; i < s->records.n; i++) {
        const struct found *f = &s->records.p[i];
        if (f->lsn != next && !gap_is_void(s, next, f->lsn)) {
            if (next > s->durable)
                return next;            /* the torn tail: nothing from here on was acknowledged */
            report_holes(s, ops, user, next, f->lsn);
        }
        next = f->lsn + 1;
        if (is_void(s, f->lsn) || f->type == JREC_VOID)
            continue;
        struct journal_record rec = { .type = f->type, .lsn = f->lsn, .ref = f->ref, .slot = f->slot,
                                      .payload = str_make(s->mem[f->slot] + f->at + sizeof(struct record_head), f->length) };
        ops->on_record(user, &rec);
    }
    return next;
}

static void finish(struct scan *s, uint64_t accepted, uint64_t highest)
{
    struct journal *j = s->j;
    /* A new ring starts at the time of day, so that numbers do not repeat when a ring is lost. */
    uint64_t next = MAX(highest, (uint64_t)clock_wall_us());
    j->last_number = 0;
    j->newest = JOURNAL_SEGMENTS - 1;
    if (s->n_order > 0) {
        j->newest = (int)s->order[s->n_order - 1];
        j->last_number = j->segments[j->newest].number;
    }
    j->next_lsn = next;
    j->durable = j->written = next - 1;
    j->void_from = accepted;    /* what was cut off must not count when the next start reads it again */
}

int journal_recover(struct journal *j, const struct journal_ops *ops, void *user, struct err *err)
{
    struct scan s = { .j = j };
    uint64_t next_lsn = 0;
    int r = 0;
    memset(j->segments, 0, sizeof j->segments);
    for (unsigned slot = 0; r == 0 && slot < JOURNAL_SEGMENTS; slot++)
        r = read_segment(&s, slot, err);
    forget_freed(&s);
    for (unsigned i = 0; r == 0 && i < s.n_order; i++) {
        s.durable = MAX(s.durable, j->segments[s.order[i]].first_lsn - 1);
        next_lsn = MAX(next_lsn, j->segments[s.order[i]].first_lsn);
        scan_segment(&s, s.order[i], &next_lsn);
    }
    if (r == 0) {
        uint64_t accepted = hand_out(&s, ops, user);
        finish(&s, accepted, next_lsn);
    }
    for (unsigned slot = 0; slot < JOURNAL_SEGMENTS; slot++)
        free(s.mem[slot]);
    vec_done(&s.records);
    vec_done(&s.holes);
    vec_done(&s.voids);
    return r;
}
