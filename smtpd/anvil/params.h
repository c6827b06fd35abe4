/* SPDX-License-Identifier: ISC
 * params.h - what an administrator can tune in anvil. */
#ifndef ANVIL_PARAMS_H
#define ANVIL_PARAMS_H
#include "conf/param.h"

#define ANVIL_PARAMS(P)                                                                                                \
    P(SECS, rate_unit, "anvil_rate_time_unit", "60s", 1, 86400, "Time unit of the limits per client.")                 \
    P(SECS, status_time, "anvil_status_update_time", "600s", 1, 2592000, "How often anvil logs the greatest counts since the last time.")

struct anvil_conf { ANVIL_PARAMS(PARAM_MEMBER) };
#endif
