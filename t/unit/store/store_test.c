/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dir.h"

static bool append_one(struct store *s, const char *box, const char *text, uint8_t flags, uint32_t *ret_uid)
{
    struct append *a;
    struct append_result r;
    struct str keyword = STR("$Forwarded");
    if (append_open(s, str_from(box), &a, &err) != STORE_OK)
        return false;
    bool ok = append_begin(a, flags, &keyword, flags == 0 ? 0 : 1, 1700000000, &err) == STORE_OK
        && append_write(a, str_from(text), &err) == STORE_OK && append_commit(a, &r, &err) == STORE_OK && r.n == 1;
    if (ok)
        *ret_uid = r.uids[0];
    append_free(a);
    return ok;
}

static void test_delivery_and_uids(void)
{
    struct store *s = open_store("a");
    put_file("a/new/1700000001.M1P1.h", "Subject: one\n\nbody\n");
    put_file("a/new/1700000002.M1P1.h,S=20", "Subject: two\n\nbody\r\n.");
    struct box *b = must_open(s, "inbox");
    OK(b != NULL && box_count(b) == 2, "new mail is taken up at open");
    OK(has_file("a/cur/1700000001.M1P1.h:2,"), "and has moved to cur/");
    OK(box_msgs(b)[0].uid == 1 && box_msgs(b)[1].uid == 2 && box_head(b)->uidnext == 3, "UIDs follow the order of arrival");
    OK(box_head(b)->recent == 2, "both are recent");
    uint32_t uidvalidity = box_head(b)->uidvalidity;
    uint64_t modseq = box_head(b)->modseq, vsize = 0;
    struct buf text = buf_make(0);
    OK(box_read(b, 0, &text, &err) == STORE_OK && str_eqz(buf_str(&text), "Subject: one\r\n\r\nbody\r\n"), "line ends become CRLF");
    OK(box_vsize(b, 1, &vsize, &err) == STORE_OK && vsize == 23, "a CR that is there is not doubled");
    buf_reset(&text);
    box_uidl(b, 0, &text);
    char want[32];
    snprintf(want, sizeof(want), "00000001%08x", uidvalidity);
    OK(str_eqz(buf_str(&text), want), "the unique id is UID and UIDVALIDITY in hex");
    box_close(b);
    b = must_open(s, "INBOX");
    OK(box_count(b) == 2 && box_head(b)->uidvalidity == uidvalidity && box_head(b)->modseq == modseq && box_head(b)->recent == 0,
       "reopened from the index: the same, and nothing is recent");
    put_file("a/new/1700000003.M1P1.h", "x: y\n\nthree\n");
    struct box_changes c;
    OK(box_has_news(b) && box_sync(b, true, &c, &err) == STORE_OK && c.n_new == 1 && c.n_gone == 0 && c.n_changed == 0,
       "a delivery is news");
    OK(box_count(b) == 3 && box_msgs(b)[2].uid == 3, "with the next UID");
    usleep(60000);
    OK(box_sync(b, true, &c, &err) == STORE_OK && c.n_new == 0 && c.n_changed == 0 && !box_has_news(b), "and is no news the second time");
    box_close(b);
    store_close(s);
    buf_done(&text);
}

