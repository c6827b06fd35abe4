/* SPDX-License-Identifier: ISC
 *
 * banned.h - functions that cannot be used safely, made impossible to write.
 * Each has a replacement: struct buf for text, num_parse_* for numbers,
 * str_* for slices.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef sprintf
#undef vsprintf
#undef strtok
#undef strtok_r
#undef gets
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok strtok_r gets
#pragma GCC poison atoi atol atoll strtol strtoul strtoll strtoull
#pragma GCC poison gmtime localtime ctime asctime
#endif
