/* SPDX-License-Identifier: ISC
 *
 * qrec.h - Postfix's queue records: the format of queue files, of the envelope
 * and content that cross channels, and of messages in the journal. Pure.
 *
 * Record: type byte | length, 7 bits per byte, lowest first, high bit = more
 * follows | data. A queue file is C, T, then envelope records (A S F I L V < i
 * W, and per recipient [o] [n] [O] R), M, content records (N = a line, L = a
 * part of a line without its end), X, records extracted from headers, E.
 *
 * A reader takes a memory range and never looks outside it. 'p' records
 * (pointers, which Postfix writes after edits by milters) are followed when
 * the range is a whole file; 'w' records (dummy text, padding) are skipped.
 */
#ifndef PROTO_QREC_H
#define PROTO_QREC_H
#include "base/buf.h"

enum qrec_type {
    QREC_SIZE = 'C',        /* six numbers of 15 columns, see struct qrec_size */
    QREC_TIME = 'T',        /* "seconds microseconds" of the arrival */
    QREC_CTIME = 'c',       /* creation time of the file */
    QREC_ATTR = 'A',        /* name=value */
    QREC_SENDER = 'S',
    QREC_FULLNAME = 'F',
    QREC_INSPECTOR = 'I',
    QREC_FILTER = 'L',      /* in the envelope; the same letter as QREC_PART */
    QREC_VERP = 'V',
    QREC_DSN_RET = '<',     /* RFC 3461 RET as a number */
    QREC_DSN_ENVID = 'i',
    QREC_DSN_ORCPT = 'o',
    QREC_DSN_NOTIFY = 'n',
    QREC_ORIG = 'O',        /* original recipient, before the R it belongs to */
    QREC_RCPT = 'R',
    QREC_DONE = 'D',        /* an R that is done: the type is overwritten in place */
    QREC_DROPPED = '/',     /* canceled recipient */
    QREC_WARN = 'W',        /* time of the delay warning */
    QREC_FLAGS = 'f',
    QREC_DELAY = 'd',
    QREC_MILTERS = 'm',
    QREC_REDIRECT = '>',
    QREC_KILL = 'K',        /* the file is a leftover that must not be delivered */
    QREC_MESSAGE = 'M',     /* content follows */
    QREC_LINE = 'N',
    QREC_PART = 'L',
    QREC_PAD = 'w',
    QREC_POINTER = 'p',     /* offset in the file where reading goes on; 0 = none */
    QREC_EXTRACTED = 'X',
    QREC_RETURN_RECEIPT = 'r',
    QREC_ERRORS_TO = 'e',
    QREC_PRIORITY = 'P',
    QREC_END = 'E',
};

/* Postfix never writes longer lines in one record; longer ones become L records. */
enum { QREC_LINE_MAX = 2048, QREC_HEAD_MAX = 6, QREC_JUMPS_MAX = 10000 };

/* Append one record. Data longer than 2^31 - 1 fills the buffer up (buf.full). */
void qrec_put(struct buf *out, char type, struct str data);
void qrec_putz(struct buf *out, char type, const char *data);
void qrec_putf(struct buf *out, char type, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* An A record. */
void qrec_put_attr(struct buf *out, const char *name, struct str value);

struct qrec {
    char type;
    struct str data;
    size_t at, end;         /* offsets of the type byte and of the byte after the record */
};
enum qrec_result { QREC_OK, QREC_EOF, QREC_BAD };

struct qrec_iter {
    struct str in;
    size_t at;
    unsigned jumps;
    bool raw;               /* hand out p and w records too, and follow nothing */
};
static inline struct qrec_iter qrec_iter(struct str in) { return (struct qrec_iter){ .in = in }; }
/* QREC_EOF at the exact end of the range; QREC_BAD: cut in a record, an overlong length, a pointer out of the range or too many of them. */
enum qrec_result qrec_next(struct qrec_iter *it, struct qrec *ret);
/* Parses one record at the start of `in`, whatever its type. */
enum qrec_result qrec_peek(struct str in, struct qrec *ret);
/* "name=value" of an A record. False without '=' or with an empty name. */
bool qrec_attr(struct str data, struct str *ret_name, struct str *ret_value);
/*
 * Postfix keeps DSN parameters in files as attributes (ret_flags, envelope_id,
 * dsn_orig_rcpt, notify_flags). qrec_from_file turns such an A record into
 * < i o n; qrec_put_as_file appends a record the way files have it.
 */
void qrec_from_file(struct qrec *rec);
void qrec_put_as_file(struct buf *out, const struct qrec *rec);
/* The name for people, as postcat prints it. "unknown_record_type" otherwise. */
const char *qrec_name(char type);

/* The C record. Content length counts the bytes from data_offset up to the X record. */
struct qrec_size {
    uint64_t content_records;   /* bytes of content records */
    uint64_t data_offset;       /* of the first one */
    uint32_t recipients;
    uint32_t qmgr_flags;
    uint64_t content_size;      /* bytes of the message, each line with one LF */
    uint32_t smtputf8;
};
void qrec_put_size(struct buf *out, const struct qrec_size *size);
/* Older Postfix wrote fewer fields; missing ones are 0. */
bool qrec_parse_size(struct str data, struct qrec_size *ret);
/* T record in microseconds; without a second field, whole seconds. */
bool qrec_parse_time(struct str data, uint64_t *ret_us);
void qrec_put_time(struct buf *out, uint64_t us);

/*
 * Message text to content records, in pieces of any size. Lines end at LF; a
 * CR before it stays. A last line without LF is ended by qrec_content_end.
 */
struct qrec_writer {
    struct buf *out;
    struct buf line;        /* a line, or part of one, that has not ended yet */
    uint64_t size;          /* bytes of the message so far */
};
void qrec_put_content(struct qrec_writer *w, struct str text);
void qrec_content_end(struct qrec_writer *w);
/* One line without its LF (split into L records when long). ends = false: only L records. */
void qrec_put_line(struct buf *out, struct str line, bool ends);

/*
 * The next piece of text: *ret_ends tells that a line end follows it. QREC_EOF
 * at the end of the range or at a record that is no content (it->at stays on it).
 */
enum qrec_result qrec_content_next(struct qrec_iter *it, struct str *ret_text, bool *ret_ends);
/* Sum of the text and line ends of a range of content records; false if it holds anything else. */
bool qrec_content_size(struct str records, uint64_t *ret);
#endif
