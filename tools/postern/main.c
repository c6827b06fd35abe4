/* SPDX-License-Identifier: ISC
 *
 * NAME
 *      postern - private instances and mailbox users
 *
 * SYNOPSIS
 *      postern try DIR [--port-base N]
 *      postern stop DIR
 *      postern user -c CONFDIR add|delete|list [NAME]
 *      postern user -c CONFDIR app-add USER NAME [--services LIST] [--networks LIST] [--days N]
 *      postern user -c CONFDIR app-list [USER]
 *      postern user -c CONFDIR app-delete USER NAME|--all
 *      postern auth [-c CONFDIR] [list]
 *      postern auth [-c CONFDIR] clear ADDRESS|NETWORK|USER|all
 *      postern auth [-c CONFDIR] flush [USER]
 *      postern auth [-c CONFDIR] forget USER|all
 *      postern auth [-c CONFDIR] test USER [SERVICE [ADDRESS]]
 *      postern auth [-c CONFDIR] who [USER] [NETWORK]
 *      postern auth [-c CONFDIR] kick USER|NETWORK [NETWORK]
 *      postern import dovecot [-c CONFDIR] [--from FILE|DIR|-] [--root DIR] [--write]
 *      postern pw [-l] [-V] [-p PASSWORD] [-r ROUNDS] [-s SCHEME] [-t {SCHEME}HASH] [-u USER]
 *
 * DESCRIPTION
 *      What Postfix has no command for. `try` makes a private instance in DIR
 *      and starts it: every file is below DIR, nothing needs root, all ports
 *      are on 127.0.0.1 (N + 25, 587, 465, 110, 995, 143, 993; N is 2000 unless
 *      told otherwise), the domain is example.test, the certificate is made on
 *      the spot. `stop` ends it; `try` on the same DIR starts it again.
 *      `user` adds (or gives a new password to), deletes or lists the users in
 *      a password file; the password is one line of standard input. With app-add
 *      it makes an app password, which it shows once, with app-list and
 *      app-delete it lists and revokes them.
 *      `auth` shows which addresses and accounts have many wrong passwords,
 *      clears them, empties the cache of right passwords, forgets from which
 *      networks users are known, and tries a password (one line of standard
 *      input) as a login would, without its waits and without counting it;
 *      `who` lists live IMAP and POP3 sessions, `kick` ends those of a user or a network.
 *      `pw` makes and checks stored passwords, with doveadm pw's options.
 *      `import dovecot` turns Dovecot's configuration into main.cf parameters
 *      and lists what has no equal.
 *
 * SECURITY
 *      No set-id rights, no network. Passwords are stored as SHA512-CRYPT
 *      hashes in a file that only its owner may read.
 *
 * DIAGNOSTICS
 *      Exit status 0; 2 when an import left something to decide; 64 for a wrong
 *      command line, 75 from `pw`; 1 with one line on standard error for anything
 *      else.
 */
#include "base/num.h"
#include "base/str.h"
#include "import.h"
#include "postern.h"

enum { EXIT_USAGE = 64, PORT_BASE_MAX = 65535 - 995 };

static int usage(void)
{
    fprintf(stderr, "usage: postern try DIR [--port-base N]\n"
                    "       postern stop DIR\n"
                    "       postern user -c CONFDIR add|delete|list [NAME]\n"
                    "       postern user -c CONFDIR app-add USER NAME [--services LIST] [--networks LIST] [--days N]\n"
                    "       postern user -c CONFDIR app-list [USER]\n"
                    "       postern user -c CONFDIR app-delete USER NAME|--all\n"
                    "       postern auth [-c CONFDIR] [list | clear ADDRESS|NETWORK|USER|all | flush [USER] | forget USER|all | test USER [SERVICE [ADDRESS]] | who [USER] [NETWORK] | kick USER|NETWORK [NETWORK]]\n"
                    "       postern import dovecot [-c CONFDIR] [--from FILE|DIR|-] [--root DIR] [--write]\n"
                    "       postern pw [-l] [-V] [-p PASSWORD] [-r ROUNDS] [-s SCHEME] [-t {SCHEME}HASH] [-u USER]\n");
    return EXIT_USAGE;
}

