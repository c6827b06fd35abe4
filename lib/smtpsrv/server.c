/* SPDX-License-Identifier: ISC */
#include "conf/sni.h"
#include "smtpsrv/session.h"

#define RESOLVE_ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct smtpsrv_all, k, resolve.m, name, def, lo, hi, doc)
#define INTAKE_ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct smtpsrv_all, k, intake.m, name, def, lo, hi, doc)
#define SRV_ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct smtpsrv_all, k, srv.m, name, def, lo, hi, doc)
static const struct param rows[] = { RESOLVE_PARAMS(RESOLVE_ROW) INTAKE_PARAMS(INTAKE_ROW) SMTPSRV_PARAMS(SRV_ROW) };

struct param_table smtpsrv_params(void)
{
    return (struct param_table){ .rows = rows, .n = N_ELEMS(rows) };
}

static const struct { const char *name; enum ext bit; } ext_names[] = {
    { "pipelining", EXT_PIPELINING }, { "size", EXT_SIZE }, { "vrfy", EXT_VRFY }, { "etrn", EXT_ETRN }, { "starttls", EXT_STARTTLS },
    { "auth", EXT_AUTH }, { "enhancedstatuscodes", EXT_ENHANCED }, { "8bitmime", EXT_8BITMIME }, { "dsn", EXT_DSN },
    { "smtputf8", EXT_SMTPUTF8 }, { "chunking", EXT_CHUNKING },
};

static unsigned discarded(const char *list)
{
    struct str rest = str_from(list), word;
    unsigned bits = 0;
    while (str_token(&rest, ", \t\r\n", &word))
        for (size_t i = 0; i < N_ELEMS(ext_names); i++)
            if (str_ieqz(word, ext_names[i].name))
                bits |= ext_names[i].bit;
    return bits;
}

/* The oldest version that smtpd_tls_protocols leaves, in either of its two forms. */
static const char *oldest_tls(const char *protocols)
{
    if (strstr(protocols, ">=TLSv1.3") != NULL)
        return "TLSv1.3";
    if (strstr(protocols, ">=TLSv1.2") != NULL || strstr(protocols, "!TLSv1.1") != NULL)
        return "TLSv1.2";
    return "TLSv1";
}

static int open_tls(struct smtpsrv *srv, struct err *err)
{
    const struct smtpsrv_conf *c = srv->conf;
    struct str level = str_from(c->tls_level);
    bool required = str_ieqz(level, "encrypt") || (level.n == 0 && c->enforce_tls);
    bool wanted = required || c->tls_wrappermode || str_ieqz(level, "may") || (level.n == 0 && c->use_tls) || srv->env.kind == SMTPSRV_SUBMIT;
    const char *chain = c->tls_chain[0] != '\0' ? c->tls_chain : c->tls_cert[0] != '\0' ? c->tls_cert : c->tls_eccert;
    if (level.n > 0 && !required && !str_ieqz(level, "may") && !str_ieqz(level, "none"))
        return err_set(err, ERR_CONFIG, "smtpd_tls_security_level: unknown level \"%s\"; use none, may or encrypt", c->tls_level);
    srv->tls_required = required && !c->tls_wrappermode;
    if (!wanted || srv->env.kind == SMTPSRV_LMTP)
        return 0;
    if (chain[0] == '\0' || str_ieqz(str_from(chain), "none")) {
        if (required || c->tls_wrappermode)
            return err_set(err, ERR_CONFIG, "smtpd_tls_cert_file: TLS is required, but no certificate is configured");
        return 0;
    }
    struct sni *names = sni_load(c->tls_sni, err);
    if (names == NULL)
        return err_prefix(err, "tls_server_sni_maps");
    const struct tls_server_conf conf = {
        .chain_files = c->tls_chain, .cert_file = chain, .key_file = c->tls_cert[0] != '\0' ? c->tls_key : c->tls_eckey,
        .eccert_file = c->tls_cert[0] != '\0' ? c->tls_eccert : NULL, .eckey_file = c->tls_eckey, .name_at = sni_at, .names = names, .service = srv->env.service, .min_protocol = oldest_tls(c->tls_protocols),
        .ask_client_cert = c->tls_ask_ccert, .ca_file = c->tls_ca_file,
    };
    srv->tls = tls_server_ctx(&conf, err);
    sni_free(names);
    return srv->tls == NULL ? -1 : 0;
}

