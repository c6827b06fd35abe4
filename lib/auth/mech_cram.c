/* SPDX-License-Identifier: ISC
 *
 * mech_cram.c - CRAM-MD5 (RFC 2195): the client shows HMAC-MD5 of a challenge,
 * keyed with the password. Stored is the password, or a scheme that keeps what
 * HMAC makes of it (scheme_cram_digest()).
 */
#include "auth/mech.h"
#include "auth/scheme.h"
#include "base/enc.h"

/* "name hex": the name may have blanks. */
static enum mech_step take_response(struct mech_run *m, struct str in)
{
    ptrdiff_t at = str_rchr(in, ' ');
    struct str hex = at < 0 ? STR("") : str_skip(in, (size_t)at + 1);
    if (hex.n != 2 * CRAM_DIGEST_SIZE || !mech_name_is_fit(str_head(in, (size_t)at)))
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

/* False: the stored password is of no use; the work was done with one like those of others. */
static bool make_digest(struct mech_run *m, struct str stored, uint8_t mac[CRAM_DIGEST_SIZE])
{
    struct scheme s = scheme_split(stored);
    bool is_clear = !str_ieqz(s.name, "CRAM-MD5") && !str_ieqz(s.name, "HMAC-MD5");
    if (stored.n > 0 && scheme_cram_digest(&s, m->server_first, mac)) {
        if (m->usual != NULL)
            *m->usual = (struct mech_usual){ .is_known = true, .is_clear = is_clear };
        return true;
    }
    bool keys = m->usual != NULL && m->usual->is_known && !m->usual->is_clear;
    s = scheme_split(keys ? STR("{CRAM-MD5}0000000000000000000000000000000000000000000000000000000000000000") : STR("{PLAIN}nobody"));
    (void)scheme_cram_digest(&s, m->server_first, mac);
    return false;
}

enum mech_step mech_cram_secret(struct mech_run *m, struct str name, struct str stored, struct str *ret_out)
{
    uint8_t mac[CRAM_DIGEST_SIZE] = { 0 };
    struct buf hex = buf_make(0);
    (void)name, (void)ret_out;
    m->stage = 3;
    m->is_fake = !make_digest(m, stored, mac);
    enc_hex(&hex, str_make(mac, sizeof mac));
    bool same = secret_eq(buf_str(&hex), str_lower(m->arena, m->response));
    secret_wipe(mac, sizeof mac);
    secret_wipe(hex.p, hex.n);
    buf_done(&hex);
    return same && !m->is_fake ? MECH_DONE : MECH_FAILED;
}
