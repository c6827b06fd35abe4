/* SPDX-License-Identifier: ISC
 *
 * complete.h - addresses without a domain in header fields of local mail
 * ("From: root (Cron Daemon)") get one, as Postfix's trivial-rewrite does for
 * local_header_rewrite_clients. A field whose addresses are all complete is
 * not touched; in one that is written anew names, comments and groups stay.
 */
#ifndef INTAKE_COMPLETE_H
#define INTAKE_COMPLETE_H
#include "base/buf.h"

/* True: *out holds the field with "@domain" added where an address has none. False: it stays as it is. */
bool complete_field(struct str field, struct str domain, struct buf *out);
#endif
