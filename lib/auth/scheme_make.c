/* SPDX-License-Identifier: ISC */
#include "auth/scheme_rows.h"
#include "base/enc.h"
#include "os/rand.h"
#include <crypt.h>
#include <openssl/evp.h>
#ifdef HAVE_ARGON2
#include <argon2.h>
#endif

enum { SALT_SIZE = 16, DIGEST_SALT_SIZE = 8, PBKDF2_SALT_LENGTH = 16, ARGON2_HASH_SIZE = 32 };

/* How the bytes of a password are written: the suffix's encoding, or the scheme's own. */
static void put_bytes(const struct scheme_row *r, const struct scheme *s, struct str raw, struct buf *out)
{
    if (s->encoding == SCHEME_ENC_HEX || (s->encoding == SCHEME_ENC_AUTO && r->hex))
        enc_hex(out, raw);
    else
        enc_base64(out, raw);
}

/* The same for schemes that are text already. */
static void put_text(const struct scheme *s, struct str text, struct buf *out)
{
    if (s->encoding == SCHEME_ENC_AUTO)
        buf_add(out, text);
    else
        put_bytes(s->row, s, text, out);
}

static int make_crypt(const struct scheme_row *r, uint32_t rounds, struct str password, struct buf *text, struct err *err)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE], pw[CRYPT_MAX_PASSPHRASE_SIZE];
    if (!str_to_fixed(password, pw, sizeof pw))
        return err_set(err, ERR_PERM, "%s: a password has at most %d bytes, and no NUL", r->name.p, CRYPT_MAX_PASSPHRASE_SIZE - 1);
    if (crypt_gensalt_rn(r->digest, rounds, NULL, 0, setting, sizeof setting) == NULL) {
        secret_wipe(pw, sizeof pw);
        return err_set(err, ERR_PERM, "%s: libcrypt makes no such password%s", r->name.p, rounds > 0 ? " with so many rounds" : "");
    }
    struct crypt_data *data = xcalloc(1, sizeof *data);
    const char *hash = crypt_r(pw, setting, data);
    bool good = hash != NULL && hash[0] != '*';
    if (good)
        buf_puts(text, hash);
    secret_wipe(pw, sizeof pw);
    secret_wipe(data, sizeof *data);
    free(data);
    return good ? 0 : err_set(err, ERR_PERM, "%s: libcrypt cannot hash the password", r->name.p);
}

/* Letters of crypt(3)'s alphabet: a salt that may stand between dollar signs. */
static void put_salt(struct buf *out, size_t length)
{
    static const char letters[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < length; i++)
        buf_putc(out, letters[rand_below(sizeof letters - 1)]);
}

static int make_pbkdf2(uint32_t rounds, struct str password, struct buf *text, struct err *err)
{
    uint8_t key[20];
    struct buf salt = buf_make(0);
    put_salt(&salt, PBKDF2_SALT_LENGTH);
    int rc = rounds > PBKDF2_ROUNDS_MAX ||
             PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)salt.p, (int)salt.n, (int)rounds, EVP_sha1(), sizeof key, key) != 1 ? -1 : 0;
    if (rc == 0) {
        buf_printf(text, "$1$%.*s$%u$", STR_FMT(buf_str(&salt)), rounds);
        enc_hex(text, str_make(key, sizeof key));
    }
    secret_wipe(key, sizeof key);
    buf_done(&salt);
    return rc == 0 ? 0 : err_set(err, ERR_PERM, "PBKDF2: at most %d rounds", PBKDF2_ROUNDS_MAX);
}

static int make_scram(const struct scheme_row *r, uint32_t rounds, struct str password, struct buf *text, struct err *err)
{
    uint8_t salt[SALT_SIZE];
    struct scheme_scram k;
    rand_bytes(salt, sizeof salt);
    if (!scheme_scram_derive(r->digest, password, str_make(salt, sizeof salt), rounds, &k))
        return err_set(err, ERR_PERM, "%s: from 1 to %d rounds", r->name.p, SCRAM_ITERATIONS_MAX);
    buf_printf(text, "%u,", rounds);
    enc_base64(text, k.salt);
    buf_putc(text, ',');
    enc_base64(text, str_make(k.stored_key, k.size));
    buf_putc(text, ',');
    enc_base64(text, str_make(k.server_key, k.size));
    return 0;
}

