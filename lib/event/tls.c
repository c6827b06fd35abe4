/* SPDX-License-Identifier: ISC */
#include "event/tls.h"
#include "base/arena.h"
#include "event/tls_bio.h"
#include "event/tls_certs.h"
#include "event/tls_session.h"
#include "event/tls_sign.h"
#include "event/tls_ticket.h"
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct tls_ctx {
    SSL_CTX *ctx;
    bool is_server, verify;
    unsigned char alpn[32];     /* wire form: length and name */
    unsigned alpn_len;
    char *name;                 /* of one among names; ".domain" for those below it */
    struct tls_ctx **names;     /* certificates for those who ask for a name */
    size_t n_names;
};

struct tls {
    SSL *ssl;
    const struct tls_ctx *ctx;
    struct tls_info *info;      /* made when somebody asks */
    char name[256];
    bool failed;
};

/* AEAD with forward secrecy; TLS 1.3's own suites are that anyway. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERS_OLD "ECDHE+AESGCM:ECDHE+CHACHA20:DEFAULT:!kRSA:!kRSAPSK:@SECLEVEL=0"   /* keys sign, they never decrypt */

static const struct { const char *name; int version; } versions[] = {
    { "TLSv1", TLS1_VERSION }, { "TLSv1.1", TLS1_1_VERSION }, { "TLSv1.2", TLS1_2_VERSION }, { "TLSv1.3", TLS1_3_VERSION },
};

static int set_versions(SSL_CTX *ctx, const char *least, struct err *err)
{
    const char *name = least == NULL ? "TLSv1.2" : least;
    for (size_t i = 0; i < N_ELEMS(versions); i++) {
        if (strcmp(versions[i].name, name) != 0)
            continue;
        bool old = versions[i].version < TLS1_2_VERSION;
        if (SSL_CTX_set_min_proto_version(ctx, versions[i].version) != 1 ||
            SSL_CTX_set_cipher_list(ctx, old ? CIPHERS_OLD : CIPHERS) != 1)
            return tls_openssl_err(err, ERR_CONFIG, name);
        return 0;
    }
    return err_set(err, ERR_CONFIG, "unknown TLS protocol version \"%s\"; use TLSv1.2 or TLSv1.3", name);
}

static int set_alpn(struct tls_ctx *t, const char *name, struct err *err)
{
    size_t n = name == NULL ? 0 : strlen(name);
    if (n == 0)
        return 0;
    if (n >= sizeof t->alpn)
        return err_set(err, ERR_CONFIG, "ALPN name is too long: %s", name);
    t->alpn[0] = (unsigned char)n;
    memcpy(t->alpn + 1, name, n);
    t->alpn_len = (unsigned)n + 1;
    return 0;
}

