/* SPDX-License-Identifier: ISC
 *
 * maildrop.h - the directory that sendmail leaves mail in, as pickup sees it:
 * its working directory and, after the drop, all there is.
 *
 * A message is a regular file with one link whose owner may execute it; what
 * lacks the x bit is being written. Refused files keep their text under
 * "refused-NAME", without that bit.
 */
#ifndef PICKUP_MAILDROP_H
#define PICKUP_MAILDROP_H
#include <sys/stat.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"

struct drop_name { char text[256]; };
struct drop_list { VEC(struct drop_name) names; };
enum { DROP_LIST_MAX = 1000 };

/* The first names there are; not all of them need be messages. -1 and *err. */
int maildrop_list(struct drop_list *list, struct err *err);
enum drop_state { DROP_READY, DROP_LATER, DROP_GONE, DROP_BAD };
/* Open and read a message. DROP_READY: *out is the file, *ret_st its identity. DROP_BAD: *err says why. */
enum drop_state maildrop_read(const char *name, uint64_t max, struct buf *out, struct stat *ret_st, struct err *err);
/* Remove it, if it still is that file. False: it could not be removed. */
bool maildrop_remove(const char *name, const struct stat *st);
/* 1: renamed to refused-NAME; 0: removed, being no regular file; -1: neither, see errno. */
int maildrop_set_aside(const char *name);
#endif
