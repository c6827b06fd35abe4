/* SPDX-License-Identifier: ISC
 * Random walks over the commands, against a small automaton of what RFC 5321 allows when; and LMTP, the same engine with other words. */
#include "stage.h"

enum at { START, READY, MAIL, RCPT, BDAT };
static const char *const texts[] = {
    "EHLO c.test", "HELO c.test", "MAIL FROM:<a@ext.test>", "RCPT TO:<u@our.test>", "RCPT TO:<nosuch@our.test>", "RSET", "NOOP", "VRFY u", "STARTTLS", "AUTH PLAIN x",
    "DATA", "BDAT 3\r\nabc", "BDAT 3 LAST\r\nabc", "XCLIENT A=b", "junk",
};
enum { C_EHLO, C_HELO, C_MAIL, C_RCPT, C_RCPT_BAD, C_RSET, C_NOOP, C_VRFY, C_STARTTLS, C_AUTH, C_DATA, C_BDAT, C_BDAT_LAST, C_XCLIENT, C_JUNK, C_COUNT };

/* First digit of the reply, and the state after it. */
static int model(enum at *at, int command, size_t *messages)
{
    bool transaction = *at >= MAIL;
    switch (command) {
    case C_EHLO: case C_HELO: *at = READY; return 2;
    case C_MAIL: if (transaction) return 5; *at = MAIL; return 2;
    case C_RCPT: if (*at != MAIL && *at != RCPT) return 5; *at = RCPT; return 2;
    case C_RSET: *at = *at == START ? START : READY; return 2;
    case C_NOOP: return 2;
    case C_VRFY: return *at == BDAT ? 5 : 2;
    case C_DATA: if (*at != RCPT) return 5; *at = READY; ++*messages; return 3;
    case C_BDAT: if (*at < RCPT) { *at = *at == START ? START : READY; return 5; } *at = BDAT; return 2;
    case C_BDAT_LAST: if (*at < RCPT) { *at = *at == START ? START : READY; return 5; } *at = READY; ++*messages; return 2;
    default: return 5;
    }
}

static uint32_t seed = 4711;
static uint32_t next_random(void) { return (seed = seed * 1103515245u + 12345u) >> 16; }

/* A walk as a script, with what the model says. From START a MAIL without HELO leads to a transaction whose end is START again. */
static size_t write_walk(struct buf *script)
{
    enum at at = START;
    bool greeted = false;
    size_t messages = 0;
    buf_reset(script);
    buf_puts(script, "< 220\n");
    for (int steps = 1 + (int)(next_random() % 40); steps > 0; steps--) {
        int command = (int)(next_random() % C_COUNT);
        if (next_random() % 3 == 0)         /* often the way a client goes */
            command = at == START ? C_EHLO : at == READY ? C_MAIL : at == MAIL ? C_RCPT : C_DATA;
        greeted = greeted || command == C_EHLO || command == C_HELO;
        int digit = model(&at, command, &messages);
        if (at == READY && !greeted)
            at = START;
        buf_puts(script, ">> ");
        for (const char *p = texts[command]; *p != '\0'; p++)
            buf_puts(script, *p == '\r' ? "\\r" : *p == '\n' ? "\\n" : (char[]){ *p, '\0' });
        buf_puts(script, command == C_BDAT || command == C_BDAT_LAST ? "\n" : "\\r\\n\n");
        buf_printf(script, "< %d\n", digit);
        if (digit == 3)
            buf_puts(script, "> Subject: x\n> \n> .\n< 2\n");
    }
    buf_puts(script, "> QUIT\n< 221\n<closed\n");
    return messages;
}

static void test_walks(void)
{
    struct buf script = buf_make(0);
    bool agree = true;
    stage_open("smtpd_hard_error_limit = 1000\nsmtpd_client_connection_count_limit = 0\n");
    for (int walk = 0; walk < 400 && agree; walk++) {
        size_t want = write_walk(&script);
        agree = stage_run(buf_cstr(&script)) && stage.got.n == want;
        if (!agree)
            printf("# %s# %zu messages, not %zu\n", buf_cstr(&script), stage.got.n, want);
        stage_forget();
    }
    OK(agree, "D4: 400 random walks of up to 40 commands go as the automaton says");
    stage_close();
    buf_done(&script);
}

static const struct { const char *name, *script; size_t messages; } lmtp[] = {
    { "LHLO, and a reply per recipient", "< 220\n> LHLO c\n< 250\n<* PIPELINING\n<!* VRFY\n> MAIL FROM:<a@b.test>\n< 250\n> RCPT TO:<u@our.test>\n< 250\n> RCPT TO:<nosuch@our.test>\n< 550\n"
      "> RCPT TO:<v@our.test>\n< 250\n> DATA\n< 354\n> .\n< 250 2.0.0\n< 250 2.0.0\n> QUIT\n< 221\n<closed\n", 1 },
    { "EHLO and HELO are refused", "< 220\n> EHLO c\n< 502\n> HELO c\n< 502\n> MAIL FROM:<>\n< 503 5.5.1 Error: send LHLO first\n> QUIT\n< 221\n<closed\n", 0 },
    { "nothing is relayed, not even for mynetworks", "< 220\n> LHLO c\n< 250\n> MAIL FROM:<>\n< 250\n> RCPT TO:<v@ext.test>\n< 554 5.7.1 <v@ext.test>: Relay access denied\n> DATA\n< 554\n> QUIT\n< 221\n<closed\n", 0 },
    { "there is no AUTH and no STARTTLS", "< 220\n> LHLO c\n< 250\n> AUTH PLAIN x\n< 503\n> STARTTLS\n< 502\n> QUIT\n< 221\n<closed\n", 0 },
};

static void test_lmtp(void)
{
    for (size_t i = 0; i < N_ELEMS(lmtp); i++) {
        OK(stage_open_service(SMTPSRV_LMTP, "mynetworks = 203.0.113.0/24\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n", false) &&
           stage_run(lmtp[i].script) && stage.got.n == lmtp[i].messages, lmtp[i].name);
        stage_close();
    }
    stage_open("");
    OK(stage_run("< 220\n> LHLO c\n< 500\n> QUIT\n< 221\n<closed\n"), "LHLO is no word of SMTP");
    stage_close();
}

/* A client that drips: bytes / smtpd_min_data_rate beyond the idle limit is all it gets. */
static void test_slow(void)
{
    stage_open("smtpd_timeout = 1\nsmtpd_min_data_rate = 1000000\n");
    int64_t begun = clock_mono_ms();
    OK(stage_run("< 220\n> EHLO c\n< 250\n> MAIL FROM:<>\n< 250\n> RCPT TO:<u@our.test>\n< 250\n> DATA\n< 354\n> x\n< 421 4.4.2\n<closed\n") && clock_mono_ms() - begun < 5000 &&
       stage_logged("timeout after DATA (3 bytes) from"), "a sender that stops in the middle is told 421");
    stage_close();
}

int main(void)
{
    loop_init();
    test_walks();
    test_lmtp();
    test_slow();
    buf_done(&stage_log);
    return tap_done();
}
