/* SPDX-License-Identifier: ISC */
#include "proto/smtp_cmd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What parses must print to something that parses to the same address. */
static void check_address(struct arena *a, struct str address, unsigned flags)
{
    struct smtp_path again;
    struct buf out = buf_make(0);
    smtp_address_put(&out, address);
    if (address.n > 0 && address.p[address.n - 1] != '@' &&
        (smtp_path_parse(buf_str(&out), flags & SMTP_PATH_UTF8, a, &again) != SMTP_PATH_OK || !str_eq(again.address, address)))
        __builtin_trap();
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a = arena_make(1 << 22);
    struct smtp_path p;
    struct smtp_mail m;
    struct smtp_rcpt r;
    struct smtp_fault f;
    struct smtp_cmd c;
    if (n == 0)
        return 0;
    unsigned flags = data[0] & 3;
    struct str in = str_make(data + 1, n - 1);
    if (smtp_path_parse(in, flags, &a, &p) == SMTP_PATH_OK)
        check_address(&a, p.address, flags);
    smtp_cmd_parse(in, &c);
    (void)smtp_mail_parse(c.args, flags & SMTP_PATH_STRICT, &a, &m, &f);
    (void)smtp_rcpt_parse(c.args, flags & SMTP_PATH_STRICT, &a, &r, &f);
    arena_done(&a);
    return 0;
}
