/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     resolver - DNS for all daemons of the suite
 *
 * DESCRIPTION
 *     Other daemons send DNS_QUERY{name, type} over their channel and get one
 *     DNS_ANSWER. Resolving, caching and (with postern_dns_trust_anchor)
 *     DNSSEC validation are libunbound's, which works in a thread of its own.
 *     resolv.conf, /etc/hosts (for those who ask for it: smtp_host_lookup =
 *     native), the trust anchor and the file of own answers
 *     (postern_dns_hosts) are read at the start; a reload reads them anew.
 *
 * SECURITY
 *     Runs as postern_dns_user in an empty root: sockets over IPv4 and IPv6
 *     and nothing else. It parses what name servers send; a broken resolver
 *     can misdirect mail that has no TLS policy, and reads none.
 *
 * DIAGNOSTICS
 *     A query that cannot be answered in postern_dns_timeout is answered with
 *     a temporary failure. The program itself logs only why it cannot start.
 */
#include "proto/dns_record.h"
#include "base/log.h"
#include "base/num.h"
#include "base/vec.h"
#include "daemon/daemon.h"
#include "hosts.h"
#include "os/net.h"
#include "params.h"
#include <errno.h>
#include <sys/epoll.h>
#include <unbound.h>
#include <unistd.h>

