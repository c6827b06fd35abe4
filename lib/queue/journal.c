/* SPDX-License-Identifier: ISC */
#include "queue/journal_int.h"
#include "base/enc.h"
#include "base/num.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>

enum { SEGMENT_MIN = 4 * JOURNAL_HEAD };

static uint64_t segment_size_for(uint64_t size)
{
    uint64_t each = size / JOURNAL_SEGMENTS / JOURNAL_HEAD * JOURNAL_HEAD;
    return each < SEGMENT_MIN ? SEGMENT_MIN : each > UINT32_MAX / 2 ? UINT32_MAX / 2 / JOURNAL_HEAD * JOURNAL_HEAD : each;
}

uint64_t journal_random64(void)
{
    uint64_t v = 0;
    ASSERT(getrandom(&v, sizeof v, 0) == (ssize_t)sizeof v);
    return v;
}

/* Zeros over the whole length: a sync of prewritten blocks needs no metadata. */
static int fill_with_zeros(struct qio *io, int fd, uint64_t size)
{
    static const char zeros[1 << 16];
    for (uint64_t at = 0; at < size; at += sizeof zeros)
        if (io->pwrite(io, fd, zeros, (size_t)MIN(sizeof zeros, size - at), at) < 0)
            return -1;
    return io->sync(io, fd);
}

static int create(struct journal *j, const char *path, uint64_t size, struct err *err)
{
    struct qio *io = j->io;
    char tmp[128], dir[128];
    (void)snprintf(tmp, sizeof tmp, "%s.tmp", path);
    (void)snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash != NULL)
        *slash = '\0';
    j->fd = io->open(io, tmp, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (j->fd < 0)
        return err_sys(err, ERR_TEMP, "create queue journal %s", tmp);
    j->segment_size = segment_size_for(size);
    if (fill_with_zeros(io, j->fd, j->segment_size * JOURNAL_SEGMENTS) < 0 || io->rename(io, tmp, path) < 0 ||
        io->sync_dir(io, slash == NULL ? "." : dir) < 0) {
        (void)err_sys(err, ERR_TEMP, "write queue journal %s (%llu bytes)", path, (unsigned long long)(j->segment_size * JOURNAL_SEGMENTS));
        (void)io->unlink(io, tmp);
        return -1;
    }
    return 0;
}

static int take_lock(struct journal *j, const char *path, struct err *err)
{
    if (flock(j->fd, LOCK_EX | LOCK_NB) == 0 || errno == EBADF)     /* EBADF: a simulated file system */
        return 0;
    return err_set(err, ERR_CONFIG, "queue journal %s is in use by another process", path);
}

static int open_ring(struct journal *j, const char *path, uint64_t size, struct err *err)
{
    struct qio_stat st;
    j->fd = j->io->open(j->io, path, O_RDWR, 0);
    if (j->fd < 0 && errno == ENOENT)
        return create(j, path, size, err);
    if (j->fd < 0 || j->io->fstat(j->io, j->fd, &st) < 0)
        return err_sys(err, ERR_TEMP, "open queue journal %s", path);
    j->segment_size = st.size / JOURNAL_SEGMENTS;
    if (st.size % (JOURNAL_SEGMENTS * JOURNAL_HEAD) != 0 || j->segment_size < SEGMENT_MIN || j->segment_size > UINT32_MAX / 2)
        return err_set(err, ERR_PERM, "queue journal %s has an impossible size of %llu bytes: restore it, or move it away to start "
                       "with an empty one", path, (unsigned long long)st.size);
    return 0;
}

struct journal *journal_open(struct qio *io, const char *path, uint64_t size, struct err *err)
{
    struct journal *j = xcalloc(1, sizeof *j);
    j->io = io;
    j->fd = -1;
    j->current = -1;
    if (open_ring(j, path, size, err) < 0 || take_lock(j, path, err) < 0) {
        journal_close(j);
        return NULL;
    }
    return j;
}

int journal_fd(const struct journal *j) { return j->fd; }

void journal_close(struct journal *j)
{
    if (j == NULL)
        return;
    if (j->fd >= 0)
        j->io->close(j->io, j->fd);
    if (j->batch != NULL)
        journal_batch_free(j->batch);
    buf_done(&j->unsynced);
    free(j);
}

