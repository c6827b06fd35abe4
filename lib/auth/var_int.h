/* SPDX-License-Identifier: ISC
 *
 * var_int.h - between the files of var.h: reading (var.c), values by name
 * (var_names.c), what modifiers (var_modify.c) and filters (var_filter.c) do to
 * a value, and what both are made of (var_values.c, var_compare.c).
 *
 * Values live in a scratch arena that is rewound after each variable; none is
 * longer than VAR_RESULT_MAX, which is what keeps the arena below its limit.
 */
#ifndef AUTH_VAR_INT_H
#define AUTH_VAR_INT_H
#include "auth/var.h"
#include <openssl/evp.h>

/* vars NULL: only whether all is known is asked (var_check). */
struct var_ctx { const struct auth_vars *vars; struct arena *arena; const char *why; bool uses_password; };

/* A value on its way; is_bytes: of a hash, written as hexadecimal unless a filter makes text of it. */
struct var_value { struct str s; bool is_bytes, is_set; };
struct var_arg { struct str name, text; };
enum { VAR_ARGS_MAX = 8 };

/* Always false, for `return`. */
static inline bool var_fail(struct var_ctx *x, const char *why) { x->why = why; return false; }

/* Long names, "passdb:field" and the like. False: there is no such name (x->why is set). */
bool var_by_name(struct var_ctx *x, struct str name, struct var_value *ret);
bool var_by_letter(struct var_ctx *x, char letter, struct var_value *ret);
/* What a modifier letter does; offset and width may be used up by it. False: there is no such modifier (x->why is untouched). */
bool var_is_modifier(char c);
bool var_modify(struct var_ctx *x, char modifier, long *offset, long *width, struct var_value *v);
bool var_filter(struct var_ctx *x, struct str name, const struct var_arg *args, size_t n, struct var_value *v);
/* May this stand without a value in front of it: %{literal('x')}? */
bool var_starts(struct str name);
/* %{port % 16}: op is one of + - * / %. */
bool var_calculate(struct var_ctx *x, char op, struct str right, struct var_value *v);
/* a op b, of both generations' `if`. False: no such comparison. */
bool var_compare(struct var_ctx *x, struct str a, struct str op, struct str b, bool *ret);

/* ---- what they are made of ---- */
void var_set(struct var_value *v, struct str s);
/* The text of a buffer, which is freed, as a value; false: too long. */
bool var_keep(struct var_ctx *x, struct buf *b, struct var_value *v);
struct str var_map_case(struct var_ctx *x, struct str s, char (*fold)(char));
struct str var_reverse(struct var_ctx *x, struct str s);
/* example.org becomes example,dc=org: what follows dc= in a distinguished name. */
bool var_ldap_dn(struct var_ctx *x, struct var_value *v);
/* Of a and b, one behind the other. False: there is no such hash. */
bool var_digest(const EVP_MD *md, struct str a, struct str b, uint8_t out[EVP_MAX_MD_SIZE], size_t *ret_n);
#endif
