/* SPDX-License-Identifier: ISC
 *
 * The text that an mbox shall have, saved while it is being written in place,
 * and what to make of it when that was interrupted. Deliveries do not know of
 * the saved text: they append to whatever the file is. Other mail readers may
 * have rewritten the file since. So the saved text is used only when every
 * block of the file can be explained by our own writing:
 *
 *   saved -> file made longer (zeros at its end), synced -> blocks written
 *   -> synced -> cut to the new size -> saved text removed
 *
 * Layout: magic 8, inode 8, old size 8, new size 8, CRC-32C of the new text 4,
 * of the old text behind the new size 4, of the head and the table 4; a table
 * of a CRC-32C per block of the old text; the new text.
 */
#include "base/enc.h"
#include "base/num.h"
#include "store/mbox.h"

enum { BLOCK = 4096, HEAD = 44 };
static const char magic[8] = "PMREDO2\n";

struct saved { uint64_t old_n; struct str text; const uint8_t *head, *table; };

static size_t blocks_of(uint64_t n) { return (size_t)((n + BLOCK - 1) / BLOCK); }

static struct str block_of(struct str text, size_t i) { return str_head(str_skip(text, i * BLOCK), BLOCK); }

static uint32_t crc_of(struct str s) { return crc32c(0, s.p, s.n); }

void mbox_redo_put(struct buf *out, uint64_t ino, struct str old, struct str text)
{
    uint8_t head[HEAD], crc[4];
    struct buf table = buf_make(0);
    for (size_t i = 0; i < blocks_of(old.n); i++) {
        put_be32(crc, crc_of(block_of(old, i)));
        buf_put(&table, crc, sizeof(crc));
    }
    memcpy(head, magic, 8);
    put_be64(head + 8, ino);
    put_be64(head + 16, old.n);
    put_be64(head + 24, text.n);
    put_be32(head + 32, crc_of(text));
    put_be32(head + 36, crc_of(str_skip(old, text.n)));
    put_be32(head + 40, crc32c(crc32c(0, head, 40), table.p, table.n));
    buf_put(out, head, sizeof(head));
    buf_add(out, buf_str(&table));
    buf_add(out, text);
    buf_done(&table);
}

static bool parse(struct str bytes, uint64_t ino, struct saved *ret)
{
    const uint8_t *head = (const uint8_t *)bytes.p;
    if (bytes.n < HEAD || memcmp(head, magic, 8) != 0 || get_be64(head + 8) != ino)
        return false;
    uint64_t old_n = get_be64(head + 16), new_n = get_be64(head + 24);
    size_t room = bytes.n - HEAD;
    if (new_n > room || old_n > (uint64_t)room * BLOCK || blocks_of(old_n) * 4 != room - new_n)
        return false;
    struct str text = str_skip(bytes, bytes.n - (size_t)new_n);
    if (get_be32(head + 40) != crc32c(crc32c(0, head, 40), head + HEAD, blocks_of(old_n) * 4) || get_be32(head + 32) != crc_of(text))
        return false;
    *ret = (struct saved){ old_n, text, head, head + HEAD };
    return true;
}

static bool all_zero(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\0')
            return false;
    return true;
}

/* The old text's part of that block of the file is as it was. */
static bool is_old(const struct saved *s, struct str now, size_t i)
{
    struct str old = block_of(str_head(now, (size_t)s->old_n), i);
    return i < blocks_of(s->old_n) && old.n == MIN(s->old_n - i * BLOCK, (uint64_t)BLOCK) && crc_of(old) == get_be32(s->table + i * 4);
}

static bool old_is_whole(const struct saved *s, struct str now)
{
    bool whole = now.n >= s->old_n;
    for (size_t i = 0; i < blocks_of(s->old_n) && whole; i++)
        whole = is_old(s, now, i);
    return whole;
}

/* Block i may have been written, or still be the old one, made longer by zeros. */
static bool is_ours(const struct saved *s, struct str now, size_t i)
{
    struct str there = block_of(now, i), wanted = block_of(s->text, i);
    if (wanted.n > 0 && str_eq(str_head(there, wanted.n), wanted))
        return true;
    if (i >= blocks_of(s->old_n))
        return all_zero(str_head(there, wanted.n));
    size_t kept = (size_t)MIN(s->old_n - i * BLOCK, (uint64_t)BLOCK);
    return is_old(s, now, i) && (wanted.n <= kept || all_zero(str_skip(str_head(there, wanted.n), kept)));
}

enum mbox_redo mbox_redo_check(struct str bytes, uint64_t ino, struct str now, struct buf *ret_text)
{
    struct saved s;
    if (!parse(bytes, ino, &s))
        return MBOX_REDO_NOTHING;
    size_t old_n = (size_t)s.old_n, both = MAX(old_n, s.text.n);
    if (old_is_whole(&s, now) && (s.text.n <= old_n || now.n < s.text.n || now.p[old_n] != '\0'))
        return MBOX_REDO_NOTHING;       /* never begun */
    if (now.n >= s.text.n && str_eq(str_head(now, s.text.n), s.text)) {
        struct str behind = str_skip(str_head(now, old_n), s.text.n);
        if (old_n <= s.text.n || now.n < old_n || crc_of(behind) != get_be32(s.head + 36))
            return MBOX_REDO_NOTHING;   /* finished */
    }
    if (now.n < both)
        return MBOX_REDO_FOREIGN;
    for (size_t i = 0; i < blocks_of(both); i++)
        if (!is_ours(&s, now, i))
            return MBOX_REDO_FOREIGN;
    buf_add(ret_text, s.text);
    buf_add(ret_text, str_skip(now, both));
    return MBOX_REDO_WRITE;
}
