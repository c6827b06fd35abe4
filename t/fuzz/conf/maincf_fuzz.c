/* SPDX-License-Identifier: ISC
 *
 * main.cf: whatever the text, it parses or is refused with a line, and every
 * name that is set expands or is refused, within its limits.
 */
#include "conf/param.h"
#include "conf/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err err = { 0 };
    const char *name;
    size_t pos = 0;
    if (n > 4096)
        return 0;
    struct config *c = config_parse("/", "main.cf", str_make(data, n), &err);
    if (c == NULL) {
        ASSERT(err.kind != ERR_NONE);
        return 0;
    }
    while (config_each(c, &pos, &name)) {
        const char *value = config_get(c, name, &err);
        ASSERT(value != NULL || err.kind != ERR_NONE);
    }
    config_free(c);
    return 0;
}
