/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *     imapd - IMAP sessions after login
 *
 * DESCRIPTION
 *     Serves IMAP4rev1 (RFC 3501) with IDLE, UIDPLUS, MOVE, ESEARCH and the rest of
 *     its CAPABILITY reply, one process per login, on Maildir++ folders or mboxes
 *     that a Dovecot may have used before and may use again. Flags, sizes,
 *     envelopes and body structures come out of the user's index; a message's
 *     file is opened only for its text.
 *
 * SECURITY
 *     Waits as root and forks on each login that authd vouches for (lib/login);
 *     the child becomes the user for good, may touch files below the user's mail
 *     and home only (Landlock, seccomp), and only then reads from the client.
 *     TLS is another process's work. What a command may take of memory is
 *     limited, whatever is sent.
 *
 * DIAGNOSTICS
 *     One line per session, as Dovecot has it: imap(user)<pid><session>:
 *     Disconnected: why in=N out=N ... A mailbox that cannot be read gives an
 *     Error line and NO [UNAVAILABLE] to the client.
 */
#include <malloc.h>
#include "login/session.h"
#include "session.h"

static struct imapd_conf conf;

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct imapd_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { IMAPD_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

static void run(const struct session_login *login)
{
    char tag[IMAP_TAG_MAX + 1];
    struct imap_user user = { .name = login->user, .home = login->home, .mail = login->mail,
                              .session_id = login->session_id, .hub_line = login->hub < 0 ? 0 : login->hub };
    if (str_to_fixed(login->tag, tag, sizeof tag))
        user.tag = tag;
    io_stop_on_sigterm();
    session_run(&conf, &user, login->fd, login->read_ahead);
}

static const struct session_ops ops = { .service = "imap", .params = &params, .conf = &conf, .run = run };

/* Else what was large and freed once is taken from the heap the next time, and stays there. */
enum { LARGE = 128 << 10 };

int main(int argc, char **argv)
{
    (void)mallopt(M_MMAP_THRESHOLD, LARGE);
    tzset();
    return session_zygote_main(argc, argv, "imapd", &ops);
}
