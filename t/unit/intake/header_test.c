/* SPDX-License-Identifier: ISC */
#include "tap.h"
#include "intake/header.h"
#include "proto/qrec.h"

/* ---- the header pass ---- */

static void show(const struct buf *records, struct buf *out)
{
    struct qrec_iter it = qrec_iter(buf_str(records));
    struct str text;
    bool ends;
    buf_reset(out);
    while (qrec_content_next(&it, &text, &ends) == QREC_OK) {
        buf_add(out, text);
        buf_puts(out, ends ? "\n" : "+");
    }
}

static const struct { const char *name, *in, *out; } passes[] = {
    { "a header and a body", "a: b\n\nbody\n", "a: b\n\nbody\n" },
    { "no body", "a: b\n", "a: b\n\n" },
    { "no header", "\nbody\n", "\nbody\n" },
    { "nothing", "", "\n" },
    { "text where a field should be", "body: not\nbody text\n", "body: not\n\nbody text\n" },
    { "white space first", " x\n", "\n x\n" },
    { "a folded field that goes", "Bcc: a,\n b\nc: d\n\n", "c: d\n\n" },
    { "a mailbox line", "From a@b Sat\nc: d\n\n", "X-Mailbox-Line: From a@b Sat\nc: d\n\n" },
    { "white space before the colon", "Subject : x\n\n", "Subject : x\n\n" },
    { "Bcc in the body stays", "a: b\n\nBcc: c\n", "a: b\n\nBcc: c\n" },
};

static bool one_pass(const char *in, const char *want)
{
    struct buf records = buf_make(0), text = buf_make(0);
    struct header_pass h = { .out = &records, .size_max = 100, .fields_max = 10, .hops_max = 3 };
    struct str rest = str_from(in), line;
    while (rest.n > 0) {
        (void)str_cut(rest, '\n', &line, &rest);
        header_pass_line(&h, line, true);
    }
    header_pass_end(&h);
    show(&records, &text);
    bool ok = str_eqz(buf_str(&text), want) && h.size == text.n && h.fault == HEADER_FINE;
    if (!ok)
        printf("# %s\n", buf_cstr(&text));
    buf_done(&records);
    buf_done(&text);
    header_pass_done(&h);
    return ok;
}

static void test_passes(void)
{
    for (size_t i = 0; i < N_ELEMS(passes); i++)
        OK(one_pass(passes[i].in, passes[i].out), passes[i].name);
    struct buf records = buf_make(0);
    struct header_pass h = { .out = &records, .size_max = 20, .fields_max = 10, .hops_max = 3 };
    header_pass_line(&h, STR("Subject: 0123456789012345678901234567890"), true);
    header_pass_end(&h);
    OK(h.size == 22, "a field over header_size_limit is cut");
    header_pass_done(&h);
    h = (struct header_pass){ .out = &records, .size_max = 100, .fields_max = 100, .hops_max = 3 };
    for (int i = 0; i < 4; i++)
        header_pass_line(&h, STR("received: x"), true);
    header_pass_end(&h);
    OK(h.fault == HEADER_LOOP, "Received in any case of letters counts");
    header_pass_done(&h);
    buf_done(&records);
}

int main(void)
{
    test_passes();
    return tap_done();
}
