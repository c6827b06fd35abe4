/* SPDX-License-Identifier: ISC */
#include "event/tls_ticket.h"
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <sys/mman.h>

struct ticket_key { unsigned char name[16], cipher[32], mac[32]; };
_Static_assert(sizeof(struct ticket_key) == TLS_TICKET_KEY, "as it travels");

static struct {
    struct ticket_key current, previous;
    bool ready, has_previous;
    EVP_CIPHER *cipher;         /* fetched once: a fetch per ticket costs more than the ticket */
} self;

bool tls_ticket_set(struct str current, struct str previous)
{
    if (current.n != TLS_TICKET_KEY || (previous.n != 0 && previous.n != TLS_TICKET_KEY))
        return false;
    if (previous.n != 0)
        memcpy(&self.previous, previous.p, sizeof self.previous);
    else if (memcmp(&self.current, current.p, sizeof self.current) != 0)
        self.previous = self.current;
    self.has_previous |= previous.n != 0 || self.ready;
    memcpy(&self.current, current.p, sizeof self.current);
    self.ready = true;
    return true;
}

static const struct ticket_key *find(const unsigned char *name)
{
    if (memcmp(name, self.current.name, sizeof self.current.name) == 0)
        return &self.current;
    return self.has_previous && memcmp(name, self.previous.name, sizeof self.previous.name) == 0 ? &self.previous : NULL;
}

static bool set_mac(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
    union { const unsigned char *in; unsigned char *out; } secret = { .in = key->mac };
    char digest[] = "SHA256";
    OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret.out, sizeof key->mac),
                            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end() };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* OpenSSL's contract: -1 failure, 0 unknown key: a full handshake, 1 fine, 2 fine, and a new ticket shall follow. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int making)
{
    const struct ticket_key *key = making != 0 ? &self.current : find(name);
    if (key == NULL)
        return 0;
    if (making != 0) {
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(self.cipher)) != 1)
            return -1;
        memcpy(name, key->name, sizeof key->name);
    }
    if (EVP_CipherInit_ex2(cipher, self.cipher, key->cipher, iv, making != 0, NULL) != 1 || !set_mac(mac, key))
        return -1;
    /* TLS 1.3 clients use a ticket once (RFC 8446 appendix C.4). */
    return making != 0 || (key == &self.current && SSL_version(ssl) < TLS1_3_VERSION) ? 1 : 2;
}

bool tls_ticket_use(void *ctx)
{
    if (!self.ready) {
        (void)mlock(&self, sizeof self);
        (void)madvise((void *)((uintptr_t)&self & ~(uintptr_t)4095), 4096, MADV_DONTDUMP);
        if (RAND_bytes((unsigned char *)&self.current, sizeof self.current) != 1)
            return false;
        self.ready = true;
    }
    if (self.cipher == NULL)
        self.cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    return self.cipher != NULL && SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1;
}
