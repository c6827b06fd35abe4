/* SPDX-License-Identifier: ISC
 * queue_test.c - ids, messages and their two forms on disk, Postfix's own files, and what happens when the disk fails. */
#include "queue/queue.h"
#include "base/enc.h"
#include "base/num.h"
#include "queue/journal_int.h"
#include "queue/showq.h"
#include "simfs.inc"
#include "tap.h"
#include <fcntl.h>

static unsigned durable, refused;
static void on_durable(void *user, struct qmsg *m) { (void)user; (void)m; durable++; }
static void on_refused(void *user, struct qmsg *m) { (void)user; (void)m; refused++; }
static const struct queue_ops ops = { on_durable, on_refused };
static void on_found(void *user, struct qmsg *m) { (void)user; (void)m; }
static unsigned bad;
static char bad_text[400];
static void on_bad(void *user, const char *path, const struct err *why)
{
    (void)user;
    (void)path;
    bad++;
    (void)snprintf(bad_text, sizeof bad_text, "%s", why->text);
}
static const struct queue_found found = { on_found, on_bad };

static void test_ids(void)
{
    static const struct { const char *name, *id; bool valid; } cases[] = {
        { "a short id", "01F78A74262", true },
        { "a long id", "3pMrwG5fL4zFbc", true },
        { "too short", "ABCDE", false },
        { "a slash", "../../etc/x", false },
        { "a dot", "ABCDEF.tmp", false },
        { "empty", "", false },
        { "longer than any", "0123456789012345678901234567890123456789", false },
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++)
        OK(qid_is_valid(str_from(cases[i].id)) == cases[i].valid, cases[i].name);
    char id[QID_MAX + 1], path[QPATH_MAX];
    qid_make_short(1700000000065535u, 0xABC, id);
    OK(strcmp(id, "0FFFFABC") == 0, "a short id is five digits of microseconds and a number, in hexadecimal");
    qid_make_long(1700000000065535u, 51, id);
    bool consonants = true;
    for (const char *p = id; *p != '\0'; p++)
        consonants &= strchr("0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz", *p) != NULL;
    OK(consonants && strlen(id) == 13 && id[10] == 'z' && strcmp(id + 11, "10") == 0, "a long id: base 52 without vowels, z, base 51");
    qid_path("deferred", "01F78A74262", "", path);
    OK(strcmp(path, "deferred/0/01F78A74262") == 0, "deferred is hashed by the first digit");
    qid_path("deferred", id, "", path);
    OK(path[9] == '0' && path[10] == '/', "long ids by the microseconds");
    qid_path("hold", id, ".tmp", path);
    OK(strncmp(path, "hold/", 5) == 0 && strstr(path, ".tmp") != NULL, "hold is not hashed");
}

static struct qmsg *sample(const char *id, const char *const *rcpts, uint32_t n)
{
    struct err err;
    struct qmsg *m = qmsg_new(id);
    m->arrival_us = 1700000000123456u;
    qrec_put_attr(&m->envelope, "log_client_name", STR("host.example"));
    qrec_putz(&m->envelope, QREC_SENDER, "s@example.test");
    qrec_putz(&m->envelope, QREC_DSN_ENVID, "env");
    qrec_putz(&m->envelope, QREC_DSN_RET, "2");
    for (uint32_t i = 0; i < n; i++) {
        qrec_putz(&m->envelope, QREC_DSN_NOTIFY, "3");
        qrec_putz(&m->envelope, QREC_ORIG, "orig@example.test");
        qrec_putz(&m->envelope, QREC_RCPT, rcpts[i]);
    }
    if (qmsg_parse_envelope(m, QMSG_CHANNEL_RECORDS, n, &err) < 0) {
        printf("# %s\n", err.text);
        abort();
    }
    qrec_putz(&m->content, QREC_LINE, "Subject: x");
    qrec_putz(&m->content, QREC_LINE, "");
    m->content_size = 12;
    return m;
}
static const char *const two[] = { "a@example.net", "b@example.net" };

