/* SPDX-License-Identifier: ISC
 *
 * postconf.h - the parts of postconf.
 */
#ifndef TOOLS_POSTCONF_H
#define TOOLS_POSTCONF_H
#include "base/vec.h"
#include "conf/lex.h"
#include "conf/param.h"
#include "conf/service.h"

enum mode { MODE_MAIN, MODE_MASTER, MODE_FIELD, MODE_SERVICE_PARAM };       /* none, -M, -F, -P */
enum edit { EDIT_NONE, EDIT_SET, EDIT_COMMENT, EDIT_REMOVE };               /* none, -e, -#, -X */
struct options {
    enum mode mode;
    enum edit edit;
    bool defaults, set_only, no_name, no_value, expand, fold;   /* -d -n -h -H -x -f */
    bool builtin, service, user;                                /* -C */
    struct config *config;
    struct arena arena;
};

/* ---- registry.c: names ---- */
struct known { const char *name; const struct param *row; };    /* row: NULL for names of services and users */
typedef VEC(struct known) known_vec;
/* Makes the owners' rows known to c. */
void registry_register(struct config *c);
/* Rows of the tree, then Postfix's names, in the order of the alphabet, each once. */
void registry_all(known_vec *out);
/* name = value of "slow_recipient_limit" and the like for the transports of master.cf, registered with c. */
void registry_services(struct options *o, const struct service_list *services, known_vec *out);
/* Manual page text of every parameter. */
void registry_manual(struct buf *out);

/* ---- print.c ---- */
/* "name = value" as the options say; `line` is folded with -f. */
void print_setting(const struct options *o, const char *name, const char *value);
/* One line, its white space squeezed; with -f folded before column 80. */
void print_line(const struct options *o, struct str line);

/* ---- main_cf.c ---- */
int list_main(struct options *o, int n, char **names, struct err *err);
/* Names that are set, that nobody knows and nobody uses: warnings. */
void warn_unused(struct options *o, const struct service_list *services);

/* ---- edit.c ---- */
int edit_main(const struct options *o, int n, char **args, struct err *err);
/* Logical lines of a file, replaced one by one. */
int edit_load(const char *dir, const char *file, struct buf *out, const char **ret_path, int *ret_lock, struct arena *a, struct err *err);
int edit_save(const char *path, struct str text, int lock, struct err *err);
/* Cuts a block (a logical line and what continues it) off *rest; comment and empty lines are blocks of their own. */
bool edit_next_block(struct str *rest, struct str *ret_block);
/* block with '#' in front of each of its lines that is no comment. */
void edit_comment_out(struct str block, struct buf *out);
/* The comments that stood inside the block. */
void edit_keep_comments(struct str block, struct buf *out);

/* ---- master_cf.c ---- */
int list_master(struct options *o, int n, char **names, struct err *err);
int edit_master(struct options *o, int n, char **args, struct err *err);
/* A row of master.cf as text, with -o on lines of their own when folded. */
void service_text(const struct service *s, bool fold, struct buf *out);
#endif
