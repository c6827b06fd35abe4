/* SPDX-License-Identifier: ISC
 * Class A: the malformed ends of data never make two messages of one. */
#include "stage.h"

#define HELLO "< 220\n> EHLO c.test\n< 250\n> MAIL FROM:<a@ext.test>\n< 250\n> RCPT TO:<u@our.test>\n< 250\n"
#define SECOND "MAIL FROM:<evil@ext.test>\\r\\nRCPT TO:<v@our.test>\\r\\nDATA\\r\\nSubject: smuggled\\r\\n\\r\\nx"

static const struct { const char *name, *seq; } forms[] = {
    { "A1: LF . LF", "\\n.\\n" }, { "A2: LF . CR LF", "\\n.\\r\\n" }, { "A3: CR LF . LF", "\\r\\n.\\n" }, { "A4: CR . CR LF", "\\r.\\r\\n" },
    { "A5: CR . CR", "\\r.\\r" }, { "A6: LF . CR", "\\n.\\r" }, { "A7: CR . LF", "\\r.\\n" }, { "A8: CR LF . CR CR LF", "\\r\\n.\\r\\r\\n" },
    { "A9: CR CR LF . CR CR LF", "\\r\\r\\n.\\r\\r\\n" }, { "A10: CR LF NUL . CR LF", "\\r\\n\\0.\\r\\n" }, { "A11: CR LF . NUL CR LF", "\\r\\n.\\0\\r\\n" },
};

static bool no_stray(void)
{
    struct qrec_iter it = qrec_iter(buf_str(&stage.got.p[0].content));
    struct str text;
    bool ends, fine = true;
    while (qrec_content_next(&it, &text, &ends) == QREC_OK)
        fine = fine && str_chr(text, '\r') < 0 && str_chr(text, '\n') < 0 && str_chr(text, '\0') < 0;
    return fine;
}

static bool one_form(const char *conf, const char *seq, const char *reply)
{
    char script[1000];
    (void)snprintf(script, sizeof script, HELLO "> DATA\n< 354\n>> Subject: one\\r\\n\\r\\nline%s" SECOND "\\r\\n.\\r\\n\n< %s\n", seq, reply);
    stage_open(conf);
    bool taken = reply[0] == '2';
    bool ok = stage_run(script) && stage.got.n == (taken ? 1 : 0);
    if (taken)
        ok = ok && content_has(0, "RCPT TO:<v@our.test>") && content_has(0, "Subject: smuggled") && no_stray();
    stage_close();
    return ok;
}

/* In BDAT the same bytes are content, all of them. */
static bool in_bdat(const char *seq)
{
    char script[1000], text[500];
    size_t n = 0;
    (void)snprintf(text, sizeof text, "Subject: one\\r\\n\\r\\nline%s" SECOND, seq);
    for (const char *p = text; *p != '\0'; p++, n++)
        p += *p == '\\';
    (void)snprintf(script, sizeof script, HELLO ">> BDAT %zu LAST\\r\\n%s\n< 250\n> QUIT\n< 221\n<closed\n", n, text);
    stage_open("");
    bool ok = stage_run(script) && stage.got.n == 1 && content_has(0, "Subject: smuggled");
    stage_close();
    return ok;
}

int main(void)
{
    loop_init();
    for (size_t i = 0; i < N_ELEMS(forms); i++) {
        bool bare = strstr(forms[i].seq, "\\n") != NULL;
        for (const char *p = forms[i].seq; bare && (p = strstr(p, "\\n")) != NULL; p += 2)
            if (p == forms[i].seq || p[-1] != 'r')
                goto has_bare;
        bare = false;
has_bare:
        OK(one_form("", forms[i].seq, "250"), forms[i].name);
        OK(one_form("smtpd_forbid_bare_newline = reject\n", forms[i].seq, bare ? "550 5.5.2" : "250"), "the same, where bare LF is rejected");
        OK(one_form("mynetworks = 203.0.113.0/24\nsmtpd_forbid_bare_newline = no\n", forms[i].seq, "250"), "the same from mynetworks, with the protection \"off\"");
        OK(in_bdat(forms[i].seq), "A14: the same in BDAT is content");
    }
    stage_open("");
    OK(stage_run(HELLO "> DATA\n< 354\n>> a\\r\\n\n>> .\n>> \\r\n>> \\n\n< 250\n> QUIT\n< 221\n<closed\n") && stage.got.n == 1, "A12: the true end in four segments ends");
    stage_close();
    stage_open("");
    OK(stage_run(HELLO "> DATA\n< 354\n>> a\\r\\n.\\r\\nQUIT\\r\\n\n< 250\n< 221\n<closed\n") && stage.got.n == 1, "A13: the true end ends");
    stage_close();
    buf_done(&stage_log);
    return tap_done();
}
