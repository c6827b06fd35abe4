/* SPDX-License-Identifier: ISC
 *
 * session_test.c - whole dialogues: t/unit/imapd/transcript/ *.txt, each with
 * sessions of its own on a Maildir of its own.
 *
 *   # what it shows             the name of the test
 *   1> a SELECT INBOX           client 1 (it connects at its first line) sends this line
 *   1| raw\r\n\0                ... sends these bytes
 *   1< * 0 EXISTS               the next line from the server; "..." stands for anything
 *   1~ a OK ...                 lines are skipped until this one
 *   1! * ... EXPUNGE            no line up to the next 1< or 1~ match may be this one
 *   1.                          the server closes
 *   @ new/name text\n           a file appears in the Maildir
 *   + 100                       milliseconds pass
 */
#include "session.h"
#include "tap.h"
#include <dirent.h>
#include <ftw.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct imapd_conf conf = { .idle_timeout = 1800, .keepalive = 120, .message_limit = 100000,
                                        .error_limit = 5, .mail_location = "", .special_use = "",
                                        .capability_extra = "X-TEST" };

enum { CLIENTS = 3, LINE_BYTES = 65536, WAIT_MS = 5000 };
static struct client { int fd; pid_t pid; struct buf in; } clients[CLIENTS + 1];
static char root[] = "/tmp/imapd-test-XXXXXX";
static char *unwanted;

static void client_open(struct client *c)
{
    int pair[2];
    if (c->fd > 0)
        return;
    ASSERT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    c->pid = fork();
    if (c->pid == 0) {
        char mail[100];
        (void)snprintf(mail, sizeof mail, "%s/m", root);
        struct imap_user user = { .name = "u", .home = root, .mail = mail, .session_id = "s", .tag = "login" };
        log_set_verbose(false);
        (void)!freopen("/dev/null", "w", stderr);
        close(pair[0]);
        for (size_t i = 0; i <= CLIENTS; i++)
            if (clients[i].fd > 0)
                close(clients[i].fd);
        io_stop_on_sigterm();
        session_run(&conf, &user, pair[1], STR(""));
        _exit(0);
    }
    close(pair[1]);
    c->fd = pair[0];
    c->in = buf_make(0);
}

/* One line without its end into *ret; false at the end of the connection or after WAIT_MS. */
static bool client_line(struct client *c, struct buf *ret)
{
    for (;;) {
        ptrdiff_t lf = str_chr(buf_str(&c->in), '\n');
        if (lf >= 0) {
            buf_reset(ret);
            buf_add(ret, str_head(buf_str(&c->in), (size_t)lf));
            ret->n -= ret->n > 0 && ret->p[ret->n - 1] == '\r' ? 1 : 0;
            buf_drop(&c->in, (size_t)lf + 1);
            return true;
        }
        char chunk[4096];
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        ssize_t n = poll(&p, 1, WAIT_MS) == 1 ? read(c->fd, chunk, sizeof chunk) : -1;
        if (n <= 0)
            return false;
        buf_put(&c->in, chunk, (size_t)n);
    }
}

static void client_close(struct client *c)
{
    int status;
    if (c->fd <= 0)
        return;
    close(c->fd);
    (void)waitpid(c->pid, &status, 0);
    if (status != 0)
        printf("# session ended with %d\n", status);
    buf_done(&c->in);
    *c = (struct client){ 0 };
}

/* "..." stands for any run of bytes. */
static bool matches(struct str pattern, struct str line)
{
    ptrdiff_t dots = str_find(pattern, STR("..."));
    if (dots < 0)
        return str_eq(pattern, line);
    if (!str_starts(line, str_head(pattern, (size_t)dots)))
        return false;
    pattern = str_skip(pattern, (size_t)dots + 3);
    line = str_skip(line, (size_t)dots);
    for (size_t i = 0; i <= line.n; i++)
        if (matches(pattern, str_skip(line, i)))
            return true;
    return false;
}

static void put_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\\' && i + 1 < s.n) {
            c = s.p[++i];
            c = c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
        }
        buf_putc(out, c);
    }
}

