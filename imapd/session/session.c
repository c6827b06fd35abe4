/* SPDX-License-Identifier: ISC */
#include "session.h"
#include "base/num.h"
#include "login/line.h"
#include "os/clock.h"
#include <stdarg.h>
#include <unistd.h>

enum { SESSION_MEMORY = 32 << 20, COMMAND_MAX = IMAP_LINE_MAX * 2, FLUSH_AFTER_MS = 2000, DISCARD_MAX = 65536 };

void session_log(struct session *s, enum log_level level, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_as("dovecot", level, "imap(%s)<%d><%s>: %s", s->user->name, (int)getpid(), s->user->session_id, text);
}

static const struct { uint8_t flag; const char *name; } flag_names[] = {
    { FLAG_ANSWERED, "\\Answered" }, { FLAG_FLAGGED, "\\Flagged" }, { FLAG_DELETED, "\\Deleted" },
    { FLAG_SEEN, "\\Seen" },         { FLAG_DRAFT, "\\Draft" },     { FLAG_RECENT, "\\Recent" },
};

void session_put_flags(struct session *s, struct buf *to, const struct box_msg *m)
{
    const char *space = "";
    buf_puts(to, "FLAGS (");
    for (size_t i = 0; i < N_ELEMS(flag_names); i++)
        if ((m->flags & flag_names[i].flag) != 0) {
            buf_puts(to, space);
            buf_puts(to, flag_names[i].name);
            space = " ";
        }
    for (unsigned k = 0; k < STORE_KEYWORDS_MAX && m->keywords >> k != 0; k++) {
        const char *name = (m->keywords >> k & 1) != 0 ? box_keyword_name(s->box, k) : NULL;
        if (name != NULL) {
            buf_puts(to, space);
            buf_puts(to, name);
            space = " ";
        }
    }
    buf_putc(to, ')');
}

static void put_all_flags(struct session *s, bool may_add)
{
    const char *name, *space = "";
    for (size_t i = 0; i < N_ELEMS(flag_names) - 1; i++, space = " ") {
        buf_puts(out(s), space);
        buf_puts(out(s), flag_names[i].name);
    }
    for (unsigned k = 0; (name = box_keyword_name(s->box, k)) != NULL; k++)
        buf_printf(out(s), " %s", name);
    if (may_add)
        buf_puts(out(s), " \\*");
}

void session_tell_keywords(struct session *s, bool always)
{
    unsigned n = 0;
    while (box_keyword_name(s->box, n) != NULL)
        n++;
    if (!always && n == s->told_keywords)
        return;
    s->told_keywords = n;
    buf_puts(out(s), "* FLAGS (");
    put_all_flags(s, false);
    buf_puts(out(s), ")\r\n* OK [PERMANENTFLAGS (");
    if (!s->read_only)
        put_all_flags(s, n < STORE_KEYWORDS_MAX);
    buf_puts(out(s), s->read_only ? ")] Read-only mailbox.\r\n" : ")] Flags permitted.\r\n");
}

static void tell_counts(struct session *s)
{
    uint32_t exists = (uint32_t)box_count(s->box), recent = box_head(s->box)->recent;
    if (exists != s->told_exists)
        buf_printf(out(s), "* %u EXISTS\r\n", exists);
    if (exists != s->told_exists || recent != s->told_recent)
        buf_printf(out(s), "* %u RECENT\r\n", recent);
    s->told_exists = exists;
    s->told_recent = recent;
}

static void end_with(struct session *s, const char *bye, const char *why)
{
    buf_printf(out(s), "* BYE %s\r\n", bye);
    s->why_ended = why;
    s->state = ST_LOGOUT;
}

