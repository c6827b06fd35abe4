/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/mbox_scan.h"
#include "store/mbox.h"
#include "store/store.h"
#include "tap.h"

static char root[] = "/tmp/mbox_test.XXXXXX";
static struct err err;

static void put_file(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *f = fopen(path, "w");
    if (f != NULL) {
        fputs(text, f);
        fclose(f);
    }
}

static bool file_has(const char *name, const char *text)
{
    char path[200], all[20000];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *f = fopen(path, "r");
    size_t n = f == NULL ? 0 : fread(all, 1, sizeof(all) - 1, f);
    if (f != NULL)
        fclose(f);
    return str_find(str_make(all, n), str_from(text)) >= 0;
}

static struct store *open_store(void)
{
    char location[300];
    snprintf(location, sizeof(location), "mbox:%s/mail:INBOX=%s/inbox", root, root);
    return store_open(&(struct store_conf){ .location = location, .user = "u", .home = root, .lock_seconds = 2 }, &err);
}

static const char two[] =
    "From a@b Mon Jan  2 15:04:05 2006\nSubject: one\nX-UID: 99\nStatus: R\n\nbody\nFrom here no message\n\n"
    "From c@d Tue Jan  3 15:04:05 2006\nSubject: two\n\nFrom  the start\n\n";

static void test_scan(void)
{
    struct mbox_message m;
    size_t pos = 0;
    struct buf out = buf_make(0);
    OK(mbox_next(str_from(two), &pos, &m) && m.uid == 99 && m.seen && !m.old, "the first message and its fields");
    mbox_put_visible(&out, str_from(two), &m);
    OK(str_eqz(buf_str(&out), "Subject: one\n\nbody\nFrom here no message\n"), "are hidden; a From in the text is text");
    OK(mbox_from_date(m.from) == 1136214245, "the date of the From_ line");
    OK(mbox_next(str_from(two), &pos, &m) && !mbox_next(str_from(two), &pos, &m) && pos == sizeof(two) - 1, "there are two");
    pos = 0;
    OK(!mbox_next(STR("Subject: no mbox\n"), &pos, &m), "what does not begin with From_ is no mbox");
    bool fine = true;
    for (size_t n = 0; n < sizeof(two); n++) {
        pos = 0;
        while (mbox_next(str_make(two, n), &pos, &m))
            fine = fine && m.end <= n && m.body <= m.end && m.head <= n;
    }
    OK(fine, "cut anywhere, offsets stay inside");
    buf_done(&out);
}