/* A client that offers only other protocols was meant for another server (RFC 7301 section 3.2, ALPACA). */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
    const struct tls_ctx *t = arg;
    (void)ssl;
    for (unsigned at = 0; at < in_len && at + 1u + in[at] <= in_len; at += 1u + in[at]) {
        if (in[at] + 1u != t->alpn_len || memcmp(in + at + 1, t->alpn + 1, in[at]) != 0)
            continue;
        *out = in + at + 1;
        *out_len = in[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static struct tls_ctx *ctx_new(bool is_server, struct err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (ctx == NULL) {
        (void)tls_openssl_err(err, ERR_TEMP, "cannot make a TLS context");
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384");
    struct tls_ctx *t = xcalloc(1, sizeof *t);
    t->ctx = ctx;
    t->is_server = is_server;
    return t;
}

static int accept_any_cert(int ok, X509_STORE_CTX *store) { (void)ok; (void)store; return 1; }

static int ask_for_cert(SSL_CTX *ctx, const char *ca_file, struct err *err)
{
    if (ca_file != NULL && *ca_file != '\0') {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca_file);
        if (names == NULL || SSL_CTX_load_verify_locations(ctx, ca_file, NULL) != 1)
            return tls_openssl_err(err, ERR_CONFIG, ca_file);
        SSL_CTX_set_client_CA_list(ctx, names);
    }
    /* What the result is worth, the caller decides. */
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any_cert);
    return 0;
}

static int fill_server(struct tls_ctx *t, const struct tls_server_conf *conf, struct err *err)
{
    const char *service = conf->service == NULL ? "" : conf->service;
    unsigned char id[SSL_MAX_SID_CTX_LENGTH] = { 0 };
    memcpy(id, service, MIN(strlen(service), sizeof id));
    /* Ticket keys are the process's; the id keeps tickets of its services apart. */
    if (SSL_CTX_set_session_id_context(t->ctx, id, sizeof id) != 1 || !tls_ticket_use(t->ctx))
        return tls_openssl_err(err, ERR_TEMP, "session tickets");
    (void)SSL_CTX_set_num_tickets(t->ctx, 1);
    const struct tls_certs certs = { .chain_files = conf->chain_files, .cert_file = conf->cert_file, .key_file = conf->key_file,
                                     .eccert_file = conf->eccert_file, .eckey_file = conf->eckey_file };
    if (set_versions(t->ctx, conf->min_protocol, err) < 0 || tls_certs_load(t->ctx, &certs, err) < 0 ||
        set_alpn(t, conf->alpn, err) < 0)
        return -1;
    if (t->alpn_len > 0)
        SSL_CTX_set_alpn_select_cb(t->ctx, select_alpn, t);
    if (conf->ask_client_cert)
        return ask_for_cert(t->ctx, conf->ca_file, err);
    /* Without authorities there is nothing to complete the chain with, which OpenSSL would try in each handshake. */
    (void)SSL_CTX_set_mode(t->ctx, SSL_MODE_NO_AUTO_CHAIN);
    return 0;
}

static struct tls_ctx *or_free(struct tls_ctx *t, int result)
{
    ERR_clear_error();
    if (result == 0)
        return t;
    tls_ctx_free(t);
    return NULL;
}

/* ---- certificates by name (RFC 6066 section 3) ---- */

static bool is_name(const char *of, const char *asked)
{
    size_t n = strlen(of), m = strlen(asked);
    return of[0] == '.' ? m > n && strcasecmp(asked + (m - n), of) == 0 : strcasecmp(asked, of) == 0;
}

/* The whole name before a domain that it is in. */
static int choose_name(SSL *ssl, int *alert, void *arg)
{
    const struct tls_ctx *t = arg;
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    for (int domains = 0; asked != NULL && domains < 2; domains++)
        for (size_t i = 0; i < t->n_names; i++)
            if ((t->names[i]->name[0] == '.') == (domains == 1) && is_name(t->names[i]->name, asked))
                return SSL_set_SSL_CTX(ssl, t->names[i]->ctx) != NULL ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_NOACK;
}

static struct tls_ctx *server_ctx(const struct tls_server_conf *conf, struct err *err)
{
    struct tls_ctx *t = ctx_new(true, err);
    return t == NULL ? NULL : or_free(t, fill_server(t, conf, err));
}

static int add_names(struct tls_ctx *t, const struct tls_server_conf *conf, struct err *err)
{
    const char *name, *files;
    for (size_t i = 0; conf->name_at != NULL && (name = conf->name_at(conf->names, i, &files)) != NULL; i++) {
        struct tls_server_conf own = *conf;
        own.name_at = NULL;
        own.chain_files = files;
        struct tls_ctx *of_name = server_ctx(&own, err);
        if (of_name == NULL)
            return err_prefix(err, "%s", name);
        of_name->name = xstrdup(name);
        t->names = xrealloc(t->names, (t->n_names + 1) * sizeof *t->names);
        t->names[t->n_names++] = of_name;
    }
    if (t->n_names > 0) {
        (void)SSL_CTX_set_tlsext_servername_callback(t->ctx, choose_name);
        (void)SSL_CTX_set_tlsext_servername_arg(t->ctx, t);
    }
    return 0;
}

struct tls_ctx *tls_server_ctx(const struct tls_server_conf *conf, struct err *err)
{
    bool has_chain = conf->chain_files != NULL && *conf->chain_files != '\0';
    if (!has_chain && (conf->cert_file == NULL || *conf->cert_file == '\0')) {
        (void)err_set(err, ERR_CONFIG, "TLS needs a certificate file");
        return NULL;
    }
    struct tls_ctx *t = server_ctx(conf, err);
    return t == NULL ? NULL : or_free(t, add_names(t, conf, err));
}

static int load_roots(SSL_CTX *ctx, const struct tls_client_conf *conf, struct err *err)
{
    bool file = conf->ca_file != NULL && *conf->ca_file != '\0', path = conf->ca_path != NULL && *conf->ca_path != '\0';
    if (!file && !path)
        return 0;
    if (SSL_CTX_load_verify_locations(ctx, file ? conf->ca_file : NULL, path ? conf->ca_path : NULL) == 1)
        return 0;
    return tls_openssl_err(err, ERR_CONFIG, file ? conf->ca_file : conf->ca_path);
}

static int fill_client(struct tls_ctx *t, const struct tls_client_conf *conf, struct err *err)
{
    t->verify = conf->verify;
    if (set_versions(t->ctx, conf->min_protocol, err) < 0 || load_roots(t->ctx, conf, err) < 0 || set_alpn(t, conf->alpn, err) < 0)
        return -1;
    const struct tls_certs certs = { .chain_files = conf->chain_files, .cert_file = conf->cert_file, .key_file = conf->key_file,
                                     .eccert_file = conf->eccert_file, .eckey_file = conf->eckey_file };
    if (tls_certs_load(t->ctx, &certs, err) < 0)
        return -1;
    if (t->alpn_len > 0 && SSL_CTX_set_alpn_protos(t->ctx, t->alpn, t->alpn_len) != 0)
        return tls_openssl_err(err, ERR_TEMP, "ALPN");
    SSL_CTX_set_verify(t->ctx, conf->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    return 0;
}

struct tls_ctx *tls_client_ctx(const struct tls_client_conf *conf, struct err *err)
{
    struct tls_ctx *t = ctx_new(false, err);
    return t == NULL ? NULL : or_free(t, fill_client(t, conf, err));
}

void tls_ctx_free(struct tls_ctx *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n_names; i++)
        tls_ctx_free(t->names[i]);      /* these have none */
    free(t->names);
    free(t->name);
    SSL_CTX_free(t->ctx);
    free(t);
}

/* ---- sessions ---- */

/* Emptying the queue is much dearer than looking into it. */
static void clear_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

static bool is_address(const char *name)
{
    unsigned char b[16];
    return inet_pton(AF_INET, name, b) == 1 || inet_pton(AF_INET6, name, b) == 1;
}

static bool set_name(struct tls *t, const char *name)
{
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    if (is_address(name))
        return !t->ctx->verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), name) == 1;
    if (SSL_set_tlsext_host_name(t->ssl, name) != 1)
        return false;
    return !t->ctx->verify || SSL_set1_host(t->ssl, name) == 1;
}

