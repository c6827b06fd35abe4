/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in auth-worker.
 */
#ifndef AUTH_WORKER_PARAMS_H
#define AUTH_WORKER_PARAMS_H
#include "conf/param.h"

#define AUTH_WORKER_PARAMS(P)                                                                     \
    P(STR, pam_service, "postern_pam_service", "dovecot", 0, 0,                                   \
      "Name of the PAM service, a file in /etc/pam.d; PAM's own default is used where it does not exist.")

struct auth_worker_conf { AUTH_WORKER_PARAMS(PARAM_MEMBER) };
#endif
