/* SPDX-License-Identifier: ISC
 *
 * session.h - one IMAP session after login, from the tagged OK of the login to
 * the last BYE.
 *
 * The process serves one client and has become the user, so a session is
 * plain code: read a command, run it, answer. It waits in io.c only. Three
 * rules hold everywhere:
 *
 *  - A message's sequence number is its index in box_msgs() plus one. Indexes
 *    move only in session_sync(), which tells the client; commands that carry
 *    sequence numbers call it without leave to expunge (RFC 3501 §7.4.1).
 *  - What a command parsed or built lies in s->mem and is gone after it.
 *  - A handler returns what the tagged reply says; dispatch() sends it after
 *    the untagged news.
 */
#ifndef IMAPD_SESSION_H
#define IMAPD_SESSION_H
#include "params.h"
#include "base/log.h"
#include "conf/param.h"
#include "proto/imap_fetch.h"
#include "proto/imap_seqset.h"
#include "store/store.h"

struct imapd_conf { IMAPD_PARAMS(PARAM_MEMBER) };

/* Who the session is for; all of it outlives the session. */
struct imap_user {
    const char *name, *home, *mail;     /* mail: location, NULL = the configured one */
    const char *session_id;
    const char *tag;                    /* of the login command that is still to be answered; NULL or empty = none */
    int hub_line;                       /* descriptor of the line to the hub (login/session.h); 0 = none */
};

/* States are bits, so that a command can name every state that it is legal in. */
enum state { ST_AUTH = 1, ST_SELECTED = 2, ST_LOGOUT = 4 };

struct io {
    int fd;
    struct buf out;             /* collected until the next wait or IO_OUT_FLUSH bytes */
    char *in;                   /* IO_IN_SIZE bytes while there is input, else NULL */
    struct str unread;          /* in *in */
    uint64_t bytes_in, bytes_out;
    bool broken;                /* the client is gone: nothing more is read or written */
    int hub;                    /* the line to the hub (login/line.h), -1: none; read in every wait */
    bool kicked;                /* the hub said that the session shall end */
    bool trimmed;               /* idle memory was given back since the last input */
};
enum { IO_OUT_FLUSH = 65536, IO_IN_SIZE = 8192 };

struct session {
    const struct imapd_conf *conf;
    const struct imap_user *user;
    struct io io;
    struct imap_input input;
    struct arena mem;
    struct str tag;                     /* of the command that runs */
    enum state state;
    struct store *store;
    struct box *box;
    char *box_name;
    bool read_only;
    uint32_t told_exists, told_recent;
    unsigned told_keywords;             /* how many are in the last FLAGS */
    int64_t keepalive_at, idle_until;   /* in IDLE */
    int64_t flush_at;                   /* monotonic; 0 = flags are in the file names */
    unsigned bad_commands;
    int inotify;                        /* what tells news of the mailbox in IDLE: inotify, else the hub's line, or -1 */
    const char *why_ended;              /* for the log line */
    uint64_t deleted, expunged, trashed, header_count, header_bytes, body_count, body_bytes;
};

