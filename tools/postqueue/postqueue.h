/* SPDX-License-Identifier: ISC
 * postqueue.h - a showq stream as text for people, or as JSON. */
#ifndef POSTQUEUE_H
#define POSTQUEUE_H
#include "base/buf.h"

/* False: the stream is malformed or cut. */
bool print_list(struct str stream, bool json, bool long_ids, struct buf *out);
#endif