static void test_flags(void)
{
    struct store *s = open_store("a");
    struct box *b = must_open(s, "INBOX"), *other = must_open(s, "INBOX");
    uint32_t all[] = { 0, 1, 2 };
    uint64_t before = box_head(b)->modseq;
    unsigned kw;
    OK(box_keyword(b, STR("$Label1"), true, &kw, &err) == STORE_OK && kw == 0, "the first keyword gets letter a");
    OK(box_store(b, all, 2, BOX_FLAGS_ADD, FLAG_SEEN | FLAG_FLAGGED, 1, &err) == STORE_OK, "flags are stored");
    OK((box_msgs(b)[0].flags & FLAG_SEEN) != 0 && box_msgs(b)[0].keywords == 1 && box_msgs(b)[0].modseq > before, "and visible at once with a new modseq");
    OK(has_file("a/cur/1700000001.M1P1.h:2,"), "while the name waits");
    struct box_changes c;
    OK(box_has_news(other) && box_sync(other, true, &c, &err) == STORE_OK && c.n_changed == 2 && box_msgs(other)[1].modseq == box_msgs(b)[1].modseq,
       "another session sees them through the log, with the same modseq");
    OK(box_keyword_name(other, 0) != NULL && strcmp(box_keyword_name(other, 0), "$Label1") == 0, "and the keyword's name");
    OK(box_flush(b, &err) == STORE_OK && has_file("a/cur/1700000001.M1P1.h:2,FSa"), "a flush puts them into the name");
    OK(box_sync(other, true, &c, &err) == STORE_OK && c.n_changed == 0, "which is no change for the other");
    OK(box_store(other, all, 1, BOX_FLAGS_REPLACE, FLAG_ANSWERED, 0, &err) == STORE_OK, "the other replaces them");
    OK(box_sync(b, true, &c, &err) == STORE_OK && c.n_changed == 1 && (box_msgs(b)[0].flags & FLAGS_STORED) == FLAG_ANSWERED, "and the first sees it");
    box_close(other);
    OK(has_file("a/cur/1700000001.M1P1.h:2,R"), "closing flushes");
    char from[300], to[300];
    snprintf(from, sizeof(from), "%s/a/cur/1700000001.M1P1.h:2,R", root);
    snprintf(to, sizeof(to), "%s/a/cur/1700000001.M1P1.h:2,DRX,y", root);
    OK(rename(from, to) == 0 && box_sync(b, true, &c, &err) == STORE_OK && c.n_changed == 1 && (box_msgs(b)[0].flags & FLAG_DRAFT) != 0,
       "a foreign rename is a flag change");
    OK(box_store(b, all, 1, BOX_FLAGS_ADD, FLAG_SEEN, 0, &err) == STORE_OK && box_flush(b, &err) == STORE_OK
       && has_file("a/cur/1700000001.M1P1.h:2,DRSX,y"), "letters that are not ours stay");
    box_close(b);
    store_close(s);
}

/* A delivery makes the log be read again from its beginning. */
static void test_no_change_twice(void)
{
    struct store *s = open_store("twice");
    struct box_changes c;
    uint32_t zero = 0;
    put_file("twice/new/1700000001.M1P1.h", "a: b\n\n1\n");
    struct box *b = must_open(s, "INBOX");
    OK(box_store(b, &zero, 1, BOX_FLAGS_ADD, FLAG_SEEN, 0, &err) == STORE_OK && box_store(b, &zero, 1, BOX_FLAGS_REMOVE, FLAG_SEEN, 0, &err) == STORE_OK,
       "a flag is set and taken away");
    put_file("twice/new/1700000002.M1P1.h", "a: b\n\n2\n");
    OK(box_sync(b, true, &c, &err) == STORE_OK && c.n_new == 1 && c.n_changed == 0, "which is no news when a message comes");
    box_close(b);
    store_close(s);
}

static bool opens(const char *options)
{
    char location[300];
    snprintf(location, sizeof(location), "maildir:%s/loc%s", root, options);
    struct store *s = store_open(&(struct store_conf){ .location = location, .user = "u", .home = root }, &err);
    store_close(s);
    return s != NULL;
}

static void test_location(void)
{
    OK(opens("") && opens(":INDEX=/var/x:LAYOUT=maildir++") && opens(":INBOX=%h/loc"), "options that change nothing");
    OK(!opens(":LAYOUT=fs") && err.kind == ERR_CONFIG && strstr(err.text, "LAYOUT=fs") != NULL, "a layout that is not read is refused, not passed over");
    OK(!opens(":CONTROL=/var/x") && !opens(":INBOX=/elsewhere"), "so are UIDs or an INBOX that lie elsewhere");
}

static void test_expunge(void)
{
    struct store *s = open_store("a");
    struct box *b = must_open(s, "INBOX"), *other = must_open(s, "INBOX");
    struct box_changes c;
    uint32_t second = 1;
    uint64_t before = box_head(b)->modseq;
    OK(box_expunge(b, &second, 1, &err) == STORE_OK && box_count(b) == 3 && box_msgs(b)[1].gone, "an expunged message stays in the array");
    OK(box_sync(b, true, &c, &err) == STORE_OK && c.n_gone == 1 && c.gone_index[0] == 1 && c.gone_uid[0] == 2 && box_count(b) == 2, "until the sync");
    OK(box_sync(other, false, &c, &err) == STORE_OK && c.n_gone == 0 && box_count(other) == 3, "others keep it while they may not drop it");
    struct buf text = buf_make(0);
    OK(box_read(other, 1, &text, &err) == STORE_NOT_FOUND, "reading it says so");
    OK(box_sync(other, true, &c, &err) == STORE_OK && c.n_gone == 1, "then drop it");
    struct arena a = arena_make(1 << 20);
    uint32_t *uids;
    size_t n;
    OK(box_vanished(b, before, &a, &uids, &n) && n >= 1 && uids[0] == 2, "and it is among the vanished");
    arena_done(&a);
    box_close(b);
    box_close(other);
    put_file("a/new/1700000004.M1P1.h", "x: y\n\nfour\n");
    b = must_open(s, "INBOX");
    OK(box_count(b) == 3 && box_msgs(b)[2].uid == 4, "its UID is not given again");
    box_close(b);
    store_close(s);
    buf_done(&text);
}