static void test_journal_form(void)
{
    struct qmsg *m = sample("0ABCDE123", two, 2);
    struct buf payload = { 0 };
    struct err err;
    m->rcpts[1].done = true;
    qmsg_put_journal(m, &payload);
    buf_add(&payload, buf_str(&m->content));
    struct qmsg *back = qmsg_from_journal(buf_str(&payload), &err);
    OK(back != NULL && strcmp(back->id, m->id) == 0 && back->arrival_us == m->arrival_us && str_eqz(back->sender, "s@example.test") &&
       str_eqz(back->envid, "env") && back->ret == 2 && back->n_left == 1 && back->rcpts[1].done &&
       str_eqz(back->rcpts[0].orig, "orig@example.test") && back->rcpts[0].notify == 3 && back->content.n == m->content.n,
       "a message comes back from its journal record");
    qmsg_free(back);
    bool ok = true;
    for (size_t cut = 0; cut < payload.n - m->content.n; cut++) {
        back = qmsg_from_journal(str_make(payload.p, cut), &err);
        ok &= back == NULL;
        qmsg_free(back);
    }
    OK(ok, "a record cut anywhere before the content is refused");
    buf_done(&payload);
    qmsg_free(m);
}

static void test_envelopes(void)
{
    static const struct { const char *name; struct str envelope; uint32_t n; } cases[] = {
        { "no sender", STR_INIT("R\x03""a@b"), 1 },
        { "two senders", STR_INIT("S\x01""aS\x01""bR\x03""a@b"), 1 },
        { "no recipient", STR_INIT("S\x01""a"), 0 },
        { "a wrong count", STR_INIT("S\x01""aR\x03""a@b"), 2 },
        { "an empty recipient", STR_INIT("S\x01""aR\x00"), 1 },
        { "a line end in an address", STR_INIT("S\x01""aR\x04""a@\nb"), 1 },
        { "a NUL in an address", STR_INIT("S\x01""aR\x04""a@\0b"), 1 },
        { "content in the envelope", STR_INIT("S\x01""aN\x01xR\x03""a@b"), 1 },
        { "a pointer in the envelope", STR_INIT("S\x01""ap\x01" "0R\x03""a@b"), 1 },
        { "a notify value out of range", STR_INIT("S\x01""an\x02" "99R\x03""a@b"), 1 },
        { "a cut record", STR_INIT("S\x01""aR\x05""a@b"), 1 },
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct err err;
        struct qmsg *m = qmsg_new("0ABCDE123");
        buf_add(&m->envelope, cases[i].envelope);
        OK(qmsg_parse_envelope(m, QMSG_CHANNEL_RECORDS, cases[i].n, &err) < 0, cases[i].name);
        qmsg_free(m);
    }
}

static struct simfs fs;
static struct queue q;

static void open_queue(void)
{
    struct err err;
    simfs_init(&fs);
    if (queue_make_dirs(&fs.io, &err) < 0 || queue_open(&q, &fs.io, 8 * 16384, &ops, NULL, &err) < 0 || queue_recover(&q, &found, &err) < 0) {
        printf("# %s\n", err.text);
        abort();
    }
    durable = refused = bad = 0;
}
static void close_queue(void)
{
    queue_close(&q);
    simfs_done(&fs);
}

static int commit(void)
{
    struct err err;
    struct journal_batch *b = queue_commit_begin(&q, true);
    if (b == NULL)
        return 1;
    journal_batch_run(b);
    return queue_commit_done(&q, b, &err);
}

static void put_file(const char *path, struct str data, unsigned mode)
{
    int fd = fs.io.open(&fs.io, path, O_WRONLY | O_CREAT, 0600);
    (void)fs.io.pwrite(&fs.io, fd, data.p, data.n, 0);
    (void)fs.io.chmod(&fs.io, fd, mode);
}

