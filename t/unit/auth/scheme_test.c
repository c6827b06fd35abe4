/* SPDX-License-Identifier: ISC */
#include "auth/scheme.h"
#include "base/enc.h"
#include "tap.h"

#define S(lit) STR_INIT(lit)
/* The password is "secret" everywhere, the user joe@example.org; made by Debian's doveadm pw (2.3.19). */
static const struct { const char *name; struct str stored; } recorded[] = {
    { "SHA512-CRYPT", S("{SHA512-CRYPT}$6$vZDw3KzSbq1Oe.Qz$TNjr5dbrKDlF8nPJwt9vphml1AViCiwl26YcXmvn5YB4OeGu3NsdRLLLN7OV2ak3pgYA0dAKmKmkrsVj.ZXLL1") },
    { "SHA256-CRYPT", S("{SHA256-CRYPT}$5$FWBR8FNzJZH6ehE9$C5RuJ68/8GP6YRYqQsvFMXwyNiB7a0hRvsMDHBKXiA5") },
    { "BLF-CRYPT", S("{BLF-CRYPT}$2y$05$JNoqZWcnUcjEwxCli54WLeQ2.PhGFO4N7ZhrinBYtFsgD/zunVCwm") },
    { "CRYPT", S("{CRYPT}$2y$05$6zgKt9TyB0EBQP8LOWmz/OpxwcSvbpnCVdeKMaisSTg/j8FDaQCxm") },
    { "MD5-CRYPT", S("{MD5-CRYPT}$1$zZHpRIEE$7PfcjWblLcfrA05wHlaOX0") },
    { "DES-CRYPT", S("{DES-CRYPT}biIHBlJGwVvO6") },
    { "ARGON2ID", S("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$KyFWgrAVQjywX5WiXzt8wg$GqKqrLKKUv+2dFg4Hhbk84bU3gM0q9YmAX+WnIt1RDg") },
    { "ARGON2I", S("{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$E1C8+yKHlgTCDPXUp8LCsg$PVNtWlbxw0dhYLyLXZEvyUkh4GyU+GbvDaxiF9bygjo") },
    { "PBKDF2", S("{PBKDF2}$1$qLvDsHzrGB0RVPTP$5000$aa8a64b695bbe82a8674ec0073543ed8ec40b4fa") },
    { "SCRAM-SHA-256", S("{SCRAM-SHA-256}4096,ZU5lcXJd1U9qJqf5FFJXAg==,fHsH1656hAGZP2G4Br0BqiVJKOtjmJpOIM/22M/jUME=,INagSjz2xAA1A2yRdaNTnP4XNIKvndz6fUrRDB0wqUU=") },
    { "SCRAM-SHA-1", S("{SCRAM-SHA-1}4096,WVpmpkiygWB766Ey3RJJ4A==,+ffBjYLBqnr3pYR5fzuf3emctVI=,d1RcQhnwrCgOVkfzh9bbBVCSGxQ=") },
    { "SSHA512", S("{SSHA512}6GPk2epvfJQMl/iLsCzjgVCp0usLXjpNcc5eINRIrIur93NroRqwQ4ytqZ3VLio+aQgy6+56Henf8ncZfgydJY18SQM=") },
    { "SSHA256", S("{SSHA256}U2a2KKjY53ZOLGh6CoOvfRCcNlsq+4oyhVFgwQoFy1aF1yWN") },
    { "SSHA", S("{SSHA}MjZl7NEadnL5lSIgKSJxywQ+orXbyfmu") },
    { "SMD5", S("{SMD5}b4jgBm/bWAxDmXFuzn6ip6M2Mxk=") },
    { "SHA512", S("{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==") },
    { "SHA256", S("{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=") },
    { "SHA1", S("{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ=") },
    { "SHA", S("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=") },
    { "MD5", S("{MD5}$1$4PqjvpGt$FSqUXth5M0vMOkuc3GmKB/") },
    { "PLAIN-MD5", S("{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69") },
    { "PLAIN-MD4", S("{PLAIN-MD4}67d3dafef63ff00603aeef3769cfbf0d") },
    { "LDAP-MD5", S("{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==") },
    { "CRAM-MD5", S("{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56") },
    { "HMAC-MD5", S("{HMAC-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56") },
    { "DIGEST-MD5", S("{DIGEST-MD5}9e350098094efc4af26cd456adf29a60") },
    { "PLAIN", S("{PLAIN}secret") },
    { "CLEAR", S("{CLEAR}secret") },
    { "CLEARTEXT", S("{CLEARTEXT}secret") },
    { "SSHA256.HEX", S("{SSHA256.HEX}90729673f84d6bef5420426c10c41b0d72f733bbdb29442c109db3f012e03318b6dfaf03") },
    { "SHA1.HEX", S("{SHA1.HEX}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4") },
    { "PLAIN.B64", S("{PLAIN.B64}c2VjcmV0") },
    { "BLF-CRYPT.B64", S("{BLF-CRYPT.B64}JDJ5JDA1JGFFRWxNV3lXejk4eUxad2cxYTFUdE9scEVvV1JvOEI2MkU3WGRPbEFMbDBvT290WndmdHcy") },
    { "CRAM-MD5.B64", S("{CRAM-MD5.B64}zTun3qrW5cojRIukLjeXR6ng9/H7wAyKgbuqw5VzG1Y=") },
    { "SSHA512.BASE64", S("{SSHA512.BASE64}LdYB82y1F4/xBC2YOduPXlZq81wjV6nzoLe+MfYZE0uYccVp5F4g29r1fuJNNrxn8ZXfumJysELqdRcCwbgQSqHKXrw=") },
};

