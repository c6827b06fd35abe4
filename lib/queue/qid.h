/* SPDX-License-Identifier: ISC
 *
 * qid.h - queue ids in Postfix's two forms.
 *
 * Short: five upper-case hexadecimal digits of microseconds, then a number in
 * hexadecimal. Long (enable_long_queue_ids): seconds and microseconds in base
 * 52 without vowels, a 'z', a number in base 51. Where Postfix has the inode
 * number we have a counter that starts at the journal's LSN: never the pid.
 * The caller checks that an id is not in use.
 */
#ifndef QUEUE_QID_H
#define QUEUE_QID_H
#include "base/str.h"

enum { QID_MAX = 31 };      /* longest id that is taken; Postfix's are at most 23 */

void qid_make_short(uint64_t wall_us, uint64_t number, char ret[QID_MAX + 1]);
void qid_make_long(uint64_t wall_us, uint64_t number, char ret[QID_MAX + 1]);
/* Letters and digits only, 6 to QID_MAX of them. */
bool qid_is_valid(struct str id);
/*
 * "queue/id", or "queue/X/id" for the hashed queues (defer, deferred): X is the
 * first digit of a short id, the first hexadecimal digit of the microseconds
 * of a long one. ret holds the path, with `suffix` appended.
 */
enum { QPATH_MAX = 80 };
void qid_path(const char *queue, const char *id, const char *suffix, char ret[QPATH_MAX]);
/* The directory part of it. */
void qid_dir(const char *queue, const char *id, char ret[QPATH_MAX]);
bool qid_queue_is_hashed(const char *queue);
#endif
