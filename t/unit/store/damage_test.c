/* SPDX-License-Identifier: ISC
 *
 * Files that are damaged, limits that are met and sessions that know less than
 * others: no message may disappear.
 */
#include "store/index.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "dir.h"

static struct str get_file(const char *path)
{
    static char text[100000];
    char full[400];
    snprintf(full, sizeof(full), "%s/%s", root, path);
    FILE *f = fopen(full, "r");
    size_t n = f == NULL ? 0 : fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    if (f != NULL)
        fclose(f);
    return str_make(text, n);
}

static size_t count(const char *store)
{
    struct store *s = open_store(store);
    struct box *b = must_open(s, "INBOX");
    size_t n = b == NULL ? SIZE_MAX : box_count(b);
    box_close(b);
    store_close(s);
    return n;
}

static void deliver(const char *store, int n)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/new/17000000%02d.M1P1.h", store, n);
    put_file(path, "a: b\n\ntext\n");
}

static void limit_writes(rlim_t n)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = n == 0 ? limit.rlim_max : n;
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* A line of the list is lost while its file and the index's row are there. */
static void test_lost_line(void)
{
    store_close(open_store("line"));
    for (int i = 1; i <= 3; i++)
        deliver("line", i);
    OK(count("line") == 3, "three messages");
    struct str text = get_file("line/dovecot-uidlist"), head, rest, first, second;
    str_cut(text, '\n', &head, &rest);
    str_cut(rest, '\n', &first, &rest);
    str_cut(rest, '\n', &second, &rest);
    char less[2000];
    snprintf(less, sizeof(less), "%.*s\n%.*s\n%.*s", STR_FMT(head), STR_FMT(first), STR_FMT(rest));
    put_file("line/dovecot-uidlist", less);
    struct store *s = open_store("line");
    struct box *b = must_open(s, "INBOX");
    OK(box_count(b) == 3, "a message whose line is lost is still there");
    OK(box_count(b) == 3 && box_msgs(b)[0].uid == 1 && box_msgs(b)[1].uid == 3 && box_msgs(b)[2].uid == 4, "under a new UID, the others under theirs");
    box_close(b);
    store_close(s);
    OK(count("line") == 3, "and so for the next session");
}

/* Another program gave the same file another UID: the list is right, and of two lines the later one. */
static void test_other_uid(void)
{
    store_close(open_store("uid"));
    deliver("uid", 1);
    deliver("uid", 2);
    OK(count("uid") == 2, "two messages");
    struct str text = get_file("uid/dovecot-uidlist"), head, rest;
    str_cut(text, '\n', &head, &rest);
    char more[2000];
    snprintf(more, sizeof(more), "%.*s\n%.*s7 :1700000001.M1P1.h\n", STR_FMT(head), STR_FMT(rest));
    put_file("uid/dovecot-uidlist", more);
    struct store *s = open_store("uid");
    struct box *b = must_open(s, "INBOX");
    OK(box_count(b) == 2 && box_msgs(b)[0].uid == 2 && box_msgs(b)[1].uid == 7, "the later line counts, for one that had the index");
    box_close(b);
    store_close(s);
    char command[300];
    snprintf(command, sizeof(command), "rm -rf %s/uid/postern-index", root);
    OK(system(command) == 0, "(the index is removed)");
    s = open_store("uid");
    b = must_open(s, "INBOX");
    OK(box_count(b) == 2 && box_msgs(b)[0].uid == 2 && box_msgs(b)[1].uid == 7 && box_head(b)->uidnext == 8, "and for one that had none");
    box_close(b);
    store_close(s);
}

