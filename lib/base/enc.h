/* SPDX-License-Identifier: ISC
 *
 * enc.h - base64 (RFC 4648), hexadecimal, xtext (RFC 3461 §4), CRC-32C, and
 * the comparison of secrets in constant time.
 */
#ifndef BASE_ENC_H
#define BASE_ENC_H
#include "base/buf.h"

void enc_base64(struct buf *out, struct str in);
/*
 * Strict: whole quanta, canonical padding, nothing after it, no white space.
 * False on anything else; *out may then hold a part of the text.
 */
bool enc_unbase64(struct buf *out, struct str in);
void enc_hex(struct buf *out, struct str in);           /* lower case */
bool enc_unhex(struct buf *out, struct str in);
void enc_xtext(struct buf *out, struct str in);
bool enc_unxtext(struct buf *out, struct str in);
/* Bytes outside printable ASCII become '?', as Postfix's log lines have it. */
void enc_printable(struct buf *out, struct str in);

/* CRC-32C (Castagnoli). Start with crc = 0; may be continued piecewise. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

/* True when equal; time depends on the lengths only. */
bool secret_eq(struct str a, struct str b);
/* Overwrites memory in a way the compiler keeps. */
void secret_wipe(void *p, size_t n);
#endif
