/* SPDX-License-Identifier: ISC
 *
 * store.h - the private keys that the configuration names, by the hash of
 * their public half.
 *
 * Which files: smtpd_tls_*, postern_tls_*, smtp_tls_* and lmtp_tls_* of
 * main.cf, and of every service's -o in master.cf. A key that a server's
 * parameter names signs for servers, one that a client's names for clients.
 */
#ifndef KEYS_STORE_H
#define KEYS_STORE_H
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include <openssl/evp.h>

enum { STORE_MAX = 4096 };  /* keys */

/* Read all; what cannot be read becomes a line of *warnings. -1 only when main.cf itself cannot be read. */
int store_load(const char *config_dir, struct buf *warnings, struct err *err);
/* The keys in one file. Their number; -1 and *err: no file, or none of its keys could be read. */
int store_add_file(const char *path, uint32_t roles, struct err *err);
/* NULL: unknown, or not for that role (a bit of roles). */
EVP_PKEY *store_find(struct str id, uint32_t role);
size_t store_count(void);
void store_done(void);
#endif
