/* SPDX-License-Identifier: ISC */
#include "proto/flag_record.h"
#include "base/enc.h"
#include "base/num.h"

static const char head_magic[8] = "PFLAGS1\n";
static const char record_magic[2] = "PF";
enum { BASE_MAX = 255 };

static void put_crc(struct buf *out, size_t from)
{
    buf_be32(out, crc32c(0, out->p + from, out->n - from));
}

void flag_head_put(struct buf *out, const struct flag_head *h)
{
    size_t from = out->n;
    buf_put(out, head_magic, sizeof(head_magic));
    buf_be32(out, h->generation);
    buf_be32(out, 0);
    buf_be64(out, h->modseq);
    buf_be32(out, 0);
    put_crc(out, from);
}

bool flag_head_parse(struct str bytes, struct flag_head *ret)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    if (bytes.n < FLAG_HEAD_SIZE || memcmp(p, head_magic, sizeof(head_magic)) != 0 || get_be32(p + 28) != crc32c(0, p, 28))
        return false;
    ret->generation = get_be32(p + 8);
    ret->modseq = get_be64(p + 16);
    return true;
}

/* magic 2, base length 2, generation 4, uid 4, add 1, remove 1, zero 2, keywords 4 + 4, modseq 8, base, zeros 4, crc 4 */
void flag_record_put(struct buf *out, uint32_t generation, const struct flag_record *r)
{
    size_t from = out->n;
    const uint8_t flags[4] = { r->add, r->remove };
    ASSERT(r->base.n <= BASE_MAX);
    buf_put(out, record_magic, 2);
    buf_be16(out, (uint16_t)r->base.n);
    buf_be32(out, generation);
    buf_be32(out, r->uid);
    buf_put(out, flags, sizeof flags);
    buf_be32(out, r->keywords_add);
    buf_be32(out, r->keywords_remove);
    buf_be64(out, r->modseq);
    buf_add(out, r->base);
    buf_be32(out, 0);
    put_crc(out, from);
}

bool flag_record_next(struct str *bytes, uint32_t generation, struct flag_record *ret)
{
    const uint8_t *p = (const uint8_t *)bytes->p;
    if (bytes->n < FLAG_RECORD_MIN || memcmp(p, record_magic, 2) != 0)
        return false;
    size_t base_n = get_be16(p + 2), size = FLAG_RECORD_MIN + base_n;
    if (base_n > BASE_MAX || bytes->n < size || get_be32(p + 4) != generation || get_be32(p + size - 4) != crc32c(0, p, size - 4))
        return false;
    *ret = (struct flag_record){
        .uid = get_be32(p + 8), .add = p[12], .remove = p[13], .keywords_add = get_be32(p + 16),
        .keywords_remove = get_be32(p + 20), .modseq = get_be64(p + 24), .base = str_make(p + 32, base_n),
    };
    *bytes = str_skip(*bytes, size);
    return true;
}
