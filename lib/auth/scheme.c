/* SPDX-License-Identifier: ISC */
#include "auth/scheme_rows.h"
#include "base/enc.h"
#include "base/num.h"
#include <openssl/evp.h>
#include <stdatomic.h>

static const struct scheme_row rows[] = {
    { STR_INIT("SHA512-CRYPT"), ALGO_CRYPT, "$6$", false, false, 5000 },
    { STR_INIT("SHA256-CRYPT"), ALGO_CRYPT, "$5$", false, false, 5000 },
    { STR_INIT("BLF-CRYPT"), ALGO_CRYPT, "$2y$", false, false, 10 },
    { STR_INIT("CRYPT"), ALGO_CRYPT, "$y$", false, false, 5 },
    { STR_INIT("MD5-CRYPT"), ALGO_CRYPT, "$1$", false, true, 0 },
    { STR_INIT("DES-CRYPT"), ALGO_CRYPT, "", false, true, 0 },
    { STR_INIT("ARGON2ID"), ALGO_ARGON2, "id", false, false, 3 },
    { STR_INIT("ARGON2I"), ALGO_ARGON2, "i", false, false, 4 },
    { STR_INIT("PBKDF2"), ALGO_PBKDF2, "SHA1", false, false, 5000 },
    { STR_INIT("SCRAM-SHA-256"), ALGO_SCRAM, "SHA256", false, false, 4096 },
    { STR_INIT("SCRAM-SHA-1"), ALGO_SCRAM, "SHA1", false, false, 4096 },
    { STR_INIT("SSHA512"), ALGO_SALTED, "SHA512", false, false, 0 },
    { STR_INIT("SSHA256"), ALGO_SALTED, "SHA256", false, false, 0 },
    { STR_INIT("SSHA"), ALGO_SALTED, "SHA1", false, false, 0 },
    { STR_INIT("SMD5"), ALGO_SALTED, "MD5", false, true, 0 },
    { STR_INIT("SHA512"), ALGO_DIGEST, "SHA512", false, false, 0 },
    { STR_INIT("SHA256"), ALGO_DIGEST, "SHA256", false, false, 0 },
    { STR_INIT("SHA1"), ALGO_DIGEST, "SHA1", false, false, 0 },
    { STR_INIT("SHA"), ALGO_DIGEST, "SHA1", false, false, 0 },
    { STR_INIT("MD5"), ALGO_MD5_ANY, "MD5", false, true, 0 },
    { STR_INIT("PLAIN-MD5"), ALGO_DIGEST, "MD5", true, true, 0 },
    { STR_INIT("PLAIN-MD4"), ALGO_DIGEST, "MD4", true, true, 0 },
    { STR_INIT("LDAP-MD5"), ALGO_DIGEST, "MD5", false, true, 0 },
    { STR_INIT("CRAM-MD5"), ALGO_CRAM, "MD5", true, false, 0 },
    { STR_INIT("HMAC-MD5"), ALGO_CRAM, "MD5", true, true, 0 },
    { STR_INIT("DIGEST-MD5"), ALGO_USER_DIGEST, "MD5", true, false, 0 },
    { STR_INIT("PLAIN"), ALGO_PLAIN, NULL, false, false, 0 },
    { STR_INIT("CLEAR"), ALGO_PLAIN, NULL, false, false, 0 },
    { STR_INIT("CLEARTEXT"), ALGO_PLAIN, NULL, false, false, 0 },
    { STR_INIT("PLAIN-TRUNC"), ALGO_TRUNC, NULL, false, false, 0 },
};

const char *scheme_name(size_t i) { return i < N_ELEMS(rows) ? rows[i].name.p : NULL; }

const struct scheme_row *scheme_row(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(rows); i++)
        if (str_ieq(name, rows[i].name))
            return &rows[i];
    return NULL;
}

static bool cut_suffix(struct str *name, struct str suffix)
{
    if (!str_iends(*name, suffix))
        return false;
    name->n -= suffix.n;
    return true;
}

struct scheme scheme_of(struct str label, struct str data)
{
    struct scheme s = { .name = label.n == 0 ? STR("CRYPT") : label, .data = data, .label = label, .user = STR("") };
    if (cut_suffix(&s.name, STR(".HEX")))
        s.encoding = SCHEME_ENC_HEX;
    else if (cut_suffix(&s.name, STR(".B64")) || cut_suffix(&s.name, STR(".BASE64")))
        s.encoding = SCHEME_ENC_BASE64;
    s.row = scheme_row(s.name);
    return s;
}

