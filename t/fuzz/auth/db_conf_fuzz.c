/* SPDX-License-Identifier: ISC */
#include "auth/db_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Entries of postern_passdb; a refusal is one line that names the parameter. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena arena = arena_make(4 << 20);
    struct db_entry *e = ARENA_ARRAY(&arena, struct db_entry, DB_ENTRIES_MAX);
    struct err err;
    size_t count = 0;
    if (db_conf_parse("postern_passdb", str_make(data, n > 8000 ? 8000 : n), &arena, e, &count, &err) == 0) {
        ASSERT(count <= DB_ENTRIES_MAX);
        for (size_t i = 0; i < count; i++)
            ASSERT(e[i].driver.n > 0 && e[i].options.n <= FIELDS_MAX);
    } else {
        ASSERT(strncmp(err.text, "postern_passdb: ", 16) == 0);
    }
    arena_done(&arena);
    return 0;
}