static void test_append_and_copy(void)
{
    struct store *s = open_store("a");
    uint32_t uid = 0;
    OK(store_create(s, STR("Work.2024"), &err) == STORE_OK && has_file("a/.Work.2024/cur") && has_file("a/.Work.2024/maildirfolder"), "a folder is made");
    OK(store_create(s, STR("Work.2024"), &err) == STORE_EXISTS, "once");
    OK(append_one(s, "Work.2024", "A: b\r\n\r\nc\rd\r\n", FLAG_SEEN, &uid) && uid == 1, "a message is appended with UID 1");
    struct box *b = must_open(s, "Work.2024");
    int64_t date = 0;
    struct buf text = buf_make(0);
    OK(box_count(b) == 1 && box_msgs(b)[0].flags == FLAG_SEEN && box_msgs(b)[0].keywords == 1, "flags and keyword are there");
    OK(box_date(b, 0, &date, &err) == STORE_OK && date == 1700000000, "INTERNALDATE is kept");
    OK(box_read(b, 0, &text, &err) == STORE_OK && str_eqz(buf_str(&text), "A: b\r\n\r\nc\rd\r\n"), "a lone CR survives");
    uint32_t index = 0, uid2;
    struct append_result r;
    OK(box_copy(b, &index, 1, STR("INBOX"), false, &r, &err) == STORE_OK && r.n == 1 && r.uids[0] == 5, "a copy gets the next UID of its target");
    OK(box_copy(b, &index, 1, STR("Nowhere"), false, &r, &err) == STORE_NOT_FOUND, "a missing target is reported");
    OK(box_copy(b, &index, 1, STR("Work.2024"), false, &r, &err) == STORE_OK && r.uids[0] == 2, "a copy into the same mailbox works");
    struct box *inbox = must_open(s, "INBOX");
    size_t i = box_find(inbox, 5);
    OK(i == 3 && str_eq(box_guid(inbox, i), box_guid(b, 0)), "copies share the GUID");
    uint32_t at = (uint32_t)i;
    OK(box_copy(inbox, &at, 1, STR("Work.2024"), true, &r, &err) == STORE_OK && r.uids[0] == 3, "a move gives a UID");
    struct box_changes c;
    OK(box_sync(inbox, true, &c, &err) == STORE_OK && c.n_gone == 1 && c.gone_uid[0] == 5, "and expunges the original");
    OK(append_one(s, "Work.2024", "late\r\n", 0, &uid2) && uid2 == 4, "appends continue");
    OK(box_sync(b, true, &c, &err) == STORE_OK && c.n_new == 3, "and are seen by an open session");
    box_close(inbox);
    box_close(b);
    store_close(s);
    buf_done(&text);
}

