/* SPDX-License-Identifier: ISC
 *
 * limit.h - counters per client: connections at once, and events per time
 * unit. An entry lives while it has connections or its time unit runs. The
 * table is bounded: when it is full of live entries, new clients are not
 * counted rather than refused. smtpd counts with it in each process, anvil for
 * all of them. Pure: the caller says what time it is.
 */
#ifndef BASE_LIMIT_H
#define BASE_LIMIT_H
#include "base/htab.h"
#include "base/list.h"

enum limit_event { LIMIT_CONNECTION, LIMIT_MESSAGE, LIMIT_RCPT, LIMIT_AUTH, LIMIT_TLS, LIMIT_EVENTS };
enum { LIMIT_CLIENTS_MAX = 50000, LIMIT_NAME_MAX = 128 };

struct limit_client {
    struct list node;           /* by age of use */
    char addr[LIMIT_NAME_MAX];  /* or whatever stands for it */
    uint32_t connections, counted;      /* counted: those that anvil was told of */
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
/* The number without it. */
uint32_t limit_look(struct limits *l, struct limit_client *c, enum limit_event e, int64_t now);
/* What somebody else has counted is added: this many connections, and events of a time unit that began age ms ago. */
struct limit_client *limit_add(struct limits *l, struct str addr, uint32_t connections, int64_t age, const uint32_t events[LIMIT_EVENTS], int64_t now);
#endif
