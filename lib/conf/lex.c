/* SPDX-License-Identifier: ISC */
#include "conf/lex.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* One physical line without its newline. False at the end of the text. */
static bool take_physical(struct lexer *lx, struct str *ret)
{
    if (lx->rest.n == 0)
        return false;
    (void)str_cut(lx->rest, '\n', ret, &lx->rest);
    lx->at++;
    return true;
}

static bool is_noise(struct str line)
{
    struct str s = str_trim(line);
    return s.n == 0 || s.p[0] == '#';
}

/* Does the text that follows go on with the current logical line? Comments do not end it. */
static bool goes_on(struct lexer *lx, struct str *ret)
{
    struct lexer ahead = *lx;
    while (take_physical(&ahead, ret)) {
        if (is_noise(*ret))
            continue;
        if (!ascii_is_space(ret->p[0]))
            return false;
        lx->rest = ahead.rest;
        lx->at = ahead.at;
        return true;
    }
    return false;
}

static struct str trim_end(struct str s)
{
    while (s.n > 0 && ascii_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool lex_next(struct lexer *lx, struct lex_line *ret_line)
{
    struct str line, more;
    do {
        if (!take_physical(lx, &line))
            return false;
    } while (is_noise(line));
    struct lex_line out = { .text = line, .first = lx->at, .orphan = ascii_is_space(line.p[0]) };
    if (goes_on(lx, &more)) {
        buf_reset(&lx->joined);
        buf_add(&lx->joined, line);
        do
            buf_add(&lx->joined, more);
        while (goes_on(lx, &more));
        out.text = buf_str(&lx->joined);
    }
    out.text = trim_end(out.text);
    out.last = lx->at;
    *ret_line = out;
    return true;
}

void lex_done(struct lexer *lx)
{
    buf_done(&lx->joined);
}

bool lex_name_value(struct str line, struct str *ret_name, struct str *ret_value, const char **ret_why)
{
    struct str s = str_trim(line);
    size_t n = 0;
    while (n < s.n && !ascii_is_space(s.p[n]) && s.p[n] != '=')
        n++;
    struct str name = str_head(s, n), rest = str_trim(str_skip(s, n));
    if (name.n == 0) {
        *ret_why = "missing attribute name";
        return false;
    }
    if (rest.n == 0 || rest.p[0] != '=') {
        *ret_why = "missing '=' after attribute name";
        return false;
    }
    *ret_name = name;
    *ret_value = str_trim(str_skip(rest, 1));
    return true;
}

static size_t word_length(struct str s, const char *seps)
{
    size_t depth = 0, n = 0;
    for (; n < s.n; n++) {
        if (s.p[n] == '{')
            depth++;
        else if (s.p[n] == '}' && depth > 0)
            depth--;
        else if (depth == 0 && s.p[n] != '\0' && strchr(seps, s.p[n]) != NULL)
            break;
    }
    return n;
}

bool lex_word(struct str *rest, const char *seps, struct str *ret_word)
{
    struct str s = *rest;
    while (s.n > 0 && s.p[0] != '\0' && strchr(seps, s.p[0]) != NULL)
        s = str_skip(s, 1);
    if (s.n == 0) {
        *rest = s;
        return false;
    }
    size_t n = word_length(s, seps);
    *ret_word = str_head(s, n);
    *rest = str_skip(s, n);
    return true;
}

bool lex_unbrace(struct str *word)
{
    if (word->n == 0 || word->p[0] != '{')
        return true;
    size_t depth = 0;
    for (size_t i = 0; i < word->n; i++) {
        if (word->p[i] == '{')
            depth++;
        if (word->p[i] == '}' && --depth == 0) {
            if (i + 1 != word->n)
                return false;
            *word = str_trim(str_make(word->p + 1, i - 1));
            return true;
        }
    }
    return false;
}

static int read_all(int fd, const char *path, size_t limit, struct buf *out, struct err *err)
{
    for (;;) {
        char *room = buf_room(out, 65536);
        if (room == NULL || out->n > limit)
            return err_set(err, ERR_LIMIT, "%s: larger than %zu bytes", path, limit);
        ssize_t got = read(fd, room, 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys(err, ERR_CONFIG, "cannot read %s", path);
        if (got == 0)
            return 0;
        buf_added(out, (size_t)got);
    }
}

static int refuse_nul(const char *path, struct str text, struct err *err)
{
    const char *nul = text.n == 0 ? NULL : memchr(text.p, 0, text.n);
    if (nul == NULL)
        return 0;
    unsigned line = 1;
    for (const char *p = text.p; p < nul; p++)
        line += *p == '\n';
    return err_set(err, ERR_CONFIG, "%s, line %u: a NUL byte in a text file; remove it", path, line);
}

int lex_read_file(const char *path, size_t limit, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "open %s", path);
    int rc;
    if (fstat(fd, &st) < 0)
        rc = err_sys(err, ERR_CONFIG, "stat %s", path);
    else if (!S_ISREG(st.st_mode))
        rc = err_set(err, ERR_CONFIG, "%s: not a regular file", path);
    else
        rc = read_all(fd, path, limit, out, err);
    (void)close(fd);
    return rc < 0 ? rc : refuse_nul(path, buf_str(out), err);
}