/* Another session may have deleted the mailbox, or made another of that name: nothing can be said about its messages any more. */
static void sync_failed(struct session *s, enum store_result r, const struct err *err)
{
    struct box_status st;
    struct err other = { 0 };
    enum store_result now = store_status(s->store, str_from(s->box_name), false, &st, &other);
    if (now == STORE_NOT_FOUND)
        end_with(s, "Selected mailbox was deleted, have to disconnect.", "Selected mailbox was deleted");
    else if (now == STORE_OK && st.uidvalidity != box_head(s->box)->uidvalidity)
        end_with(s, "Mailbox UIDVALIDITY changed, have to disconnect.", "Mailbox UIDVALIDITY changed");
    else if (r == STORE_FAILED)
        session_log(s, LOG_ERROR_LEVEL, "Error: %s", err->text);
}

void session_sync(struct session *s, bool may_expunge)
{
    struct box_changes ch = { 0 };
    struct err err = { 0 };
    if (s->box == NULL)
        return;
    enum store_result r = box_sync(s->box, may_expunge, &ch, &err);
    if (r != STORE_OK) {
        sync_failed(s, r, &err);
        return;
    }
    for (size_t i = 0; i < ch.n_gone; i++) {
        buf_printf(out(s), "* %u EXPUNGE\r\n", ch.gone_index[i] + 1);
        s->told_exists -= s->told_exists > 0 ? 1 : 0;
    }
    session_tell_keywords(s, false);
    const struct box_msg *msgs = box_msgs(s->box);
    for (size_t i = 0; i < ch.n_changed; i++) {
        buf_printf(out(s), "* %u FETCH (UID %u ", ch.changed[i] + 1, msgs[ch.changed[i]].uid);
        session_put_flags(s, out(s), &msgs[ch.changed[i]]);
        buf_puts(out(s), ")\r\n");
        io_flush_some(&s->io);
    }
    tell_counts(s);
}

void session_unselect(struct session *s)
{
    box_close(s->box);
    s->box = NULL;
    free(s->box_name);
    s->box_name = NULL;
    s->flush_at = 0;
    s->state = s->state == ST_LOGOUT ? ST_LOGOUT : ST_AUTH;
    s->told_exists = s->told_recent = s->told_keywords = 0;
}

/* Flag changes go into file names after two seconds of quiet. */
static int64_t wake_at(struct session *s, int64_t deadline)
{
    if (s->box == NULL || !box_needs_flush(s->box)) {
        s->flush_at = 0;
        return deadline;
    }
    if (s->flush_at == 0)
        s->flush_at = deadline_in(FLUSH_AFTER_MS);
    return MIN(s->flush_at, deadline);
}

static void flush_flags(struct session *s)
{
    struct err err = { 0 };
    if (s->flush_at == 0 || clock_mono_ms() < s->flush_at)
        return;
    s->flush_at = 0;
    if (box_flush(s->box, &err) == STORE_FAILED) {
        session_log(s, LOG_ERROR_LEVEL, "Error: %s", err.text);
        s->flush_at = deadline_in(10 * FLUSH_AFTER_MS);
    }
}

bool session_wait(struct session *s)
{
    int64_t deadline = deadline_in((int64_t)s->conf->idle_timeout * 1000);
    for (;;) {
        int64_t wake = wake_at(s, deadline);
        enum io_result r = io_wait(&s->io, wake, -1);
        if (r == IO_OK)
            return true;
        if (r == IO_CLOSED || clock_mono_ms() >= deadline) {
            if (r == IO_TIMEOUT)
                buf_puts(out(s), "* BYE Disconnected for inactivity.\r\n");
            s->why_ended = r == IO_TIMEOUT ? "Inactivity" : "Connection closed";
            s->state = ST_LOGOUT;
            return false;
        }
        flush_flags(s);
    }
}

bool session_read_line(struct session *s, struct str *ret)
{
    imap_input_reset(&s->input);
    for (;;) {
        if (s->io.unread.n == 0 && !session_wait(s))
            return false;
        switch (imap_input_feed(&s->input, &s->io.unread)) {
        case IMAP_INPUT_MORE:
            break;
        case IMAP_INPUT_COMMAND:
        case IMAP_INPUT_LITERAL:
            *ret = str_trim(imap_input_text(&s->input));
            return true;
        case IMAP_INPUT_TOO_LONG:
            buf_puts(out(s), "* BYE Too long line.\r\n");
            s->why_ended = "Too long line";
            s->state = ST_LOGOUT;
            return false;
        }
    }
}