struct scheme scheme_split_default(struct str stored, struct str default_scheme)
{
    ptrdiff_t end = stored.n > 0 && stored.p[0] == '{' ? str_chr(stored, '}') : -1;
    if (end < 0)
        return scheme_of(default_scheme, stored);
    return scheme_of(str_make(stored.p + 1, (size_t)end - 1), str_skip(stored, (size_t)end + 1));
}

struct scheme scheme_split(struct str stored) { return scheme_split_default(stored, STR("")); }

/* {MD5} is a digest, or MD5-CRYPT when it looks like one. */
static bool is_md5_crypt(const struct scheme *s) { return str_starts(s->data, STR("$1$")); }

enum scheme_kind scheme_kind(const struct scheme *s)
{
    const struct scheme_row *r = s->row;
    if (r == NULL)
        return SCHEME_UNKNOWN;
    switch (r->algo) {
    case ALGO_CRYPT: return SCHEME_CRYPT;
    case ALGO_MD5_ANY: return is_md5_crypt(s) ? SCHEME_CRYPT : SCHEME_CHEAP;
    case ALGO_PBKDF2:
    case ALGO_ARGON2:
    case ALGO_SCRAM: return SCHEME_PBKDF2;
    case ALGO_PLAIN:
    case ALGO_TRUNC:
    case ALGO_DIGEST:
    case ALGO_SALTED:
    case ALGO_CRAM:
    case ALGO_USER_DIGEST: return SCHEME_CHEAP;
    }
    UNREACHABLE();
}

bool scheme_is_weak(const struct scheme *s)
{
    const struct scheme_row *r = s->row;
    return r != NULL && r->weak;
}

/* Found once: OpenSSL's own search costs more than the digest. The same for every thread. */
static const EVP_MD *digest_of(const char *name)
{
    static struct { const char *name; _Atomic(EVP_MD *) md; } known[] = { { "SHA256", NULL }, { "SHA512", NULL }, { "SHA1", NULL }, { "MD5", NULL } };
    for (size_t i = 0; i < N_ELEMS(known); i++) {
        if (strcmp(known[i].name, name) != 0)
            continue;
        EVP_MD *md = known[i].md, *none = NULL;
        if (md == NULL && (md = EVP_MD_fetch(NULL, name, NULL)) != NULL && !atomic_compare_exchange_strong(&known[i].md, &none, md)) {
            EVP_MD_free(md);
            md = none;
        }
        return md;
    }
    return NULL;
}

size_t scheme_digest(const char *name, struct str a, struct str b, uint8_t out[SCHEME_DIGEST_MAX])
{
    if (strcmp(name, "MD4") == 0)
        return scheme_md4(a, out) ? 16 : 0;
    const EVP_MD *md = digest_of(name);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = md != NULL && ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, a.p, a.n) == 1 &&
              EVP_DigestUpdate(ctx, b.p, b.n) == 1 && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? (size_t)EVP_MD_get_size(md) : 0;
}

bool scheme_decode_text(const struct scheme *s, struct buf *out)
{
    switch (s->encoding) {
    case SCHEME_ENC_AUTO: buf_add(out, s->data); return true;
    case SCHEME_ENC_HEX: return enc_unhex(out, s->data);
    case SCHEME_ENC_BASE64: return enc_unbase64(out, s->data);
    }
    UNREACHABLE();
}

static enum scheme_verdict verdict(bool same) { return same ? SCHEME_MATCH : SCHEME_MISMATCH; }

/* Without a suffix, the length tells hexadecimal from base64. */
static bool decode_digest(const struct scheme *s, size_t size, bool salted, struct buf *out)
{
    bool hex = s->encoding == SCHEME_ENC_HEX || (s->encoding == SCHEME_ENC_AUTO && !salted && s->data.n == 2 * size);
    bool ok = hex ? enc_unhex(out, s->data) : enc_unbase64(out, s->data);
    return ok && !out->full && (salted ? out->n > size : out->n == size);
}

static size_t digest_size(const char *name)
{
    const EVP_MD *md = digest_of(name);
    return strcmp(name, "MD4") == 0 ? 16 : md == NULL ? 0 : (size_t)EVP_MD_get_size(md);
}

