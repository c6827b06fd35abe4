/* SPDX-License-Identifier: ISC
 *
 * drop.h - a file in maildrop/: what `sendmail` leaves for pickup. Pure.
 *
 * Records (proto/qrec): [A name=value]... [F full name] S sender [< ret]
 * [i envid], per recipient [o orcpt] [n notify] R address, M, content (N and
 * L), X, E. Any local user can write such a file, so nothing else is taken:
 * no other type, only the attributes rewrite_context, encoding and smtputf8,
 * addresses without control characters and within the limits, no text after
 * the end. A file without its E record is not complete.
 */
#ifndef INTAKE_DROP_H
#define INTAKE_DROP_H
#include "base/err.h"
#include "base/vec.h"
#include "proto/smtp_cmd.h"

enum { DROP_RCPTS_MAX = 100000 };
struct drop_rcpt { struct str address, orcpt; unsigned notify; };
struct drop {
    struct str sender, full_name, envid;
    enum smtp_ret ret;
    bool eight_bit, smtputf8;
    VEC(struct drop_rcpt) rcpts;
    struct str content;             /* records, part of the file */
};
/* -1 and *err: not such a file. *ret needs drop_done() either way. */
int drop_parse(struct str file, struct drop *ret, struct err *err);
void drop_done(struct drop *d);
#endif
