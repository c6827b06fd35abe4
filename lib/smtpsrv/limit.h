/* SPDX-License-Identifier: ISC
 *
 * limit.h - counters per client address: connections at once, and events per
 * time unit. Process-wide; an entry lives while it has connections or its time
 * unit runs. The table is bounded: when it is full of live entries, new
 * clients are not counted rather than refused.
 */
#ifndef SMTPSRV_LIMIT_H
#define SMTPSRV_LIMIT_H
#include "base/htab.h"
#include "base/list.h"

enum limit_event { LIMIT_CONNECTION, LIMIT_MESSAGE, LIMIT_RCPT, LIMIT_AUTH, LIMIT_EVENTS };
enum { LIMIT_CLIENTS_MAX = 50000 };

struct limit_client {
    struct list node;           /* by age of use */
    char addr[48];
    uint32_t connections;
    int64_t unit_start;
    uint32_t events[LIMIT_EVENTS];
};
struct limits { struct htab clients; struct list by_use; int64_t unit_ms; };

void limits_init(struct limits *l, int64_t unit_ms);
void limits_done(struct limits *l);
/* A connection begins / ends. NULL when the table is full. */
struct limit_client *limit_enter(struct limits *l, struct str addr, int64_t now);
void limit_leave(struct limits *l, struct limit_client *c);
/* Count an event; the number in this time unit, with it. */
uint32_t limit_count(struct limits *l, struct limit_client *c, enum limit_event e, int64_t now);
#endif
