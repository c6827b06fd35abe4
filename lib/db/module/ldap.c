/* SPDX-License-Identifier: ISC
 *
 * ldap.c - LDAP through OpenLDAP's library. Settings: uri, tls (StartTLS),
 * tls_*, deref. What is not set comes from /etc/ldap/ldap.conf; the
 * certificate is checked unless a setting says otherwise. Referrals are not followed.
 */
/* First: some use what base/banned.h forbids. */
#include <ldap.h>
#include "db/db_module.h"
#include "os/clock.h"
#include <sys/time.h>

struct conn { LDAP *ld; };

static const char *find(const struct db_setting *s, const char *name)
{
    for (; s->name != NULL; s++)
        if (strcmp(s->name, name) == 0)
            return s->value;
    return NULL;
}

static struct timeval left(int64_t deadline)
{
    int64_t ms = MAX(deadline - clock_mono_ms(), 1);
    return (struct timeval){ .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
}

static int fail(struct conn *c, const char *what, int rc, struct err *err)
{
    char *more = NULL;
    (void)ldap_get_option(c->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
    bool has_more = more != NULL && more[0] != '\0';
    (void)err_set(err, ERR_TEMP, "%s: %s%s%.*s", what, ldap_err2string(rc), has_more ? ": " : "", has_more ? (int)MIN(strcspn(more, "\n"), 160) : 0, has_more ? more : "");
    ldap_memfree(more);
    return -1;
}

/* Is the connection still good for another question after this result? */
static bool is_lost(int rc)
{
    switch (rc) {
    case LDAP_SERVER_DOWN: case LDAP_TIMEOUT: case LDAP_CONNECT_ERROR: case LDAP_UNAVAILABLE: case LDAP_BUSY:
    case LDAP_DECODING_ERROR: case LDAP_ENCODING_ERROR: case LDAP_LOCAL_ERROR: case LDAP_NO_MEMORY: case LDAP_PROTOCOL_ERROR:
        return true;
    default:
        return false;
    }
}

static int word_value(const char *word, const char *const *words, const int *values)
{
    for (size_t i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0)
            return values[i];
    return values[0];
}

static int set_tls(LDAP *ld, const struct db_setting *s)
{
    static const struct { const char *name; int option; } texts[] = {
        { "tls_ca_cert_file", LDAP_OPT_X_TLS_CACERTFILE }, { "tls_ca_cert_dir", LDAP_OPT_X_TLS_CACERTDIR },
        { "tls_cert_file", LDAP_OPT_X_TLS_CERTFILE }, { "tls_key_file", LDAP_OPT_X_TLS_KEYFILE },
        { "tls_cipher_suite", LDAP_OPT_X_TLS_CIPHER_SUITE },
    };
    static const char *const words[] = { "hard", "never", "demand", "allow", "try", NULL };
    static const int values[] = { LDAP_OPT_X_TLS_HARD, LDAP_OPT_X_TLS_NEVER, LDAP_OPT_X_TLS_DEMAND, LDAP_OPT_X_TLS_ALLOW, LDAP_OPT_X_TLS_TRY };
    int rc = LDAP_SUCCESS;
    for (size_t i = 0; rc == LDAP_SUCCESS && i < N_ELEMS(texts); i++)
        if (find(s, texts[i].name) != NULL)
            rc = ldap_set_option(ld, texts[i].option, find(s, texts[i].name));
    const char *need = find(s, "tls_require_cert");
    if (rc == LDAP_SUCCESS && need != NULL)
        rc = ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &(int){ word_value(need, words, values) });
    /* The options above hold for this handle from here on. */
    if (rc == LDAP_SUCCESS)
        rc = ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &(int){ 0 });
    return rc;
}

static int set_up(LDAP *ld, const struct db_setting *s, int64_t deadline)
{
    static const char *const words[] = { "never", "searching", "finding", "always", NULL };
    static const int values[] = { LDAP_DEREF_NEVER, LDAP_DEREF_SEARCHING, LDAP_DEREF_FINDING, LDAP_DEREF_ALWAYS };
    const struct timeval tv = left(deadline);
    const char *deref = find(s, "deref");
    int deref_value = word_value(deref == NULL ? "never" : deref, words, values);
    (void)ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &(int){ LDAP_VERSION3 });
    (void)ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    (void)ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON);
    (void)ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &tv);
    (void)ldap_set_option(ld, LDAP_OPT_TIMEOUT, &tv);
    (void)ldap_set_option(ld, LDAP_OPT_DEREF, &deref_value);
    return set_tls(ld, s);
}

static void dir_close(void *conn)
{
    struct conn *c = conn;
    (void)ldap_unbind_ext_s(c->ld, NULL, NULL);
    free(c);
}

