/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in the keys process.
 */
#ifndef KEYS_PARAMS_H
#define KEYS_PARAMS_H
#include "conf/param.h"

#define KEYS_PARAMS(P)                                                                                                    \
    P(SECS, ticket_lifetime, "postern_tls_ticket_lifetime", "3600s", 10, 604800,                                         \
      "TLS session tickets are made with a key for so long, and honoured for as long again.")

struct keys_conf { KEYS_PARAMS(PARAM_MEMBER) };
#endif