static void drain_events(struct session *s)
{
    char events[4096];
    ssize_t n = 1;
    while (s->inotify >= 0 && n > 0)
        n = read(s->inotify, events, sizeof events);
    /* The end of file can only be the hub's: it is gone, and a poll must do. */
    if (n == 0)
        s->inotify = s->io.hub = -1;
}

/* This session changed the mailbox: the hub tells the others, who may not be able to watch it. */
static void tell_hub(const struct session *s)
{
    static const char changed = LINE_CHANGED;
    if (s->io.hub >= 0 && write(s->io.hub, &changed, 1) < 0)
        return;     /* they look now and then anyway */
}

bool session_idle(struct session *s)
{
    int64_t now = clock_mono_ms();
    if (s->idle_until == 0)
        s->idle_until = now + (int64_t)s->conf->idle_timeout * 1000;
    if (s->keepalive_at <= now)
        s->keepalive_at = now + (int64_t)s->conf->keepalive * 1000;
    int64_t poll_at = s->inotify < 0 || s->inotify == s->io.hub ? now + FLUSH_AFTER_MS : FOREVER;
    enum io_result r = io_wait(&s->io, wake_at(s, MIN(MIN(s->idle_until, s->keepalive_at), poll_at)), s->inotify);
    if (r == IO_OK)
        return true;
    if (r == IO_CLOSED)
        return false;
    drain_events(s);
    flush_flags(s);
    if (s->box != NULL && box_has_news(s->box))
        session_sync(s, true);
    s->io.trimmed = s->io.trimmed && s->io.out.n == 0;      /* what is sent now takes memory again */
    if (clock_mono_ms() >= s->keepalive_at)
        buf_puts(out(s), "* OK Still here\r\n");
    return s->state != ST_LOGOUT && clock_mono_ms() < s->idle_until;
}

static const struct command *find_in(const struct command *table, struct str verb)
{
    for (; table->verb != NULL; table++)
        if (str_ieqz(verb, table->verb))
            return table;
    return NULL;
}

static const struct command *find_command(struct str verb, bool uid)
{
    const struct command *cmd = find_in(commands_any(), verb);
    if (cmd == NULL)
        cmd = find_in(commands_mailbox(), verb);
    if (cmd == NULL)
        cmd = find_in(commands_messages(), verb);
    return cmd != NULL && uid && (cmd->flags & CMD_UID) == 0 ? NULL : cmd;
}

static const char no_mailbox[] = "No mailbox selected.";

static struct reply check_and_run(struct session *s, const struct command *cmd, struct imap_cur *c, bool uid)
{
    if ((cmd->states & s->state) == 0)
        return reply_bad(no_mailbox);
    if ((cmd->flags & CMD_NO_ARGS) != 0 && !imap_at_end(c))
        return reply_bad("Invalid arguments.");
    if ((cmd->flags & CMD_WRITES) != 0 && s->read_only)
        return reply_no("[READ-ONLY] Mailbox is read-only");
    return cmd->run(s, c, uid);
}

static void send_reply(struct session *s, struct str tag, struct reply r)
{
    buf_add(out(s), tag);
    buf_printf(out(s), " %s ", r.word);
    buf_add(out(s), r.text);
    buf_puts(out(s), "\r\n");
}

static void too_many_errors(struct session *s)
{
    if (++s->bad_commands < s->conf->error_limit)
        return;
    buf_puts(out(s), "* BYE Too many invalid IMAP commands.\r\n");
    s->why_ended = "Too many invalid IMAP commands.";
    s->state = ST_LOGOUT;
}

