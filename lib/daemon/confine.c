/* SPDX-License-Identifier: ISC */
#include "base/log.h"
#include "daemon/skeleton.h"
#include "os/priv.h"
#include "os/proc.h"
#include <sys/stat.h>
#include <unistd.h>

static void refused_call(const char *call, int number)
{
    log_error("system call %s (%d) is not allowed in this role: the process ends", call, number);
}

/* Expand main.cf text and split it at blanks. */
static int add_paths(const char *text, unsigned access, const struct daemon_ctx *ctx, struct arena *a, struct sandbox_path *at,
                     size_t *n, size_t max, struct err *err)
{
    struct buf b = { 0 };
    if (text == NULL || config_expand(ctx->config, str_from(text), &b, err) != 0) {
        buf_done(&b);
        return text == NULL ? 0 : -1;
    }
    struct str rest = buf_str(&b), token;
    while (*n < max && str_token(&rest, " \t", &token))
        at[(*n)++] = (struct sandbox_path){ str_to_cstr(a, token), access };
    buf_done(&b);
    return 0;
}

#ifdef POSTERN_SANITIZED
/* What a sanitizer's report reads. */
static const char *const report_paths = "/proc /usr /lib /lib64 /etc";
#endif

static int enter_sandbox(const struct role_row *row, const struct daemon_ctx *ctx, const struct daemon_path_list *extra,
                         struct sandbox_report *ret, struct err *err)
{
    enum { MAX = 128 };
    struct sandbox_path paths[MAX];
    size_t n = 0;
    struct arena a = arena_make(1 << 20);
    int rc = add_paths(row->read, SANDBOX_READ, ctx, &a, paths, &n, MAX, err);
    if (rc == 0)
        rc = add_paths(row->write, SANDBOX_READ | SANDBOX_WRITE, ctx, &a, paths, &n, MAX, err);
    if (rc == 0 && row->sandbox == SANDBOX_WORKER)
        rc = add_paths("/usr /lib /lib64 /bin /sbin", SANDBOX_READ | SANDBOX_EXECUTE, ctx, &a, paths, &n, MAX, err);
#ifdef POSTERN_SANITIZED
    if (rc == 0)
        rc = add_paths(report_paths, SANDBOX_READ | SANDBOX_EXECUTE, ctx, &a, paths, &n, MAX, err);
#endif
    for (size_t i = 0; i < extra->v.n && n < MAX; i++)
        paths[n++] = (struct sandbox_path){ extra->v.p[i].path, extra->v.p[i].access };
    struct sandbox_plan plan = {
        .class = row->sandbox, .limit_paths = row->paths == PATHS_LISTED, .paths = paths, .n_paths = n,
        .tcp_connect = row->sandbox == SANDBOX_CLIENT || row->sandbox == SANDBOX_LOOKUP ||
                       row->sandbox == SANDBOX_WORKER,
        .on_refused = refused_call,
    };
    if (rc == 0)
        rc = sandbox_enter(&plan, ret, err);
    arena_done(&a);
    return rc;
}

static int check_empty_root(const char *dir, struct err *err)
{
    struct stat st;
    if (stat(dir, &st) != 0)
        return err_sys(err, ERR_CONFIG, "postern_empty_directory %s", dir);
    if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) != 0)
        return err_set(err, ERR_CONFIG, "postern_empty_directory %s: must be a directory that only root may write", dir);
    return 0;
}

static int find_account(const struct role_row *row, const struct daemon_ctx *ctx, struct priv_account *ret, struct err *err)
{
    struct buf name = { 0 };
    int rc = config_expand(ctx->config, str_from(row->user), &name, err);
    if (rc == 0)
        rc = priv_account_find(buf_cstr(&name), row->groups == GROUPS_OWN, ret, err);
    if (rc == 0 && ret->uid == 0)
        rc = err_set(err, ERR_CONFIG, "user %s of the %s role is root", buf_cstr(&name), role_name(row->role));
    if (rc == 0 && row->groups == GROUPS_SHADOW)
        priv_account_add_group(ret, "shadow");
    buf_done(&name);
    return rc;
}

int daemon_confine(const struct role_row *row, const struct daemon_ctx *ctx, const struct daemon_conf *conf,
                   const struct daemon_path_list *extra, struct sandbox_report *ret, struct err *err)
{
    char maildrop[4096];
    (void)snprintf(maildrop, sizeof maildrop, "%s/maildrop", conf->queue_directory);
    struct priv_account account = { 0 };
    struct priv_plan plan = { .keep_caps = row->caps, .starts_programs = row->sandbox == SANDBOX_NONE && row->role == ROLE_ACTOR };
    bool change = !ctx->private_instance;
    const char *root = row->root == ROOT_EMPTY ? conf->empty_directory : row->root == ROOT_MAILDROP ? maildrop : NULL;
    plan.cwd = row->root == ROOT_QUEUE ? conf->queue_directory : row->root == ROOT_MAILDROP && !change ? maildrop : NULL;
    if (change) {
        plan.root = root;
        if (row->root == ROOT_EMPTY && check_empty_root(root, err) != 0)
            return -1;
        if (row->user[0] != '\0') {
            if (find_account(row, ctx, &account, err) != 0)
                return -1;
            plan.account = &account;
        }
    } else {
        plan.keep_caps = 0;
    }
    if (row->root != ROOT_HOST && proc_check_no_dirs(DAEMON_FD_CONTROL, err) != 0)
        return -1;
    int rc = priv_drop(&plan, err);
    priv_account_done(&account);
    return rc != 0 ? -1 : enter_sandbox(row, ctx, extra, ret, err);
}