#ifdef HAVE_ARGON2
enum { HAS_ARGON2 = true };
#else
enum { HAS_ARGON2 = false };
#endif
static bool is_argon2(const char *name) { return strncmp(name, "ARGON2", 6) == 0; }

static struct scheme split_joe(struct str stored)
{
    struct scheme s = scheme_split(stored);
    s.user = STR("joe@example.org");
    return s;
}

static void say(bool ok, const char *name, const char *what)
{
    char text[200];
    (void)snprintf(text, sizeof text, "%s: %s", name, what);
    OK(ok, text);
}

static void test_recorded(void)
{
    for (size_t i = 0; i < N_ELEMS(recorded); i++) {
        struct scheme s = split_joe(recorded[i].stored), worker = scheme_of(s.label, s.data);
        worker.user = s.user;
        enum scheme_verdict right = scheme_verify_slow(&s, STR("secret"), NULL), wrong = scheme_verify_slow(&s, STR("Secret"), NULL);
        if (is_argon2(recorded[i].name) && !HAS_ARGON2) {
            say(right == SCHEME_BROKEN, recorded[i].name, "a build without Argon2 lets nobody in");
            continue;
        }
        say(right == SCHEME_MATCH, recorded[i].name, "doveadm's is verified");
        say(wrong == SCHEME_MISMATCH, recorded[i].name, "another password does not match");
        say(scheme_verify_slow(&s, STR(""), NULL) == SCHEME_MISMATCH, recorded[i].name, "nor does an empty one");
        say(scheme_verify_slow(&worker, STR("secret"), NULL) == SCHEME_MATCH, recorded[i].name, "label and data are enough for a worker");
        say(scheme_verify(&s, STR("secret")) == (scheme_kind(&s) == SCHEME_CHEAP ? SCHEME_MATCH : SCHEME_BROKEN), recorded[i].name, "only cheap ones are verified on the loop");
    }
}

