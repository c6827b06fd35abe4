/* SPDX-License-Identifier: ISC */
#include "session.h"
#include "os/clock.h"
#include "tap.h"
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE = 3 << 20, READ_AT_ONCE = 65536, READ_PAUSE_US = 20000 };

/* A minute passes with every tick. */
static int64_t passed;
static void tick(int signo)
{
    (void)signo;
    clock_shift_for_test(passed += 60000);
}

static void read_slowly(int fd)
{
    static char bytes[READ_AT_ONCE];
    size_t total = 0;
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0) {
        total += (size_t)n;
        usleep(READ_PAUSE_US);
    }
    _exit(total == MESSAGE ? 0 : 1);
}

int main(void)
{
    int fds[2], status = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        return 1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        read_slowly(fds[1]);
    }
    close(fds[1]);
    struct io io;
    io_init(&io, fds[0], STR(""));
    char *message = xcalloc(1, MESSAGE);
    memset(message, 'x', MESSAGE);
    struct itimerval every = { { 0, 15000 }, { 0, 15000 } }, never = { { 0, 0 }, { 0, 0 } };
    (void)signal(SIGALRM, tick);
    (void)setitimer(ITIMER_REAL, &every, NULL);
    int64_t start = clock_mono_ms();
    io_put_body(&io, str_make(message, MESSAGE));
    (void)setitimer(ITIMER_REAL, &never, NULL);
    OK(clock_mono_ms() - start > 600000 && !io.broken, "a client that takes ten minutes for a message gets it");
    io_done(&io);
    OK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "all of it");
    free(message);
    return tap_done();
}
