/* SPDX-License-Identifier: ISC
 *
 * control.h - what `postern auth` asks authd, on private/auth-control.
 *
 * Only root, and the user of a private instance, is answered; the socket's file
 * lets nobody else connect, and who asks is looked at again. A question is one
 * line of TAB-separated words, escaped as in auth_proto.h; the answer is lines,
 * the last of which is OK or FAIL with a text.
 *
 *   LIST max                 abuse_list(), then cache and known lines
 *   CLEAR address|network|user|all   budgets, penalties, throttles
 *   FLUSH [user]             the cache of right passwords
 *   FORGET user|all          networks that users are known from
 *   TEST user service address password
 *   WHO user                 live sessions of all users who fit: user, service, address, pid, since, session
 *   KICK user address        ends them; address may be empty
 */
#ifndef AUTHD_CONTROL_H
#define AUTHD_CONTROL_H

enum { CONTROL_LINE_MAX = 8192, CONTROL_CLIENTS_MAX = 16 };

/* Before privileges are dropped. Without it authd works all the same. */
void control_open(const char *queue_directory);
void control_start(void);
/* The successor has a socket of its own. */
void control_stop(void);
#endif
