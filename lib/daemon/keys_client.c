/* SPDX-License-Identifier: ISC
 *
 * keys_client.c - the way to the keys role, for roles with TLS. Linked only
 * into programs whose role_ops name daemon_keys.
 *
 * A process asks the keys process of its own generation, whose keys fit its
 * certificates; any other one when that is away. A channel that breaks is
 * waited for: keys is restarted at once, and a handshake has time.
 */
#include "base/log.h"
#include "daemon/skeleton.h"
#include "event/tls_sign.h"
#include "event/tls_ticket.h"
#include <unistd.h>

enum { SIGN_MS = 5000, TRIES = 3 };

struct keeper { struct list node; struct chan *chan; unsigned generation; };

static struct {
    struct list keepers;
    struct cond arrived;
    unsigned generation;
    int64_t quiet_until;        /* of the warning */
} self;

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    const struct ipc_ticket_keys *m = msg;
    const struct keeper *k = chan_user(c);
    (void)id;
    if (type == IPC_TICKET_KEYS && k->generation == self.generation && !tls_ticket_set(m->current, m->previous))
        log_warning("session ticket keys of a wrong length");
}

static void on_closed(struct chan *c)
{
    struct keeper *k = chan_user(c);
    list_remove(&k->node);
    chan_free(c);
    free(k);
}

static struct chan *best(void)
{
    struct keeper *found = NULL;
    LIST_EACH(it, &self.keepers) {
        struct keeper *k = container_of(it, struct keeper, node);
        if (!chan_is_leaving(k->chan) && (found == NULL || k->generation == self.generation))
            found = k;
    }
    return found == NULL ? NULL : found->chan;
}

static bool failed(const char *why)
{
    if (loop_now() >= self.quiet_until)
        log_warning("no signature for a TLS handshake: %s", why);
    self.quiet_until = loop_now() + 1000;
    return false;
}

static bool take(const struct ipc_key_signed *m, unsigned char *ret_sig, size_t cap, size_t *ret_n)
{
    if (m->signature.n == 0 || m->signature.n > cap)
        return failed("the keys process has not this certificate's key, or refused");
    memcpy(ret_sig, m->signature.p, m->signature.n);
    *ret_n = m->signature.n;
    return true;
}

/* WAITS, below OpenSSL's frames. */
static bool sign(const unsigned char id[TLS_KEY_ID], enum tls_sign_kind kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n)
{
    const struct ipc_key_sign ask = { .key = str_make(id, TLS_KEY_ID), .kind = kind, .input = in };
    int64_t deadline = deadline_in(SIGN_MS);
    if (fiber_current() == NULL)
        return failed("asked for outside a fiber");
    for (int i = 0; i < TRIES; i++) {
        while (best() == NULL)
            if (cond_wait(&self.arrived, deadline) != WAIT_OK)
                return failed("there is no keys process");
        struct arena a = arena_make(8192);
        enum ipc_type type;
        union ipc_any answer;
        enum chan_result r = chan_call(best(), IPC_KEY_SIGN, &ask, IPC_KEY_SIGNED, IPC_TYPE_COUNT, deadline, &a, &type, &answer);
        bool ok = r == CHAN_OK && take(&answer.key_signed, ret_sig, cap, ret_n);
        arena_done(&a);
        if (r != CHAN_CLOSED)
            return r == CHAN_OK ? ok : failed(r == CHAN_TIMEOUT ? "the keys process did not answer in time" : "cancelled");
    }
    return failed("the keys process went away");
}

void daemon_keys(const struct daemon_ctx *d, const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    if (peer == NULL) {
        list_init(&self.keepers);
        self.generation = d->generation;
        tls_keys_apart(sign);
        return;
    }
    struct keeper *k = xcalloc(1, sizeof *k);
    k->generation = peer->generation;
    k->chan = daemon_chan(peer, fd, &ops, k);
    list_prepend(&self.keepers, &k->node);
    cond_broadcast(&self.arrived);
}
