/* SPDX-License-Identifier: ISC
 *
 * log.c - Dovecot's login lines. fail2ban and its like read them: a failure is
 * written when it happens, with words that their filters know, and nothing
 * that the client chose can look like another field.
 */
#include "base/log.h"
#include "login/internal.h"

enum { NAME_MAX_LOGGED = 255, TAIL_MAX = 700 };

static void clean(struct str in, char *out, size_t cap)
{
    size_t n = MIN(in.n, cap - 1);
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)in.p[i] <= 0x20 || in.p[i] == 0x7f || strchr("<>,()", in.p[i]) != NULL ? '?' : in.p[i];
    out[n] = '\0';
}

/* user=<U>, method=M, rip=R, lip=L[, mpid=P][, TLS][, session=<S>] */
static void tail(const struct login_client *c, struct str user, const char *method, uint32_t pid, char out[TAIL_MAX])
{
    char name[NAME_MAX_LOGGED + 1], mpid[32] = "";
    clean(user, name, sizeof name);
    if (pid != 0)
        (void)snprintf(mpid, sizeof mpid, ", mpid=%u", pid);
    (void)snprintf(out, TAIL_MAX, "user=<%s>%s%s, rip=%s, lip=%s%s%s, session=<%s>", name, method == NULL ? "" : ", method=",
                   method == NULL ? "" : method, c->remote, c->local, mpid, c->tls[0] == '\0' ? "" : ", TLS", c->session_id);
}

static int64_t seconds(const struct login_client *c) { return (clock_mono_ms() - c->started) / 1000; }

void login_log_success(const struct login_client *c, struct str user, const char *method, uint32_t pid)
{
    char rest[TAIL_MAX];
    tail(c, user, method, pid, rest);
    log_as("dovecot", LOG_INFO_LEVEL, "%s: Login: %s", c->protocol->ident, rest);
}

void login_log_failure(const struct login_client *c, struct str user, const char *method, const char *what)
{
    char rest[TAIL_MAX];
    tail(c, user, method, 0, rest);
    if (what == NULL)
        log_as("dovecot", LOG_INFO_LEVEL, "%s: Aborted login (auth failed, %u attempts in %lld secs): %s", c->protocol->ident, c->failures,
               (long long)seconds(c), rest);
    else
        log_as("dovecot", LOG_INFO_LEVEL, "%s: Aborted login (%s): %s", c->protocol->ident, what, rest);
}

void login_log_limit(const struct login_client *c, struct str user, const char *method, const char *text)
{
    char rest[TAIL_MAX];
    tail(c, user, method, 0, rest);
    log_as("dovecot", LOG_INFO_LEVEL, "%s: %s: %s", c->protocol->ident, text, rest);
}

void login_log_end(struct login_client *c)
{
    char rest[TAIL_MAX];
    if (c->said_end)
        return;
    c->said_end = true;
    tail(c, STR(""), NULL, 0, rest);
    const char *why = c->why == NULL ? "" : ": ", *text = c->why == NULL ? "" : c->why;
    if (c->failures == 0)
        log_as("dovecot", LOG_INFO_LEVEL, "%s: Disconnected%s%s (no auth attempts in %lld secs): %s", c->protocol->ident, why, text,
               (long long)seconds(c), rest);
    else
        log_as("dovecot", LOG_INFO_LEVEL, "%s: Disconnected%s%s: %s", c->protocol->ident, why, text, rest);
}
