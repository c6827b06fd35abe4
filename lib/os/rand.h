/* SPDX-License-Identifier: ISC
 *
 * rand.h - random numbers: from the kernel, for ids, cookies and back-off alike.
 */
#ifndef OS_RAND_H
#define OS_RAND_H
#include "base/def.h"

void rand_bytes(void *p, size_t n);
/* Evenly from 0 .. below-1; below > 0. */
uint64_t rand_below(uint64_t below);
#endif
