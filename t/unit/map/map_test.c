/* SPDX-License-Identifier: ISC */
#include "conf/param.h"
#include "map/build.h"
#include "map/map.h"
#include "tap.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static struct config *config;

static struct config *make_config(void)
{
    struct err err = { 0 };
    char text[300];
    (void)snprintf(text, sizeof text, "compatibility_level = 3.6\nalias_maps = hash:%s/aliases\nlmdb_map_size = 1048576\n", dir);
    return config_parse("/nowhere", "main.cf", str_from(text), &err);
}

static void write_file(const char *name, const char *text)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
        exit(1);
}

static const char regexp_text[] =
    "# comment\n"
    "/^(postmaster|abuse)@(.*)$/ ok $1 at ${2}\n"
    "/^Subject: BIG/i REJECT case\n"
    "!/@/ no at sign $$5\n"
    "if /@inner\\.example$/\n"
    "/^a/ inside\n"
    "endif\n"
    "/x\\/y/ slash\n";
static const char cidr_text[] =
    "192.0.2.7 one\n"
    "192.0.2.0/24 net\n"
    "if 198.51.100.0/24\n"
    "198.51.100.128/25 upper\n"
    "!198.51.100.0/26 not lowest\n"
    "endif\n"
    "[2001:db8::]/32 six\n"
    "0.0.0.0/0 rest\n";

static const struct { const char *name, *spec, *key, *want; } cases[] = {
    { "static", "static:OK", "any", "OK" },
    { "static with spaces", "static:{ a b }", "any", "a b" },
    { "inline", "inline:{ a=1, {b = 2 3} }", "b", "2 3" },
    { "inline folds the key", "inline:{ Key=1 }", "kEY", "1" },
    { "inline without that key", "inline:{ a=1 }", "b", NULL },
    { "texthash", "texthash:@/plain", "user@example.org", "value one" },
    { "texthash, quoted key", "texthash:@/plain", "\"two words\"", "v2" },
    { "texthash, continued value", "texthash:@/plain", "long", "a, b,  c" },
    { "texthash, the first of two stays", "texthash:@/plain", "twice", "1" },
    { "hash is made from its source", "hash:@/plain", "user@example.org", "value one" },
    { "hash, no such key", "hash:@/plain", "nobody", NULL },
    { "btree from the same file", "btree:@/plain", "long", "a, b,  c" },
    { "hash of an alias file", "hash:@/aliases", "root", "admin,  \"|/bin/cat -n\"" },
    { "hash of an alias file, quoted name", "hash:@/aliases", "a b", "x" },
    { "regexp with $1", "regexp:@/re", "abuse@example.org", "ok abuse at example.org" },
    { "regexp ignores case", "regexp:@/re", "POSTMASTER@x", "ok POSTMASTER at x" },
    { "regexp flag i turns that off", "regexp:@/re", "subject: big", "no at sign $5" },
    { "regexp, negated, $$", "regexp:@/re", "plain", "no at sign $5" },
    { "regexp, inside if", "regexp:@/re", "a@inner.example", "inside" },
    { "regexp, if does not apply", "regexp:@/re", "a@outer.example", NULL },
    { "regexp, escaped delimiter", "regexp:@/re", "x/y@z", "slash" },
    { "regexp in the name", "regexp:{ {/^(.)b/ got $1$(1)} }", "ab", "got aa" },
#ifdef HAVE_PCRE2
    { "pcre", "pcre:{ {/^(?:x|y)(\\d+)$/ n$1} }", "Y12", "n12" },
    { "pcre, no match", "pcre:{ {/^(?:x|y)(\\d+)$/ n$1} }", "z12", NULL },
#endif
    { "cidr, one address", "cidr:@/cidr", "192.0.2.7", "one" },
    { "cidr, a network", "cidr:@/cidr", "192.0.2.8", "net" },
    { "cidr, if", "cidr:@/cidr", "198.51.100.200", "upper" },
    { "cidr, if and negation", "cidr:@/cidr", "198.51.100.100", "not lowest" },
    { "cidr, past the endif", "cidr:@/cidr", "198.51.100.1", "rest" },
    { "cidr, IPv6", "cidr:@/cidr", "2001:DB8:1::1", "six" },
    { "cidr, mapped IPv4", "cidr:@/cidr", "::ffff:192.0.2.7", "one" },
    { "cidr, not an address", "cidr:@/cidr", "host.example", NULL },
    { "unionmap", "unionmap:{static:a, inline:{k=b}, inline:{x=y}}", "k", "a,b" },
    { "unionmap without a hit", "unionmap:{inline:{x=y}}", "k", NULL },
    { "pipemap", "pipemap:{inline:{a=b}, inline:{b=c}}", "a", "c" },
    { "pipemap that ends early", "pipemap:{inline:{a=b}, inline:{x=c}}", "a", NULL },
    { "randmap of one", "randmap:{only}", "a", "only" },
    { "proxy", "proxy:inline:{a=b}", "a", "b" },
    { "unix:passwd.byname", "unix:passwd.byname", "root", "root:*:0:0:" },
    { "unix:group.byname", "unix:group.byname", "root", "root:*:0:" },
    { "environ", "environ:x", "MAP_TEST_NAME", "value" },
};

