/* SPDX-License-Identifier: ISC
 *
 * cmd_any.c - commands that need no mailbox: CAPABILITY, NOOP, LOGOUT, ID,
 * ENABLE, NAMESPACE, IDLE, and those whose time is over after login.
 */
#include "session.h"
#include <sys/inotify.h>
#include <unistd.h>

static const char capabilities[] =
    "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE ESEARCH WITHIN NAMESPACE UIDPLUS UNSELECT CHILDREN "
    "LIST-EXTENDED LIST-STATUS SPECIAL-USE MOVE STATUS=SIZE LITERAL+ XLIST";

void put_capability(struct session *s)
{
    buf_puts(out(s), capabilities);
    buf_printf(out(s), " APPENDLIMIT=%llu", (unsigned long long)s->conf->message_limit);
    if (*s->conf->capability_extra != '\0')
        buf_printf(out(s), " %s", s->conf->capability_extra);
}

static struct reply cmd_capability(struct session *s, struct imap_cur *c, bool uid)
{
    (void)c, (void)uid;
    buf_puts(out(s), "* CAPABILITY ");
    put_capability(s);
    buf_puts(out(s), "\r\n");
    return reply_ok("Capability completed.");
}

static struct reply cmd_noop(struct session *s, struct imap_cur *c, bool uid)
{
    (void)s, (void)c, (void)uid;
    return reply_ok("NOOP completed.");
}

static struct reply cmd_logout(struct session *s, struct imap_cur *c, bool uid)
{
    (void)c, (void)uid;
    buf_puts(out(s), "* BYE Logging out\r\n");
    s->why_ended = "Logged out";
    s->state = ST_LOGOUT;
    return reply_ok("Logout completed.");
}

static struct reply cmd_too_late(struct session *s, struct imap_cur *c, bool uid)
{
    (void)s, (void)c, (void)uid;
    return reply_bad("Already logged in.");
}

/* RFC 2971: NIL or a list of pairs; at most 30 of them, 1024 bytes each. */
static struct reply cmd_id(struct session *s, struct imap_cur *c, bool uid)
{
    struct str word;
    bool nil;
    size_t n = 0;
    (void)uid;
    if (!imap_word(c, "NIL")) {
        if (!imap_char(c, '('))
            return reply_bad("Invalid ID parameters.");
        while (!imap_char(c, ')')) {
            if (n++ == 60 || !imap_nstring(c, &word, &nil) || word.n > 1024)
                return reply_bad("Invalid ID parameters.");
            (void)imap_sp(c);
        }
    }
    buf_puts(out(s), "* ID (\"name\" \"Postern\")\r\n");
    return reply_ok("ID completed.");
}

/* RFC 5161: what is not known is ignored; nothing of ours has to be enabled. */
static struct reply cmd_enable(struct session *s, struct imap_cur *c, bool uid)
{
    struct str word;
    (void)uid;
    do {
        if (!imap_atom(c, &word))
            return reply_bad("ENABLE parameters must be atoms.");
    } while (imap_sp(c));
    if (!imap_at_end(c))
        return reply_bad("ENABLE parameters must be atoms.");
    buf_puts(out(s), "* ENABLED\r\n");
    return reply_ok("Enabled.");
}

static struct reply cmd_namespace(struct session *s, struct imap_cur *c, bool uid)
{
    (void)c, (void)uid;
    buf_printf(out(s), "* NAMESPACE ((\"\" \"%c\")) NIL NIL\r\n", STORE_SEPARATOR);
    return reply_ok("Namespace completed.");
}

static void watch(struct session *s)
{
    if (s->box == NULL)
        return;
    s->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (s->inotify >= 0 && !box_watch(s->box, s->inotify)) {
        close(s->inotify);
        s->inotify = -1;
    }
    /* Instances of inotify are few per uid, and many users may share one. */
    if (s->inotify < 0)
        s->inotify = s->io.hub;
}

/* RFC 2177. Anything but DONE ends it too, with an error. */
static struct reply cmd_idle(struct session *s, struct imap_cur *c, bool uid)
{
    struct str line;
    (void)c, (void)uid;
    watch(s);
    session_sync(s, true);
    buf_puts(out(s), "+ idling\r\n");
    s->idle_until = s->keepalive_at = 0;
    while (s->io.unread.n == 0 && !s->io.broken && session_idle(s))
        ;
    if (s->inotify >= 0 && s->inotify != s->io.hub)
        close(s->inotify);
    s->inotify = -1;
    bool told = s->io.kicked || io_stopped();
    if (s->io.unread.n == 0 && !s->io.broken && s->state != ST_LOGOUT && !told) {
        buf_puts(out(s), "* BYE Disconnected for inactivity.\r\n");
        s->why_ended = "Inactivity";
        s->state = ST_LOGOUT;
    }
    if (told || s->state == ST_LOGOUT || s->io.broken || !session_read_line(s, &line))
        return reply_no("Idle ended.");
    return str_ieqz(line, "DONE") ? reply_ok("Idle completed.") : reply_bad("Expected DONE.");
}

const struct command *commands_any(void)
{
    static const struct command table[] = {
        { "CAPABILITY", ST_AUTH | ST_SELECTED, CMD_NO_ARGS, cmd_capability },
        { "NOOP", ST_AUTH | ST_SELECTED, CMD_NO_ARGS, cmd_noop },
        { "LOGOUT", ST_AUTH | ST_SELECTED, CMD_NO_ARGS, cmd_logout },
        { "ID", ST_AUTH | ST_SELECTED, 0, cmd_id },
        { "ENABLE", ST_AUTH | ST_SELECTED, 0, cmd_enable },
        { "NAMESPACE", ST_AUTH | ST_SELECTED, CMD_NO_ARGS, cmd_namespace },
        { "IDLE", ST_AUTH | ST_SELECTED, CMD_NO_ARGS, cmd_idle },
        { "LOGIN", ST_AUTH | ST_SELECTED, 0, cmd_too_late },
        { "AUTHENTICATE", ST_AUTH | ST_SELECTED, 0, cmd_too_late },
        { "STARTTLS", ST_AUTH | ST_SELECTED, 0, cmd_too_late },
        { NULL, 0, 0, NULL },
    };
    return table;
}
