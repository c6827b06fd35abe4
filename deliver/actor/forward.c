/* SPDX-License-Identifier: ISC
 *
 * READ_FORWARD: the text of ~/.forward, if it is the user's own. A file that
 * somebody else could have written is treated as if it were not there.
 * READ_INCLUDE: the text of an :include: file, which must be readable as this user.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "actor.h"

enum { FORWARD_MAX = 65536 };

static bool is_trusted(const struct stat *st, const struct actor_user *user)
{
    return S_ISREG(st->st_mode) && (st->st_uid == user->uid || st->st_uid == 0) && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int read_file(int fd, struct buf *out)
{
    enum { PIECE = 4096 };
    ssize_t n = 1;
    for (char *to; n > 0 && out->n <= FORWARD_MAX && (to = buf_room(out, PIECE)) != NULL; buf_added(out, n > 0 ? (size_t)n : 0))
        n = read(fd, to, PIECE);
    return n == 0 && out->n <= FORWARD_MAX ? 0 : -1;
}

/* OUTCOME_SENT: data is the file. OUTCOME_FORWARDED: there is none. OUTCOME_DEFERRED: it could not be read now. */
void action_read_forward(const struct ipc_action *a, const struct actor_user *user, struct action_result *r)
{
    char path[4097];
    struct stat st;
    r->outcome = OUTCOME_FORWARDED;
    r->dsn = "2.0.0";
    if (!str_to_fixed(a->path, path, sizeof(path)))
        return;
    bool include = a->kind == ACTION_READ_INCLUDE;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (!include && fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return;
    if (fd >= 0 && fstat(fd, &st) == 0 && !include && !is_trusted(&st, user)) {
        buf_printf(&r->text, "%s is not a file that only its user can write: ignored", path);
    } else if (fd >= 0 && S_ISREG(st.st_mode) && read_file(fd, &r->data) == 0) {
        r->outcome = OUTCOME_SENT;
    } else {
        r->outcome = OUTCOME_DEFERRED;
        r->dsn = "4.3.0";
        buf_printf(&r->text, "cannot read %s: %s", path, fd < 0 ? strerror(errno) : "too large, or no plain file");
    }
    if (fd >= 0)
        close(fd);
}