static const char *with_dir(struct arena *a, const char *spec)
{
    const char *at = strchr(spec, '@');
    if (at == NULL || at[1] != '/')
        return spec;
    return str_printf(a, "%.*s%s%s", (int)(at - spec), spec, dir, at + 1).p;
}

static void test_types(void)
{
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct arena a = arena_make(1 << 20);
        struct err err = { 0 };
        struct str value = STR("");
        enum map_result r = MAP_TEMP;
        struct map *m = map_open(str_from(with_dir(&a, cases[i].spec)), 0, config, &err);
        if (m != NULL)
            r = map_get(m, str_from(cases[i].key), &a, &value, &err);
        bool good = cases[i].want == NULL ? r == MAP_NONE : r == MAP_FOUND && (str_eqz(value, cases[i].want)
            || (cases[i].want[strlen(cases[i].want) - 1] == ':' && str_starts(value, str_from(cases[i].want))));
        OK(good, cases[i].name);
        if (!good)
            printf("# %d \"%.*s\" %s\n", (int)r, STR_FMT(value), err.text);
        map_free(m);
        arena_done(&a);
    }
}

static const struct { const char *name, *spec, *in_error; } bad[] = {
    { "an unknown type", "nosuch:/x", "unsupported dictionary type in \"nosuch:/x\": run \"postconf -m\"" },
    { "a type that needs a module", "mysql:/etc/x.cf", "no module" },
    { "a type that is not served", "dbm:/x", "postmap lmdb:FILE" },
    { "a missing file", "texthash:@/nothing", "/nothing" },
    { "lmdb without a table", "lmdb:@/nothing", "make it with \"postmap lmdb:" },
    { "hash with a Berkeley DB file only", "hash:@/onlydb", "Berkeley DB" },
    { "no name", "static:", "a name is missing" },
    { "a host part in a network", "cidr:{ {192.0.2.1/24 x} }", "perhaps you should use \"192.0.2.0/24\"" },
    { "no network", "cidr:{ {example.org x} }", "is no network pattern" },
    { "no result", "cidr:{ {192.0.2.0/24} }", "no result" },
    { "an expression that does not compile", "regexp:{ {/a(/ x} }", "/a(/" },
    { "an unknown flag", "regexp:{ {/a/q x} }", "unknown flag 'q'" },
    { "no closing delimiter", "regexp:{ {/a x} }", "no closing delimiter" },
    { "too few groups", "regexp:{ {/a/ $1} }", "has 0 groups" },
    { "a group of a negated pattern", "regexp:{ {!/(a)/ $1} }", "has 0 groups" },
    { "if without endif", "regexp:{ {if /a/} }", "line 1: if without endif" },
    { "endif without if", "regexp:{ {endif} }", "endif without if" },
    { "a bad line in a texthash", "texthash:@/badtext", "badtext, line 2: expected format" },
    { "an empty inline table", "inline:{ }", "empty" },
    { "an inline entry without =", "inline:{ a }", "missing '='" },
    { "braces that do not close", "unionmap:{ {static:a }", "write type:{ a, b }" },
    { "proxy of an unknown type", "proxy:nosuch:/x", "unsupported dictionary type" },
    { "not a table of the system", "unix:shadow.byname", "passwd.byname" },
    { "an LMDB file that is none", "lmdb:@/garbage", "garbage.lmdb" },
    { "a truncated LMDB file", "lmdb:@/short", "truncated" },
};

static void test_refused(void)
{
    for (size_t i = 0; i < N_ELEMS(bad); i++) {
        struct arena a = arena_make(1 << 20);
        struct err err = { 0 };
        struct map *m = map_open(str_from(with_dir(&a, bad[i].spec)), 0, config, &err);
        bool good = m == NULL && strstr(err.text, bad[i].in_error) != NULL;
        OK(good, bad[i].name);
        printf("# %s\n", err.text);
        map_free(m);
        arena_done(&a);
    }
}

