/* SPDX-License-Identifier: ISC
 *
 * service.h - master.cf: one row per service, as Postfix reads them.
 *
 *   name type private unpriv chroot wakeup maxproc command + arguments
 *
 * "-" stands for the field's default; the same name and type again replaces
 * the earlier row. Every -o is kept as "name=value" text for config_override();
 * -v is counted; what is left of the arguments is kept word by word ({ } quote).
 * An error names file and line.
 */
#ifndef CONF_SERVICE_H
#define CONF_SERVICE_H
#include "conf/param.h"

enum service_type { SERVICE_INET, SERVICE_UNIX, SERVICE_FIFO, SERVICE_PASS, SERVICE_UNIX_DGRAM };

struct service {
    const char *name;           /* as written: "smtp", "127.0.0.1:10025", "[::1]:25" */
    enum service_type type;
    bool is_private, unprivileged, chroot;
    uint32_t wakeup;            /* seconds, 0 = never */
    bool wakeup_if_used;        /* "60?": only after the first use */
    uint32_t max_proc;          /* 0 = no limit */
    const char *command;        /* "smtpd" */
    const char *const *overrides;   /* "name=value" */
    size_t n_overrides;
    unsigned verbose;           /* number of -v */
    const char *const *args;    /* the rest: "-D", "flags=DRhu", "user=vmail", "argv=..." */
    size_t n_args;
    const char *fields[7];      /* the first seven as written, for postconf -M */
    const char *words;          /* command and arguments as written */
    unsigned line;
};
struct service_list { const struct service *rows; size_t n; const char *file; };

/* Reads dir/master.cf. c gives default_process_limit and the compatibility level, and owns the memory. */
int service_load(struct config *c, struct service_list *ret, struct err *err);
int service_parse(struct config *c, const char *name, struct str text, struct service_list *ret, struct err *err);
/* "inet", "unix", ... */
const char *service_type_name(enum service_type type);
/* "[::1]:25" -> "::1" and "25"; "smtp" -> "" and "smtp". False when it is malformed. */
bool service_split_inet(const char *name, struct arena *a, const char **ret_host, const char **ret_port);
#endif
