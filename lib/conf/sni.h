/* SPDX-License-Identifier: ISC
 *
 * sni.h - certificates of more names than one: tables from the name that a
 * client asks for in TLS to the files with its key and certificate chain.
 *
 *   texthash:/etc/postfix/sni     lines "name file file ..."; also as hash:, lmdb:, btree:,
 *                                 cdb: and dbm:, whose text is read as it stands beside the table
 *   inline:{ { name = file file }, ... }
 *
 * A name is a host's, or ".example.org" for the hosts below it. They are read
 * once, before privileges are dropped: what holds keys must know all of them, so
 * a table that can only be asked is refused. A name in two tables is the first's.
 */
#ifndef CONF_SNI_H
#define CONF_SNI_H
#include "base/err.h"
#include <stddef.h>

enum { SNI_NAMES_MAX = 4096 };

struct sni;
/* maps: a parameter's value, "" = no names. NULL and *err: a table that cannot be read. */
struct sni *sni_load(const char *maps, struct err *err);
void sni_free(struct sni *s);
/* The i-th name, in lower case, and its files, apart by blanks; NULL behind the last. const void: as a callback of others. */
const char *sni_at(const void *sni, size_t i, const char **ret_files);
#endif
