/* SPDX-License-Identifier: ISC
 *
 * scheme.h - stored passwords: "{SCHEME}data", "{SCHEME.HEX}data", or bare
 * data of the default scheme CRYPT, as Dovecot writes them.
 *
 * Cheap schemes (plain text, one digest) are checked at once; slow ones
 * (crypt(3) of libcrypt, PBKDF2) only in the auth worker. A scheme that is not
 * known, or data that does not fit it, is SCHEME_BROKEN: nobody gets in by it.
 */
#ifndef AUTH_SCHEME_H
#define AUTH_SCHEME_H
#include "base/str.h"

enum scheme_kind { SCHEME_UNKNOWN, SCHEME_CHEAP, SCHEME_CRYPT, SCHEME_PBKDF2 };
enum scheme_encoding { SCHEME_ENC_AUTO, SCHEME_ENC_HEX, SCHEME_ENC_BASE64 };
enum scheme_verdict { SCHEME_MATCH, SCHEME_MISMATCH, SCHEME_BROKEN };

struct scheme { struct str name; enum scheme_encoding encoding; struct str data; };

/* Cut a stored password into its parts; they point into it. */
struct scheme scheme_split(struct str stored);
enum scheme_kind scheme_kind(const struct scheme *s);
/* For SCHEME_CHEAP and SCHEME_PBKDF2. Time depends on lengths only. */
enum scheme_verdict scheme_verify(const struct scheme *s, struct str password);
#endif
