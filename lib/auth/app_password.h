/* SPDX-License-Identifier: ISC
 *
 * app_password.h - passwords for one device or program each, beside the
 * account's own; a file of lines like a passwd-file's, several per user:
 *
 *   user:{SSHA256}hash:::name:::services=imap,smtp allow_nets=192.0.2.0/24 expires=1790000000 created=1780000000
 *
 * The password is made here, never chosen: 26 letters of 5 random bits. With 130
 * bits there is nothing to guess, so a salted SHA-256 is as good as a slow hash, and checking
 * all of a user's costs microseconds. It is shown in groups with '-' between
 * them; case, '-' and blanks do not count when it is typed.
 */
#ifndef AUTH_APP_PASSWORD_H
#define AUTH_APP_PASSWORD_H
#include "base/buf.h"

enum { APP_PASSWORD_LETTERS = 26, APP_PASSWORDS_PER_USER_MAX = 50, APP_NAME_MAX = 64, APP_LINE_MAX = 2048 };

struct app_password {
    struct str user, stored, name;
    struct str services, networks;      /* "" = all */
    int64_t expires, created;           /* seconds; expires 0 = never */
};

/* One line without LF; the strings point into it. False: not an entry. */
bool app_password_parse(struct str line, struct app_password *ret);
void app_password_put(const struct app_password *a, struct buf *out);
/* Letters, digits, '.', '_', '-' and blanks inside, 1 to APP_NAME_MAX. */
bool app_password_name_good(struct str name);
/* Comma-separated imap, pop3, smtp, sieve. */
bool app_password_services_good(struct str services);
/* A new one, as it is shown. */
void app_password_make(struct buf *out);
/* What a client sent, as it was when it was made. False: that is none of ours. */
bool app_password_normal(struct str typed, char ret[APP_PASSWORD_LETTERS]);
/* Why a right one is refused here and now; NULL: it is not. "submission" counts as smtp. */
const char *app_password_refusal(const struct app_password *a, struct str service, struct str remote, int64_t now);
#endif
