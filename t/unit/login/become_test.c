/* SPDX-License-Identifier: ISC */
#include "login/become.h"
#include "tap.h"

#define S(lit) STR_INIT(lit)
static const struct { const char *name; struct str location; const char *dirs[3]; } cases[] = {
    { "a Maildir", S("maildir:/home/u/Maildir"), { "/home/u/Maildir" } },
    { "a Maildir with its index elsewhere", S("maildir:/v/u:INDEX=/idx/u:LAYOUT=fs"), { "/v/u", "/idx/u" } },
    { "an mbox and the directory of its INBOX", S("mbox:/home/u/mail:INBOX=/var/mail/u"), { "/home/u/mail", "/var/mail" } },
    { "a relative path is none", S("maildir:Maildir"), { NULL } },
    { "the root directory is none", S("maildir:/"), { NULL } },
    { "INBOX in the root is none", S("mbox:/m:INBOX=/u"), { "/m", "/u" } },
    { "nothing behind the driver", S("maildir:"), { NULL } },
    { "no driver", S("/home/u/Maildir"), { NULL } },
    { "empty", S(""), { NULL } },
};

int main(void)
{
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct arena a = arena_make(8192);
        const char *got[3] = { NULL };
        size_t n = session_mail_dirs(cases[i].location, &a, got, 3), want = 0;
        bool same = true;
        while (want < 3 && cases[i].dirs[want] != NULL)
            want++;
        for (size_t k = 0; k < n && k < want; k++)
            same &= strcmp(got[k], cases[i].dirs[k]) == 0;
        OK(n == want && same, cases[i].name);
        arena_done(&a);
    }
    return tap_done();
}
