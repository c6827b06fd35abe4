/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     tls-proxy - TLS for IMAP and POP3
 *
 * DESCRIPTION
 *     Accepts on imaps and pop3s, or takes a socket from imap-login or
 *     pop3-login after STARTTLS; does the handshake, and then carries bytes
 *     between the client and one end of a socketpair. The other end goes to
 *     the login process, and from there to the session. A connection that
 *     idles costs its OpenSSL session and little more.
 *
 * SECURITY
 *     Its own user, an empty root, no capability, no file; the key is read
 *     before that. It parses TLS and nothing else: it knows no user, sees no
 *     mail but the bytes that pass.
 *
 * DIAGNOSTICS
 *     "dovecot: imap-login: Disconnected (disconnected during TLS handshake): ...".
 */
#include "base/enc.h"
#include "base/log.h"
#include "conf/sni.h"
#include "daemon/daemon.h"
#include "event/pump.h"
#include "os/net.h"
#include "params.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HELLO_SECONDS = 5,           /* after which the kernel hands over a silent client */
    SILENT_MS = 1000,            /* after which login gets a client that has been greeted and says nothing */
    ABSENT_MS = 10000,           /* a login process that died or is reloaded is back by then */
    GREETING_MAX = 1000,
};

enum proto { PROTO_IMAP, PROTO_POP3, PROTOS };

static const char *const proto_names[PROTOS] = { "imap", "pop3" };

/* A channel to a login process, and its words for new clients. */
struct login { struct list node; struct chan *chan; unsigned generation; struct buf greeting; bool wants_binding; };

/* What a connection is until login has it: when its handshake is over or, if it was greeted, when it speaks. */
struct start {
    struct link *link;
    enum proto proto;
    uint32_t ticket;            /* 0: accepted here */
    struct chan *from;          /* who asked; NULL: nobody, or gone */
    int plain;                  /* the end that login will get */
    char remote[NET_TEXT], local[NET_TEXT];
    uint32_t remote_port, local_port;
    char tls[200];              /* protocol and cipher; "": not yet */
    char binding[136], cert_user[257];  /* for SASL: channel binding in base64, and the name in a certificate that was verified */
    bool greeted;
    bool waits;                 /* for a login process */
    struct timer silence, absence;
};

struct link { struct list node; struct pump *pump; struct start *start; };

