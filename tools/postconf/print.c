/* SPDX-License-Identifier: ISC */
#include "postconf.h"

enum { FOLD_BEFORE = 80 };

static void put_word(struct buf *out, struct str word, size_t *column, bool fold)
{
    if (*column > 0 && fold && *column + 1 + word.n >= FOLD_BEFORE) {
        buf_puts(out, "\n    ");
        *column = 4;
    } else if (*column > 0) {
        buf_putc(out, ' ');
        ++*column;
    }
    buf_add(out, word);
    *column += word.n;
}

void print_line(const struct options *o, struct str line)
{
    struct buf out = buf_make(0);
    struct str word;
    size_t column = 0;
    while (str_token(&line, " \t\r\n", &word))
        put_word(&out, word, &column, o->fold);
    printf("%s\n", buf_cstr(&out));
    buf_done(&out);
}

void print_setting(const struct options *o, const char *name, const char *value)
{
    struct buf line = buf_make(0);
    if (o->no_value)
        buf_puts(&line, name);
    else if (o->no_name)
        buf_puts(&line, value);
    else
        buf_printf(&line, "%s = %s", name, value);
    print_line(o, buf_str(&line));
    buf_done(&line);
}
