/* SPDX-License-Identifier: ISC
 * params.h - what an administrator can tune in the sendmail command. */
#ifndef SENDMAIL_PARAMS_H
#define SENDMAIL_PARAMS_H
#include "conf/param.h"

#define SENDMAIL_PARAMS(P)                                                                                            \
    P(STR, queue_directory, "queue_directory", "/var/spool/postfix", 0, 0, "The mail queue.")                         \
    P(SIZE, message_size_limit, "message_size_limit", "10240000", 0, UINT64_MAX / 2, "Largest message in bytes, 0 = any.") \
    P(STR, submit_users, "authorized_submit_users", "static:anyone", 0, 0, "Users who may send mail with sendmail.")  \
    P(STR, myhostname, "myhostname", "", 0, 0, "Name of this host, as others see it.")
struct sendmail_conf { SENDMAIL_PARAMS(PARAM_MEMBER) };
#endif
