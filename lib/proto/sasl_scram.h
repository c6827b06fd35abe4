/* SPDX-License-Identifier: ISC
 *
 * sasl_scram.h - the messages of SCRAM (RFC 5802 §7), both directions of the
 * server's side: text to parts and back. No key is derived here.
 *
 *   C: n,,n=user,r=CNONCE
 *   S: r=CNONCE SNONCE,s=SALT,i=4096
 *   C: c=biws,r=CNONCE SNONCE,p=PROOF
 *   S: v=SIGNATURE
 *
 * Refuses: mandatory extensions (m=), parts out of order, a name with a bare
 * ',' or a wrong '=' escape, nonces that are empty, over SCRAM_NONCE_MAX or
 * not printable, messages over SCRAM_MESSAGE_MAX, base64 that is not.
 */
#ifndef PROTO_SASL_SCRAM_H
#define PROTO_SASL_SCRAM_H
#include "base/arena.h"
#include "base/buf.h"

enum { SCRAM_MESSAGE_MAX = 4096, SCRAM_NONCE_MAX = 512, SCRAM_ITERATIONS_MAX = 10000000 };

struct scram_first {
    char flag;                  /* 'n' no channel binding, 'y' the client could but thinks we cannot, 'p' bound */
    struct str cb_name;         /* with 'p': the type, such as tls-exporter */
    struct str gs2_header;      /* up to and with its second comma */
    struct str bare;            /* the rest */
    struct str authzid, user;   /* unescaped, in the arena; authzid "" if absent */
    struct str nonce;
};
/* Parts point into the message, or are in the arena. */
bool scram_first_parse(struct str message, struct arena *arena, struct scram_first *ret);

struct scram_final {
    struct str binding;         /* decoded: gs2 header and channel binding data */
    struct str nonce;
    struct str proof;           /* decoded */
    struct str without_proof;
};
bool scram_final_parse(struct str message, struct arena *arena, struct scram_final *ret);

void scram_put_server_first(struct buf *out, struct str client_nonce, struct str server_nonce, struct str salt, uint32_t iterations);
void scram_put_server_final(struct buf *out, struct str signature);
#endif