/* A file that was away for a scan comes back. */
static void test_comes_back(void)
{
    store_close(open_store("back"));
    deliver("back", 1);
    deliver("back", 2);
    struct store *s = open_store("back");
    struct box *b = must_open(s, "INBOX");
    struct box_changes c;
    char here[300], away[300];
    snprintf(here, sizeof(here), "%s/back/cur/1700000001.M1P1.h:2,", root);
    snprintf(away, sizeof(away), "%s/back/away", root);
    OK(rename(here, away) == 0 && box_sync(b, false, &c, &err) == STORE_OK && box_msgs(b)[0].gone, "a message is gone, and may not be said so yet");
    usleep(60000);
    OK(rename(away, here) == 0 && box_sync(b, false, &c, &err) == STORE_OK && c.n_new == 1, "it comes back, as a new one");
    OK(box_sync(b, true, &c, &err) == STORE_OK && c.n_gone == 1 && box_count(b) == 2 && box_msgs(b)[1].uid == 3, "while the old one goes");
    box_close(b);
    store_close(s);
    OK(count("back") == 2, "the next session has both");
}

/* The index cannot be written for a while: what it missed must not be missing later. */
static void test_index_full(void)
{
    store_close(open_store("full"));
    deliver("full", 1);
    struct store *s = open_store("full");
    struct box *b = must_open(s, "INBOX");
    struct box_changes c;
    uint32_t first = 0;
    OK(box_count(b) == 1, "one message");
    for (int i = 10; i < 90; i++)
        deliver("full", i);
    limit_writes(16384);        /* enough for the list, not for the index */
    OK(box_sync(b, true, &c, &err) == STORE_OK && c.n_new == 80, "mail is taken up though the index cannot be written");
    limit_writes(0);
    OK(box_store(b, &first, 1, BOX_FLAGS_ADD, FLAG_SEEN, 0, &err) == STORE_OK && box_flush(b, &err) == STORE_OK, "later it can");
    box_close(b);
    store_close(s);
    OK(count("full") == 81, "the next session sees all of them");
}

/* A session that knows old flags learns a size and writes it into the index. */
static void test_stale_row(void)
{
    store_close(open_store("stale"));
    deliver("stale", 1);
    deliver("stale", 2);
    struct store *s = open_store("stale");
    struct box *old = must_open(s, "INBOX"), *b = must_open(s, "INBOX");
    uint32_t first = 0, second = 1;
    uint64_t size;
    usleep(60000);
    OK(box_vsize(old, 0, &size, &err) == STORE_OK && size == 14, "one session measures a message");
    OK(box_store(b, &first, 1, BOX_FLAGS_ADD, FLAG_SEEN, 0, &err) == STORE_OK && box_flush(b, &err) == STORE_OK, "another marks it");
    box_close(old);
    usleep(60000);
    OK(box_store(b, &second, 1, BOX_FLAGS_ADD, FLAG_FLAGGED, 0, &err) == STORE_OK, "and goes on when the first has ended");
    box_close(b);
    b = must_open(s, "INBOX");
    OK(box_count(b) == 2 && (box_msgs(b)[0].flags & FLAG_SEEN) != 0, "the mark is still there");
    box_close(b);
    store_close(s);
}

/* No file can grow: mail can be read and removed, and nothing is lost or torn. */
static void test_no_room(void)
{
    store_close(open_store("room"));
    deliver("room", 1);
    deliver("room", 2);
    OK(count("room") == 2, "two messages");
    struct str text = get_file("room/dovecot-uidlist");
    size_t before = text.n;
    deliver("room", 3);
    limit_writes(before + 5);
    struct store *s = open_store("room");
    struct box *b = must_open(s, "INBOX");
    struct box_changes c;
    uint32_t first = 0;
    OK(b != NULL && box_count(b) == 2, "without room the old messages are there, the new one waits");
    OK(get_file("room/dovecot-uidlist").n == before, "and no half line stays in the list");
    if (b == NULL)
        return;
    limit_writes(1);
    OK(box_expunge(b, &first, 1, &err) == STORE_OK && box_sync(b, true, &c, &err) == STORE_OK && box_count(b) == 1, "one can be removed to make room");
    OK(box_store(b, &first, 1, BOX_FLAGS_ADD, FLAG_SEEN, 0, &err) == STORE_LIMIT && (box_msgs(b)[0].flags & FLAG_SEEN) == 0, "a flag is refused, and not shown");
    limit_writes(0);
    OK(box_sync(b, true, &c, &err) == STORE_OK && box_count(b) == 2 && box_msgs(b)[1].uid == 3, "then the new one comes in");
    box_close(b);
    store_close(s);
    OK(count("room") == 2, "and stays");
}

