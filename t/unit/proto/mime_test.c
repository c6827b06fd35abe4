/* SPDX-License-Identifier: ISC */
#include "base/arena.h"
#include "proto/mime.h"
#include "tap.h"
#include <time.h>

/* "depth kind header-wire/body-wire/body-lines" per part. */
static void show(struct buf *out, struct str text)
{
    static const char letters[] = "LMR";
    struct mime_msg m = { 0 };
    mime_parse(text, &m);
    buf_reset(out);
    for (size_t i = 0; i < m.n; i++) {
        const struct mime_part *p = &m.parts[i];
        buf_printf(out, "%u%c%s%zu/%zu/%zu ", p->depth, letters[p->kind], p->is_text ? "t" : "", p->header.wire,
                   p->body.wire, p->body.lines);
        ASSERT(p->header.at + p->header.len <= text.n && p->body.at + p->body.len <= text.n);
    }
    mime_msg_done(&m);
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\n\n"
static const struct { const char *name, *text, *want; } cases[] = {
    { "a plain message", "A: 1\n\nhi\n", "0Lt8/4/1 " },
    { "CRLF counts the same", "A: 1\r\n\r\nhi\r\n", "0Lt8/4/1 " },
    { "a message without a body", "A: 1\n", "0Lt6/0/0 " },
    { "nothing at all", "", "0Lt0/0/0 " },
    { "two parts", MIXED "pre\n--b\n\none\n--b\nX: 1\n\ntwo\n--b--\nepi\n", "0M45/47/10 1Lt2/3/0 1Lt8/3/0 " },
    { "a part that ends with the text", MIXED "--b\n\none\n", "0M45/12/3 1Lt2/5/1 " },
    { "a multipart with no parts", MIXED "nothing\n", "0M45/9/1 " },
    { "a closing line only", MIXED "--b--\n", "0M45/7/1 " },
    { "white space after a boundary", MIXED "--b  \n\none\n--b-- \n", "0M45/22/4 1Lt2/3/0 " },
    { "a longer boundary is another one", MIXED "--bb\n\none\n", "0M45/13/3 " },
    { "no boundary parameter: no parts", "Content-Type: multipart/mixed\n\n--b\n\nx\n", "0M33/10/3 " },
    { "an embedded message", "Content-Type: message/rfc822\n\nA: 1\n\nhi\n", "0R32/12/3 1Lt8/4/1 " },
    { "an embedded message without text", "Content-Type: message/rfc822\n\n", "0R32/0/0 1Lt0/0/0 " },
    { "a digest's parts are messages",
      "Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: 1\n\nx\n--b--\n", "0M46/25/6 1R2/9/2 2Lt8/1/0 " },
    { "an outer boundary ends inner parts",
      MIXED "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--b--\n",
      "0M45/75/7 1M51/10/2 2Lt2/3/0 " },
    { "a delimiter inside a header ends the part", MIXED "--b\nX: 1\n--b--\n", "0M45/18/3 1Lt6/0/0 " },
    { "a broken Content-Type is text", "Content-Type: ;;;\n\nx\n", "0Lt21/3/1 " },
    { "an image is not text", "Content-Type: image/png\n\nx\n", "0L27/3/1 " },
};

static void test_structure(void)
{
    struct buf got = buf_make(0);
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct str in = str_from(cases[i].text);
        show(&got, in);
        bool ok = str_eqz(buf_str(&got), cases[i].want);
        OK(ok, cases[i].name);
        if (!ok)
            printf("# got %.*s\n", STR_FMT(buf_str(&got)));
        for (size_t cut = 0; cut < in.n; cut++) {
            char *exact = xmalloc(cut + 1);
            if (cut > 0)
                memcpy(exact, in.p, cut);
            show(&got, str_make(exact, cut));
            free(exact);
        }
    }
    buf_done(&got);
}

