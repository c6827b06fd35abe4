/* SPDX-License-Identifier: ISC
 *
 * param.h - configuration parameters as rows, and main.cf behind them.
 *
 * The owner of a parameter writes one row in its params.h:
 *
 *   #define SMTPD_PARAMS(P)                                                  \
 *       P(SECS, timeout, "smtpd_timeout", "300s", 1, 86400, "One sentence.") \
 *
 *   struct smtpd_conf { SMTPD_PARAMS(PARAM_MEMBER) };
 *   static const struct param rows[] = { SMTPD_PARAMS_ROWS };   see PARAM_ROW
 *
 * From it come the struct member, the loader, `postconf -d`, the manual page
 * and the test that every default parses. Defaults are main.cf text: they may
 * use $name and ${name?x:y}.
 */
#ifndef CONF_PARAM_H
#define CONF_PARAM_H
#include "base/arena.h"
#include "base/err.h"
#include "base/buf.h"

enum param_kind {
    PARAM_BOOL,     /* yes, no */
    PARAM_UINT,     /* decimal */
    PARAM_SIZE,     /* bytes: decimal */
    PARAM_SECS,     /* number with s, m, h, d, w; stored in seconds */
    PARAM_STR,      /* text after expansion */
    PARAM_RAW,      /* text before expansion: expanded per use ($recipient ...) */
};
#define PARAM_T_BOOL bool
#define PARAM_T_UINT uint32_t
#define PARAM_T_SIZE uint64_t
#define PARAM_T_SECS uint32_t
#define PARAM_T_STR const char *
#define PARAM_T_RAW const char *
#define PARAM_MEMBER(kind, member, name, def, min, max, doc) PARAM_T_##kind member;

struct param {
    const char *name;
    enum param_kind kind;
    size_t offset;          /* of the member in the owner's struct */
    const char *def;        /* main.cf text */
    uint64_t min, max;      /* UINT, SIZE, SECS; both 0 for the others */
    const char *doc;        /* one sentence */
};
/* Use: #define ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct smtpd_conf, k, m, name, def, lo, hi, doc) */
#define PARAM_ROW(type, kind, member, name, def, min, max, doc) { name, PARAM_##kind, offsetof(type, member), def, min, max, doc },
struct param_table { const struct param *rows; size_t n; };

struct config;

/* All documented Postfix names with their defaults (params_postfix.h); member offsets and limits are 0. */
struct param_table params_postfix(void);
/* What $mail_version and the logs say: the Postfix version whose behaviour is kept. */
#define POSTERN_MAIL_VERSION "3.10.0"

/*
 * Reads dir/main.cf (NULL and *err, with file and line, when it cannot be
 * read or its syntax is wrong). Unknown names are kept: they are user-defined
 * parameters that others may use as $name.
 */
struct config *config_load(const char *dir, struct err *err);
void config_free(struct config *c);
/* The directory that a tool uses: its -c option, else MAIL_CONFIG of the environment (not in a set-id program), else /etc/postfix. */
const char *config_dir_choose(const char *option);
/* As config_load, from text: for tests and fuzzers. name: of the file, for messages. */
struct config *config_parse(const char *dir, const char *name, struct str text, struct err *err);
/* Make more names and defaults known; config_fill does it for its table. The rows must outlive c. */
void config_register(struct config *c, const struct param_table *table);
const char *config_dir(const struct config *c);
/* Lines of main.cf that were skipped although they look meant: texts for warnings, with file and line. NULL after the last. */
const char *config_warning(const struct config *c, size_t i);
/* Names that are set, in the order of main.cf (-o last); false at the end. *pos starts at 0. */
bool config_each(const struct config *c, size_t *pos, const char **ret_name);
/* A value that takes precedence over main.cf: a -o of master.cf, "name=value" or "{ name = value }". */
int config_override(struct config *c, struct str assignment, struct err *err);
/* Value as written (main.cf or -o), NULL if it is not set. */
const char *config_raw(const struct config *c, const char *name);
/* The default as written in its row (computed ones as they are here), NULL when the name is unknown. */
const char *config_default(struct config *c, const char *name);
/* Expanded value, from main.cf or the default; NULL when the name is unknown; valid as long as c. -1 on bad expansion via *err: then NULL too. */
const char *config_get(struct config *c, const char *name, struct err *err);
/* compatibility_level as a number (expand_level); compare with PARAM_LEVEL(3, 6). 0 when it does not parse. */
uint64_t config_level(struct config *c);
#define PARAM_LEVEL(major, minor) ((uint64_t)(major) << 40 | (uint64_t)(minor) << 20)
/* Expand any text with $name as main.cf does. */
int config_expand(struct config *c, struct str text, struct buf *out, struct err *err);
/* Where a name was set, for messages: "/etc/postfix/main.cf, line 12"; "" if it was not. */
const char *config_where(const struct config *c, const char *name);
/*
 * Fill the owner's struct. Strings live as long as c. A value that does not
 * parse or is out of range: -1, and *err names parameter, file, line and what
 * would be right.
 */
int config_fill(struct config *c, const struct param_table *table, void *conf, struct err *err);
/* Would config_fill take this row's value? For checks; the row must be known to c (config_register). */
int config_check(struct config *c, const struct param *row, struct err *err);
/* Makes queue_directory the working directory, as command-line tools have it. */
int config_enter_queue(struct config *c, struct err *err);
#endif
