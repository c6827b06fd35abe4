/* SPDX-License-Identifier: ISC
 * Nothing is on its way to a process that ends, and a question whose helper went away goes to the next one. */
#include "ipc/helper.h"
#include "tap.h"
#include <sys/socket.h>
#include <unistd.h>

static struct { struct chan *c; unsigned questions, before_answer; bool mute; } server[3];
static struct helper helper;
static struct { enum chan_result result; bool right; unsigned done; } asked;

static void on_question(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    struct ipc_table_value v = { .result = 0, .value = ((struct ipc_table_get *)msg)->key };
    for (unsigned i = 0; i < N_ELEMS(server); i++) {
        if (server[i].c != c || type != IPC_TABLE_GET)
            continue;
        server[i].questions++;
        server[i].before_answer += !chan_all_left();
        if (!server[i].mute)
            (void)chan_send(c, IPC_TABLE_VALUE, id, &v);
    }
}

static const struct chan_ops server_ops = { .on_message = on_question };

/* The i-th process of the role comes up. */
static void come(unsigned i, bool mute)
{
    int sv[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv) != 0)
        abort();
    memset(&server[i], 0, sizeof server[i]);
    server[i].mute = mute;
    server[i].c = chan_new(sv[1], ROLE_LOOKUP, ROLE_SMTPD, &server_ops, NULL);
    helper_attach(&helper, chan_new(sv[0], ROLE_SMTPD, ROLE_LOOKUP, helper_ops(), &helper));
}

static void go(unsigned i)
{
    chan_free(server[i].c);
    server[i].c = NULL;
}

static void turns(int n)
{
    for (int i = 0; i < n; i++)
        loop_turn(clock_mono_ms() + 2);
}

static void ask(void *arg)
{
    const struct ipc_table_get get = { .table = 1, .key = STR("key") };
    union ipc_any answer;
    struct arena a = arena_make(1 << 16);
    (void)arg;
    asked.result = helper_call(&helper, IPC_TABLE_GET, &get, IPC_TABLE_VALUE, 60, deadline_in(500), &a, &answer);
    asked.right = asked.result == CHAN_OK && str_eqz(answer.table_value.value, "key");
    asked.done++;
    arena_done(&a);
}

static void begin(void)
{
    memset(&asked, 0, sizeof asked);
    (void)fiber_start("asker", ask, NULL);
}

static void test_leaving(void)
{
    struct chan *to_first;
    come(0, false);
    to_first = helper.chan;
    OK(chan_all_left(), "who does not leave waits for nobody");
    begin();                                    /* on its way when the other one begins to leave */
    chan_leave(server[0].c);
    OK(!chan_all_left(), "who leaves waits for an answer");
    turns(4);
    OK(chan_is_leaving(to_first) && chan_all_left(), "which comes by itself");
    OK(server[0].questions == 1 && server[0].before_answer == 1, "behind what had been sent before");
    OK(asked.done == 1 && asked.right, "and that is still done");
    chan_leave(server[0].c);
    OK(chan_all_left(), "it is said once");
    OK(!helper_is_there(&helper), "who leaves is not asked any more");
    begin();
    turns(4);
    OK(asked.done == 0 && server[0].questions == 1, "a new question waits");
    come(1, false);
    turns(6);
    OK(asked.done == 1 && asked.right && server[1].questions == 1 && server[0].questions == 1, "for the successor");
    go(0);
    turns(2);
    OK(helper_is_there(&helper), "whom the end of its predecessor does not concern");
    come(0, true);
    chan_leave(server[0].c);
    go(0);
    turns(2);
    OK(chan_all_left(), "a peer that is gone needs no answer");
    go(1);
    turns(2);
}

static void test_again(void)
{
    come(0, true);
    begin();
    turns(4);
    OK(asked.done == 0 && server[0].questions == 1, "a process has the question and does not answer");
    go(0);
    turns(4);
    OK(asked.done == 0, "when it has gone, the question waits for another");
    come(1, false);
    turns(6);
    OK(asked.done == 1 && asked.right && server[1].questions == 1, "and is asked again");
    go(1);
    turns(2);
    begin();
    turns(60);
    OK(asked.done == 1 && asked.result == CHAN_CLOSED, "where there is none for long, there is none");
    begin();
    for (unsigned i = 0; i < N_ELEMS(server); i++) {
        come(i, true);
        turns(4);
        go(i);
        turns(2);
    }
    OK(asked.done == 1 && asked.result == CHAN_CLOSED, "it is not asked for ever");
    OK(chan_all_left(), "nothing is left behind");
}

int main(void)
{
    loop_init();
    test_leaving();
    test_again();
    return tap_done();
}
