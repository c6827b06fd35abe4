/* SPDX-License-Identifier: ISC */
#include "base/buf.h"
#include "base/num.h"
#include "conf/param.h"
#include "conf/save.h"
#include "postern.h"
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* FULL_MAX: the longest name of a directory whose sockets have names that fit, and its end. */
enum { DEFAULT_PORT_BASE = 2000, LONGEST_SOCKET = 40, FULL_MAX = sizeof((struct sockaddr_un *)NULL)->sun_path - LONGEST_SOCKET + 1 };

static const struct { const char *name; mode_t mode; } dirs[] = {
    { "", 0755 }, { "/etc", 0755 }, { "/etc/tls", 0755 }, { "/spool", 0755 }, { "/lib", 0755 }, { "/lib/empty", 0755 },
    { "/log", 0755 }, { "/mail", 0755 },
};

static int make_dirs(const char *dir, struct err *err)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < N_ELEMS(dirs); i++) {
        (void)snprintf(path, sizeof path, "%s%s", dir, dirs[i].name);
        if (mkdir(path, dirs[i].mode) < 0 && errno != EEXIST)
            return err_sys(err, ERR_PERM, "make directory %s", path);
    }
    return 0;
}

/* Only a new or empty directory becomes an instance. */
static int refuse_foreign(const char *dir, struct err *err)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return errno == ENOENT ? 0 : err_sys(err, ERR_PERM, "%s", dir);
    int others = 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        others += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    (void)closedir(d);
    return others == 0 ? 0 : err_set(err, ERR_PERM, "%s is not empty and has no etc/main.cf: name a new directory", dir);
}

static int save(const char *dir, const char *name, struct str text, unsigned mode, struct err *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/etc/%s", dir, name);
    return conf_save(path, text, mode, err);
}

static int write_files(const struct instance *i, struct err *err)
{
    static const struct { const char *name; unsigned mode; struct str text; } fixed[] = {
        { "aliases", 0644, STR_INIT("# aliases(5) of addresses @localhost and @mail.example.test\nroot: postmaster@example.test\npostmaster: postmaster@example.test\n") },
        { "mailboxes", 0644, STR_INIT("# address mailbox, kept by \"postern user\"\n") },
        { "virtual", 0644, STR_INIT("# virtual(5) aliases of example.test; \"postern user\" makes the first user postmaster\n") },
        { "senders", 0644, STR_INIT("# who may send as what: /address/ login\n/^([^@+]+)(\\+[^@]*)?@example\\.test$/ $1\n") },
        { "passwd", 0600, STR_INIT("") },
    };
    struct buf text = buf_make(0);
    int rc = 0;
    for (size_t n = 0; rc == 0 && n < N_ELEMS(fixed); n++)
        rc = save(i->dir, fixed[n].name, fixed[n].text, fixed[n].mode, err);
    instance_master_cf(i, &text);
    if (rc == 0)
        rc = save(i->dir, "master.cf", buf_str(&text), 0644, err);
    buf_reset(&text);
    instance_main_cf(i, &text);
    if (rc == 0)        /* last: its presence says that the instance is whole */
        rc = save(i->dir, "main.cf", buf_str(&text), 0644, err);
    buf_done(&text);
    return rc;
}

static int make_instance(const char *dir, unsigned port_base, struct err *err)
{
    struct instance i = { .dir = dir, .port_base = port_base, .uid = geteuid(), .gid = getegid() };
    const struct passwd *pw = getpwuid(geteuid());
    if (pw == NULL)
        return err_set(err, ERR_PERM, "uid %lu has no name in the system's users", i.uid);
    i.user = pw->pw_name;
    const struct group *gr = getgrgid(getegid());
    i.group = gr == NULL ? "nogroup" : gr->gr_name;
    struct buf cert = buf_make(0), key = buf_make(0);
    buf_printf(&cert, "%s/etc/tls/cert.pem", dir);
    buf_printf(&key, "%s/etc/tls/key.pem", dir);
    int rc = refuse_foreign(dir, err);
    if (rc == 0)
        rc = make_dirs(dir, err);
    if (rc == 0)
        rc = cert_make("mail.example.test", buf_cstr(&cert), buf_cstr(&key), err);
    buf_done(&cert);
    buf_done(&key);
    return rc < 0 ? -1 : write_files(&i, err);
}