static void *dir_open(const struct db_setting *s, int64_t deadline, struct err *err)
{
    const char *uri = find(s, "uri"), *tls = find(s, "tls");
    struct conn *c = calloc(1, sizeof *c);
    int rc = c == NULL ? LDAP_NO_MEMORY : ldap_initialize(&c->ld, uri);
    if (rc != LDAP_SUCCESS) {
        (void)err_set(err, ERR_TEMP, "connect: %s", ldap_err2string(rc));
        free(c);
        return NULL;
    }
    rc = set_up(c->ld, s, deadline);
    const char *what = "TLS settings";
    if (rc == LDAP_SUCCESS) {
        what = tls != NULL && strcmp(tls, "yes") == 0 ? "StartTLS" : "connect";
        rc = what[0] == 'S' ? ldap_start_tls_s(c->ld, NULL, NULL) : ldap_connect(c->ld);
    }
    if (rc == LDAP_SUCCESS)
        return c;
    (void)fail(c, what, rc, err);
    dir_close(c);
    return NULL;
}

/* The result of one request, within its time. NULL: *ret_rc. */
static LDAPMessage *await(struct conn *c, int id, int all, int64_t deadline, int *ret_rc)
{
    LDAPMessage *msg = NULL;
    struct timeval tv = left(deadline);
    int kind = ldap_result(c->ld, id, all, &tv, &msg);
    if (kind > 0)
        return msg;
    *ret_rc = LDAP_TIMEOUT;
    if (kind < 0)
        (void)ldap_get_option(c->ld, LDAP_OPT_RESULT_CODE, ret_rc);
    ldap_msgfree(msg);
    return NULL;
}

static enum db_code dir_bind(void *conn, const char *dn, struct str password, int64_t deadline, struct err *err)
{
    struct conn *c = conn;
    struct berval cred = { .bv_len = password.n };
    int id, rc, result = LDAP_OTHER;
    memcpy(&cred.bv_val, &password.p, sizeof cred.bv_val);
    rc = ldap_sasl_bind(c->ld, dn, LDAP_SASL_SIMPLE, &cred, NULL, NULL, &id);
    if (rc == LDAP_SUCCESS) {
        LDAPMessage *msg = await(c, id, LDAP_MSG_ALL, deadline, &rc);
        if (msg != NULL) {
            rc = ldap_parse_result(c->ld, msg, &result, NULL, NULL, NULL, NULL, 1);
            rc = rc == LDAP_SUCCESS ? result : rc;
        }
    }
    if (rc == LDAP_SUCCESS)
        return DB_OK;
    (void)fail(c, "bind", rc, err);
    if (rc == LDAP_INVALID_CREDENTIALS)
        return DB_REFUSED;
    if (rc == LDAP_NO_SUCH_OBJECT)
        return DB_NO_OBJECT;
    return is_lost(rc) ? DB_LOST : DB_FAILED;
}

/* What Cyrus' sasl.h has of questions to a client, since its header need not be there. */
struct sasl_question { unsigned long id; const char *challenge, *prompt, *fallback; const void *answer; unsigned n; };
enum { SASL_END = 0, SASL_AUTHZID = 0x4001, SASL_AUTHCID = 0x4002, SASL_PASSWORD = 0x4004, SASL_REALM = 0x4008 };

static int on_sasl_questions(LDAP *ld, unsigned flags, void *arg, void *questions)
{
    const struct db_sasl *sasl = arg;
    (void)ld, (void)flags;
    for (struct sasl_question *q = questions; q->id != SASL_END; q++) {
        struct str a = q->id == SASL_AUTHZID ? str_from(sasl->authzid) : q->id == SASL_AUTHCID ? str_from(sasl->authcid)
                     : q->id == SASL_PASSWORD ? sasl->password : q->id == SASL_REALM ? str_from(sasl->realm) : STR("");
        if (a.n == 0 && q->fallback != NULL)
            a = str_from(q->fallback);
        q->answer = a.p == NULL ? "" : a.p;
        q->n = (unsigned)a.n;
    }
    return LDAP_SUCCESS;
}

static enum db_code dir_bind_sasl(void *conn, const struct db_sasl *sasl, int64_t deadline, struct err *err)
{
    struct conn *c = conn;
    struct db_sasl answers = *sasl;
    const char *mech = NULL, *wanted = sasl->mech != NULL && sasl->mech[0] != '\0' ? sasl->mech : NULL;
    LDAPMessage *msg = NULL;
    int id, rc = ldap_set_option(c->ld, LDAP_OPT_X_SASL_SECPROPS, "maxssf=0"), await_rc = LDAP_SUCCESS;
    for (bool more = rc == LDAP_SUCCESS; more;) {
        rc = ldap_sasl_interactive_bind(c->ld, NULL, wanted, NULL, NULL, LDAP_SASL_QUIET, on_sasl_questions, &answers, msg, &mech, &id);
        ldap_msgfree(msg);
        msg = NULL;
        more = rc == LDAP_SASL_BIND_IN_PROGRESS;
        if (more && (msg = await(c, id, LDAP_MSG_ALL, deadline, &await_rc)) == NULL) {
            rc = await_rc;
            more = false;
        }
    }
    if (rc == LDAP_SUCCESS)
        return DB_OK;
    (void)fail(c, "SASL bind", rc, err);
    return rc == LDAP_INVALID_CREDENTIALS ? DB_REFUSED : is_lost(rc) ? DB_LOST : DB_FAILED;
}

