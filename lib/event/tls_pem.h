/* SPDX-License-Identifier: ISC
 *
 * tls_pem.h - certificates out of a file that may hold their private key too,
 * without a byte of the key staying in this process.
 *
 * The file is read into memory of its own, blocks labelled PRIVATE KEY are
 * skipped, the rest is copied, and the memory is wiped and given back.
 */
#ifndef EVENT_TLS_PEM_H
#define EVENT_TLS_PEM_H
#include "base/buf.h"
#include "base/err.h"

enum { TLS_PEM_MAX = 1 << 20 };

/* Append to *out all of the file but its private keys. -1 and *err names the file. */
int tls_pem_read(const char *path, struct buf *out, struct err *err);
/* The same, with this line where a key begins. */
#define TLS_PEM_KEY_MARK "a private key was here\n"
int tls_pem_read_marked(const char *path, struct buf *out, struct err *err);
/* tls_pem_read() from text. */
void tls_pem_strip(struct str text, struct buf *out);
#endif
