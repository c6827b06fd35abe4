/* SPDX-License-Identifier: ISC
 *
 * An exchange: the first byte chooses the mechanism, the second what is stored
 * and known; then the client's messages, one a line. Nobody gets in who has not
 * the password, and nothing is asked about a name that cannot be one. With the
 * environment's FUZZ_MECH a long run stays at one mechanism.
 */
#include <stdlib.h>
#include "auth/mech.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const uint8_t key[MECH_KEY_SIZE] = "0123456789abcdef0123456789abcde";

static const char *const stored[] = {
    "", "{PLAIN}secret", "{SHA512-CRYPT}$6$a$b", "{CRAM-MD5}d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b",
    "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    "{SCRAM-SHA-1}1,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=", "{SCRAM-SHA-256}0,,,", "{",
};

static const struct mech_row *row_of(uint8_t byte)
{
    const char *fixed = getenv("FUZZ_MECH");
    const struct mech_row *row = fixed == NULL ? mech_at(byte % 10) : mech_find(str_from(fixed));
    ASSERT(row != NULL);
    return row;
}

static enum mech_step answer(struct mech_run *m, enum mech_step r, uint8_t what, struct str *out)
{
    ASSERT(str_chr(m->user, '\0') < 0 && m->user.n <= SASL_NAME_MAX);
    switch (m->row->need) {
    case NEED_SECRET: return mech_secret(m, m->user, str_from(stored[what % N_ELEMS(stored)]), out);
    case NEED_TOKEN: ASSERT(m->token.n > 0); return mech_token_refused(m, "invalid_token", out);
    case NEED_PASSWORD: ASSERT(m->user.n > 0 && m->password.n > 0 && str_chr(m->password, '\0') < 0); return r;
    case NEED_CERT: ASSERT(m->user.n > 0); return r;
    }
    UNREACHABLE();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    struct arena a = arena_make(1 << 20);
    struct mech_run m = { .row = row_of(data[0]), .arena = &a, .nonce = STR("nonce"), .host = STR("host"), .key = key, .scope = STR("mail"),
                          .binding = (data[1] & 0x40) != 0 ? STR("0123456789abcdef0123456789abcdef") : STR(""), .plus_offered = (data[1] & 0x20) != 0,
                          .cert_user = (data[1] & 0x10) != 0 ? STR("carol") : STR("") };
    struct str rest = str_make(data + 2, n - 2), in, out;
    enum mech_step r = data[0] & 0x80 ? mech_step(&m, NULL, &out) : MECH_CONTINUE;
    for (int i = 0; i < 5 && r == MECH_CONTINUE; i++) {
        (void)str_cut(rest, '\n', &in, &rest);
        r = mech_step(&m, &in, &out);
        if (r == MECH_ASK)
            r = answer(&m, r, data[1] & 15, &out);
        ASSERT(r != MECH_DONE || m.row->need == NEED_SECRET);
    }
    mech_wipe(&m);
    arena_done(&a);
    return 0;
}
