/* SPDX-License-Identifier: ISC
 *
 * clock.h - times are int64 milliseconds. Deadlines and intervals use the
 * monotonic clock; what is written down (queue files, headers) the wall clock.
 */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H
#include "base/def.h"

#define FOREVER INT64_MAX

int64_t clock_mono_ms(void);
int64_t clock_wall_ms(void);
int64_t clock_wall_us(void);
/* now + ms, saturating: a deadline for WAITS functions. */
int64_t deadline_in(int64_t ms);
/* Tests may freeze or shift the clocks (added to both). */
void clock_shift_for_test(int64_t ms);
#endif