static void nest(struct buf *b, int depth)
{
    for (int i = 0; i < depth; i++)
        buf_printf(b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
}
static void messages(struct buf *b, int depth)
{
    for (int i = 0; i < depth; i++)
        buf_puts(b, "Content-Type: message/rfc822\n\n");
}
static void siblings(struct buf *b, int n)
{
    buf_puts(b, MIXED);
    for (int i = 0; i < n; i++)
        buf_puts(b, "--b\n\nx\n");
}
static void dashes(struct buf *b, int n)
{
    nest(b, 99);
    for (int i = 0; i < n; i++)
        buf_puts(b, "--bx\n");
}
static void params(struct buf *b, int n)
{
    buf_puts(b, "Content-Type: text/plain");
    for (int i = 0; i < n; i++)
        buf_printf(b, ";\n f*%d=x", i);
    buf_puts(b, "\n\nx\n");
}
static void long_header(struct buf *b, int n)
{
    buf_puts(b, "Content-Type: text/plain; a=\"");
    for (int i = 0; i < n; i++)
        buf_puts(b, "xxxxxxxx\n ");
    buf_puts(b, "\n\n");
}

static double seconds(struct str s, size_t *ret_parts)
{
    struct mime_msg m = { 0 };
    clock_t from = clock();
    mime_parse(s, &m);
    *ret_parts = m.n;
    mime_msg_done(&m);
    return (double)(clock() - from) / CLOCKS_PER_SEC;
}

static void test_bombs(void)
{
    static const struct { const char *name; void (*make)(struct buf *, int); int n; size_t max_parts; } bombs[] = {
        { "10,000 nested multiparts stop at 100", nest, 10000, 101 },
        { "10,000 nested messages stop at 100", messages, 10000, 101 },
        { "100,000 siblings stop at 10,000", siblings, 100000, MIME_PARTS_MAX },
        { "a million lines that look like boundaries", dashes, 1000000, 200 },
        { "100,000 parameters", params, 100000, 1 },
        { "a header folded 500,000 times", long_header, 500000, 1 },
    };
    for (size_t i = 0; i < N_ELEMS(bombs); i++) {
        struct buf b = buf_make(0);
        bombs[i].make(&b, bombs[i].n);
        size_t parts;
        double t = seconds(buf_str(&b), &parts);
        OK(t < 3.0 && parts <= bombs[i].max_parts, bombs[i].name);     /* the sanitizers cost a factor of five */
        buf_done(&b);
    }
}

static void test_values(void)
{
    struct mime_value v = { 0 };
    struct str s;
    OK(mime_value_parse(&v, STR("Text/HTML; charset=\"utf-8\"; x = y (c); format=flowed"), true) &&
           str_eqz(v.type, "Text") && str_eqz(v.subtype, "HTML") && v.n_params == 3 &&
           mime_value_param(&v, "CHARSET", &s) && str_eqz(s, "utf-8") && mime_value_param(&v, "x", &s) &&
           str_eqz(s, "y") && mime_value_param(&v, "format", &s) && str_eqz(s, "flowed"),
       "type, subtype and parameters, quoted and not");
    OK(!mime_value_parse(&v, STR("text"), true), "a type without a subtype is none");
    OK(mime_value_parse(&v, STR("attachment; filename=a b.txt"), false) && mime_value_param(&v, "filename", &s) &&
           str_eqz(s, "a b.txt"), "unquoted values may hold spaces, as people write them");
    OK(mime_value_parse(&v, STR("a/b; =x; y; z=\"1;2\\\"\""), true) && v.n_params == 1 &&
           mime_value_param(&v, "z", &s) && str_eqz(s, "1;2\""), "broken parameters are skipped");
    OK(mime_value_parse(&v, STR("a/b; name*0=\"aa a\"; x=y; NAME*1=bb"), true) && v.n_params == 2 && mime_value_param(&v, "name", &s)
           && str_eqz(s, "aa abb") && mime_value_param(&v, "x", &s) && str_eqz(s, "y"), "pieces of a parameter are put together");
    OK(mime_value_parse(&v, STR("a/b; f*1=\"b %\"; f*0*=utf-8''a%20; f*3=no; g*0=1"), true) && v.n_params == 3 && mime_value_param(&v, "f*", &s)
           && str_eqz(s, "utf-8''a%20b%20%25") && mime_value_param(&v, "f*3", &s) && mime_value_param(&v, "g", &s) && str_eqz(s, "1"),
       "encoded when one of them is; what lacks a piece stays");
    OK(str_eqz(mime_token(STR(" base64; x")), "base64") && str_eqz(mime_token(STR("7bit (c)")), "7bit") && mime_token(STR("(c)")).n == 0, "the token of a field");
    mime_value_done(&v);
}

static void test_decoders(void)
{
    static const struct { const char *name; enum mime_encoding how; const char *in, *want; } rows[] = {
        { "base64", MIME_BASE64, "aGVsbG8=", "hello" },
        { "base64 over lines with junk", MIME_BASE64, "aG\r\nVs*bG8", "hello" },
        { "base64 that goes on after padding", MIME_BASE64, "aA==aQ==", "hi" },
        { "base64 of one digit", MIME_BASE64, "a", "" },
        { "quoted-printable", MIME_QP, "a=3Db=\r\nc=\nd = =zz", "a=bcd = =zz" },
        { "a soft break with white space", MIME_QP, "a= \t\r\nb", "ab" },
        { "an escape cut short", MIME_QP, "a=3", "a=3" },
        { "identity", MIME_IDENTITY, "x=3D", "x=3D" },
    };
    struct buf b = buf_make(0);
    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        buf_reset(&b);
        mime_decode(&b, rows[i].how, str_from(rows[i].in));
        OK(str_eqz(buf_str(&b), rows[i].want), rows[i].name);
    }
    OK(mime_encoding(STR(" (c) BASE64 ")) == MIME_BASE64 && mime_encoding(STR("")) == MIME_IDENTITY &&
           mime_encoding(STR("x-uue")) == MIME_ENCODING_UNKNOWN, "encodings are known by name");
    buf_done(&b);
}

int main(void)
{
    test_structure();
    test_bombs();
    test_values();
    test_decoders();
    return tap_done();
}
