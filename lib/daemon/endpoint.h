/* SPDX-License-Identifier: ISC
 *
 * endpoint.h - the sockets outside that a service's configuration names:
 * milters, policy servers, someone else's auth server, LMTP servers behind
 * UNIX sockets, tcp and socketmap tables.
 *
 * Both sides of the broker channel make this list from the same main.cf and
 * the same -o; a confined process asks by index, so it can reach nothing that
 * the administrator did not write down for its service. An endpoint is every
 * word "unix:PATH" (PATH holds a '/'), "local:PATH" or "inet:HOST:PORT", also
 * behind a prefix such as "lmtp:" or "socketmap:"; and what smtpd_sasl_path
 * names, with or without "unix:", unless it is our own authd. The sockets of
 * postern_auth_listeners are ours to offer, nobody's to reach this way.
 */
#ifndef DAEMON_ENDPOINT_H
#define DAEMON_ENDPOINT_H
#include "base/str.h"
#include "base/vec.h"
#include "conf/param.h"

struct endpoint_list { VEC(char *) v; };

/* Empties and fills *list. */
int endpoint_list_fill(struct endpoint_list *list, struct config *c, struct err *err);
void endpoint_list_done(struct endpoint_list *list);
/* "unix:private/policy" or "inet:127.0.0.1:10023"; -1: the configuration does not name it. */
int endpoint_find(const struct endpoint_list *list, struct str endpoint);
/*
 * The auth server that this configuration's smtpd_sasl_path names, when it is
 * somebody else's: "unix:PATH" or "inet:HOST:PORT", in the arena. Empty: our
 * own authd, as when the parameter is not set or names one of
 * postern_auth_listeners.
 */
struct str endpoint_of_sasl(struct config *c, struct arena *a);
/* The endpoint in one word of a parameter ("lmtp:unix:private/x" -> "unix:private/x"); empty if there is none. */
struct str endpoint_of_word(struct str word);
#endif
