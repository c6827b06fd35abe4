/* SPDX-License-Identifier: ISC
 *
 * scheme.h - stored passwords: "{SCHEME}data", "{SCHEME.HEX}data",
 * "{SCHEME.B64}data", or bare data of a default scheme, as Dovecot writes them.
 *
 *   scheme.c        the table; the cheap ones (the text itself, one digest)
 *   scheme_slow.c   crypt(3) of libcrypt, PBKDF2, Argon2, SCRAM: for workers only
 *   scheme_make.c   a stored password from a clear one
 *   scheme_keys.c   what SCRAM and CRAM-MD5 need of a stored password
 *   scheme_rehash.c is a stored password as it should be stored today
 *
 * A scheme that is not known, or data that does not fit it, is SCHEME_BROKEN:
 * nobody gets in by it. Weak schemes are verified as others are; whether one
 * is let in is the caller's to ask (scheme_is_weak) and the administrator's to
 * say (postern_auth_allow_weak_schemes). All limits on work (rounds, memory)
 * are in scheme_slow.c: a stored password cannot cost minutes.
 */
#ifndef AUTH_SCHEME_H
#define AUTH_SCHEME_H
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* How it is checked: at once, or by a process for it (the last two: with libcrypt; PBKDF2, Argon2 and SCRAM). */
enum scheme_kind { SCHEME_UNKNOWN, SCHEME_CHEAP, SCHEME_CRYPT, SCHEME_PBKDF2 };
enum scheme_encoding { SCHEME_ENC_AUTO, SCHEME_ENC_HEX, SCHEME_ENC_BASE64 };
enum scheme_verdict { SCHEME_MATCH, SCHEME_MISMATCH, SCHEME_BROKEN };
enum { SCHEME_DATA_MAX = 2048, SCHEME_PASSWORD_MAX = 1024 };

struct scheme_row;
struct scheme {
    struct str name;                /* without its suffix */
    enum scheme_encoding encoding;
    struct str data;
    struct str label;               /* the name with its suffix, "" when the text had none: what a worker is told */
    struct str user;                /* for DIGEST-MD5; the caller's to set */
    const struct scheme_row *row;   /* private: NULL when it is not known */
};

/* Cut a stored password into its parts; they point into it. Without {}: default_scheme ("" = CRYPT). */
struct scheme scheme_split(struct str stored);
struct scheme scheme_split_default(struct str stored, struct str default_scheme);
/* The same of a label and data, as a worker gets them. */
struct scheme scheme_of(struct str label, struct str data);
enum scheme_kind scheme_kind(const struct scheme *s);
/* Refused unless the administrator allows it. */
bool scheme_is_weak(const struct scheme *s);
/* For SCHEME_CHEAP. Time depends on lengths only. */
enum scheme_verdict scheme_verify(const struct scheme *s, struct str password);
/* For all of them; may take seconds. *ret_why: more about SCHEME_BROKEN, or NULL. */
enum scheme_verdict scheme_verify_slow(const struct scheme *s, struct str password, const char **ret_why);

/* The name of the i-th scheme, as it is written; NULL after the last. */
const char *scheme_name(size_t i);
/*
 * Appends "{LABEL}data" to *out, with a new random salt. label: a scheme, with or without
 * a suffix. rounds: 0 = the scheme's own default. user: for DIGEST-MD5 (name or name@realm).
 */
int scheme_make(struct str label, struct str password, struct str user, uint32_t rounds, struct buf *out, struct err *err);

/*
 * Is it of another scheme than label, or of fewer rounds than `rounds` (0: any number will do)? {CRYPT}$6$ and
 * {SHA512-CRYPT}$6$ are the same scheme; what is not known is not outdated.
 */
bool scheme_is_outdated(const struct scheme *s, struct str label, uint32_t rounds);
/* Why passwords should not be stored anew like this; NULL: they may. */
const char *scheme_rehash_refusal(struct str label, uint32_t rounds);

/* ---- for mechanisms that never see the password ---- */

/* The password itself, when it is stored in a scheme that keeps it. In the arena. */
bool scheme_clear_text(const struct scheme *s, struct arena *arena, struct str *ret_password);

enum { SCRAM_KEY_MAX = 32 };
struct scheme_scram {
    uint32_t iterations;
    struct str salt;                /* raw, in the arena */
    size_t size;                    /* of a key: 20 or 32 */
    uint8_t stored_key[SCRAM_KEY_MAX], server_key[SCRAM_KEY_MAX];
};
/*
 * mech: "SCRAM-SHA-1" or "SCRAM-SHA-256". From {SCRAM-...} of that hash at once; from a
 * password in clear with the salt and iterations given, which costs as many
 * rounds of the hash (4096: about 1 ms). False: neither.
 */
bool scheme_scram_keys(const struct scheme *s, const char *mech, struct str salt, uint32_t iterations, struct arena *arena, struct scheme_scram *ret);

enum { CRAM_DIGEST_SIZE = 16 };
/* What a client that knows the password answers to this challenge. From {CRAM-MD5}, {HMAC-MD5} or clear text; false otherwise. */
bool scheme_cram_digest(const struct scheme *s, struct str challenge, uint8_t ret_digest[CRAM_DIGEST_SIZE]);
#endif
