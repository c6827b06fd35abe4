/* SPDX-License-Identifier: ISC
 *
 * import.h - an existing server's configuration turned into main.cf parameters
 * and notes.
 *
 * Every setting of the tree ends as a parameter, as a note, or as part of
 * either; one that no row knows is a note that says so. A note's grade tells
 * what it means for users. Parameters that are set twice keep the last value,
 * as Dovecot does.
 */
#ifndef TOOLS_POSTERN_IMPORT_H
#define TOOLS_POSTERN_IMPORT_H
#include "base/buf.h"
#include "base/vec.h"
#include "conf/dovecot.h"

enum import_grade { IMPORT_NO_EFFECT, IMPORT_DIFFERS, IMPORT_DECIDE };

struct import_param { const char *name; struct str value; const char *file; unsigned line; };
struct import_note { enum import_grade grade; const char *file; unsigned line; struct str what; const char *text; };
/* A file that has to be written for main.cf to name: a query file in Dovecot 2.3's notation. */
struct import_file { const char *name; struct str text; };

struct import {
    struct arena *arena;
    struct dovecot_tree tree;
    const char *root;           /* files of the other system are below it; "" = here */
    const char *config_dir;     /* where files to be written will be */
    bool is_24;                 /* the second generation of names */
    VEC(struct import_param) params;
    VEC(struct import_note) notes;
    VEC(struct import_file) files;
    struct buf passdb, userdb, services, listeners, sni;    /* lists that grow entry by entry */
    struct str protocols;       /* blanks between */
    bool own_instance;          /* main.cf is the mailbox half's alone */
    struct str uid, gid;        /* of all users, "" = not one account for all */
};

/* ---- import_map.c: rows ---- */
/* Reads im->tree into params, notes, files. */
void import_map(struct import *im);
void import_done(struct import *im);
bool import_must_decide(const struct import *im);
/* value is written so that main.cf's '$' stands for itself. node: where it comes from; NULL: from what is not set. */
void import_set(struct import *im, const char *name, struct str value, const struct dovecot_node *node);
void import_note(struct import *im, enum import_grade grade, const struct dovecot_node *node, const char *text);
/* With the text of what is meant, when it is only part of the node. */
void import_note_of(struct import *im, enum import_grade grade, const struct dovecot_node *node, struct str what, const char *text);
const char *import_grade_name(enum import_grade grade);
/* The words of a list: "a b" or, in the second generation, a section "name { a = yes }". In the arena, blanks between. */
struct str import_list(struct import *im, size_t at);
/* A name or a number of a user or group as a number; false: not known here. */
bool import_uid(struct str text, bool group, uint32_t *ret);

/* ---- import_auth.c: passdb, userdb, and the files they name ---- */
void import_passdb(struct import *im, size_t at);
void import_userdb(struct import *im, size_t at);
void import_mechanisms(struct import *im, size_t at);
/* ---- import_service.c: service, protocols, listeners ---- */
void import_service(struct import *im, size_t at);
void import_protocols(struct import *im, size_t at);
/* After everything: postern_mailbox_services and postern_auth_listeners. */
void import_services_end(struct import *im);
/* ---- import_mail.c: locations and namespaces ---- */
void import_location(struct import *im, size_t at);
void import_namespace(struct import *im, size_t at);
/* After everything: second generation's mail_driver and mail_path. */
void import_mail_end(struct import *im);
/* After those: where LMTP delivers, from the pattern of the users' homes. */
void import_lmtp_end(struct import *im);
/* ---- import_tls.c: certificates ---- */
void import_tls_end(struct import *im);
void import_local_name(struct import *im, size_t at);
void import_min_protocol(struct import *im, size_t at);

/* ---- import_write.c ---- */
/* What would stand in main.cf, with comments. */
void import_print(const struct import *im, struct buf *out);
void import_print_notes(const struct import *im, struct buf *out);
/* main.cf of config_dir with the parameters set (others stay), and the files. */
int import_write(const struct import *im, const char *config_dir, struct err *err);
/* The command: its exit status, or -1 and *err. */
int import_command(int argc, char **argv, struct err *err);
#endif
