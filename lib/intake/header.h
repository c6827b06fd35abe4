/* SPDX-License-Identifier: ISC
 *
 * header.h - a message's header on its way into the queue: one pass, field by
 * field, that drops what must not stay (Return-Path, Bcc), counts hops and
 * fields, cuts oversized fields, and notes what is missing. Pure: lines in,
 * records out.
 *
 * A line that belongs to no field ends the header, as the empty line does; the
 * rest is body and passes through untouched.
 */
#ifndef INTAKE_HEADER_H
#define INTAKE_HEADER_H
#include "base/arena.h"
#include "base/buf.h"

enum header_fault { HEADER_FINE, HEADER_LOOP, HEADER_TOO_MANY };

struct header_has { bool from, date, message_id; };

struct header_pass {
    /* set by the owner */
    struct buf *out;                /* content records */
    size_t size_max;                /* of one field */
    uint32_t fields_max, hops_max;
    /* Called once, before the empty line that ends the header: add what is missing. */
    void (*on_end)(void *arg);
    /* Called for each whole field that stays, before it is written; false: leave it out. May be NULL. */
    bool (*on_field)(void *arg, struct str field);
    void *arg;

    /* results */
    struct header_has own, resent;
    bool has_to;
    bool is_resent;                 /* a field of RFC 5322 §3.6.6 is there */
    bool eight_bit;
    char message_id[256];
    uint32_t hops, fields;
    enum header_fault fault;
    uint64_t size;                  /* bytes written, a line end counting 1 */

    /* private */
    struct buf field;               /* a field that may go on; lines joined by LF */
    bool in_body, any_line, in_piece, cut;
};

void header_pass_done(struct header_pass *h);
/* A line (or a piece of one, ends = false) of the message. */
void header_pass_line(struct header_pass *h, struct str line, bool ends);
/* The message is over: a header without a body gets its end. */
void header_pass_end(struct header_pass *h);
/* A field of our own, in one or several lines joined by LF. */
void header_pass_add(struct header_pass *h, struct str field);
#endif