void journal_batch_free(struct journal_batch *b)
{
    buf_done(&b->data);
    vec_done(&b->pieces);
    free(b);
}

/* Segments */

static void free_old_segments(struct journal *j)
{
    for (unsigned i = 1; i <= JOURNAL_SEGMENTS; i++) {
        int slot = (int)((unsigned)(j->newest + (int)i) % JOURNAL_SEGMENTS);
        struct segment *s = &j->segments[slot];
        if (s->state == SEGMENT_FREE)
            continue;
        if (slot == j->current || s->pins > 0 || s->held)
            return;             /* strictly oldest first */
        s->state = SEGMENT_FREE;
    }
}

void journal_pin(struct journal *j, unsigned slot)
{
    ASSERT(slot < JOURNAL_SEGMENTS);
    j->segments[slot].pins++;
}

void journal_unpin(struct journal *j, unsigned slot)
{
    ASSERT(slot < JOURNAL_SEGMENTS && j->segments[slot].pins > 0);
    if (--j->segments[slot].pins == 0)
        free_old_segments(j);
}

unsigned journal_free_segments(const struct journal *j)
{
    unsigned n = 0;
    for (unsigned i = 0; i < JOURNAL_SEGMENTS; i++)
        n += j->segments[i].state == SEGMENT_FREE;
    return n;
}

int journal_oldest_slot(const struct journal *j)
{
    for (unsigned i = 1; i <= JOURNAL_SEGMENTS; i++) {
        int slot = (int)((unsigned)(j->newest + (int)i) % JOURNAL_SEGMENTS);
        if (j->segments[slot].state != SEGMENT_FREE && slot != j->current)
            return slot;
    }
    return -1;
}

uint64_t journal_next_lsn(const struct journal *j) { return j->next_lsn; }
uint64_t journal_durable_lsn(const struct journal *j) { return j->durable; }
bool journal_is_dirty(const struct journal *j) { return j->written > j->durable; }
bool journal_is_failed(const struct journal *j) { return j->failures >= 2; }

static size_t record_size(size_t payload) { return (sizeof(struct record_head) + payload + JOURNAL_ALIGN - 1) / JOURNAL_ALIGN * JOURNAL_ALIGN; }

bool journal_has_room(const struct journal *j, size_t payload)
{
    size_t n = record_size(payload);
    if (n > j->segment_size - JOURNAL_HEAD)
        return false;
    if (j->current >= 0 && j->at + n <= j->segment_size)
        return true;
    return journal_free_segments(j) >= 2;
}

void journal_start(struct journal *j)
{
    j->current = -1;
    j->durable = j->written = j->next_lsn - 1;
    free_old_segments(j);
}

/* Appending */

static struct journal_batch *batch_of(struct journal *j)
{
    if (j->batch == NULL) {
        j->batch = xcalloc(1, sizeof *j->batch);
        j->batch->j = j;
        j->batch->first_lsn = j->next_lsn;
    }
    return j->batch;
}

static uint64_t oldest_number(const struct journal *j)
{
    for (unsigned i = 1; i <= JOURNAL_SEGMENTS; i++) {
        const struct segment *s = &j->segments[(unsigned)(j->newest + (int)i) % JOURNAL_SEGMENTS];
        if (s->state != SEGMENT_FREE)
            return s->number;
    }
    UNREACHABLE();
}

/* Puts the next segment into use; its header is part of the batch. */
static bool open_segment(struct journal *j)
{
    int slot = (j->newest + 1) % JOURNAL_SEGMENTS;
    struct segment *s = &j->segments[slot];
    if (s->state != SEGMENT_FREE)
        return false;
    *s = (struct segment){ .state = SEGMENT_LIVE, .number = ++j->last_number, .salt = journal_random64(), .first_lsn = j->next_lsn };
    j->newest = j->current = slot;
    j->at = JOURNAL_HEAD;
    struct piece *p = vec_add(&batch_of(j)->pieces);
    *p = (struct piece){ .slot = (unsigned)slot, .at = JOURNAL_HEAD, .from = batch_of(j)->data.n, .opens = true };
    free_old_segments(j);
    s->oldest = oldest_number(j);
    return true;
}

