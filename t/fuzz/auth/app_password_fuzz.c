/* SPDX-License-Identifier: ISC */
#include "auth/app_password.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A line; what is an entry is written and read as the same one. Then a service and an address, one per line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str line, rest, service, remote;
    struct app_password a, b;
    char normal[APP_PASSWORD_LETTERS];
    (void)str_cut(str_make(data, n), '\n', &line, &rest);
    (void)str_cut(rest, '\n', &service, &remote);
    (void)app_password_normal(service, normal);
    (void)app_password_services_good(service);
    if (!app_password_parse(line, &a))
        return 0;
    struct buf out = buf_make(0);
    app_password_put(&a, &out);
    ASSERT(app_password_parse(buf_str(&out), &b));
    ASSERT(str_eq(a.user, b.user) && str_eq(a.stored, b.stored) && str_eq(a.name, b.name) && a.expires == b.expires && a.created == b.created);
    ASSERT((app_password_refusal(&a, service, remote, 1000) == NULL) == (app_password_refusal(&b, service, remote, 1000) == NULL));
    buf_done(&out);
    return 0;
}