/* What is cut anywhere may match nothing, and crash nothing. */
static void test_cut(void)
{
    for (size_t i = 0; i < N_ELEMS(recorded); i++) {
        bool let_in = false;
        for (size_t n = 0; n < recorded[i].stored.n; n++) {
            struct scheme s = split_joe(str_head(recorded[i].stored, n));
            bool slow = is_argon2(recorded[i].name) || strncmp(recorded[i].name, "BLF", 3) == 0 || strcmp(recorded[i].name, "CRYPT") == 0;
            if (slow && n % 16 != 0)
                continue;
            let_in |= scheme_verify_slow(&s, STR("secret"), NULL) == SCHEME_MATCH;
        }
        say(!let_in, recorded[i].name, "cut at any length it lets nobody in");
    }
}

static const struct { const char *name; struct str stored; enum scheme_verdict verdict; } stored[] = {
    { "PLAIN", S("{PLAIN}secret"), SCHEME_MATCH },
    { "a scheme in lower case", S("{plain}secret"), SCHEME_MATCH },
    { "PLAIN of another password", S("{PLAIN}Secret"), SCHEME_MISMATCH },
    { "PLAIN that is empty lets nobody in", S("{PLAIN}"), SCHEME_BROKEN },
    { "SHA1 in base64", S("{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ="), SCHEME_MATCH },
    { "SHA1 in hexadecimal, told by its length", S("{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"), SCHEME_MATCH },
    { "SHA256", S("{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols="), SCHEME_MATCH },
    { "SHA512.HEX", S("{SHA512.HEX}bd2b1aaf7ef4f09be9f52ce2d8d599674d81aa9d6a4421696dc4d93dd0619d682ce56b4d64a9ef097761ced99e0f67265b5f76085e5b0ee7ca4696b2ad6fe2b2"), SCHEME_MATCH },
    { "SSHA", S("{SSHA}lHFzXul4wnzRItssVcTnvXWRjNgBAgMEBQYHCA=="), SCHEME_MATCH },
    { "SSHA256", S("{SSHA256}A7N1lAy5bBb4T6qH9e85zAvHBmzNPhRFbZ105DjjWDIBAgMEBQYHCA=="), SCHEME_MATCH },
    { "SSHA256.B64", S("{SSHA256.B64}A7N1lAy5bBb4T6qH9e85zAvHBmzNPhRFbZ105DjjWDIBAgMEBQYHCA=="), SCHEME_MATCH },
    { "SSHA256.HEX", S("{SSHA256.HEX}03b375940cb96c16f84faa87f5ef39cc0bc7066ccd3e14456d9d74e438e358320102030405060708"), SCHEME_MATCH },
    { "SSHA with another salt", S("{SSHA}lHFzXul4wnzRItssVcTnvXWRjNgBAgMEBQYHCQ=="), SCHEME_MISMATCH },
    { "SSHA without salt", S("{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ="), SCHEME_BROKEN },
    { "SMD5", S("{SMD5}yeWhvSFtvhMX4jDO9I847gECAwQFBgcI"), SCHEME_MATCH },
    { "PLAIN-MD5", S("{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69"), SCHEME_MATCH },
    { "SHA256 cut short", S("{SHA256}K7gNU3sdo+OL0wNh"), SCHEME_BROKEN },
    { "SHA256 of no base64", S("{SHA256}!!!!"), SCHEME_BROKEN },
    { "an unknown scheme", S("{ROT13}frperg"), SCHEME_BROKEN },
    { "crypt(3) is not checked here", S("$6$salt$x"), SCHEME_BROKEN },
    { "a scheme that does not end", S("{PLAINsecret"), SCHEME_BROKEN },
    { "an empty verifier lets nobody in", S(""), SCHEME_BROKEN },
    { "PLAIN-TRUNC of the whole length", S("{PLAIN-TRUNC}6-secret"), SCHEME_MATCH },
    { "PLAIN-TRUNC that was cut counts as far as it goes", S("{PLAIN-TRUNC}4-secr"), SCHEME_MATCH },
    { "PLAIN-TRUNC that is shorter than its length counts whole", S("{PLAIN-TRUNC}8-secr"), SCHEME_MISMATCH },
    { "PLAIN-TRUNC without its length", S("{PLAIN-TRUNC}secret"), SCHEME_BROKEN },
    { "PLAIN in base64 of something else", S("{PLAIN.b64}c2VjcmV1"), SCHEME_MISMATCH },
    { "PLAIN.B64 that is none", S("{PLAIN.b64}secret!"), SCHEME_BROKEN },
    { "MD5 may be a digest in hexadecimal", S("{MD5}5ebe2294ecd0e0f08eab7690d2a6ee69"), SCHEME_MATCH },
    { "MD5 may be a digest in base64", S("{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="), SCHEME_MATCH },
    { "CRAM-MD5 of half the size", S("{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747"), SCHEME_BROKEN },
    { "DIGEST-MD5 of a user without realm", S("{DIGEST-MD5}fb2441a715a5484c6fa16147c4a6b7a8"), SCHEME_MISMATCH },
};

