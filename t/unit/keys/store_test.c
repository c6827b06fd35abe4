/* SPDX-License-Identifier: ISC
 * store_test.c - which keys the keys process reads, for whom, and what it derives for tickets. */
#include "store.h"
#include "tickets.h"
#include "event/tls_sign.h"
#include "ipc/schema.h"
#include "tap.h"
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/keys_store_test.XXXXXX";

static FILE *make(const char *name)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return fopen(path, "w");
}

static EVP_PKEY *make_key(const char *name, const char *password)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *f = make(name);
    fputs("some text\n", f);
    PEM_write_PrivateKey(f, key, password == NULL ? NULL : EVP_aes_256_cbc(), NULL, 0, NULL, (void *)(uintptr_t)password);
    fclose(f);
    return key;
}

static void put(const char *name, const char *text)
{
    FILE *f = make(name);
    fputs(text, f);
    fclose(f);
}

static bool knows(EVP_PKEY *key, uint32_t role)
{
    unsigned char id[TLS_KEY_ID];
    return tls_key_id(key, id) && store_find(str_make(id, sizeof id), role) != NULL;
}

static void test_load(void)
{
    char text[2000];
    struct buf warnings = { 0 };
    struct err err;
    EVP_PKEY *server = make_key("server.pem", NULL), *client = make_key("client.pem", NULL), *special = make_key("special.pem", NULL);
    EVP_PKEY *locked = make_key("locked.pem", "secret"), *both = make_key("both.pem", NULL);
    (void)snprintf(text, sizeof text, "compatibility_level = 3.6\nd = %s\nsmtpd_tls_key_file = $d/server.pem\nsmtp_tls_key_file = $d/client.pem\n"
                   "lmtp_tls_key_file = $d/both.pem\npostern_tls_key_file = $d/both.pem\nsmtpd_tls_eckey_file = $d/locked.pem\n", dir);
    put("main.cf", text);
    put("master.cf", "smtp inet n - n - - smtpd\nsmtps inet n - n - - smtpd -o smtpd_tls_key_file=$d/special.pem\n"
                     "587 inet n - n - - smtpd -o smtpd_tls_key_file=$d/missing.pem\n588 inet n - n - - smtpd -o smtpd_tls_key_file=$d/main.cf\n");
    OK(store_load(dir, &warnings, &err) == 0 && store_count() == 4, "main.cf and the services of master.cf name four usable keys");
    OK(knows(server, ROLE_BIT(SMTPD)) && knows(server, ROLE_BIT(SUBMITD)) && knows(server, ROLE_BIT(TLS)), "a server's key signs for servers");
    OK(!knows(server, ROLE_BIT(OUT)) && knows(client, ROLE_BIT(OUT)) && !knows(client, ROLE_BIT(SMTPD)), "a client's for clients only");
    OK(knows(both, ROLE_BIT(OUT)) && knows(both, ROLE_BIT(TLS)), "one that both name, for both");
    OK(knows(special, ROLE_BIT(SMTPD)), "a key of one service of master.cf");
    OK(!knows(server, ROLE_BIT(LOGIN)) && !knows(server, ROLE_BIT(KEYS)), "nobody else has handshakes to sign");
    OK(store_find(STR("short"), ROLE_BIT(TLS)) == NULL && store_find(str_make(text, TLS_KEY_ID), ROLE_BIT(TLS)) == NULL, "unknown keys and wrong lengths");
    OK(!knows(locked, ROLE_BIT(TLS)) && strstr(buf_cstr(&warnings), "locked.pem") != NULL, "an encrypted key is named, not used");
    OK(strstr(buf_cstr(&warnings), "missing.pem") != NULL && strstr(buf_cstr(&warnings), "main.cf holds no private key") != NULL, "so are files that are missing or hold none");
    put("broken.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    (void)snprintf(text, sizeof text, "%s/broken.pem", dir);
    OK(store_add_file(text, ROLE_BIT(TLS), &err) == -1 && strstr(err.text, "broken.pem") != NULL, "a broken key is named");
    OK(store_load("/nonexistent", &warnings, &err) == -1, "without main.cf there is nothing to load");
    EVP_PKEY *all[] = { server, client, special, locked, both };
    for (size_t i = 0; i < N_ELEMS(all); i++)
        EVP_PKEY_free(all[i]);
    buf_done(&warnings);
    store_done();
}

static void test_tickets(void)
{
    struct ticket_secrets a = { .has_previous = false }, b = { .has_previous = false };
    unsigned char x[TICKETS_KEY], y[TICKETS_KEY], z[TICKETS_KEY], zero[TICKETS_KEY] = { 0 };
    tickets_renew(&a, true);
    OK(!a.has_previous, "the first secret has no predecessor");
    tickets_derive(a.current, "tls", "imaps", x);
    tickets_derive(a.current, "tls", "imaps", y);
    tickets_derive(a.current, "tls", "pop3s", z);
    OK(memcmp(x, y, sizeof x) == 0 && memcmp(x + 64, zero, 16) != 0, "each process of a service gets the same key");
    OK(memcmp(x, z, 16) != 0 && memcmp(x + 16, z + 16, 32) != 0, "another service gets another");
    tickets_derive(a.current, "submitd", "imaps", z);
    OK(memcmp(x, z, 16) != 0, "and another role");
    tickets_renew(&a, false);
    tickets_derive(a.previous, "tls", "imaps", y);
    OK(a.has_previous && memcmp(x, y, sizeof x) == 0 && memcmp(a.current, a.previous, TICKETS_SECRET) != 0, "a renewal keeps the old one as the previous");
    OK(tickets_inherit(&b, str_make(a.current, TICKETS_SECRET), str_make(a.previous, TICKETS_SECRET)) && memcmp(&a, &b, sizeof a) == 0, "a successor inherits both");
    OK(!tickets_inherit(&b, str_make(a.current, 31), STR("")) && !tickets_inherit(&b, str_make(a.current, 32), STR("x")) && memcmp(&a, &b, sizeof a) == 0,
       "but nothing of a wrong length");
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    test_load();
    test_tickets();
    static const char *const files[] = { "server.pem", "client.pem", "special.pem", "locked.pem", "both.pem", "broken.pem", "main.cf", "master.cf" };
    for (size_t i = 0; i < N_ELEMS(files); i++) {
        char path[200];
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
    return tap_done();
}
