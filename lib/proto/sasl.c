/* SPDX-License-Identifier: ISC */
#include "proto/sasl.h"

const char *sasl_name(struct str name)
{
    static const char *const names[] = { "PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1",
                                         "XOAUTH2", "OAUTHBEARER", "EXTERNAL", "CRAM-MD5" };
    for (size_t i = 0; i < N_ELEMS(names); i++)
        if (str_ieqz(name, names[i]))
            return names[i];
    return NULL;
}

const char *sasl_mech_name(enum sasl_mech mech) { return mech == SASL_PLAIN ? "PLAIN" : "LOGIN"; }

bool sasl_name_unescape(struct str in, struct arena *arena, struct str *ret)
{
    char *out = arena_alloc(arena, in.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        struct str code = str_head(str_skip(in, i + 1), 2);
        if (in.p[i] != '=') {
            out[n++] = in.p[i];
            continue;
        }
        if (!str_eqz(code, "2C") && !str_eqz(code, "3D"))
            return false;
        out[n++] = code.p[0] == '2' ? ',' : '=';
        i += 2;
    }
    *ret = str_make(out, n);
    return n > 0 && str_chr(*ret, '\0') < 0;
}

bool sasl_client_initial(struct sasl_client *c, struct buf *out) { return c->mech == SASL_PLAIN && sasl_client_step(c, out); }

bool sasl_client_step(struct sasl_client *c, struct buf *out)
{
    unsigned stage = c->stage++;
    switch (c->mech) {
    case SASL_PLAIN:
        buf_putc(out, '\0');
        buf_add(out, c->user);
        buf_putc(out, '\0');
        buf_add(out, c->password);
        return stage == 0;
    case SASL_LOGIN:
        buf_add(out, stage == 0 ? c->user : c->password);
        return stage < 2;
    }
    UNREACHABLE();
}