/* As Postfix leaves it: DSN parameters as attributes, one recipient done, one canceled, one from the headers, an edit by a milter. */
static void postfix_file(struct buf *b)
{
    size_t pointer_at, content_at, end;
    struct buf size = { 0 };
    qrec_put_size(b, &(struct qrec_size){ .recipients = 3 });
    qrec_put_time(b, 1600000000000001u);
    qrec_putz(b, QREC_ATTR, "create_time=1600000000");
    qrec_putz(b, QREC_ATTR, "envelope_id=e1");
    qrec_putz(b, QREC_ATTR, "rewrite_context=local");
    qrec_putz(b, QREC_FULLNAME, "A Person");
    qrec_putz(b, QREC_SENDER, "old@example.test");
    qrec_putz(b, QREC_ATTR, "notify_flags=4");
    qrec_putz(b, QREC_ATTR, "dsn_orig_rcpt=rfc822;one@example.net");
    qrec_putz(b, QREC_ORIG, "one@example.net");
    qrec_putz(b, QREC_DONE, "one@example.net");
    qrec_putz(b, QREC_DROPPED, "canceled@example.net");
    qrec_putz(b, QREC_RCPT, "two@example.net");
    qrec_putf(b, QREC_POINTER, "%15d", 0);
    qrec_putz(b, QREC_MESSAGE, "");
    content_at = b->n;
    qrec_putz(b, QREC_LINE, "Subject: old");
    pointer_at = b->n;
    qrec_putf(b, QREC_POINTER, "%15d", 0);
    qrec_putz(b, QREC_LINE, "X-Replaced: gone");
    size_t after = b->n;
    qrec_putz(b, QREC_LINE, "");
    qrec_putz(b, QREC_LINE, "body");
    end = b->n;
    qrec_putz(b, QREC_EXTRACTED, "");
    qrec_putz(b, QREC_RCPT, "three@example.net");
    qrec_putz(b, QREC_END, "");
    size_t edit = b->n;
    qrec_putz(b, QREC_LINE, "X-Replaced: new");
    qrec_putf(b, QREC_POINTER, "%15zu", after);
    struct buf pointer = { 0 };
    qrec_putf(&pointer, QREC_POINTER, "%15zu", edit);
    memcpy(b->p + pointer_at, pointer.p, pointer.n);
    qrec_put_size(&size, &(struct qrec_size){ .content_records = end - content_at, .data_offset = content_at, .recipients = 3, .content_size = 40 });
    memcpy(b->p, size.p, size.n);
    buf_done(&pointer);
    buf_done(&size);
}

static void test_postfix_file(void)
{
    struct buf file = { 0 };
    struct err err;
    open_queue();
    postfix_file(&file);
    put_file("hold/01F78A74262", buf_str(&file), 0700);
    struct qmsg *m = queue_load(&q, QPLACE_HOLD, "01F78A74262", 1 << 20, &err);
    OK(m != NULL && m->n_rcpt == 3 && m->n_left == 2 && m->rcpts[0].done && str_eqz(m->rcpts[1].address, "two@example.net") &&
       str_eqz(m->rcpts[2].address, "three@example.net"), "recipients of a file of Postfix: done, to do, extracted; canceled ones left out");
    OK(m != NULL && str_eqz(m->sender, "old@example.test") && str_eqz(m->envid, "e1") && m->rcpts[0].notify == 4 &&
       str_eqz(m->rcpts[0].orcpt, "rfc822;one@example.net") && m->arrival_us == 1600000000000001u, "sender, DSN parameters, time");
    struct buf text = { 0 };
    struct str piece;
    bool ends;
    for (struct qrec_iter it = qrec_iter(buf_str(&m->content)); qrec_content_next(&it, &piece, &ends) == QREC_OK;) {
        buf_add(&text, piece);
        buf_putc(&text, '\n');
    }
    OK(str_eqz(buf_str(&text), "Subject: old\nX-Replaced: new\n\nbody\n"), "content with the edits of a milter applied");
    queue_settle(&q, m, 1, 1, STR("2.0.0"), STR("ok"));
    queue_forget(&q, m);
    m = queue_load(&q, QPLACE_HOLD, "01F78A74262", 0, &err);
    OK(m != NULL && m->n_left == 1 && m->rcpts[1].done, "a recipient that is done is marked in the file");
    buf_done(&text);
    bool ok = true;
    ptrdiff_t end = str_find(buf_str(&file), STR("three@example.net")) + 17;
    for (size_t cut = 1; cut <= (size_t)end; cut += 3) {
        char path[QPATH_MAX];
        (void)snprintf(path, sizeof path, "hold/AAAAA%zu", cut);
        put_file(path, str_make(file.p, cut), 0700);
        struct qmsg *broken = qmsg_load(&fs.io, QPLACE_HOLD, path + 5, &err);
        ok &= broken == NULL && err.kind == ERR_PROTO;
        qmsg_free(broken);
    }
    OK(ok, "a file that was cut is refused");
    put_file("hold/BBBBBB1", buf_str(&file), 0600);
    OK(qmsg_load(&fs.io, QPLACE_HOLD, "BBBBBB1", &err) == NULL && err.kind == ERR_NONE, "a file without the x bit is still being written");
    OK(qmsg_load(&fs.io, QPLACE_HOLD, "BBBBBB2", &err) == NULL && err.kind == ERR_NONE, "one that is gone is no error");
    buf_done(&file);
    close_queue();
}

