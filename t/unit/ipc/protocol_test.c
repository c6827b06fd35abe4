/* SPDX-License-Identifier: ISC
 *
 * protocol_test.c - lib/ipc/PROTOCOL.md is printed from the schema. Without
 * arguments: check that the file is up to date. --write: bring it up to date.
 */
#include "ipc/codec.h"
#include "tap.h"

static const char *const path = "lib/ipc/PROTOCOL.md";

static void print_roles(uint32_t bits, struct buf *out)
{
    if (bits == ROLES_ANY) {
        buf_puts(out, "any");
        return;
    }
    bool first = true;
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        if ((bits >> r & 1) == 0)
            continue;
        buf_printf(out, "%s%s", first ? "" : ", ", role_name((enum role)r));
        first = false;
    }
}

static void print_message(unsigned type, struct buf *out)
{
    static const char *const kinds[] = { "u32", "u64", "bool", "str", "fd" };
    const struct ipc_message *m = ipc_message(type);
    buf_printf(out, "\n## %u %s\n\n", type, m->name);
    print_roles(m->senders, out);
    buf_puts(out, " → ");
    print_roles(m->receivers, out);
    buf_printf(out, "; at most %zu bytes\n\n| field | kind | most bytes | meaning |\n|---|---|---|---|\n", m->frame_max);
    for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++) {
        buf_printf(out, "| %s | %s | ", f->name, kinds[f->kind]);
        if (f->kind == IPC_STR)
            buf_printf(out, "%u", f->max);
        buf_printf(out, " | %s |\n", f->doc);
    }
}

static void print_all(struct buf *out)
{
    buf_puts(out, "# Messages between processes\n\n"
                  "Printed from `lib/ipc/schema.h` by `t/unit/ipc/protocol_test.c --write`; a test checks that it is up to date.\n\n"
                  "A frame is `u32 length of the rest | u16 type | u32 request id | fields in this order`, big-endian. A str is a\n"
                  "u32 length and its bytes, a bool one byte, an fd one byte that says whether a descriptor travels with the frame.\n");
    for (unsigned t = 0; t < IPC_TYPE_COUNT; t++)
        print_message(t, out);
}

static bool file_is(struct str text)
{
    struct buf b = { 0 };
    FILE *f = fopen(path, "r");
    char part[4096];
    size_t n;
    while (f != NULL && (n = fread(part, 1, sizeof part, f)) > 0)
        buf_put(&b, part, n);
    if (f != NULL)
        (void)fclose(f);
    bool same = f != NULL && str_eq(buf_str(&b), text);
    buf_done(&b);
    return same;
}

int main(int argc, char **argv)
{
    struct buf out = { 0 };
    print_all(&out);
    if (argc > 1 && strcmp(argv[1], "--write") == 0) {
        FILE *f = fopen(path, "w");
        if (f == NULL || fwrite(out.p, 1, out.n, f) != out.n || fclose(f) != 0)
            return 1;
    }
    OK(file_is(buf_str(&out)), "PROTOCOL.md is what the schema says (t/unit/ipc/protocol_test --write)");
    buf_done(&out);
    return tap_done();
}
