/* SPDX-License-Identifier: ISC
 *
 * postfix.h - the parts of the postfix command.
 */
#ifndef TOOLS_POSTFIX_H
#define TOOLS_POSTFIX_H
#include "conf/service.h"

/* One line of postfix-script: to standard error, and to the log. */
void say(struct config *c, const char *severity, const char *fmt, ...) PRINTF_LIKE(3, 4);

struct check {
    struct config *config;
    struct service_list services;
    bool is_private;
    bool running;           /* then its ports are taken by itself */
    unsigned fatal, warnings;
};
/* A finding: counted and said. */
void check_fatal(struct check *k, const char *fmt, ...) PRINTF_LIKE(2, 3);
void check_warn(struct check *k, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Everything; the number of fatal findings is in k->fatal. notes: also what is known but has no effect here. */
void check_all(struct check *k, bool notes);
void check_tables(struct check *k);
void check_files(struct check *k);
void check_auth(struct check *k);
void check_pam(struct check *k);
void check_services(struct check *k);
void check_params(struct check *k, bool notes);
#endif
