/* SPDX-License-Identifier: ISC
 *
 * store.h - one user's mail: the interface that imapd, pop3d and the delivery
 * actor use. Synchronous: it runs in a process that has become the user.
 *
 * The truth is what Dovecot 2.3 has on disk too: Maildir++ folders, dovecot-uidlist,
 * dovecot-keywords, subscriptions, changed under Dovecot's lock, or an mbox as
 * INBOX. Beside it lie a cache that may be deleted at any time (postern-index/,
 * LMDB) and, per folder, postern-flags: flag changes that are durable but not
 * yet in the file names. FORMAT.md has the legal states on disk.
 *
 * Promises: UIDs rise and are never reused; UIDVALIDITY stays; what returned
 * STORE_OK is on stable storage; indexes of box_msgs() move only in
 * box_sync(), and messages leave the array only when it is told that they may.
 *
 * Names are IMAP's: modified UTF-7, hierarchy separator '.', INBOX in any case.
 * A name that could leave the root ("..", "/", NUL, leading '.', ...) is STORE_BAD_NAME.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum store_result {
    STORE_OK = 0,
    STORE_NOT_FOUND,    /* no such mailbox, or the message has gone meanwhile */
    STORE_EXISTS,
    STORE_BAD_NAME,
    STORE_LIMIT,        /* message too large, 27th keyword, quota */
    STORE_READ_ONLY,
    STORE_FAILED,       /* temporary: lock not free in time, disk full, I/O error; *err says which */
};

enum { STORE_SEPARATOR = '.' };
enum { STORE_KEYWORDS_MAX = 26 };   /* those that fit into file names: a..z */

/* Flags as bits, in the order of their letters in file names: D F R S T. */
enum store_flag {
    FLAG_DRAFT = 1, FLAG_FLAGGED = 2, FLAG_ANSWERED = 4, FLAG_SEEN = 8, FLAG_DELETED = 16,
    FLAG_RECENT = 32,   /* this session is the first to see it; never stored */
};
enum { FLAGS_STORED = 31 };

struct store_conf {
    const char *location;       /* "maildir:~/Maildir", "mbox:~/mail:INBOX=/var/mail/u", or a plain path of a Maildir; options that would hide mail are refused */
    const char *user;           /* login name, for %u %n %d */
    const char *home;           /* for ~ and %h */
    const char *special_use;    /* "Sent=\\Sent, Junk=\\Junk": names that carry an attribute; NULL = the usual five */
    unsigned lock_seconds;      /* longest wait for another program's lock; 0 = 30 */
    uint64_t message_limit;     /* largest message to append, 0 = none */
};

struct store;
/* Creates the root (and home/Maildir below it) if it is missing. NULL and *err. */
struct store *store_open(const struct store_conf *conf, struct err *err);
void store_close(struct store *s);

/* --- mailboxes ----------------------------------------------------------- */

enum box_attr {
    BOX_NOSELECT = 1,       /* only a level above others, or subscribed and gone: cannot be opened */
    BOX_HAS_CHILDREN = 2,
    BOX_SUBSCRIBED = 4,
    BOX_DRAFTS = 16, BOX_SENT = 32, BOX_JUNK = 64, BOX_TRASH = 128, BOX_ARCHIVE = 256, BOX_ALL = 512, BOX_FLAGGED = 1024,
};
struct box_info { struct str name; unsigned attrs; };
/* All mailboxes, the levels between them, and subscribed names that are gone; INBOX first, then sorted. */
enum store_result store_list(struct store *s, struct arena *a, struct box_info **ret, size_t *ret_n, struct err *err);
enum store_result store_create(struct store *s, struct str name, struct err *err);
enum store_result store_delete(struct store *s, struct str name, struct err *err);
/* With its children. INBOX: its messages move to the new mailbox, INBOX stays (RFC 3501 6.3.5). */
enum store_result store_rename(struct store *s, struct str from, struct str to, struct err *err);
enum store_result store_subscribe(struct store *s, struct str name, bool on, struct err *err);

struct box_status { uint32_t messages, recent, unseen, deleted, uidvalidity, uidnext; uint64_t modseq, vsize; };
/* Without changing anything that a client could see. vsize only if asked for. */
enum store_result store_status(struct store *s, struct str name, bool want_vsize, struct box_status *ret, struct err *err);

/* --- an open mailbox ----------------------------------------------------- */

struct box;
struct box_msg {
    uint32_t uid;
    uint32_t keywords;      /* bit n = box_keyword_name(b, n) */
    uint8_t flags;          /* enum store_flag */
    bool gone;              /* expunged by someone; still here because box_sync() may not drop it yet */
    uint64_t modseq;
};
struct box_head {
    uint32_t uidvalidity, uidnext;
    uint64_t modseq;        /* HIGHESTMODSEQ: never goes back, not even when the index was deleted */
    uint8_t guid[16];       /* of the mailbox, stable over renames */
    uint32_t recent;        /* messages with FLAG_RECENT */
};

enum box_open_flags { BOX_READ_ONLY = 1 };
/*
 * Takes up new mail (new/ -> cur/, unless read only) and assigns UIDs. A mailbox that cannot be written to is opened
 * read only; of what is new there only mail with a UID is shown.
 */
