/* SPDX-License-Identifier: ISC
 *
 * keep.h - small files of authd's own in the data directory, for what outlives
 * the process. Opened before the privileges go. Not atomic: what a crash cuts
 * off must be worth nothing.
 */
#ifndef AUTHD_KEEP_H
#define AUTHD_KEEP_H
#include "base/buf.h"

/* -1: there is none; the log says that `what` is not kept. */
int keep_open(const char *data_directory, const char *name, const char *what);
/* The whole file into the buffer. False: empty, not there, or larger than the buffer's limit. */
bool keep_load(int fd, struct buf *ret);
/* In place of what was there; a failure is logged. */
void keep_save(int fd, struct str text, const char *name);
#endif
