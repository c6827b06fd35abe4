/* SPDX-License-Identifier: ISC */
#include "store.h"
#include "base/vec.h"
#include "conf/service.h"
#include "conf/sni.h"
#include "event/tls_sign.h"
#include "ipc/schema.h"
#include <openssl/err.h>
#include <openssl/pem.h>

struct stored { unsigned char id[TLS_KEY_ID]; EVP_PKEY *key; uint32_t roles; };

static struct { VEC(struct stored) v; } store;

/* needs_key: without a key in it the file is an error; the others may hold one. */
static const struct { const char *name; uint32_t roles; bool needs_key; } params[] = {
    { "smtpd_tls_key_file", ROLES_TLS_SERVER, true }, { "smtpd_tls_cert_file", ROLES_TLS_SERVER, false },
    { "smtpd_tls_eckey_file", ROLES_TLS_SERVER, true }, { "smtpd_tls_eccert_file", ROLES_TLS_SERVER, false },
    { "smtpd_tls_chain_files", ROLES_TLS_SERVER, false },
    { "postern_tls_eckey_file", ROLES_TLS_SERVER, true }, { "postern_tls_eccert_file", ROLES_TLS_SERVER, false },
    { "postern_tls_key_file", ROLES_TLS_SERVER, true }, { "postern_tls_cert_file", ROLES_TLS_SERVER, false },
    { "postern_tls_chain_files", ROLES_TLS_SERVER, false },
    { "smtp_tls_key_file", ROLE_BIT(OUT), true }, { "smtp_tls_cert_file", ROLE_BIT(OUT), false }, { "smtp_tls_chain_files", ROLE_BIT(OUT), false },
    { "smtp_tls_eckey_file", ROLE_BIT(OUT), true }, { "smtp_tls_eccert_file", ROLE_BIT(OUT), false },
    { "lmtp_tls_eckey_file", ROLE_BIT(OUT), true }, { "lmtp_tls_eccert_file", ROLE_BIT(OUT), false },
    { "lmtp_tls_key_file", ROLE_BIT(OUT), true }, { "lmtp_tls_cert_file", ROLE_BIT(OUT), false }, { "lmtp_tls_chain_files", ROLE_BIT(OUT), false },
};

static bool add_key(EVP_PKEY *key, uint32_t roles)
{
    struct stored s = { .key = key, .roles = roles };
    if (!tls_key_id(key, s.id) || store.v.n >= STORE_MAX)
        return false;
    for (size_t i = 0; i < store.v.n; i++) {
        if (memcmp(store.v.p[i].id, s.id, sizeof s.id) == 0) {
            store.v.p[i].roles |= roles;
            return true;
        }
    }
    (void)EVP_PKEY_up_ref(key);
    vec_push(&store.v, s);
    return true;
}

/* One block of PEM: 1 a key that was added, 0 something else, -1 a key that cannot be used. */
static int add_block(const char *label, const char *header, const unsigned char *der, long n, uint32_t roles)
{
    struct str name = str_from(label);
    if (!str_ends(name, STR("PRIVATE KEY")))
        return 0;
    if (header[0] != '\0' || str_starts(name, STR("ENCRYPTED")))
        return -1;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &der, n);
    int rc = key != NULL && add_key(key, roles) ? 1 : -1;
    EVP_PKEY_free(key);
    return rc;
}

int store_add_file(const char *path, uint32_t roles, struct err *err)
{
    char *name, *header;
    unsigned char *der;
    long n;
    int added = 0, bad = 0;
    BIO *in = BIO_new_file(path, "r");
    if (in == NULL) {
        ERR_clear_error();
        return err_sys(err, ERR_CONFIG, "cannot read the private key: open %s", path);
    }
    while (PEM_read_bio(in, &name, &header, &der, &n) == 1) {
        int got = add_block(name, header, der, n, roles);
        added += got > 0;
        bad += got < 0;
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)n);
    }
    BIO_free(in);
    ERR_clear_error();
    if (bad > 0)
        return err_set(err, ERR_CONFIG, "cannot use the private key in %s: a PEM block that is encrypted, broken, or of an unknown kind", path);
    return added;
}