static bool expect(struct client *c, struct str want, bool skip)
{
    struct buf line = buf_make(0);
    bool ok = false;
    while (!ok && client_line(c, &line)) {
        if (unwanted != NULL && matches(str_from(unwanted), buf_str(&line))) {
            printf("# unwanted: %.*s\n", STR_FMT(buf_str(&line)));
            break;
        }
        ok = matches(want, buf_str(&line));
        if (!ok && !skip) {
            printf("# want: %.*s\n# got:  %.*s\n", STR_FMT(want), STR_FMT(str_head(buf_str(&line), 300)));
            break;
        }
    }
    if (!ok)
        printf("# missing: %.*s\n", STR_FMT(want));
    buf_done(&line);
    free(unwanted);
    unwanted = NULL;
    return ok;
}

static bool expect_end(struct client *c)
{
    struct buf line = buf_make(0);
    bool more = client_line(c, &line);
    if (more)
        printf("# instead of the end: %.*s\n", STR_FMT(buf_str(&line)));
    buf_done(&line);
    return !more;
}

static void send_bytes(struct client *c, struct str s, bool line)
{
    struct buf b = buf_make(0);
    put_escaped(&b, s);
    if (line) {
        buf_reset(&b);
        buf_add(&b, s);
        buf_puts(&b, "\r\n");
    }
    (void)!send(c->fd, b.p, b.n, MSG_NOSIGNAL);
    buf_done(&b);
}

static void make_file(struct str spec)
{
    struct str name, text;
    struct buf b = buf_make(0);
    char path[300];
    (void)str_cut(spec, ' ', &name, &text);
    put_escaped(&b, text);
    (void)snprintf(path, sizeof path, "%s/m/%.*s", root, STR_FMT(name));
    FILE *f = fopen(path, "w");
    if (f != NULL) {
        (void)fwrite(b.p, 1, b.n, f);
        (void)fclose(f);
    }
    buf_done(&b);
}

static bool step(struct str line)
{
    struct str rest = line.n > 2 && line.p[2] == ' ' ? str_skip(line, 3) : str_skip(line, 2);
    if (line.n > 2 && line.p[0] == '@') {
        make_file(str_skip(line, 2));
        return true;
    }
    if (line.p[0] == '+') {
        (void)poll(NULL, 0, 100);
        return true;
    }
    struct client *c = &clients[line.p[0] - '0'];
    client_open(c);
    switch (line.n > 1 ? line.p[1] : '\0') {
    case '>': send_bytes(c, rest, true); return true;
    case '|': send_bytes(c, rest, false); return true;
    case '<': return expect(c, rest, false);
    case '~': return expect(c, rest, true);
    case '.': return expect_end(c);
    case '!':
        unwanted = xmalloc(rest.n + 1);
        return str_to_fixed(rest, unwanted, rest.n + 1);
    default: return false;
    }
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static void run_transcript(const char *path)
{
    static char line[LINE_BYTES];
    char title[200] = "untitled";
    bool ok = true;
    int number = 0;
    FILE *f = fopen(path, "r");
    ASSERT(f != NULL);
    while (ok && fgets(line, sizeof line, f) != NULL) {
        struct str s = str_from(line);
        number++;
        s.n -= s.n > 0 && s.p[s.n - 1] == '\n' ? 1 : 0;
        if (number == 1)
            (void)str_to_fixed(str_skip(s, 2), title, sizeof title);
        else if (s.n > 0 && s.p[0] != '#')
            ok = step(s);
    }
    (void)fclose(f);
    for (size_t i = 0; i <= CLIENTS; i++)
        client_close(&clients[i]);
    if (!ok)
        printf("# %s:%d\n", path, number);
    OK(ok, title);
    char mail[100];
    (void)snprintf(mail, sizeof mail, "%s/m", root);
    (void)nftw(mail, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

int main(int argc, char **argv)
{
    static const char dir[] = "t/unit/imapd/transcript";
    struct dirent **names;
    (void)setenv("TZ", "UTC0", 1);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    int n = scandir(dir, &names, NULL, by_name);
    ASSERT(mkdtemp(root) != NULL);
    for (int i = 0; i < n; i++) {
        char path[400];
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && (argc < 2 || strstr(path, argv[1]) != NULL))
            run_transcript(path);
        free(names[i]);
    }
    free(names);
    (void)rmdir(root);
    return tap_done();
}
