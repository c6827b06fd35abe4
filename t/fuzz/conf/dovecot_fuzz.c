/* SPDX-License-Identifier: ISC
 *
 * Dovecot's configuration: parses or is refused with a line; sections nest,
 * and every node's inside ends within its parent's.
 */
#include "conf/dovecot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct dovecot_tree *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct dovecot_node *node = &t->nodes[i];
        ASSERT(node->end > i && node->end <= t->n && node->line > 0 && (node->is_section || node->end == i + 1));
        for (size_t k = i + 1; k < node->end; k++)
            ASSERT(t->nodes[k].depth > node->depth && t->nodes[k].end <= node->end);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err err = { 0 };
    struct dovecot_tree t;
    uint64_t ms;
    if (n > 16384)
        return 0;
    struct arena a = arena_make(64 << 20);
    if (dovecot_parse("dovecot.conf", str_make(data, n), &a, &t, &err) == 0) {
        check(&t);
        for (size_t i = 0; i < t.n; i++)
            (void)dovecot_time(t.nodes[i].value, 1000, &ms);
    } else {
        ASSERT(err.kind != ERR_NONE);
    }
    if (dovecot_parse_ext("x.ext", str_make(data, n), &a, &t, &err) == 0)
        check(&t);
    arena_done(&a);
    return 0;
}
