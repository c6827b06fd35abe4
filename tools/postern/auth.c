/* SPDX-License-Identifier: ISC
 *
 * postern auth: what authd knows of guessers, its cache, and who is logged in. Questions go to
 * private/auth-control, in the words of authd/control.h.
 */
#include "base/enc.h"
#include "base/num.h"
#include "conf/param.h"
#include "map/net.h"
#include "os/local.h"
#include "password.h"
#include "postern.h"
#include "proto/auth_proto.h"
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 16 << 20 };

/* Sends one line and reads the answer to its end; all of it in out. */
static int ask(const char *dir, const struct str words[], size_t n, struct buf *out, struct err *err)
{
    struct config *config = config_load(config_dir_choose(dir), err);
    const char *queue = config == NULL ? NULL : config_get(config, "queue_directory", err);
    struct buf line = buf_make(0);
    struct arena arena = arena_make(8192);
    char *got;
    ssize_t len = -1;
    int rc = -1, fd = queue == NULL ? -1 : local_connect(str_printf(&arena, "%s/private/auth-control", queue).p, err);
    auth_line_begin(&line, words[0].p);
    for (size_t i = 1; i < n; i++)
        auth_line_word(&line, words[i]);
    auth_line_end(&line);
    if (fd >= 0 && (fcntl(fd, F_SETFL, 0) != 0 || write(fd, line.p, line.n) != (ssize_t)line.n))
        rc = err_sys(err, ERR_TEMP, "private/auth-control");
    else if (fd >= 0) {
        while ((got = buf_room(out, 65536)) != NULL && (len = read(fd, got, 65536)) > 0)
            buf_added(out, (size_t)len);
        rc = len == 0 ? 0 : err_set(err, ERR_TEMP, "private/auth-control: no whole answer");
    }
    if (fd >= 0)
        close(fd);
    secret_wipe(line.p, line.n);
    buf_done(&line);
    arena_done(&arena);
    config_free(config);
    return rc;
}

/* The last line: 0 for OK, 1 for FAIL; *ret_text what follows it. */
static int verdict(struct str answer, struct str *ret_body, struct str *ret_text, struct err *err)
{
    struct str last = answer, word;
    if (last.n > 0 && last.p[last.n - 1] == '\n')
        last.n--;
    ptrdiff_t at = str_rchr(last, '\n');
    *ret_body = str_head(answer, (size_t)(at + 1));
    last = str_skip(last, (size_t)(at + 1));
    (void)str_cut(last, '\t', &word, ret_text);
    if (str_eqz(word, "OK"))
        return 0;
    return str_eqz(word, "FAIL") ? 1 : err_set(err, ERR_TEMP, "authd did not answer: is it another user's?");
}

static void print_row(struct str line)
{
    struct str f[4] = { { "", 0 } };
    for (size_t i = 0; i < 4 && line.n > 0; i++)
        (void)str_cut(line, '\t', &f[i], &line);
    struct str wait = f[3];
    if (str_eqz(f[0], "cache"))
        printf("cache    %.*s users, %.*s hits, %.*s misses\n", STR_FMT(f[1]), STR_FMT(f[2]), STR_FMT(f[3]));
    else if (str_eqz(f[0], "known"))
        printf("known    %.*s networks of users\n", STR_FMT(f[1]));
    else
        printf("%-8.*s %-30.*s %6.*s wrong%s%.*s%s\n", STR_FMT(f[0]), STR_FMT(f[1]), STR_FMT(f[2]), str_eqz(wait, "0") || wait.n == 0 ? "" : ", waits ",
               str_eqz(wait, "0") ? 0 : (int)wait.n, wait.p, str_eqz(wait, "0") || wait.n == 0 ? "" : " ms");
}

static int show(const char *dir, struct err *err)
{
    struct buf out = buf_make(ANSWER_MAX);
    struct str body, text, line, words[] = { STR("LIST"), STR("1000") };
    int rc = ask(dir, words, N_ELEMS(words), &out, err);
    if (rc == 0)
        rc = verdict(buf_str(&out), &body, &text, err);
    while (rc == 0 && body.n > 0) {
        (void)str_cut(body, '\n', &line, &body);
        print_row(line);
    }
    buf_done(&out);
    return rc;
}

