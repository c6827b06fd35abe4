/* SPDX-License-Identifier: ISC */
#include "store/deliver.h"
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tap.h"

static char root[] = "/tmp/deliver_test.XXXXXX";
static struct err err;

/* Number of files in root/dir; the last one's name. */
static int count(const char *dir, char *ret_name, size_t cap)
{
    char path[300];
    int n = 0;
    snprintf(path, sizeof(path), "%s/%s", root, dir);
    DIR *d = opendir(path);
    if (d == NULL)
        return -1;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        if (e->d_name[0] != '.') {
            n++;
            if (ret_name != NULL)
                snprintf(ret_name, cap, "%s", e->d_name);
        }
    closedir(d);
    return n;
}

static struct deliver *begin(const char *dir, const char *token, bool maybe, bool *ret_done)
{
    char path[300];
    struct deliver *d = NULL;
    snprintf(path, sizeof(path), "%s/%s", root, dir);
    if (deliver_open(path, token, maybe, &d, ret_done, &err) < 0)
        printf("# %s\n", err.text);
    return d;
}

static void in_root(const char *name, char *out, size_t cap) { snprintf(out, cap, "%s/%s", root, name); }

int main(void)
{
    bool done;
    int first = -1;
    char name[300] = "", path[700], to[700];
    if (mkdtemp(root) == NULL)
        return 1;
    struct deliver *d = begin("a/b/Maildir", "x1I4F2BR0", false, &done);
    OK(d != NULL && !done && count("a/b/Maildir/tmp", NULL, 0) == 1 && count("a/b/Maildir/new", NULL, 0) == 0, "a Maildir is made, the message begins in tmp/");
    OK(deliver_write(d, STR("a: b\n\nx\r\ny\n"), &err) == 0 && (deliver_commit_all(&d, 1, &first, &err), first == 0), "it is written and committed");
    deliver_free(d);
    OK(count("a/b/Maildir/tmp", NULL, 0) == 0 && count("a/b/Maildir/new", name, sizeof(name)) == 1, "and is in new/ only");
    OK(strstr(name, "Tx1I4F2BR0.") != NULL && strstr(name, ",S=11,W=14") != NULL, "its name has the token and both sizes");
    d = begin("a/b/Maildir", "x1I4F2BR0", true, &done);
    OK(d == NULL && done, "the same delivery again is found done");
    d = begin("a/b/Maildir", "x1I4F2BR1", true, &done);
    OK(d != NULL && !done, "another recipient's is not");
    deliver_free(d);
    OK(count("a/b/Maildir/tmp", NULL, 0) == 0, "what is not committed leaves nothing");
    snprintf(path, sizeof(path), "%s/a/b/Maildir/new/%s", root, name);
    snprintf(to, sizeof(to), "%s/a/b/Maildir/cur/%s:2,S", root, name);
    OK(rename(path, to) == 0, "the user has read it");
    d = begin("a/b/Maildir", "x1I4F2BR0", true, &done);
    OK(d == NULL && done, "and it is found in cur/ too");

    struct deliver *all[3];
    int rc[3];
    struct err errs[3] = { { 0 }, { 0 }, { 0 } };
    all[0] = begin("a/b/Maildir", "x2R0", false, &done);
    all[1] = begin("other", "x3R0", false, &done);
    all[2] = begin("a/b/Maildir", "x4R0", false, &done);
    in_root("other/new", path, sizeof(path));
    OK(rmdir(path) == 0, "a new/ goes missing meanwhile");
    deliver_commit_all(all, 3, rc, errs);
    for (int i = 0; i < 3; i++)
        deliver_free(all[i]);
    OK(rc[0] == 0 && rc[1] == 0 && rc[2] == 0 && count("a/b/Maildir/new", NULL, 0) == 2 && count("other/new", NULL, 0) == 1, "several are committed together, and it is made again");

    in_root("file", path, sizeof(path));
    FILE *f = fopen(path, "w");
    OK(f != NULL && fclose(f) == 0, "a file stands in the way");
    OK(begin("file", "x5R0", false, &done) == NULL && err.sys == ENOTDIR, "of a Maildir: an error, with its cause");
    OK(begin("file/Maildir", "x5R0", false, &done) == NULL, "or of its parent");
    snprintf(path, sizeof(path), "rm -rf %s", root);
    if (system(path) != 0)
        return 1;
    return tap_done();
}
