/* SPDX-License-Identifier: ISC */
#include "base/enc.h"
#include "base/vec.h"
#include "postmap.h"

enum { LINE_MAX_KEY = 1 << 20 };

struct asker {
    const struct options *o;
    struct map **maps;
    size_t n;
    bool found;
    struct err *err;
};

static int print_value(const struct asker *q, struct str value)
{
    if (!q->o->build.file_values) {
        printf("%.*s\n", STR_FMT(value));
        return 0;
    }
    struct buf plain = buf_make(0);
    int rc = enc_unbase64(&plain, value) ? 0 : err_set(q->err, ERR_PROTO, "-F: a value is not base64");
    if (rc == 0)
        printf("%.*s\n", STR_FMT(buf_str(&plain)));
    buf_done(&plain);
    return rc;
}

/* The first table that has it. with_key: "key<TAB>value". */
static int ask(struct asker *q, struct str key, bool with_key)
{
    for (size_t i = 0; i < q->n; i++) {
        struct arena a = arena_make(64 << 20);
        struct str value;
        enum map_result r = map_get(q->maps[i], key, &a, &value, q->err);
        int rc = 0;
        if (r == MAP_FOUND) {
            q->found = true;
            if (with_key)
                printf("%.*s%s", STR_FMT(key), q->o->build.aliases ? ":\t" : "\t");
            rc = print_value(q, value);
        }
        arena_done(&a);
        if (r != MAP_NONE)
            return r == MAP_TEMP ? -1 : rc;
    }
    return 0;
}

static bool read_line(struct buf *line)
{
    int c;
    buf_reset(line);
    while ((c = getchar()) != EOF && c != '\n')
        buf_putc(line, (char)c);
    return c != EOF || line->n > 0;
}

static int ask_lines(struct asker *q)
{
    struct buf line = buf_make(LINE_MAX_KEY);
    int rc = 0;
    while (rc == 0 && read_line(&line)) {
        struct str key = buf_str(&line);
        if (key.n > 0 && key.p[key.n - 1] == '\r')
            key.n--;
        rc = ask(q, key, true);
    }
    buf_done(&line);
    return rc;
}

static bool is_header(struct str line)
{
    ptrdiff_t colon = str_chr(line, ':');
    for (ptrdiff_t i = 0; i < colon; i++)
        if (line.p[i] <= ' ' || line.p[i] == 127)
            return false;
    return colon > 0;
}

/* A message on standard input: logical header lines (-h), or body lines (-b). */
static int ask_message(struct asker *q)
{
    struct buf line = buf_make(LINE_MAX_KEY), header = buf_make(LINE_MAX_KEY);
    bool in_header = true;
    int rc = 0;
    while (rc == 0 && read_line(&line)) {
        struct str s = buf_str(&line);
        bool folded = in_header && header.n > 0 && s.n > 0 && ascii_is_space(s.p[0]);
        if (folded) {
            buf_putc(&header, '\n');
            buf_add(&header, s);
            continue;
        }
        if (header.n > 0 && q->o->headers)
            rc = ask(q, buf_str(&header), true);
        buf_reset(&header);
        in_header = in_header && is_header(s);
        if (in_header)
            buf_add(&header, s);
        else if (!q->o->body)
            break;
        else if (rc == 0 && s.n > 0)
            rc = ask(q, s, true);
    }
    if (rc == 0 && in_header && header.n > 0 && q->o->headers)
        rc = ask(q, buf_str(&header), true);
    buf_done(&line);
    buf_done(&header);
    return rc;
}

int do_query(const struct options *o, int n, char **names, struct err *err)
{
    VEC(struct map *) maps = { 0 };
    int rc = 0;
    for (int i = 0; rc == 0 && i < n; i++) {
        struct map *m = map_open(str_from(names[i]), o->no_fold ? MAP_NO_FOLD : 0, o->config, err);
        if (m == NULL)
            rc = -1;
        else
            vec_push(&maps, m);
    }
    struct asker q = { .o = o, .maps = maps.p, .n = maps.n, .err = err };
    if (rc == 0 && strcmp(o->query, "-") != 0)
        rc = ask(&q, str_from(o->query), false);
    else if (rc == 0)
        rc = o->body || o->headers ? ask_message(&q) : ask_lines(&q);
    for (size_t i = 0; i < maps.n; i++)
        map_free(maps.p[i]);
    vec_done(&maps);
    return rc < 0 ? -1 : q.found ? 0 : 1;
}
