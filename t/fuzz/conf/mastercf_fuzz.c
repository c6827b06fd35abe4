/* SPDX-License-Identifier: ISC
 *
 * master.cf: parses or is refused; what parses has all its fields.
 */
#include "conf/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err err = { 0 };
    struct service_list l = { 0 };
    if (n > 8192 || (n > 0 && memchr(data, 0, n) != NULL))
        return 0;
    struct config *c = config_parse("/", "main.cf", STR(""), &err);
    ASSERT(c != NULL);
    if (service_parse(c, "master.cf", str_make(data, n), &l, &err) == 0)
        for (size_t i = 0; i < l.n; i++)
            ASSERT(l.rows[i].command != NULL && l.rows[i].name != NULL && l.rows[i].fields[6] != NULL);
    config_free(c);
    return 0;
}
