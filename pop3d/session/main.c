/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     pop3d - POP3 after the login
 *
 * DESCRIPTION
 *     The TRANSACTION and UPDATE states of RFC 1939, with CAPA, TOP, UIDL,
 *     PIPELINING and response codes. A session works on INBOX as it was when
 *     it began. Messages are removed at QUIT only, and +OK says that they are
 *     gone durably; a session that ends otherwise removes nothing.
 *
 * SECURITY
 *     A zygote that waits as root and forks once per login (login/session.h).
 *     The session has the user's uid, sees the user's files only, and cannot
 *     make sockets or start programs.
 *
 * DIAGNOSTICS
 *     "dovecot: pop3(user)<pid><session>: Disconnected: Logged out top=0/0, retr=1/123, del=0/1, size=N".
 */
#include "base/log.h"
#include "event/conn.h"
#include "login/session.h"
#include "params.h"
#include "proto/pop3_cmd.h"
#include "store/store.h"
#include <unistd.h>

enum { LINE_MAX_POP3 = 512, IN_MAX = 8192, BYE_MS = 5000 };

/* gone: removed by another session before its size was known; it is neither counted nor listed. */
struct message { uint32_t index; bool deleted, gone, seen, has_size; uint64_t size; };

struct session {
    const struct session_login *login;
    struct conn *conn;
    struct store *store;
    struct box *box;
    struct message *msgs;
    uint32_t n;
    unsigned errors;
    bool closing;
    const char *end;            /* what the last log line says */
    uint32_t n_top, n_retr, n_deleted;
    uint64_t top_bytes, retr_bytes;
    struct buf text;            /* of the message being sent */
};

