/* SPDX-License-Identifier: ISC */
#include "event/fiber.h"
#include "map/map_type.h"
#include "os/clock.h"

void map_pause(unsigned ms)
{
    if (fiber_current() != NULL) {
        (void)fiber_sleep(loop_now() + ms);
        return;
    }
    const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    (void)nanosleep(&ts, NULL);
}
