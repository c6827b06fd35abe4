/* SPDX-License-Identifier: ISC
 *
 * Files that are damaged, limits that are met and sessions that know less than
 * others: no message may disappear.
 */
#include "store/store.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tap.h"

static char root[] = "/tmp/damage_test.XXXXXX";
static struct err err;

static struct store *open_store(const char *name)
{
    char location[200];
    snprintf(location, sizeof(location), "maildir:%s/%s", root, name);
    return store_open(&(struct store_conf){ .location = location, .user = "u@example.test", .home = root, .lock_seconds = 2 }, &err);
}

static void put_file(const char *path, const char *text)
{
    char full[400];
    snprintf(full, sizeof(full), "%s/%s", root, path);
    FILE *f = fopen(full, "w");
    if (f == NULL)
        return;
    fputs(text, f);
    fclose(f);
}

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

static struct box *must_open(struct store *s, const char *name)
{
    struct box *b = NULL;
    if (box_open(s, str_from(name), 0, &b, &err) != STORE_OK)
        printf("# %s: %s\n", name, err.text);
    return b;
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
    struct rlimit limit, was;
    getrlimit(RLIMIT_FSIZE, &was);
    limit = was;
    limit.rlim_cur = 16384;      /* enough for the list, not for the index */
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    OK(box_sync(b, true, &c, &err) == STORE_OK && c.n_new == 80, "mail is taken up though the index cannot be written");
    setrlimit(RLIMIT_FSIZE, &was);
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

int main(void)
{
    if (mkdtemp(root) == NULL)
        return 1;
    test_lost_line();
    test_other_uid();
    test_comes_back();
    test_index_full();
    test_stale_row();
    char command[200];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    if (system(command) != 0)
        return 1;
    return tap_done();
}
