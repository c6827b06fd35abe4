/* SPDX-License-Identifier: ISC
 *
 * mech_cram.c - CRAM-MD5 (RFC 2195): the client shows HMAC-MD5 of a challenge,
 * keyed with the password. Stored is the password, or {CRAM-MD5}: the two MD5
 * states that HMAC has after its key, outer first, in hexadecimal.
 */
#define OPENSSL_SUPPRESS_DEPRECATED     /* a digest that goes on from a stored state has no newer interface */
#include "auth/mech.h"
#include "auth/scheme.h"
#include "base/enc.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md5.h>

enum { STATE_SIZE = 16, BLOCK_BITS = 512, MD5_SIZE = 16 };

/* "name hex": the name may have blanks. */
static enum mech_step take_response(struct mech_run *m, struct str in)
{
    ptrdiff_t at = str_rchr(in, ' ');
    struct str hex = at < 0 ? STR("") : str_skip(in, (size_t)at + 1);
    if (hex.n != 2 * MD5_SIZE || !mech_name_is_fit(str_head(in, (size_t)at)))
        return MECH_FAILED;
    m->user = str_dup(m->arena, str_head(in, (size_t)at));
    m->response = str_dup(m->arena, hex);
    m->stage = 2;
    return MECH_ASK;
}

enum mech_step mech_cram_step(struct mech_run *m, const struct str *in, struct str *ret_out)
{
    if (m->stage == 0 && in == NULL) {
        m->stage = 1;
        *ret_out = m->server_first = str_printf(m->arena, "<%.*s@%.*s>", STR_FMT(m->nonce), STR_FMT(m->host));
        return MECH_CONTINUE;
    }
    /* The server speaks first: an initial response answers nothing. */
    return m->stage == 1 && in != NULL ? take_response(m, *in) : MECH_FAILED;
}

static uint32_t get_le32(const char *p)
{
    uint32_t v = 0;
    for (int i = 3; i >= 0; i--)
        v = v << 8 | (uint8_t)p[i];
    return v;
}

static MD5_CTX resume(const char *state)
{
    MD5_CTX c;
    (void)MD5_Init(&c);
    c.A = get_le32(state);
    c.B = get_le32(state + 4);
    c.C = get_le32(state + 8);
    c.D = get_le32(state + 12);
    c.Nl = BLOCK_BITS;
    return c;
}

static bool hmac_from_states(struct str hex, struct str text, uint8_t out[MD5_SIZE])
{
    struct buf raw = buf_make(2 * STATE_SIZE);
    bool ok = enc_unhex(&raw, hex) && !raw.full && raw.n == 2 * STATE_SIZE;
    if (ok) {
        MD5_CTX outer = resume(raw.p), inner = resume(raw.p + STATE_SIZE);
        (void)MD5_Update(&inner, text.p, text.n);
        (void)MD5_Final(out, &inner);
        (void)MD5_Update(&outer, out, MD5_SIZE);
        (void)MD5_Final(out, &outer);
    }
    if (raw.n > 0)
        secret_wipe(raw.p, raw.n);
    buf_done(&raw);
    return ok;
}

static bool hmac_from_password(struct str password, struct str text, uint8_t out[MD5_SIZE])
{
    unsigned n = 0;
    struct buf key = buf_make(0);
    buf_add(&key, password);
    bool ok = HMAC(EVP_md5(), buf_str(&key).p, (int)key.n, (const uint8_t *)text.p, text.n, out, &n) != NULL;
    if (key.n > 0)
        secret_wipe(key.p, key.n);
    buf_done(&key);
    return ok;
}

enum mech_step mech_cram_secret(struct mech_run *m, struct str name, struct str stored, struct str *ret_out)
{
    struct scheme s = scheme_split(stored);
    uint8_t mac[MD5_SIZE] = { 0 };
    struct buf hex = buf_make(0);
    bool has = false;
    (void)name, (void)ret_out;
    m->stage = 3;
    if (str_ieqz(s.name, "CRAM-MD5") && stored.n > 0)
        has = hmac_from_states(s.data, m->server_first, mac);
    else if (str_ieqz(s.name, "PLAIN") || str_ieqz(s.name, "CLEAR") || str_ieqz(s.name, "CLEARTEXT"))
        has = s.data.n > 0 && hmac_from_password(saslprep(s.data, m->arena), m->server_first, mac);
    else
        (void)hmac_from_password(STR("nobody"), m->server_first, mac);
    enc_hex(&hex, str_make(mac, sizeof mac));
    bool same = secret_eq(buf_str(&hex), str_lower(m->arena, m->response));
    secret_wipe(mac, sizeof mac);
    secret_wipe(hex.p, hex.n);
    buf_done(&hex);
    return same && has ? MECH_DONE : MECH_FAILED;
}
