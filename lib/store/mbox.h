/* SPDX-License-Identifier: ISC
 *
 * mbox.h - an mbox file behind the interface of store.h. What the file says
 * (X-IMAPbase, X-UID, Status, X-Status, X-Keywords) is the truth; those
 * headers are hidden from readers. Locked as Debian's programs do: fcntl, then dotlock.
 */
#ifndef STORE_MBOX_H
#define STORE_MBOX_H
#include "store/fs.h"
#include "store/store.h"

int mbox_open(struct box *b, const char *path, struct err *err);
void mbox_close(struct box *b);
bool mbox_has_news(const struct box *b);
bool mbox_needs_flush(const struct box *b);
int mbox_sync(struct box *b, struct err *err);
int mbox_store(struct box *b, const uint32_t *index, size_t n, enum box_store_mode mode, uint8_t flags, uint32_t keywords, struct err *err);
int mbox_expunge(struct box *b, const uint32_t *index, size_t n, struct err *err);
int mbox_keyword(struct box *b, struct err *err);
/* Message without the hidden headers, line ends as in the file. */
int mbox_body(struct box *b, size_t i, struct buf *out, struct err *err);
int64_t mbox_date(const struct box *b, size_t i);

/* "From sender date\n"; sender empty: MAILER-DAEMON; when 0: now. */
void mbox_from_line(struct buf *out, struct str sender, int64_t when);
/* Status, X-Status and X-Keywords as header fields. old: some session has seen it. keywords: names, a space before each. */
void mbox_put_flags(struct buf *out, uint8_t flags, bool old, struct str keywords);
/*
 * Append one message (LF line ends) for delivery and APPEND, synced. Lines that begin with "From " get a '>'.
 * from_line may be followed by fields of ours; those that the message brings along are left out.
 * limit: largest size of the file, 0 = none. A failed write is taken back.
 */
void mbox_put_message(struct buf *out, struct str from_line, struct str message);
/* Text of one or several of them: all of it or nothing. */
int mbox_append_text(const char *path, struct str text, unsigned lock_seconds, uint64_t limit, struct err *err);
int mbox_append(const char *path, struct str from_line, struct str message, unsigned lock_seconds, uint64_t limit, struct err *err);

/*
 * The text that the file shall have, with what tells the old text's blocks (mbox_redo.c); and what to do
 * about such bytes when the file reads `now`. WRITE: the text to be written, with what was delivered behind it meanwhile.
 */
enum mbox_redo { MBOX_REDO_NOTHING, MBOX_REDO_WRITE, MBOX_REDO_FOREIGN };
void mbox_redo_put(struct buf *out, uint64_t ino, struct str old, struct str text);
enum mbox_redo mbox_redo_check(struct str bytes, uint64_t ino, struct str now, struct buf *ret_text);

/* The file, locked: fcntl, then dotlock (left out where the directory may not be written to). */
struct mbox_file { int fd, dir; char *name; struct dotlock dot; bool created; };
int mbox_file_open(const char *path, bool write, unsigned lock_seconds, struct mbox_file *ret, struct err *err);
/* Without a lock; mbox_file_lock and mbox_file_unlock are for those who keep it open. */
int mbox_file_lock(struct mbox_file *f, bool write, unsigned lock_seconds, struct err *err);
void mbox_file_unlock(struct mbox_file *f);
void mbox_file_close(struct mbox_file *f);
#endif