static int report(int rc, const struct err *err)
{
    if (rc < 0)
        fprintf(stderr, "postern: fatal: %s\n", err->text);
    return rc < 0 ? EXIT_FAILURE : rc;
}

static int command_try(int argc, char **argv, struct err *err)
{
    const char *dir = NULL;
    uint32_t base = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--port-base") == 0 && i + 1 < argc) {
            if (!num_parse_u32(str_from(argv[++i]), PORT_BASE_MAX, &base) || base == 0) {
                fprintf(stderr, "postern: fatal: --port-base %s: a number from 1 to %d is needed\n", argv[i], PORT_BASE_MAX);
                return EXIT_USAGE;
            }
        } else if (argv[i][0] == '-' || dir != NULL) {
            return usage();
        } else {
            dir = argv[i];
        }
    }
    return dir == NULL ? usage() : report(try_start(dir, base, err), err);
}

static int command_app(const char *conf, int argc, char **argv, struct err *err)
{
    struct app_args a = { .action = argv[0], .services = "", .networks = "", .days = "" };
    const struct { const char *name; const char **value; } options[] = { { "--services", &a.services }, { "--networks", &a.networks }, { "--days", &a.days } };
    bool is_add = strcmp(a.action, "app-add") == 0, is_list = strcmp(a.action, "app-list") == 0;
    if (!is_add && !is_list && strcmp(a.action, "app-delete") != 0)
        return usage();
    for (int i = 1; i < argc; i++) {
        size_t o = 0;
        while (o < N_ELEMS(options) && strcmp(argv[i], options[o].name) != 0)
            o++;
        if (o < N_ELEMS(options) && is_add && i + 1 < argc)
            *options[o].value = argv[++i];
        else if (a.user == NULL && argv[i][0] != '-')
            a.user = argv[i];
        else if (a.name == NULL && !is_list && (argv[i][0] != '-' || (!is_add && strcmp(argv[i], "--all") == 0)))
            a.name = argv[i];
        else
            return usage();
    }
    if (!is_list && (a.user == NULL || a.name == NULL))
        return usage();
    return report(app_command(conf, &a, err), err);
}

static int command_user(int argc, char **argv, struct err *err)
{
    const char *conf = NULL, *action = NULL, *name = NULL;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            conf = argv[++i];
        else if (action == NULL && strncmp(argv[i], "app-", 4) == 0)
            return command_app(conf, argc - i, argv + i, err);
        else if (action == NULL)
            action = argv[i];
        else if (name == NULL)
            name = argv[i];
        else
            return usage();
    }
    if (action == NULL || (strcmp(action, "list") == 0) != (name == NULL))
        return usage();
    if (strcmp(action, "add") != 0 && strcmp(action, "delete") != 0 && strcmp(action, "list") != 0)
        return usage();
    return report(user_command(conf, action, name, err), err);
}

static int command_auth(int argc, char **argv, struct err *err)
{
    const char *conf = NULL;
    if (argc >= 2 && strcmp(argv[0], "-c") == 0) {
        conf = argv[1];
        argc -= 2;
        argv += 2;
    }
    int rc = auth_command(conf, argc, argv, err);
    return rc == AUTH_COMMAND_USAGE ? usage() : report(rc, err);
}

int main(int argc, char **argv)
{
    struct err err = { 0 };
    if (argc < 2)
        return usage();
    if (strcmp(argv[1], "try") == 0)
        return command_try(argc - 2, argv + 2, &err);
    if (strcmp(argv[1], "stop") == 0 && argc == 3)
        return report(try_stop(argv[2], &err), &err);
    if (strcmp(argv[1], "user") == 0)
        return command_user(argc - 2, argv + 2, &err);
    if (strcmp(argv[1], "auth") == 0)
        return command_auth(argc - 2, argv + 2, &err);
    if (strcmp(argv[1], "import") == 0) {
        int rc = import_command(argc - 2, argv + 2, &err);
        return rc == EXIT_USAGE ? usage() : report(rc, &err);
    }
    if (strcmp(argv[1], "pw") == 0)
        return pw_command(argc - 1, argv + 1);
    return usage();
}
