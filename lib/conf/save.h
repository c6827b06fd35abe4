/* SPDX-License-Identifier: ISC
 *
 * save.h - changing configuration files as a whole.
 *
 * A file is written beside its place, synced, given the owner and the mode of
 * the file that it replaces, and moved there: whoever reads it meanwhile sees
 * the old or the new text. Symbolic links are followed to the real file first.
 */
#ifndef CONF_SAVE_H
#define CONF_SAVE_H
#include "base/err.h"
#include "base/str.h"

/* mode: of a new file; one that is there keeps its own. */
int conf_save(const char *path, struct str text, unsigned mode, struct err *err);
/* Make a rename or a new name in the directory of path durable, as far as that can be done. */
void conf_sync_parent(const char *path);
/*
 * An advisory lock of the file `path` for one change (it is created when it is
 * missing, mode 0600); waits up to ten seconds. Close the descriptor to unlock.
 */
int conf_lock(const char *path, struct err *err);
#endif
