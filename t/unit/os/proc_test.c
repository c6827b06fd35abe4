/* SPDX-License-Identifier: ISC */
#include "os/proc.h"
#include "tap.h"
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(const char *script, const int *fds, size_t n)
{
    char sh[] = "/bin/sh", flag[] = "-c", copy[512], home[] = "ONLY=this";
    (void)snprintf(copy, sizeof copy, "%s", script);
    char *argv[] = { sh, flag, copy, NULL }, *env[] = { home, NULL };
    struct proc_plan plan = { .path = sh, .argv = argv, .env = env, .fds = fds, .n_fds = n, .std_out = -1 };
    struct err err = { 0 };
    int status = -1;
    pid_t pid = proc_start(&plan, &err);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}

static void test_start(void)
{
    int p[2];
    char text[16] = "";
    if (pipe2(p, O_CLOEXEC) != 0)
        abort();
    OK(run("echo hello >&3", &p[1], 1) == 0 && read(p[0], text, sizeof text) == 6 && memcmp(text, "hello\n", 6) == 0, "the first descriptor is 3 in the child");
    OK(run("test ! -e /proc/self/fd/4", &p[1], 1) == 0, "there is no other one");
    OK(run("test \"$ONLY\" = this -a -z \"$PATH_OF_PARENT$HOME\"", NULL, 0) == 0, "the environment is what was given");
    OK(run("test \"$(readlink /proc/self/fd/0)\" = /dev/null", NULL, 0) == 0, "standard input is /dev/null");
    int swapped[2] = { p[1], p[0] };
    OK(run("echo again >&3", swapped, 2) == 0, "descriptors are placed whatever their numbers were");
    (void)close(p[0]);
    (void)close(p[1]);
}

static void test_status(void)
{
    struct buf b = { 0 };
    proc_describe_status(run("exit 3", NULL, 0), &b);
    OK(str_eqz(buf_str(&b), "exit status 3"), "an exit status is told");
    buf_reset(&b);
    proc_describe_status(run("kill -9 $$", NULL, 0), &b);
    OK(str_eqz(buf_str(&b), "killed by signal 9"), "a signal is told");
    buf_done(&b);
    char missing[] = "/nonexistent/program", *argv[] = { missing, NULL };
    struct proc_plan plan = { .path = missing, .argv = argv, .env = argv + 1, .std_out = -1 };
    struct err err = { 0 };
    int status = 0;
    pid_t pid = proc_start(&plan, &err);
    OK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 127, "a program that is not there is status 127");
}

static void test_dirs(void)
{
    struct err err = { 0 };
    OK(proc_check_no_dirs(3, &err) == 0, "without directories the check passes");
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    OK(proc_check_no_dirs(3, &err) != 0 && strstr(err.text, "directory") != NULL, "an open directory is found");
    (void)close(fd);
    fd = open("/etc/passwd", O_PATH | O_CLOEXEC);
    OK(proc_check_no_dirs(3, &err) != 0 && strstr(err.text, "path") != NULL, "a path descriptor is found");
    (void)close(fd);
    OK(proc_check_no_dirs(3, &err) == 0, "and both are forgotten when closed");
}

int main(void)
{
    test_start();
    test_status();
    test_dirs();
    return tap_done();
}