/* One assembled command, APPEND with its literal still unread. */
static void dispatch(struct session *s)
{
    struct imap_cur c = imap_cur_make(imap_input_text(&s->input), &s->mem);
    struct str tag = STR("*"), verb = STR("");
    bool uid = false;
    if (s->input.has_nul || !imap_tag(&c, &tag) || !imap_sp(&c) || !imap_atom(&c, &verb)) {
        send_reply(s, tag, reply_bad(s->input.has_nul ? "NUL in command." : "Error in IMAP command: missing command."));
        too_many_errors(s);
        return;
    }
    if (str_ieqz(verb, "UID")) {
        uid = true;
        verb = STR("");
        (void)(imap_sp(&c) && imap_atom(&c, &verb));
    }
    const struct command *cmd = find_command(verb, uid);
    if (cmd == NULL) {
        send_reply(s, tag, reply_fmt(s, "BAD", "Error in IMAP command %s%.*s: Unknown command.", uid ? "UID " : "",
                                     (int)MIN(verb.n, 64u), verb.p));
        too_many_errors(s);
        return;
    }
    (void)imap_sp(&c);
    tag = str_dup(&s->mem, tag);        /* a command may read more input */
    verb = str_dup(&s->mem, verb);
    s->tag = tag;
    struct reply r = check_and_run(s, cmd, &c, uid);
    bool bad = str_eqz(str_from(r.word), "BAD");
    if (s->state == ST_SELECTED && !r.no_news)
        session_sync(s, uid || (cmd->flags & CMD_MSN) == 0);
    if (bad && r.text.p != no_mailbox)
        r = reply_fmt(s, "BAD", "Error in IMAP command %s%.*s: %.*s", uid ? "UID " : "", STR_FMT(verb), STR_FMT(r.text));
    send_reply(s, tag, r);
    if ((cmd->flags & CMD_CHANGES) != 0)
        tell_hub(s);
    if (bad)
        too_many_errors(s);
    else
        s->bad_commands = 0;
}

static bool is_append(struct session *s)
{
    struct imap_cur c = imap_cur_make(imap_input_text(&s->input), &s->mem);
    struct str word;
    return imap_tag(&c, &word) && imap_sp(&c) && imap_word(&c, "APPEND") && imap_sp(&c) && imap_astring(&c, &word) &&
           imap_sp(&c);
}

/*
 * An announced literal. A client that waits is told no; one that does not wait has
 * sent it already, and since it cannot be told in time, the session ends (RFC 7888 §4).
 */
static bool take_literal(struct session *s)
{
    struct imap_cur c = imap_cur_make(imap_input_text(&s->input), &s->mem);
    struct str tag = STR("*");
    if (imap_input_accept(&s->input)) {
        if (!s->input.literal.nonsync)
            buf_puts(out(s), "+ OK\r\n");
        return true;
    }
    if (s->input.literal.nonsync) {
        buf_puts(out(s), "* BYE [TOOBIG] Literal is too large.\r\n");
        s->why_ended = "Too large literal";
        s->state = ST_LOGOUT;
        return false;
    }
    (void)imap_tag(&c, &tag);
    send_reply(s, tag, reply_bad("[TOOBIG] Literal is too large."));
    too_many_errors(s);
    imap_input_reset(&s->input);
    return true;
}

/* A line beyond all limits: its end is looked for a while longer. */
static void refuse_line(struct session *s)
{
    struct imap_cur c = imap_cur_make(imap_input_text(&s->input), &s->mem);
    struct str tag = STR("*");
    (void)imap_tag(&c, &tag);
    tag = str_dup(&s->mem, tag);
    imap_input_reset(&s->input);
    size_t dropped = 0;
    for (;;) {
        ptrdiff_t lf = str_chr(s->io.unread, '\n');
        dropped += s->io.unread.n;
        s->io.unread = lf < 0 ? STR("") : str_skip(s->io.unread, (size_t)lf + 1);
        if (lf >= 0)
            break;
        if (dropped > DISCARD_MAX) {
            buf_puts(out(s), "* BYE Too long command line.\r\n");
            s->why_ended = "Too long command line";
            s->state = ST_LOGOUT;
            return;
        }
        if (!session_wait(s))
            return;
    }
    send_reply(s, tag, reply_bad("Too long argument."));
    too_many_errors(s);
}