static const struct { const char *name; struct str stored; enum scheme_verdict verdict; } slow[] = {
    { "PBKDF2", S("{PBKDF2}$1$NaCl1234$1000$7ada915e350ddab64ebee6bcf07f10040e90a919"), SCHEME_MATCH },
    { "PBKDF2 with too many rounds", S("{PBKDF2}$1$NaCl1234$4000000000$7ada915e350ddab64ebee6bcf07f10040e90a919"), SCHEME_BROKEN },
    { "PBKDF2 without its hash", S("{PBKDF2}$1$NaCl1234$1000$"), SCHEME_BROKEN },
    { "PBKDF2 with something after it", S("{PBKDF2}$1$NaCl1234$1000$7ada915e350ddab64ebee6bcf07f10040e90a919$x"), SCHEME_BROKEN },
    { "SCRAM with too many iterations", S("{SCRAM-SHA-1}4000000000,GBnoNTI930IG8fVODzxoiw==,CXWs0hSzbE99z5wqZv87haMcNZc=,xzTrGNpseVyG3WPyS6fV2iVsZVo="), SCHEME_BROKEN },
    { "SCRAM with a field more", S("{SCRAM-SHA-1}4096,GBnoNTI930IG8fVODzxoiw==,CXWs0hSzbE99z5wqZv87haMcNZc=,xzTrGNpseVyG3WPyS6fV2iVsZVo=,x"), SCHEME_BROKEN },
    { "SCRAM-SHA-256 with keys of SHA-1", S("{SCRAM-SHA-256}4096,GBnoNTI930IG8fVODzxoiw==,CXWs0hSzbE99z5wqZv87haMcNZc=,xzTrGNpseVyG3WPyS6fV2iVsZVo="), SCHEME_BROKEN },
    { "CRYPT that libcrypt does not know", S("{CRYPT}$nope$x"), SCHEME_BROKEN },
    { "CRYPT of a locked account", S("{CRYPT}!$6$x$y"), SCHEME_BROKEN },
    { "CRYPT of a star", S("{CRYPT}*"), SCHEME_BROKEN },
    { "CRYPT of nothing", S("{CRYPT}"), SCHEME_BROKEN },
    { "CRYPT is what a bare text is", S("$1$e/s8ouie$EAGkiYr1amZnsBmCqABzN/"), SCHEME_MATCH },
    { "ARGON2ID with memory for a day", S("{ARGON2ID}$argon2id$v=19$m=4294967295,t=3,p=1$sB6enxtbqM0kjQPXvFfkTw$oe1zQZCTjVIFKJXeT9/iiCPo6Vsh90pzTO3EcrnUZnw"), SCHEME_BROKEN },
    { "ARGON2ID with passes for a day", S("{ARGON2ID}$argon2id$v=19$m=1048576,t=64,p=1$sB6enxtbqM0kjQPXvFfkTw$oe1zQZCTjVIFKJXeT9/iiCPo6Vsh90pzTO3EcrnUZnw"), SCHEME_BROKEN },
    { "ARGON2ID of the other type", S("{ARGON2ID}$argon2i$v=19$m=32768,t=4,p=1$YsAbInEQU6QSYFYcQ1scbw$A1VrYLL4pvYTKtGkE5VFNpUIZMZvMca47JWXIUbIIM0"), SCHEME_BROKEN },
};

