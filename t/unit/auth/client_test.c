/* SPDX-License-Identifier: ISC
 *
 * client_test.c - the client of authd against a server that says what the test
 * wants, over a socketpair.
 */
#include "auth/client.h"
#include "tap.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct { struct auth_client *client; int server; } t;

static const char handshake[] = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t7\nCUID\t4711\nCOOKIE\t00\nDONE\n";

static void say(const char *text)
{
    ssize_t n = write(t.server, text, strlen(text));
    (void)n;
}

/* What the client has sent so far. */
static struct str heard(struct buf *b)
{
    char *room = buf_room(b, 65536);
    ssize_t n = read(t.server, room, 65536);
    if (n > 0)
        buf_added(b, (size_t)n);
    return buf_str(b);
}

static void connect_client(void)
{
    int pair[2];
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
    ASSERT(rc == 0);
    t.server = pair[1];
    auth_client_attach(t.client, pair[0]);
}

static void turns(int n)
{
    while (n-- > 0)
        loop_turn(deadline_in(5));
}

/* One request on a fiber of its own. */
struct ask {
    const char *mech, *initial;
    int64_t timeout;
    const char *continue_with;      /* NULL: none */
    struct arena arena;
    struct auth_exchange ex;
    enum auth_reply reply;
    bool done;
};

static void run_ask(void *arg)
{
    struct ask *a = arg;
    struct str initial = str_from(a->initial);
    struct auth_params params = { .service = "smtp", .remote = STR("192.0.2.7"), .local = STR("192.0.2.1"), .session = STR(""), .secured = true };
    a->reply = auth_begin(t.client, &a->ex, str_from(a->mech), &params, a->initial == NULL ? NULL : &initial, deadline_in(a->timeout), &a->arena);
    if (a->reply == AUTH_CONTINUE && a->continue_with != NULL)
        a->reply = auth_continue(&a->ex, str_from(a->continue_with), deadline_in(a->timeout));
    a->done = true;
}

static void start(struct ask *a)
{
    a->arena = arena_make(65536);
    a->done = false;
    if (a->timeout == 0)
        a->timeout = 5000;
    (void)fiber_start("ask", run_ask, a);
    turns(3);
}

static void test_ok(void)
{
    struct buf b = buf_make(0);
    struct ask a = { .mech = "PLAIN", .initial = "AHUAcA==" };
    start(&a);
    OK(!a.done, "a request waits for the connection");
    connect_client();
    say(handshake);
    turns(4);
    OK(auth_client_is_ready(t.client) && auth_client_channel(t.client) == 4711 && str_eqz(auth_client_mechs(t.client), "PLAIN LOGIN"), "the handshake is read");
    OK(str_find(heard(&b), STR("AUTH\t1\tPLAIN\tservice=smtp\trip=192.0.2.7\tlip=192.0.2.1\tsecured\tresp=AHUAcA==\n")) > 0, "the request is sent with its response last");
    say("OK\t1\tuser=alice\ttoken=t\tcookie=c\n");
    turns(3);
    OK(a.done && a.reply == AUTH_OK && str_eqz(a.ex.user, "alice") && str_eqz(a.ex.token, "t") && str_eqz(a.ex.cookie, "c") && a.ex.request == 1, "OK brings user, token and cookie");
    arena_done(&a.arena);
    buf_done(&b);
}

static unsigned connects;