struct resolver_conf { RESOLVER_PARAMS(PARAM_MEMBER) };
#define ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct resolver_conf, k, m, name, def, lo, hi, doc)
static const struct param rows[] = { RESOLVER_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

/* One question under way. */
struct query {
    struct list node;           /* in its client's list; alone when the client is gone */
    struct chan *chan;          /* NULL: nobody wants the answer any more */
    uint32_t id;
    unsigned type;
    int async_id;
    bool answered;
    struct timer timer;
};
struct client { struct chan *chan; struct list queries; };

static struct resolver_conf conf;
static struct {
    struct ub_ctx *ub;
    struct watch watch;
    struct hosts *hosts, *system;
    size_t pending;
} self;

/* ---- before the drop ---- */

static int ub_err(struct err *err, const char *what, int rc)
{
    return err_set(err, ERR_CONFIG, "%s: %s", what, ub_strerror(rc));
}

/* "192.0.2.1:5353", "[2001:db8::1]:53", "192.0.2.1": as libunbound wants it, address@port. */
static int add_server(struct str s, struct err *err)
{
    char z[NET_TEXT + 8], text[NET_TEXT];
    struct sockaddr_storage a;
    uint32_t port = 53;
    struct str host = s;
    ptrdiff_t colon = str_rchr(s, ':');
    if (!net_addr_parse(s, 53, &a)) {
        if (colon < 0 || !num_parse_u32(str_skip(s, (size_t)colon + 1), 65535, &port))
            return err_set(err, ERR_CONFIG, "postern_dns_server: \"%.*s\" is not address:port", STR_FMT(s));
        host = str_head(s, (size_t)colon);
        if (!net_addr_parse(host, 53, &a))
            return err_set(err, ERR_CONFIG, "postern_dns_server: \"%.*s\" is not an address", STR_FMT(host));
    }
    (void)snprintf(z, sizeof z, "%s@%u", net_text(&a, text), port);
    int rc = ub_ctx_set_fwd(self.ub, z);
    return rc == 0 ? 0 : ub_err(err, z, rc);
}

static int set_servers(struct err *err)
{
    struct str rest = str_from(conf.server), one;
    if (rest.n == 0) {
        int rc = ub_ctx_resolvconf(self.ub, conf.resolv_conf);
        return rc == 0 || rc == UB_READFILE ? 0 : ub_err(err, conf.resolv_conf, rc);
    }
    while (str_token(&rest, ", \t", &one))
        if (add_server(one, err) != 0)
            return -1;
    return 0;
}

static int set_options(struct err *err)
{
    static const struct { const char *name, *value; } options[] = {
        { "do-not-query-localhost:", "no" }, { "msg-cache-size:", "4m" }, { "rrset-cache-size:", "8m" },
        { "use-syslog:", "no" }, { "logfile:", "" }, { "do-daemonize:", "no" }, { "edns-buffer-size:", "1232" },
        { "minimal-responses:", "yes" }, { "cache-max-negative-ttl:", "300" }, { "infra-host-ttl:", "60" },
    };
    for (size_t i = 0; i < N_ELEMS(options); i++) {
        int rc = ub_ctx_set_option(self.ub, options[i].name, options[i].value);
        if (rc != 0)
            return ub_err(err, options[i].name, rc);
    }
    (void)ub_ctx_debuglevel(self.ub, 0);
    int rc = *conf.trust_anchor == '\0' ? 0 : ub_ctx_add_ta_file(self.ub, conf.trust_anchor);
    return rc == 0 ? 0 : ub_err(err, conf.trust_anchor, rc);
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    (void)d;
    self.hosts = hosts_load(conf.hosts, err);
    if (self.hosts == NULL)
        return -1;
    self.system = hosts_load_system("/etc/hosts");
    self.ub = ub_ctx_create();
    if (self.ub == NULL)
        return err_sys(err, ERR_TEMP, "cannot make a libunbound context");
    return set_servers(err) != 0 || set_options(err) != 0 ? -1 : 0;
}

/* ---- answers ---- */

static void forget(struct query *q)
{
    list_remove(&q->node);
    timer_cancel(&q->timer);
    self.pending--;
    free(q);
}

static void answer(struct chan *chan, uint32_t id, const struct ipc_dns_answer *a) { (void)chan_send(chan, IPC_DNS_ANSWER, id, a); }

static void answer_temp(struct chan *chan, uint32_t id)
{
    struct ipc_dns_answer a = { .rcode = RCODE_TEMP };
    answer(chan, id, &a);
}

static uint32_t rcode_of(const struct ub_result *r)
{
    if (r->nxdomain)
        return RCODE_NXDOMAIN;
    return r->rcode == RCODE_OK && !r->bogus ? RCODE_OK : RCODE_TEMP;
}

static void answer_result(const struct query *q, const struct ub_result *r)
{
    struct buf records = buf_make(65536);
    struct ipc_dns_answer a = {
        .rcode = rcode_of(r), .secure = r->secure != 0, .ttl = r->ttl > 0 ? (uint32_t)r->ttl : 0,
        .canonical = str_from(r->canonname == NULL ? r->qname : r->canonname),
    };
    for (int i = 0; a.rcode == RCODE_OK && r->data != NULL && r->data[i] != NULL && !records.full; i++)
        a.n += dns_record_add_wire(&records, q->type, str_make(r->data[i], (size_t)r->len[i]));
    if (records.full)
        a = (struct ipc_dns_answer){ .rcode = RCODE_TEMP };
    else
        a.records = buf_str(&records);
    answer(q->chan, q->id, &a);
    buf_done(&records);
}

static void on_result(void *arg, int rc, struct ub_result *r)
{
    struct query *q = arg;
    if (q->chan != NULL && !q->answered) {
        if (rc == 0 && r != NULL)
            answer_result(q, r);
        else
            answer_temp(q->chan, q->id);
    }
    ub_resolve_free(r);
    forget(q);
}

/* The thread may be about to answer: the query stays until it has, or until cancelling held. */
static void too_slow(struct timer *t)
{
    struct query *q = container_of(t, struct query, timer);
    if (q->chan != NULL)
        answer_temp(q->chan, q->id);
    q->answered = true;
    if (ub_cancel(self.ub, q->async_id) == 0)
        forget(q);
}

static void unbound_ready(struct watch *w, uint32_t events)
{
    (void)w, (void)events;
    (void)ub_process(self.ub);
}

/* ---- questions ---- */

static bool from_hosts(const struct hosts *h, struct chan *c, uint32_t id, const struct ipc_dns_query *m)
{
    struct buf records = buf_make(65536);
    struct ipc_dns_answer a = { .ttl = 60, .canonical = m->name };
    bool known = hosts_answer(h, m->name, m->type, &records, &a.rcode, &a.n);
    a.records = buf_str(&records);
    if (known)
        answer(c, id, &a);
    buf_done(&records);
    return known;
}

static void ask(struct chan *c, uint32_t id, const struct ipc_dns_query *m)
{
    struct client *client = chan_user(c);
    char name[257];
    if (self.pending >= conf.pending_max || !str_to_fixed(m->name, name, sizeof name) || m->type > UINT16_MAX) {
        answer_temp(c, id);
        return;
    }
    struct query *q = xcalloc(1, sizeof *q);
    q->chan = c;
    q->id = id;
    q->type = m->type;
    list_append(&client->queries, &q->node);
    self.pending++;
    timer_set(&q->timer, loop_now() + (int64_t)conf.timeout * 1000, too_slow);
    int rc = ub_resolve_async(self.ub, name, (int)m->type, 1 /* IN */, q, on_result, &q->async_id);
    if (rc == 0)
        return;
    answer_temp(c, id);
    forget(q);
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    struct ipc_dns_query *m = msg;
    if (type != IPC_DNS_QUERY)
        return;
    bool native = (m->type & DNS_TYPE_NATIVE) != 0;
    m->type &= ~(uint32_t)DNS_TYPE_NATIVE;
    if (!from_hosts(self.hosts, c, id, m) && !(native && from_hosts(self.system, c, id, m)))
        ask(c, id, m);
}

static void on_closed(struct chan *c)
{
    struct client *client = chan_user(c);
    while (!list_is_empty(&client->queries)) {
        struct query *q = container_of(client->queries.next, struct query, node);
        q->chan = NULL;
        list_remove(&q->node);
    }
    chan_free(c);
    free(client);
}

static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };

static void on_peer(const struct ipc_peer *peer, int fd)
{
    struct client *client = xcalloc(1, sizeof *client);
    list_init(&client->queries);
    client->chan = daemon_chan(peer, fd, &ops, client);
}

static void start(const struct daemon_ctx *d)
{
    (void)d;
    /* Its thread starts with the first query: inside the sandbox. */
    if (ub_ctx_async(self.ub, 1) != 0)
        log_fatal("cannot use libunbound in a thread");
    watch_start(&self.watch, ub_fd(self.ub), EPOLLIN, unbound_ready);
}

static bool is_idle(void) { return self.pending == 0; }

static const struct role_ops roles[] = {
    { .role = ROLE_RESOLVER, .params = &params, .conf = &conf, .before_drop = before_drop, .start = start, .on_peer = on_peer, .idle = is_idle },
};

int main(int argc, char **argv) { return daemon_main(argc, argv, "resolver", roles, N_ELEMS(roles)); }