static struct str lookup(const char *spec, const char *key, struct arena *a, unsigned flags)
{
    struct err err = { 0 };
    struct str value = STR("(none)");
    struct map *m = map_open(str_from(with_dir(a, spec)), flags, config, &err);
    if (m == NULL) {
        printf("# %s\n", err.text);
        return value;
    }
    (void)map_get(m, str_from(key), a, &value, &err);
    map_free(m);
    return value;
}

static void test_rebuild(void)
{
    struct arena a = arena_make(1 << 20);
    struct stat st;
    char path[200];
    write_file("again", "k 1\n");
    OK(str_eqz(lookup("hash:@/again", "k", &a, 0), "1"), "a hash is built at the first open");
    (void)snprintf(path, sizeof path, "%s/again.lmdb", dir);
    OK(stat(path, &st) == 0, "its index lies beside it");
    (void)usleep(20000);
    write_file("again", "k 2\n");
    OK(str_eqz(lookup("hash:@/again", "k", &a, 0), "2"), "an index older than its source is built anew");
    OK(truncate(path, 100) == 0 && str_eqz(lookup("hash:@/again", "k", &a, 0), "2"), "a damaged index is built anew");
    write_file("mixed", "Key 1\n");
    OK(str_eqz(lookup("hash:@/mixed", "KEY", &a, 0), "1"), "keys fold to lower case");
    write_file("shared", "k 3\n");
    OK(chmod(dir, 0777) == 0 && str_eqz(lookup("hash:@/shared", "k", &a, 0), "3"), "in a directory that others may write, the table is served from memory");
    (void)snprintf(path, sizeof path, "%s/shared.lmdb", dir);
    OK(stat(path, &st) < 0, "and no file is made there");
    (void)chmod(dir, 0755);
    arena_done(&a);
}

static void collect(void *user, const char *text)
{
    size_t *n = user;
    printf("# %s\n", text);
    ++*n;
}

static void test_build(void)
{
    struct arena a = arena_make(1 << 20);
    struct err err = { 0 };
    size_t warnings = 0;
    char path[200];
    (void)snprintf(path, sizeof path, "%s/built.lmdb", dir);
    struct build b = { .fold = true, .with_nul = true, .mode = 0600, .map_size = 1 << 20, .warn = collect, .user = &warnings };
    OK(map_build(&b, "built", STR("a 1\nb 2\na 3\nbad\n"), path, &err) == 0 && warnings == 2, "duplicates and bad lines are warnings");
    OK(str_eqz(lookup("lmdb:@/built", "a", &a, 0), "1"), "the first of two entries stays");
    struct map *open_before = map_open(str_from(with_dir(&a, "lmdb:@/built")), 0, config, &err);
    b.duplicates = BUILD_REPLACE;
    OK(map_build(&b, "built", STR("a 1\na 3\n"), path, &err) == 0 && str_eqz(lookup("lmdb:@/built", "a", &a, 0), "3"), "-r: the last of two entries stays");
    OK(str_eqz(lookup("lmdb:@/built", "b", &a, 0), "(none)"), "what is no longer in the source is gone");
    struct str v = STR("");
    OK(map_get(open_before, STR("a"), &a, &v, &err) == MAP_FOUND && str_eqz(v, "3"), "a table that was open sees the new content");
    b.keep = true;
    OK(map_build(&b, "stdin", STR("c 4\n"), path, &err) == 0 && map_get(open_before, STR("a"), &a, &v, &err) == MAP_FOUND
       && map_get(open_before, STR("c"), &a, &v, &err) == MAP_FOUND, "-i: records that are there stay");
    map_free(open_before);
    b.keep = false;
    b.with_nul = false;
    OK(map_build(&b, "built", STR("n 5\n"), path, &err) == 0 && str_eqz(lookup("lmdb:@/built", "n", &a, 0), "5"), "keys without a NUL are found too");
    struct buf big = buf_make(0);
    for (unsigned i = 0; i < 60000; i++)
        buf_printf(&big, "key%u value%u some more text to make it longer\n", i, i);
    b.with_nul = true;
    open_before = map_open(str_from(with_dir(&a, "lmdb:@/built")), 0, config, &err);
    OK(map_build(&b, "built", buf_str(&big), path, &err) == 0 && str_eqz(lookup("lmdb:@/built", "key59999", &a, 0), "value59999 some more text to make it longer"),
       "a table larger than lmdb_map_size");
    OK(map_get(open_before, STR("key59999"), &a, &v, &err) == MAP_FOUND, "a reader follows a table that has grown");
    map_free(open_before);
    buf_done(&big);
    char long_key[600];
    memset(long_key, 'x', sizeof long_key);
    OK(str_eqz(lookup("lmdb:@/built", str_to_cstr(&a, str_make(long_key, 599)), &a, 0), "(none)"), "a key that is too long is not there");
    arena_done(&a);
}

