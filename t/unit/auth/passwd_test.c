/* SPDX-License-Identifier: ISC */
#include "auth/passwd_file.h"
#include "base/buf.h"
#include "tap.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define S(lit) STR_INIT(lit)
static const struct { const char *name; struct str line; bool ok; const char *uid, *home, *extra; } lines[] = {
    { "all eight fields", S("u:{PLAIN}p:1000:100:Name:/home/u:/bin/sh:userdb_mail=maildir:~/M allow_nets=192.0.2.0/24"), true, "1000", "/home/u",
      "userdb_mail=maildir:~/M allow_nets=192.0.2.0/24" },
    { "name and password only", S("u:{PLAIN}p"), true, "", "", "" },
    { "trailing fields missing", S("u:x:5:6::/h"), true, "5", "/h", "" },
    { "a uid by name", S("u:x:vmail:vmail::/h"), true, "vmail", "/h", "" },
    { "a uid that is neither number nor name is refused", S("u:x:5ive:6::/h"), false, NULL, NULL, NULL },
    { "a uid out of range is refused", S("u:x:4294967295:6::/h"), false, NULL, NULL, NULL },
    { "a negative gid is refused", S("u:x:5:-1::/h"), false, NULL, NULL, NULL },
    { "no name is refused", S(":x:5:6::/h"), false, NULL, NULL, NULL },
    { "a NUL is refused", S("u:x\0:5:6::/h"), false, NULL, NULL, NULL },
};

static void test_lines(void)
{
    for (size_t i = 0; i < N_ELEMS(lines); i++) {
        struct passwd_entry e = { 0 };
        bool ok = passwd_line_parse(lines[i].line, &e);
        OK(ok == lines[i].ok && (!ok || (str_eqz(e.uid, lines[i].uid) && str_eqz(e.home, lines[i].home) && str_eqz(e.extra, lines[i].extra))), lines[i].name);
        for (size_t cut = 0; cut < lines[i].line.n; cut++)
            (void)passwd_line_parse(str_head(lines[i].line, cut), &e);
    }
}

static const struct { const char *name; struct str list, address; bool match; } nets[] = {
    { "an empty list holds all", S(""), S("192.0.2.1"), true },
    { "a net holds its addresses", S("10.0.0.0/8,192.0.2.0/24"), S("192.0.2.255"), true },
    { "a net ends", S("192.0.2.0/25"), S("192.0.2.128"), false },
    { "a single address", S("192.0.2.1"), S("192.0.2.1"), true },
    { "IPv6", S("2001:db8::/32"), S("2001:db8:1::1"), true },
    { "families do not mix", S("0.0.0.0/0"), S("2001:db8::1"), false },
    { "bad bits hold nothing", S("0.0.0.0/33"), S("192.0.2.1"), false },
    { "an address that is not known is in no list", S("0.0.0.0/0"), S(""), false },
    { "local is a request without an address", S("192.0.2.1 local"), S(""), true },
    { "local is no address", S("local"), S("192.0.2.1"), false },
};

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t n = write(fd, text, strlen(text));
    (void)n;
    close(fd);
}

static void test_file(void)
{
    char dir[] = "/tmp/passwd_test_XXXXXX";
    struct err err;
    size_t first;
    struct buf path = buf_make(0);
    OK(mkdtemp(dir) != NULL, "a directory");
    buf_printf(&path, "%s/passwd", dir);
    int dfd = open(dir, O_RDONLY | O_DIRECTORY);
    OK(passwd_file_open(dup(dfd), "passwd", buf_cstr(&path), &err) == NULL && strstr(err.text, "passwd") != NULL, "a missing file is an error that names it");
    write_file(buf_cstr(&path), "# users\nalice:{PLAIN}a:1000:100::/home/alice\r\n\nbad:x:5y\nbob:$6$salt$hash:1001:100::/home/bob\nalice:{PLAIN}second\n");
    struct passwd_file *f = passwd_file_open(dfd, "passwd", buf_cstr(&path), &err);
    OK(f != NULL && passwd_file_count(f) == 2 && passwd_file_bad_lines(f, &first) == 1 && first == 4, "a bad line is counted, the others hold");
    const struct passwd_entry *e = passwd_file_find(f, STR("alice"));
    OK(e != NULL && str_eqz(e->password, "{PLAIN}a") && str_eqz(e->home, "/home/alice"), "of two equal names the first counts");
    OK(passwd_file_find(f, STR("carol")) == NULL, "a user who is not there");
    OK(str_eqz(passwd_file_sample(f), "$6$salt$hash"), "a slow verifier is kept as a sample, though others stand before it");
    OK(passwd_file_refresh(f, &err) == 0, "an unchanged file is not read again");
    write_file(buf_cstr(&path), "carol:{PLAIN}c:1002:100::/home/carol\n");
    OK(passwd_file_refresh(f, &err) == 1 && passwd_file_find(f, STR("carol")) != NULL && passwd_file_find(f, STR("alice")) == NULL, "a changed file is read again");
    OK(str_eqz(passwd_file_sample(f), "{PLAIN}c"), "... and the sample is of what is there now");
    unlink(buf_cstr(&path));
    OK(passwd_file_refresh(f, &err) < 0 && passwd_file_find(f, STR("carol")) != NULL, "when the file is gone, what was read stays");
    passwd_file_free(f);
    rmdir(dir);
    buf_done(&path);
}

static const char users[] = "# users\n\nalice:{PLAIN}a:1000:100::/home/alice::x=y:z\r\nbad:x:5y\n#bob:{PLAIN}b\nbob:{PLAIN}b\ncarol\nalice:{PLAIN}second:1\ndave:{PLAIN}d:::";

