/* SPDX-License-Identifier: ISC */
/* A stored CRAM-MD5 password is MD5 stopped half way, and only the old interface can go on from there; so can only it do MD4. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "auth/scheme_rows.h"
#include "base/enc.h"
#include "base/num.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md4.h>
#include <openssl/md5.h>

enum { MD5_BLOCK = 64, SCRAM_SALT_MAX = 256 };

bool scheme_clear_text(const struct scheme *s, struct arena *arena, struct str *ret_password)
{
    const struct scheme_row *r = s->row;
    struct buf text = buf_make(SCHEME_DATA_MAX);
    bool ok = r != NULL && r->algo == ALGO_PLAIN && s->data.n > 0 && scheme_decode_text(s, &text) && !text.full;
    if (ok)
        *ret_password = str_dup(arena, buf_str(&text));
    secret_wipe(text.p, text.n);
    buf_done(&text);
    return ok;
}

/* ---- SCRAM: "iterations,salt,StoredKey,ServerKey" ---- */

bool scheme_scram_parse(const struct scheme_row *row, struct str data, struct arena *arena, struct scheme_scram *ret)
{
    struct scheme_scram k = { .size = strcmp(row->digest, "SHA256") == 0 ? 32 : 20 };
    struct str part[4];
    struct buf raw[3] = { buf_make(SCRAM_SALT_MAX), buf_make(SCRAM_KEY_MAX), buf_make(SCRAM_KEY_MAX) };
    for (size_t i = 0; i < N_ELEMS(part); i++)
        (void)str_cut(data, ',', &part[i], &data);
    bool ok = data.n == 0 && num_parse_u32(part[0], SCRAM_ITERATIONS_MAX, &k.iterations) && k.iterations > 0;
    for (size_t i = 0; ok && i < N_ELEMS(raw); i++)
        ok = enc_unbase64(&raw[i], part[i + 1]) && !raw[i].full;
    ok = ok && raw[0].n > 0 && raw[1].n == k.size && raw[2].n == k.size;
    if (ok) {
        k.salt = str_dup(arena, buf_str(&raw[0]));
        memcpy(k.stored_key, raw[1].p, k.size);
        memcpy(k.server_key, raw[2].p, k.size);
        *ret = k;
    }
    for (size_t i = 0; i < N_ELEMS(raw); i++)
        buf_done(&raw[i]);
    return ok;
}

static bool hmac(const EVP_MD *md, const uint8_t *key, size_t n, struct str text, uint8_t *out)
{
    unsigned size = 0;
    return HMAC(md, key, (int)n, (const unsigned char *)text.p, text.n, out, &size) != NULL && size == n;
}

bool scheme_scram_derive(const char *digest, struct str password, struct str salt, uint32_t iterations, struct scheme_scram *ret)
{
    const EVP_MD *md = EVP_get_digestbyname(digest);
    uint8_t salted[SCRAM_KEY_MAX], client[SCRAM_KEY_MAX];
    struct scheme_scram k = { .iterations = iterations, .salt = salt, .size = md == NULL ? 0 : (size_t)EVP_MD_get_size(md) };
    bool ok = k.size > 0 && k.size <= SCRAM_KEY_MAX && iterations > 0 && iterations <= SCRAM_ITERATIONS_MAX && password.n <= SCHEME_PASSWORD_MAX &&
              PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)salt.p, (int)salt.n, (int)iterations, md, (int)k.size, salted) == 1 &&
              hmac(md, salted, k.size, STR("Client Key"), client) && hmac(md, salted, k.size, STR("Server Key"), k.server_key) &&
              EVP_Digest(client, k.size, k.stored_key, NULL, md, NULL) == 1;
    secret_wipe(salted, sizeof salted);
    secret_wipe(client, sizeof client);
    if (ok)
        *ret = k;
    return ok;
}

