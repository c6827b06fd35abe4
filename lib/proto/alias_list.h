/* SPDX-License-Identifier: ISC
 *
 * alias_list.h - the right side of aliases(5), :include: files and .forward:
 * destinations separated by commas, in files also by line ends. Pure.
 *
 * address, "quoted", |command, "|command with blanks", /file, :include:/file,
 * \name (that user's mailbox, no further expansion), Name <address>. Quotes and
 * backslashes inside them go; '#' begins a comment at the start of a line.
 */
#ifndef PROTO_ALIAS_LIST_H
#define PROTO_ALIAS_LIST_H
#include "base/buf.h"

enum alias_kind { ALIAS_ADDRESS, ALIAS_USER, ALIAS_COMMAND, ALIAS_FILE, ALIAS_INCLUDE, ALIAS_BAD };
struct alias_item { enum alias_kind kind; struct str text; };   /* text without the mark ('|', ':include:', '\'), in *scratch */

/* The next item of *rest; false at the end. text lives until the next call with the same scratch. */
bool alias_next(struct str *rest, struct buf *scratch, struct alias_item *ret);
#endif