static void test_reading(void)
{
    put_file("inbox", two);
    struct store *s = open_store();
    struct box *b = NULL;
    struct buf text = buf_make(0);
    OK(s != NULL && box_open(s, STR("INBOX"), 0, &b, &err) == STORE_OK && box_count(b) == 2, "an mbox is INBOX");
    if (b == NULL)
        return;
    uint32_t validity = box_head(b)->uidvalidity;
    OK(box_msgs(b)[0].uid == 1 && box_msgs(b)[1].uid == 2 && (box_msgs(b)[0].flags & FLAG_SEEN) != 0, "a UID that nobody gave is not believed, a flag is");
    OK(file_has("inbox", "X-IMAPbase: ") && file_has("inbox", "X-UID: 2\n"), "UIDs are written down");
    OK(box_read(b, 0, &text, &err) == STORE_OK && str_eqz(buf_str(&text), "Subject: one\r\n\r\nbody\r\nFrom here no message\r\n"), "the text has none of it");
    uint32_t second = 1;
    unsigned kw = 9;
    OK(box_keyword(b, STR("$Work"), true, &kw, &err) == STORE_OK && box_store(b, &second, 1, BOX_FLAGS_ADD, FLAG_FLAGGED | FLAG_ANSWERED, 1u << kw, &err) == STORE_OK,
       "flags are stored");
    OK(file_has("inbox", "X-Status: AF\nX-Keywords: $Work\n"), "in the file");
    box_close(b);
    OK(mbox_append("/nonexistent/x", STR("From x\n"), STR("y\n"), 1, 0, &err) < 0, "a missing directory is an error");
    char path[200];
    snprintf(path, sizeof(path), "%s/inbox", root);
    struct buf from = buf_make(0);
    mbox_from_line(&from, STR("new@x y"), 1136214245);
    OK(mbox_append(path, buf_str(&from), STR("Subject: three\n\nFrom me\n"), 1, 0, &err) == 0 && file_has("inbox", "From new@x_y Mon Jan  2 15:04:05 2006\nSubject: three\n\n>From me\n\n"),
       "a delivery is appended");
    OK(mbox_append(path, buf_str(&from), STR("x\n"), 1, 100, &err) < 0 && err.kind == ERR_LIMIT, "within the limit only");
    OK(box_open(s, STR("INBOX"), 0, &b, &err) == STORE_OK && box_count(b) == 3 && box_head(b)->uidvalidity == validity && box_msgs(b)[2].uid == 3, "and gets the next UID");
    OK((box_msgs(b)[1].flags & FLAGS_STORED) == (FLAG_FLAGGED | FLAG_ANSWERED) && box_msgs(b)[1].keywords != 0, "flags and keywords are read back");
    uint32_t first = 0;
    struct box_changes c;
    OK(box_expunge(b, &first, 1, &err) == STORE_OK && box_sync(b, true, &c, &err) == STORE_OK && c.n_gone == 1 && box_count(b) == 2 && !file_has("inbox", "Subject: one"),
       "a message is removed");
    uint32_t rest[] = { 0, 1 };
    OK(box_expunge(b, rest, 2, &err) == STORE_OK && box_sync(b, true, &c, &err) == STORE_OK && box_count(b) == 0, "and the others");
    box_close(b);
    OK(box_open(s, STR("INBOX"), 0, &b, &err) == STORE_OK && box_count(b) == 0 && box_head(b)->uidvalidity == validity && box_head(b)->uidnext == 4,
       "UIDVALIDITY and UIDNEXT outlive the last message");
    struct append *a;
    struct append_result r;
    OK(append_open(s, STR("INBOX"), &a, &err) == STORE_OK && append_begin(a, 0, NULL, 0, 0, &err) == STORE_OK
       && append_write(a, STR("Subject: four\r\n\r\nx\r\n"), &err) == STORE_OK && append_commit(a, &r, &err) == STORE_OK, "APPEND works");
    append_free(a);
    OK(box_sync(b, true, &c, &err) == STORE_OK && c.n_new == 1 && box_msgs(b)[0].uid == 4, "and is seen");
    box_close(b);
    store_close(s);
    buf_done(&text);
    buf_done(&from);
}

/* Half a message, from a crash in the middle of an append, does not swallow the next one. */
static void test_after_half(void)
{
    static const char *const halves[] = { "From a@b Mon Jan  2 15:04:05 2006\nSubject: half\n\nhalf a li", "From a@b Mon Jan  2 15:04:05 2006\nSubject: half\n\na line\n", "" };
    for (size_t i = 0; i < N_ELEMS(halves); i++) {
        char path[200];
        struct buf from = buf_make(0);
        put_file("inbox", halves[i]);
        snprintf(path, sizeof(path), "%s/inbox", root);
        mbox_from_line(&from, STR("new@x"), 1136214245);
        bool ok = mbox_append(path, buf_str(&from), STR("Subject: next\n\nx\n"), 1, 0, &err) == 0;
        struct store *s = open_store();
        struct box *b = NULL;
        OK(ok && s != NULL && box_open(s, STR("INBOX"), 0, &b, &err) == STORE_OK && box_count(b) == (i < 2 ? 2 : 1), i == 0 ? "a delivery after half a line is a message of its own"
           : i == 1 ? "and after a line" : "and in an empty file");
        box_close(b);
        store_close(s);
        buf_done(&from);
    }
}

