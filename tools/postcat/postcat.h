/* SPDX-License-Identifier: ISC
 * postcat.h - a queue file as text. */
#ifndef POSTCAT_H
#define POSTCAT_H
#include "base/buf.h"
#include "base/err.h"

struct postcat_options { bool body, decimal, envelope, headers, offsets, raw, verbose; };
/* What can be read goes to *out. ERR_PERM: no queue file at all; ERR_PROTO: damaged. */
int postcat_print(struct str file, const char *name, const struct postcat_options *o, struct buf *out, struct err *err);
#endif
