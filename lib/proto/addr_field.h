/* SPDX-License-Identifier: ISC
 *
 * addr_field.h - the addresses of a header field exchanged for others, with
 * names, comments and groups left as they are (RFC 5322 §3.4).
 *
 * Every member of the list that is one address, in angle brackets or bare, is
 * shown to the caller in internal form. What is no address (RFC 5322's
 * grammar, with the obsolete one of §4.4), or a part of it too long for
 * proto/addr.h, stays untouched; a stray backslash keeps the whole field. Comments inside an address that changes come
 * to stand behind it, and a source route goes.
 *
 * A field in which nothing changes is not written at all. One that does is
 * folded anew at its commas, at 70 columns. Linear in the size of the field.
 */
#ifndef PROTO_ADDR_FIELD_H
#define PROTO_ADDR_FIELD_H
#include "base/buf.h"

enum addr_role { ADDR_ROLE_NONE, ADDR_ROLE_SENDER, ADDR_ROLE_RECIPIENT };
/* Whose addresses are in the field of this name. */
enum addr_role addr_field_role(struct str name);

enum addr_verdict { ADDR_SAME, ADDR_CHANGED, ADDR_STOP };
/*
 * address: local part, or local@domain, unquoted. ADDR_CHANGED: *ret is what
 * stands there now, valid until the next call. ADDR_STOP ends the work. May wait.
 */
typedef enum addr_verdict (*addr_map)(void *arg, struct str address, struct str *ret);

/*
 * name and value: of the field; folded lines joined by LF. ADDR_CHANGED:
 * "name: value" with its lines joined by LF is appended to out. Otherwise what
 * is in out means nothing. WAITS if map does.
 */
enum addr_verdict addr_field_rewrite(struct str name, struct str value, addr_map map, void *arg, struct buf *out);
#endif
