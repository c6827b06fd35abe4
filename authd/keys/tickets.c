/* SPDX-License-Identifier: ISC */
#include "tickets.h"
#include "os/rand.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

void tickets_renew(struct ticket_secrets *s, bool first)
{
    if (!first) {
        memcpy(s->previous, s->current, sizeof s->previous);
        s->has_previous = true;
    }
    rand_bytes(s->current, sizeof s->current);
}

bool tickets_inherit(struct ticket_secrets *s, struct str current, struct str previous)
{
    if (current.n != TICKETS_SECRET || (previous.n != 0 && previous.n != TICKETS_SECRET))
        return false;
    memcpy(s->current, current.p, TICKETS_SECRET);
    s->has_previous = previous.n != 0;
    if (s->has_previous)
        memcpy(s->previous, previous.p, TICKETS_SECRET);
    return true;
}

/* HKDF-Expand (RFC 5869 section 2.3) with HMAC-SHA512; the secret is uniform already. */
void tickets_derive(const unsigned char secret[TICKETS_SECRET], const char *role, const char *service, unsigned char ret_key[TICKETS_KEY])
{
    unsigned char text[64 + 256], block[64];
    size_t made = 0, before = 0;
    for (unsigned char i = 1; made < TICKETS_KEY; i++) {
        memcpy(text, block, before);
        int n = snprintf((char *)text + before, sizeof text - before, "session ticket/%s/%s", role, service);
        size_t end = before + MIN((size_t)n, sizeof text - before - 1);
        text[end] = i;
        ASSERT(HMAC(EVP_sha512(), secret, TICKETS_SECRET, text, end + 1, block, NULL) != NULL);
        before = sizeof block;
        size_t part = MIN(sizeof block, TICKETS_KEY - made);
        memcpy(ret_key + made, block, part);
        made += part;
    }
    explicit_bzero(block, sizeof block);
    explicit_bzero(text, sizeof text);
}
