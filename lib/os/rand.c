/* SPDX-License-Identifier: ISC */
#include "os/rand.h"
#include <errno.h>
#include <sys/random.h>

void rand_bytes(void *p, size_t n)
{
    char *at = p;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        ASSERT(got >= 0 || errno == EINTR);
        at += MAX(got, 0);
        n -= (size_t)MAX(got, 0);
    }
}

uint64_t rand_below(uint64_t below)
{
    uint64_t v;
    ASSERT(below > 0);
    const uint64_t top = UINT64_MAX - UINT64_MAX % below;
    do
        rand_bytes(&v, sizeof v);
    while (v >= top);
    return v % below;
}