#ifdef HAVE_ARGON2
static int make_argon2(const struct scheme_row *r, uint32_t rounds, struct str password, struct buf *text, struct err *err)
{
    uint8_t salt[SALT_SIZE];
    char encoded[256];
    bool id = strcmp(r->digest, "id") == 0;
    rand_bytes(salt, sizeof salt);
    int rc = argon2_hash(rounds, id ? 65536 : 32768, 1, password.p, password.n, salt, sizeof salt, NULL, ARGON2_HASH_SIZE, encoded, sizeof encoded,
                         id ? Argon2_id : Argon2_i, ARGON2_VERSION_13);
    if (rc != ARGON2_OK)
        return err_set(err, ERR_PERM, "%s: %s", r->name.p, argon2_error_message(rc));
    buf_puts(text, encoded);
    return 0;
}
#else
static int make_argon2(const struct scheme_row *r, uint32_t rounds, struct str password, struct buf *text, struct err *err)
{
    (void)rounds, (void)password, (void)text;
    return err_set(err, ERR_PERM, "%s: this build has no Argon2 (libargon2 was not there)", r->name.p);
}
#endif

static int make_digest(const struct scheme_row *r, struct str password, struct buf *raw, struct err *err)
{
    uint8_t got[SCHEME_DIGEST_MAX], salt[DIGEST_SALT_SIZE];
    rand_bytes(salt, sizeof salt);
    struct str tail = r->algo == ALGO_SALTED ? str_make(salt, sizeof salt) : STR("");
    size_t size = scheme_digest(r->digest, password, tail, got);
    if (size == 0)
        return err_set(err, ERR_PERM, "%s: OpenSSL has no such digest", r->name.p);
    buf_put(raw, got, size);
    buf_add(raw, tail);
    return 0;
}

static int make_keyed(const struct scheme_row *r, struct str password, struct str user, struct buf *raw, struct err *err)
{
    uint8_t state[SCHEME_DIGEST_MAX];
    if (r->algo == ALGO_USER_DIGEST && user.n == 0)
        return err_set(err, ERR_PERM, "%s: the user name is a part of it (-u)", r->name.p);
    bool ok = r->algo == ALGO_USER_DIGEST ? scheme_user_digest(user, password, state) : scheme_cram_state(password, state);
    if (ok)
        buf_put(raw, state, r->algo == ALGO_USER_DIGEST ? 16 : CRAM_STATE_SIZE);
    secret_wipe(state, sizeof state);
    return ok ? 0 : err_set(err, ERR_PERM, "%s: OpenSSL has no MD5", r->name.p);
}

/* Text schemes into *text, byte schemes into *raw. */
static int make_data(const struct scheme_row *r, struct str password, struct str user, uint32_t rounds, struct buf *text, struct buf *raw, struct err *err)
{
    switch (r->algo) {
    case ALGO_PLAIN: buf_add(text, password); return 0;
    case ALGO_TRUNC: buf_printf(text, "%zu-", password.n); buf_add(text, password); return 0;
    case ALGO_CRYPT: return make_crypt(r, rounds, password, text, err);
    case ALGO_PBKDF2: return make_pbkdf2(rounds, password, text, err);
    case ALGO_ARGON2: return make_argon2(r, rounds, password, text, err);
    case ALGO_SCRAM: return make_scram(r, rounds, password, text, err);
    case ALGO_DIGEST:
    case ALGO_SALTED: return make_digest(r, password, raw, err);
    case ALGO_MD5_ANY: return make_crypt(scheme_row(STR("MD5-CRYPT")), 0, password, text, err);
    case ALGO_CRAM:
    case ALGO_USER_DIGEST: return make_keyed(r, password, user, raw, err);
    }
    UNREACHABLE();
}

int scheme_make(struct str label, struct str password, struct str user, uint32_t rounds, struct buf *out, struct err *err)
{
    struct scheme s = scheme_of(label, STR(""));
    const struct scheme_row *r = s.row;
    struct buf text = buf_make(SCHEME_DATA_MAX), raw = buf_make(SCHEME_DATA_MAX);
    if (r == NULL || label.n == 0)
        return err_set(err, ERR_PERM, "unknown scheme: %.*s", STR_FMT(label));
    if (password.n > SCHEME_PASSWORD_MAX)
        return err_set(err, ERR_PERM, "the password is longer than %d bytes", SCHEME_PASSWORD_MAX);
    int rc = make_data(r, password, user, r->rounds > 0 && rounds > 0 ? rounds : r->rounds, &text, &raw, err);
    if (rc == 0) {
        buf_printf(out, "{%.*s}", STR_FMT(label));
        if (raw.n > 0)
            put_bytes(r, &s, buf_str(&raw), out);
        else
            put_text(&s, buf_str(&text), out);
    }
    secret_wipe(text.p, text.n);
    secret_wipe(raw.p, raw.n);
    buf_done(&text);
    buf_done(&raw);
    return rc;
}
