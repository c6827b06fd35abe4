/* SPDX-License-Identifier: ISC */
#include "auth/var_int.h"

void var_set(struct var_value *v, struct str s)
{
    v->s = s;
    v->is_bytes = false;
    v->is_set = true;
}

bool var_keep(struct var_ctx *x, struct buf *b, struct var_value *v)
{
    bool ok = !b->full;
    if (ok)
        var_set(v, str_dup(x->arena, buf_str(b)));
    buf_done(b);
    return ok || var_fail(x, "a value is too long");
}

struct str var_map_case(struct var_ctx *x, struct str s, char (*fold)(char))
{
    char *p = arena_copy(x->arena, s.n > 0 ? s.p : "", s.n);
    for (size_t i = 0; i < s.n; i++)
        p[i] = fold(p[i]);
    return str_make(p, s.n);
}

struct str var_reverse(struct var_ctx *x, struct str s)
{
    char *p = arena_alloc(x->arena, s.n + 1);
    for (size_t i = 0; i < s.n; i++)
        p[i] = s.p[s.n - 1 - i];
    return str_make(p, s.n);
}

bool var_ldap_dn(struct var_ctx *x, struct var_value *v)
{
    struct buf b = buf_make(VAR_RESULT_MAX);
    for (size_t i = 0; i < v->s.n; i++) {
        if (v->s.p[i] == '.')
            buf_puts(&b, ",dc=");
        else
            buf_putc(&b, v->s.p[i]);
    }
    return var_keep(x, &b, v);
}

bool var_digest(const EVP_MD *md, struct str a, struct str b, uint8_t out[EVP_MAX_MD_SIZE], size_t *ret_n)
{
    unsigned n = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = md != NULL && ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, a.p, a.n) == 1 &&
              EVP_DigestUpdate(ctx, b.p, b.n) == 1 && EVP_DigestFinal_ex(ctx, out, &n) == 1;
    EVP_MD_CTX_free(ctx);
    *ret_n = n;
    return ok;
}