static void test_rows(void)
{
    for (size_t i = 0; i < N_ELEMS(stored); i++) {
        struct scheme s = split_joe(stored[i].stored);
        OK(scheme_verify(&s, STR("secret")) == stored[i].verdict, stored[i].name);
    }
    for (size_t i = 0; i < N_ELEMS(slow); i++) {
        struct scheme s = split_joe(slow[i].stored);
        OK(scheme_verify_slow(&s, STR("secret"), NULL) == slow[i].verdict, slow[i].name);
    }
    char bytes[SCHEME_PASSWORD_MAX + 1];
    memset(bytes, 'x', sizeof bytes);
    struct scheme crypt = scheme_split(STR("{CRYPT}$1$e/s8ouie$EAGkiYr1amZnsBmCqABzN/"));
    const char *why = NULL;
    OK(scheme_verify_slow(&crypt, str_make(bytes, 600), NULL) == SCHEME_MISMATCH, "a password longer than libcrypt's longest is nobody's");
    OK(scheme_verify_slow(&crypt, str_make("secret\0more", 11), NULL) == SCHEME_MISMATCH, "what follows a NUL is not left out of a password");
    OK(scheme_verify_slow(&crypt, str_make(bytes, sizeof bytes), NULL) == SCHEME_BROKEN, "a password beyond every limit is not hashed");
    struct scheme odd = scheme_split(STR("{ROT13}x"));
    OK(scheme_verify_slow(&odd, STR("x"), &why) == SCHEME_BROKEN && why != NULL, "it is said that a scheme is not known");
}

static void test_names(void)
{
    struct scheme bare = scheme_split_default(STR("secret"), STR("plain")), none = scheme_split(STR("$6$x")), lower = scheme_split(STR("{ssha256.hex}ab"));
    OK(scheme_verify(&bare, STR("secret")) == SCHEME_MATCH, "a text without {} is of the default scheme");
    OK(scheme_kind(&none) == SCHEME_CRYPT, "which is CRYPT unless told");
    OK(str_eqz(lower.name, "ssha256") && str_eqz(lower.label, "ssha256.hex") && lower.encoding == SCHEME_ENC_HEX, "a label is the name with its suffix");
    static const char *const weak[] = { "MD5", "MD5-CRYPT", "SMD5", "HMAC-MD5", "PLAIN-MD4", "PLAIN-MD5", "LDAP-MD5", "DES-CRYPT" };
    size_t n = 0, all = 0;
    for (; scheme_name(all) != NULL; all++) {
        struct scheme s = scheme_of(str_from(scheme_name(all)), STR("x"));
        n += scheme_is_weak(&s);
        OK(scheme_kind(&s) != SCHEME_UNKNOWN, scheme_name(all));
    }
    for (size_t i = 0; i < N_ELEMS(weak); i++) {
        struct scheme s = scheme_of(str_from(weak[i]), STR("x"));
        say(scheme_is_weak(&s), weak[i], "is weak");
    }
    OK(n == N_ELEMS(weak), "nothing else is weak");
}