/* ---- two that build the same table ---- */

/* A process that holds the table for a moment, as postmap does. */
static pid_t hold(const char *path, unsigned ms)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open(path, O_RDWR);
    int rc = fd < 0 ? -1 : fcntl(fd, F_SETLK, &lock);
    (void)usleep(ms * 1000);
    _exit(rc == 0 ? 0 : 1);
}

static void test_build_file(void)
{
    struct arena a = arena_make(1 << 20);
    struct err err = { 0 };
    struct stat st, table;
    char source[200], path[220];
    int status = 0;
    (void)snprintf(source, sizeof source, "%s/race", dir);
    (void)snprintf(path, sizeof path, "%s.lmdb", source);
    struct build b = { .fold = true, .with_nul = true, .mode = 0600, .map_size = 1 << 20 };
    write_file("race", "a 1\n");
    OK(map_build_file(&b, source, path, &err) == 0 && str_eqz(lookup("hash:@/race", "a", &a, 0), "1"), "a table is made of a file");
    OK(stat(source, &st) == 0 && stat(path, &table) == 0 && !map_is_newer(&st, &table) && !map_is_newer(&table, &st), "and is as old as that");
    pid_t holder = hold(path, 300);
    (void)usleep(50000);
    pid_t builder = fork();
    if (builder == 0)
        _exit(map_build_file(&b, source, path, &err) == 0 ? 0 : 1);
    (void)usleep(100000);                   /* it waits for the table now */
    write_file("race", "a 1\nb 2\n");
    OK(waitpid(holder, &status, 0) == holder && status == 0 && waitpid(builder, &status, 0) == builder && status == 0, "while another program has the table, it waits");
    OK(str_eqz(lookup("lmdb:@/race", "b", &a, 0), "2"), "and then takes what the source is by then");
    write_file("race", "c 3\n");
    const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
    OK(utimensat(AT_FDCWD, source, old, 0) == 0 && str_eqz(lookup("hash:@/race", "c", &a, 0), "(none)"), "a source that is older than the table is not looked at");
    b.if_older = true;
    OK(map_build_file(&b, source, path, &err) == 0 && str_eqz(lookup("lmdb:@/race", "c", &a, 0), "(none)"), "nor is it where only an old table is to be made anew");
    b.if_older = false;
    OK(map_build_file(&b, source, path, &err) == 0 && str_eqz(lookup("lmdb:@/race", "c", &a, 0), "3"), "postmap takes it");
    (void)unlink(source);
    OK(map_build_file(&b, source, path, &err) < 0 && str_eqz(lookup("lmdb:@/race", "c", &a, 0), "3"), "without its source a table stays");
    arena_done(&a);
}

static void test_lock(void)
{
    struct arena a = arena_make(1 << 20);
    struct err err = { 0 };
    char path[200];
    (void)snprintf(path, sizeof path, "%s/built.lmdb", dir);
    int pipes[2];
    if (pipe(pipes) < 0)
        exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(path, O_RDWR);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        if (fcntl(fd, F_SETLK, &lock) < 0 || write(pipes[1], "x", 1) != 1)
            _exit(1);
        (void)usleep(150000);
        _exit(0);
    }
    char c;
    struct map *m = map_open(str_from(with_dir(&a, "static:x")), 0, config, &err);
    map_free(m);
    OK(read(pipes[0], &c, 1) == 1, "another program holds the lock");
    OK(str_eqz(lookup("lmdb:@/built", "key1", &a, 0), "value1 some more text to make it longer"), "a lookup waits for the lock of a writer");
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    arena_done(&a);
}