struct tls *tls_new(struct tls_ctx *ctx, int fd, const char *name)
{
    struct tls *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->ctx = ctx;
    t->ssl = SSL_new(ctx->ctx);
    BIO *line = t->ssl == NULL ? NULL : tls_bio_new(t->ssl, fd);
    if (line != NULL)
        SSL_set_bio(t->ssl, line, line);
    if (line == NULL || (name != NULL && !ctx->is_server && !set_name(t, name))) {
        ERR_clear_error();
        SSL_free(t->ssl);
        free(t);
        return NULL;
    }
    if (ctx->is_server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    return t;
}

void tls_ending(struct tls *t) { tls_bio_ending(SSL_get_wbio(t->ssl)); }

void tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    clear_errors();
    if (!t->failed && SSL_is_init_finished(t->ssl)) {
        tls_ending(t);
        (void)SSL_shutdown(t->ssl);
    }
    clear_errors();
    SSL_free(t->ssl);
    free(t->info);
    free(t);
}

static enum tls_io outcome(struct tls *t, int rc)
{
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ: return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE: return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN: return TLS_CLOSED;
    case SSL_ERROR_SYSCALL: t->failed = true; return TLS_CLOSED;
    default: t->failed = true; return TLS_FAILED;
    }
}

static enum tls_io explain(struct tls *t, struct err *err)
{
    long verified = SSL_get_verify_result(t->ssl);
    if (t->ctx->verify && verified != X509_V_OK) {
        (void)err_set(err, ERR_TEMP, "certificate verification failed: %s", X509_verify_cert_error_string(verified));
        ERR_clear_error();
        return TLS_FAILED;
    }
    if (ERR_peek_error() == 0 || ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        ERR_clear_error();
        (void)err_set(err, ERR_TEMP, "lost connection");
        return TLS_CLOSED;
    }
    (void)tls_openssl_err(err, ERR_PROTO, "TLS library problem");
    return TLS_FAILED;
}

enum tls_io tls_handshake(struct tls *t, struct err *err)
{
    clear_errors();
    int rc = SSL_do_handshake(t->ssl);
    if (rc == 1)
        return TLS_DONE;
    enum tls_io got = outcome(t, rc);
    return got == TLS_WANT_READ || got == TLS_WANT_WRITE ? got : explain(t, err);
}

enum tls_io tls_read(struct tls *t, void *p, size_t n, size_t *ret_n)
{
    clear_errors();
    int rc = SSL_read_ex(t->ssl, p, n, ret_n);
    return rc == 1 ? TLS_DONE : outcome(t, rc);
}

enum tls_io tls_write(struct tls *t, const void *p, size_t n, size_t *ret_n)
{
    clear_errors();
    int rc = SSL_write_ex(t->ssl, p, n, ret_n);
    return rc == 1 ? TLS_DONE : outcome(t, rc);
}

bool tls_has_pending(const struct tls *t) { return SSL_has_pending(t->ssl) == 1; }

/* ---- what was negotiated, in the words of Postfix's log line ---- */