static void test_make(void)
{
    for (size_t i = 0; i < N_ELEMS(recorded); i++) {
        struct buf one = buf_make(0), two = buf_make(0);
        struct err err;
        if (is_argon2(recorded[i].name) && !HAS_ARGON2)
            continue;
        uint32_t rounds = strcmp(recorded[i].name, "BLF-CRYPT.B64") == 0 ? 4 : 0;
        bool made = scheme_make(str_from(recorded[i].name), STR("secret"), STR("joe@example.org"), rounds, &one, &err) == 0 &&
                    scheme_make(str_from(recorded[i].name), STR("secret"), STR("joe@example.org"), rounds, &two, &err) == 0;
        struct scheme s = split_joe(buf_str(&one)), theirs = scheme_split(recorded[i].stored);
        say(made && scheme_verify_slow(&s, STR("secret"), NULL) == SCHEME_MATCH, recorded[i].name, "what is made is verified");
        bool salted = !str_eq(s.data, theirs.data);
        say(salted == !str_eq(buf_str(&one), buf_str(&two)), recorded[i].name, "a salt is new each time, and without one it is doveadm's text");
        buf_done(&one);
        buf_done(&two);
    }
}

static const struct { const char *name, *label, *user; uint32_t rounds; size_t length; } refused[] = {
    { "an unknown scheme is not made", "ROT13", "", 0, 6 },
    { "no scheme at all", "", "", 0, 6 },
    { "DIGEST-MD5 without a user", "DIGEST-MD5", "", 0, 6 },
    { "bcrypt of cost 99", "BLF-CRYPT", "", 99, 6 },
    { "PBKDF2 of too many rounds", "PBKDF2", "", 4000000000, 6 },
    { "SCRAM of too many rounds", "SCRAM-SHA-256", "", 4000000000, 6 },
    { "crypt(3) of a password that it would cut", "SHA512-CRYPT", "", 0, 512 },
    { "any scheme of a password beyond the limit", "PLAIN", "", 0, SCHEME_PASSWORD_MAX + 1 },
};

static void test_refused(void)
{
    static char bytes[SCHEME_PASSWORD_MAX + 1];
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < N_ELEMS(refused); i++) {
        struct buf out = buf_make(0);
        struct err err = { 0 };
        int rc = scheme_make(str_from(refused[i].label), str_make(bytes, refused[i].length), str_from(refused[i].user), refused[i].rounds, &out, &err);
        OK(rc < 0 && out.n == 0 && err.text[0] != '\0', refused[i].name);
        buf_done(&out);
    }
}

/* RFC 7677 section 3 and RFC 5802 section 5: user, password "pencil", salt and 4096 iterations. */
static const struct { const char *mech, *salt, *stored_key; } pencil[] = {
    { "SCRAM-SHA-256", "W22ZaJ0SNY7soEsUEjb6gQ==", "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=" },
    { "SCRAM-SHA-1", "QSXCR+Q6sek8bf92", "6dlGYMOdZcOPutkcNY8U2g7vK9Y=" },
};

static void test_scram(void)
{
    struct arena a = arena_make(65536);
    struct scheme clear = scheme_split(STR("{PLAIN}pencil")), digest = scheme_split(STR("{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ="));
    for (size_t i = 0; i < N_ELEMS(pencil); i++) {
        struct buf salt = buf_make(0), key = buf_make(0);
        struct scheme_scram k;
        (void)enc_unbase64(&salt, str_from(pencil[i].salt));
        bool ok = scheme_scram_keys(&clear, pencil[i].mech, buf_str(&salt), 4096, &a, &k);
        if (ok)
            enc_base64(&key, str_make(k.stored_key, k.size));
        say(ok && str_eqz(buf_str(&key), pencil[i].stored_key), pencil[i].mech, "the RFC's key of a password in clear");
        say(!scheme_scram_keys(&digest, pencil[i].mech, buf_str(&salt), 4096, &a, &k), pencil[i].mech, "a digest leads to no key");
        buf_done(&salt);
        buf_done(&key);
    }
    struct scheme_scram k;
    struct scheme stored_one = scheme_split(STR("{SCRAM-SHA-1}4096,GBnoNTI930IG8fVODzxoiw==,CXWs0hSzbE99z5wqZv87haMcNZc=,xzTrGNpseVyG3WPyS6fV2iVsZVo="));
    OK(scheme_scram_keys(&stored_one, "SCRAM-SHA-1", STR(""), 1, &a, &k) && k.iterations == 4096 && k.size == 20 && k.salt.n == 16, "stored keys are taken as they are");
    OK(!scheme_scram_keys(&stored_one, "SCRAM-SHA-256", STR("salt"), 4096, &a, &k), "keys of one hash are none of the other");
    OK(!scheme_scram_keys(&clear, "PLAIN", STR("salt"), 4096, &a, &k), "only SCRAM has such keys");
    OK(!scheme_scram_keys(&clear, "SCRAM-SHA-1", STR("salt"), 0, &a, &k), "no key without an iteration");
    arena_done(&a);
}