static bool copies_to(struct box *b, uint32_t i, const char *to, bool move)
{
    struct append_result r;
    return box_copy(b, &i, 1, str_from(to), move, &r, &err) == STORE_OK && r.n == 1;
}

/* A folder on another file system: a copy cannot be a link. */
static void test_no_link(void)
{
    char other[] = "/dev/shm/damage_test.XXXXXX", name[300];
    struct stat here, there;
    store_close(open_store("link"));
    if (mkdtemp(other) == NULL)
        return;
    if (stat(root, &here) < 0 || stat(other, &there) < 0 || here.st_dev == there.st_dev) {
        rmdir(other);
        return;
    }
    snprintf(name, sizeof(name), "%s/link/.Other", root);
    OK(symlink(other, name) == 0, "a folder lies on another file system");
    snprintf(name, sizeof(name), "%s/cur", other);
    mkdir(name, 0700);
    snprintf(name, sizeof(name), "%s/new", other);
    mkdir(name, 0700);
    snprintf(name, sizeof(name), "%s/tmp", other);
    mkdir(name, 0700);
    deliver("link", 1);
    struct store *s = open_store("link");
    struct box *b = must_open(s, "INBOX");
    uint32_t first = 0;
    unsigned kw;
    struct buf text = buf_make(0);
    OK(box_keyword(b, STR("$Label1"), true, &kw, &err) == STORE_OK && box_store(b, &first, 1, BOX_FLAGS_ADD, FLAG_SEEN, 1, &err) == STORE_OK
       && copies_to(b, 0, "Other", false), "a message is copied there all the same");
    struct box *o = must_open(s, "Other");
    OK(box_count(o) == 1 && (box_msgs(o)[0].flags & FLAG_SEEN) != 0 && box_msgs(o)[0].keywords == 1
       && box_read(o, 0, &text, &err) == STORE_OK && str_eqz(buf_str(&text), "a: b\r\n\r\ntext\r\n"), "with its flags and bytes");
    box_close(o);
    box_close(b);
    OK(store_delete(s, STR("Other"), &err) == STORE_OK && !has_file("link/.Other"), "deleting it removes the link");
    snprintf(name, sizeof(name), "ls %s/cur | grep -q .", other);
    OK(system(name) == 0, "and not the mail behind it");
    store_close(s);
    buf_done(&text);
    snprintf(name, sizeof(name), "rm -rf %s", other);
    OK(system(name) == 0, "(removed)");
}

static void test_odd_names(void)
{
    struct store *s = open_store("odd");
    char name[300], path[300];
    OK(store_create(s, STR("100% *"), &err) == STORE_OK, "a mailbox may have the characters of patterns in its name");
    memset(name, 'x', sizeof(name));
    OK(store_create(s, str_make(name, 254), &err) == STORE_OK, "and be as long as a directory's can be");
    OK(store_create(s, str_make(name, 255), &err) == STORE_BAD_NAME, "no longer");
    put_file("odd/new/1700000001.M1P1 a b.h", "a: b\n\ntext\n");
    struct box *b = must_open(s, "INBOX");
    OK(box_count(b) == 1 && copies_to(b, 0, "100% *", true), "a file name with spaces is copied");
    box_close(b);
    b = must_open(s, "100% *");
    OK(box_count(b) == 1 && str_chr(box_guid(b, 0), ' ') < 0, "and does not end up in a field of the list");
    box_close(b);
    snprintf(path, sizeof(path), "odd/dovecot-uidlist");
    put_file(path, "3 V77 N5 G0123456789abcdef0123456789abcdef\n4 :x\n4294967295 :y\n");
    deliver("odd", 1);
    b = must_open(s, "INBOX");
    OK(b != NULL && box_count(b) == 1 && box_msgs(b)[0].uid == 5, "a UID that is none does not use up all others");
    box_close(b);
    store_close(s);
}

