/* SPDX-License-Identifier: ISC
 *
 * roll.h - the zygote and the hub: who is logged in.
 *
 * The zygote names its processes to each hub that it meets, and keeps the
 * hub's end of each session's line for the next one: a hub that dies or is
 * replaced takes nothing along, and the sessions do not notice. In return it
 * hears of the sessions of other zygotes of its service: of one that finishes
 * after a reload, or was killed. So the count of a user's sessions needs no
 * question at a login, and is whole as soon as the hub has said HUB_KNOWN.
 *
 * Those of a zygote that was killed nobody could name to the next hub: the hub
 * entrusts their lines to the zygotes that are there, and they count as others'.
 *
 * While a hub is away, what was known of the others holds; when none comes
 * within FORGET_MS it is forgotten, and only sessions of this zygote count.
 */
#ifndef LOGIN_ROLL_H
#define LOGIN_ROLL_H
#include "ipc/chan.h"
#include <sys/types.h>

/* service is borrowed. on_known: called once, when the others are known or must do without. */
void roll_init(const char *service, void (*on_known)(void));
/* From the start of the loop on, a hub gets this long to name the others. */
void roll_start(void);
void roll_hub(const struct ipc_peer *peer, int fd);
bool roll_is_known(void);

/* One user at one address, in this process. */
uint64_t roll_who(struct str user, struct str remote);

struct roll_entry { pid_t pid; struct str user, remote, session_id, mail; };
/* A new process with its session; strings are copied, line (the hub's end; -1: none) is taken. */
void roll_join(const struct roll_entry *e, int line);
/* Its session is over. */
void roll_over(pid_t pid);
/* It has another. */
void roll_next(pid_t pid, struct str remote, struct str session_id);
/* It has ended. */
void roll_gone(pid_t pid);

/* Sessions of other zygotes: of that user and address, and all. */
size_t roll_others(uint64_t who);
size_t roll_all_others(void);
#endif