static void test_crash(void)
{
    put_file("inbox", two);
    struct store *s = open_store();
    struct box *b;
    uint32_t first = 0;
    OK(box_open(s, STR("INBOX"), 0, &b, &err) == STORE_OK, "opened");
    char redo[200], target[200], command[500];
    snprintf(redo, sizeof(redo), "%s/mail/.postern-mbox-redo", root);
    snprintf(target, sizeof(target), "%s/inbox", root);
    /* A directory in the place of the redo file's temporary one makes the first step fail: nothing must change. */
    snprintf(command, sizeof(command), "%s.tmp", redo);
    mkdir(command, 0700);
    OK(box_store(b, &first, 1, BOX_FLAGS_ADD, FLAG_DELETED, 0, &err) == STORE_FAILED && file_has("inbox", "Subject: one") && !file_has("inbox", "X-Status: D"),
       "without the saved text the mailbox is not touched");
    rmdir(command);
    box_close(b);
    put_file("mail/.postern-mbox-redo", "garbage that is longer than a head would be, but no head");
    OK(box_open(s, STR("INBOX"), 0, &b, &err) == STORE_OK && box_count(b) == 2 && access(redo, F_OK) != 0, "a damaged saved text is thrown away");
    box_close(b);
    put_file("inbox", "this is no mbox\n");
    OK(box_open(s, STR("INBOX"), 0, &b, &err) != STORE_OK && err.kind == ERR_PROTO, "a file that is no mbox is not opened, and named");
    store_close(s);
}

static void add_raw(const char *text)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/inbox", root);
    FILE *f = fopen(path, "a");
    if (f != NULL) {
        fputs(text, f);
        fclose(f);
    }
}

/* What a sender writes into his message must neither hide it nor have it dropped when the file is written. */
static void test_forged(void)
{
    put_file("inbox", two);
    struct store *s = open_store();
    struct box *b = NULL;
    struct box_changes c;
    uint32_t first = 0, second = 1;
    OK(box_open(s, STR("INBOX"), 0, &b, &err) == STORE_OK && box_expunge(b, &second, 1, &err) == STORE_OK, "the last of two messages is removed");
    add_raw("From e@f Wed Jan  4 15:04:05 2006\nSubject: forged\nX-UID: 2\n\nx\n\n");
    OK(box_store(b, &first, 1, BOX_FLAGS_ADD, FLAG_FLAGGED, 0, &err) == STORE_OK && file_has("inbox", "Subject: forged"),
       "a new one that claims its UID is written back");
    OK(box_sync(b, true, &c, &err) == STORE_OK && box_count(b) == 2 && box_msgs(b)[1].uid == 3, "and has a UID of its own");
    add_raw("From e@f Wed Jan  4 15:04:05 2006\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAPbase: 7 7\n\nmail\n\n");
    OK(box_store(b, &first, 1, BOX_FLAGS_REMOVE, FLAG_FLAGGED, 0, &err) == STORE_OK && box_sync(b, true, &c, &err) == STORE_OK && box_count(b) == 3
       && file_has("inbox", "\nmail\n"), "so is one with the subject of folder data");
    box_close(b);
    put_file("inbox", "From e@f Wed Jan  4 15:04:05 2006\nX-IMAPbase: 7 4294967295\nX-UID: 4294967294\n\nx\n\n");
    OK(box_open(s, STR("INBOX"), 0, &b, &err) == STORE_OK && box_count(b) == 1 && box_msgs(b)[0].uid == 1 && box_head(b)->uidnext == 2,
       "UIDs are not used up by a header");
    box_close(b);
    store_close(s);
    char path[200];
    snprintf(path, sizeof(path), "%s/inbox", root);
    put_file("inbox", "");
    OK(mbox_append(path, STR("From x@y Mon Jan  2 15:04:05 2006\n"), STR("A: b\nStatus: RO\nX-UID: 5\n 6\nC: d\n\nStatus: text\n"), 1, 0, &err) == 0
       && file_has("inbox", "2006\nA: b\nC: d\n\nStatus: text\n\n"), "delivery leaves out the fields of mail readers");
}

