/* SPDX-License-Identifier: ISC
 *
 * schema_keys.h - the keys role: it signs, and makes the keys of session
 * tickets; a private key never leaves it.
 */
#ifndef IPC_SCHEMA_KEYS_H
#define IPC_SCHEMA_KEYS_H

#define ROLES_TLS_SERVER (ROLE_BIT(SMTPD) | ROLE_BIT(SUBMITD) | ROLE_BIT(TLS))
#define ROLES_TLS (ROLES_TLS_SERVER | ROLE_BIT(OUT))

#define IPC_MSG_KEY_SIGN(F, T)                                                     \
    F(T, STR, key, 32, "SHA-256 of the public key (SubjectPublicKeyInfo)")         \
    F(T, U32, kind, 0, "enum tls_sign_kind")                                       \
    F(T, STR, input, 2048, "what is signed, by kind")

#define IPC_MSG_KEY_SIGNED(F, T)                                                   \
    F(T, STR, signature, 2048, "empty = refused")

#define IPC_MSG_TICKET_KEYS(F, T)                                                  \
    F(T, STR, current, 80, "name, cipher key, MAC key: for new session tickets")   \
    F(T, STR, previous, 80, "for tickets that clients still have, or empty")

#define IPC_MSG_KEY_HEIR(F, T)                                                     \
    F(T, STR, current, 32, "what the ticket keys are derived from, for the successor") \
    F(T, STR, previous, 32, "the one before, or empty")

#define IPC_KEYS_MESSAGES(M)                                                       \
    M(KEY_SIGN, key_sign, ROLES_TLS, ROLE_BIT(KEYS))                               \
    M(KEY_SIGNED, key_signed, ROLE_BIT(KEYS), ROLES_TLS)                           \
    M(TICKET_KEYS, ticket_keys, ROLE_BIT(KEYS), ROLES_TLS_SERVER)                  \
    M(KEY_HEIR, key_heir, ROLE_BIT(KEYS), ROLE_BIT(KEYS))
#endif
