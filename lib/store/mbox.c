/* SPDX-License-Identifier: ISC */
#include "store/mbox.h"
#include "store/private.h"
int mbox_open(struct box *b, const char *path, struct err *err) { (void)b; return err_set(err, ERR_CONFIG, "%s: mbox cannot be opened", path); }
void mbox_close(struct box *b) { (void)b; }
bool mbox_has_news(const struct box *b) { (void)b; return false; }
bool mbox_needs_flush(const struct box *b) { (void)b; return false; }
int mbox_sync(struct box *b, struct err *err) { (void)b; (void)err; return 0; }
int mbox_store(struct box *b, const uint32_t *index, size_t n, enum box_store_mode mode, uint8_t flags, uint32_t keywords, struct err *err)
{ (void)b; (void)index; (void)n; (void)mode; (void)flags; (void)keywords; return err_set(err, ERR_PERM, "mbox"); }
int mbox_expunge(struct box *b, const uint32_t *index, size_t n, struct err *err) { (void)b; (void)index; (void)n; return err_set(err, ERR_PERM, "mbox"); }
int mbox_keyword(struct box *b, struct err *err) { (void)b; return err_set(err, ERR_PERM, "mbox"); }
int mbox_body(struct box *b, size_t i, struct buf *out, struct err *err) { (void)b; (void)i; (void)out; return err_set(err, ERR_PERM, "mbox"); }
int64_t mbox_date(const struct box *b, size_t i) { (void)b; (void)i; return 0; }
