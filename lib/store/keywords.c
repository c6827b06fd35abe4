/* SPDX-License-Identifier: ISC */
#include "store/private.h"

static const char file_name[] = "dovecot-keywords";

int keywords_read(struct box *b, struct err *err)
{
    struct buf text = buf_make(SMALL_FILE_MAX);
    int rc = fs_read(b->dir, file_name, SMALL_FILE_MAX / 2, &text, NULL, err);
    struct str line, name, rest = buf_str(&text);
    unsigned index;
    while (rc == 0 && rest.n > 0) {
        str_cut(rest, '\n', &line, &rest);
        if (!keywords_parse_line(line, &index, &name))
            continue;
        free(b->keywords[index]);
        b->keywords[index] = str_to_heap(name);
    }
    buf_done(&text);
    return rc < 0 ? -1 : 0;
}

int keywords_write(struct box *b, struct err *err)
{
    struct buf text = buf_make(0);
    for (unsigned i = 0; i < STORE_KEYWORDS_MAX; i++)
        if (b->keywords[i] != NULL)
            buf_printf(&text, "%u %s\n", i, b->keywords[i]);
    int rc = fs_replace(b->dir, file_name, buf_str(&text), 0600, err);
    buf_done(&text);
    return rc;
}