/* --- session.c */
/* Runs to the end of the session; the caller closes fd. read_ahead: bytes that login had read already. */
void session_run(const struct imapd_conf *conf, const struct imap_user *user, int fd, struct str read_ahead);
/* Untagged news of the selected mailbox. */
void session_sync(struct session *s, bool may_expunge);
/* "* FLAGS" and PERMANENTFLAGS when there are keywords that the client does not know. */
void session_tell_keywords(struct session *s, bool always);
/* Leaves the selected mailbox, without a word. */
void session_unselect(struct session *s);
void session_put_flags(struct session *s, struct buf *out, const struct box_msg *m);
/* For a client in IDLE: waits once and tells news. False when its time is up or it is gone. */
bool session_idle(struct session *s);
/* Input up to the end of a line that is no command, without its line end; lives until the next read. False: the session is over. */
bool session_read_line(struct session *s, struct str *ret);
/* Wait for more input. False: the session is over. */
bool session_wait(struct session *s);
void session_log(struct session *s, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* --- io.c */
enum io_result { IO_OK, IO_TIMEOUT, IO_CLOSED };
void io_init(struct io *io, int fd, struct str read_ahead);
void io_done(struct io *io);
/*
 * Wait for input until the deadline; also_fd (or -1) becoming readable is
 * IO_TIMEOUT too. Output is sent first. What the hub's line says is read here;
 * with also_fd == hub news are IO_TIMEOUT, else nothing to this wait.
 */
enum io_result io_wait(struct io *io, int64_t deadline, int also_fd);
void io_flush(struct io *io);
/* From here on SIGTERM makes waits end with IO_CLOSED, and io_stopped() true. */
void io_stop_on_sigterm(void);
bool io_stopped(void);
/* Flush if much is waiting. */
void io_flush_some(struct io *io);
/* Less than IO_OUT_FLUSH bytes are collected, more are sent at once. A NUL becomes 0x80, since no IMAP string may hold one. */
void io_put_body(struct io *io, struct str bytes);

/* --- replies */
static inline struct buf *out(struct session *s) { return &s->io.out; }
/* The tagged reply of a command; texts are constant or in s->mem. */
struct reply { const char *word; struct str text; bool no_news; };
struct reply reply_ok(const char *text);
struct reply reply_no(const char *text);
struct reply reply_bad(const char *text);
/* NO with the response code that fits (RFC 5530). */
struct reply reply_store(struct session *s, enum store_result r, const struct err *err);
struct reply reply_fmt(struct session *s, const char *word, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* --- commands */
enum { CMD_UID = 1, CMD_MSN = 2, CMD_WRITES = 4, CMD_NO_ARGS = 8, CMD_CHANGES = 16 };   /* CHANGES: others shall look */
struct command {
    const char *verb;
    unsigned states, flags;
    struct reply (*run)(struct session *s, struct imap_cur *c, bool uid);
};
/* Tables that end with a NULL verb. */
const struct command *commands_any(void);
const struct command *commands_mailbox(void);
const struct command *commands_messages(void);

/* Mailbox name of a command: astring, INBOX folded. False: *ret_reply is the answer. */
bool take_mailbox(struct session *s, struct imap_cur *c, struct str *ret, struct reply *ret_reply);
/* Messages of a set as indexes, rising. False: *ret_reply is the answer. */
bool take_messages(struct session *s, struct imap_cur *c, bool uid, uint32_t **ret, size_t *ret_n, struct reply *ret_reply);
/* "(\Seen key)" or "\Seen key". names: keywords, in s->mem. */
struct flag_list { uint8_t flags; struct str *names; size_t n_names; };
bool take_flags(struct session *s, struct imap_cur *c, bool parens_optional, struct flag_list *ret, struct reply *ret_reply);
enum { MAILBOX_NAME_MAX = 1000 };      /* bytes */
bool name_ok(struct str mailbox);
void put_capability(struct session *s);

struct reply cmd_list(struct session *s, struct imap_cur *c, bool uid);
struct reply cmd_lsub(struct session *s, struct imap_cur *c, bool uid);
struct reply cmd_xlist(struct session *s, struct imap_cur *c, bool uid);
struct reply cmd_append(struct session *s, struct imap_cur *c, bool uid);
struct reply cmd_fetch(struct session *s, struct imap_cur *c, bool uid);
struct reply cmd_search(struct session *s, struct imap_cur *c, bool uid);
/* What STATUS takes: bits of status_item, "(MESSAGES UNSEEN)". */
bool take_status_items(struct imap_cur *c, unsigned *ret);
void put_status(struct session *s, struct str name, unsigned items);

/* --- one message, loaded when it is asked for (message.c) */
struct message {
    struct session *s;
    size_t index;
    bool loaded, parsed;
    struct buf text;
    struct mime_msg mime;
};
void message_init(struct message *m, struct session *s);
void message_at(struct message *m, size_t index);
void message_done(struct message *m);
enum store_result message_text(struct message *m, struct str *ret, struct err *err);
enum store_result message_mime(struct message *m, const struct mime_msg **ret, struct err *err);
/* The header, from the cache when it is there. */
enum store_result message_header(struct message *m, struct str *ret, struct err *err);
/* ENVELOPE and BODYSTRUCTURE, appended to *to. */
enum store_result message_put_cached(struct message *m, enum box_cache_kind kind, struct buf *to, struct err *err);
#endif
