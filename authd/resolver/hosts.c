/* SPDX-License-Identifier: ISC */
#include "hosts.h"
#include "proto/dns_record.h"
#include "base/arena.h"
#include "base/vec.h"
#include "os/net.h"
#include <errno.h>

enum { FILE_MAX = 16 << 20, TYPE_NXDOMAIN = 0x10000, TYPE_TEMP = 0x10001 };

struct row { struct str name, data; unsigned type; };
struct hosts {
    struct arena arena;
    VEC(struct row) rows;
};

static struct row *add(struct hosts *h, struct str name, unsigned type, struct str data)
{
    struct row *r = vec_add(&h->rows);
    if (name.n > 1 && name.p[name.n - 1] == '.')
        name.n--;
    *r = (struct row){ .name = str_lower(&h->arena, name), .data = str_dup(&h->arena, data), .type = type };
    return r;
}

/* "address name..." */
static bool add_address(struct hosts *h, struct str first, struct str rest)
{
    struct sockaddr_storage a;
    struct str name;
    bool any = false;
    if (!net_addr_parse(first, 0, &a))
        return false;
    while (str_token(&rest, " \t", &name)) {
        (void)add(h, name, a.ss_family == AF_INET ? DNS_TYPE_A : DNS_TYPE_AAAA, first);
        any = true;
    }
    return any;
}

static bool add_typed(struct hosts *h, struct str name, struct str rest)
{
    struct str type;
    struct buf scratch = buf_make(4096);
    if (!str_token(&rest, " \t", &type))
        return false;
    if (str_ieqz(type, "NXDOMAIN") || str_ieqz(type, "TEMP")) {
        (void)add(h, name, str_ieqz(type, "TEMP") ? TYPE_TEMP : TYPE_NXDOMAIN, STR(""));
        return true;
    }
    const struct row *r = add(h, name, dns_type_by_name(type), str_trim(rest));
    bool ok = r->type != 0 && dns_record_add_text(&scratch, r->type, r->data);
    buf_done(&scratch);
    return ok;
}

static struct hosts *parse(const char *path, struct str text, bool lenient, struct err *err)
{
    struct hosts *h = xcalloc(1, sizeof *h);
    h->arena = arena_make((size_t)4 * FILE_MAX);
    for (unsigned n = 1; text.n > 0; n++) {
        struct str line, content, first;
        (void)str_cut(text, '\n', &line, &text);
        (void)str_cut(line, '#', &content, &line);
        content = str_trim(content);
        if (!str_token(&content, " \t", &first) || add_address(h, first, content) || lenient || add_typed(h, first, content))
            continue;
        (void)err_set(err, ERR_CONFIG, "%s, line %u: expected \"address name...\" or \"name type data\"", path, n);
        hosts_free(h);
        return NULL;
    }
    return h;
}

static struct hosts *load(const char *path, bool lenient, struct err *err)
{
    struct buf text = buf_make(FILE_MAX);
    FILE *f = *path == '\0' ? NULL : fopen(path, "re");
    if (*path != '\0' && f == NULL && !lenient) {
        (void)err_sys(err, ERR_CONFIG, "open %s", path);
        return NULL;
    }
    for (char *to; f != NULL && (to = buf_room(&text, 65536)) != NULL; ) {
        size_t n = fread(to, 1, 65536, f);
        if (n == 0)
            break;
        buf_added(&text, n);
    }
    if (f != NULL)
        (void)fclose(f);
    struct hosts *h = NULL;
    if (text.full && !lenient)
        (void)err_set(err, ERR_CONFIG, "%s is too large", path);
    else
        h = parse(path, buf_str(&text), lenient, err);
    buf_done(&text);
    return h;
}

struct hosts *hosts_load(const char *path, struct err *err) { return load(path, false, err); }

struct hosts *hosts_load_system(const char *path)
{
    struct err ignored;
    return load(path, true, &ignored);
}

void hosts_free(struct hosts *h)
{
    if (h == NULL)
        return;
    arena_done(&h->arena);
    vec_done(&h->rows);
    free(h);
}

bool hosts_answer(const struct hosts *h, struct str name, unsigned type, struct buf *out, uint32_t *ret_rcode, uint32_t *ret_n)
{
    bool known = false;
    uint32_t rcode = RCODE_OK, n = 0;
    if (name.n > 1 && name.p[name.n - 1] == '.')
        name.n--;
    for (const struct row *r = h->rows.p; r < h->rows.p + h->rows.n; r++) {
        if (!str_ieq(r->name, name))
            continue;
        known = true;
        if (r->type == TYPE_NXDOMAIN || r->type == TYPE_TEMP)
            rcode = r->type == TYPE_TEMP ? RCODE_TEMP : RCODE_NXDOMAIN;
        else if (r->type == type)
            n += dns_record_add_text(out, type, r->data);
    }
    if (!known)
        return false;
    *ret_rcode = rcode;
    *ret_n = n;
    return true;
}
