/* SPDX-License-Identifier: ISC
 *
 * postern.h - the parts of the postern command.
 */
#ifndef TOOLS_POSTERN_H
#define TOOLS_POSTERN_H
#include "base/err.h"

/* Key and self-signed certificate of `host`, as PEM files; nothing is done when both are there. */
int cert_make(const char *host, const char *cert_path, const char *key_path, struct err *err);
/* Makes DIR unless it is there, and starts it. port_base: 0 = the one it was made with, or 2000. */
int try_start(const char *dir, unsigned port_base, struct err *err);
int try_stop(const char *dir, struct err *err);
/* action: add, delete, list. name: NULL for list. */
int user_command(const char *config_dir, const char *action, const char *name, struct err *err);
/* App passwords. action: app-add, app-list, app-delete; name: "--all" with app-delete; what was not given is "", user NULL with app-list. */
struct app_args { const char *action, *user, *name, *services, *networks, *days; };
int app_command(const char *config_dir, const struct app_args *args, struct err *err);
/* argv: list, clear WHAT, flush [USER], forget USER|all, test USER [SERVICE [ADDRESS]]. 1: the answer is no. */
enum { AUTH_COMMAND_USAGE = 64 };
int auth_command(const char *config_dir, int argc, char **argv, struct err *err);
/* Stored passwords: argv[0] is "pw". The exit status. */
int pw_command(int argc, char **argv);
/* Runs `postfix -c CONFIG_DIR COMMAND` of the same build; its exit status, or -1. */
int run_postfix(const char *config_dir, const char *command, struct err *err);
/* The paths and numbers of an instance, written into its files. */
struct instance {
    const char *dir;        /* absolute */
    unsigned port_base;
    unsigned long uid, gid;
    const char *user, *group;
};
struct buf;
void instance_main_cf(const struct instance *i, struct buf *out);
void instance_master_cf(const struct instance *i, struct buf *out);
#endif
