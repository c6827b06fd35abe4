/* SPDX-License-Identifier: ISC
 *
 * journal_int.h - what journal.c (writing) and recover.c (reading) share: the
 * layout of headers on disk, and the ring in memory.
 */
#ifndef QUEUE_JOURNAL_INT_H
#define QUEUE_JOURNAL_INT_H
#include "base/vec.h"
#include "queue/journal.h"

#define SEGMENT_MAGIC 0x504f53544a524e31u   /* "POSTJRN1" */
#define RECORD_MAGIC 0x4a524543u            /* "JREC" */

/* Offsets in a segment header; a copy lies in another sector. SH_OLDEST has a CRC of its own: older programs do not write it. */
enum { SH_MAGIC = 0, SH_VERSION = 8, SH_SIZE = 12, SH_NUMBER = 16, SH_SALT = 24, SH_FIRST_LSN = 32, SH_CRC = 40,
       SH_OLDEST = 48, SH_OLDEST_CRC = 56, SH_USED = 60, SH_COPY = 2048 };
/* Offsets in a record header. */
enum { RH_MAGIC = 0, RH_TYPE = 4, RH_LENGTH = 8, RH_LSN = 12, RH_SALT = 20, RH_REF = 28, RH_DURABLE = 36, RH_PAYLOAD_CRC = 44, RH_CRC = 60 };
struct record_head { uint8_t bytes[64]; };

enum segment_state { SEGMENT_FREE, SEGMENT_LIVE };
struct segment {
    enum segment_state state;
    bool held;                  /* a write to it is running */
    unsigned pins;
    uint64_t number, salt, first_lsn;
    uint64_t oldest;            /* number of the oldest segment that counted when this one was opened */
};

struct record { enum journal_type type; uint64_t lsn, ref; size_t length; };

/* A contiguous write: n bytes of the batch's data from `from` on, to segment `slot` at `at`. */
struct piece {
    unsigned slot;
    size_t at, from, n;
    bool opens;
    uint64_t number, salt, first_lsn, oldest;
};
struct journal_batch {
    struct journal *j;
    struct buf data;
    VEC(struct piece) pieces;
    uint64_t first_lsn, last_lsn;
    bool must_sync, sync;
    int error;
};

struct journal {
    struct qio *io;
    int fd;
    uint64_t segment_size;
    struct segment segments[JOURNAL_SEGMENTS];
    int newest;                 /* slot used last; the oldest is the next one in use after it */
    int current;                /* slot being written, or -1: the next record opens one */
    size_t at;                  /* where the next record goes in it */
    uint64_t last_number, next_lsn, written, durable;
    uint64_t void_from;         /* first of the numbers to declare void, 0 = none */
    struct journal_batch *batch;/* being collected */
    bool running;
    unsigned failures;          /* in a row */
    struct buf unsynced;        /* records that are written but not synced: to be written again when the sync fails */
};

void journal_batch_free(struct journal_batch *b);
uint64_t journal_random64(void);
#endif
