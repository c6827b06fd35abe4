/* SPDX-License-Identifier: ISC
 *
 * mechs.h - the mechanisms of postern_auth_mechanisms, in its order. A SCRAM
 * mechanism brings its -PLUS with it. Neighbours on sockets never see -PLUS,
 * and EXTERNAL only where they are trusted: what these need of the TLS session, our
 * own processes vouch for.
 */
#ifndef AUTHD_MECHS_H
#define AUTHD_MECHS_H
#include "auth/mech.h"
#include "authd.h"

enum { MECHS_MAX = 16 };

/* Before privileges are dropped. data_directory: where the salt of users who have none is kept. */
int mechs_open(const char *data_directory, struct err *err);
/* NULL: not offered there. */
const struct mech_row *mechs_find(const struct stream *s, struct str name);
/* What users of an offered mechanism have stored. */
struct mech_usual *mechs_usual(const struct mech_row *row);
/* Rows of the handshake: name and flags. Returns how many. */
size_t mechs_list(const struct stream *s, const char *ret_rows[MECHS_MAX][2]);
/* Is the -PLUS of this mechanism offered to our own processes? */
bool mechs_has_plus(const struct mech_row *row);
bool mechs_needs(enum mech_need need);
#endif
