/* SPDX-License-Identifier: ISC
 *
 * PAM as auth-worker will find it: the service's file and what it includes,
 * the modules it names, and whether a process without capabilities can read
 * shadow passwords.
 */
#include "base/buf.h"
#include "conf/lex.h"
#include "postfix.h"
#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAM_FILE_MAX = 1 << 20, PAM_DEPTH_MAX = 8, PATH_SIZE = 600 };
#define PAM_DIR "/etc/pam.d"

static const char *value_of(struct check *k, const char *name)
{
    struct err err;
    const char *value = config_get(k->config, name, &err);
    return value == NULL ? "" : value;
}

/* Named, or what is used when nothing is named and users have mailboxes here. */
static bool uses_pam(struct check *k)
{
    struct str rest = str_from(value_of(k, "postern_passdb")), word;
    if (rest.n == 0)
        return !k->is_private && *value_of(k, "postern_mailbox_services") != '\0';
    while (str_token(&rest, ", \t{}", &word))
        if (str_eqz(word, "pam") || str_starts(word, STR("pam:")))
            return true;
    return false;
}

static bool find_module(const char *name, char path[PATH_SIZE])
{
    static const char *const patterns[] = { "/lib/*/security/%s", "/usr/lib/*/security/%s", "/lib64/security/%s", "/usr/lib64/security/%s",
                                            "/lib/security/%s", "/usr/lib/security/%s" };
    bool found = name[0] == '/' && access(name, R_OK) == 0;
    if (found || name[0] == '/')
        return found && snprintf(path, PATH_SIZE, "%s", name) < PATH_SIZE;
    for (size_t i = 0; i < N_ELEMS(patterns) && !found; i++) {
        struct buf pattern = buf_make(PATH_SIZE);
        struct str before, after;
        glob_t g;
        (void)str_cut(str_from(patterns[i]), '%', &before, &after);
        buf_add(&pattern, before);
        buf_puts(&pattern, name);
        if (glob(buf_cstr(&pattern), 0, NULL, &g) == 0) {
            found = g.gl_pathc > 0 && snprintf(path, PATH_SIZE, "%s", g.gl_pathv[0]) < PATH_SIZE;
            globfree(&g);
        }
        buf_done(&pattern);
    }
    return found;
}

/* A module with a '-' before its type may be missing. */
static void check_module(struct check *k, const char *file, unsigned line, struct str name, bool may_miss)
{
    char module[256], path[PATH_SIZE];
    if (!str_to_fixed(name, module, sizeof module))
        return;
    if (!find_module(module, path)) {
        if (!may_miss)
            check_warn(k, "%s: line %u: there is no module %s: every login fails; install its package, or take the line out", file, line, module);
        return;
    }
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        check_warn(k, "%s: line %u: %s does not load: %s; install it again, or take the line out", file, line, module, dlerror());
    else
        (void)dlclose(handle);
}

struct pam_files { char names[PAM_DEPTH_MAX][256]; size_t n; };

static void include(struct check *k, const char *from, unsigned line, struct pam_files *files, struct str name)
{
    char path[256];
    if (!str_to_fixed(name, path, sizeof path))
        return;
    for (size_t i = 0; i < files->n; i++)
        if (strcmp(files->names[i], path) == 0)
            return;
    if (files->n == PAM_DEPTH_MAX)
        check_warn(k, "%s: line %u: more than %d files are included", from, line, PAM_DEPTH_MAX);
    else
        memcpy(files->names[files->n++], path, sizeof path);
}

/* The module after the control field, which may be [value=action ...]. */
static struct str module_of(struct str *rest)
{
    struct str word = STR("");
    *rest = str_trim(*rest);
    if (rest->n > 0 && rest->p[0] == '[')
        (void)str_cut(*rest, ']', &word, rest);
    else
        (void)str_token(rest, " \t", &word);
    struct str control = word;
    if (!str_token(rest, " \t", &word))
        word = STR("");
    if (str_eqz(control, "include") || str_eqz(control, "substack"))
        *rest = STR("include");
    return word;
}

static void check_line(struct check *k, const char *file, unsigned number, struct str line, struct pam_files *files)
{
    struct str type;
    ptrdiff_t comment = str_chr(line, '#');
    struct str rest = comment >= 0 ? str_head(line, (size_t)comment) : line;
    if (!str_token(&rest, " \t", &type))
        return;
    if (str_eqz(type, "@include")) {
        include(k, file, number, files, str_trim(rest));
        return;
    }
    bool may_miss = type.p[0] == '-';
    if (may_miss)
        type = str_skip(type, 1);
    if (!str_ieqz(type, "auth") && !str_ieqz(type, "account"))
        return;     /* passwords are not changed here, and sessions not opened */
    struct str module = module_of(&rest);
    if (module.n == 0)
        check_warn(k, "%s: line %u: no module is named", file, number);
    else if (str_eqz(rest, "include"))
        include(k, file, number, files, module);
    else
        check_module(k, file, number, module, may_miss);
}

static void check_file(struct check *k, const char *name, struct pam_files *files)
{
    char path[PATH_SIZE];
    struct buf text = buf_make(0);
    struct err err;
    if (snprintf(path, sizeof path, name[0] == '/' ? "%s" : PAM_DIR "/%s", name) >= (int)sizeof path)
        return;
    if (lex_read_file(path, PAM_FILE_MAX, &text, &err) < 0)
        check_warn(k, "%s; PAM refuses every login without it", err.text);
    struct str rest = buf_str(&text), line;
    for (unsigned number = 1; rest.n > 0; number++) {
        (void)str_cut(rest, '\n', &line, &rest);
        check_line(k, path, number, line, files);
    }
    buf_done(&text);
}

/* auth-worker has the group shadow, and nothing else. */
static void check_shadow(struct check *k)
{
    const struct group *gr = getgrnam("shadow");
    struct stat st;
    if (k->is_private || stat("/etc/shadow", &st) < 0)
        return;
    if (gr == NULL)
        check_warn(k, "there is no group shadow, by which auth-worker may read /etc/shadow: system users cannot log in; "
                      "correct it with \"groupadd --system shadow; chgrp shadow /etc/shadow; chmod 640 /etc/shadow\"");
    else if (st.st_gid != gr->gr_gid || (st.st_mode & S_IRGRP) == 0)
        check_warn(k, "/etc/shadow: not readable for group shadow: system users cannot log in; "
                      "correct it with \"chgrp shadow /etc/shadow; chmod 640 /etc/shadow\"");
}

void check_pam(struct check *k)
{
    const char *service = value_of(k, "postern_pam_service");
    struct pam_files files = { .n = 0 };
    char path[PATH_SIZE];
    if (!uses_pam(k))
        return;
    bool has = *service != '\0' && strchr(service, '/') == NULL && snprintf(path, sizeof path, PAM_DIR "/%s", service) < (int)sizeof path &&
               access(path, F_OK) == 0;
    if (!has)
        check_warn(k, "%s/%s: there is no such file, and PAM takes %s/other; make it, with the lines "
                      "\"@include common-auth\" and \"@include common-account\", or set postern_pam_service", PAM_DIR, service, PAM_DIR);
    include(k, "", 0, &files, str_from(has ? service : "other"));
    for (size_t i = 0; i < files.n; i++)
        check_file(k, files.names[i], &files);
    check_shadow(k);
}