bool scheme_scram_keys(const struct scheme *s, const char *mech, struct str salt, uint32_t iterations, struct arena *arena, struct scheme_scram *ret)
{
    const struct scheme_row *r = s->row, *want = scheme_row(str_from(mech));
    struct str password;
    if (r == NULL || want == NULL || want->algo != ALGO_SCRAM)
        return false;
    if (r == want)
        return scheme_scram_parse(r, s->data, arena, ret);
    if (!scheme_clear_text(s, arena, &password))
        return false;
    return scheme_scram_derive(want->digest, password, str_dup(arena, salt), iterations, ret);
}

bool scheme_md4(struct str text, uint8_t out[SCHEME_DIGEST_MAX]) { return MD4((const unsigned char *)text.p, text.n, out) != NULL; }

/* ---- CRAM-MD5: HMAC's two states after their first block ---- */

static void put_le32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get_le32(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

static bool state_of(const uint8_t key[MD5_BLOCK], uint8_t pad, uint8_t *out)
{
    uint8_t block[MD5_BLOCK];
    MD5_CTX c;
    for (size_t i = 0; i < MD5_BLOCK; i++)
        block[i] = key[i] ^ pad;
    bool ok = MD5_Init(&c) == 1 && MD5_Update(&c, block, MD5_BLOCK) == 1;
    put_le32(out, c.A);
    put_le32(out + 4, c.B);
    put_le32(out + 8, c.C);
    put_le32(out + 12, c.D);
    secret_wipe(block, sizeof block);
    secret_wipe(&c, sizeof c);
    return ok;
}

/* RFC 2104: a key longer than a block is digested first. */
bool scheme_cram_state(struct str password, uint8_t ret_state[CRAM_STATE_SIZE])
{
    uint8_t key[MD5_BLOCK] = { 0 };
    if (password.n > MD5_BLOCK)
        (void)MD5((const unsigned char *)password.p, password.n, key);
    else if (password.n > 0)
        memcpy(key, password.p, password.n);
    bool ok = state_of(key, 0x5c, ret_state) && state_of(key, 0x36, ret_state + 16);
    secret_wipe(key, sizeof key);
    return ok;
}

static bool resume(const uint8_t *state, struct str text, uint8_t out[CRAM_DIGEST_SIZE])
{
    MD5_CTX c;
    if (MD5_Init(&c) != 1)
        return false;
    c.A = get_le32(state);
    c.B = get_le32(state + 4);
    c.C = get_le32(state + 8);
    c.D = get_le32(state + 12);
    c.Nl = MD5_BLOCK * 8;
    bool ok = MD5_Update(&c, text.p, text.n) == 1 && MD5_Final(out, &c) == 1;
    secret_wipe(&c, sizeof c);
    return ok;
}

static bool stored_state(const struct scheme *s, uint8_t state[CRAM_STATE_SIZE])
{
    struct buf raw = buf_make(SCHEME_DATA_MAX);
    bool hex = s->encoding == SCHEME_ENC_HEX || (s->encoding == SCHEME_ENC_AUTO && s->data.n == 2 * (size_t)CRAM_STATE_SIZE);
    bool ok = (hex ? enc_unhex(&raw, s->data) : enc_unbase64(&raw, s->data)) && raw.n == CRAM_STATE_SIZE;
    if (ok)
        memcpy(state, raw.p, CRAM_STATE_SIZE);
    secret_wipe(raw.p, raw.n);
    buf_done(&raw);
    return ok;
}

bool scheme_cram_digest(const struct scheme *s, struct str challenge, uint8_t ret_digest[CRAM_DIGEST_SIZE])
{
    const struct scheme_row *r = s->row;
    struct arena arena = arena_make(2 * SCHEME_DATA_MAX + 8192);
    uint8_t state[CRAM_STATE_SIZE], inner[CRAM_DIGEST_SIZE];
    struct str password;
    bool ok = r != NULL && r->algo == ALGO_CRAM ? stored_state(s, state)
            : scheme_clear_text(s, &arena, &password) && scheme_cram_state(password, state);
    ok = ok && resume(state + 16, challenge, inner) && resume(state, str_make(inner, sizeof inner), ret_digest);
    secret_wipe(state, sizeof state);
    secret_wipe(inner, sizeof inner);
    arena_done(&arena);
    return ok;
}