static struct {
    struct tls_proxy_conf conf;
    struct tls_ctx *ctx[PROTOS];
    enum proto own;             /* of the listeners of this service */
    struct list logins, links;
    size_t n_links;
} self;

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct tls_proxy_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { TLS_PROXY_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

static enum proto proto_of(struct str service) { return str_find(service, STR("pop3")) >= 0 ? PROTO_POP3 : PROTO_IMAP; }

/* The login processes, which are all of this protocol, take turns; those that are finishing get nothing new. */
static struct login *next_login(void)
{
    struct login *next = NULL;
    LIST_EACH(it, &self.logins) {
        struct login *l = container_of(it, struct login, node);
        if (!chan_is_leaving(l->chan) && (next == NULL || l->generation > next->generation))
            next = l;
    }
    return next;
}

static struct chan *take_turn(void)
{
    struct login *l = next_login();
    if (l == NULL)
        return NULL;
    list_remove(&l->node);
    list_append(&self.logins, &l->node);
    return l->chan;
}

/* Without a session (tls is empty) the client is gone. */
static bool tell_login(struct chan *c, const struct start *s)
{
    struct ipc_client m = { .ticket = s->ticket, .service = str_from(proto_names[s->proto]), .remote = str_from(s->remote), .local = str_from(s->local),
                            .remote_port = s->remote_port, .local_port = s->local_port, .tls = str_from(s->tls), .binding = str_from(s->binding),
                            .cert_user = str_from(s->cert_user), .greeted = s->greeted, .stream = s->tls[0] == '\0' ? -1 : s->plain };
    return c != NULL && chan_send(c, IPC_CLIENT, 0, &m);
}

static void start_free(struct start *s)
{
    if (s == NULL)
        return;
    timer_cancel(&s->silence);
    timer_cancel(&s->absence);
    close(s->plain);
    free(s);
}

static void link_free(struct link *l)
{
    list_remove(&l->node);
    pump_free(l->pump);
    start_free(l->start);
    free(l);
    if (--self.n_links + 1 == self.conf.connection_limit)
        daemon_rest(false);
}

static void no_login(struct link *l)
{
    log_warning("%s: no login process for a connection from %s", proto_names[l->start->proto], l->start->remote);
    link_free(l);
}

static void on_absence(struct timer *t)
{
    no_login(container_of(t, struct start, absence)->link);
}

/* The rest is login's. Who came by login's socket goes back to the process that asked. */
static void give_to_login(struct link *l)
{
    struct start *s = l->start;
    if (tell_login(s->ticket != 0 ? s->from : take_turn(), s)) {
        start_free(s);
        l->start = NULL;
    } else if (s->ticket != 0) {
        no_login(l);
    } else if (!s->waits) {
        s->waits = true;
        timer_set(&s->absence, deadline_in(ABSENT_MS), on_absence);
    }
}

static void give_those_who_wait(void)
{
    LIST_EACH(it, &self.links) {
        struct link *l = container_of(it, struct link, node);
        if (l->start != NULL && l->start->waits)
            give_to_login(l);
    }
}

static void on_silence(struct timer *t)
{
    struct start *s = container_of(t, struct start, silence);
    give_to_login(s->link);
}

static void note_binding(struct start *s, struct pump *p, struct tls_info *info)
{
    struct buf binding = buf_make(0);
    pump_binding(p, info);
    if (info->has_binding)
        enc_base64(&binding, str_make(info->binding, info->binding_size));
    (void)snprintf(s->binding, sizeof s->binding, "%.*s", STR_FMT(buf_str(&binding)));
    buf_done(&binding);
}

/* The usual client is greeted with the end of its handshake, and login is asked when there is something to answer. */
static bool greet(struct pump *p, struct start *s, const struct login *to)
{
    bool usual = s->ticket == 0 && str_starts(str_from(s->tls), STR("TLSv1.3 ")) && s->cert_user[0] == '\0';
    if (!usual || to == NULL || to->greeting.n == 0 || (to->wants_binding && s->binding[0] == '\0'))
        return false;
    pump_say(p, buf_str(&to->greeting));
    s->greeted = true;
    timer_set(&s->silence, deadline_in(SILENT_MS), on_silence);
    return true;
}

static void on_secure(struct pump *p, void *user, struct tls_info *info)
{
    struct link *l = user;
    struct start *s = l->start;
    const struct login *to = s->ticket == 0 ? next_login() : s->from == NULL ? NULL : chan_user(s->from);
    (void)snprintf(s->tls, sizeof s->tls, "%s with cipher %s (%d/%d bits)", info->protocol, info->cipher, info->bits, info->alg_bits);
    (void)snprintf(s->cert_user, sizeof s->cert_user, "%s", info->peer_name);
    if (to != NULL && to->wants_binding)
        note_binding(s, p, info);
    if (!greet(p, s, to))
        give_to_login(l);
}

static void on_active(struct pump *p, void *user)
{
    struct link *l = user;
    (void)p;
    if (l->start != NULL)
        give_to_login(l);
}

static void on_closed(struct pump *p, void *user, const struct err *err)
{
    struct link *l = user;
    struct start *s = l->start;
    (void)p;
    if (s != NULL && s->tls[0] != '\0') {
        (void)tell_login(take_turn(), s);       /* it says in the log that the client is gone */
    } else if (s != NULL) {
        log_as("dovecot", LOG_INFO_LEVEL, "%s-login: Disconnected (disconnected during TLS handshake): user=<>, rip=%s, lip=%s, TLS handshaking: %s",
               proto_names[s->proto], s->remote, s->local, err == NULL ? "Connection closed" : err->text);
        if (s->ticket != 0)
            (void)tell_login(s->from, s);
    }
    link_free(l);
}

/* Takes fd and s. */
static void begin(int fd, struct start *s)
{
    static const struct pump_ops ops = { .on_secure = on_secure, .on_active = on_active, .on_closed = on_closed };
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        log_warning("socketpair: %s", strerror(errno));
        close(fd);
        (void)tell_login(s->from, s);
        free(s);
        return;
    }
    struct link *l = xcalloc(1, sizeof *l);
    s->plain = pair[1];
    l->start = s;
    s->link = l;
    list_append(&self.links, &l->node);
    if (++self.n_links == self.conf.connection_limit)
        daemon_rest(true);
    l->pump = pump_new(fd, self.ctx[s->proto], pair[0], deadline_in((int64_t)self.conf.handshake_timeout * 1000), &ops, l);
    if (l->pump == NULL)
        link_free(l);
    else
        pump_begin(l->pump);
}

/* The fiber ends at once: from here on the connection is a pump on the loop. */
static void on_client(int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
    struct start *s = xcalloc(1, sizeof *s);
    s->proto = self.own;
    s->remote_port = net_port(peer);
    s->local_port = net_port(local);
    (void)net_text(peer, s->remote);
    (void)net_text(local, s->local);
    begin(fd, s);
}