static struct piece *piece_of(struct journal *j)
{
    struct journal_batch *b = batch_of(j);
    if (b->pieces.n == 0)
        *vec_add(&b->pieces) = (struct piece){ .slot = (unsigned)j->current, .at = j->at, .from = b->data.n };
    return &b->pieces.p[b->pieces.n - 1];
}

static void encode_head(const struct journal *j, const struct record *r, uint32_t payload_crc, uint8_t *p)
{
    memset(p, 0, sizeof(struct record_head));
    put_be32(p + RH_MAGIC, RECORD_MAGIC);
    put_be16(p + RH_TYPE, (uint16_t)r->type);
    put_be32(p + RH_LENGTH, (uint32_t)r->length);
    put_be64(p + RH_LSN, r->lsn);
    put_be64(p + RH_SALT, j->segments[j->current].salt);
    put_be64(p + RH_REF, r->ref);
    put_be64(p + RH_DURABLE, j->durable);
    put_be32(p + RH_PAYLOAD_CRC, payload_crc);
    put_be32(p + RH_CRC, crc32c(0, p, RH_CRC));
}

/* Numbers that were given to records which must never count go into the first record of the next segment. */
static void append_void(struct journal *j)
{
    uint8_t last[8];
    unsigned slot;
    uint64_t from = j->void_from;
    if (from == 0)
        return;
    j->void_from = 0;
    put_be64(last, j->segments[j->current].first_lsn - 1);
    (void)journal_append(j, JREC_VOID, from, str_make(last, sizeof last), (struct str){ "", 0 }, true, &slot);
}

uint64_t journal_append(struct journal *j, enum journal_type type, uint64_t ref, struct str a, struct str b, bool must_sync,
                        unsigned *ret_slot)
{
    static const char zeros[JOURNAL_ALIGN];
    uint8_t head[sizeof(struct record_head)];
    size_t n = record_size(a.n + b.n);
    if (n > j->segment_size - JOURNAL_HEAD)
        return 0;
    if (j->current < 0 || j->at + n > j->segment_size) {
        if (!open_segment(j))
            return 0;
        append_void(j);
    }
    struct journal_batch *batch = batch_of(j);
    struct piece *piece = piece_of(j);
    struct record r = { .type = type, .lsn = j->next_lsn++, .ref = ref, .length = a.n + b.n };
    encode_head(j, &r, crc32c(crc32c(0, a.p, a.n), b.p, b.n), head);
    buf_put(&batch->data, head, sizeof head);
    buf_add(&batch->data, a);
    buf_add(&batch->data, b);
    buf_put(&batch->data, zeros, n - sizeof head - r.length);
    piece->n += n;
    j->at += n;
    batch->must_sync |= must_sync;
    *ret_slot = (unsigned)j->current;
    return r.lsn;
}

/* Batches */

struct journal_batch *journal_batch_take(struct journal *j, bool sync)
{
    if (j->running || (j->batch == NULL && !(sync && journal_is_dirty(j))))
        return NULL;
    struct journal_batch *b = batch_of(j);
    b->last_lsn = j->next_lsn - 1;
    b->sync = sync || b->must_sync || (b->pieces.n > 0 && b->pieces.p[b->pieces.n - 1].opens);
    for (size_t i = 0; i < b->pieces.n; i++) {
        struct segment *s = &j->segments[b->pieces.p[i].slot];
        b->pieces.p[i].number = s->number;
        b->pieces.p[i].salt = s->salt;
        b->pieces.p[i].first_lsn = s->first_lsn;
        b->pieces.p[i].oldest = s->oldest;
        s->held = true;         /* not to be recycled while the write runs */
    }
    j->batch = NULL;
    j->running = true;
    return b;
}

bool journal_batch_syncs(const struct journal_batch *b) { return b->sync; }

