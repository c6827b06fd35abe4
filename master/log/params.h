/* SPDX-License-Identifier: ISC */
#ifndef LOGD_PARAMS_H
#define LOGD_PARAMS_H

#define LOGD_PARAMS(P)                                                                        \
    P(STR, maillog_file, "maillog_file", "", 0, 0,                                            \
      "File that log lines are appended to; empty = the system's log socket.")
#endif
