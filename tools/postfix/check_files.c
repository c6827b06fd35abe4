/* SPDX-License-Identifier: ISC
 *
 * Users, certificates and the queue's directories.
 */
#include "base/buf.h"
#include "base/vec.h"
#include "conf/sni.h"
#include "postfix.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *value_of(struct check *k, const char *name)
{
    struct err err;
    const char *value = config_get(k->config, name, &err);
    return value == NULL ? "" : value;
}

static const char *where_of(struct check *k, const char *name)
{
    const char *where = config_where(k->config, name);
    return *where == '\0' ? "default" : where;
}

/* ---- users ---- */

static const char *const users[] = {
    "mail_owner", "postern_log_user", "postern_smtpd_user", "postern_submit_user", "postern_out_user", "postern_login_user",
    "postern_hub_user", "postern_auth_user", "postern_lookup_user", "postern_dns_user", "postern_keys_user",
};

static void check_users(struct check *k)
{
    if (k->is_private)
        return;
    for (size_t i = 0; i < N_ELEMS(users); i++) {
        const char *name = value_of(k, users[i]);
        const struct passwd *pw = *name == '\0' ? NULL : getpwnam(name);
        if (*name == '\0')
            continue;
        if (pw == NULL)
            check_fatal(k, "%s: %s = %s: there is no such user; make it with \"useradd --system --shell /usr/sbin/nologin %s\"",
                        where_of(k, users[i]), users[i], name, name);
        else if (pw->pw_uid == 0)
            check_fatal(k, "%s: %s = %s: this user has uid 0; name one without rights", where_of(k, users[i]), users[i], name);
    }
    const char *group = value_of(k, "setgid_group");
    if (getgrnam(group) == NULL)
        check_fatal(k, "%s: setgid_group = %s: there is no such group; make it with \"groupadd --system %s\"",
                    where_of(k, "setgid_group"), group, group);
}

/* ---- certificates ---- */

static const char *const pem_files[] = {
    "smtpd_tls_cert_file", "smtpd_tls_key_file", "smtpd_tls_chain_files", "smtpd_tls_CAfile", "smtp_tls_cert_file", "smtp_tls_key_file",
    "smtp_tls_CAfile", "lmtp_tls_cert_file", "lmtp_tls_key_file", "lmtp_tls_CAfile", "smtpd_tls_eccert_file", "smtpd_tls_eckey_file",
    "smtp_tls_chain_files", "lmtp_tls_chain_files", "postern_tls_cert_file", "postern_tls_key_file", "postern_tls_chain_files",
    "postern_tls_eccert_file", "postern_tls_eckey_file", "smtp_tls_eccert_file", "smtp_tls_eckey_file", "lmtp_tls_eccert_file", "lmtp_tls_eckey_file",
};

static bool has_pem(int fd)
{
    enum { ENOUGH = 65536 };
    struct buf text = buf_make(0);
    ssize_t n = read(fd, buf_room(&text, ENOUGH), ENOUGH);
    buf_added(&text, n > 0 ? (size_t)n : 0);
    bool has = str_find(buf_str(&text), STR("-----BEGIN ")) >= 0;
    buf_done(&text);
    return has;
}

static void check_pem(struct check *k, const char *where, const char *param, struct str file)
{
    char path[PATH_MAX];
    if (!str_to_fixed(file, path, sizeof path) || str_eqz(file, "none"))
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        check_fatal(k, "%s: %s = %s: %s; put the PEM file there, or correct or remove the parameter", where, param, path, strerror(errno));
    else if (!has_pem(fd))
        check_fatal(k, "%s: %s = %s: this is no PEM file", where, param, path);
    if (fd >= 0)
        (void)close(fd);
}

static void check_names(struct check *k, const char *param)
{
    struct err err;
    const char *name, *files;
    struct sni *s = sni_load(value_of(k, param), &err);
    if (s == NULL)
        check_fatal(k, "%s: %s: %s", where_of(k, param), param, err.text);
    for (size_t i = 0; s != NULL && (name = sni_at(s, i, &files)) != NULL; i++) {
        struct str rest = str_from(files), word;
        while (str_token(&rest, " ", &word))
            check_pem(k, where_of(k, param), param, word);
    }
    sni_free(s);
}

static void check_certificates(struct check *k)
{
    for (size_t i = 0; i < N_ELEMS(pem_files); i++) {
        struct str rest = str_from(value_of(k, pem_files[i])), word;
        while (str_token(&rest, ", \t\r\n", &word))
            check_pem(k, where_of(k, pem_files[i]), pem_files[i], word);
    }
    check_names(k, "tls_server_sni_maps");
    if (config_raw(k->config, "postern_tls_sni_maps") != NULL)
        check_names(k, "postern_tls_sni_maps");
}

/* ---- the queue ---- */

static const char *const queue_dirs[] = {
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace", "maildrop", "public",
};

static void check_queue_dir(struct check *k, const char *queue, const char *name, const struct passwd *owner)
{
    char path[PATH_MAX];
    struct stat st;
    if (snprintf(path, sizeof path, "%s/%s", queue, name) >= (int)sizeof path || stat(path, &st) < 0) {
        if (errno != ENOENT)
            check_fatal(k, "%s: %s", path, strerror(errno));
        return;     /* start makes it */
    }
    if (!S_ISDIR(st.st_mode))
        check_fatal(k, "%s: not a directory; move it away, and start makes a new one", path);
    else if (owner != NULL && st.st_uid != owner->pw_uid)
        check_fatal(k, "%s: not owned by %s; correct it with \"chown -R %s %s\"", path, owner->pw_name, owner->pw_name, path);
    else if (access(path, R_OK | W_OK | X_OK) < 0)
        check_fatal(k, "%s: %s; it must be readable and writable for its owner (chmod u+rwx)", path, strerror(errno));
}

static void check_queue(struct check *k)
{
    const char *queue = value_of(k, "queue_directory");
    const struct passwd *owner = k->is_private ? NULL : getpwnam(value_of(k, "mail_owner"));
    struct stat st;
    if (*queue != '/')
        check_fatal(k, "%s: queue_directory = %s: an absolute path is needed", where_of(k, "queue_directory"), queue);
    else if (stat(queue, &st) < 0 && errno != ENOENT)
        check_fatal(k, "%s: queue_directory = %s: %s", where_of(k, "queue_directory"), queue, strerror(errno));
    else if (stat(queue, &st) == 0 && !S_ISDIR(st.st_mode))
        check_fatal(k, "%s: queue_directory = %s: not a directory", where_of(k, "queue_directory"), queue);
    else
        for (size_t i = 0; i < N_ELEMS(queue_dirs); i++)
            check_queue_dir(k, queue, queue_dirs[i], owner);
}

/* ---- the configuration's own files ---- */

static void check_own_files(struct check *k)
{
    static const char *const names[] = { "main.cf", "master.cf" };
    char path[PATH_MAX];
    struct stat st;
    for (size_t i = 0; i < N_ELEMS(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", config_dir(k->config), names[i]);
        if (stat(path, &st) < 0)
            continue;
        if ((st.st_mode & 022) != 0)
            check_warn(k, "%s: group or other writable; correct it with \"chmod go-w %s\"", path, path);
        if (!k->is_private && st.st_uid != 0)
            check_warn(k, "%s: not owned by root; correct it with \"chown root %s\"", path, path);
    }
}

void check_files(struct check *k)
{
    check_own_files(k);
    check_users(k);
    check_certificates(k);
    check_queue(k);
}
