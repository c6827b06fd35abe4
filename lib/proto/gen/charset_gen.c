/* SPDX-License-Identifier: ISC
 *
 * charset_gen.c - at build time: the tables of charset_wide.c, from what the
 * C library of the building machine knows. Writes C into the file named.
 *
 * A set of two bytes is a table of leads 0x81..0xfe by trails 0x40..0xfe, 0
 * where nothing is. The codes of four bytes of GB18030 are numbered; within a
 * range number and code point rise together. A charset that iconv does not
 * have here gets an empty table, and a line that says so.
 */
#include "base/def.h"
#include <iconv.h>

enum { LEADS = 126, TRAILS = 191, FOUR_BYTES = 39420, CODE_NONE = 0 };

/* One code point within the basic plane, else CODE_NONE: unknown, or several at once. */
static unsigned code_of(iconv_t cd, const unsigned char *bytes, size_t n)
{
    char in[4], *from = in;
    unsigned char out[16];
    char *to = (char *)out;
    size_t room = sizeof out;
    memcpy(in, bytes, n);
    if (cd == (iconv_t)-1 || iconv(cd, &from, &n, &to, &room) != 0 || n != 0 || sizeof out - room != 4 || out[0] != 0 || out[1] != 0)
        return CODE_NONE;
    return (unsigned)out[2] << 8 | out[3];
}

static iconv_t converter(const char *charset)
{
    iconv_t cd = iconv_open("UCS-4BE", charset);
    if (cd == (iconv_t)-1)
        (void)fprintf(stderr, "charset_gen: iconv does not know %s here: searches will not, either\n", charset);
    return cd;
}

static void print_pairs(const char *name, const char *charset, int prefix)
{
    iconv_t cd = converter(charset);
    (void)printf("static const uint16_t %s[LEADS][TRAILS] = {\n", name);
    for (unsigned lead = 0; lead < LEADS; lead++) {
        (void)printf("{");
        for (unsigned trail = 0; trail < TRAILS; trail++) {
            unsigned char bytes[3] = { (unsigned char)prefix, (unsigned char)(0x81 + lead), (unsigned char)(0x40 + trail) };
            (void)printf("%u,", prefix != 0 ? code_of(cd, bytes, 3) : code_of(cd, bytes + 1, 2));
        }
        (void)printf("},\n");
    }
    (void)printf("};\n");
    if (cd != (iconv_t)-1)
        (void)iconv_close(cd);
}

static void print_four_bytes(void)
{
    iconv_t cd = converter("GB18030");
    unsigned last = CODE_NONE;
    (void)printf("static const struct four_bytes gb18030_ranges[] = {\n");
    for (unsigned i = 0; i < FOUR_BYTES; i++) {
        const unsigned char bytes[4] = { (unsigned char)(0x81 + i / 12600), (unsigned char)(0x30 + i / 1260 % 10),
                                         (unsigned char)(0x81 + i / 10 % 126), (unsigned char)(0x30 + i % 10) };
        unsigned code = code_of(cd, bytes, 4);
        if (i == 0 || code != (last == CODE_NONE ? CODE_NONE : last + 1))
            (void)printf("{ %u, %u },\n", i, code);
        last = code;
    }
    (void)printf("{ %u, 0 },\n};\n", FOUR_BYTES);
    if (cd != (iconv_t)-1)
        (void)iconv_close(cd);
}

int main(int argc, char **argv)
{
    if (argc != 2 || freopen(argv[1], "w", stdout) == NULL) {
        (void)fprintf(stderr, "usage: charset_gen FILE\n");
        return 1;
    }
    print_pairs("cp932", "CP932", 0);
    print_pairs("jis0208", "EUC-JP", 0);
    print_pairs("jis0212", "EUC-JP", 0x8f);
    print_pairs("gbk", "GB18030", 0);
    print_pairs("big5", "BIG5", 0);
    print_pairs("uhc", "UHC", 0);
    print_four_bytes();
    return ferror(stdout) != 0 || fflush(stdout) != 0;
}
