/* SPDX-License-Identifier: ISC
 *
 * children.h - the processes of the suite: started by plan, introduced to each
 * other, restarted with back-off when they die, drained at reload and at stop.
 *
 * A service is a row of the plan with its descriptors; its processes are
 * children. A child of a replaced service is draining: it finishes what it has
 * and is not restarted. A role that must be alone (qmgr, authd, hub) is started
 * when its predecessor is gone.
 */
#ifndef MASTER_CHILDREN_H
#define MASTER_CHILDREN_H
#include "services.h"

struct children_conf {
    const char *program_dir, *config_dir;
    int log_in, log_out;        /* the log role's end, everyone's end */
    int std_out;                /* for the log role, -1 = none */
    uint32_t stop_grace;        /* seconds */
    void (*on_stopped)(void);   /* children_stop() is done */
    /* After children_start(): every process that shall run is past its start, or (all = false) that takes too long. */
    void (*on_up)(bool all);
};

void children_init(const struct children_conf *conf);
/* Start what the plan says; what ran before drains. fds[i] belongs to plan row i and stays open. */
void children_start(const struct plan_list *plan, const struct service_fds *fds, unsigned generation);
/* SIGCHLD: a child of ours has ended. False: it is not one of these. */
bool children_ended(pid_t pid, int status);
/* Orderly end: sessions and deliveries, then helpers and qmgr, then the log. */
void children_stop(void);
#endif
