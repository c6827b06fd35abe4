/* SPDX-License-Identifier: ISC */
#include "store/private.h"

/* Control characters, '/', DEL and 8-bit are not part of a modified UTF-7 name. */
static bool is_name_char(char c) { return c >= ' ' && c < 127 && c != '/'; }

bool name_check(struct str name, struct buf *ret_canonical)
{
    if (name.n == 0 || name.n > BOX_NAME_MAX || name.p[0] == '.' || name.p[name.n - 1] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!is_name_char(name.p[i]) || (name.p[i] == '.' && name.p[i + 1] == '.'))  /* the last one is no '.' */
            return false;
    buf_reset(ret_canonical);
    bool inbox = str_istarts(name, STR("INBOX")) && (name.n == 5 || name.p[5] == STORE_SEPARATOR);
    if (inbox)
        buf_puts(ret_canonical, "INBOX");
    buf_add(ret_canonical, str_skip(name, inbox ? 5 : 0));
    return true;
}

void name_subdir(struct str canonical, struct buf *out)
{
    buf_reset(out);
    if (str_eqz(canonical, "INBOX"))
        return;
    buf_putc(out, '.');
    buf_add(out, canonical);
}