/* Renamed by one that takes no lock, in a moment that does not show: the flag goes to the new name. */
static void test_renamed(void)
{
    store_close(open_store("ren"));
    deliver("ren", 1);
    struct store *s = open_store("ren");
    struct box *b = must_open(s, "INBOX");
    struct box_changes c;
    uint32_t first = 0;
    char from[300], to[300], cur[300];
    struct stat st;
    usleep(60000);
    snprintf(cur, sizeof(cur), "%s/ren/cur", root);
    snprintf(from, sizeof(from), "%s/ren/cur/1700000001.M1P1.h:2,", root);
    snprintf(to, sizeof(to), "%s/ren/cur/1700000001.M1P1.h:2,F", root);
    OK(box_sync(b, true, &c, &err) == STORE_OK && box_store(b, &first, 1, BOX_FLAGS_ADD, FLAG_SEEN, 0, &err) == STORE_OK && stat(cur, &st) == 0, "a flag is stored");
    struct timespec times[2] = { st.st_atim, st.st_mtim };
    OK(rename(from, to) == 0 && utimensat(AT_FDCWD, cur, times, 0) == 0 && box_flush(b, &err) == STORE_OK && has_file("ren/cur/1700000001.M1P1.h:2,FS"),
       "the name has both");
    box_close(b);
    store_close(s);
}

static bool reads(struct box *b, size_t i, const char *want)
{
    struct buf text = buf_make(0);
    bool ok = i < box_count(b) && box_read(b, i, &text, &err) == STORE_OK && str_eqz(buf_str(&text), want);
    buf_done(&text);
    return ok;
}

/* Two messages under one base name: from a backup, or from a deliverer whose clock went back. */
static void test_same_name(void)
{
    static const char *const there[] = { "1.x.h:2,S", "1.x.h:2,", "1.x.h:2,RS" };
    for (size_t i = 0; i < N_ELEMS(there); i++)
        for (int known = 0; known < 2; known++) {
            char store[20], path[100];
            snprintf(store, sizeof(store), "same%zu%d", i, known);
            store_close(open_store(store));
            snprintf(path, sizeof(path), "%s/cur/%s", store, there[i]);
            put_file(path, "old\n");
            if (known)
                OK(count(store) == 1, "a message");
            snprintf(path, sizeof(path), "%s/new/1.x.h", store);
            put_file(path, "new\n");
            struct store *s = open_store(store);
            struct box *b = must_open(s, "INBOX");
            OK(box_count(b) == 2 && (!known || (reads(b, 0, "old\r\n") && box_msgs(b)[0].uid == 1 && reads(b, 1, "new\r\n"))),
               "another of its name comes in: both are there, the first is itself");
            OK((reads(b, 0, "old\r\n") && reads(b, 1, "new\r\n")) || (reads(b, 0, "new\r\n") && reads(b, 1, "old\r\n")), "with their texts");
            box_close(b);
            store_close(s);
            OK(count(store) == 2, "and stay");
        }
    store_close(open_store("same"));
    put_file("same/cur/1.x.h:2,", "a\n");
    put_file("same/cur/1.x.h:2,S", "b\n");
    OK(count("same") == 2, "two in cur/ are two");
    OK(count("same") == 2, "also at the next look");
}

