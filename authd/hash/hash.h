/* SPDX-License-Identifier: ISC
 *
 * hash.h - one question to one verdict; takes as long as the hash takes.
 */
#ifndef AUTH_HASH_HASH_H
#define AUTH_HASH_HASH_H
#include "base/arena.h"
#include "ipc/codec.h"

/* A stored password of any scheme against the client's. */
void hash_verify(const struct ipc_verify *ask, struct arena *arena, struct ipc_verdict *ret);
/* A new stored password of the scheme, as the verdict's text. */
void hash_make(const struct ipc_verify *ask, struct arena *arena, struct ipc_verdict *ret);
/* The same of SCRAM for a clear password, with the salt (verifier) and iterations that the client was shown. */
void hash_scram(const struct ipc_verify *ask, struct arena *arena, struct ipc_verdict *ret);
#endif
