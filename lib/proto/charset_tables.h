/* SPDX-License-Identifier: ISC
 *
 * charset_tables.h - single-byte charsets whose lower half is ASCII. Part of
 * charset.c.
 */
#ifndef PROTO_CHARSET_TABLES_H
#define PROTO_CHARSET_TABLES_H
#include "base/str.h"

struct charset_table { const char *names[2]; uint16_t high[128]; };
/* Code points of the bytes 0x80 to 0xff, NULL when the charset is not one of them. */
const uint16_t *charset_table(struct str name);
#endif