static int look(void)
{
    struct store *s = open_store("ro");
    struct box *b = s == NULL ? NULL : must_open(s, "INBOX");
    struct buf text = buf_make(0);
    uint32_t first = 0;
    if (b == NULL)
        return 10;
    int wrong = box_is_read_only(b) && box_count(b) == 2 ? 0 : 1;
    if ((box_msgs(b)[1].flags & FLAG_FLAGGED) == 0)
        wrong |= 2;
    if (box_read(b, 0, &text, &err) != STORE_OK || !str_eqz(buf_str(&text), "a: b\r\n\r\ntext\r\n"))
        wrong |= 4;
    if (box_store(b, &first, 1, BOX_FLAGS_ADD, FLAG_SEEN, 0, &err) != STORE_READ_ONLY || box_expunge(b, &first, 1, &err) != STORE_READ_ONLY)
        wrong |= 8;
    buf_done(&text);
    box_close(b);
    store_close(s);
    return wrong;
}

/* Nothing can be written, not even a lock: as on a file system that was mounted read-only after an error. */
static void test_no_leave(void)
{
    enum { NOBODY = 65534 };
    store_close(open_store("ro"));
    deliver("ro", 1);
    deliver("ro", 2);
    struct store *s = open_store("ro");
    struct box *b = must_open(s, "INBOX");
    uint32_t second = 1;
    OK(box_store(b, &second, 1, BOX_FLAGS_ADD, FLAG_FLAGGED, 0, &err) == STORE_OK, "a flag is on its way");
    deliver("ro", 3);
    char command[300];
    snprintf(command, sizeof(command), "chmod -R a+rX,a-w %s/ro && chmod a+rx %s", root, root);
    OK(system(command) == 0, "the mailbox is made read-only");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
            _exit(99);
        _exit(look());
    }
    int status = 0;
    OK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "mail is read all the same, with its flags");
    printf("# status %d\n", status >> 8);
    snprintf(command, sizeof(command), "chmod -R u+w %s/ro", root);
    OK(system(command) == 0, "(undone)");
    box_close(b);
    store_close(s);
}

/* Damage that LMDB does not notice. */
static void test_missing_row(void)
{
    store_close(open_store("row"));
    for (int i = 1; i <= 4; i++)
        deliver("row", i);
    OK(count("row") == 4, "four messages");
    usleep(60000);
    OK(count("row") == 4, "and their rows");
    char dir[300];
    struct index_box box;
    snprintf(dir, sizeof(dir), "%s/row", root);
    struct index *ix = index_open(dir, false);
    OK(index_begin(ix) && index_get_box(ix, STR(""), &box) && box.messages == 4, "the index is opened");
    index_drop_row(ix, box.id, 2, box.modseq);
    OK(index_commit(ix), "a row is taken out");
    index_close(ix);
    struct store *s = open_store("row");
    struct box *b = must_open(s, "INBOX");
    OK(box_count(b) == 4 && box_msgs(b)[1].uid == 2 && box_msgs(b)[3].uid == 4, "the messages are read from the folder, with their UIDs");
    box_close(b);
    store_close(s);
}

static void test_crash(void)
{
    store_close(open_store("crash"));
    deliver("crash", 1);
    OK(count("crash") == 1 && !has_file("crash/postern-index.bad"), "one message");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2);
        struct store *s = open_store("crash");
        (void)must_open(s, "INBOX");
        raise(SIGBUS);
        _exit(0);
    }
    int status = 0;
    OK(waitpid(pid, &status, 0) == pid && (!WIFEXITED(status) || WEXITSTATUS(status) != 0), "a session dies");
    OK(has_file("crash/postern-index.bad") && !has_file("crash/postern-index"), "its index is set aside");
    OK(count("crash") == 1, "and the next one begins another");
}

int main(void)
{
    if (mkdtemp(root) == NULL)
        return 1;
    test_lost_line();
    test_other_uid();
    test_comes_back();
    test_index_full();
    test_stale_row();
    test_no_room();
    test_no_link();
    test_odd_names();
    test_renamed();
    test_same_name();
    test_no_leave();
    test_missing_row();
    test_crash();
    char command[200];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    if (system(command) != 0)
        return 1;
    return tap_done();
}
