/* SPDX-License-Identifier: ISC */
#include "auth/scheme_rows.h"
#include "base/enc.h"
#include "base/num.h"
#include <crypt.h>
#include <openssl/evp.h>
#ifdef HAVE_ARGON2
#include <argon2.h>
#endif

/* Argon2: KiB, passes and lanes of a stored password; what a worker may be made to spend. */
enum { ARGON2_KIB_MAX = 1 << 20, ARGON2_PASSES_MAX = 64, ARGON2_LANES_MAX = 64, ARGON2_WORK_MAX = 4 << 20, ARGON2_BYTES_MAX = 128 };
enum { ARENA_MAX = 64 << 10 };

static enum scheme_verdict verdict(bool same) { return same ? SCHEME_MATCH : SCHEME_MISMATCH; }

/* A NUL ends what crypt(3) sees of a password; beyond libcrypt's maximum there is no hash. Neither is anyone's password. */
static bool fits_crypt(struct str password) { return password.n < CRYPT_MAX_PASSPHRASE_SIZE && memchr(password.p == NULL ? "" : password.p, '\0', password.n) == NULL; }

static enum scheme_verdict verify_crypt(const struct scheme *s, struct str password, struct arena *arena, const char **ret_why)
{
    struct buf text = buf_make(SCHEME_DATA_MAX);
    const char *setting = NULL;
    if (scheme_decode_text(s, &text) && !text.full)
        setting = str_to_cstr(arena, buf_str(&text));
    buf_done(&text);
    if (setting == NULL || setting[0] == '\0' || setting[0] == '*' || setting[0] == '!')
        return SCHEME_BROKEN;
    if (!fits_crypt(password))
        return SCHEME_MISMATCH;
    char *pw = str_to_cstr(arena, password);
    struct crypt_data *data = arena_alloc(arena, sizeof *data);
    const char *got = crypt_r(pw, setting, data);
    /* A failure may be told by a string that starts with '*': that is never a match. */
    bool worked = got != NULL && got[0] != '*';
    enum scheme_verdict v = worked ? verdict(secret_eq(str_from(got), str_from(setting))) : SCHEME_BROKEN;
    if (!worked)
        *ret_why = "libcrypt does not know it";
    secret_wipe(pw, password.n);
    secret_wipe(data, sizeof *data);
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
    if (rest.n == 0 && str_eqz(part[0], "1") && num_parse_u32(part[2], PBKDF2_ROUNDS_MAX, &rounds) && rounds > 0 && enc_unhex(&raw, part[3]) &&
        raw.n == sizeof got &&
        PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)part[1].p, (int)part[1].n, (int)rounds, EVP_sha1(), sizeof got, got) == 1)
        v = verdict(secret_eq(str_make(got, sizeof got), buf_str(&raw)));
    secret_wipe(got, sizeof got);
    buf_done(&raw);
    return v;
}

static enum scheme_verdict verify_scram(const struct scheme_row *row, const struct scheme *s, struct str password, struct arena *arena)
{
    struct scheme_scram stored, made;
    if (!scheme_scram_parse(row, s->data, arena, &stored) || !scheme_scram_derive(row->digest, password, stored.salt, stored.iterations, &made))
        return SCHEME_BROKEN;
    enum scheme_verdict v = verdict(secret_eq(str_make(made.stored_key, made.size), str_make(stored.stored_key, stored.size)));
    secret_wipe(&made, sizeof made);
    return v;
}

#ifdef HAVE_ARGON2
struct argon2_text { uint32_t version, kib, passes, lanes; struct buf salt, hash; };

static bool take_number(struct str *rest, const char *name, uint32_t max, char end, uint32_t *ret)
{
    struct str word, label = str_from(name);
    if (!str_cut(*rest, end, &word, rest) || !str_starts(word, label))
        return false;
    return num_parse_u32(str_skip(word, label.n), max, ret) && *ret > 0;
}

/* Base64 without padding, as the Argon2 text has it. */
static bool unbase64(struct buf *out, struct str text)
{
    struct buf padded = buf_make(512);
    buf_add(&padded, text);
    while (padded.n % 4 != 0)
        buf_putc(&padded, '=');
    bool ok = !padded.full && text.n % 4 != 1 && enc_unbase64(out, buf_str(&padded));
    buf_done(&padded);
    return ok && !out->full;
}