/* The absolute name of a directory that need not exist yet. */
static int absolute(const char *dir, char ret[FULL_MAX], struct err *err)
{
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return err_sys(err, ERR_PERM, "make directory %s", dir);
    char *full = realpath(dir, NULL);
    if (full == NULL)
        return err_sys(err, ERR_PERM, "%s", dir);
    int rc = 0;
    if (strpbrk(full, " \t\n\"'$#,{}") != NULL)
        rc = err_set(err, ERR_PERM, "%s: the name has characters that mean something in main.cf; choose another one", full);
    else if (!str_to_fixed(str_from(full), ret, FULL_MAX))
        rc = err_set(err, ERR_PERM, "%s: the name is too long for the sockets below it; choose a shorter one", full);
    free(full);
    return rc;
}

static int check_port_base(const char *etc, unsigned asked, unsigned *ret, struct err *err)
{
    struct config *c = config_load(etc, err);
    if (c == NULL)
        return -1;
    uint32_t made = 0;
    const char *text = config_raw(c, "postern_port_base");
    if (text != NULL)
        (void)num_parse_u32(str_from(text), 65535, &made);
    config_free(c);
    if (asked != 0 && made != 0 && asked != made)
        return err_set(err, ERR_CONFIG, "%s was made with --port-base %u; use another directory for %u", etc, made, asked);
    *ret = made;
    return 0;
}

static void say_how(const char *dir, unsigned n)
{
    printf("instance  %s (configuration in %s/etc, log in %s/log/mail.log)\n", dir, dir, dir);
    printf("SMTP      127.0.0.1:%u\n", n + 25);
    printf("submit    127.0.0.1:%u (STARTTLS), 127.0.0.1:%u (TLS)\n", n + 587, n + 465);
    printf("IMAP      127.0.0.1:%u (TLS), 127.0.0.1:%u (STARTTLS)\n", n + 993, n + 143);
    printf("POP3      127.0.0.1:%u (TLS), 127.0.0.1:%u (STLS)\n", n + 995, n + 110);
    printf("add users with: postern user -c %s/etc add NAME\n", dir);
}

int run_postfix(const char *config_dir, const char *command, struct err *err)
{
    static const char sibling[] = "/postfix";
    char path[PATH_MAX + sizeof sibling];
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (n < 0)
        return err_sys(err, ERR_PERM, "/proc/self/exe");
    path[n] = '\0';
    memcpy(strrchr(path, '/'), sibling, sizeof sibling);
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(err, ERR_TEMP, "fork");
    if (pid == 0) {
        if (strcmp(command, "status") == 0 && freopen("/dev/null", "w", stderr) == NULL)
            _exit(127);
        (void)execl(path, "postfix", "-c", config_dir, command, (char *)NULL);
        _exit(127);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_sys(err, ERR_TEMP, "wait");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int try_start(const char *dir, unsigned port_base, struct err *err)
{
    char full[FULL_MAX], etc[FULL_MAX + 8], main_cf[FULL_MAX + 16];
    unsigned base = port_base == 0 ? DEFAULT_PORT_BASE : port_base;
    if (absolute(dir, full, err) < 0)
        return -1;
    (void)snprintf(etc, sizeof etc, "%s/etc", full);
    (void)snprintf(main_cf, sizeof main_cf, "%s/main.cf", etc);
    int rc = access(main_cf, F_OK) < 0 ? make_instance(full, base, err) : check_port_base(etc, port_base, &base, err);
    if (rc < 0)
        return -1;
    if (run_postfix(etc, "status", err) == 0) {
        printf("already running\n");
        say_how(full, base);
        return 0;
    }
    rc = run_postfix(etc, "start", err);
    if (rc != 0)
        return rc < 0 ? -1 : err_set(err, ERR_PERM, "the instance in %s did not start; see the lines above and %s/log/mail.log", full, full);
    say_how(full, base);
    return 0;
}

int try_stop(const char *dir, struct err *err)
{
    char etc[PATH_MAX];
    if (snprintf(etc, sizeof etc, "%s/etc", dir) >= (int)sizeof etc || access(etc, X_OK) < 0)
        return err_sys(err, ERR_PERM, "%s is no instance", dir);
    if (run_postfix(etc, "status", err) != 0) {
        printf("not running\n");
        return 0;
    }
    return run_postfix(etc, "stop", err);
}
