/* SPDX-License-Identifier: ISC
 *
 * password.h - a password from whoever sits at the terminal, or from standard input.
 */
#ifndef TOOLS_POSTERN_PASSWORD_H
#define TOOLS_POSTERN_PASSWORD_H
#include "base/err.h"

enum { PASSWORD_MAX = 1024 };

/*
 * One line. At a terminal it is not shown, and asked for twice when `twice`; from a pipe a
 * second line, when there is one, must be the same. -1 and *err; may be empty.
 */
int password_ask(const char *prompt, bool twice, char ret[PASSWORD_MAX + 2], struct err *err);
#endif
