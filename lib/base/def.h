/* SPDX-License-Identifier: ISC
 *
 * def.h - the few words that every file of the suite uses.
 *
 * ASSERT stays on in release builds: a broken invariant ends the process at
 * once, master restarts it, and the queue is on disk. It is for bugs only;
 * whatever input or the system can cause is an error value.
 */
#ifndef BASE_DEF_H
#define BASE_DEF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define N_ELEMS(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The struct that `member` is embedded in. */
#define container_of(ptr, type, member) \
    ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

_Noreturn void assert_failed(const char *what, const char *file, int line);
#define ASSERT(cond) ((cond) ? (void)0 : assert_failed(#cond, __FILE__, __LINE__))
#define UNREACHABLE() assert_failed("unreachable", __FILE__, __LINE__)

#include "base/banned.h"
#endif
