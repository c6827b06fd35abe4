/* SPDX-License-Identifier: ISC
 *
 * sendmail.h - the parts of the sendmail command. Exit codes are those of
 * sysexits.h, which scripts depend on.
 */
#ifndef SENDMAIL_SENDMAIL_H
#define SENDMAIL_SENDMAIL_H
#include <sysexits.h>
#include "base/err.h"
#include "base/vec.h"
#include "params.h"
#include "proto/smtp_cmd.h"

enum mode { MODE_MAIL, MODE_SMTP, MODE_LIST, MODE_ALIASES, MODE_FLUSH };

struct options {
    enum mode mode;
    bool dots_are_text;             /* -i */
    bool from_header;               /* -t */
    const char *sender;             /* -f, -r; NULL = who calls */
    const char *full_name;          /* -F */
    const char *encoding;           /* -B: "8bit", "7bit", NULL */
    unsigned notify;                /* -N */
    enum smtp_ret ret;              /* -R */
    const char *envid;              /* -V */
    const char *config_dir;         /* -C */
    const char *flush_id, *flush_site;  /* -qI, -qR */
    int first_rcpt;                 /* index of the first argument that is no option */
};
/* "sendmail: fatal: ..." on standard error, which is who called. */
void tell(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* 0, or an exit code after a message. */
int options_parse(int argc, char **argv, struct options *ret);

/* A message about to be left in maildrop. Addresses are in internal form. */
struct post {
    struct str sender, full_name;
    struct str envid;
    enum smtp_ret ret;
    unsigned notify;
    const char *encoding;
    VEC(struct str) rcpts;
    struct buf content;             /* records */
    uint64_t size, limit;           /* bytes of the message */
    struct buf header;              /* beginning of the message, for -t */
    bool in_body;
    struct arena arena;
};
enum { POST_HEADER_MAX = 4 << 20 };

/* One line, or a piece of one. */
void post_line(struct post *p, struct str line, bool ends);
/* Addresses of a list such as "a@b, C <c@d>". */
void post_add_list(struct post *p, struct str list);
/* To, Cc, Bcc of the header (or their Resent- forms). */
void post_add_header_rcpts(struct post *p);
/* Write it, durably, and tell pickup. 0 or an exit code after a message. */
int post_commit(struct post *p, const char *queue_directory);
void post_done(struct post *p);
/* -bs: SMTP on standard input and output. */
int smtp_on_stdio(const struct sendmail_conf *conf);
#endif
