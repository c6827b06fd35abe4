/* SPDX-License-Identifier: ISC */
#include "instance.h"
#include "base/num.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const pid_file = "pid/master.pid";
static int lock_fd = -1;

enum who { ROOT, OWNER, DROP };
/* Postfix's directories, owners and modes. */
static const struct { const char *name; mode_t mode; enum who who; } dirs[] = {
    { "active", 0700, OWNER }, { "bounce", 0700, OWNER }, { "corrupt", 0700, OWNER }, { "defer", 0700, OWNER },
    { "deferred", 0700, OWNER }, { "flush", 0700, OWNER }, { "hold", 0700, OWNER }, { "incoming", 0700, OWNER },
    { "private", 0700, OWNER }, { "saved", 0700, OWNER }, { "trace", 0700, OWNER },
    { "maildrop", 0730, DROP }, { "public", 0710, DROP }, { "pid", 0755, ROOT },
};

static int make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid, struct err *err)
{
    if (mkdir(path, 0700) != 0) {
        struct stat st;
        if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            return 0;
        return err_sys(err, ERR_CONFIG, "make directory %s", path);
    }
    if ((uid != (uid_t)-1 || gid != (gid_t)-1) && chown(path, uid, gid) != 0)
        return err_sys(err, ERR_CONFIG, "chown %s", path);
    return chmod(path, mode) == 0 ? 0 : err_sys(err, ERR_CONFIG, "chmod %s", path);
}

/* With all parents. */
static int make_path(const char *path, mode_t mode, uid_t uid, gid_t gid, struct err *err)
{
    char part[4096];
    if (!str_to_fixed(str_from(path), part, sizeof part))
        return err_set(err, ERR_CONFIG, "%s: path is too long", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (make_dir(part, 0755, (uid_t)-1, (gid_t)-1, err) != 0)
            return -1;
        *slash = '/';
    }
    return make_dir(path, mode, uid, gid, err);
}

int instance_make_dirs(const struct instance_plan *plan, struct err *err)
{
    bool private = plan->owner == (uid_t)-1;
    if (make_path(plan->queue_directory, 0755, (uid_t)-1, (gid_t)-1, err) != 0 ||
        make_path(plan->data_directory, 0700, plan->owner, plan->owner_gid, err) != 0 ||
        (!private && make_path(plan->empty_directory, 0755, (uid_t)-1, (gid_t)-1, err) != 0))
        return -1;
    if (chdir(plan->queue_directory) != 0)
        return err_sys(err, ERR_CONFIG, "queue_directory %s", plan->queue_directory);
    for (size_t i = 0; i < N_ELEMS(dirs); i++) {
        uid_t uid = private || dirs[i].who == ROOT ? (uid_t)-1 : plan->owner;
        gid_t gid = private || dirs[i].who == ROOT ? (gid_t)-1 : dirs[i].who == DROP ? plan->drop_gid : plan->owner_gid;
        if (make_dir(dirs[i].name, dirs[i].mode, uid, gid, err) != 0)
            return -1;
    }
    return 0;
}

static pid_t read_pid(int fd)
{
    char text[64];
    uint32_t pid = 0;
    ssize_t n = pread(fd, text, sizeof text, 0);
    if (n > 0 && num_parse_u32(str_trim(str_make(text, (size_t)n)), INT32_MAX, &pid))
        return (pid_t)pid;
    return 0;
}

int instance_lock(struct err *err, pid_t *ret_pid)
{
    *ret_pid = 0;
    int fd = open(pid_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "open lock file %s", pid_file);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        *ret_pid = read_pid(fd);
        (void)close(fd);
        return err_set(err, ERR_TEMP, "the Postfix mail system is already running: pid %ld", (long)*ret_pid);
    }
    lock_fd = fd;
    return 0;
}

int instance_write_pid(struct err *err)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%20ld\n", (long)getpid());
    if (ftruncate(lock_fd, 0) != 0 || pwrite(lock_fd, text, (size_t)n, 0) != n)
        return err_sys(err, ERR_CONFIG, "write %s", pid_file);
    return 0;
}

bool instance_is_running(const char *queue_directory)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", queue_directory, pid_file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool running = flock(fd, LOCK_SH | LOCK_NB) != 0;
    (void)close(fd);
    return running;
}

int instance_daemonize(struct err *err)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC) != 0)
        return err_sys(err, ERR_TEMP, "pipe");
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(err, ERR_TEMP, "fork");
    if (pid > 0) {
        char verdict = 1;
        (void)close(p[1]);
        if (read(p[0], &verdict, 1) != 1)
            verdict = 1;
        _exit(verdict);
    }
    (void)close(p[0]);
    (void)setsid();
    return p[1];
}
