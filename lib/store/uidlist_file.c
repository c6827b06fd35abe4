/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>
#include "store/private.h"

static const char file_name[] = "dovecot-uidlist";

void uidlist_done(struct uidlist_file *f)
{
    buf_done(&f->text);
    vec_done(&f->lines);
}

/* Lines must rise; one that does not, or that does not parse, is damage: its file gets a new UID. */
static void parse_lines(struct uidlist_file *f, struct str text)
{
    struct uidlist_line l;
    struct str line;
    while (text.n > 0) {
        bool whole = str_cut(text, '\n', &line, &text);
        if (line.n == 0)
            continue;
        if (!whole || !uidlist_parse_line(line, f->head.version, &l) || l.uid <= f->last_uid) {
            f->damaged = true;
            continue;
        }
        f->last_uid = l.uid;
        vec_push(&f->lines, ((struct uidlist_entry){ l.uid, l.ext, l.base }));
    }
    if (f->head.uidnext <= f->last_uid)
        f->head.uidnext = f->last_uid + 1;
}

int uidlist_load(int dir, struct uidlist_file *ret, struct err *err)
{
    struct uidlist_file f = { .text = buf_make(UIDLIST_MAX) };
    int rc = fs_read(dir, file_name, UIDLIST_MAX, &f.text, NULL, err);
    if (rc < 0) {
        buf_done(&f.text);
        return -1;
    }
    struct str head, rest;
    f.missing = rc > 0 || !str_cut(buf_str(&f.text), '\n', &head, &rest) || !uidlist_parse_head(head, &f.head);
    if (!f.missing)
        parse_lines(&f, rest);
    *ret = f;
    return 0;
}

int uidlist_append(int dir, struct str lines, struct err *err)
{
    int fd = openat(dir, file_name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_sys(err, ERR_TEMP, "open %s", file_name);
    struct stat st;
    int result = 0;
    if (fstat(fd, &st) < 0) {
        close(fd);
        return err_sys(err, ERR_TEMP, "fstat %s", file_name);
    }
    if (fs_write_all(fd, lines.p, lines.n) < 0)
        result = err_sys(err, ERR_TEMP, "write %s", file_name);
    else if (fdatasync(fd) < 0)
        result = err_sys(err, ERR_TEMP, "fdatasync %s", file_name);
    /* Half a line must not become the beginning of what another program appends. */
    if (result < 0 && ftruncate(fd, st.st_size) < 0)
        (void)err_prefix(err, "%s could not be cut again", file_name);
    close(fd);
    return result;
}

int uidlist_replace(int dir, const struct uidlist_file *f, struct err *err)
{
    struct buf text = buf_make(0);
    uidlist_put_head(&text, &f->head);
    for (size_t i = 0; i < f->lines.n; i++)
        uidlist_put_line(&text, &(struct uidlist_line){ f->lines.p[i].uid, f->lines.p[i].ext, f->lines.p[i].base });
    int result = fs_replace(dir, file_name, buf_str(&text), 0600, err);
    buf_done(&text);
    return result;
}

static int begin_list(struct store *s, int dir, struct uidlist_file *f, struct err *err)
{
    f->head = (struct uidlist_head){ .version = 3, .uidnext = 1, .has_guid = true };
    if (uidvalidity_next(s, &f->head.uidvalidity, err) < 0)
        return -1;
    if (getrandom(f->head.guid, sizeof(f->head.guid), 0) != (ssize_t)sizeof(f->head.guid))
        return err_sys(err, ERR_TEMP, "getrandom");
    f->missing = false;
    return uidlist_replace(dir, f, err);
}

int uidlist_load_or_make(struct store *s, int dir, struct uidlist_file *ret, struct err *err)
{
    if (uidlist_load(dir, ret, err) < 0)
        return -1;
    int rc = 0;
    if (ret->missing)
        rc = begin_list(s, dir, ret, err);
    else if (ret->damaged)      /* a torn last line must not become the beginning of the next one */
        rc = uidlist_replace(dir, ret, err);
    ret->damaged = false;
    if (rc == 0)
        return 0;
    uidlist_done(ret);
    return -1;
}
