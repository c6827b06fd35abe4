/* SPDX-License-Identifier: ISC */
#include "auth/passwd_file.h"
#include "auth/scheme.h"
#include "base/htab.h"
#include "base/num.h"
#include "base/vec.h"
#include "event/loop.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIELDS = 8, FILE_MAX = 64 << 20, ENTRIES_ARENA_MAX = 256 << 20 };

struct passwd_file {
    int dir_fd;
    char *name, *path;
    struct stat seen;
    int64_t looked_at;          /* loop_now() */
    struct arena arena;
    struct htab by_user;
    size_t bad, first_bad;
    struct str sample;
};

/* A number in range, or what may be a name. */
static bool is_id(struct str s)
{
    uint32_t id;
    if (s.n == 0 || ascii_is_alpha(s.p[0]) || s.p[0] == '_')
        return true;
    return num_parse_u32(s, UINT32_MAX - 1, &id);
}

bool passwd_line_parse(struct str line, struct passwd_entry *ret)
{
    struct str f[FIELDS], rest = line;
    for (size_t i = 0; i + 1 < FIELDS; i++)
        (void)str_cut(rest, ':', &f[i], &rest);
    f[FIELDS - 1] = rest;
    /* A password in braces may hold colons only in front of its '}': none of the schemes does. */
    struct passwd_entry e = { .user = f[0], .password = f[1], .uid = f[2], .gid = f[3], .home = f[5], .extra = str_trim(f[7]) };
    if (e.user.n == 0 || e.user.n > 255 || str_chr(line, '\0') >= 0 || !is_id(e.uid) || !is_id(e.gid))
        return false;
    *ret = e;
    return true;
}

static void add_entry(struct passwd_file *f, const struct passwd_entry *parsed)
{
    struct passwd_entry *e = arena_copy(&f->arena, parsed, sizeof *parsed);
    struct scheme s = scheme_split(e->password);
    enum scheme_kind kind = scheme_kind(&s);
    if (kind == SCHEME_CRYPT || kind == SCHEME_PBKDF2 || (kind == SCHEME_CHEAP && f->sample.n == 0))
        f->sample = e->password;
    /* As with Dovecot, the first of two equal names counts. */
    if (htab_get(&f->by_user, e->user) == NULL)
        (void)htab_put(&f->by_user, e->user, e);
}

static void parse_all(struct passwd_file *f, struct str text)
{
    size_t number = 0;
    struct str line;
    struct passwd_entry e;
    while (text.n > 0) {
        (void)str_cut(text, '\n', &line, &text);
        number++;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (passwd_line_parse(line, &e))
            add_entry(f, &e);
        else if (f->bad++ == 0)
            f->first_bad = number;
    }
}

static int read_whole(struct passwd_file *f, int fd, size_t size, char *p, struct err *err)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = read(fd, p + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? err_sys(err, ERR_TEMP, "%s: read", f->path) : err_set(err, ERR_TEMP, "%s: changed while it was read", f->path);
        at += (size_t)n;
    }
    return 0;
}

static void forget(struct passwd_file *f)
{
    htab_done(&f->by_user);
    f->by_user = (struct htab){ 0 };
    arena_done(&f->arena);
    f->bad = f->first_bad = 0;
    f->sample = STR("");
}

static int load(struct passwd_file *f, struct err *err)
{
    struct stat st;
    struct arena fresh = arena_make(ENTRIES_ARENA_MAX);
    int fd = openat(f->dir_fd, f->name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "%s", f->path);
    int rc = -1;
    char *p = NULL;
    if (fstat(fd, &st) < 0)
        (void)err_sys(err, ERR_TEMP, "%s", f->path);
    else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        (void)err_set(err, ERR_CONFIG, "%s: not a regular file, or over %d bytes", f->path, FILE_MAX);
    else
        rc = read_whole(f, fd, (size_t)st.st_size, p = arena_alloc(&fresh, (size_t)st.st_size + 1), err);
    close(fd);
    if (rc < 0) {
        arena_done(&fresh);
        return -1;
    }
    forget(f);
    f->arena = fresh;
    f->seen = st;
    parse_all(f, str_make(p, (size_t)st.st_size));
    return 0;
}

struct passwd_file *passwd_file_open(int dir_fd, const char *name, const char *path, struct err *err)
{
    struct passwd_file *f = xcalloc(1, sizeof *f);
    f->dir_fd = dir_fd;
    f->name = xstrdup(name);
    f->path = xstrdup(path);
    f->sample = STR("");
    if (load(f, err) == 0)
        return f;
    passwd_file_free(f);
    return NULL;
}

void passwd_file_free(struct passwd_file *f)
{
    if (f == NULL)
        return;
    forget(f);
    close(f->dir_fd);
    free(f->name);
    free(f->path);
    free(f);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int passwd_file_refresh(struct passwd_file *f, struct err *err)
{
    struct stat st;
    int64_t now = loop_now();
    /* Once per turn of the loop: requests that came together see the same file. */
    if (now == f->looked_at && f->looked_at != 0)
        return 0;
    f->looked_at = now;
    if (fstatat(f->dir_fd, f->name, &st, 0) < 0)
        return err_sys(err, ERR_TEMP, "%s", f->path);
    if (same_file(&st, &f->seen))
        return 0;
    return load(f, err) < 0 ? -1 : 1;
}

const struct passwd_entry *passwd_file_find(const struct passwd_file *f, struct str user) { return htab_get(&f->by_user, user); }
const struct passwd_entry *passwd_file_each(const struct passwd_file *f, size_t *pos) { return htab_each(&f->by_user, pos); }
size_t passwd_file_count(const struct passwd_file *f) { return f->by_user.n; }
struct str passwd_file_sample(const struct passwd_file *f) { return f->sample; }

size_t passwd_file_bad_lines(const struct passwd_file *f, size_t *ret_first)
{
    *ret_first = f->first_bad;
    return f->bad;
}

struct address { uint8_t bytes[16]; size_t bits; };

static bool parse_address(struct str s, struct address *ret)
{
    char text[INET6_ADDRSTRLEN];
    if (!str_to_fixed(s, text, sizeof text))
        return false;
    ret->bits = 32;
    if (inet_pton(AF_INET, text, ret->bytes) == 1)
        return true;
    ret->bits = 128;
    return inet_pton(AF_INET6, text, ret->bytes) == 1;
}

static bool in_net(const struct address *a, const struct address *net, size_t bits)
{
    size_t whole = bits / 8, part = bits % 8;
    unsigned mask = 0xff00u >> part & 0xffu;
    return a->bits == net->bits && memcmp(a->bytes, net->bytes, whole) == 0 &&
           (part == 0 || ((a->bytes[whole] ^ net->bytes[whole]) & mask) == 0);
}

bool allow_nets_match(struct str list, struct str address)
{
    struct address a, net;
    struct str word, host, bits_text;
    bool known = parse_address(address, &a);
    if (list.n == 0)
        return true;
    while (str_token(&list, ", ", &word)) {
        if (str_eqz(word, "local") && address.n == 0)
            return true;
        if (!known)
            continue;
        bool has_bits = str_cut(word, '/', &host, &bits_text);
        size_t bits;
        if (!parse_address(host, &net))
            continue;
        bits = net.bits;
        if (has_bits && !num_parse_size(bits_text, net.bits, &bits))
            continue;
        if (in_net(&a, &net, bits))
            return true;
    }
    return false;
}
