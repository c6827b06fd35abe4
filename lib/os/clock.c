/* SPDX-License-Identifier: ISC */
#include "os/clock.h"

static int64_t shift_ms;

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    int rc = clock_gettime(id, &t);
    ASSERT(rc == 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + shift_ms * 1000;
}

int64_t clock_mono_ms(void) { return read_us(CLOCK_MONOTONIC) / 1000; }
int64_t clock_wall_ms(void) { return read_us(CLOCK_REALTIME) / 1000; }
int64_t clock_wall_us(void) { return read_us(CLOCK_REALTIME); }
void clock_shift_for_test(int64_t ms) { shift_ms = ms; }

int64_t deadline_in(int64_t ms)
{
    int64_t now = clock_mono_ms(), at;
    return __builtin_add_overflow(now, ms, &at) ? FOREVER : at;
}
