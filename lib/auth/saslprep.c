/* SPDX-License-Identifier: ISC */
#include "auth/mech.h"
#include "base/utf8.h"

#ifdef HAVE_LIBIDN
#include <stringprep.h>

static struct str prepared(struct str s, struct arena *arena)
{
    char *z = str_to_cstr(arena, s), *out = NULL;
    if (z == NULL || stringprep_profile(z, &out, "SASLprep", (Stringprep_profile_flags)0) != STRINGPREP_OK)
        return s;
    struct str copy = str_dup(arena, str_from(out));
    free(out);
    return copy;
}
#else
static struct str prepared(struct str s, struct arena *arena)
{
    (void)arena;
    return s;
}
#endif

struct str saslprep(struct str s, struct arena *arena) { return utf8_is_ascii(s) || !utf8_is_valid(s) ? s : prepared(s, arena); }