enum store_result box_open(struct store *s, struct str name, unsigned flags, struct box **ret, struct err *err);
/* Applies pending flag changes to the file names first. NULL is fine. */
void box_close(struct box *b);
const struct box_head *box_head(const struct box *b);
/* Of a Maildir: it cannot be changed, asked for or not. */
bool box_is_read_only(const struct box *b);
size_t box_count(const struct box *b);
/* Sorted by UID; valid until the next box_sync(). */
const struct box_msg *box_msgs(const struct box *b);
/* Index of the first message with a UID >= uid (box_count() if there is none). */
size_t box_find(const struct box *b, uint32_t uid);

/* NULL beyond the last keyword. */
const char *box_keyword_name(const struct box *b, unsigned n);
/* Case-insensitive; STORE_NOT_FOUND if it is not there and create is false, STORE_LIMIT when all letters are taken. */
enum store_result box_keyword(struct box *b, struct str name, bool create, unsigned *ret_n, struct err *err);

struct box_changes {
    /* Dropped from the array, as indexes that are right when applied one after the other, and their UIDs. */
    uint32_t *gone_index, *gone_uid;
    size_t n_gone;
    /* Flags or keywords that somebody else changed: indexes in the array as it is now. */
    uint32_t *changed;
    size_t n_changed;
    size_t n_new;           /* the last n_new messages are new */
};
/*
 * Take up what others did. Cheap (three stats) when nothing happened. Memory
 * of *ret is the box's, valid until the next call. Messages are dropped only
 * with may_expunge; else they stay, marked gone.
 */
enum store_result box_sync(struct box *b, bool may_expunge, struct box_changes *ret, struct err *err);
/* Would box_sync() find something? For a poll while idle. */
bool box_has_news(struct box *b);
/* Adds watches for whatever news can come by to an inotify descriptor. False (an mbox, a limit): poll box_has_news() instead. */
bool box_watch(struct box *b, int inotify_fd);
/* Expunged since that modseq, for QRESYNC: UIDs, rising, into the arena. False: too long ago, take all that are missing. */
bool box_vanished(struct box *b, uint64_t since, struct arena *a, uint32_t **ret_uids, size_t *ret_n);

enum box_store_mode { BOX_FLAGS_ADD, BOX_FLAGS_REMOVE, BOX_FLAGS_REPLACE };
/* index[n] into box_msgs(). Durable on return; box_msgs() shows the result, modseq included. Changes nothing for messages that are gone. */
enum store_result box_store(struct box *b, const uint32_t *index, size_t n, enum box_store_mode mode,
                            uint8_t flags, uint32_t keywords, struct err *err);
/* Removes the files, durably; the next box_sync(b, true) reports them. */
enum store_result box_expunge(struct box *b, const uint32_t *index, size_t n, struct err *err);
/* Flag changes into file names now. The owner calls it after 2 s of quiet; box_close does too. */
enum store_result box_flush(struct box *b, struct err *err);
bool box_needs_flush(const struct box *b);

/* --- one message --------------------------------------------------------- */

/* INTERNALDATE, seconds. STORE_NOT_FOUND when the file has gone. */
enum store_result box_date(struct box *b, size_t i, int64_t *ret, struct err *err);
/* Size on the wire, with CRLF line ends: exactly what box_read() gives. */
enum store_result box_vsize(struct box *b, size_t i, uint64_t *ret, struct err *err);
/* Append the whole message to *out, line ends CRLF. */
enum store_result box_read(struct box *b, size_t i, struct buf *out, struct err *err);
/* POP3 unique id: the stored one, else UID and UIDVALIDITY in Dovecot's default form. */
void box_uidl(struct box *b, size_t i, struct buf *out);
/* Stable name of the content: the same for copies. */
struct str box_guid(const struct box *b, size_t i);

/*
 * Ready-made texts (ENVELOPE, BODYSTRUCTURE, ...) by message GUID. get: points into the
 * cache, valid until box_cache_end(), which must be called before any network
 * write. put: kept in memory and written by the next sync, flush or close.
 */
enum box_cache_kind { CACHE_ENVELOPE = 1, CACHE_BODYSTRUCTURE = 2, CACHE_HEADER = 3, CACHE_PARTS = 4 };
bool box_cache_get(struct box *b, size_t i, enum box_cache_kind kind, struct str *ret);
void box_cache_end(struct box *b);
void box_cache_put(struct box *b, size_t i, enum box_cache_kind kind, struct str value);

/* --- new messages -------------------------------------------------------- */

/*
 * One or several messages, all or nothing:
 *   append_open, { append_begin, append_write... }*, append_commit, append_free
 * Bytes are as on the wire; CRLF becomes LF on disk.
 */
struct append;
struct append_result { uint32_t uidvalidity; uint32_t *uids; size_t n; };   /* memory is the append's */
enum store_result append_open(struct store *s, struct str box, struct append **ret, struct err *err);
/* keywords: names. date: INTERNALDATE, 0 = now. */
enum store_result append_begin(struct append *a, uint8_t flags, const struct str *keywords, size_t n_keywords, int64_t date, struct err *err);
enum store_result append_write(struct append *a, struct str bytes, struct err *err);
enum store_result append_commit(struct append *a, struct append_result *ret, struct err *err);
void append_free(struct append *a);

/*
 * Copy by link, all or nothing. Rising UIDs in the order of index[]; ret->uids[i] belongs to index[i]. move: the
 * originals are expunged when the copies are durable. Memory of *ret is the box's.
 * A message that is gone: STORE_NOT_FOUND, and nothing was copied.
 */
enum store_result box_copy(struct box *b, const uint32_t *index, size_t n, struct str to, bool move,
                           struct append_result *ret, struct err *err);
#endif
