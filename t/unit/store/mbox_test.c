/* SPDX-License-Identifier: ISC */
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

int main(void)
{
    if (mkdtemp(root) == NULL)
        return 1;
    test_scan();
    test_reading();
    test_after_half();
    test_crash();
    char command[200];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    if (system(command) != 0)
        return 1;
    return tap_done();
}
