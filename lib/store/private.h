/* SPDX-License-Identifier: ISC
 *
 * private.h - what the files of this layer share; users include store.h only.
 */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H
#include "base/htab.h"
#include "base/vec.h"
#include "proto/maildir_name.h"
#include "proto/uidlist.h"
#include "store/flaglog.h"
#include "store/fs.h"
#include "store/index.h"
#include "store/store.h"

enum { UIDLIST_MAX = 256 << 20, SMALL_FILE_MAX = 4 << 20, BOX_NAME_MAX = 254 /* a file name, with its '.' */ };
#define SIZE_UNKNOWN UINT64_MAX
#define DATE_UNKNOWN INT64_MIN

struct store {
    char *root;             /* Maildir, or directory of mboxes */
    char *inbox_mbox;       /* INBOX is this mbox file, or NULL */
    char *special_use;
    int dir;                /* of root */
    struct index *index;    /* by store_index() only */
    bool index_tried;
    unsigned lock_seconds;
    uint64_t message_limit;
};

/* What the store knows of a message beyond box_msg. */
struct entry {
    char *name;             /* file name in cur/, or in new/ */
    struct str base;        /* its beginning: key of by_base */
    char *ext;              /* uidlist fields ("S12 Gabc "), or NULL */
    uint32_t index;         /* in msgs */
    uint32_t mark;          /* of the scan that saw it last */
    bool in_new;
    bool changed;           /* flags changed by others since the last box_sync */
    bool dirty;             /* its index row is stale */
    bool indexed;           /* there was a row of it: when there is none, another session removed it */
    uint8_t add, remove;    /* pending in postern-flags */
    uint8_t flags_before;   /* while the log is read again: what the array said */
    bool changed_before;
    uint32_t keywords_add, keywords_remove, keywords_before;
    uint64_t size, vsize;
    int64_t date;
    uint64_t at, end;       /* in an mbox: offsets of the From_ line and behind the message */
};

struct blob { char *guid; unsigned kind; char *value; size_t n; };

struct mbox;
struct box {
    struct store *store;
    char *name, *subdir;    /* subdir: "" or ".A.B", below the root */
    int dir;
    bool read_only;
    bool look_only;         /* nothing here can be written, not even a lock: what has a UID is shown as it is found */
    bool is_open;           /* its user was told the UIDVALIDITY */
    struct box_head head;
    struct uidlist_head list;
    char *list_other;
    VEC(struct box_msg) msgs;
    VEC(struct entry *) ents;
    size_t shown;           /* messages that the user of the box knows of */
    struct htab by_base;
    char *keywords[STORE_KEYWORDS_MAX];
    struct disk_state disk; /* what msgs reflects */
    struct flaglog log;
    struct index_box row;   /* as last read from or written to the index */
    struct dotlock lock;
    uint32_t scan;          /* number of the last scan */
    bool row_dirty;         /* rows, blobs or the box have to be written */
    bool rows_lost;         /* the last write of them failed */
    VEC(struct blob) blobs;
    VEC(uint32_t) gone_index;
    VEC(uint32_t) gone_uid;
    VEC(uint32_t) changed;
    VEC(uint32_t) copied;
    struct mbox *mbox;      /* this box is an mbox file; most of the above is unused */
};

/* --- store.c */
/* The user's cache, opened by whoever asks first: a session that only logs in costs no mapping. NULL: there is none to be had. */
struct index *store_index(struct store *s);

/* --- names.c */
/* Canonical name (INBOX upper case); false when it could leave the root or is not a name. */
bool name_check(struct str name, struct buf *ret_canonical);
/* "" or ".A.B" below the root. */
void name_subdir(struct str canonical, struct buf *out);

/* --- uidvalidity.c: a UIDVALIDITY that this root never gave before. */
int uidvalidity_next(struct store *s, uint32_t *ret, struct err *err);

/* --- folder.c: Maildir folders as directories */
int folder_make(struct store *s, const char *subdir, struct err *err);
bool folder_exists(struct store *s, const char *subdir);
enum store_result store_error(const struct err *err);

/* --- scan.c: the folder's files into the array */
/* The state now. */
void scan_state(struct box *b, struct disk_state *ret);
/* As scan_state, but what changed within the last moments has ino 0: it may change again unseen. */
void scan_state_fresh(struct box *b, struct disk_state *ret);
bool folder_is_empty(int dir, const char *name);
bool scan_state_eq(const struct disk_state *a, const struct disk_state *b);
/* Under the lock: read keywords, uidlist, new/ and cur/; give UIDs; update the array. */
int scan_folder(struct box *b, struct err *err);
/* The same when only new/ has changed: cur/ and the UID list are as in b->disk. */
int scan_new(struct box *b, struct err *err);
int box_lock(struct box *b, struct err *err);
/* For a sync, which can do without where nothing can be written: the box is read-only and look_only then. */
int box_lock_to_look(struct box *b, struct err *err);
void box_unlock(struct box *b);
/* Read what is new in postern-flags and apply it to the array. own: the changes are this session's. */
int box_read_log(struct box *b, struct err *err);
/* The current file of a message, open; looks for a new name once. */
int box_open_file(struct box *b, size_t i, struct err *err);

/* --- keywords.c */
int keywords_read(struct box *b, struct err *err);
/* Under the lock. */
int keywords_write(struct box *b, struct err *err);

/* --- uidlist_file.c */
struct uidlist_entry { uint32_t uid; struct str ext, base; };
struct uidlist_file {
    struct buf text;
    struct uidlist_head head;
    VEC(struct uidlist_entry) lines;
    uint32_t last_uid;
    bool missing, damaged;
};
int uidlist_load(int dir, struct uidlist_file *ret, struct err *err);
void uidlist_done(struct uidlist_file *f);
/* Under the lock: append lines / replace the file, synced. */
int uidlist_append(int dir, struct str lines, struct err *err);
int uidlist_replace(int dir, const struct uidlist_file *f, struct err *err);
/* Under the lock: load; begin a new file when it is missing. */
int uidlist_load_or_make(struct store *s, int dir, struct uidlist_file *ret, struct err *err);

/* --- rows.c: the array from and to the index */
bool box_load_index(struct box *b);
/* Write stale rows, tombstones and blobs. */
void box_write_index(struct box *b);
void box_drop_blobs(struct box *b);

/* --- entries of the array (box.c) */
void box_forget(struct box *b);      /* all entries, here and in the index */
void box_drop_entries(struct box *b);
/* The first of the first n messages whose UID is at least this; n if there is none. */
size_t box_find_among(const struct box *b, size_t n, uint32_t uid);
struct entry *box_add_entry(struct box *b, uint32_t uid, struct str name, bool in_new, struct str ext);
void entry_set_name(struct box *b, struct entry *e, struct str name, bool in_new);
void entry_set_ext(struct entry *e, struct str ext);
/* A new unique base name: time, process, host, and sizes. */
void unique_name(struct buf *out, uint64_t size, uint64_t vsize);
char *str_to_heap(struct str s);
uint64_t box_next_modseq(struct box *b);
#endif
