/* SPDX-License-Identifier: ISC
 *
 * expand.h - the address half of Postfix's cleanup: canonical tables,
 * masquerading, virtual aliases, copies (bcc), and whether a recipient exists.
 *
 * Alias expansion is bounded in depth and in number, so a loop in a table ends
 * as an error, never as a message. A table that fails temporarily makes the
 * answer EXPAND_TEMP: the caller says 451.
 */
#ifndef INTAKE_EXPAND_H
#define INTAKE_EXPAND_H
#include "base/vec.h"
#include "intake/resolve.h"
#include "proto/addr_field.h"

struct expand;
enum expand_result { EXPAND_OK, EXPAND_TEMP, EXPAND_TOO_MANY };

/* Result of an expansion: internal addresses in the arena given. */
struct expand_list { VEC(struct str) addrs; };

/* NULL and *err: a table cannot be opened. Everything given must outlive the result. */
struct expand *expand_open(const struct intake_conf *conf, const struct resolve_conf *rconf, struct resolve *resolve, struct config *config, struct err *err);
void expand_close(struct expand *x);

/* WAITS. The sender as it goes into the queue: rewritten, canonical, masqueraded. */
enum expand_result expand_sender(struct expand *x, struct str address, struct arena *a, struct str *ret, struct err *err);
/* WAITS. Appends to *list what one recipient becomes. Duplicates of entries from `from` on are left out. */
enum expand_result expand_recipient(struct expand *x, struct str address, struct arena *a, struct expand_list *list, struct err *err);
/* WAITS. always_bcc, sender_bcc_maps and recipient_bcc_maps; recipient: "" = only for the sender. */
enum expand_result expand_bcc(struct expand *x, struct str sender, struct str recipient, struct arena *a, struct expand_list *list, struct err *err);

enum header_context { HEADER_LEFT_ALONE, HEADER_LOCAL, HEADER_REMOTE };
/*
 * WAITS. An address of a header field: completed with the domain of its
 * context, canonical, masqueraded, as far as the classes go. EXPAND_TOO_MANY: a
 * canonical table never comes to an end.
 */
enum expand_result expand_header(struct expand *x, enum header_context context, enum addr_role role, struct str address, struct arena *a, struct str *ret,
                                 struct err *err);

enum known { KNOWN, KNOWN_NOT, KNOWN_TEMP };
/*
 * WAITS. Does the recipient (standard form, resolved) exist? On KNOWN_NOT
 * *ret_table is "local recipient table" ... or NULL when tables are not to be
 * named. *ret_plain: no table rewrites it, so expansion would give it back as it is.
 */
enum known expand_is_known(struct expand *x, struct str address, const struct resolved *where, struct arena *a, const char **ret_table, bool *ret_plain,
                           struct err *err);
#endif
