/* SPDX-License-Identifier: ISC */
#include "auth/passwd_file.h"
#include "auth/scheme.h"
#include "base/buf.h"
#include "tap.h"
#include <fcntl.h>
#include <unistd.h>

#define S(lit) STR_INIT(lit)
/* The password is "secret" everywhere; other values were made with independent tools. */
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
    { "PBKDF2", S("{PBKDF2}$1$NaCl1234$1000$7ada915e350ddab64ebee6bcf07f10040e90a919"), SCHEME_MATCH },
    { "PBKDF2 with too many rounds", S("{PBKDF2}$1$NaCl1234$4000000000$7ada915e350ddab64ebee6bcf07f10040e90a919"), SCHEME_BROKEN },
    { "PBKDF2 without its hash", S("{PBKDF2}$1$NaCl1234$1000$"), SCHEME_BROKEN },
    { "an unknown scheme", S("{ROT13}frperg"), SCHEME_BROKEN },
    { "crypt(3) is not checked here", S("$6$salt$x"), SCHEME_BROKEN },
    { "a scheme that does not end", S("{PLAINsecret"), SCHEME_BROKEN },
    { "an empty verifier lets nobody in", S(""), SCHEME_BROKEN },
};

static void test_schemes(void)
{
    for (size_t i = 0; i < N_ELEMS(stored); i++) {
        struct scheme s = scheme_split(stored[i].stored);
        OK(scheme_verify(&s, STR("secret")) == stored[i].verdict, stored[i].name);
    }
    struct scheme crypt = scheme_split(STR("{BLF-CRYPT}$2y$05$x")), bare = scheme_split(STR("$6$x"));
    OK(scheme_kind(&crypt) == SCHEME_CRYPT && scheme_kind(&bare) == SCHEME_CRYPT && str_eqz(bare.data, "$6$x"), "what crypt(3) checks is known");
}

static const struct { const char *name; struct str line; bool ok; const char *uid, *home, *extra; } lines[] = {
    { "all eight fields", S("u:{PLAIN}p:1000:100:Name:/home/u:/bin/sh:userdb_mail=maildir:~/M allow_nets=192.0.2.0/24"), true, "1000", "/home/u",
      "userdb_mail=maildir:~/M allow_nets=192.0.2.0/24" },
    { "name and password only", S("u:{PLAIN}p"), true, "", "", "" },
    { "trailing fields missing", S("u:x:5:6::/h"), true, "5", "/h", "" },
    { "a uid by name", S("u:x:vmail:vmail::/h"), true, "vmail", "/h", "" },
    { "a uid that is neither number nor name is refused", S("u:x:5ive:6::/h"), false, NULL, NULL, NULL },
    { "a uid out of range is refused", S("u:x:4294967295:6::/h"), false, NULL, NULL, NULL },
    { "a negative gid is refused", S("u:x:5:-1::/h"), false, NULL, NULL, NULL },
    { "no name is refused", S(":x:5:6::/h"), false, NULL, NULL, NULL },
    { "a NUL is refused", S("u:x\0:5:6::/h"), false, NULL, NULL, NULL },
};

static void test_lines(void)
{
    for (size_t i = 0; i < N_ELEMS(lines); i++) {
        struct passwd_entry e = { 0 };
        bool ok = passwd_line_parse(lines[i].line, &e);
        OK(ok == lines[i].ok && (!ok || (str_eqz(e.uid, lines[i].uid) && str_eqz(e.home, lines[i].home) && str_eqz(e.extra, lines[i].extra))), lines[i].name);
        for (size_t cut = 0; cut < lines[i].line.n; cut++)
            (void)passwd_line_parse(str_head(lines[i].line, cut), &e);
    }
}

static const struct { const char *name; struct str list, address; bool match; } nets[] = {
    { "an empty list holds all", S(""), S("192.0.2.1"), true },
    { "a net holds its addresses", S("10.0.0.0/8,192.0.2.0/24"), S("192.0.2.255"), true },
    { "a net ends", S("192.0.2.0/25"), S("192.0.2.128"), false },
    { "a single address", S("192.0.2.1"), S("192.0.2.1"), true },
    { "IPv6", S("2001:db8::/32"), S("2001:db8:1::1"), true },
    { "families do not mix", S("0.0.0.0/0"), S("2001:db8::1"), false },
    { "bad bits hold nothing", S("0.0.0.0/33"), S("192.0.2.1"), false },
    { "an address that is not known is in no list", S("0.0.0.0/0"), S(""), false },
    { "local is a request without an address", S("192.0.2.1 local"), S(""), true },
    { "local is no address", S("local"), S("192.0.2.1"), false },
};

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t n = write(fd, text, strlen(text));
    (void)n;
    close(fd);
}

static void test_file(void)
{
    char dir[] = "/tmp/passwd_test_XXXXXX";
    struct err err;
    size_t first;
    struct buf path = buf_make(0);
    OK(mkdtemp(dir) != NULL, "a directory");
    buf_printf(&path, "%s/passwd", dir);
    int dfd = open(dir, O_RDONLY | O_DIRECTORY);
    OK(passwd_file_open(dup(dfd), "passwd", buf_cstr(&path), &err) == NULL && strstr(err.text, "passwd") != NULL, "a missing file is an error that names it");
    write_file(buf_cstr(&path), "# users\nalice:{PLAIN}a:1000:100::/home/alice\r\n\nbad:x:5y\nbob:$6$salt$hash:1001:100::/home/bob\nalice:{PLAIN}second\n");
    struct passwd_file *f = passwd_file_open(dfd, "passwd", buf_cstr(&path), &err);
    OK(f != NULL && passwd_file_count(f) == 2 && passwd_file_bad_lines(f, &first) == 1 && first == 4, "a bad line is counted, the others hold");
    const struct passwd_entry *e = passwd_file_find(f, STR("alice"));
    OK(e != NULL && str_eqz(e->password, "{PLAIN}a") && str_eqz(e->home, "/home/alice"), "of two equal names the first counts");
    OK(passwd_file_find(f, STR("carol")) == NULL, "a user who is not there");
    OK(str_eqz(passwd_file_slow_sample(f), "$6$salt$hash"), "a slow verifier is kept as a sample");
    OK(passwd_file_refresh(f, &err) == 0, "an unchanged file is not read again");
    write_file(buf_cstr(&path), "carol:{PLAIN}c:1002:100::/home/carol\n");
    OK(passwd_file_refresh(f, &err) == 1 && passwd_file_find(f, STR("carol")) != NULL && passwd_file_find(f, STR("alice")) == NULL, "a changed file is read again");
    unlink(buf_cstr(&path));
    OK(passwd_file_refresh(f, &err) < 0 && passwd_file_find(f, STR("carol")) != NULL, "when the file is gone, what was read stays");
    passwd_file_free(f);
    rmdir(dir);
    buf_done(&path);
}

int main(void)
{
    test_schemes();
    test_lines();
    for (size_t i = 0; i < N_ELEMS(nets); i++)
        OK(allow_nets_match(nets[i].list, nets[i].address) == nets[i].match, nets[i].name);
    test_file();
    return tap_done();
}
