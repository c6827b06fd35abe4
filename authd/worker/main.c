/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     auth-worker - asks PAM, or an OAuth introspection end, which may block
 *
 * DESCRIPTION
 *     Answers authd's VERIFY questions, one at a time. authd starts as many as
 *     it needs, up to postern_auth_worker_limit, and lets one go that does not
 *     answer in time. INTROSPECT questions go over HTTP to
 *     postern_oauth2_introspection_url; its answer is judged here.
 *
 * SECURITY
 *     Runs as authd's user with group shadow and no capability, for PAM's sake
 *     with files readable. It talks to authd only. The PAM service is
 *     "dovecot", the terminal "dovecot", the remote host the client's address;
 *     the account is checked always, sessions are not opened.
 *
 * DIAGNOSTICS
 *     None of its own: authd logs the verdict.
 */
#include "daemon/daemon.h"
#include "params.h"
#include "os/sandbox.h"
#include "worker.h"

enum { ARENA_MAX = 256 << 10 };

static struct { struct auth_worker_conf conf; struct oauth_conf oauth; } self;

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct auth_worker_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { AUTH_WORKER_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };
#define OAUTH_ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct oauth_conf, kind, member, name, def, lo, hi, doc)
static const struct param oauth_rows[] = { OAUTH2_PARAMS(OAUTH_ROW) };
static const struct param_table oauth_params = { oauth_rows, N_ELEMS(oauth_rows) };

static void verify(struct chan *c, uint32_t id, const struct ipc_verify *ask)
{
    struct arena arena = arena_make(ARENA_MAX);
    struct ipc_verdict v = { .verdict = VERDICT_TEMPFAIL, .text = STR(""), .groups = STR(""), .home = STR("") };
    if (str_eqz(ask->backend, "pam"))
        verify_pam(self.conf.pam_service, ask, true, &arena, &v);
    else if (str_eqz(ask->backend, "pam-account"))
        verify_pam(self.conf.pam_service, ask, false, &arena, &v);
    else if (str_eqz(ask->backend, "passwd"))
        lookup_passwd(ask, &arena, &v);
    else if (str_eqz(ask->backend, "passwd-list"))
        list_passwd(ask, &arena, &v);
    else
        v.text = STR("unknown back end");
    (void)chan_send(c, IPC_VERDICT, id, &v);
    arena_done(&arena);
}

static void ask_about(struct chan *c, uint32_t id, const struct ipc_introspect *ask)
{
    struct arena arena = arena_make(ARENA_MAX);
    struct ipc_introspected a = { .user = STR(""), .text = STR("") };
    introspect(&self.oauth, ask->token, &arena, &a);
    (void)chan_send(c, IPC_INTROSPECTED, id, &a);
    arena_done(&arena);
}

static void on_job(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    if (type == IPC_VERIFY)
        verify(c, id, msg);
    else if (type == IPC_INTROSPECT)
        ask_about(c, id, msg);
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    config_register(d->config, &oauth_params);
    if (config_fill(d->config, &oauth_params, &self.oauth, err) != 0 || introspect_open(&self.oauth, err) < 0)
        return -1;
    if (self.oauth.ca_file[0] != '\0')
        daemon_allow_path(self.oauth.ca_file, SANDBOX_READ);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_WORKER, .params = &params, .conf = &self.conf, .before_drop = before_drop, .works_for = ROLE_AUTHD, .on_job = on_job, .blocks = true },
    };
    return daemon_main(argc, argv, "auth-worker", roles, N_ELEMS(roles));
}