static void add_param(struct config *c, size_t i, struct buf *warnings)
{
    struct err err = { .text = "" };
    char path[4096];
    const char *value = config_get(c, params[i].name, &err);
    struct str rest = str_from(value == NULL ? "" : value), word;
    while (str_token(&rest, ", \t\r\n", &word)) {
        if (str_eqz(word, "none") || !str_to_fixed(word, path, sizeof path))
            continue;
        int n = store_add_file(path, params[i].roles, &err);
        if (n == 0 && params[i].needs_key)
            n = err_set(&err, ERR_CONFIG, "%s holds no private key", path);
        /* A missing certificate is told by who needs it. */
        if (n < 0 && (params[i].needs_key || strncmp(err.text, "cannot use", 10) == 0))
            buf_printf(warnings, "%s: %s\n", params[i].name, err.text);
    }
}

/* A name's files: at least one holds its key. */
static void add_name(const char *param, const char *name, const char *files, struct buf *warnings)
{
    struct err err = { .text = "" };
    char path[4096];
    struct str rest = str_from(files), word;
    int keys = 0;
    while (str_token(&rest, " ", &word)) {
        int n = str_to_fixed(word, path, sizeof path) ? store_add_file(path, ROLES_TLS_SERVER, &err) : err_set(&err, ERR_CONFIG, "%s: a path is too long", name);
        if (n < 0)
            buf_printf(warnings, "%s: %s: %s\n", param, name, err.text);
        keys += n > 0 ? n : 0;
    }
    if (keys == 0)
        buf_printf(warnings, "%s: %s: no private key in %s\n", param, name, files);
}

static void add_names(struct config *c, const char *param, struct buf *warnings)
{
    struct err err = { .text = "" };
    const char *value = config_get(c, param, &err), *name, *files;
    struct sni *s = sni_load(value == NULL ? "" : value, &err);
    if (s == NULL)
        buf_printf(warnings, "%s: %s\n", param, err.text);
    for (size_t i = 0; s != NULL && (name = sni_at(s, i, &files)) != NULL; i++)
        add_name(param, name, files, warnings);
    sni_free(s);
}

/* main.cf, and with the -o of one service. */
static int add_config(const char *dir, const struct service *s, struct buf *warnings, struct err *err)
{
    struct config *c = config_load(dir, err);
    bool ok = c != NULL;
    for (size_t i = 0; ok && s != NULL && i < s->n_overrides; i++)
        ok = config_override(c, str_from(s->overrides[i]), err) == 0;
    for (size_t i = 0; ok && i < N_ELEMS(params); i++)
        add_param(c, i, warnings);
    if (ok) {
        add_names(c, "tls_server_sni_maps", warnings);
        add_names(c, "postern_tls_sni_maps", warnings);
    }
    config_free(c);
    return ok ? 0 : -1;
}

static bool touches_tls(const struct service *s)
{
    for (size_t i = 0; i < s->n_overrides; i++)
        if (strstr(s->overrides[i], "_tls_") != NULL || strstr(s->overrides[i], "tls_server_sni_maps") != NULL)
            return true;
    return false;
}

int store_load(const char *config_dir, struct buf *warnings, struct err *err)
{
    struct service_list services;
    struct err none;
    if (add_config(config_dir, NULL, warnings, err) != 0)
        return -1;
    struct config *c = config_load(config_dir, err);
    if (c == NULL)
        return -1;
    /* An unreadable master.cf: master has said so. */
    if (service_load(c, &services, &none) != 0)
        services.n = 0;
    for (size_t i = 0; i < services.n; i++)
        if (touches_tls(&services.rows[i]) && add_config(config_dir, &services.rows[i], warnings, &none) != 0)
            buf_printf(warnings, "%s: line %u: %s\n", services.file, services.rows[i].line, none.text);
    config_free(c);
    return 0;
}

EVP_PKEY *store_find(struct str id, uint32_t role)
{
    for (size_t i = 0; id.n == TLS_KEY_ID && i < store.v.n; i++)
        if (memcmp(store.v.p[i].id, id.p, TLS_KEY_ID) == 0)
            return (store.v.p[i].roles & role) != 0 ? store.v.p[i].key : NULL;
    return NULL;
}

size_t store_count(void) { return store.v.n; }

void store_done(void)
{
    for (size_t i = 0; i < store.v.n; i++)
        EVP_PKEY_free(store.v.p[i].key);
    vec_done(&store.v);
}
