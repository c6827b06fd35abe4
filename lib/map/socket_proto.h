/* SPDX-License-Identifier: ISC
 *
 * socket_proto.h - the bytes of tcp_table(5), socketmap_table(5) and of questions
 * on an auth server's userdb socket.
 *
 * complete() looks at what has come so far: 1 a whole answer and nothing
 * behind it, 0 more is needed, -1 it can never become one. answer() makes a
 * result of a whole answer; what is not of the protocol is MAP_TEMP. The value
 * (or, for MAP_TEMP, the server's text) is appended to *value.
 */
#ifndef MAP_SOCKET_PROTO_H
#define MAP_SOCKET_PROTO_H
#include "base/buf.h"
#include "map/map.h"

enum { SOCKET_LINE_MAX = 32768, SOCKET_ANSWER_MAX = 100000 };

void socket_tcp_request(struct str key, struct buf *out);
int socket_tcp_complete(struct str got);
enum map_result socket_tcp_answer(struct str line, struct buf *value);

void socket_map_request(struct str name, struct str key, struct buf *out);
int socket_map_complete(struct str got);
enum map_result socket_map_answer(struct str got, struct buf *value);

/* The greeting, once for a connection, and a USER question. */
void socket_userdb_hello(struct buf *out);
void socket_userdb_request(struct str user, struct buf *out);
/* What the server says of itself may stand in front of the answer. */
int socket_userdb_complete(struct str got);
/* field: uid, gid, home, any other that a userdb says; "mailbox": mail= as a path, with a '/' at its end for a Maildir. */
enum map_result socket_userdb_answer(struct str got, struct str field, struct buf *value);
#endif
