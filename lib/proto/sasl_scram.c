/* SPDX-License-Identifier: ISC */
#include "proto/sasl_scram.h"
#include "base/enc.h"
#include "base/utf8.h"
#include "proto/sasl.h"

/* x=value: cuts it off the front of *rest, with the comma behind it. */
static bool take_part(struct str *rest, char key, struct str *ret)
{
    struct str part, tail;
    (void)str_cut(*rest, ',', &part, &tail);
    if (part.n < 2 || part.p[0] != key || part.p[1] != '=')
        return false;
    *ret = str_skip(part, 2);
    *rest = tail;
    return true;
}

static bool take_name(struct str in, struct arena *arena, struct str *ret) { return sasl_name_unescape(in, arena, ret) && utf8_is_valid(*ret); }

static bool nonce_is_fit(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
            return false;
    return s.n > 0 && s.n <= SCRAM_NONCE_MAX;
}

static bool is_cb_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alnum(s.p[i]) && s.p[i] != '.' && s.p[i] != '-')
            return false;
    return s.n > 0;
}

static bool parse_gs2(struct str message, struct arena *arena, struct scram_first *f)
{
    struct str flag, authzid, rest;
    if (!str_cut(message, ',', &flag, &rest) || !str_cut(rest, ',', &authzid, &f->bare))
        return false;
    f->gs2_header = str_head(message, message.n - f->bare.n);
    f->flag = flag.n > 0 ? flag.p[0] : '\0';
    f->cb_name = f->flag == 'p' ? str_skip(flag, 2) : STR("");
    bool ok = f->flag == 'p' ? str_starts(flag, STR("p=")) && is_cb_name(f->cb_name) : (f->flag == 'n' || f->flag == 'y') && flag.n == 1;
    f->authzid = STR("");
    /* An empty "a=" is against the grammar, but some clients send it for none. */
    return ok && (authzid.n == 0 || str_eqz(authzid, "a=") || (str_starts(authzid, STR("a=")) && take_name(str_skip(authzid, 2), arena, &f->authzid)));
}

bool scram_first_parse(struct str message, struct arena *arena, struct scram_first *ret)
{
    struct scram_first f = { 0 };
    struct str name;
    if (message.n > SCRAM_MESSAGE_MAX || !parse_gs2(message, arena, &f))
        return false;
    struct str rest = f.bare;
    /* m= comes first when it is there, and so fails here; what follows the nonce is optional extensions. */
    if (!take_part(&rest, 'n', &name) || !take_part(&rest, 'r', &f.nonce) || !take_name(name, arena, &f.user) || !nonce_is_fit(f.nonce))
        return false;
    *ret = f;
    return true;
}

static bool unbase64(struct str text, struct arena *arena, struct str *ret)
{
    struct buf raw = buf_make(SCRAM_MESSAGE_MAX);
    bool ok = text.n > 0 && enc_unbase64(&raw, text);
    if (ok)
        *ret = str_dup(arena, buf_str(&raw));
    buf_done(&raw);
    return ok;
}

bool scram_final_parse(struct str message, struct arena *arena, struct scram_final *ret)
{
    struct scram_final f = { 0 };
    struct str binding, proof, rest = message;
    ptrdiff_t at = str_rchr(message, ',');
    if (message.n > SCRAM_MESSAGE_MAX || at < 0)
        return false;
    f.without_proof = str_head(message, (size_t)at);
    proof = str_skip(message, (size_t)at + 1);
    if (!take_part(&rest, 'c', &binding) || !take_part(&rest, 'r', &f.nonce) || !nonce_is_fit(f.nonce) || !str_starts(proof, STR("p=")))
        return false;
    if (!unbase64(binding, arena, &f.binding) || !unbase64(str_skip(proof, 2), arena, &f.proof))
        return false;
    *ret = f;
    return true;
}

void scram_put_server_first(struct buf *out, struct str client_nonce, struct str server_nonce, struct str salt, uint32_t iterations)
{
    buf_puts(out, "r=");
    buf_add(out, client_nonce);
    buf_add(out, server_nonce);
    buf_puts(out, ",s=");
    enc_base64(out, salt);
    buf_puts(out, ",i=");
    buf_u64(out, iterations);
}

void scram_put_server_final(struct buf *out, struct str signature)
{
    buf_puts(out, "v=");
    enc_base64(out, signature);
}