/* RFC 2195 section 2. */
static void test_cram(void)
{
    static const char challenge[] = "<1896.697170952@postoffice.reston.mci.net>", want[] = "b913a602c7eda7a495b4e6e7334d3890";
    struct buf state = buf_make(0), hex = buf_make(0), out = buf_make(0);
    struct err err;
    uint8_t got[CRAM_DIGEST_SIZE];
    struct scheme clear = scheme_split(STR("{PLAIN}tanstaaftanstaaf")), digest = scheme_split(STR("{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ="));
    OK(scheme_cram_digest(&clear, str_from(challenge), got), "CRAM-MD5 with a password in clear");
    enc_hex(&hex, str_make(got, sizeof got));
    OK(str_eqz(buf_str(&hex), want), "the digest is the RFC's");
    OK(scheme_make(STR("CRAM-MD5"), STR("tanstaaftanstaaf"), STR(""), 0, &state, &err) == 0, "its states can be stored");
    struct scheme half = scheme_split(buf_str(&state));
    bool ok = scheme_cram_digest(&half, str_from(challenge), got);
    enc_hex(&out, str_make(got, sizeof got));
    OK(ok && str_eq(buf_str(&out), buf_str(&hex)), "... and lead to the same digest");
    OK(!scheme_cram_digest(&digest, str_from(challenge), got), "a digest leads to none");
    buf_done(&state);
    buf_done(&hex);
    buf_done(&out);
}

static void test_clear(void)
{
    struct arena a = arena_make(65536);
    struct str got = STR("");
    struct scheme b64 = scheme_split(STR("{PLAIN.b64}c2VjcmV0")), none = scheme_split(STR("{PLAIN}")), digest = scheme_split(STR("{SHA1}x"));
    OK(scheme_clear_text(&b64, &a, &got) && str_eqz(got, "secret"), "a password in clear is decoded");
    OK(!scheme_clear_text(&none, &a, &got), "an empty one is none");
    OK(!scheme_clear_text(&digest, &a, &got), "a digest is none");
    arena_done(&a);
}

