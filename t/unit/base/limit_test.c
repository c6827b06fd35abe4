/* SPDX-License-Identifier: ISC */
#include "base/limit.h"
#include "tap.h"

enum { UNIT = 1000 };

static void test_connections(void)
{
    struct limits l;
    limits_init(&l, UNIT);
    struct limit_client *a = limit_enter(&l, STR("192.0.2.1"), 0), *again = limit_enter(&l, STR("192.0.2.1"), 1), *b = limit_enter(&l, STR("192.0.2.2"), 1);
    OK(a == again && a->connections == 2 && b->connections == 1, "connections are counted by client");
    limit_leave(&l, a);
    OK(a->connections == 1, "one that ends is not counted any more");
    limit_leave(&l, b);
    (void)limit_enter(&l, STR("192.0.2.3"), UNIT + 2);
    OK(l.clients.n == 2 && htab_get(&l.clients, STR("192.0.2.2")) == NULL, "a client without connections is forgotten after its time unit");
    OK(htab_get(&l.clients, STR("192.0.2.1")) == a, "one with a connection stays");
    char name[LIMIT_NAME_MAX + 1];
    memset(name, 'x', sizeof name);
    OK(limit_enter(&l, str_make(name, sizeof name), 0) == NULL, "a name that is too long is not counted");
    limits_done(&l);
}

static void test_events(void)
{
    struct limits l;
    limits_init(&l, UNIT);
    struct limit_client *c = limit_enter(&l, STR("a"), 0);
    OK(limit_count(&l, c, LIMIT_RCPT, 10) == 1 && limit_count(&l, c, LIMIT_RCPT, 20) == 2 && limit_count(&l, c, LIMIT_AUTH, 20) == 1, "events are counted by kind");
    OK(limit_look(&l, c, LIMIT_RCPT, 30) == 2 && limit_look(&l, c, LIMIT_RCPT, 30) == 2, "a look counts nothing");
    OK(limit_look(&l, c, LIMIT_RCPT, UNIT) == 0 && limit_count(&l, c, LIMIT_AUTH, UNIT + 1) == 1, "after the time unit it begins at nothing");
    OK(limit_count(&l, NULL, LIMIT_RCPT, 0) == 0 && limit_look(&l, NULL, LIMIT_RCPT, 0) == 0, "who is not counted has no number");
    limits_done(&l);
}

static void test_add(void)
{
    static const uint32_t events[LIMIT_EVENTS] = { [LIMIT_CONNECTION] = 3, [LIMIT_MESSAGE] = 7 };
    struct limits l;
    limits_init(&l, UNIT);
    struct limit_client *c = limit_add(&l, STR("a"), 2, 400, events, 5000), *more = limit_add(&l, STR("a"), 1, 100, events, 5000);
    OK(c == more && c->connections == 3 && limit_look(&l, c, LIMIT_MESSAGE, 5001) == 14, "what two others have counted adds up");
    OK(limit_look(&l, c, LIMIT_MESSAGE, 5599) == 14 && limit_look(&l, c, LIMIT_MESSAGE, 5600) == 0, "their time unit goes on, that which began first");
    c = limit_add(&l, STR("b"), 1, UNIT, events, 5000);
    OK(c->connections == 1 && limit_look(&l, c, LIMIT_MESSAGE, 5000) == 0, "events of a time unit that is over do not count");
    limits_done(&l);
}

int main(void)
{
    test_connections();
    test_events();
    test_add();
    return tap_done();
}
