/* SPDX-License-Identifier: ISC
 *
 * passwd_file.h - Dovecot's passwd-file: user:password:uid:gid:gecos:home:shell:extra
 *
 * extra: key=value separated by spaces, for whoever asks (auth/fields.h).
 * Trailing fields may be missing. uid and gid are numbers or names; which, is
 * the caller's to find out. '#' at the start of a line is a comment. A line that does
 * not parse is skipped and counted: one bad line must not lock everybody out.
 *
 * The file is read whole; passwd_file_refresh() reads it again when its
 * identity, size or time have changed.
 */
#ifndef AUTH_PASSWD_FILE_H
#define AUTH_PASSWD_FILE_H
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct passwd_entry {
    struct str user, password;      /* password with its {SCHEME}, or without */
    struct str uid, gid, home;      /* "" if absent */
    struct str extra;               /* "key=value key2=value" */
};

struct passwd_file;
/* dir_fd and name: where to read from, now and later; the path is for messages. Takes dir_fd. Reads once. */
struct passwd_file *passwd_file_open(int dir_fd, const char *name, const char *path, struct err *err);
void passwd_file_free(struct passwd_file *f);
/*
 * Reads it again if it has changed. -1 and *err when it cannot be read: the entries
 * stay as they were. 1: it was read again; 0: as before.
 */
int passwd_file_refresh(struct passwd_file *f, struct err *err);
/* NULL: no such user. Valid until the next refresh. */
const struct passwd_entry *passwd_file_find(const struct passwd_file *f, struct str user);
/* Iterate: *pos starts at 0; NULL at the end. */
const struct passwd_entry *passwd_file_each(const struct passwd_file *f, size_t *pos);
size_t passwd_file_count(const struct passwd_file *f);
/* Lines of the last reading that did not parse, and the number of the first (from 1). */
size_t passwd_file_bad_lines(const struct passwd_file *f, size_t *ret_first);
/* Some verifier of the file, a slow one if it has any, for the check of a user who does not exist; "" if there is none. */
struct str passwd_file_sample(const struct passwd_file *f);

enum passwd_save {
    PASSWD_SAVED,
    PASSWD_CHANGED,     /* somebody else has given this user another password meanwhile, or removed him: nothing was done */
    PASSWD_FAILED,      /* *err says what to do */
};
/*
 * Puts another stored password into the user's line: the file is written anew beside itself, synced, and moved into its
 * place; order, comments, other fields, owner, group and mode stay. `old`: what must stand there now. name may have
 * directories in it. Only a regular file of this process's user, with one name. Takes passwd_file_lock(). Blocks.
 */
enum passwd_save passwd_file_save(int dir_fd, const char *name, struct str user, struct str old, struct str new, struct err *err);
/*
 * The lock for changes of passwd-files in this directory, waited for up to wait_ms: an flock() of the
 * directory itself, so that root and authd can both have it. Close the descriptor to unlock. -1 and *err.
 */
int passwd_dir_lock(int dir_fd, const char *sub, int wait_ms, struct err *err);
/* The text of a file with that one password replaced, into *out. False: the user's line is not there, or has another one. Pure. */
bool passwd_text_replace(struct str text, struct str user, struct str old, struct str new, struct buf *out);

/* One line (without LF); strings point into it. False: not an entry. Pure. */
bool passwd_line_parse(struct str line, struct passwd_entry *ret);
/* Does the list (comma or space separated; ADDRESS or ADDRESS/BITS) hold this address? "local": requests without an address. An empty list holds all. Pure. */
bool allow_nets_match(struct str list, struct str address);
#endif