static const struct { const char *name; struct str stored; const char *label; uint32_t rounds; bool outdated; } ages[] = {
    { "the same scheme", S("{SHA512-CRYPT}$6$s$h"), "SHA512-CRYPT", 0, false },
    { "the same by another name", S("{CRYPT}$6$s$h"), "SHA512-CRYPT", 0, false },
    { "the same without a name", S("$2b$10$h"), "BLF-CRYPT", 0, false },
    { "another scheme of crypt(3)", S("{CRYPT}$6$s$h"), "BLF-CRYPT", 0, true },
    { "an old one", S("{MD5}$1$s$h"), "SHA512-CRYPT", 0, true },
    { "text", S("{PLAIN}secret"), "ARGON2ID", 0, true },
    { "a digest", S("{SSHA}MjZl7NEadnL5lSIgKSJxywQ+orXbyfmu"), "SSHA512", 0, true },
    { "another encoding is no other scheme", S("{SSHA512.HEX}00"), "SSHA512", 0, false },
    { "an encoded hash", S("{SHA512-CRYPT.B64}JDYkcyRo"), "SHA512-CRYPT", 0, false },
    { "as many rounds as there are without a number", S("{SHA512-CRYPT}$6$s$h"), "SHA512-CRYPT", 5000, false },
    { "fewer rounds", S("{SHA512-CRYPT}$6$s$h"), "SHA512-CRYPT", 5001, true },
    { "a number of rounds", S("{SHA512-CRYPT}$6$rounds=9000$s$h"), "SHA512-CRYPT", 9000, false },
    { "fewer rounds with a number", S("{SHA512-CRYPT}$6$rounds=9000$s$h"), "SHA512-CRYPT", 9001, true },
    { "more rounds than wanted stay", S("{BLF-CRYPT}$2y$12$h"), "BLF-CRYPT", 10, false },
    { "fewer of bcrypt", S("{BLF-CRYPT}$2y$05$h"), "BLF-CRYPT", 10, true },
    { "yescrypt of the same cost", S("{CRYPT}$y$j9T$s$h"), "CRYPT", 5, false },
    { "yescrypt of a lower cost", S("{CRYPT}$y$j9T$s$h"), "CRYPT", 6, true },
    { "Argon2 of fewer passes", S("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$s$h"), "ARGON2ID", 4, true },
    { "Argon2 of as many", S("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$s$h"), "ARGON2ID", 3, false },
    { "Argon2 of another kind", S("{ARGON2I}$argon2i$v=19$m=65536,t=3,p=1$s$h"), "ARGON2ID", 0, true },
    { "PBKDF2 of fewer rounds", S("{PBKDF2}$1$salt$5000$00"), "PBKDF2", 5001, true },
    { "PBKDF2 of as many", S("{PBKDF2}$1$salt$5000$00"), "PBKDF2", 5000, false },
    { "SCRAM of fewer rounds", S("{SCRAM-SHA-256}4096,a,b,c"), "SCRAM-SHA-256", 10000, true },
    { "SCRAM of another hash", S("{SCRAM-SHA-1}4096,a,b,c"), "SCRAM-SHA-256", 0, true },
    { "what is not known", S("{NIX}x"), "SHA512-CRYPT", 0, false },
    { "nothing", S("{PLAIN}"), "SHA512-CRYPT", 0, false },
};

static void test_outdated(void)
{
    for (size_t i = 0; i < N_ELEMS(ages); i++) {
        struct scheme s = scheme_split(ages[i].stored);
        OK(scheme_is_outdated(&s, str_from(ages[i].label), ages[i].rounds) == ages[i].outdated, ages[i].name);
    }
    static const struct { const char *label; uint32_t rounds; } made[] = { { "CRYPT", 1 }, { "CRYPT", 2 }, { "CRYPT", 3 }, { "CRYPT", 4 }, { "CRYPT", 5 }, { "BLF-CRYPT", 4 },
                                                                         { "SHA512-CRYPT", 5000 }, { "SHA256-CRYPT", 1000 }, { "PBKDF2", 1000 }, { "SCRAM-SHA-1", 4096 } };
    for (size_t i = 0; i < N_ELEMS(made); i++) {
        struct buf out = buf_make(0);
        struct err err;
        bool ok = scheme_rehash_refusal(str_from(made[i].label), made[i].rounds) == NULL &&
                  scheme_make(str_from(made[i].label), STR("secret"), STR(""), made[i].rounds, &out, &err) == 0;
        struct scheme s = scheme_split(buf_str(&out));
        OK(ok && !scheme_is_outdated(&s, str_from(made[i].label), made[i].rounds) && scheme_is_outdated(&s, str_from(made[i].label), made[i].rounds + 2),
           "what is made with these rounds is not outdated, and is when more are wanted");
        buf_done(&out);
    }
}

int main(void)
{
    test_outdated();
    test_recorded();
    test_cut();
    test_rows();
    test_names();
    test_make();
    test_refused();
    test_scram();
    test_cram();
    test_clear();
    return tap_done();
}