static void test_list(void)
{
    struct store *s = open_store("a");
    struct arena a = arena_make(1 << 20);
    struct box_info *all;
    size_t n;
    OK(store_create(s, STR("Sent"), &err) == STORE_OK && store_subscribe(s, STR("Sent"), true, &err) == STORE_OK
       && store_subscribe(s, STR("Work.2024"), true, &err) == STORE_OK, "mailboxes are made and subscribed");
    OK(store_subscribe(s, STR("None"), true, &err) == STORE_NOT_FOUND, "a missing one is not");
    OK(store_list(s, &a, &all, &n, &err) == STORE_OK && n == 4, "four names are listed");
    OK(str_eqz(all[0].name, "INBOX") && str_eqz(all[1].name, "Sent") && (all[1].attrs & BOX_SENT) != 0 && (all[1].attrs & BOX_SUBSCRIBED) != 0, "INBOX first, special use by name");
    OK(str_eqz(all[2].name, "Work") && all[2].attrs == (BOX_NOSELECT | BOX_HAS_CHILDREN), "levels between are there but cannot be selected");
    OK(store_rename(s, STR("Work"), STR("Old.Work"), &err) == STORE_OK && has_file("a/.Old.Work.2024/cur"), "a level is renamed with its children");
    struct box *b = must_open(s, "Old.Work.2024");
    OK(b != NULL && box_count(b) == 4, "with their messages");
    box_close(b);
    OK(store_rename(s, STR("Old"), STR("Old.x"), &err) == STORE_BAD_NAME, "not below itself");
    OK(store_rename(s, STR("Sent"), STR("Old.Work.2024"), &err) == STORE_EXISTS, "not over another");
    OK(store_rename(s, STR("INBOX"), STR("Was"), &err) == STORE_OK, "INBOX can be renamed");
    struct box_status st;
    OK(store_status(s, STR("Was"), true, &st, &err) == STORE_OK && st.messages == 3 && st.uidnext == 4 && st.vsize > 0, "its messages have moved");
    OK(store_status(s, STR("INBOX"), false, &st, &err) == STORE_OK && st.messages == 0, "and it is empty");
    OK(store_delete(s, STR("INBOX"), &err) == STORE_BAD_NAME && store_delete(s, STR("Nope"), &err) == STORE_NOT_FOUND, "INBOX and missing names are not deleted");
    OK(store_delete(s, STR("Was"), &err) == STORE_OK && !has_file("a/.Was"), "others are");
    OK(store_create(s, STR("Deep.Er"), &err) == STORE_OK && store_subscribe(s, STR("Deep.Er"), true, &err) == STORE_OK && store_delete(s, STR("Deep.Er"), &err) == STORE_OK,
       "a subscribed mailbox is deleted");
    bool gone = false, level = false;
    OK(store_list(s, &a, &all, &n, &err) == STORE_OK, "listed again");
    for (size_t i = 0; i < n; i++) {
        gone = gone || (str_eqz(all[i].name, "Deep.Er") && all[i].attrs == (BOX_NOSELECT | BOX_SUBSCRIBED));
        level = level || str_eqz(all[i].name, "Deep");
    }
    OK(gone && !level, "it stays as a subscribed name, without a level above it");
    static const char *const bad[] = { "", "../x", "a/b", ".x", "x..", "a..b", "a\tb", "INBOX/../../x" };
    bool refused = true;
    for (size_t i = 0; i < N_ELEMS(bad); i++)
        refused = refused && store_create(s, str_from(bad[i]), &err) == STORE_BAD_NAME;
    OK(refused, "names that leave the root are refused");
    arena_done(&a);
    store_close(s);
}

static void test_index_loss(void)
{
    struct store *s = open_store("a");
    struct box *b = must_open(s, "Old.Work.2024");
    uint64_t modseq = box_head(b)->modseq;
    uint32_t uidvalidity = box_head(b)->uidvalidity;
    struct str v;
    box_cache_put(b, 0, CACHE_ENVELOPE, STR("(env)"));
    box_close(b);
    b = must_open(s, "Old.Work.2024");
    OK(box_cache_get(b, 0, CACHE_ENVELOPE, &v) && str_eqz(v, "(env)"), "a cached text is found again");
    box_cache_end(b);
    box_cache_put(b, 1, CACHE_PARTS, STR("parts"));
    box_close(b);
    b = must_open(s, "Old.Work.2024");
    uint32_t uid, last;
    OK(append_one(s, "Old.Work.2024", "bye\r\n", 0, &uid), "one more message");
    struct box_changes c;
    box_sync(b, true, &c, &err);
    last = (uint32_t)box_count(b) - 1;
    struct buf guid = buf_make(0);
    buf_add(&guid, box_guid(b, last));
    box_cache_put(b, last, CACHE_ENVELOPE, STR("(gone)"));
    OK(box_flush(b, &err) == STORE_OK && box_expunge(b, &last, 1, &err) == STORE_OK && box_sync(b, true, &c, &err) == STORE_OK, "expunged with its text");
    buf_done(&guid);
    OK(box_cache_get(b, 1, CACHE_PARTS, &v) && str_eqz(v, "parts"), "leaves the others'");
    box_cache_end(b);
    box_close(b);
    store_close(s);
    char path[300];
    snprintf(path, sizeof(path), "%s/a/postern-index/data.mdb", root);
    OK(truncate(path, 5000) == 0, "the index file is cut");
    s = open_store("a");
    b = must_open(s, "Old.Work.2024");
    OK(b != NULL && box_count(b) == 4 && box_head(b)->uidvalidity == uidvalidity && box_head(b)->modseq >= modseq, "everything is there, modseq did not go back");
    OK(has_file("a/postern-index.bad"), "the damaged one was set aside");
    OK(!box_cache_get(b, 0, CACHE_ENVELOPE, &v), "only the cache is empty");
    box_close(b);
    store_close(s);
    put_file("a/postern-index/data.mdb", "this is no database at all, but it is long enough to be looked at");
    s = open_store("a");
    b = must_open(s, "Old.Work.2024");
    OK(b != NULL && box_count(b) == 4, "nor does rubbish hurt");
    box_close(b);
    store_close(s);
}