static void end_command(struct session *s)
{
    imap_input_reset(&s->input);
    if (s->input.text.cap > 4096)
        buf_trim(&s->input.text);
    arena_done(&s->mem);
    io_flush_some(&s->io);
}

static void serve(struct session *s)
{
    while (s->state != ST_LOGOUT && !s->io.broken) {
        if (s->io.unread.n == 0 && !session_wait(s))
            break;
        switch (imap_input_feed(&s->input, &s->io.unread)) {
        case IMAP_INPUT_MORE:
            break;
        case IMAP_INPUT_TOO_LONG:
            refuse_line(s);
            end_command(s);
            break;
        case IMAP_INPUT_LITERAL:
            if (!is_append(s)) {
                (void)take_literal(s);
                break;
            }
            dispatch(s);
            end_command(s);
            break;
        case IMAP_INPUT_COMMAND:
            dispatch(s);
            end_command(s);
            break;
        }
    }
}

static bool open_store(struct session *s)
{
    struct err err = { 0 };
    struct store_conf sc = {
        .location = s->user->mail != NULL && *s->user->mail != '\0' ? s->user->mail : s->conf->mail_location,
        .user = s->user->name, .home = s->user->home,
        .special_use = *s->conf->special_use != '\0' ? s->conf->special_use : NULL,
        .message_limit = s->conf->message_limit,
    };
    s->store = store_open(&sc, &err);
    if (s->store != NULL)
        return true;
    session_log(s, LOG_ERROR_LEVEL, "Error: %s", err.text);
    if (s->user->tag != NULL && *s->user->tag != '\0')
        buf_printf(out(s), "%s NO [UNAVAILABLE] Internal error occurred. Try again later.\r\n", s->user->tag);
    buf_puts(out(s), "* BYE [UNAVAILABLE] The mailboxes cannot be opened.\r\n");
    s->why_ended = "Mail access failed";
    return false;
}

static void greet(struct session *s)
{
    if (s->user->tag == NULL || *s->user->tag == '\0')
        return;
    buf_printf(out(s), "%s OK [CAPABILITY ", s->user->tag);
    put_capability(s);
    buf_puts(out(s), "] Logged in\r\n");
}

static void log_end(struct session *s)
{
    session_log(s, LOG_INFO_LEVEL,
                "Disconnected: %s in=%llu out=%llu deleted=%llu expunged=%llu trashed=%llu hdr_count=%llu "
                "hdr_bytes=%llu body_count=%llu body_bytes=%llu",
                s->why_ended, (unsigned long long)s->io.bytes_in, (unsigned long long)s->io.bytes_out,
                (unsigned long long)s->deleted, (unsigned long long)s->expunged, (unsigned long long)s->trashed,
                (unsigned long long)s->header_count, (unsigned long long)s->header_bytes,
                (unsigned long long)s->body_count, (unsigned long long)s->body_bytes);
}

void session_run(const struct imapd_conf *conf, const struct imap_user *user, int fd, struct str read_ahead)
{
    struct session s = { .conf = conf, .user = user, .state = ST_AUTH, .input = imap_input_make(COMMAND_MAX),
                         .mem = arena_make(SESSION_MEMORY), .inotify = -1,
                         .why_ended = "Connection closed" };
    io_init(&s.io, fd, read_ahead);
    s.io.hub = user->hub_line > 0 ? user->hub_line : -1;
    if (open_store(&s)) {
        greet(&s);
        serve(&s);
    }
    if (io_stopped()) {
        buf_puts(out(&s), "* BYE Server shutting down.\r\n");
        s.why_ended = "Shutting down";
    } else if (s.io.kicked) {
        buf_puts(out(&s), "* BYE Disconnected by the administrator.\r\n");
        s.why_ended = "Kicked by the administrator";
    }
    io_flush(&s.io);
    session_unselect(&s);
    store_close(s.store);
    log_end(&s);
    imap_input_done(&s.input);
    arena_done(&s.mem);
    io_done(&s.io);
}