static enum scheme_verdict verify_digest(const struct scheme_row *r, const struct scheme *s, struct str password)
{
    struct buf raw = buf_make(SCHEME_DATA_MAX);
    uint8_t got[SCHEME_DIGEST_MAX];
    enum scheme_verdict v = SCHEME_BROKEN;
    size_t size = digest_size(r->digest);
    if (size > 0 && decode_digest(s, size, r->algo == ALGO_SALTED, &raw)) {
        struct str stored = buf_str(&raw);
        if (scheme_digest(r->digest, password, str_skip(stored, size), got) == size)
            v = verdict(secret_eq(str_make(got, size), str_head(stored, size)));
        secret_wipe(got, sizeof got);
    }
    buf_done(&raw);
    return v;
}

/* Fixed-size data that only the right password leads to. */
static enum scheme_verdict verify_made(const struct scheme *s, const uint8_t *made, size_t size)
{
    struct buf raw = buf_make(SCHEME_DATA_MAX);
    enum scheme_verdict v = SCHEME_BROKEN;
    if (decode_digest(s, size, false, &raw))
        v = verdict(secret_eq(str_make(made, size), buf_str(&raw)));
    buf_done(&raw);
    return v;
}

static enum scheme_verdict verify_cram(const struct scheme *s, struct str password)
{
    uint8_t state[CRAM_STATE_SIZE];
    enum scheme_verdict v = scheme_cram_state(password, state) ? verify_made(s, state, sizeof state) : SCHEME_BROKEN;
    secret_wipe(state, sizeof state);
    return v;
}

/* The realm is what follows the first @. */
bool scheme_user_digest(struct str user, struct str password, uint8_t out[SCHEME_DIGEST_MAX])
{
    struct buf b = buf_make(0);
    struct str name, realm;
    (void)str_cut(user, '@', &name, &realm);
    buf_add(&b, name);
    buf_putc(&b, ':');
    buf_add(&b, realm);
    buf_putc(&b, ':');
    size_t size = scheme_digest("MD5", buf_str(&b), password, out);
    buf_done(&b);
    return size > 0;
}

static enum scheme_verdict verify_user_digest(const struct scheme *s, struct str password)
{
    uint8_t got[SCHEME_DIGEST_MAX];
    enum scheme_verdict v = scheme_user_digest(s->user, password, got) ? verify_made(s, got, 16) : SCHEME_BROKEN;
    secret_wipe(got, sizeof got);
    return v;
}

/* "LENGTH-text": of a text of that length, as much of the password counts. */
static enum scheme_verdict verify_trunc(struct str text, struct str password)
{
    struct str length, rest;
    size_t n;
    if (!str_cut(text, '-', &length, &rest) || !num_parse_size(length, SCHEME_DATA_MAX, &n))
        return SCHEME_BROKEN;
    return verdict(secret_eq(rest, rest.n == n ? str_head(password, n) : password));
}

static enum scheme_verdict verify_text(const struct scheme_row *r, const struct scheme *s, struct str password)
{
    struct buf text = buf_make(SCHEME_DATA_MAX);
    enum scheme_verdict v = SCHEME_BROKEN;
    if (scheme_decode_text(s, &text) && !text.full)
        v = r->algo == ALGO_TRUNC ? verify_trunc(buf_str(&text), password) : verdict(secret_eq(buf_str(&text), password));
    secret_wipe(text.p, text.n);
    buf_done(&text);
    return v;
}

enum scheme_verdict scheme_verify(const struct scheme *s, struct str password)
{
    const struct scheme_row *r = s->row;
    if (r == NULL || s->data.n == 0 || scheme_kind(s) != SCHEME_CHEAP)
        return SCHEME_BROKEN;
    switch (r->algo) {
    case ALGO_PLAIN:
    case ALGO_TRUNC: return verify_text(r, s, password);
    case ALGO_DIGEST:
    case ALGO_SALTED:
    case ALGO_MD5_ANY: return verify_digest(r, s, password);
    case ALGO_CRAM: return verify_cram(s, password);
    case ALGO_USER_DIGEST: return verify_user_digest(s, password);
    case ALGO_CRYPT:
    case ALGO_PBKDF2:
    case ALGO_ARGON2:
    case ALGO_SCRAM: break;
    }
    return SCHEME_BROKEN;
}