static struct { struct pop3d_conf conf; } self;

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct pop3d_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { POP3D_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

static void say(struct session *s, const char *text) { conn_printf(s->conn, "%s\r\n", text); }

static void bad(struct session *s, const char *text)
{
    say(s, text);
    if (++s->errors >= self.conf.error_limit) {
        s->end = "Disconnected: Too many invalid commands.";
        s->closing = true;
    }
}

static void log_line(const struct session *s, enum log_level level, const char *text)
{
    log_as("dovecot", level, "pop3(%s)<%d><%s>: %s", s->login->user, (int)getpid(), s->login->session_id, text);
}

static void failed(struct session *s, const char *reply, const struct err *err)
{
    log_line(s, LOG_ERROR_LEVEL, err->text);
    say(s, reply);
}

static const char removed[] = "-ERR [SYS/TEMP] Message has been removed by another session.";

/* The message of a command; NULL after the refusal was said. */
static struct message *pick(struct session *s, const struct pop3_cmd *cmd)
{
    if (cmd->number > s->n) {
        char text[64];
        (void)snprintf(text, sizeof text, "-ERR There's no message %u.", cmd->number);
        bad(s, text);
        return NULL;
    }
    struct message *m = &s->msgs[cmd->number - 1];
    if (m->deleted)
        bad(s, "-ERR Message is deleted.");
    else if (m->gone)
        say(s, removed);
    return m->deleted || m->gone ? NULL : m;
}

/* Exactly what RETR sends, without the stuffed dots and the end; nothing of one that has gone. */
static bool size_of(struct session *s, struct message *m, uint64_t *ret)
{
    struct err err;
    if (!m->has_size) {
        enum store_result r = box_vsize(s->box, m->index, &m->size, &err);
        if (r != STORE_OK && r != STORE_NOT_FOUND) {
            failed(s, "-ERR [SYS/TEMP] A message can't be read.", &err);
            return false;
        }
        m->gone = r == STORE_NOT_FOUND;
    }
    m->has_size = true;
    *ret = m->size;
    return true;
}

static bool total(struct session *s, uint32_t *ret_n, uint64_t *ret_size)
{
    uint32_t n = 0;
    uint64_t sum = 0, one;
    for (struct message *m = s->msgs; m < s->msgs + s->n; m++) {
        if (m->deleted)
            continue;
        if (!size_of(s, m, &one))
            return false;
        if (m->gone)
            continue;
        n++;
        sum += one;
    }
    *ret_n = n;
    *ret_size = sum;
    return true;
}

static void cmd_stat(struct session *s, const struct pop3_cmd *cmd)
{
    uint32_t n;
    uint64_t size;
    (void)cmd;
    if (total(s, &n, &size))
        conn_printf(s->conn, "+OK %u %llu\r\n", n, (unsigned long long)size);
}

static void cmd_list(struct session *s, const struct pop3_cmd *cmd)
{
    uint32_t n;
    uint64_t size;
    if (cmd->has_number) {
        struct message *m = pick(s, cmd);
        if (m == NULL || !size_of(s, m, &size))
            return;
        if (m->gone)
            say(s, removed);
        else
            conn_printf(s->conn, "+OK %u %llu\r\n", cmd->number, (unsigned long long)size);
        return;
    }
    /* All sizes are known before the first line: nothing can fail in the middle. */
    if (!total(s, &n, &size))
        return;
    conn_printf(s->conn, "+OK %u messages:\r\n", n);
    for (uint32_t i = 0; i < s->n; i++)
        if (!s->msgs[i].deleted && !s->msgs[i].gone)
            conn_printf(s->conn, "%u %llu\r\n", i + 1, (unsigned long long)s->msgs[i].size);
    say(s, ".");
}

static void put_uidl(struct session *s, const char *prefix, uint32_t number)
{
    struct buf b = buf_make(0);
    box_uidl(s->box, s->msgs[number - 1].index, &b);
    conn_printf(s->conn, "%s%u %.*s\r\n", prefix, number, STR_FMT(buf_str(&b)));
    buf_done(&b);
}

static void cmd_uidl(struct session *s, const struct pop3_cmd *cmd)
{
    if (cmd->has_number) {
        if (pick(s, cmd) != NULL)
            put_uidl(s, "+OK ", cmd->number);
        return;
    }
    say(s, "+OK");
    for (uint32_t i = 0; i < s->n; i++)
        if (!s->msgs[i].deleted && !s->msgs[i].gone)
            put_uidl(s, "", i + 1);
    say(s, ".");
}

static void put_piece(void *arg, struct str piece) { conn_put(arg, piece); }

/* Reads the message into s->text. */
static bool read_message(struct session *s, const struct message *m)
{
    struct err err;
    buf_reset(&s->text);
    switch (box_read(s->box, m->index, &s->text, &err)) {
    case STORE_OK: return true;
    case STORE_NOT_FOUND: say(s, removed); return false;
    case STORE_EXISTS:
    case STORE_BAD_NAME:
    case STORE_LIMIT:
    case STORE_READ_ONLY:
    case STORE_FAILED: break;
    }
    failed(s, "-ERR [SYS/TEMP] Message can't be read.", &err);
    return false;
}

static void cmd_retr(struct session *s, const struct pop3_cmd *cmd)
{
    struct message *m = pick(s, cmd);
    if (m == NULL || !read_message(s, m))
        return;
    m->seen = true;
    s->n_retr++;
    s->retr_bytes += s->text.n;
    conn_printf(s->conn, "+OK %zu octets\r\n", s->text.n);
    pop3_stuff(buf_str(&s->text), put_piece, s->conn);
}

static void cmd_top(struct session *s, const struct pop3_cmd *cmd)
{
    struct message *m = pick(s, cmd);
    if (m == NULL || !read_message(s, m))
        return;
    struct str part = str_head(buf_str(&s->text), pop3_top(buf_str(&s->text), cmd->lines));
    s->n_top++;
    s->top_bytes += part.n;
    say(s, "+OK");
    pop3_stuff(part, put_piece, s->conn);
}

static void cmd_dele(struct session *s, const struct pop3_cmd *cmd)
{
    struct message *m = pick(s, cmd);
    if (m == NULL)
        return;
    m->deleted = true;
    s->n_deleted++;
    say(s, "+OK Marked to be deleted.");
}

static void cmd_rset(struct session *s, const struct pop3_cmd *cmd)
{
    (void)cmd;
    for (uint32_t i = 0; i < s->n; i++)
        s->msgs[i].deleted = false;
    s->n_deleted = 0;
    say(s, "+OK");
}

static void cmd_noop(struct session *s, const struct pop3_cmd *cmd)
{
    (void)cmd;
    say(s, "+OK");
}

static void cmd_capa(struct session *s, const struct pop3_cmd *cmd)
{
    (void)cmd;
    say(s, "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n.");
}

static size_t collect(struct session *s, uint32_t *out, bool deleted)
{
    size_t k = 0;
    for (uint32_t i = 0; i < s->n; i++)
        if (deleted ? s->msgs[i].deleted : s->msgs[i].seen && !s->msgs[i].deleted)
            out[k++] = s->msgs[i].index;
    return k;
}

/* What was read becomes \Seen. Not worth an error: nothing was promised. */
static void mark_seen(struct session *s)
{
    struct err err;
    uint32_t *index = xcalloc((size_t)s->n + 1, sizeof *index);
    size_t k = self.conf.no_flag_updates ? 0 : collect(s, index, false);
    if (k > 0 && box_store(s->box, index, k, BOX_FLAGS_ADD, FLAG_SEEN, 0, &err) == STORE_FAILED)
        log_line(s, LOG_ERROR_LEVEL, err.text);
    free(index);
}

/* UPDATE (RFC 1939 §6): +OK only when the files are gone for good. */
static void cmd_quit(struct session *s, const struct pop3_cmd *cmd)
{
    struct err err;
    (void)cmd;
    uint32_t *index = xcalloc((size_t)s->n + 1, sizeof *index);
    size_t k = collect(s, index, true);
    enum store_result r = k == 0 ? STORE_OK : box_expunge(s->box, index, k, &err);
    free(index);
    s->closing = true;
    s->end = "Disconnected: Logged out";
    if (k > 0)
        session_tell(s->login);
    if (r == STORE_OK)
        say(s, k > 0 ? "+OK Logging out, messages deleted." : "+OK Logging out.");
    else
        failed(s, "-ERR [SYS/TEMP] Some messages could not be deleted.", &err);
}

static const struct { enum pop3_verb verb; void (*run)(struct session *s, const struct pop3_cmd *cmd); } commands[] = {
    { POP3_STAT, cmd_stat }, { POP3_LIST, cmd_list }, { POP3_UIDL, cmd_uidl }, { POP3_RETR, cmd_retr }, { POP3_TOP, cmd_top },
    { POP3_DELE, cmd_dele }, { POP3_RSET, cmd_rset }, { POP3_NOOP, cmd_noop }, { POP3_CAPA, cmd_capa }, { POP3_QUIT, cmd_quit },
};

static void dispatch(struct session *s, struct str line)
{
    struct pop3_cmd cmd;
    enum pop3_parse r = pop3_cmd_parse(line, &cmd);
    if (r == POP3_PARSE_BAD_ARG) {
        bad(s, "-ERR Invalid or missing argument.");
        return;
    }
    for (size_t i = 0; r == POP3_PARSE_OK && i < N_ELEMS(commands); i++)
        if (commands[i].verb == cmd.verb) {
            unsigned before = s->errors;
            commands[i].run(s, &cmd);
            s->errors = s->errors == before ? 0 : s->errors;
            return;
        }
    bad(s, "-ERR Unknown command.");
}

static void serve(struct session *s)
{
    say(s, "+OK Logged in.");
    while (!s->closing && !conn_is_broken(s->conn)) {
        struct str line;
        switch (conn_read_line(s->conn, LINE_MAX_POP3, deadline_in((int64_t)self.conf.idle_timeout * 1000), &line)) {
        case READ_OK: dispatch(s, line); break;
        case READ_TOO_LONG: bad(s, "-ERR Command line is too long."); break;
        case READ_TIMEOUT:
            say(s, "-ERR Disconnected for inactivity.");
            s->end = "Disconnected: Inactivity";
            s->closing = true;
            break;
        case READ_CANCELLED:
            say(s, session_is_kicked() ? "-ERR [SYS/TEMP] Disconnected by the administrator." : "-ERR [SYS/TEMP] Server shutting down.");
            s->end = session_is_kicked() ? "Disconnected: Kicked by the administrator" : "Disconnected: Server shutting down.";
            s->closing = true;
            break;
        case READ_CLOSED: s->closing = true; break;
        }
    }
}

static bool open_inbox(struct session *s)
{
    struct err err = { .kind = ERR_NONE };
    struct store_conf conf = { .location = s->login->mail, .user = s->login->user, .home = s->login->home };
    s->store = store_open(&conf, &err);
    if (s->store == NULL || box_open(s->store, STR("INBOX"), 0, &s->box, &err) != STORE_OK) {
        failed(s, "-ERR [SYS/TEMP] Mailbox can't be opened.", &err);
        return false;
    }
    const struct box_msg *all = box_msgs(s->box);
    size_t n = box_count(s->box);
    s->msgs = xcalloc(n + 1, sizeof *s->msgs);
    for (size_t i = 0; i < n && s->n < INT32_MAX; i++)
        if (!all[i].gone)
            s->msgs[s->n++] = (struct message){ .index = (uint32_t)i };
    return true;
}

static void log_end(struct session *s)
{
    char text[300];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->n; i++)
        sum += s->msgs[i].size;
    (void)snprintf(text, sizeof text, "%s top=%u/%llu, retr=%u/%llu, del=%u/%u, size=%llu", s->end, s->n_top, (unsigned long long)s->top_bytes,
                   s->n_retr, (unsigned long long)s->retr_bytes, s->n_deleted, s->n, (unsigned long long)sum);
    log_line(s, LOG_INFO_LEVEL, text);
}

static void run(const struct session_login *login)
{
    struct session s = { .login = login, .conn = conn_new(login->fd, IN_MAX), .end = "Disconnected: Connection closed", .text = buf_make(0) };
    conn_preload(s.conn, login->read_ahead);
    if (open_inbox(&s)) {
        serve(&s);
        /* Messages removed at QUIT are gone from the index already. */
        mark_seen(&s);
    }
    (void)conn_flush(s.conn, deadline_in(BYE_MS));
    log_end(&s);
    box_close(s.box);
    if (s.store != NULL)
        store_close(s.store);
    conn_free(s.conn);
    buf_done(&s.text);
    free(s.msgs);
}

int main(int argc, char **argv)
{
    static const struct session_ops pop3 = { .service = "pop3", .params = &params, .conf = &self.conf, .run = run };
    return session_zygote_main(argc, argv, "pop3d", &pop3);
}