static void test_torn_end(void)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/inbox", root);
    static const char *const ends[] = { "half a li", "whole line\n", "\n" };
    for (size_t i = 0; i < N_ELEMS(ends); i++) {
        struct store *s = open_store();
        struct box *b = NULL;
        put_file("inbox", "From a@b Mon Jan  2 15:04:05 2006\nSubject: torn\n\n");
        add_raw(ends[i]);
        OK(mbox_append(path, STR("From x@y Mon Jan  2 15:04:05 2006\n"), STR("Subject: next\n\nx\n"), 1, 0, &err) == 0
           && box_open(s, STR("INBOX"), 0, &b, &err) == STORE_OK && box_count(b) == 2, "a message appended behind half a line, a line or none stands for itself");
        box_close(b);
        store_close(s);
    }
}

static void test_line_ends(void)
{
    put_file("inbox", "From a@b Mon Jan  2 15:04:05 2006\r\nSubject: one\r\n\r\nbody\n\nmore\r\n\r\n");
    struct store *s = open_store();
    struct box *b = NULL;
    struct buf text = buf_make(0);
    for (int i = 0; i < 2; i++) {
        OK(box_open(s, STR("INBOX"), 0, &b, &err) == STORE_OK && box_count(b) == 1, "a file with CRLF is opened");
        buf_reset(&text);
        OK(box_read(b, 0, &text, &err) == STORE_OK && str_find(buf_str(&text), STR("X-UID")) < 0, "our fields are in its header, not in its text");
        box_close(b);
    }
    store_close(s);
    buf_done(&text);
}

static void test_append_flags(void)
{
    put_file("inbox", "");
    struct store *s = open_store();
    struct box *b = NULL;
    struct append *a;
    struct append_result r;
    struct str word = STR("$Label1");
    OK(append_open(s, STR("INBOX"), &a, &err) == STORE_OK && append_begin(a, FLAG_SEEN | FLAG_FLAGGED, &word, 1, 0, &err) == STORE_OK
       && append_write(a, STR("Subject: x\r\n\r\nx\r\n"), &err) == STORE_OK && append_commit(a, &r, &err) == STORE_OK, "a message with flags is appended");
    append_free(a);
    OK(box_open(s, STR("INBOX"), 0, &b, &err) == STORE_OK && box_count(b) == 1 && (box_msgs(b)[0].flags & FLAGS_STORED) == (FLAG_SEEN | FLAG_FLAGGED)
       && box_msgs(b)[0].keywords == 1, "and has them");
    box_close(b);
    store_close(s);
}

static bool append_to(struct store *s, const char *box, const char *text)
{
    struct append *a;
    struct append_result r;
    bool ok = append_open(s, str_from(box), &a, &err) == STORE_OK;
    ok = ok && append_begin(a, 0, NULL, 0, 0, &err) == STORE_OK && append_write(a, str_from(text), &err) == STORE_OK && append_commit(a, &r, &err) == STORE_OK;
    append_free(a);
    return ok;
}

/* RFC 3501 §6.4.7: a COPY that fails leaves the target as it was. */
static void test_copy_whole(void)
{
    put_file("inbox", two);
    struct store *s = open_store();
    struct box *b = NULL;
    struct append_result r;
    uint32_t both[] = { 0, 1 };
    struct rlimit limit;
    OK(store_create(s, STR("x"), &err) == STORE_OK && append_to(s, "x", "Subject: small\r\n\r\n") && append_to(s, "x", "Subject: large\r\n\r\nmore than there is room for\r\n")
       && box_open(s, STR("x"), 0, &b, &err) == STORE_OK && box_count(b) == 2, "two messages");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = sizeof(two) + 80;
    setrlimit(RLIMIT_FSIZE, &limit);
    OK(box_copy(b, both, 2, STR("INBOX"), false, &r, &err) == STORE_LIMIT && !file_has("inbox", "small"), "of which one fits are not copied by halves");
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    OK(box_copy(b, both, 2, STR("INBOX"), false, &r, &err) == STORE_OK && file_has("inbox", "small") && file_has("inbox", "large"), "and then are");
    box_close(b);
    store_close(s);
}

int main(void)
{
    if (mkdtemp(root) == NULL)
        return 1;
    test_scan();
    test_reading();
    test_after_half();
    test_crash();
    test_forged();
    test_torn_end();
    test_line_ends();
    test_append_flags();
    test_copy_whole();
    char command[200];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    if (system(command) != 0)
        return 1;
    return tap_done();
}
