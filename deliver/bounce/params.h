/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in notices about mail, once.
 */
#ifndef BOUNCE_PARAMS_H
#define BOUNCE_PARAMS_H

#define BOUNCE_PARAMS(P)                                                                                            \
    P(STR, syslog_name, "syslog_name", "postfix", 0, 0, "Prefix of the program name in log lines.")                 \
    P(STR, myhostname, "myhostname", "", 0, 0, "Name of this host, as others see it.")                              \
    P(STR, myorigin, "myorigin", "$myhostname", 0, 0, "Domain of MAILER-DAEMON.")                                   \
    P(STR, mail_name, "mail_name", "Postfix", 0, 0, "Name in Received header fields.")                              \
    P(SIZE, size_limit, "bounce_size_limit", "50000", 1, 131072, "Larger messages come back as their header only.") \
    P(STR, notice_recipient, "bounce_notice_recipient", "postmaster", 0, 0, "Who hears of mail that cannot be returned.") \
    P(SECS, lifetime, "maximal_queue_lifetime", "5d", 0, 31536000, "How long mail is tried; delay notices say it.")
#endif