static size_t bytes_read;
static ssize_t (*real_pread)(struct qio *io, int fd, void *p, size_t n, uint64_t at);
static ssize_t counting_pread(struct qio *io, int fd, void *p, size_t n, uint64_t at)
{
    bytes_read += n;
    return real_pread(io, fd, p, n, at);
}

/* Deferred messages of many megabytes are listed and loaded all the time: what they hold is not read for that. */
static void test_large_file(void)
{
    enum { LINES = 20000 };
    struct buf file = { 0 };
    struct err err;
    open_queue();
    struct qmsg *m = sample("0AAAAA3", two, 2);
    buf_reset(&m->content);
    for (int i = 0; i < LINES; i++)
        qrec_putz(&m->content, QREC_LINE, "a line of a large message");
    m->warn_at = 1700000300;
    qmsg_put_file(m, &file);
    put_file("hold/0AAAAA3", buf_str(&file), 0700);
    bytes_read = 0;
    real_pread = fs.io.pread;
    fs.io.pread = counting_pread;
    struct qmsg *got = queue_load(&q, QPLACE_HOLD, "0AAAAA3", 0, &err);
    OK(got != NULL && bytes_read < 4096, "the envelope of a large message is read without its content");
    OK(got != NULL && got->n_rcpt == 2 && got->content_at == m->content_at && got->content_end == m->content_end && got->warn_mark == m->warn_mark &&
       got->rcpts[1].mark_at == m->rcpts[1].mark_at && got->file_size == file.n, "and all places in the file are right");
    OK(got != NULL && qmsg_load_content(&fs.io, got, &err) == 0 && str_eq(buf_str(&got->content), buf_str(&m->content)), "the content can be read by them");
    fs.io.pread = real_pread;
    bool noticed = true;
    for (size_t cut = 1; cut < 200; cut += 7) {
        put_file("hold/0AAAAA4", str_make(file.p, file.n - cut), 0700);
        struct qmsg *broken = qmsg_load(&fs.io, QPLACE_HOLD, "0AAAAA4", &err);
        noticed &= broken == NULL && err.kind == ERR_PROTO;
        qmsg_free(broken);
    }
    OK(noticed, "one that was cut is refused");
    qmsg_free(m);
    buf_done(&file);
    close_queue();
}

static struct qmsg *submit(const char *id)
{
    struct qmsg *m = sample(id, two, 2);
    if (queue_submit(&q, m) < 0)
        abort();
    return m;
}

static void test_spill(void)
{
    struct qspill s;
    struct err err;
    open_queue();
    struct qmsg *m = submit("0AAAAA1");
    OK(commit() == 0 && durable == 1 && m->durable, "a commit makes a message durable");
    queue_settle(&q, m, 0, 1, STR("2.0.0"), STR("ok"));
    queue_spill_begin(&q, m, QPLACE_DEFERRED, 1700000300, &s);
    queue_settle(&q, m, 1, 1, STR("2.0.0"), STR("ok"));        /* while the file is written */
    queue_spill_run(&s);
    OK(queue_spill_done(&s, &err) == 0 && m->place == QPLACE_DEFERRED && !m->pinned, "a spilled message is a file");
    struct qmsg *file = qmsg_load(&fs.io, QPLACE_DEFERRED, "0AAAAA1", &err);
    OK(file != NULL && file->n_left == 0 && file->lsn == m->lsn, "with its LSN, and what was done meanwhile marked");
    qmsg_free(file);
    OK(!queue_remove(&q, m), "it cannot be removed before MOVED is durable");
    OK(commit() == 0 && queue_remove(&q, m) && sim_find(&fs, "deferred/0/0AAAAA1") == NULL, "afterwards it can");
    close_queue();
}