static const struct { const char *name, *lists, *address, *want, *ext; bool bare; } addresses[] = {
    { "the whole address first", "inline:{ u+x@d=1, u@d=2 }", "u+x@d", "1", "", false },
    { "without the extension", "inline:{ u@d=2, @d=3 }", "u+x@d", "2", "+x", false },
    { "the domain last", "inline:{ @d=3 }", "u+x@d", "3", "", false },
    { "a bare user of our domain", "inline:{ u=4, @d=3 }", "u+x@d", "4", "+x", true },
    { "a bare user with extension", "inline:{ u+x=5, u=4 }", "u+x@d", "5", "", true },
    { "no bare user elsewhere", "inline:{ u=4 }", "u@d", NULL, "", false },
    { "postmaster is never split", "inline:{ post=1 }", "postmaster", NULL, "", true },
    { "no @", "inline:{ u=4 }", "u+x", "4", "+x", false },
    { "the second table", "inline:{ a=1 }, inline:{ u@d=2 }", "U@D", "2", "", false },
    { "patterns see whole keys only", "regexp:{ {/^u@d$/ bad} }", "u+x@d", NULL, "", false },
    { "a delimiter at the start does not count", "inline:{ x@d=1 }", "+x@d", NULL, "", false },
};

static void test_addresses(void)
{
    for (size_t i = 0; i < N_ELEMS(addresses); i++) {
        struct arena a = arena_make(1 << 20);
        struct err err = { 0 };
        struct str value = STR(""), ext = STR("");
        struct map_list *l = map_list_open(addresses[i].lists, 0, config, &err);
        enum map_result r = map_list_get_address(l, str_from(addresses[i].address), "+", addresses[i].bare, &a, &value, &ext, &err);
        OK(addresses[i].want == NULL ? r == MAP_NONE : r == MAP_FOUND && str_eqz(value, addresses[i].want) && str_eqz(ext, addresses[i].ext),
           addresses[i].name);
        map_list_free(l);
        arena_done(&a);
    }
    struct arena a = arena_make(1 << 20);
    struct err err = { 0 };
    struct str value, ext;
    struct map_list *l = map_list_open("fail:x static:y", 0, config, &err);
    OK(map_list_get_address(l, STR("u@d"), "+", false, &a, &value, &ext, &err) == MAP_TEMP, "a failing table stops the search");
    map_list_free(l);
    OK(map_list_open("static:a, nosuch:b", 0, config, &err) == NULL, "a list with an unknown type is refused");
    l = map_list_open("", 0, config, &err);
    OK(map_list_is_empty(l), "an empty list");
    map_list_free(l);
    arena_done(&a);
}

static const struct { const char *name, *list; unsigned flags; const char *key; enum map_result want; } matches[] = {
    { "a domain", "example.org, example.net", 0, "EXAMPLE.net", MAP_FOUND },
    { "not in the list", "example.org", 0, "example.com", MAP_NONE },
    { "no parents by default", "example.org", 0, "a.example.org", MAP_NONE },
    { "a leading dot", ".example.org", 0, "a.b.example.org", MAP_FOUND },
    { "a leading dot is not the domain itself", ".example.org", 0, "example.org", MAP_NONE },
    { "parents when asked", "example.org", MATCH_PARENTS, "a.example.org", MAP_FOUND },
    { "parents end at a dot", "example.org", MATCH_PARENTS, "notexample.org", MAP_NONE },
    { "whole strings when asked", ".example.org", MATCH_STRINGS, "a.example.org", MAP_NONE },
    { "negation wins when first", "!a.example.org .example.org", 0, "a.example.org", MAP_NONE },
    { "the first match decides", ".example.org !a.example.org", 0, "a.example.org", MAP_FOUND },
    { "a table", "inline:{ example.org=1 }", 0, "example.org", MAP_FOUND },
    { "a table and a parent", "inline:{ example.org=1 }", MATCH_PARENTS, "a.example.org", MAP_FOUND },
    { "a table and a dotted parent", "inline:{ .example.org=1 }", 0, "a.example.org", MAP_FOUND },
    { "a table without parents", "inline:{ example.org=1 }", 0, "a.example.org", MAP_NONE },
    { "a file", "@/domains", 0, "in.file.example", MAP_FOUND },
    { "a negated file", "!@/domains .file.example", 0, "in.file.example", MAP_NONE },
    { "a file may have negations", "@/domains", 0, "not.file.example", MAP_NONE },
    { "a failing table", "fail:x example.org", 0, "example.org", MAP_TEMP },
    { "an empty list", "", 0, "example.org", MAP_NONE },
};
static const struct { const char *name, *list, *key; enum map_result want; } nets[] = {
    { "a network", "127.0.0.0/8 [::1]/128", "127.3.2.1", MAP_FOUND },
    { "an IPv6 address", "127.0.0.0/8 [::1]/128", "::1", MAP_FOUND },
    { "outside", "127.0.0.0/8 [::1]/128", "192.0.2.1", MAP_NONE },
    { "a single address", "192.0.2.1", "192.0.2.1", MAP_FOUND },
    { "brackets around both", "[2001:db8::/32]", "2001:db8::5", MAP_FOUND },
    { "an exception first", "!192.0.2.9, 192.0.2.0/24", "192.0.2.9", MAP_NONE },
    { "odd prefix lengths", "192.0.2.16/28", "192.0.2.31", MAP_FOUND },
    { "one past the prefix", "192.0.2.16/28", "192.0.2.32", MAP_NONE },
    { "a network of mapped addresses, as in Debian's main.cf", "[::ffff:127.0.0.0]/104", "127.0.0.1", MAP_FOUND },
    { "past a network of mapped addresses", "[::ffff:127.0.0.0]/104", "128.0.0.1", MAP_NONE },
    { "everything", "0.0.0.0/0", "203.0.113.1", MAP_FOUND },
    { "IPv6 is not in 0.0.0.0/0", "0.0.0.0/0", "2001:db8::1", MAP_NONE },
    { "a cidr table", "cidr:{ {192.0.2.0/24 x} }", "192.0.2.1", MAP_FOUND },
    { "a host name is no address", "example.org", "192.0.2.1", MAP_NONE },
};

