/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     imap-login - IMAP before the login
 *
 * DESCRIPTION
 *     Speaks IMAP4rev1 (RFC 3501) up to the login: CAPABILITY, NOOP, ID, LOGOUT,
 *     STARTTLS, LOGIN, AUTHENTICATE (with an initial response, RFC 4959). One
 *     process holds up to 256 connections. After the login it passes the
 *     connection to the session zygote (imapd) and keeps nothing.
 *
 * SECURITY
 *     Its own user, an empty root, no capability, no file. It sees passwords
 *     as they pass and nothing else; it cannot open a mailbox, name a user who
 *     did not log in, or see a stored password. Without TLS no password is
 *     looked at, unless postern_disable_plaintext_auth allows it.
 *
 * DIAGNOSTICS
 *     Dovecot's login lines: "dovecot: imap-login: Login: user=<...>, ...".
 */
#include "command.h"

enum { TAG_MAX = 256 };

struct command {
    struct login_client *client;
    struct str tag;
    struct args args;
};

static void put_capabilities(const struct login_client *c, struct buf *out)
{
    struct str mech;
    buf_puts(out, "CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+");
    if (login_tls_available(c))
        buf_puts(out, " STARTTLS");
    if (!login_plaintext_allowed(c))
        buf_puts(out, " LOGINDISABLED");
    for (size_t at = 0; login_next_mech(c, &at, &mech);)
        buf_printf(out, " AUTH=%.*s", STR_FMT(mech));
}

static void greet(const struct login_client *c, struct buf *out)
{
    buf_puts(out, "* OK [");
    put_capabilities(c, out);
    buf_printf(out, "] %s\r\n", c->conf->greeting);
}

static void say_bye(struct login_client *c, const char *text) { conn_printf(c->conn, "* BYE %s\r\n", text); }
static void say_too_long(struct login_client *c) { conn_puts(c->conn, "* BAD Error in IMAP command received by server: line too long.\r\n"); }

static enum login_next reply(struct command *cmd, const char *text)
{
    conn_printf(cmd->client->conn, "%.*s %s\r\n", STR_FMT(cmd->tag), text);
    return LOGIN_NEXT;
}

static enum login_next bad(struct command *cmd, const char *text)
{
    cmd->client->errors++;
    return reply(cmd, text);
}

static enum login_next bad_arg(struct command *cmd, enum arg_result r)
{
    if (r == ARG_GONE) {
        cmd->client->why = "Input is too long, or stopped";
        say_bye(cmd->client, "Input is too long, or stopped.");
        return LOGIN_CLOSE;
    }
    return bad(cmd, r == ARG_TOO_BIG ? "NO [TOOBIG] Literal is too big before login." : "BAD Error in IMAP command arguments.");
}

static enum login_next cmd_capability(struct command *cmd)
{
    struct buf line = buf_make(0);
    buf_puts(&line, "* ");
    put_capabilities(cmd->client, &line);
    buf_puts(&line, "\r\n");
    conn_put(cmd->client->conn, buf_str(&line));
    buf_done(&line);
    return reply(cmd, "OK Pre-login capabilities listed, post-login capabilities have more.");
}

static enum login_next cmd_noop(struct command *cmd) { return reply(cmd, "OK NOOP completed."); }

/* What the client says of itself is of no use here (RFC 2971 §3.1). */
static enum login_next cmd_id(struct command *cmd)
{
    if (args_at_end(&cmd->args))
        return bad(cmd, "BAD Error in IMAP command ID: missing argument.");
    if (!args_skip(&cmd->args))
        return LOGIN_CLOSE;
    conn_puts(cmd->client->conn, "* ID (\"name\" \"Postern\")\r\n");
    return reply(cmd, "OK ID completed.");
}

static enum login_next cmd_logout(struct command *cmd)
{
    say_bye(cmd->client, "Logging out");
    (void)reply(cmd, "OK Logout completed.");
    cmd->client->why = "Logged out";
    return LOGIN_CLOSE;
}

static enum login_next cmd_starttls(struct command *cmd)
{
    if (cmd->client->tls[0] != '\0')
        return bad(cmd, "BAD TLS is already active.");
    if (!login_tls_available(cmd->client))
        return bad(cmd, "BAD TLS support isn't enabled.");
    (void)reply(cmd, "OK Begin TLS negotiation now.");
    return login_start_tls(cmd->client) ? LOGIN_RESTART : LOGIN_CLOSE;
}

