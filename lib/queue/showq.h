/* SPDX-License-Identifier: ISC
 *
 * showq.h - the queue listing as Postfix's showq service sends it: pairs of
 * NUL-terminated name and value, an empty name ends a record, an empty record
 * the list. Made by qmgr from memory and files, and by postqueue from the
 * files when the system is down.
 */
#ifndef QUEUE_SHOWQ_H
#define QUEUE_SHOWQ_H
#include "queue/queue.h"

/* The announcement at the start, and the end of the list. */
void showq_begin(struct buf *out);
void showq_end(struct buf *out);
/* A message in memory; reasons come from its recipients. */
void showq_message(struct buf *out, const struct qmsg *m, const char *queue);
/* A message file with its defer log. False when it is gone or damaged. */
bool showq_file(struct buf *out, struct qio *io, enum qplace place, const char *id);

/* Reading: cut the next pair off *in. */
enum showq_result { SHOWQ_PAIR, SHOWQ_RECORD_END, SHOWQ_BAD };
enum showq_result showq_next(struct str *in, struct str *ret_name, struct str *ret_value);
#endif