static void test_lock(void)
{
    struct store *s = open_store("l");
    uint32_t uid;
    char text[300];
    gethostname(text, 200);
    char line[400];
    snprintf(line, sizeof(line), "%d:%s", (int)getpid(), text);
    put_file("l/dovecot-uidlist.lock", line);
    OK(!append_one(s, "INBOX", "x\r\n", 0, &uid) && err.kind == ERR_TEMP, "a lock that is held is waited for, then it is an error");
    snprintf(line, sizeof(line), "%d:%s", 999999999, text);
    put_file("l/dovecot-uidlist.lock", line);
    OK(append_one(s, "INBOX", "x\r\n", 0, &uid), "the lock of a dead process is taken over");
    OK(!has_file("l/dovecot-uidlist.lock"), "and no lock remains");
    store_close(s);
}

static void test_torn_list(void)
{
    struct store *s = open_store("t");
    uint32_t uid;
    OK(append_one(s, "INBOX", "one\r\n", 0, &uid) && uid == 1, "a message is there");
    char path[300];
    snprintf(path, sizeof(path), "%s/t/dovecot-uidlist", root);
    int fd = open(path, O_WRONLY | O_APPEND);
    OK(fd >= 0 && write(fd, "2 :17000", 8) == 8 && close(fd) == 0, "a crash left half a line");
    OK(append_one(s, "INBOX", "two\r\n", 0, &uid) && uid == 2, "the next append");
    struct box *b = must_open(s, "INBOX");
    OK(b != NULL && box_count(b) == 2 && box_msgs(b)[1].uid == 2, "does not continue that line");
    box_close(b);
    put_file("t/dovecot-uidlist", "no list at all\n");
    b = must_open(s, "INBOX");
    OK(b != NULL && box_count(b) == 2, "a list that is none is begun again");
    box_close(b);
    store_close(s);
}

static void test_pending_log_survives(void)
{
    struct store *s = open_store("p");
    put_file("p/new/1700000001.M1P1.h", "a: b\n\n1\n");
    struct box *b = must_open(s, "INBOX");
    uint32_t zero = 0;
    OK(box_store(b, &zero, 1, BOX_FLAGS_ADD, FLAG_SEEN, 0, &err) == STORE_OK, "a flag is stored");
    uint64_t modseq = box_msgs(b)[0].modseq;
    if (fork() == 0)
        _exit(0);   /* the session dies here, as far as its files are concerned */
    struct store *s2 = open_store("p");
    char path[300];
    snprintf(path, sizeof(path), "%s/p/postern-flags", root);
    int fd = open(path, O_WRONLY | O_APPEND);
    OK(fd >= 0 && write(fd, "PF\0\5torn", 8) == 8 && close(fd) == 0, "a torn record follows it");
    struct box *again = must_open(s2, "INBOX");
    OK((box_msgs(again)[0].flags & FLAG_SEEN) != 0 && box_msgs(again)[0].modseq == modseq, "the next session finds it in the log");
    box_close(again);
    OK(has_file("p/cur/1700000001.M1P1.h:2,S"), "and puts it into the name");
    box_close(b);
    store_close(s);
    store_close(s2);
}

int main(void)
{
    if (mkdtemp(root) == NULL)
        return 1;
    test_delivery_and_uids();
    test_flags();
    test_no_change_twice();
    test_location();
    test_expunge();
    test_append_and_copy();
    test_list();
    test_index_loss();
    test_lock();
    test_torn_list();
    test_pending_log_survives();
    char command[200];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    if (system(command) != 0)
        return 1;
    return tap_done();
}
