/* SPDX-License-Identifier: ISC
 *
 * session.c - the two who are told things by authd: session zygotes, which
 * ask once for the user behind a cookie, and qmgr, which gets the key that
 * identity tokens are made with.
 */
#include "authd.h"

enum { KEY_RENEW_MS = 12 * 3600 * 1000, QMGRS_MAX = 8 };

static const struct ipc_auth_user nobody = { .user = { "", 0 }, .groups = { "", 0 }, .home = { "", 0 }, .mail = { "", 0 } };

/* What must never be run as: root, a system user, or nobody in particular. */
static const char *unfit(const struct account *a)
{
    if (!a->has_ids)
        return "no uid and gid are known: a database of postern_userdb must name them, or postern_mail_uid and postern_mail_gid";
    if (a->mail.n == 0)
        return "no mail location: a database of postern_userdb must name the home, or postern_mail_home";
    if (authd()->private_instance)
        return NULL;
    if (a->uid == 0 || a->gid == 0)
        return "uid or gid 0: no mailbox is opened as root";
    return a->uid < authd()->conf.first_valid_uid ? "uid below postern_first_valid_uid" : NULL;
}

static void answer(struct chan *c, uint32_t id, const struct ipc_auth_request *ask)
{
    struct arena arena = arena_make(16384);
    struct account a;
    struct ipc_auth_user reply = nobody;
    const char *why = "no such login";
    if (handover_take(authd()->handover, ask->auth_channel, ask->auth_request, ask->cookie, loop_now(), &arena, &a) && (why = unfit(&a)) == NULL)
        reply = (struct ipc_auth_user){ .found = true, .user = a.user, .uid = a.uid, .gid = a.gid, .groups = a.groups, .home = a.home, .mail = a.mail };
    if (!reply.found)
        log_as("dovecot", LOG_ERROR_LEVEL, "auth: session refused (login process %llu, request %u): %s", (unsigned long long)ask->auth_channel,
               ask->auth_request, why);
    (void)chan_send(c, IPC_AUTH_USER, id, &reply);
    arena_done(&arena);
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    if (type == IPC_AUTH_REQUEST)
        answer(c, id, msg);
}

static void on_closed(struct chan *c) { chan_free(c); }

static const struct chan_ops session_ops = { .on_message = on_message, .on_closed = on_closed };

void session_peer(const struct ipc_peer *peer, int fd) { (void)daemon_chan(peer, fd, &session_ops, NULL); }

static struct { struct chan *qmgrs[QMGRS_MAX]; struct timer renew; } told;

static void send_key(struct chan *c, const struct token_key *k)
{
    struct ipc_token_key msg = { .key = str_make(k->bytes, TOKEN_KEY_SIZE), .serial = k->serial };
    if (k->serial != 0)
        (void)chan_send(c, IPC_TOKEN_KEY, 0, &msg);
}

static void on_qmgr_closed(struct chan *c)
{
    for (size_t i = 0; i < QMGRS_MAX; i++)
        if (told.qmgrs[i] == c)
            told.qmgrs[i] = NULL;
    chan_free(c);
}

static void on_qmgr_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)c, (void)type, (void)id, (void)msg;
}

static const struct chan_ops qmgr_ops = { .on_message = on_qmgr_message, .on_closed = on_qmgr_closed };

void qmgr_peer(const struct ipc_peer *peer, int fd)
{
    size_t i = 0;
    while (i < QMGRS_MAX && told.qmgrs[i] != NULL)
        i++;
    if (i == QMGRS_MAX) {
        close(fd);
        return;
    }
    told.qmgrs[i] = daemon_chan(peer, fd, &qmgr_ops, NULL);
    /* Oldest first: the newest ends in front at the other side too. */
    for (size_t k = TOKEN_KEYS_KEPT; k-- > 0;)
        send_key(told.qmgrs[i], &authd()->keys.keys[k]);
}

/* Serials do not start at 1 after a restart: qmgr may still hold keys of the process before. */
static bool new_key(void)
{
    struct token_key k;
    uint32_t last = authd()->keys.keys[0].serial;
    uint32_t serial = last != 0 ? last + 1 : (uint32_t)(clock_wall_ms() / 1000 & 0x7fffffff);
    if (!token_key_make(serial, &k) || !token_keys_add(&authd()->keys, k.serial, str_make(k.bytes, TOKEN_KEY_SIZE)))
        return false;
    for (size_t i = 0; i < QMGRS_MAX; i++)
        if (told.qmgrs[i] != NULL)
            send_key(told.qmgrs[i], &k);
    return true;
}

static void on_renew(struct timer *t)
{
    if (!new_key())
        log_warning("no randomness: the key of identity tokens stays as it is");
    timer_set(t, loop_now() + KEY_RENEW_MS, on_renew);
}

bool keys_start(void)
{
    timer_set(&told.renew, loop_now() + KEY_RENEW_MS, on_renew);
    return new_key();
}
