/* SPDX-License-Identifier: ISC
 *
 * request_start.c - an AUTH line becomes a request: what is said of the
 * connection, and the mechanism with all that it needs.
 */
#include "base/enc.h"
#include "event/tls.h"
#include "mechs.h"
#include "request.h"
#include <sys/random.h>

enum { REQUEST_ARENA_MAX = 128 << 10 };

static void copy_cmd(struct request *r, const struct auth_cmd *cmd)
{
    r->cmd = auth_cmd_dup(&r->arena, cmd);
    r->cmd.resp = r->cmd.mech = STR("");
}

/* Random text for nonces, of mechanisms that show one: 18 bytes in base64, which has neither ',' nor blanks. */
static struct str make_nonce(const struct mech_row *row, struct arena *arena)
{
    if (row->need != NEED_SECRET)
        return STR("");
    uint8_t raw[18];
    struct buf text = buf_make(0);
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
        log_fatal("no randomness for a nonce");
    enc_base64(&text, str_make(raw, sizeof raw));
    struct str s = str_dup(arena, buf_str(&text));
    buf_done(&text);
    return s;
}

/* What our own processes say of the TLS session; of others it is not believed. */
static struct str channel_binding(struct request *r)
{
    struct buf raw = buf_make(128);
    struct str s = STR("");
    bool own = stream_kind(r->stream) != STREAM_PUBLIC;
    if (own && r->cmd.channel_binding.n > 0 && enc_unbase64(&raw, r->cmd.channel_binding) && !raw.full)
        s = str_dup(&r->arena, buf_str(&raw));
    buf_done(&raw);
    return s;
}

static void prepare(struct request *r, const struct mech_row *row)
{
    const struct authd *a = authd();
    bool certified = a->conf.username_from_cert && r->cmd.valid_client_cert;
    r->run = (struct mech_run){ .row = row, .arena = &r->arena, .usual = mechs_usual(row), .host = str_from(a->hostname), .key = a->mech_key,
                                .cert_user = certified ? r->cmd.cert_username : STR(""), .scope = str_from(a->oauth.scope),
                                .discovery = str_from(a->oauth.discovery), .nonce = make_nonce(row, &r->arena) };
    struct str binding = channel_binding(r);
    r->run.binding = str_head(binding, TLS_EXPORTER_SIZE);
    r->run.end_point = str_skip(binding, TLS_EXPORTER_SIZE);
    r->run.plus_offered = r->run.binding.n > 0 && mechs_has_plus(row);
    r->query.vars.user = r->query.stored = STR("");
}

static void refuse_at_once(struct stream *s, uint32_t id, struct str code)
{
    stream_answer(s, &(struct auth_answer){ .verb = AUTH_ANSWER_FAIL, .id = id, .code = code });
}

void request_start(struct stream *s, struct request_list *all, const struct auth_cmd *cmd)
{
    const struct mech_row *row = mechs_find(s, cmd->mech);
    if (row == NULL) {
        refuse_at_once(s, cmd->id, STR("auth_mech_invalid"));
        return;
    }
    if (all->n >= REQUESTS_PER_STREAM_MAX) {
        refuse_at_once(s, cmd->id, STR("temp_fail"));
        return;
    }
    struct request *r = xcalloc(1, sizeof *r);
    r->stream = s;
    r->all = all;
    r->id = cmd->id;
    r->arena = arena_make(REQUEST_ARENA_MAX);
    r->arena.block_size = 1024;
    copy_cmd(r, cmd);
    prepare(r, row);
    list_append(&all->requests, &r->node);
    all->n++;
    authd()->n_requests++;
    /* Before 1.2 an empty resp= means that there is none: Exim always sends one. */
    if (cmd->has_resp && (cmd->resp.n > 0 || stream_minor(s) >= 2))
        request_step_base64(r, cmd->resp);
    else
        request_step(r, NULL);
}