static void test_matches(void)
{
    struct arena a = arena_make(1 << 20);
    struct err err = { 0 };
    for (size_t i = 0; i < N_ELEMS(matches); i++) {
        struct match_list *l = match_list_open(with_dir(&a, matches[i].list), matches[i].flags, config, &err);
        OK(l != NULL && match_list_string(l, str_from(matches[i].key), &err) == matches[i].want, matches[i].name);
        match_list_free(l);
    }
    for (size_t i = 0; i < N_ELEMS(nets); i++) {
        struct match_list *l = match_list_open(nets[i].list, 0, config, &err);
        OK(l != NULL && match_list_addr(l, str_from(nets[i].key), &err) == nets[i].want, nets[i].name);
        match_list_free(l);
    }
    OK(match_list_open("192.0.2.1/24", 0, config, &err) == NULL && strstr(err.text, "192.0.2.0/24") != NULL, "host bits in mynetworks are refused with the right spelling");
    OK(match_list_open("192.0.2.0/33", 0, config, &err) == NULL, "a net mask of 33 is refused");
    OK(match_list_open("[nonsense]/8", 0, config, &err) == NULL, "nonsense in brackets is refused");
    OK(match_list_open("a !", 0, config, &err) == NULL, "a lone ! is refused");
    OK(match_list_open("/no/such/file", 0, config, &err) == NULL, "a missing file is refused");
    arena_done(&a);
}

static void prepare(void)
{
    write_file("plain", "# c\nuser@example.org\tvalue one\n\"two words\" v2\nlong a,\n b,\n# x\n  c\ntwice 1\ntwice 2\n");
    write_file("aliases", "root: admin,\n  \"|/bin/cat -n\"\n\"a b\": x\n");
    write_file("re", regexp_text);
    write_file("cidr", cidr_text);
    write_file("badtext", "a 1\nb\n");
    write_file("onlydb.db", "x");
    write_file("garbage.lmdb", "this is no LMDB file, but it is long enough to look at, is it not?");
    write_file("domains", "# comment\n!not.file.example\nin.file.example other.example\n");
    struct err err = { 0 };
    struct build b = { .mode = 0600, .map_size = 1 << 20 };
    char path[200];
    struct buf big = buf_make(0);
    for (unsigned i = 0; i < 2000; i++)
        buf_printf(&big, "key%u value%u\n", i, i);
    (void)snprintf(path, sizeof path, "%s/short.lmdb", dir);
    if (map_build(&b, "short", buf_str(&big), path, &err) < 0 || truncate(path, 3 * 4096) < 0)
        exit(1);
    buf_done(&big);
    (void)setenv("MAP_TEST_NAME", "value", 1);
}

int main(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/map_test.%ld", (long)getpid());
    if (mkdir(dir, 0755) < 0)
        return 1;
    config = make_config();
    prepare();
    test_types();
    test_refused();
    test_rebuild();
    test_build();
    test_build_file();
    test_lock();
    test_addresses();
    test_matches();
    config_free(config);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    (void)!system(command);
    return tap_done();
}