static int connect_again(void *arg)
{
    int pair[2];
    (void)arg;
    connects++;
    if (connects == 1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
        return -1;
    t.server = pair[1];
    return pair[0];
}

/* Someone else's server: a client of its own, which never ends. */
static void test_keeper(void)
{
    struct auth_client *before = t.client;
    t.client = auth_client_new();
    auth_client_keep_connected(t.client, connect_again, NULL);
    turns(2);
    OK(connects == 1 && !auth_client_is_ready(t.client), "a server that is away is asked for at once");
    for (int64_t end = deadline_in(AUTH_RECONNECT_MS + 1000); connects < 2 && loop_now() < end;)
        turns(4);
    say("VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t7\nCUID\t1\nCOOKIE\t00\nDONE\n");
    turns(3);
    OK(connects == 2 && auth_client_is_ready(t.client), "and again after a while");
    struct ask a = { .mech = "PLAIN", .initial = "AHUAcA==" };
    start(&a);
    turns(2);
    say("FAIL\t1\tuser=alice\ttemp\n");
    turns(3);
    OK(a.done && a.reply == AUTH_TEMPFAIL, "the bare word of an old server is a temporary failure");
    (void)close(t.server);
    turns(2);
    OK(!auth_client_is_ready(t.client), "a connection that ends is noticed");
    for (int64_t end = deadline_in(AUTH_RECONNECT_MS + 1000); connects < 3 && loop_now() < end;)
        turns(4);
    OK(connects == 3, "and made again");
    arena_done(&a.arena);
    t.client = before;
}

static void test_many(void)
{
    struct ask a = { .mech = "PLAIN", .initial = "AHUAcA==" }, b = a, c = a;
    start(&a);
    start(&b);
    start(&c);
    say("OK\t4\tuser=third\nFAIL\t3\tuser=u\n");
    turns(3);
    OK(!a.done && b.done && c.done && c.reply == AUTH_OK && str_eqz(c.ex.user, "third") && b.reply == AUTH_REFUSED, "answers are matched by id, in any order");
    say("OK\t99\tuser=nobody\n");
    turns(3);
    OK(!a.done, "an answer to a request that does not exist is ignored");
    say("FAIL\t2\tcode=temp_fail\treason=later\n");
    turns(3);
    OK(a.done && a.reply == AUTH_TEMPFAIL && str_eqz(a.ex.reason, "later"), "temp_fail is temporary");
    arena_done(&a.arena);
    arena_done(&b.arena);
    arena_done(&c.arena);
}

static void test_dialogue(void)
{
    struct buf b = buf_make(0);
    struct ask a = { .mech = "LOGIN", .continue_with = "dQ==\nOK" };
    start(&a);
    say("CONT\t5\tVXNlcm5hbWU6\n");
    turns(3);
    OK(str_find(heard(&b), STR("CONT\t5\tdQ==\001nOK\n")) > 0, "a line feed in a response cannot make a line");
    say("OK\t5\n");
    turns(3);
    OK(a.done && a.reply == AUTH_TEMPFAIL, "an OK that names no user is none");
    arena_done(&a.arena);
    buf_done(&b);
}

static void test_refused_here(void)
{
    struct ask a = { .mech = "CRAM-MD5" };
    char *big = xcalloc(1, AUTH_RESPONSE_MAX + 2);
    memset(big, 'A', AUTH_RESPONSE_MAX + 1);
    struct ask b = { .mech = "PLAIN", .initial = big };
    start(&a);
    start(&b);
    OK(a.done && a.reply == AUTH_REFUSED && str_eqz(a.ex.code, "auth_mech_invalid"), "a mechanism that authd does not offer is refused");
    OK(b.done && b.reply == AUTH_REFUSED && str_eqz(b.ex.code, "invalid_base64"), "a response over the limit is refused");
    free(big);
    arena_done(&a.arena);
    arena_done(&b.arena);
}

static void test_timeout(void)
{
    struct buf b = buf_make(0);
    struct ask a = { .mech = "PLAIN", .initial = "AHUAcA==", .timeout = 30 };
    start(&a);
    turns(20);
    OK(a.done && a.reply == AUTH_TEMPFAIL, "no answer in time is temporary");
    turns(2);
    OK(str_find(heard(&b), STR("CANCEL\t6\n")) > 0, "and the request is cancelled");
    say("OK\t6\tuser=late\n");
    turns(3);
    OK(auth_client_is_ready(t.client), "its late answer is ignored");
    arena_done(&a.arena);
    buf_done(&b);
}

static void test_lost(const char *garbage, const char *what)
{
    struct ask a = { .mech = "PLAIN", .initial = "AHUAcA==" };
    start(&a);
    say(garbage);
    if (garbage[0] == '\0')
        shutdown(t.server, SHUT_RDWR);
    turns(4);
    OK(!a.done && !auth_client_is_ready(t.client), what);
    close(t.server);
    connect_client();
    say(handshake);
    turns(4);
    struct buf b = buf_make(0);
    OK(auth_client_is_ready(t.client) && str_find(heard(&b), STR("AUTH\t")) > 0, "... its successor is asked once more");
    shutdown(t.server, SHUT_RDWR);
    turns(4);
    OK(a.done && a.reply == AUTH_TEMPFAIL, "... and when that goes away too, the failure is temporary");
    arena_done(&a.arena);
    buf_done(&b);
    close(t.server);
    connect_client();
    say(handshake);
    turns(4);
    OK(auth_client_is_ready(t.client), "... and the next connection works");
}

static void test_bad_handshake(const char *text, const char *what)
{
    close(t.server);
    connect_client();
    say(text);
    turns(4);
    OK(!auth_client_is_ready(t.client), what);
}

int main(void)
{
    loop_init();
    t.client = auth_client_new();
    test_ok();
    test_many();
    test_dialogue();
    test_refused_here();
    test_timeout();
    test_lost("", "when authd is gone, what is in flight waits for its successor");
    test_lost("GARBAGE\t1\n", "garbage ends the connection");
    test_lost("DONE\n", "a second handshake ends the connection");
    test_bad_handshake("VERSION\t2\t0\nMECH\tPLAIN\nDONE\n", "another major version is refused");
    test_bad_handshake("VERSION\t1\t2\nSPID\t1\nDONE\n", "a server without mechanisms is refused");
    test_bad_handshake("OK\t1\tuser=root\n", "an OK before the handshake is refused");
    auth_client_free(t.client);
    test_keeper();
    return tap_done();
}
