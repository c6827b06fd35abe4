/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     pop3-login - POP3 before the login
 *
 * DESCRIPTION
 *     The AUTHORIZATION state of POP3 (RFC 1939 §4): USER, PASS, AUTH (RFC 5034),
 *     CAPA (RFC 2449), STLS (RFC 2595), NOOP, QUIT. One process holds up to 256
 *     connections. After the login it passes the connection to the session
 *     zygote (pop3d) and keeps nothing.
 *
 * SECURITY
 *     Its own user, an empty root, no capability, no file. It sees passwords
 *     as they pass and nothing else; it cannot open a mailbox, name a user who
 *     did not log in, or see a stored password. Without TLS no password is
 *     looked at, unless postern_disable_plaintext_auth allows it.
 *
 * DIAGNOSTICS
 *     Dovecot's login lines: "dovecot: pop3-login: Login: user=<...>, ...".
 */
#include "login/login.h"
#include "proto/pop3_cmd.h"

static void greet(const struct login_client *c, struct buf *out) { buf_printf(out, "+OK %s\r\n", c->conf->greeting); }
static void say_bye(struct login_client *c, const char *text) { conn_printf(c->conn, "-ERR %s\r\n", text); }
static void say_too_long(struct login_client *c) { conn_puts(c->conn, "-ERR Command line is too long.\r\n"); }

static enum login_next reply(struct login_client *c, const char *text)
{
    conn_printf(c->conn, "%s\r\n", text);
    return LOGIN_NEXT;
}

static enum login_next bad(struct login_client *c, const char *text)
{
    c->errors++;
    return reply(c, text);
}

static enum login_next conclude(struct login_client *c, enum login_result r)
{
    switch (r) {
    case LOGIN_OK: return LOGIN_HANDED_OVER;
    case LOGIN_REFUSED: return reply(c, "-ERR [AUTH] Authentication failed.");
    case LOGIN_TEMPFAIL: return bad(c, "-ERR [SYS/TEMP] Temporary authentication failure.");
    case LOGIN_LIMIT:
        conn_printf(c->conn, "-ERR [IN-USE] %s\r\n", c->refusal);
        return LOGIN_NEXT;
    case LOGIN_ABORTED: return bad(c, "-ERR Authentication aborted by client.");
    case LOGIN_BAD: return bad(c, "-ERR Invalid data or unsupported authentication mechanism.");
    case LOGIN_PLAINTEXT: return bad(c, "-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.");
    case LOGIN_GONE: return LOGIN_CLOSE;
    }
    UNREACHABLE();
}

/* RFC 2449 §6: TOP, UIDL and the like are told before the login, too. */
static enum login_next cmd_capa(struct login_client *c, const struct pop3_cmd *cmd)
{
    (void)cmd;
    conn_puts(c->conn, "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n");
    if (login_tls_available(c))
        conn_puts(c->conn, "STLS\r\n");
    if (login_plaintext_allowed(c)) {
        conn_puts(c->conn, "USER\r\n");
        struct str mech;
        size_t at = 0, n = 0;
        for (; login_next_mech(c, &at, &mech); n++)
            conn_printf(c->conn, "%s %.*s", n == 0 ? "SASL" : "", STR_FMT(mech));
        if (n > 0)
            conn_puts(c->conn, "\r\n");
    }
    return reply(c, ".");
}

static enum login_next cmd_noop(struct login_client *c, const struct pop3_cmd *cmd)
{
    (void)cmd;
    return reply(c, "+OK");
}

static enum login_next cmd_quit(struct login_client *c, const struct pop3_cmd *cmd)
{
    (void)cmd;
    (void)reply(c, "+OK Logging out");
    c->why = "Logged out";
    return LOGIN_CLOSE;
}

static enum login_next cmd_stls(struct login_client *c, const struct pop3_cmd *cmd)
{
    (void)cmd;
    if (c->tls[0] != '\0')
        return bad(c, "-ERR TLS is already active.");
    if (!login_tls_available(c))
        return bad(c, "-ERR TLS support isn't enabled.");
    (void)reply(c, "+OK Begin TLS negotiation now.");
    return login_start_tls(c) ? LOGIN_RESTART : LOGIN_CLOSE;
}

/* WAITS for PASS: nothing else may come between the two (RFC 1939 §7). */
static enum login_next cmd_user(struct login_client *c, const struct pop3_cmd *cmd)
{
    struct str line;
    struct pop3_cmd pass;
    if (!login_plaintext_allowed(c))
        return conclude(c, login_password(c, STR(""), cmd->arg, STR("")));
    conn_puts(c->conn, "+OK\r\n");
    switch (conn_read_line(c->conn, LOGIN_LINE_MAX, MIN(c->deadline, deadline_in((int64_t)c->conf->command_timeout * 1000)), &line)) {
    case READ_OK: break;
    case READ_TOO_LONG: return bad(c, "-ERR Command line is too long.");
    case READ_TIMEOUT:
    case READ_CLOSED:
    case READ_CANCELLED: return LOGIN_CLOSE;
    }
    enum pop3_parse r = pop3_cmd_parse(str_dup(c->arena, line), &pass);
    if (r == POP3_PARSE_OK && pass.verb == POP3_QUIT)
        return cmd_quit(c, &pass);
    if (r != POP3_PARSE_OK || pass.verb != POP3_PASS)
        return bad(c, "-ERR No password: PASS comes after USER.");
    return conclude(c, login_password(c, STR(""), cmd->arg, pass.arg));
}

static enum login_next cmd_pass(struct login_client *c, const struct pop3_cmd *cmd)
{
    (void)cmd;
    return bad(c, "-ERR No username given.");
}

/* Without an argument: the list of mechanisms, as some clients ask for it. */
static enum login_next cmd_auth(struct login_client *c, const struct pop3_cmd *cmd)
{
    struct str mech, initial;
    if (cmd->arg.n == 0) {
        conn_puts(c->conn, "+OK\r\n");
        for (size_t at = 0; login_next_mech(c, &at, &mech);)
            conn_printf(c->conn, "%.*s\r\n", STR_FMT(mech));
        return reply(c, ".");
    }
    bool has_initial = str_cut(cmd->arg, ' ', &mech, &initial);
    return conclude(c, login_sasl(c, STR(""), mech, has_initial ? &initial : NULL));
}

static const struct { enum pop3_verb verb; enum login_next (*run)(struct login_client *c, const struct pop3_cmd *cmd); } commands[] = {
    { POP3_CAPA, cmd_capa }, { POP3_NOOP, cmd_noop }, { POP3_QUIT, cmd_quit }, { POP3_STLS, cmd_stls },
    { POP3_USER, cmd_user }, { POP3_PASS, cmd_pass }, { POP3_AUTH, cmd_auth },
};

static enum login_next command(struct login_client *c, struct str line)
{
    struct pop3_cmd cmd;
    if (pop3_cmd_parse(line, &cmd) == POP3_PARSE_OK)
        for (size_t i = 0; i < N_ELEMS(commands); i++)
            if (commands[i].verb == cmd.verb)
                return commands[i].run(c, &cmd);
    return bad(c, "-ERR Unknown command.");
}

int main(int argc, char **argv)
{
    static const struct login_protocol pop3 = { .service = "pop3", .ident = "pop3-login", .greet = greet, .command = command,
                                                .say_too_long = say_too_long, .say_bye = say_bye };
    return login_main(argc, argv, &pop3);
}
