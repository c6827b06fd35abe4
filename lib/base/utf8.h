/* SPDX-License-Identifier: ISC
 *
 * utf8.h - UTF-8 as RFC 3629 has it: shortest form, no surrogates, <= U+10FFFF.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H
#include "base/buf.h"

bool utf8_is_valid(struct str s);
bool utf8_is_ascii(struct str s);
/* Cut the next code point off *s. False if the bytes there are not valid (s unchanged) or s is empty. */
bool utf8_next(struct str *s, uint32_t *ret_code);
void utf8_put(struct buf *out, uint32_t code);
#endif
