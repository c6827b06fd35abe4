/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     keys - private keys, apart from who speaks TLS
 *
 * DESCRIPTION
 *     Reads the private keys of all certificates that main.cf and master.cf
 *     name, and signs for smtpd, submitd, tls-proxy and deliver-out, which
 *     have the certificates alone: KEY_SIGN{hash of the public key, kind,
 *     input} is answered by KEY_SIGNED. Makes the keys of TLS session tickets
 *     and gives them to every process of a service, so that a session resumes
 *     in any of them; they are renewed each postern_tls_ticket_lifetime, and
 *     handed to the successor at a reload.
 *
 * SECURITY
 *     Runs as postern_keys_user in an empty root with no file, no network and
 *     no other input than its channels. A private key never leaves it. Who
 *     takes over a TLS process can have handshakes signed while he is there,
 *     and has no key afterwards: no decryption, no raw RSA operation but on a
 *     PSS encoding, a client's key for clients only. Ticket secrets are in
 *     locked memory and never written.
 *
 * DIAGNOSTICS
 *     A key that cannot be read is a warning at the start; handshakes with its
 *     certificate fail. "refused to sign for ..." names role and reason.
 */
#include "base/log.h"
#include "daemon/daemon.h"
#include "event/tls_sign.h"
#include "params.h"
#include "store.h"
#include "tickets.h"
#include <sys/mman.h>
#include <sys/prctl.h>

struct client { struct list node; struct chan *chan; unsigned generation; };

static struct {
    struct keys_conf conf;
    unsigned generation;
    struct list clients;
    struct timer renewal;
    int64_t quiet_until;
} self;
static struct ticket_secrets secrets;

#define ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct keys_conf, k, m, name, def, lo, hi, doc)
static const struct param rows[] = { KEYS_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

/* ---- ticket keys ---- */

static void give_tickets(const struct client *c)
{
    unsigned char current[TICKETS_KEY], previous[TICKETS_KEY];
    const char *role = role_name(chan_peer_role(c->chan)), *service = chan_peer_service(c->chan);
    if ((ROLES_TLS_SERVER >> chan_peer_role(c->chan) & 1) == 0)
        return;
    tickets_derive(secrets.current, role, service, current);
    if (secrets.has_previous)
        tickets_derive(secrets.previous, role, service, previous);
    struct ipc_ticket_keys m = { .current = str_make(current, sizeof current), .previous = str_make(previous, secrets.has_previous ? sizeof previous : 0) };
    (void)chan_send(c->chan, IPC_TICKET_KEYS, 0, &m);
    explicit_bzero(current, sizeof current);
    explicit_bzero(previous, sizeof previous);
}

static void give_all(void)
{
    LIST_EACH(it, &self.clients)
        give_tickets(container_of(it, struct client, node));
}

static void renew(struct timer *t)
{
    tickets_renew(&secrets, false);
    give_all();
    timer_set(t, deadline_in((int64_t)self.conf.ticket_lifetime * 1000), renew);
}

static void bequeath(const struct client *c)
{
    struct ipc_key_heir m = { .current = str_make(secrets.current, TICKETS_SECRET), .previous = str_make(secrets.previous, secrets.has_previous ? TICKETS_SECRET : 0) };
    (void)chan_send(c->chan, IPC_KEY_HEIR, 0, &m);
}

static void inherit(const struct client *from, const struct ipc_key_heir *m)
{
    if (from->generation < self.generation && tickets_inherit(&secrets, m->current, m->previous))
        give_all();
}

/* ---- signing ---- */

static void refuse(const struct chan *c, const char *why)
{
    if (loop_now() >= self.quiet_until)
        log_warning("refused to sign for %s (service %s): %s", role_name(chan_peer_role(c)), chan_peer_service(c), why);
    self.quiet_until = loop_now() + 1000;
}

static void sign(struct chan *c, uint32_t id, const struct ipc_key_sign *m)
{
    unsigned char sig[TLS_SIGN_MAX];
    size_t n = 0;
    EVP_PKEY *key = store_find(m->key, 1u << chan_peer_role(c));
    if (key == NULL)
        refuse(c, "its certificate's private key is not among those that the configuration names; is the key file another one's?");
    else if (!tls_sign_here(key, m->kind, m->input, sig, sizeof sig, &n))
        refuse(c, "not what a handshake signs");
    struct ipc_key_signed answer = { .signature = str_make(sig, n) };
    (void)chan_send(c, IPC_KEY_SIGNED, id, &answer);
}

/* ---- channels ---- */

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    if (type == IPC_KEY_SIGN)
        sign(c, id, msg);
    else if (type == IPC_KEY_HEIR)
        inherit(chan_user(c), msg);
}

static void on_closed(struct chan *c)
{
    struct client *client = chan_user(c);
    list_remove(&client->node);
    chan_free(c);
    free(client);
}

static void on_peer(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    struct client *c = xcalloc(1, sizeof *c);
    c->generation = peer->generation;
    c->chan = daemon_chan(peer, fd, &ops, c);
    list_append(&self.clients, &c->node);
    if (peer->role == ROLE_KEYS && c->generation > self.generation)
        bequeath(c);
    give_tickets(c);
}

/* Finishing sessions still want signatures; those of the next generation have a keys process of their own. */
static bool idle(void)
{
    LIST_EACH(it, &self.clients) {
        const struct client *c = container_of(it, struct client, node);
        if (chan_peer_role(c->chan) != ROLE_KEYS && c->generation <= self.generation)
            return false;
    }
    return true;
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    struct buf warnings = { 0 };
    self.generation = d->generation;
    list_init(&self.clients);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)mlock(&secrets, sizeof secrets);
    tickets_renew(&secrets, true);
    int rc = store_load(d->config_dir, &warnings, err);
    struct str rest = buf_str(&warnings), line;
    while (str_token(&rest, "\n", &line))
        log_warning("%.*s", STR_FMT(line));
    buf_done(&warnings);
    return rc;
}

static void start(const struct daemon_ctx *d)
{
    (void)d;
    timer_set(&self.renewal, deadline_in((int64_t)self.conf.ticket_lifetime * 1000), renew);
}

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_KEYS, .params = &params, .conf = &self.conf, .before_drop = before_drop, .start = start, .on_peer = on_peer, .idle = idle },
    };
    return daemon_main(argc, argv, "keys", roles, N_ELEMS(roles));
}
