/* SPDX-License-Identifier: ISC
 *
 * An mbox whose writing was interrupted at any point, with or without a
 * delivery behind it, and one that somebody else has rewritten.
 */
#include "store/mbox.h"
#include "tap.h"

enum { INO = 77, BLOCK = 4096 };
static struct str mail = { "From x@y Mon Jan  2 15:04:05 2006\nSubject: new\n\nx\n\n", 53 };

/* n bytes, different ones for different seeds, in no block the same. */
static void make_text(struct buf *out, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        buf_putc(out, (char)('a' + (i * 7 + i / 97 + seed * 5) % 26));
}

static struct buf join(struct str a, size_t zeros, struct str b)
{
    struct buf out = buf_make(0);
    buf_add(&out, a);
    for (size_t i = 0; i < zeros; i++)
        buf_putc(&out, '\0');
    buf_add(&out, b);
    return out;
}

static enum mbox_redo check(struct str old, struct str new, struct str now, struct buf *text)
{
    struct buf saved = buf_make(0);
    mbox_redo_put(&saved, INO, old, new);
    enum mbox_redo r = mbox_redo_check(buf_str(&saved), INO, now, text);
    buf_done(&saved);
    return r;
}

/* The state is finished to the new text and what was delivered. */
static bool finishes(struct str old, struct str new, struct str now, struct str delivered)
{
    struct buf text = buf_make(0), want = join(new, 0, delivered);
    bool ok = check(old, new, now, &text) == MBOX_REDO_WRITE && str_eq(buf_str(&text), buf_str(&want));
    buf_done(&text);
    buf_done(&want);
    return ok;
}

static bool leaves(struct str old, struct str new, struct str now, enum mbox_redo want)
{
    struct buf text = buf_make(0);
    bool ok = check(old, new, now, &text) == want && text.n == 0;
    buf_done(&text);
    return ok;
}

static void test_pair(size_t old_n, size_t new_n)
{
    struct buf ob = buf_make(0), nb = buf_make(0);
    make_text(&ob, old_n, 1);
    make_text(&nb, new_n, 2);
    struct str old = buf_str(&ob), new = buf_str(&nb);
    size_t longer = new_n > old_n ? new_n - old_n : 0;
    bool untouched = true, half = true, cut = true, done = true, foreign = true;
    for (int d = 0; d < 2; d++) {
        struct str tail = d == 0 ? STR("") : mail;
        struct buf now = join(old, 0, tail);
        untouched = untouched && leaves(old, new, buf_str(&now), MBOX_REDO_NOTHING);
        buf_done(&now);
        for (size_t written = old_n == new_n ? BLOCK : 0; written < new_n; written += BLOCK) {
            if (written == 0 && longer == 0)
                continue;
            struct buf file = join(old, longer, tail);
            memcpy(file.p, new.p, written);
            half = half && finishes(old, new, buf_str(&file), tail);
            if (written > 100) {
                file.p[50] = '#';
                foreign = foreign && leaves(old, new, buf_str(&file), MBOX_REDO_FOREIGN);
            }
            buf_done(&file);
        }
        struct buf whole = join(new, 0, str_skip(old, new_n)), file = join(buf_str(&whole), 0, tail);
        if (old_n > new_n)
            cut = cut && finishes(old, new, buf_str(&file), tail);
        buf_done(&whole);
        buf_done(&file);
        file = join(new, 0, tail);
        done = done && leaves(old, new, buf_str(&file), MBOX_REDO_NOTHING);
        buf_done(&file);
        file = join(str_skip(new, 10), 0, tail);
        foreign = foreign && !finishes(old, new, buf_str(&file), tail);
        buf_done(&file);
    }
    printf("# %zu to %zu bytes\n", old_n, new_n);
    OK(untouched, "what was not begun is left alone, with its deliveries");
    OK(half, "what was half written is finished, with its deliveries");
    OK(cut, "what was not cut yet is cut");
    OK(done, "what was finished is left alone, with its deliveries");
    OK(foreign, "and what somebody else has rewritten");
    buf_done(&ob);
    buf_done(&nb);
}

static void test_damaged(void)
{
    struct buf saved = buf_make(0), text = buf_make(0);
    mbox_redo_put(&saved, INO, STR("old text"), STR("the new text"));
    bool fine = true;
    for (size_t n = 0; n < saved.n; n++)
        fine = fine && mbox_redo_check(str_head(buf_str(&saved), n), INO, STR("the text"), &text) == MBOX_REDO_NOTHING;
    OK(fine, "a saved text that was cut is thrown away");
    for (size_t n = 0; n < saved.n; n++) {
        saved.p[n] ^= 1;
        fine = fine && mbox_redo_check(buf_str(&saved), INO, STR("the text"), &text) == MBOX_REDO_NOTHING;
        saved.p[n] ^= 1;
    }
    OK(fine && text.n == 0, "so is one with any bit changed");
    OK(mbox_redo_check(buf_str(&saved), INO + 1, STR("the text"), &text) == MBOX_REDO_NOTHING, "and one of another file");
    buf_done(&saved);
    buf_done(&text);
}

int main(void)
{
    static const size_t sizes[][2] = { { 300, 350 }, { 350, 300 }, { 5000, 5000 }, { 9000, 9100 }, { 9100, 9000 }, { 0, 500 }, { 20000, 30 },
                                       { 30, 20000 }, { 8192, 12288 }, { 12288, 8192 }, { 13000, 12000 } };
    mail.n = strlen(mail.p);
    for (size_t i = 0; i < N_ELEMS(sizes); i++)
        test_pair(sizes[i][0], sizes[i][1]);
    test_damaged();
    return tap_done();
}
