/* SPDX-License-Identifier: ISC
 *
 * session.c - session zygotes ask once for the user behind a cookie.
 */
#include "authd.h"

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
