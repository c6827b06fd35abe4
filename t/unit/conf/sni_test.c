/* SPDX-License-Identifier: ISC
 * sni_test.c - names and the files with their keys and certificates, from texts and from main.cf. */
#include "conf/sni.h"
#include "base/buf.h"
#include "tap.h"
#include <unistd.h>

static char path[] = "/tmp/sni_test.XXXXXX";

/* maps: "@" is the text's file. want: "name=files;" of all, or part of the error. */
static const struct { const char *name, *maps, *text, *want; } cases[] = {
    { "no table, no names", "", "", "" },
    { "a text", "texthash:@", "# those\nA.test /k.pem /c.pem\n.b.test /b.pem\n", "a.test=/k.pem /c.pem;.b.test=/b.pem;" },
    { "the text beside a table", "hash:@", "a.test /k.pem,\n  /c.pem\n", "a.test=/k.pem /c.pem;" },
    { "main.cf", "inline:{ { a.test = /k.pem, /c.pem }, { b.test=/b.pem } }", "", "a.test=/k.pem /c.pem;b.test=/b.pem;" },
    { "two tables: the first counts", "inline:{ { a.test = /1.pem } }, texthash:@", "a.test /2.pem\nb.test /3.pem\n", "a.test=/1.pem;b.test=/3.pem;" },
    { "a table that can only be asked", "ldap:/etc/x", "", "use texthash:/PATH" },
    { "a table without a type", "/etc/x", "", "use texthash:/PATH" },
    { "a text that is not there", "hash:/nonexistent/x", "", "read from the text that the table is made of" },
    { "a name without files", "texthash:@", "a.test\n", "absolute paths" },
    { "a relative path", "inline:{ { a = k.pem } }", "", "absolute paths" },
    { "rows without braces", "inline:{ a = /k.pem }", "", "is not { name = files }" },
    { "a brace that is not closed", "inline:{ { a = /k.pem }", "", "inline" },
};

static void run(size_t i)
{
    struct buf maps = { 0 }, got = { 0 };
    struct err err = { .text = "" };
    FILE *f = fopen(path, "w");
    fputs(cases[i].text, f);
    fclose(f);
    for (const char *p = cases[i].maps; *p != '\0'; p++)
        if (*p == '@')
            buf_puts(&maps, path);
        else
            buf_putc(&maps, *p);
    struct sni *s = sni_load(buf_cstr(&maps), &err);
    const char *name, *files;
    for (size_t k = 0; s != NULL && (name = sni_at(s, k, &files)) != NULL; k++)
        buf_printf(&got, "%s=%s;", name, files);
    bool ok = s != NULL ? strcmp(buf_cstr(&got), cases[i].want) == 0 : cases[i].want[0] != '\0' && strstr(err.text, cases[i].want) != NULL;
    OK(ok, cases[i].name);
    if (!ok)
        printf("# %s%s\n", buf_cstr(&got), err.text);
    sni_free(s);
    buf_done(&maps);
    buf_done(&got);
}

int main(void)
{
    int fd = mkstemp(path);
    close(fd);
    for (size_t i = 0; i < N_ELEMS(cases); i++)
        run(i);
    (void)unlink(path);
    return tap_done();
}
