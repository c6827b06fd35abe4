/* SPDX-License-Identifier: ISC
 *
 * mech.h - the server's side of SASL mechanisms as steppers: a message in, a
 * challenge or a question out. They know no database, no clock and no socket;
 * messages are decoded, base64 and line limits are the caller's.
 *
 *   mech_step()   MECH_CONTINUE  send *ret_out, give the answer to mech_step()
 *                 MECH_ASK       the caller must find out what row->need says:
 *                   NEED_PASSWORD  is run->password right for run->user: that decides
 *                   NEED_SECRET    the stored password: mech_secret()
 *                   NEED_TOKEN     whose run->token is, and whether it holds: that
 *                                  decides, or mech_token_refused()
 *                   NEED_CERT      whether run->user exists: that decides
 *                 MECH_DONE      proven; *ret_out is the server's last word, maybe empty
 *                 MECH_FAILED    the same for a wrong password and a malformed message
 *
 * PLAIN (RFC 4616), LOGIN, EXTERNAL (RFC 4422 appendix A), CRAM-MD5 (RFC 2195),
 * SCRAM-SHA-1 and SCRAM-SHA-256 with and without channel binding (RFC 5802, 7677,
 * 5929 §4, 9266), OAUTHBEARER (RFC 7628), XOAUTH2.
 *
 * Refuses: empty names or passwords, control characters or invalid UTF-8 in a name,
 * anything over SASL_NAME_MAX / SASL_PASSWORD_MAX, a message more than the mechanism
 * has, a SCRAM client that says the server has no channel binding where it was
 * offered. A SCRAM user who does not exist gets a salt that stays the same.
 */
#ifndef AUTH_MECH_H
#define AUTH_MECH_H
#include "base/arena.h"
#include "base/buf.h"
#include "proto/sasl.h"
#include "proto/sasl_scram.h"

enum { MECH_KEY_SIZE = 32, MECH_DIGEST_MAX = 32, MECH_FLAGS_MAX = 3, MECH_NONCE_MAX = 32 };

enum mech_need { NEED_PASSWORD, NEED_SECRET, NEED_TOKEN, NEED_CERT };

struct mech_run;
enum mech_step { MECH_CONTINUE, MECH_ASK, MECH_DONE, MECH_FAILED };

struct mech_row {
    const char *name;
    const char *flags;          /* of the MECH line, with TABs between them; may be "" */
    enum mech_need need;
    bool binds;                 /* only where channel binding data is known */
    bool is_plaintext;          /* sends what can be replayed: not without TLS */
    enum mech_step (*step)(struct mech_run *m, const struct str *in, struct str *ret_out);
    enum mech_step (*secret)(struct mech_run *m, struct str name, struct str stored, struct str *ret_out);
    const char *digest;         /* SCRAM */
};
/* NULL: none of that name. ASCII case does not matter (RFC 4422 §3.1 has upper case; clients vary). */
const struct mech_row *mech_find(struct str name);
/* Rows in the order in which they are offered; NULL behind the last. */
const struct mech_row *mech_at(size_t i);

/*
 * What users of one mechanism have stored, as far as it was seen: who has nothing
 * that it can use costs the same work and is shown the same numbers. It holds
 * nothing of any user. Zeroed at first, one for each row.
 */
struct mech_usual { bool is_known, is_clear; uint32_t iterations; };

/* One exchange. The caller fills the first part; a zeroed rest. */
struct mech_run {
    const struct mech_row *row;
    struct arena *arena;
    struct mech_usual *usual;   /* of the row; NULL = none is kept */
    struct str binding;         /* tls-exporter data (RFC 9266) of the connection; "" = not known */
    struct str end_point;       /* tls-server-end-point data (RFC 5929 §4); "" = not known */
    bool plus_offered;          /* this client was offered -PLUS */
    struct str cert_user;       /* name in the client's verified certificate, "" = there is none */
    struct str nonce;           /* fresh random text, printable, without ',' */
    struct str host;            /* CRAM-MD5's challenge names it */
    const uint8_t *key;         /* MECH_KEY_SIZE bytes that stay: salts of users who have none */
    struct str scope, discovery;        /* for the answer to a refused token; "" = left out */

    /* MECH_ASK; in the arena */
    struct str user;            /* authentication identity; with NEED_TOKEN: who it shall be, maybe "" */
    struct str authzid;         /* another one to act for, or "" */
    struct str password, token;

    /* private */
    unsigned stage;
    struct scram_first first;
    struct str server_first, response;
    uint8_t stored_key[MECH_DIGEST_MAX], server_key[MECH_DIGEST_MAX];
    struct str plaintext;       /* SCRAM: keys are derived from it when the proof is here */
    uint32_t iterations;
    struct str salt;
    bool is_fake;
};
/* in: NULL = the client sent no initial response (first step only). *ret_out is in the arena. */
enum mech_step mech_step(struct mech_run *m, const struct str *in, struct str *ret_out);
/* name: canonical. stored: "{SCHEME}data"; "" = there is no such user, or no password that the mechanism can use. */
enum mech_step mech_secret(struct mech_run *m, struct str name, struct str stored, struct str *ret_out);
/* The reason goes to the client, whose next message, whatever it is, ends in MECH_FAILED. */
enum mech_step mech_token_refused(struct mech_run *m, const char *status, struct str *ret_out);
/* Overwrites passwords, tokens and keys. */
void mech_wipe(struct mech_run *m);

/* ---- for the mechanisms' own files ---- */
bool mech_name_is_fit(struct str s);
enum mech_step mech_scram_step(struct mech_run *m, const struct str *in, struct str *ret_out);
enum mech_step mech_scram_secret(struct mech_run *m, struct str name, struct str stored, struct str *ret_out);
enum mech_step mech_cram_step(struct mech_run *m, const struct str *in, struct str *ret_out);
enum mech_step mech_cram_secret(struct mech_run *m, struct str name, struct str stored, struct str *ret_out);

/*
 * SASLprep (RFC 4013) for a password that a mechanism is to be proven with: ASCII
 * as it is, other text by libidn where that is built in, else as it is. In the arena.
 */
struct str saslprep(struct str s, struct arena *arena);
#endif
