/* SPDX-License-Identifier: ISC
 *
 * Commands of arbitrary bytes through the assembler, every parser of words,
 * sets, attributes and search programs; names through modified UTF-7; text
 * through the charset code; messages through the printers.
 */
#include "base/utf8.h"
#include "proto/charset.h"
#include "proto/imap_fetch.h"
#include "proto/imap_search.h"
#include "proto/mutf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool coin(const struct search_key *key, void *user)
{
    unsigned *state = user;
    *state = *state * 1103515245u + 12345u + (unsigned)key->kind;
    return (*state >> 16 & 1) != 0;
}

static void parsers(struct str s, struct arena *mem)
{
    struct imap_fetch f;
    struct search_program p;
    struct imap_seqset set;
    struct str w;
    bool nil;
    const char *why = NULL;
    struct imap_cur c = imap_cur_make(s, mem);
    if (!imap_fetch_parse(&c, &f, &why))
        ASSERT(why != NULL);
    c = imap_cur_make(s, mem);
    unsigned state = 1;
    if (imap_search_parse(&c, &p, &why))
        (void)imap_search_run(&p, coin, &state);
    c = imap_cur_make(s, mem);
    if (imap_seqset_parse(&c, &set)) {
        imap_seqset_resolve(&set, 1000);
        for (size_t i = 0; i < set.n; i++)
            ASSERT(set.ranges[i].from <= set.ranges[i].to && set.ranges[i].from > 0 &&
                   (i == 0 || set.ranges[i - 1].to + 1 < set.ranges[i].from));
    }
    c = imap_cur_make(s, mem);
    while (!imap_at_end(&c)) {
        const char *before = c.p;
        if (!imap_tag(&c, &w) && !imap_flag(&c, &w) && !imap_nstring(&c, &w, &nil) && !imap_astring(&c, &w) &&
            !imap_list_mailbox(&c, &w) && !imap_sp(&c))
            break;
        ASSERT(c.p > before && c.p <= c.end);
    }
}

static void assembler(struct str s, struct arena *mem)
{
    struct imap_input in = imap_input_make(300);
    while (s.n > 0) {
        enum imap_input_result r = imap_input_feed(&in, &s);
        ASSERT(in.text.n <= 300);
        if (r == IMAP_INPUT_TOO_LONG)
            break;
        if (r == IMAP_INPUT_COMMAND)
            parsers(imap_input_text(&in), mem);
        if (r == IMAP_INPUT_COMMAND || (r == IMAP_INPUT_LITERAL && !imap_input_accept(&in)))
            imap_input_reset(&in);
    }
    imap_input_done(&in);
}

static void names(struct str s)
{
    struct buf a = buf_make(0), b = buf_make(0);
    if (mutf7_to_utf8(&a, s)) {
        ASSERT(utf8_is_valid(buf_str(&a)));
        ASSERT(mutf7_from_utf8(&b, buf_str(&a)) && str_eq(buf_str(&b), s));
    }
    buf_reset(&a);
    charset_decode_header(&a, s);
    ASSERT(utf8_is_valid(buf_str(&a)));
    buf_reset(&b);
    charset_fold(&b, buf_str(&a));
    ASSERT(utf8_is_valid(buf_str(&b)));
    buf_done(&a);
    buf_done(&b);
}

static void printers(struct str s)
{
    struct buf out = buf_make(0);
    struct mime_msg m = { 0 };
    mime_parse(s, &m);
    imap_put_envelope(&out, str_make(s.p, m.parts[0].header.len));
    imap_put_bodystructure(&out, s, &m, true);
    imap_put_bodystructure(&out, s, &m, false);
    ASSERT(out.n == 0 || memchr(out.p, '\0', out.n) == NULL);
    mime_msg_done(&m);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena mem = arena_make(64u << 20);
    struct str s = str_make(data, n);
    parsers(s, &mem);
    assembler(s, &mem);
    names(s);
    printers(s);
    arena_done(&mem);
    return 0;
}