static const struct { const char *name; struct str user, old; bool ok; const char *from, *to; } replaced[] = {
    { "a password in the middle of its line", S("alice"), S("{PLAIN}a"), true, "{PLAIN}a:1000", "{NEW}:1000" },
    { "a password at the end of its line", S("bob"), S("{PLAIN}b"), true, "\nbob:{PLAIN}b\n", "\nbob:{NEW}\n" },
    { "the last line without an end", S("dave"), S("{PLAIN}d"), true, "dave:{PLAIN}d:::", "dave:{NEW}:::" },
    { "another password stands there now", S("bob"), S("{PLAIN}a"), false, NULL, NULL },
    { "of two equal names the first counts", S("alice"), S("{PLAIN}second"), false, NULL, NULL },
    { "a user who is not there", S("erin"), S("{PLAIN}e"), false, NULL, NULL },
    { "a user without a password", S("carol"), S(""), false, NULL, NULL },
    { "a line that is no entry", S("bad"), S("x"), false, NULL, NULL },
};

static void test_replace(void)
{
    for (size_t i = 0; i < N_ELEMS(replaced); i++) {
        struct buf out = buf_make(0), want = buf_make(0);
        struct str text = str_from(users);
        bool ok = passwd_text_replace(text, replaced[i].user, replaced[i].old, STR("{NEW}"), &out);
        if (replaced[i].ok) {
            ptrdiff_t at = str_find(text, str_from(replaced[i].from));
            buf_add(&want, str_head(text, (size_t)at));
            buf_puts(&want, replaced[i].to);
            buf_add(&want, str_skip(text, (size_t)at + strlen(replaced[i].from)));
        }
        OK(ok == replaced[i].ok && str_eq(buf_str(&out), buf_str(&want)), replaced[i].name);
        buf_done(&out);
        buf_done(&want);
    }
}

static bool holds(const char *path, const char *text)
{
    char got[256] = { 0 };
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, got, sizeof got - 1);
    close(fd);
    return n == (ssize_t)strlen(text) && strcmp(got, text) == 0;
}

static void test_save(void)
{
    char dir[] = "/tmp/passwd_save_XXXXXX";
    struct err err;
    struct stat st;
    struct buf path = buf_make(0), other = buf_make(0);
    OK(mkdtemp(dir) != NULL, "a directory");
    buf_printf(&path, "%s/passwd", dir);
    buf_printf(&other, "%s/other", dir);
    int dfd = open(dir, O_RDONLY | O_DIRECTORY), parent = open("/tmp", O_RDONLY | O_DIRECTORY);
    write_file(buf_cstr(&path), "# x\nbob:{PLAIN}b:1:2\n");
    (void)chmod(buf_cstr(&path), 0640);
    OK(passwd_file_save(dfd, "passwd", STR("bob"), STR("{PLAIN}b"), STR("{X}1"), &err) == PASSWD_SAVED && holds(buf_cstr(&path), "# x\nbob:{X}1:1:2\n") &&
       stat(buf_cstr(&path), &st) == 0 && (st.st_mode & 07777) == 0640, "a password is stored anew, and the mode stays");
    struct buf below = buf_make(0);
    buf_printf(&below, "%s/passwd", strrchr(dir, '/') + 1);
    OK(passwd_file_save(parent, buf_cstr(&below), STR("bob"), STR("{X}1"), STR("{X}2"), &err) == PASSWD_SAVED && holds(buf_cstr(&path), "# x\nbob:{X}2:1:2\n"), "a file in a directory below");
    OK(passwd_file_save(dfd, "passwd", STR("bob"), STR("{X}1"), STR("{X}3"), &err) == PASSWD_CHANGED && holds(buf_cstr(&path), "# x\nbob:{X}2:1:2\n"), "what somebody else has changed stays");
    OK(passwd_file_save(dfd, "passwd", STR("bob"), STR("{X}2"), STR("{X}:3"), &err) == PASSWD_FAILED && holds(buf_cstr(&path), "# x\nbob:{X}2:1:2\n"), "a colon does not fit a field");
    OK(link(buf_cstr(&path), buf_cstr(&other)) == 0 && passwd_file_save(dfd, "passwd", STR("bob"), STR("{X}2"), STR("{X}3"), &err) == PASSWD_FAILED &&
       strstr(err.text, "hard links") != NULL, "a file with two names is refused");
    (void)unlink(buf_cstr(&other));
    OK(symlink("passwd", buf_cstr(&other)) == 0 && passwd_file_save(dfd, "other", STR("bob"), STR("{X}2"), STR("{X}3"), &err) == PASSWD_FAILED &&
       strstr(err.text, "symbolic link") != NULL, "a symbolic link is refused");
    (void)unlink(buf_cstr(&other));
    int lock = passwd_dir_lock(dfd, ".", 0, &err);
    OK(lock >= 0 && passwd_dir_lock(dfd, ".", 100, &err) < 0 && strstr(err.text, "locked") != NULL, "a lock is waited for, not for ever");
    close(lock);
    OK(passwd_file_save(dfd, "passwd", STR("bob"), STR("{X}2"), STR("{X}3"), &err) == PASSWD_SAVED, "after it, the next change");
    (void)unlink(buf_cstr(&path));
    OK(passwd_file_save(dfd, "passwd", STR("bob"), STR("{X}2"), STR("{X}3"), &err) == PASSWD_FAILED, "a file that is gone");
    OK(rmdir(dir) == 0, "nothing is left behind");
    close(dfd);
    close(parent);
    buf_done(&below);
    buf_done(&path);
    buf_done(&other);
}

int main(void)
{
    test_replace();
    test_save();
    test_lines();
    for (size_t i = 0; i < N_ELEMS(nets); i++)
        OK(allow_nets_match(nets[i].list, nets[i].address) == nets[i].match, nets[i].name);
    test_file();
    return tap_done();
}