static int write_header(const struct journal *j, const struct piece *p)
{
    uint8_t head[JOURNAL_HEAD] = { 0 };
    put_be64(head + SH_MAGIC, SEGMENT_MAGIC);
    put_be32(head + SH_VERSION, 1);
    put_be32(head + SH_SIZE, (uint32_t)j->segment_size);
    put_be64(head + SH_NUMBER, p->number);
    put_be64(head + SH_SALT, p->salt);
    put_be64(head + SH_FIRST_LSN, p->first_lsn);
    put_be32(head + SH_CRC, crc32c(0, head, SH_CRC));
    put_be64(head + SH_OLDEST, p->oldest);
    put_be32(head + SH_OLDEST_CRC, crc32c(0, head, SH_OLDEST_CRC));
    memcpy(head + SH_COPY, head, SH_USED);
    return j->io->pwrite(j->io, j->fd, head, sizeof head, p->slot * j->segment_size);
}

static int write_piece(const struct journal_batch *b, const struct piece *p)
{
    const struct journal *j = b->j;
    /* What lies before a segment is durable before its header is; the header before its records. */
    if (p->opens && (j->io->sync(j->io, j->fd) < 0 || write_header(j, p) < 0 || j->io->sync(j->io, j->fd) < 0))
        return -1;
    return p->n == 0 ? 0 : j->io->pwrite(j->io, j->fd, b->data.p + p->from, p->n, p->slot * j->segment_size + p->at);
}

void journal_batch_run(struct journal_batch *b)
{
    for (size_t i = 0; i < b->pieces.n; i++)
        if (write_piece(b, &b->pieces.p[i]) < 0) {
            b->error = errno;
            return;
        }
    if (b->sync && b->j->io->sync(b->j->io, b->j->fd) < 0)
        b->error = errno;
}

/* What ends messages must not get lost with a batch; new mail of it is refused. */
static void append_again(struct journal *j, struct str records)
{
    unsigned slot;
    for (size_t at = 0; at + sizeof(struct record_head) <= records.n;) {
        const uint8_t *p = (const uint8_t *)records.p + at;
        enum journal_type type = (enum journal_type)get_be16(p + RH_TYPE);
        size_t n = get_be32(p + RH_LENGTH);
        if (type == JREC_RCPT || type == JREC_MOVED || type == JREC_VOID)
            (void)journal_append(j, type, get_be64(p + RH_REF), str_make(p + sizeof(struct record_head), n), (struct str){ "", 0 }, true, &slot);
        at += record_size(n);
    }
}

/* All that is not durable never happened: after a failed sync nobody knows what of it is on the disk. */
static int condemn(struct journal *j, struct journal_batch *b, unsigned *ret_condemned)
{
    *ret_condemned = b->pieces.n > 0 ? b->pieces.p[b->pieces.n - 1].slot : j->current < 0 ? JOURNAL_SEGMENTS : (unsigned)j->current;
    struct journal_batch *next = j->batch;      /* collected while the failed one ran */
    struct buf unsynced = j->unsynced;
    j->unsynced = (struct buf){ 0 };
    j->batch = NULL;
    j->current = -1;
    j->written = j->durable;
    j->void_from = j->void_from == 0 ? j->durable + 1 : MIN(j->void_from, j->durable + 1);
    unsigned slot;
    (void)journal_append(j, JREC_STATE, 0, STR("after an I/O error"), (struct str){ "", 0 }, true, &slot);
    append_again(j, buf_str(&unsynced));
    append_again(j, buf_str(&b->data));
    if (next != NULL) {
        append_again(j, buf_str(&next->data));
        journal_batch_free(next);
    }
    buf_done(&unsynced);
    return -1;
}

int journal_batch_done(struct journal *j, struct journal_batch **batch, unsigned *ret_condemned, struct err *err)
{
    struct journal_batch *b = *batch;
    int r = 0;
    *batch = NULL;
    j->running = false;
    for (size_t i = 0; i < b->pieces.n; i++)
        j->segments[b->pieces.p[i].slot].held = false;
    if (b->error != 0) {
        errno = b->error;
        (void)err_sys(err, ERR_TEMP, "write queue journal");
        j->failures++;
        r = condemn(j, b, ret_condemned);
    } else {
        j->written = MAX(j->written, b->last_lsn);
        if (b->sync) {
            j->durable = j->written;
            j->failures = 0;
            buf_reset(&j->unsynced);
        } else {
            buf_add(&j->unsynced, buf_str(&b->data));
        }
    }
    journal_batch_free(b);
    free_old_segments(j);
    return r;
}