static void test_failed_spill(void)
{
    struct qspill s;
    struct err err;
    open_queue();
    struct qmsg *m = submit("0AAAAA2");
    (void)commit();
    queue_spill_begin(&q, m, QPLACE_ACTIVE, 0, &s);
    fs.fail_syncs = 1;
    queue_spill_run(&s);
    OK(queue_spill_done(&s, &err) < 0 && m->place == QPLACE_RING && m->pinned, "a spill that fails leaves the message in the ring");
    OK(sim_find(&fs, "active/0AAAAA2") == NULL && sim_find(&fs, "active/0AAAAA2.tmp") == NULL, "and no file");
    queue_spill_begin(&q, m, QPLACE_ACTIVE, 0, &s);
    queue_spill_run(&s);
    OK(queue_spill_done(&s, &err) == 0, "the next try succeeds");
    close_queue();
}

static void test_io_error(void)
{
    open_queue();
    struct qmsg *old = submit("0AAAAA3");
    (void)commit();
    unsigned old_slot = old->slot;
    uint64_t old_lsn = old->lsn;
    (void)submit("0AAAAA4");
    fs.fail_syncs = 1;
    OK(commit() < 0 && refused == 1, "mail of a batch that cannot be synced is refused");
    OK(old->slot != old_slot && old->old_lsn == old_lsn, "live mail of the condemned segment is written again");
    OK(commit() == 0 && !journal_is_failed(q.j), "and the journal goes on");
    fs.fail_syncs = 2;
    (void)submit("0AAAAA5");
    OK(commit() < 0 && commit() < 0 && journal_is_failed(q.j), "a second failure in a row closes the intake");
    OK(commit() == 0 && !journal_is_failed(q.j), "until a commit succeeds");
    close_queue();
}

static void test_full_ring(void)
{
    char id[QID_MAX + 1];
    unsigned n = 0;
    open_queue();
    for (; n < 2000 && queue_has_room(&q, 4096); n++) {
        (void)snprintf(id, sizeof id, "0FFFF%u", n + 10);
        (void)submit(id);
        (void)commit();
    }
    OK(n > 20 && n < 2000 && journal_free_segments(q.j) == 1, "a full ring keeps one segment for what ends messages");
    struct qmsg *first = queue_find(&q, STR("0FFFF10"));
    queue_settle(&q, first, 0, 1, STR(""), STR(""));
    OK(commit() == 0, "settling still works");
    close_queue();
}

static void test_corrupt_file(void)
{
    struct err err;
    open_queue();
    put_file("active/0AAAAA9", STR("this is no queue file"), 0700);
    queue_close(&q);
    OK(queue_open(&q, &fs.io, 0, &ops, NULL, &err) == 0 && queue_recover(&q, &found, &err) == 0 && bad == 1 &&
       sim_find(&fs, "corrupt/0AAAAA9") != NULL, "a file that is no queue file goes to corrupt/ and is named");
    close_queue();
}

