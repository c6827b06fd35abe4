/* SPDX-License-Identifier: ISC */
#include "auth/token.h"
#include "base/enc.h"
#include "base/num.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

enum { MAC_SIZE = 32 };

bool token_keys_add(struct token_keys *k, uint32_t serial, struct str key)
{
    if (serial == 0 || key.n != TOKEN_KEY_SIZE)
        return false;
    for (size_t i = 0; i < TOKEN_KEYS_KEPT; i++)
        if (k->keys[i].serial == serial)
            return false;
    memmove(&k->keys[1], &k->keys[0], sizeof k->keys - sizeof k->keys[0]);
    k->keys[0].serial = serial;
    memcpy(k->keys[0].bytes, key.p, TOKEN_KEY_SIZE);
    return true;
}

bool token_key_make(uint32_t serial, struct token_key *ret_key)
{
    struct token_key key = { .serial = serial };
    if (getrandom(key.bytes, sizeof key.bytes, 0) != (ssize_t)sizeof key.bytes)
        return false;
    *ret_key = key;
    return true;
}

static void put_num(struct buf *out, uint64_t v)
{
    uint8_t be[8];
    put_be64(be, v);
    buf_put(out, be, sizeof be);
}

/* Each text with its length in front: no two claims give the same bytes. */
static void put_text(struct buf *out, struct str s)
{
    put_num(out, s.n);
    buf_add(out, s);
}

static void compute(const struct token_key *key, const struct token_claim *c, uint64_t expires, uint8_t mac[MAC_SIZE])
{
    struct buf b = buf_make(0);
    unsigned n = MAC_SIZE;
    buf_puts(&b, "postern identity token");
    put_num(&b, key->serial);
    put_num(&b, expires);
    put_num(&b, c->channel);
    put_text(&b, c->user);
    put_text(&b, c->service);
    put_text(&b, c->remote);
    const void *ok = HMAC(EVP_sha256(), key->bytes, TOKEN_KEY_SIZE, (const unsigned char *)buf_cstr(&b), b.n, mac, &n);
    ASSERT(ok != NULL && n == MAC_SIZE);
    buf_done(&b);
}

void token_make(const struct token_key *key, const struct token_claim *claim, int64_t expires, struct buf *out)
{
    uint8_t mac[MAC_SIZE];
    ASSERT(key->serial != 0 && expires > 0);
    compute(key, claim, (uint64_t)expires, mac);
    buf_u64(out, key->serial);
    buf_putc(out, ':');
    buf_u64(out, (uint64_t)expires);
    buf_putc(out, ':');
    enc_base64(out, str_make(mac, sizeof mac));
}

static const struct token_key *find_key(const struct token_keys *k, uint32_t serial)
{
    for (size_t i = 0; i < TOKEN_KEYS_KEPT; i++)
        if (k->keys[i].serial == serial)
            return &k->keys[i];
    return NULL;
}

bool token_verify(const struct token_keys *k, const struct token_claim *claim, int64_t now, struct str text)
{
    struct str serial_text, expiry_text, mac_text, rest;
    uint32_t serial;
    uint64_t expires;
    uint8_t mac[MAC_SIZE];
    if (text.n > TOKEN_TEXT_MAX || !str_cut(text, ':', &serial_text, &rest) || !str_cut(rest, ':', &expiry_text, &mac_text) ||
        !num_parse_u32(serial_text, UINT32_MAX, &serial) || !num_parse_u64(expiry_text, INT64_MAX, &expires))
        return false;
    const struct token_key *key = serial == 0 ? NULL : find_key(k, serial);
    if (key == NULL || (int64_t)expires <= now)
        return false;
    compute(key, claim, expires, mac);
    struct buf want = buf_make(0);
    enc_base64(&want, str_make(mac, sizeof mac));
    bool same = secret_eq(buf_str(&want), mac_text);
    buf_done(&want);
    return same;
}
