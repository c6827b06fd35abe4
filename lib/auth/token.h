/* SPDX-License-Identifier: ISC
 *
 * token.h - proof that a user logged in here: made by authd with each OK to a
 * submission process, carried by it in MSG_SUBMIT, checked by qmgr.
 *
 * A token is "serial:expiry:mac" in text; mac = base64 of HMAC-SHA256 over
 * user, service, channel (the peer_id of the process that authenticated, as
 * master numbered it; qmgr compares with chan_peer_id()), client address,
 * expiry and key serial, each with its length in front. A process can thus not
 * name a user who did not log in there, and a token stolen from one process
 * is worth nothing in another.
 *
 * The key is made by authd at start and on a timer, and sent to qmgr as
 * TOKEN_KEY; qmgr keeps the last TOKEN_KEYS_KEPT.
 */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H
#include "base/buf.h"

/* keys: authd makes a new one every 12 hours; a token made with the one before is good until it expires. */
enum { TOKEN_KEY_SIZE = 32, TOKEN_KEYS_KEPT = 3, TOKEN_LIFETIME_SECONDS = 6 * 3600, TOKEN_TEXT_MAX = 120 };

struct token_key { uint32_t serial; uint8_t bytes[TOKEN_KEY_SIZE]; };   /* serial 0: no key */
/* The keys in use, newest first. A zeroed struct holds none. */
struct token_keys { struct token_key keys[TOKEN_KEYS_KEPT]; };

struct token_claim {
    struct str user;        /* canonical name, as in OK user= */
    struct str service;     /* "smtp" */
    uint64_t channel;       /* peer_id of the process the user logged in at */
    struct str remote;      /* client address, numeric */
};

/* Put a key in front (what TOKEN_KEY brought). A serial that is known, or a key of another size, changes nothing: false. */
bool token_keys_add(struct token_keys *k, uint32_t serial, struct str key);
/* A new random key with the next serial. False when there is no randomness. */
bool token_key_make(uint32_t serial, struct token_key *ret_key);
/* expires: wall clock, seconds. Appends the text to *out. */
void token_make(const struct token_key *key, const struct token_claim *claim, int64_t expires, struct buf *out);
/* True when the text is a token for exactly this claim, not expired, by one of the keys. Time depends on lengths only. */
bool token_verify(const struct token_keys *k, const struct token_claim *claim, int64_t now, struct str text);
#endif