static void set_option(int fd, int option, int value)
{
    (void)setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value);
}

static void take_start(struct chan *c, struct ipc_tls_start *m)
{
    int fd = chan_take_fd(&m->socket);
    if (fd < 0 || m->ticket == 0) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct start *s = xcalloc(1, sizeof *s);
    s->proto = proto_of(m->service);
    s->ticket = m->ticket;
    s->from = c;
    set_option(fd, TCP_NODELAY, 1);
    (void)snprintf(s->remote, sizeof s->remote, "%.*s", STR_FMT(m->remote));
    (void)snprintf(s->local, sizeof s->local, "%.*s", STR_FMT(m->local));
    s->remote_port = m->remote_port;
    s->local_port = m->local_port;
    begin(fd, s);
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    struct login *l = chan_user(c);
    (void)id;
    if (type == IPC_TLS_START)
        take_start(c, msg);
    if (type != IPC_LOGIN_GREETING)
        return;
    const struct ipc_login_greeting *m = msg;
    l->wants_binding = m->binding;
    buf_reset(&l->greeting);
    buf_add(&l->greeting, m->text);
}

static void on_login_closed(struct chan *c)
{
    struct login *login = chan_user(c);
    LIST_EACH(it, &self.links) {
        struct link *l = container_of(it, struct link, node);
        if (l->start != NULL && l->start->from == c)
            l->start->from = NULL;
    }
    list_remove(&login->node);
    chan_free(c);
    buf_done(&login->greeting);
    free(login);
}

static void on_peer(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_login_closed };
    if (peer->role != ROLE_LOGIN) {
        close(fd);
        return;
    }
    struct login *l = xcalloc(1, sizeof *l);
    l->generation = peer->generation;
    l->greeting = buf_make(GREETING_MAX);
    l->wants_binding = true;
    l->chan = daemon_chan(peer, fd, &ops, l);
    list_prepend(&self.logins, &l->node);
    give_those_who_wait();
}

static int make_contexts(struct err *err)
{
    if (self.conf.ask_cert && self.conf.ca_file[0] == '\0')
        return err_set(err, ERR_CONFIG, "postern_tls_ask_client_cert needs postern_tls_ca_file: the CA of the clients' certificates");
    const struct tls_proxy_conf *c = &self.conf;
    bool single = c->cert_file[0] != '\0';
    if (!single && c->chain_files[0] == '\0')
        return err_set(err, ERR_CONFIG, "no certificate for IMAP and POP3: set smtpd_tls_cert_file, smtpd_tls_chain_files or postern_tls_cert_file");
    struct sni *names = sni_load(c->sni_maps, err);
    if (names == NULL)
        return err_prefix(err, "postern_tls_sni_maps");
    for (int i = 0; i < PROTOS; i++) {
        struct tls_server_conf conf = { .cert_file = c->cert_file, .key_file = c->key_file, .eccert_file = c->eccert_file, .eckey_file = c->eckey_file,
                                        .chain_files = single ? NULL : c->chain_files, .name_at = sni_at, .names = names, .alpn = proto_names[i], .service = proto_names[i],
                                        .min_protocol = self.conf.min_protocol,
                                        .ask_client_cert = self.conf.ask_cert, .ca_file = self.conf.ca_file };
        self.ctx[i] = tls_server_ctx(&conf, err);
        if (self.ctx[i] == NULL)
            break;
    }
    sni_free(names);
    return self.ctx[PROTOS - 1] == NULL ? -1 : 0;
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    (void)d;
    self.own = proto_of(str_from(self.conf.service));
    list_init(&self.logins);
    list_init(&self.links);
    return make_contexts(err);
}

/* TLS clients speak first: a connection is worth waking up for when its hello is there. Accepted sockets inherit both. */
static void start(const struct daemon_ctx *d)
{
    int fd;
    (void)d;
    for (unsigned i = 0; (fd = daemon_listener(i)) >= 0; i++) {
        set_option(fd, TCP_NODELAY, 1);
        set_option(fd, TCP_DEFER_ACCEPT, HELLO_SECONDS);
    }
}

static bool idle(void) { return self.n_links == 0; }

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_TLS, .params = &params, .conf = &self.conf, .before_drop = before_drop, .start = start, .on_client = on_client, .on_peer = on_peer, .keys = daemon_keys, .idle = idle },
    };
    return daemon_main(argc, argv, "tls-proxy", roles, N_ELEMS(roles));
}
