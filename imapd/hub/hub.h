/* SPDX-License-Identifier: ISC
 *
 * hub.h - the hub's members: session processes, each with a line of its own.
 *
 * A member lives as long as its line: the end of a process, however it comes,
 * is the end of its count. Who named it may be gone long before.
 */
#ifndef HUB_HUB_H
#define HUB_HUB_H
#include "base/buf.h"
#include "base/list.h"
#include "event/loop.h"
#include "ipc/chan.h"

/* A zygote's channel. */
struct zygote {
    struct list node;
    struct chan *chan;
    char service[65];           /* "": it has not said HUB_TOLD yet */
    bool knows;                 /* it was sent HUB_KNOWN */
};

/* All sessions of one mail directory. */
struct group { struct str mail; struct list members; };

struct member {
    struct list node, in_group;
    struct watch watch;
    struct group *group;        /* NULL: its mail is not known */
    struct zygote *zygote;      /* that named it; NULL: it is gone */
    uint64_t number;            /* rising, for lists in pieces */
    uint32_t pid;
    bool live;
    uint64_t since;
    char service[65], remote[65], session_id[65];
    char user[257];
};

void members_init(void);
/* Takes the line. */
void member_join(struct zygote *z, struct ipc_hub_join *m);
void member_turn(struct zygote *z, const struct ipc_hub_turn *m);
void members_news(struct str mail);
/* Its zygote is gone. */
void members_orphan(const struct zygote *z);
/* The live ones of this service that another zygote named. */
void members_tell(struct zygote *z);
/* Those of this service that nobody else could name to the next hub: they get the line, too. */
void members_entrust(const struct zygote *z);

uint32_t members_live(void);
/* Lines for HUB_LIST, until about max bytes; the value for its `after`. */
uint64_t members_list(struct str user, uint64_t after, struct buf *out, size_t max);
/* remote: an address, a network, or "" = from anywhere. */
uint32_t members_kick(struct str user, struct str remote);

/* zygotes.c: a member's session began or ended: all other zygotes of its service hear of it. */
void zygotes_tell(const struct member *m);
#endif