/* Cells of one entry; what they point to is freed by the caller through vals. */
struct entry { struct db_cell cells[DB_CELLS_MAX]; size_t n; struct berval **vals[DB_CELLS_MAX]; char *names[DB_CELLS_MAX]; size_t n_attrs; };

static void read_entry(LDAP *ld, LDAPMessage *msg, struct entry *e)
{
    BerElement *ber = NULL;
    char *name = ldap_first_attribute(ld, msg, &ber);
    for (; name != NULL && e->n_attrs < DB_CELLS_MAX; name = ldap_next_attribute(ld, msg, ber)) {
        struct berval **v = ldap_get_values_len(ld, msg, name);
        e->names[e->n_attrs] = name;
        e->vals[e->n_attrs++] = v;
        for (; v != NULL && *v != NULL && e->n < DB_CELLS_MAX; v++)
            e->cells[e->n++] = (struct db_cell){ name, str_make((*v)->bv_val, (*v)->bv_len), false };
    }
    ldap_memfree(name);
    ber_free(ber, 0);
}

static bool give_entry(LDAP *ld, LDAPMessage *msg, struct entry *e, db_on_row on_row, void *arg)
{
    char *dn = ldap_get_dn(ld, msg);
    *e = (struct entry){ .n = 1 };
    e->cells[0] = (struct db_cell){ "dn", str_from(dn == NULL ? "" : dn), dn == NULL };
    read_entry(ld, msg, e);
    bool more = on_row(arg, e->cells, e->n);
    for (size_t i = 0; i < e->n_attrs; i++) {
        ldap_value_free_len(e->vals[i]);
        ldap_memfree(e->names[i]);
    }
    ldap_memfree(dn);
    return more;
}

static int read_results(struct conn *c, int id, int64_t deadline, db_on_row on_row, void *arg)
{
    struct entry *e = calloc(1, sizeof *e);
    int rc = LDAP_SUCCESS, result = LDAP_OTHER;
    bool over = e == NULL;
    while (!over) {
        LDAPMessage *msg = await(c, id, LDAP_MSG_ONE, deadline, &rc);
        if (msg == NULL)
            break;
        if (ldap_msgtype(msg) == LDAP_RES_SEARCH_ENTRY) {
            if (!give_entry(c->ld, msg, e, on_row, arg)) {
                (void)ldap_abandon_ext(c->ld, id, NULL, NULL);
                over = true;
            }
        } else if (ldap_msgtype(msg) == LDAP_RES_SEARCH_RESULT) {
            rc = ldap_parse_result(c->ld, msg, &result, NULL, NULL, NULL, NULL, 0);
            rc = rc == LDAP_SUCCESS ? result : rc;
            over = true;
        }
        (void)ldap_msgfree(msg);
    }
    free(e);
    return rc;
}

static enum db_code dir_search(void *conn, const struct db_search *s, int64_t deadline, db_on_row on_row, void *arg, struct err *err)
{
    static const char *const words[] = { "subtree", "onelevel", "base", NULL };
    static const int values[] = { LDAP_SCOPE_SUBTREE, LDAP_SCOPE_ONELEVEL, LDAP_SCOPE_BASE };
    struct conn *c = conn;
    struct timeval tv = left(deadline);
    char **attrs;
    int id;
    memcpy(&attrs, &s->attrs, sizeof attrs);
    int rc = ldap_search_ext(c->ld, s->base, word_value(s->scope, words, values), s->filter, attrs, 0, NULL, NULL, &tv, (int)s->most, &id);
    if (rc == LDAP_SUCCESS)
        rc = read_results(c, id, deadline, on_row, arg);
    /* More than asked for: the caller sees that by what it got. */
    if (rc == LDAP_SUCCESS || (rc == LDAP_SIZELIMIT_EXCEEDED && s->most > 0))
        return DB_OK;
    (void)fail(c, "search", rc, err);
    return rc == LDAP_NO_SUCH_OBJECT ? DB_NO_OBJECT : is_lost(rc) || rc == LDAP_TIMELIMIT_EXCEEDED ? DB_LOST : DB_FAILED;
}

static const struct db_dir_ops ops = { dir_open, dir_bind, dir_bind_sasl, dir_search, dir_close };
const struct db_module postern_db_module = { DB_MODULE_VERSION, sizeof(struct db_module), "ldap", NULL, &ops };
