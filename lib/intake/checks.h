/* SPDX-License-Identifier: ISC
 *
 * checks.h - header_checks(5): what a table says about a header field.
 */
#ifndef INTAKE_CHECKS_H
#define INTAKE_CHECKS_H
#include "intake/message.h"

/* WAITS for pattern tables. Does what the table says about the field; false: the field is left out. */
bool checks_header(struct intake_msg *m, struct str field);
#endif
