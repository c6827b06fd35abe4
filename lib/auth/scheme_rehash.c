/* SPDX-License-Identifier: ISC */
#include "auth/scheme_rows.h"
#include "base/enc.h"
#include "base/num.h"

static const char crypt_letters[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* What a worker can do in a second or so, and no scheme means by less than the first. */
static const struct { const char *scheme; uint32_t least, most; } limits[] = {
    { "SHA512-CRYPT", 1000, 5000000 }, { "SHA256-CRYPT", 1000, 5000000 }, { "BLF-CRYPT", 4, 15 }, { "CRYPT", 1, 9 },
    { "ARGON2ID", 1, 32 }, { "ARGON2I", 3, 32 }, { "PBKDF2", 1000, 2000000 }, { "SCRAM-SHA-256", 4096, SCRAM_ITERATIONS_MAX },
    { "SCRAM-SHA-1", 4096, SCRAM_ITERATIONS_MAX },
};

const char *scheme_rehash_refusal(struct str label, uint32_t rounds)
{
    struct scheme s = scheme_of(label, STR(""));
    const struct scheme_row *r = s.row;
    if (r == NULL || label.n == 0)
        return "no such scheme";
    if (r->algo == ALGO_PLAIN || r->algo == ALGO_TRUNC)
        return "keeps the password itself";
    if (r->weak)
        return "is a weak scheme";
    /* Made of the name as well, or known by the administrator only. */
    if (r->algo == ALGO_USER_DIGEST || r->algo == ALGO_CRAM || r->algo == ALGO_DIGEST)
        return "has no salt";
    if (rounds == 0)
        return NULL;
    for (size_t i = 0; i < N_ELEMS(limits); i++)
        if (str_eqz(r->name, limits[i].scheme))
            return rounds < limits[i].least ? "wants more rounds" : rounds > limits[i].most ? "would take too long with so many rounds" : NULL;
    return "has no rounds";
}

static uint32_t number_of(struct str text, uint32_t fallback)
{
    uint64_t n;
    return num_take_u64(&text, UINT32_MAX, &n) ? (uint32_t)n : fallback;
}

static uint32_t number_after(struct str text, const char *label, uint32_t fallback)
{
    ptrdiff_t at = str_find(text, str_from(label));
    return at < 0 ? fallback : number_of(str_skip(text, (size_t)at + strlen(label)), fallback);
}

/* $1$salt$rounds$hash */
static uint32_t pbkdf2_rounds(struct str data)
{
    struct str part;
    for (size_t i = 0; i < 3; i++)
        (void)str_cut(data, '$', &part, &data);
    return number_of(data, 0);
}

/* $y$j9T$...: the second letter is the logarithm of the memory; libcrypt's cost counts from there. */
static uint32_t yescrypt_cost(struct str data)
{
    const char *letter = data.n > 5 ? strchr(crypt_letters, data.p[4]) : NULL;
    ptrdiff_t at = letter == NULL || *letter == '\0' ? 0 : letter - crypt_letters, less = data.n > 5 && data.p[5] == 'T' ? 6 : 8;
    return at > less ? (uint32_t)(at - less) : 1;
}

static bool has_prefix(struct str data, const char *prefix) { return str_starts(data, str_from(prefix)); }

static bool is_bcrypt(struct str data) { return has_prefix(data, "$2a$") || has_prefix(data, "$2b$") || has_prefix(data, "$2x$") || has_prefix(data, "$2y$"); }

/* 0: it does not say. */
static uint32_t rounds_of(enum scheme_algo algo, struct str data)
{
    switch (algo) {
    case ALGO_CRYPT:
        return is_bcrypt(data) ? number_of(str_skip(data, 4), 0) : has_prefix(data, "$y$") ? yescrypt_cost(data)
             : has_prefix(data, "$5$") || has_prefix(data, "$6$") ? number_after(data, "$rounds=", 5000) : 0;
    case ALGO_ARGON2: return number_after(data, ",t=", 0);
    case ALGO_PBKDF2: return pbkdf2_rounds(data);
    case ALGO_SCRAM: return number_of(data, 0);
    case ALGO_PLAIN:
    case ALGO_TRUNC:
    case ALGO_DIGEST:
    case ALGO_SALTED:
    case ALGO_MD5_ANY:
    case ALGO_CRAM:
    case ALGO_USER_DIGEST: return 0;
    }
    UNREACHABLE();
}

/* Names differ where crypt(3)'s prefix says the same: {CRYPT}$6$... is a SHA512-CRYPT. */
static bool is_same(const struct scheme_row *stored, struct str data, const struct scheme_row *wanted)
{
    bool both_crypt = wanted->algo == ALGO_CRYPT && (stored->algo == ALGO_CRYPT || stored->algo == ALGO_MD5_ANY);
    if (!both_crypt)
        return stored->algo == wanted->algo && str_eqz(str_from(stored->digest), wanted->digest == NULL ? "" : wanted->digest);
    return strcmp(wanted->digest, "$2y$") == 0 ? is_bcrypt(data) : has_prefix(data, wanted->digest);
}

bool scheme_is_outdated(const struct scheme *s, struct str label, uint32_t rounds)
{
    struct scheme wanted = scheme_of(label, STR(""));
    struct buf text = buf_make(SCHEME_DATA_MAX);
    if (s->row == NULL || wanted.row == NULL || s->data.n == 0)
        return false;
    bool ok = scheme_decode_text(s, &text) && !text.full;
    struct str data = ok ? buf_str(&text) : STR("");
    bool same = is_same(s->row, data, wanted.row);
    uint32_t has = same ? rounds_of(wanted.row->algo, data) : 0;
    bool outdated = !same || (rounds > 0 && has > 0 && has < rounds);
    secret_wipe(text.p, text.n);
    buf_done(&text);
    return outdated;
}
