/* SPDX-License-Identifier: ISC */
#include "password.h"
#include "base/enc.h"
#include <termios.h>
#include <unistd.h>

/* Without the end of the line. False: there is no line. */
static int read_line(char line[PASSWORD_MAX + 2], bool *ret_there, struct err *err)
{
    *ret_there = fgets(line, PASSWORD_MAX + 2, stdin) != NULL;
    size_t n = *ret_there ? strcspn(line, "\n") : 0;
    if (*ret_there && line[n] != '\n' && n > PASSWORD_MAX)
        return err_set(err, ERR_PERM, "the password is longer than %d bytes", PASSWORD_MAX);
    line[n] = '\0';
    if (n > 0 && line[n - 1] == '\r')
        line[n - 1] = '\0';
    return 0;
}

static int ask_terminal(const char *prompt, char line[PASSWORD_MAX + 2], struct err *err)
{
    struct termios old, quiet;
    bool changed = tcgetattr(STDIN_FILENO, &old) == 0, there;
    if (changed) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    fprintf(stderr, "%s: ", prompt);
    int rc = read_line(line, &there, err);
    if (changed)
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
    fprintf(stderr, "\n");
    return rc;
}

int password_ask(const char *prompt, bool twice, char ret[PASSWORD_MAX + 2], struct err *err)
{
    char again[PASSWORD_MAX + 2];
    bool tty = isatty(STDIN_FILENO) == 1, compare = twice, there;
    int rc = tty ? ask_terminal(prompt, ret, err) : read_line(ret, &there, err);
    if (rc == 0 && twice && tty) {
        rc = ask_terminal("Again", again, err);
    } else if (rc == 0 && twice) {
        rc = read_line(again, &there, err);
        compare = there;
    }
    if (rc == 0 && compare && strcmp(ret, again) != 0)
        rc = err_set(err, ERR_PERM, "the two passwords are not the same");
    secret_wipe(again, sizeof again);
    return rc;
}