static enum login_next conclude(struct command *cmd, enum login_result r)
{
    switch (r) {
    case LOGIN_OK: return LOGIN_HANDED_OVER;
    case LOGIN_REFUSED: return reply(cmd, "NO [AUTHENTICATIONFAILED] Authentication failed.");
    case LOGIN_TEMPFAIL: return bad(cmd, "NO [UNAVAILABLE] Temporary authentication failure.");
    case LOGIN_LIMIT:
        conn_printf(cmd->client->conn, "%.*s NO [LIMIT] %s\r\n", STR_FMT(cmd->tag), cmd->client->refusal);
        return LOGIN_NEXT;
    case LOGIN_ABORTED: return bad(cmd, "BAD Authentication aborted by client.");
    case LOGIN_BAD: return bad(cmd, "BAD Invalid data or unsupported authentication mechanism.");
    case LOGIN_PLAINTEXT:
        conn_puts(cmd->client->conn, "* BAD [ALERT] Plaintext authentication not allowed without SSL/TLS, but your client did it anyway. "
                                     "If anyone was listening, the password was exposed.\r\n");
        return bad(cmd, "NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.");
    case LOGIN_GONE: return LOGIN_CLOSE;
    }
    UNREACHABLE();
}

static enum login_next cmd_login(struct command *cmd)
{
    struct str user, password;
    enum arg_result r = args_string(&cmd->args, &user);
    if (r == ARG_OK)
        r = args_string(&cmd->args, &password);
    if (r != ARG_OK || !args_at_end(&cmd->args))
        return bad_arg(cmd, r == ARG_OK ? ARG_BAD : r);
    return conclude(cmd, login_password(cmd->client, cmd->tag, user, password));
}

static enum login_next cmd_authenticate(struct command *cmd)
{
    struct str mech, initial;
    enum arg_result r = args_string(&cmd->args, &mech);
    if (r != ARG_OK)
        return bad_arg(cmd, r);
    r = args_string(&cmd->args, &initial);
    if ((r != ARG_OK && r != ARG_NONE) || !args_at_end(&cmd->args))
        return bad_arg(cmd, r == ARG_OK ? ARG_BAD : r);
    return conclude(cmd, login_sasl(cmd->client, cmd->tag, mech, r == ARG_OK ? &initial : NULL));
}

static const struct { const char *name; bool has_args; enum login_next (*run)(struct command *cmd); } commands[] = {
    { "CAPABILITY", false, cmd_capability }, { "NOOP", false, cmd_noop },         { "LOGOUT", false, cmd_logout }, { "ID", true, cmd_id },
    { "STARTTLS", false, cmd_starttls },     { "LOGIN", true, cmd_login },        { "AUTHENTICATE", true, cmd_authenticate },
};

static bool is_tag(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f || strchr("(){%*\"\\+", s.p[i]) != NULL)
            return false;
    return s.n > 0 && s.n <= TAG_MAX;
}

static enum login_next command(struct login_client *c, struct str line)
{
    struct command cmd = { .client = c, .args = { .client = c } };
    struct str name, rest;
    (void)str_cut(line, ' ', &cmd.tag, &rest);
    if (!is_tag(cmd.tag)) {
        cmd.tag = STR("*");
        return bad(&cmd, "BAD Error in IMAP command received by server: no tag.");
    }
    ptrdiff_t sp = str_chr(rest, ' ');
    name = sp < 0 ? rest : str_head(rest, (size_t)sp);
    cmd.args.rest = str_skip(rest, name.n);
    for (size_t i = 0; i < N_ELEMS(commands); i++) {
        if (!str_ieqz(name, commands[i].name))
            continue;
        if (!commands[i].has_args && !args_at_end(&cmd.args))
            break;
        return commands[i].run(&cmd);
    }
    /* Its literals must not be taken for commands. */
    if (!args_skip(&cmd.args))
        return LOGIN_CLOSE;
    return bad(&cmd, "BAD Error in IMAP command received by server.");
}

int main(int argc, char **argv)
{
    static const struct login_protocol imap = { .service = "imap", .ident = "imap-login", .greet = greet, .command = command,
                                                .say_too_long = say_too_long, .say_bye = say_bye };
    return login_main(argc, argv, &imap);
}