static int open_lists(struct smtpsrv *srv, struct config *config, struct err *err)
{
    const struct smtpsrv_conf *c = srv->conf;
    bool ok = (srv->mynetworks = match_list_open(c->mynetworks, 0, config, err)) != NULL &&
              (srv->exceptions = match_list_open(c->event_exceptions, 0, config, err)) != NULL &&
              (srv->sasl_exceptions = match_list_open(c->sasl_exceptions, 0, config, err)) != NULL &&
              (srv->sender_login = map_list_open(c->sender_login_maps, 0, config, err)) != NULL;
    return ok ? 0 : -1;
}

static int check_conf(const struct smtpsrv_conf *c, struct err *err)
{
    struct str v = str_from(c->forbid_bare_newline);
    if (!str_ieqz(v, "normalize") && !str_ieqz(v, "reject") && !str_ieqz(v, "yes") && !str_ieqz(v, "no") && !str_ieqz(v, "note"))
        return err_set(err, ERR_CONFIG, "smtpd_forbid_bare_newline: unknown value \"%s\"; use normalize or reject", c->forbid_bare_newline);
    return 0;
}

struct smtpsrv *smtpsrv_open(const struct smtpsrv_env *env, struct err *err)
{
    struct smtpsrv *srv = xcalloc(1, sizeof *srv);
    srv->env = *env;
    srv->conf = &env->conf->srv;
    srv->rconf = &env->conf->resolve;
    srv->dns.want = env->want_resolver;
    srv->discard = discarded(srv->conf->discard_ehlo);
    shared_init(&srv->limits, (int64_t)srv->conf->rate_unit * 1000);
    struct buf banner = buf_make(1000);
    bool ok = config_expand(env->config, str_from(srv->conf->banner), &banner, err) == 0;
    srv->banner = xstrdup(buf_cstr(&banner));
    buf_done(&banner);
    ok = ok && check_conf(srv->conf, err) == 0 && intake_open(&srv->intake, &env->conf->intake, srv->rconf, env->config, err) == 0 &&
         open_lists(srv, env->config, err) == 0 && rules_parse(srv, env->config, err) == 0 && open_tls(srv, err) == 0;
    srv->intake.queue = env->queue;
    srv->intake.log = env->log;
    if (ok)
        return srv;
    smtpsrv_close(srv);
    return NULL;
}

void smtpsrv_close(struct smtpsrv *srv)
{
    if (srv == NULL)
        return;
    rules_free(&srv->rules);
    if (srv->mynetworks != NULL) match_list_free(srv->mynetworks);
    if (srv->exceptions != NULL) match_list_free(srv->exceptions);
    if (srv->sasl_exceptions != NULL) match_list_free(srv->sasl_exceptions);
    if (srv->sender_login != NULL) map_list_free(srv->sender_login);
    if (srv->tls != NULL) tls_ctx_free(srv->tls);
    intake_close(&srv->intake);
    shared_done(&srv->limits);
    chan_free(srv->dns.resolver.chan);
    free((void *)(uintptr_t)srv->banner);
    free(srv);
}

struct helper *smtpsrv_resolver(struct smtpsrv *srv) { return &srv->dns.resolver; }

const struct chan_ops *smtpsrv_anvil_ops(void) { return shared_ops(); }
void smtpsrv_anvil_attach(struct smtpsrv *srv, struct chan *c) { shared_attach(&srv->limits, c); }
struct shared_limits *smtpsrv_limits(struct smtpsrv *srv) { return &srv->limits; }

void smtpsrv_drain(struct smtpsrv *srv) { srv->draining = true; }
size_t smtpsrv_sessions(const struct smtpsrv *srv) { return srv->sessions; }