/* $argon2id$v=19$m=65536,t=3,p=1$salt$hash */
static bool parse_argon2(struct str text, const char *type, struct argon2_text *a)
{
    struct str word, hash;
    if (!str_starts(text, STR("$argon2")) || !str_cut(str_skip(text, 7), '$', &word, &text) || !str_eqz(word, type))
        return false;
    a->version = ARGON2_VERSION_10;
    if (str_starts(text, STR("v=")) && !take_number(&text, "v=", 255, '$', &a->version))
        return false;
    if (!take_number(&text, "m=", ARGON2_KIB_MAX, ',', &a->kib) || !take_number(&text, "t=", ARGON2_PASSES_MAX, ',', &a->passes) ||
        !take_number(&text, "p=", ARGON2_LANES_MAX, '$', &a->lanes) || !str_cut(text, '$', &text, &hash))
        return false;
    return (uint64_t)a->kib * a->passes <= ARGON2_WORK_MAX && unbase64(&a->salt, text) && unbase64(&a->hash, hash) && a->salt.n >= 8 && a->hash.n >= 12;
}

static enum scheme_verdict run_argon2(const struct argon2_text *a, const char *type, char *password, size_t n, const char **ret_why)
{
    uint8_t got[ARGON2_BYTES_MAX];
    argon2_context c = { .out = got, .outlen = (uint32_t)a->hash.n, .pwd = (uint8_t *)password, .pwdlen = (uint32_t)n, .salt = (uint8_t *)a->salt.p,
                         .saltlen = (uint32_t)a->salt.n, .t_cost = a->passes, .m_cost = a->kib, .lanes = a->lanes, .threads = 1,
                         .version = a->version, .flags = ARGON2_DEFAULT_FLAGS };
    int rc = argon2_ctx(&c, strcmp(type, "id") == 0 ? Argon2_id : Argon2_i);
    if (rc != ARGON2_OK)
        *ret_why = argon2_error_message(rc);
    enum scheme_verdict v = rc == ARGON2_OK ? verdict(secret_eq(str_make(got, a->hash.n), buf_str(&a->hash))) : SCHEME_BROKEN;
    secret_wipe(got, sizeof got);
    return v;
}

static enum scheme_verdict verify_argon2(const struct scheme_row *row, const struct scheme *s, struct str password, struct arena *arena, const char **ret_why)
{
    struct argon2_text a = { .salt = buf_make(ARGON2_BYTES_MAX), .hash = buf_make(ARGON2_BYTES_MAX) };
    enum scheme_verdict v = SCHEME_BROKEN;
    if (parse_argon2(s->data, row->digest, &a)) {
        struct str copy = str_dup(arena, password);
        char *pw = arena_copy(arena, copy.p, copy.n + 1);
        v = run_argon2(&a, row->digest, pw, password.n, ret_why);
        secret_wipe(pw, password.n);
    }
    buf_done(&a.salt);
    buf_done(&a.hash);
    return v;
}
#else
static enum scheme_verdict verify_argon2(const struct scheme_row *row, const struct scheme *s, struct str password, struct arena *arena, const char **ret_why)
{
    (void)row, (void)s, (void)password, (void)arena;
    *ret_why = "this build has no Argon2 (libargon2 was not there)";
    return SCHEME_BROKEN;
}
#endif

static enum scheme_verdict verify_in(const struct scheme *s, struct str password, struct arena *arena, const char **ret_why)
{
    const struct scheme_row *r = s->row;
    switch (r->algo) {
    case ALGO_CRYPT:
    case ALGO_MD5_ANY: return verify_crypt(s, password, arena, ret_why);
    case ALGO_PBKDF2: return verify_pbkdf2(s, password);
    case ALGO_SCRAM: return verify_scram(r, s, password, arena);
    case ALGO_ARGON2: return verify_argon2(r, s, password, arena, ret_why);
    case ALGO_PLAIN:
    case ALGO_TRUNC:
    case ALGO_DIGEST:
    case ALGO_SALTED:
    case ALGO_CRAM:
    case ALGO_USER_DIGEST: break;
    }
    UNREACHABLE();
}

enum scheme_verdict scheme_verify_slow(const struct scheme *s, struct str password, const char **ret_why)
{
    const char *why = NULL;
    enum scheme_verdict v = SCHEME_BROKEN;
    if (scheme_kind(s) == SCHEME_CHEAP) {
        v = scheme_verify(s, password);
    } else if (scheme_kind(s) == SCHEME_UNKNOWN) {
        why = "the scheme is not known";
    } else if (s->data.n > 0 && s->data.n <= SCHEME_DATA_MAX && password.n <= SCHEME_PASSWORD_MAX) {
        struct arena arena = arena_make(ARENA_MAX);
        v = verify_in(s, password, &arena, &why);
        arena_done(&arena);
    }
    if (ret_why != NULL)
        *ret_why = why;
    return v;
}
