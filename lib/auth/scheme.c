/* SPDX-License-Identifier: ISC */
#include "auth/scheme.h"
#include "base/buf.h"
#include "base/enc.h"
#include "base/num.h"
#include <openssl/evp.h>

enum { DIGEST_MAX = 64, PBKDF2_ROUNDS_MAX = 10000000 };

static const struct row {
    const char *name;
    enum scheme_kind kind;
    const char *digest;     /* NULL: the text itself */
    bool salted;            /* digest(password salt), then the salt */
} rows[] = {
    { "PLAIN", SCHEME_CHEAP, NULL, false },
    { "CLEAR", SCHEME_CHEAP, NULL, false },
    { "CLEARTEXT", SCHEME_CHEAP, NULL, false },
    { "SHA", SCHEME_CHEAP, "SHA1", false },
    { "SHA1", SCHEME_CHEAP, "SHA1", false },
    { "SHA256", SCHEME_CHEAP, "SHA256", false },
    { "SHA512", SCHEME_CHEAP, "SHA512", false },
    { "SSHA", SCHEME_CHEAP, "SHA1", true },
    { "SSHA256", SCHEME_CHEAP, "SHA256", true },
    { "SSHA512", SCHEME_CHEAP, "SHA512", true },
    { "SMD5", SCHEME_CHEAP, "MD5", true },
    { "PLAIN-MD5", SCHEME_CHEAP, "MD5", false },
    { "LDAP-MD5", SCHEME_CHEAP, "MD5", false },
    { "CRYPT", SCHEME_CRYPT, NULL, false },
    { "MD5", SCHEME_CRYPT, NULL, false },
    { "MD5-CRYPT", SCHEME_CRYPT, NULL, false },
    { "DES-CRYPT", SCHEME_CRYPT, NULL, false },
    { "SHA256-CRYPT", SCHEME_CRYPT, NULL, false },
    { "SHA512-CRYPT", SCHEME_CRYPT, NULL, false },
    { "BLF-CRYPT", SCHEME_CRYPT, NULL, false },
    { "PBKDF2", SCHEME_PBKDF2, "SHA1", false },
};

static const struct row *find(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(rows); i++)
        if (str_ieqz(name, rows[i].name))
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

struct scheme scheme_split(struct str stored)
{
    struct scheme s = { .name = STR("CRYPT"), .data = stored };
    ptrdiff_t end = str_chr(stored, '}');
    if (stored.n == 0 || stored.p[0] != '{' || end < 0)
        return s;
    s.name = str_make(stored.p + 1, (size_t)end - 1);
    s.data = str_skip(stored, (size_t)end + 1);
    if (cut_suffix(&s.name, STR(".HEX")))
        s.encoding = SCHEME_ENC_HEX;
    else if (cut_suffix(&s.name, STR(".B64")) || cut_suffix(&s.name, STR(".BASE64")))
        s.encoding = SCHEME_ENC_BASE64;
    return s;
}

enum scheme_kind scheme_kind(const struct scheme *s)
{
    const struct row *r = find(s->name);
    return r == NULL ? SCHEME_UNKNOWN : r->kind;
}

static enum scheme_verdict verdict(bool same) { return same ? SCHEME_MATCH : SCHEME_MISMATCH; }

static bool digest(const EVP_MD *md, struct str a, struct str b, uint8_t out[DIGEST_MAX])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, a.p, a.n) == 1 &&
              EVP_DigestUpdate(ctx, b.p, b.n) == 1 && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* Without a suffix, the length tells hexadecimal from base64. */
static bool decode(const struct scheme *s, size_t size, bool salted, struct buf *out)
{
    bool hex = s->encoding == SCHEME_ENC_HEX || (s->encoding == SCHEME_ENC_AUTO && !salted && s->data.n == 2 * size);
    bool ok = hex ? enc_unhex(out, s->data) : enc_unbase64(out, s->data);
    return ok && (salted ? out->n > size : out->n == size);
}

static enum scheme_verdict verify_digest(const struct row *r, const struct scheme *s, struct str password)
{
    const EVP_MD *md = EVP_get_digestbyname(r->digest);
    struct buf raw = buf_make(1024);
    uint8_t got[DIGEST_MAX];
    enum scheme_verdict v = SCHEME_BROKEN;
    size_t size = md == NULL ? 0 : (size_t)EVP_MD_get_size(md);
    if (md != NULL && decode(s, size, r->salted, &raw)) {
        struct str stored = buf_str(&raw);
        if (digest(md, password, str_skip(stored, size), got))
            v = verdict(secret_eq(str_make(got, size), str_head(stored, size)));
    }
    secret_wipe(got, sizeof got);
    buf_done(&raw);
    return v;
}

/* $1$salt$rounds$hex of 20 bytes. */
static enum scheme_verdict verify_pbkdf2(const struct scheme *s, struct str password)
{
    struct str rest = s->data, part[4];
    uint32_t rounds;
    uint8_t got[20];
    struct buf raw = buf_make(1024);
    enum scheme_verdict v = SCHEME_BROKEN;
    for (size_t i = 0; i < N_ELEMS(part); i++)
        if (!str_token(&rest, "$", &part[i]))
            return SCHEME_BROKEN;
    if (str_eqz(part[0], "1") && num_parse_u32(part[2], PBKDF2_ROUNDS_MAX, &rounds) && rounds > 0 && enc_unhex(&raw, part[3]) && raw.n == sizeof got &&
        PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)part[1].p, (int)part[1].n, (int)rounds, EVP_sha1(), sizeof got, got) == 1)
        v = verdict(secret_eq(str_make(got, sizeof got), buf_str(&raw)));
    buf_done(&raw);
    return v;
}

enum scheme_verdict scheme_verify(const struct scheme *s, struct str password)
{
    const struct row *r = find(s->name);
    if (r == NULL || s->data.n == 0 || r->kind == SCHEME_CRYPT)
        return SCHEME_BROKEN;
    if (r->kind == SCHEME_PBKDF2)
        return verify_pbkdf2(s, password);
    return r->digest == NULL ? verdict(secret_eq(s->data, password)) : verify_digest(r, s, password);
}
