/* SPDX-License-Identifier: ISC
 *
 * scheme_rows.h - the table of schemes, for the scheme_*.c files only.
 */
#ifndef AUTH_SCHEME_ROWS_H
#define AUTH_SCHEME_ROWS_H
#include "auth/scheme.h"

enum { SCHEME_DIGEST_MAX = 64 };
enum scheme_algo {
    ALGO_PLAIN, ALGO_TRUNC, ALGO_DIGEST, ALGO_SALTED, ALGO_MD5_ANY, ALGO_CRAM, ALGO_USER_DIGEST,
    ALGO_CRYPT, ALGO_PBKDF2, ALGO_ARGON2, ALGO_SCRAM
};
struct scheme_row {
    struct str name;
    enum scheme_algo algo;
    const char *digest;     /* of OpenSSL; of ALGO_CRYPT: the prefix of a new setting; of ALGO_ARGON2: "i" or "id" */
    bool hex;               /* written in hexadecimal, not base64 */
    bool weak;
    uint32_t rounds;        /* of a new one; 0 = it has none */
};
/* NULL: not known. */
const struct scheme_row *scheme_row(struct str name);
/* digest(a b), 0 when the digest is not there. */
size_t scheme_digest(const char *name, struct str a, struct str b, uint8_t out[SCHEME_DIGEST_MAX]);
bool scheme_md4(struct str text, uint8_t out[SCHEME_DIGEST_MAX]);
/* The data as it was before its suffix's encoding. False: it does not decode. */
bool scheme_decode_text(const struct scheme *s, struct buf *out);
/* The two MD5 states (outer, inner) of HMAC with this key: 16 bytes each. */
enum { CRAM_STATE_SIZE = 32 };
bool scheme_cram_state(struct str password, uint8_t ret_state[CRAM_STATE_SIZE]);
/* user:realm:password, its MD5. */
bool scheme_user_digest(struct str user, struct str password, uint8_t out[SCHEME_DIGEST_MAX]);
/* SaltedPassword and what follows from it (RFC 5802 section 3). */
bool scheme_scram_derive(const char *digest, struct str password, struct str salt, uint32_t iterations, struct scheme_scram *ret);
bool scheme_scram_parse(const struct scheme_row *row, struct str data, struct arena *arena, struct scheme_scram *ret);
enum { SCRAM_ITERATIONS_MAX = 1000000, PBKDF2_ROUNDS_MAX = 10000000 };
#endif
