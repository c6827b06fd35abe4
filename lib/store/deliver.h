/* SPDX-License-Identifier: ISC
 *
 * deliver.h - one message into the new/ of a Maildir, durably.
 *
 * The file's name carries a token that no other delivery has (queue id,
 * recipient number, time of arrival). A delivery that may have happened before
 * a crash looks for the token first, so no copy is made twice. Order on disk:
 * directories synced in their parents, file synced, renamed into new/, new/ synced.
 */
#ifndef STORE_DELIVER_H
#define STORE_DELIVER_H
#include "base/buf.h"
#include "base/err.h"

struct deliver;
/*
 * maildir: absolute path; made if it is missing. token: letters and digits.
 * maybe_done: look for an earlier copy; *ret_done then tells that there is one and *ret stays NULL.
 */
int deliver_open(const char *maildir, const char *token, bool maybe_done, struct deliver **ret, bool *ret_done, struct err *err);
int deliver_write(struct deliver *d, struct str bytes, struct err *err);
/*
 * rc[i] = 0: the message d[i] is on stable storage under its name in new/; -1:
 * err[i] says why not. The data of all are on their way to the disk together,
 * and each directory is synced once.
 */
void deliver_commit_all(struct deliver *const *d, size_t n, int *rc, struct err *err);
/* Removes what was not committed. NULL is fine. */
void deliver_free(struct deliver *d);
#endif
