/* SPDX-License-Identifier: ISC
 *
 * mailbox_services.h - postern_mailbox_services: the mailbox half's listeners
 * without lines in master.cf.
 *
 *   postern_mailbox_services = imap, imaps, { pop3s, port=10995, address=127.0.0.1 },
 *       { dovecot-lmtp, path=/var/spool/postfix/private/dovecot-lmtp, mode=0600, user=postfix, group=postfix }
 *
 *   imap 143, imaps 993, pop3 110, pop3s 995, lmtp 24: port=, address= (numeric; none: inet_interfaces)
 *   dovecot-lmtp: path= (private/dovecot-lmtp below the queue directory), mode= (0666), user=, group=
 *   auth: always there (postern_auth_listeners); the word is allowed
 *
 * A name may stand several times, for several ports or addresses. Refuses: an
 * unknown name or option, a port that is none, an address that is a name, the
 * same socket twice.
 */
#ifndef DAEMON_MAILBOX_SERVICES_H
#define DAEMON_MAILBOX_SERVICES_H
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include <sys/types.h>

enum { MAILBOX_SERVICES_MAX = 32 };
struct mailbox_service {
    const char *name, *command;     /* "imaps", "tls-proxy" */
    const char *family;             /* "imap", "pop3", "" */
    bool is_inet;
    const char *socket;             /* "inet:127.0.0.1:993", "inet::993", "unix:PATH" */
    mode_t mode;                    /* of a UNIX socket; 0 = 0666 */
    const char *user, *group;       /* NULL = mail_owner; the group as it is */
};
/* Everything in the arena. -1 and *err, which names the parameter, the entry and the remedy. */
int mailbox_services_parse(struct str text, struct arena *arena, struct mailbox_service ret[MAILBOX_SERVICES_MAX], size_t *ret_n, struct err *err);
#endif
