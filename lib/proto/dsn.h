/* SPDX-License-Identifier: ISC
 *
 * dsn.h - notices about mail: multipart/report (RFC 6522) of a text for
 * people, a message/delivery-status (RFC 3464) and the message or its header
 * (RFC 3462). Pure: the time, names and the message come in, text with LF
 * line ends goes out.
 *
 * The header fields that bounce parsers look for are Postfix's: From:
 * MAILER-DAEMON, Auto-Submitted, X-Postfix-Queue-ID, X-Postfix-Sender.
 * Nothing from the outside can add a header field or end a part: line ends in
 * addresses and reasons become spaces, and the boundary is checked against the
 * message that is returned.
 */
#ifndef PROTO_DSN_H
#define PROTO_DSN_H
#include "base/buf.h"

enum dsn_kind { DSN_FAILURE = 1, DSN_DELAY = 2, DSN_SUCCESS = 3, DSN_POSTMASTER = 4 };
enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED };

struct dsn_rcpt {
    struct str address, orig, orcpt;    /* orcpt: "rfc822;addr" or empty */
    enum dsn_action action;
    struct str status;                  /* 5.1.1 */
    struct str text;                    /* reason */
    struct str remote_mta, remote_reply;
};

struct dsn_notice {
    enum dsn_kind kind;
    struct str hostname, origin, mail_name;     /* ours; domain of MAILER-DAEMON; product name */
    struct str queue_id, new_id;                /* of the original, of the notice */
    struct str sender, to, envid;
    int64_t now, arrival, retry_until;          /* seconds; retry_until 0 = not said */
    int zone;                                   /* minutes east of UTC */
    bool utf8;                                  /* RFC 6533: message/global-delivery-status and so on */
    const struct dsn_rcpt *rcpts;
    size_t n_rcpts;
    struct str message;                         /* what is returned, LF line ends */
    bool headers_only;                          /* message is only its header */
};

void dsn_compose(struct buf *out, const struct dsn_notice *n);
#endif
