/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in POP3 sessions.
 */
#ifndef POP3D_PARAMS_H
#define POP3D_PARAMS_H
#include "conf/param.h"

#define POP3D_PARAMS(P)                                                                                              \
    P(SECS, idle_timeout, "postern_pop3_timeout", "600s", 1, 86400,                                                  \
      "Close an idle POP3 session after this long; RFC 1939 asks for at least ten minutes.")                        \
    P(UINT, error_limit, "postern_pop3_error_limit", "20", 1, 1000,                                                  \
      "Close a POP3 session after this many refused commands in a row.")                                                     \
    P(BOOL, no_flag_updates, "postern_pop3_no_flag_updates", "no", 0, 0,                                             \
      "Do not mark messages as seen when POP3 retrieves them.")

struct pop3d_conf { POP3D_PARAMS(PARAM_MEMBER) };
#endif
