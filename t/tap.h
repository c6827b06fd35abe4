/* SPDX-License-Identifier: ISC
 *
 * tap.h - the whole unit-test framework: OK(condition, "a sentence"), and
 * `return tap_done();` at the end of main. Prints TAP.
 */
#ifndef T_TAP_H
#define T_TAP_H
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int tap_run, tap_bad;

static inline void tap_ok(bool pass, const char *what, const char *file, int line)
{
    printf("%sok %d - %s\n", pass ? "" : "not ", ++tap_run, what);
    if (!pass) {
        tap_bad++;
        printf("# at %s:%d\n", file, line);
    }
}

static inline int tap_done(void)
{
    printf("1..%d\n", tap_run);
    return tap_bad == 0 && tap_run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define OK(cond, what) tap_ok((cond), (what), __FILE__, __LINE__)
#endif
