/* SPDX-License-Identifier: ISC
 *
 * What parses can be walked to its leaves, and a string that was read is written
 * so that it reads back.
 */
#include "proto/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void again(struct str s)
{
    struct arena a = arena_make(1 << 22);
    struct buf b = buf_make(0);
    struct json v;
    struct str back;
    json_put_string(&b, s);
    ASSERT(json_parse(buf_str(&b), &v) && json_string(v, &a, &back) && str_eq(s, back));
    buf_done(&b);
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct json stack[JSON_DEPTH_MAX + 1], item, name;
    size_t pos[JSON_DEPTH_MAX + 1] = { 0 }, depth = 1;
    struct arena a = arena_make(1 << 22);
    struct str text;
    int64_t number;
    if (!json_parse(str_make(data, n), &stack[0])) {
        arena_done(&a);
        return 0;
    }
    while (depth > 0) {
        if (!json_each(stack[depth - 1], &pos[depth - 1], &name, &item)) {
            depth--;
            continue;
        }
        if (json_string(item, &a, &text))
            again(text);
        (void)json_i64(item, &number);
        (void)json_get(item, "exp");
        (void)json_has(item, STR("x"));
        if (item.type == JSON_OBJECT || item.type == JSON_ARRAY) {
            ASSERT(depth <= JSON_DEPTH_MAX);
            pos[depth] = 0;
            stack[depth++] = item;
        }
    }
    arena_done(&a);
    return 0;
}