static void describe_key(EVP_PKEY *key, const char *rsa, const char *ec, char *ret, size_t cap)
{
    char group[64] = "";
    size_t n;
    if (key == NULL)
        return;
    if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
        (void)snprintf(ret, cap, "%s (%d bits)", rsa, EVP_PKEY_get_bits(key));
    } else if (EVP_PKEY_is_a(key, "EC")) {
        (void)EVP_PKEY_get_group_name(key, group, sizeof group, &n);
        (void)snprintf(ret, cap, "%s (%.20s)", ec, group);
    } else {
        const char *name = EVP_PKEY_get0_type_name(key);
        (void)snprintf(ret, cap, "%s", name == NULL ? "" : strcmp(name, "ED25519") == 0 ? "Ed25519" : name);
    }
}

static void describe_13(struct tls *t, struct tls_info *i)
{
    EVP_PKEY *key = NULL;
    X509 *cert = t->ctx->is_server ? SSL_get_certificate(t->ssl) : SSL_get0_peer_certificate(t->ssl);
    int nid = NID_undef;
    if (SSL_get_peer_tmp_key(t->ssl, &key) != 0)
        describe_key(key, "", "ECDHE", i->key_exchange, sizeof i->key_exchange);
    EVP_PKEY_free(key);
    if (cert == NULL || i->resumed)
        return;
    describe_key(X509_get0_pubkey(cert), "RSA-PSS", "ECDSA", i->signature, sizeof i->signature);
    bool ok = t->ctx->is_server ? SSL_get_signature_nid(t->ssl, &nid) != 0 : SSL_get_peer_signature_nid(t->ssl, &nid) != 0;
    if (ok && nid != NID_undef)
        (void)snprintf(i->digest, sizeof i->digest, "%s", OBJ_nid2sn(nid));
}

/* RFC 5929 §4.1: the server's certificate under the hash of its signature, SHA-256 for MD5 and SHA-1; 0 where it has no one hash (Ed25519). */
static size_t end_point(struct tls *t, unsigned char out[EVP_MAX_MD_SIZE])
{
    X509 *cert = t->ctx->is_server ? SSL_get_certificate(t->ssl) : NULL;
    int nid = NID_undef;
    unsigned n = 0;
    if (cert == NULL || X509_get_signature_info(cert, &nid, NULL, NULL, NULL) != 1 || nid == NID_undef)
        return 0;
    const EVP_MD *md = nid == NID_md5 || nid == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(nid);
    return md != NULL && X509_digest(cert, md, out, &n) == 1 ? n : 0;
}

void tls_session_binding(struct tls *t, struct tls_info *i)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    i->has_binding = SSL_version(t->ssl) >= TLS1_3_VERSION &&
                     SSL_export_keying_material(t->ssl, i->binding, TLS_EXPORTER_SIZE, label, sizeof label - 1, NULL, 0, 0) == 1;
    if (i->has_binding)
        i->binding_size = TLS_EXPORTER_SIZE + end_point(t, i->binding + TLS_EXPORTER_SIZE);
}

/* The last common name is the most specific one. A NUL in it is somebody's trick: no name. */
static void describe_peer(struct tls *t, struct tls_info *i)
{
    X509_NAME *name = i->peer_verified ? X509_get_subject_name(SSL_get0_peer_certificate(t->ssl)) : NULL;
    unsigned char *text = NULL;
    int at = -1, last = -1;
    while (name != NULL && (at = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0)
        last = at;
    int n = last < 0 ? 0 : ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
    if (n > 0 && (size_t)n < sizeof i->peer_name && memchr(text, '\0', (size_t)n) == NULL)
        (void)snprintf(i->peer_name, sizeof i->peer_name, "%.*s", n, (const char *)text);
    OPENSSL_free(text);
}

void tls_session_brief(struct tls *t, struct tls_info *i)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(t->ssl);
    const char *sni = t->ctx->is_server ? SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name) : t->name;
    *i = (struct tls_info){ .bits = 0 };
    (void)snprintf(i->protocol, sizeof i->protocol, "%s", SSL_get_version(t->ssl));
    if (cipher != NULL) {
        (void)snprintf(i->cipher, sizeof i->cipher, "%s", SSL_CIPHER_get_name(cipher));
        i->bits = SSL_CIPHER_get_bits(cipher, &i->alg_bits);
    }
    (void)snprintf(i->sni, sizeof i->sni, "%s", sni == NULL ? "" : sni);
    i->resumed = SSL_session_reused(t->ssl) == 1;
    i->peer_has_cert = SSL_get0_peer_certificate(t->ssl) != NULL;
    i->peer_verified = i->peer_has_cert && SSL_get_verify_result(t->ssl) == X509_V_OK;
    describe_peer(t, i);
    clear_errors();
}

const struct tls_info *tls_session_info(struct tls *t)
{
    if (t->info != NULL)
        return t->info;
    t->info = xcalloc(1, sizeof *t->info);
    tls_session_brief(t, t->info);
    tls_session_binding(t, t->info);
    if (SSL_version(t->ssl) >= TLS1_3_VERSION)
        describe_13(t, t->info);
    clear_errors();
    return t->info;
}