/* user, service, address, pid, since, session */
static void print_session(struct str line)
{
    struct str f[5] = { { "", 0 } };
    uint64_t since;
    char when[32] = "?";
    struct tm tm;
    for (size_t i = 0; i < N_ELEMS(f); i++)
        (void)str_cut(line, '\t', &f[i], &line);
    time_t t = num_parse_u64(f[4], INT64_MAX, &since) ? (time_t)since : 0;
    if (t > 0 && localtime_r(&t, &tm) != NULL)
        (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    printf("%-30.*s %-7.*s %-39.*s %7.*s %s\n", STR_FMT(f[0]), STR_FMT(f[1]), STR_FMT(f[2]), STR_FMT(f[3]), when);
}

/* As doveadm's: "USER", "NETWORK", or both; USER with * and ?, NETWORK an address or ADDRESS/BITS. */
struct whom { const char *user, *remote; struct net net; };

static int whom_parse(int argc, char **argv, struct whom *ret, struct err *err)
{
    struct whom w = { .user = argc > 0 ? argv[0] : "", .remote = argc > 1 ? argv[1] : "" };
    int rc = argc == 0 ? 1 : net_parse(str_from(argv[argc - 1]), &w.net, err);
    if (argc == 1 && rc == 0) {
        w.user = "*";
        w.remote = argv[0];
    } else if (argc <= 1 && rc > 0) {
        rc = 0;
    } else if (rc > 0)
        return err_set(err, ERR_PERM, "\"%s\" is no address and no network (192.0.2.7, 192.0.2.0/24, 2001:db8::/32)", w.remote);
    if (rc == 0)
        *ret = w;
    return rc;
}

/* user, service, address ... */
static bool is_from(struct str line, const struct whom *w)
{
    struct str word;
    struct net own;
    for (int i = 0; i < 3; i++)
        (void)str_cut(line, '\t', &word, &line);
    return w->remote[0] == '\0' || (net_parse_addr(word, &own) && net_contains(&w->net, &own));
}

static int who(const char *dir, int argc, char **argv, struct err *err)
{
    struct whom w;
    if (whom_parse(argc, argv, &w, err) != 0)
        return -1;
    const char *user = w.user;
    struct buf out = buf_make(ANSWER_MAX);
    struct str body, text, line, words[] = { STR("WHO"), str_from(user) };
    int rc = ask(dir, words, N_ELEMS(words), &out, err);
    if (rc == 0)
        rc = verdict(buf_str(&out), &body, &text, err);
    if (rc == 0)
        printf("%-30s %-7s %-39s %7s %s\n", "user", "service", "address", "pid", "since");
    while (rc == 0 && body.n > 0) {
        (void)str_cut(body, '\n', &line, &body);
        if (is_from(line, &w))
            print_session(line);
    }
    if (rc == 1)
        rc = err_set(err, ERR_PERM, "%.*s", STR_FMT(text));
    buf_done(&out);
    return rc;
}

/* CLEAR, FLUSH, FORGET, KICK: a number comes back. more: NULL, or another word. */
static int change(const char *dir, const char *word, const char *what, const char *more, const char *done, struct err *err)
{
    struct buf out = buf_make(ANSWER_MAX);
    struct str body, text, words[] = { str_from(word), str_from(what), str_from(more) };
    int rc = ask(dir, words, more == NULL ? 2 : 3, &out, err);
    if (rc == 0)
        rc = verdict(buf_str(&out), &body, &text, err);
    if (rc == 0)
        printf("%.*s %s\n", STR_FMT(text), done);
    if (rc == 1)
        rc = err_set(err, ERR_PERM, "%.*s", STR_FMT(text));
    buf_done(&out);
    return rc;
}

static int kick(const char *dir, int argc, char **argv, struct err *err)
{
    struct whom w;
    return whom_parse(argc, argv, &w, err) != 0 ? -1 : change(dir, "KICK", w.user, w.remote, "sessions ended", err);
}

static int test(const char *dir, const char *user, const char *service, const char *address, struct err *err)
{
    char password[PASSWORD_MAX + 2];
    struct buf out = buf_make(ANSWER_MAX);
    struct str body, text;
    if (password_ask("Password: ", false, password, err) < 0)
        return -1;
    struct str words[] = { STR("TEST"), str_from(user), str_from(service), str_from(address), str_from(password) };
    int rc = ask(dir, words, N_ELEMS(words), &out, err);
    secret_wipe(password, sizeof password);
    if (rc == 0)
        rc = verdict(buf_str(&out), &body, &text, err);
    if (rc == 0) {
        printf("%s: the password is right\n", user);
        for (struct str field, value; body.n > 0;) {
            (void)str_cut(body, '\n', &field, &body);
            (void)str_cut(field, '\t', &field, &value);
            printf("%-8.*s %.*s\n", STR_FMT(field), STR_FMT(value));
        }
    } else if (rc == 1) {
        printf("%s: %.*s\n", user, STR_FMT(text));
    }
    buf_done(&out);
    return rc;
}

int auth_command(const char *dir, int argc, char **argv, struct err *err)
{
    const char *action = argc > 0 ? argv[0] : "list", *what = argc > 1 ? argv[1] : "";
    if (strcmp(action, "list") == 0 && argc <= 1)
        return show(dir, err);
    if (strcmp(action, "clear") == 0 && argc == 2)
        return change(dir, "CLEAR", what, NULL, "entries cleared", err);
    if (strcmp(action, "flush") == 0 && argc <= 2)
        return change(dir, "FLUSH", what, NULL, "cached passwords forgotten", err);
    if (strcmp(action, "forget") == 0 && argc == 2)
        return change(dir, "FORGET", what, NULL, "known networks forgotten", err);
    if (strcmp(action, "who") == 0 && argc <= 3)
        return who(dir, argc - 1, argv + 1, err);
    if (strcmp(action, "kick") == 0 && (argc == 2 || argc == 3) && what[0] != '\0')
        return kick(dir, argc - 1, argv + 1, err);
    if (strcmp(action, "test") == 0 && argc >= 2 && argc <= 4)
        return test(dir, what, argc > 2 ? argv[2] : "imap", argc > 3 ? argv[3] : "127.0.0.1", err);
    return AUTH_COMMAND_USAGE;
}