static void test_damage(void)
{
    struct err err;
    open_queue();
    (void)submit("0AAAAA6");
    (void)commit();
    struct qmsg *m = submit("0AAAAA7");
    (void)commit();
    (void)submit("0AAAAA8");
    (void)commit();
    (void)m;
    /* The second record rots: something later says that it had been durable. */
    int fd = fs.io.open(&fs.io, QUEUE_JOURNAL_PATH, O_RDWR, 0);
    char *ring = fs.inodes.p[sim_inode_of(&fs, fd)].data;
    size_t n = fs.inodes.p[sim_inode_of(&fs, fd)].n, at = 0;
    for (size_t i = 0; i + 7 < n; i++)
        if (memcmp(ring + i, "0AAAAA7", 7) == 0)
            at = i;
    ring[at + 40] ^= 1;
    queue_close(&q);
    OK(queue_open(&q, &fs.io, 0, &ops, NULL, &err) == 0 && queue_recover(&q, &found, &err) == 0 && bad == 1 && q.damaged == 1,
       "a damaged record is reported");
    OK(queue_find(&q, STR("0AAAAA6")) != NULL && queue_find(&q, STR("0AAAAA8")) != NULL && queue_find(&q, STR("0AAAAA7")) == NULL,
       "those before and after it live");
    close_queue();
}

/* A record that is right in everything but the salt: what a message body, or the ring's past, could hold. */
static void test_foreign_salt(void)
{
    struct err err;
    open_queue();
    (void)submit("0AAAAA6");
    (void)commit();
    int fd = fs.io.open(&fs.io, QUEUE_JOURNAL_PATH, O_RDWR, 0);
    uint8_t *ring = (uint8_t *)fs.inodes.p[sim_inode_of(&fs, fd)].data;
    size_t at = JOURNAL_HEAD;
    while (get_be32(ring + at) == RECORD_MAGIC && get_be16(ring + at + RH_TYPE) != JREC_MESSAGE)
        at += JOURNAL_ALIGN;
    size_t length = get_be32(ring + at + RH_LENGTH);
    size_t next = at + (sizeof(struct record_head) + length + JOURNAL_ALIGN - 1) / JOURNAL_ALIGN * JOURNAL_ALIGN;
    uint8_t *p = ring + next;
    memcpy(p, ring + at, sizeof(struct record_head) + length);
    p[sizeof(struct record_head) + 2 + 6] = '7';       /* its id: 0AAAAA7 */
    put_be64(p + RH_LSN, get_be64(p + RH_LSN) + 1);
    put_be64(p + RH_SALT, get_be64(p + RH_SALT) ^ 1);
    put_be32(p + RH_PAYLOAD_CRC, crc32c(0, p + sizeof(struct record_head), length));
    put_be32(p + RH_CRC, crc32c(0, p, RH_CRC));
    queue_close(&q);
    OK(queue_open(&q, &fs.io, 0, &ops, NULL, &err) == 0 && queue_recover(&q, &found, &err) == 0 && queue_find(&q, STR("0AAAAA6")) != NULL &&
       queue_find(&q, STR("0AAAAA7")) == NULL, "a record with another salt does not count");
    queue_close(&q);
    put_be64(p + RH_SALT, get_be64(p + RH_SALT) ^ 1);
    put_be32(p + RH_CRC, crc32c(0, p, RH_CRC));
    OK(queue_open(&q, &fs.io, 0, &ops, NULL, &err) == 0 && queue_recover(&q, &found, &err) == 0 && queue_find(&q, STR("0AAAAA7")) != NULL,
       "with the right one it does");
    close_queue();
}

static void test_showq(void)
{
    struct buf out = { 0 };
    struct qmsg *m = sample("0ABCDE123", two, 2);
    m->rcpts[0].reason = xstrdup("not now");
    showq_begin(&out);
    showq_message(&out, m, "active");
    showq_end(&out);
    struct str in = buf_str(&out), name, value;
    unsigned pairs = 0, ends = 0;
    enum showq_result r = SHOWQ_BAD;
    while (in.n > 0 && (r = showq_next(&in, &name, &value)) != SHOWQ_BAD)
        *(r == SHOWQ_PAIR ? &pairs : &ends) += 1;
    OK(pairs == 1 + 6 + 4 && ends == 3 && r == SHOWQ_RECORD_END, "the listing has Postfix's pairs and terminators");
    buf_done(&out);
    qmsg_free(m);
}

int main(void)
{
    test_ids();
    test_journal_form();
    test_envelopes();
    test_postfix_file();
    test_large_file();
    test_spill();
    test_failed_spill();
    test_io_error();
    test_full_ring();
    test_corrupt_file();
    test_damage();
    test_foreign_salt();
    test_showq();
    return tap_done();
}
