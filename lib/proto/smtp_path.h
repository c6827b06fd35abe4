/* SPDX-License-Identifier: ISC
 *
 * smtp_path.h - mailbox addresses as SMTP writes them (RFC 5321 §4.1.2), and
 * the form in which Postern carries them about.
 *
 * The internal form is what Postfix keeps in its queue: the local part without
 * quotes, "@", the domain. The domain is what follows the *last* "@": a local
 * part may hold any character, "@" and blanks included, if it was quoted.
 * Source routes are dropped (RFC 5321 §3.6.1 and appendix C).
 *
 * Refused in every form: control characters, NUL, unquoted blanks and angle
 * brackets, domains with characters that no host name has, malformed address
 * literals, and anything over the limits. The lenient form takes what
 * Postfix takes beside that: unquoted specials in local parts, two dots in a
 * row, several "@".
 */
#ifndef PROTO_SMTP_PATH_H
#define PROTO_SMTP_PATH_H
#include "base/arena.h"
#include "base/buf.h"

enum { SMTP_LOCAL_MAX_STRICT = 64, SMTP_LOCAL_MAX = 256, SMTP_DOMAIN_MAX = 255, SMTP_ADDRESS_MAX = SMTP_LOCAL_MAX + 1 + SMTP_DOMAIN_MAX };

enum smtp_path_flags {
    SMTP_PATH_STRICT = 1,       /* RFC 5321 §4.1.2 to the letter: dot-string or quoted-string, 64 octets */
    SMTP_PATH_UTF8 = 2,         /* SMTPUTF8 was declared (RFC 6531 §3.3) */
};
enum smtp_path_result {
    SMTP_PATH_OK,
    SMTP_PATH_SYNTAX,
    SMTP_PATH_TOO_LONG,
    SMTP_PATH_NEEDS_UTF8,       /* has non-ASCII characters but SMTPUTF8 was not declared */
};
struct smtp_path {
    struct str address;         /* internal form; empty = the null path <> */
    struct str local;           /* part of address */
    struct str domain;          /* part of address; empty = none was given */
    bool needs_utf8;
};

/* text: what stands between < and >. The result is in the arena. */
enum smtp_path_result smtp_path_parse(struct str text, unsigned flags, struct arena *a, struct smtp_path *ret);
/* Split an internal address at its last "@"; domain is empty if there is none. */
void smtp_address_split(struct str address, struct str *ret_local, struct str *ret_domain);
/* Internal form to what SMTP and header fields need: quotes the local part if it must be. No angle brackets. */
void smtp_address_put(struct buf *out, struct str address);
bool smtp_local_needs_quotes(struct str local);
/* A host name or domain: LDH labels (and "_"), 63 octets each; with UTF-8 labels if `utf8`. No trailing dot. */
bool smtp_domain_is_valid(struct str domain, bool utf8);
/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" with a valid address inside; *ret_addr is the bare address. */
bool smtp_literal_parse(struct str domain, struct str *ret_addr);
#endif
