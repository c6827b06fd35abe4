/* SPDX-License-Identifier: ISC
 * params.h - what an administrator can tune in pickup, beside rewriting and routing. */
#ifndef PICKUP_PARAMS_H
#define PICKUP_PARAMS_H
#include "intake/params.h"

#define PICKUP_PARAMS(P) \
    P(SECS, interval, "postern_pickup_interval", "60s", 1, 86400, "Look into maildrop this often, beside being told of new mail.")

struct pickup_conf { struct resolve_conf resolve; struct intake_conf intake; PICKUP_PARAMS(PARAM_MEMBER) };
#endif
