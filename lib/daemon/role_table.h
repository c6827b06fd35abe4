/* SPDX-License-Identifier: ISC
 *
 * role_table.h - what each process class is and may do, once.
 *
 * master starts processes and makes channels by these rows, the skeleton
 * confines itself by them, the privilege test compares /proc with them, and
 * ARCHITECTURE.md's table is printed from them (master --print-roles).
 *
 * R(role, program, user, groups, root, capabilities, class, paths, read,
 *   write, start, log name, peers, listeners, "one sentence")
 *
 * user and paths are main.cf text. Paths are what Landlock leaves: ALL = no
 * limit, LISTED = only read and write. peers: roles this one has a channel to;
 * a channel exists when either side names the other.
 */
#ifndef DAEMON_ROLE_TABLE_H
#define DAEMON_ROLE_TABLE_H
#include "base/buf.h"
#include "ipc/schema.h"
#include "os/sandbox.h"

enum role_root {
    ROOT_HOST,      /* the host's */
    ROOT_EMPTY,     /* an empty directory that root owns */
    ROOT_QUEUE,     /* not changed; working directory = queue_directory */
    ROOT_MAILDROP,  /* queue_directory/maildrop */
};
enum role_start {
    START_SERVICE,  /* at least two processes per network service */
    START_ONE,      /* one per service, overlapping its successor at reload */
    START_ALONE,    /* one, and its successor starts when it is gone */
    START_NEEDED,   /* when a peer asks, up to a limit */
};
enum role_paths { PATHS_ALL, PATHS_LISTED };
enum role_groups { GROUPS_NONE, GROUPS_OWN, GROUPS_SHADOW };

struct role_row {
    enum role role;
    const char *program;        /* "" = no program of its own */
    const char *user;           /* main.cf text; "" = stays root */
    enum role_groups groups;    /* supplementary: none, the user's own, shadow */
    enum role_root root;
    uint64_t caps;              /* PRIV_CAP bits that are kept */
    enum sandbox_class sandbox;
    enum role_paths paths;
    const char *read, *write;   /* main.cf text, separated by blanks */
    enum role_start start;
    const char *log_name;       /* Postfix's program name; with a '/' or "dovecot": the whole ident */
    uint32_t peers;
    const char *listeners;      /* for the printed table */
    const char *sentence;
};

/* NULL: the role has no process (TOOL). */
const struct role_row *role_row(enum role role);
/* May master make a channel between the two? Symmetric. */
bool role_may_talk(enum role a, enum role b);
/* The table in Markdown. */
void role_table_print(struct buf *out);
#endif
