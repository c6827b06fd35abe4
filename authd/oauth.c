/* SPDX-License-Identifier: ISC */
#include "oauth.h"
#include "auth/jwt.h"
#include "base/htab.h"
#include "mechs.h"
#include "os/sandbox.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { LOOK_EVERY_MS = 5000, NAMES_MAX = 64 };

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct oauth_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { OAUTH2_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

static struct {
    struct jwt_keys *keys;
    uint32_t algorithms;
    int dir;                    /* of the key files; -1: none */
    char only[256];             /* the one file, "" = all of the directory */
    uint64_t seen;              /* what the files looked like when they were read */
    int64_t looked_at;
} self = { .dir = -1 };

/* ---- keys ---- */

static bool is_key_file(const char *name)
{
    return self.only[0] != '\0' ? strcmp(name, self.only) == 0 : name[0] != '.' && name[strlen(name) - 1] != '~';
}

/* Changes when a file comes, goes or is written. */
static uint64_t look(DIR *dir)
{
    uint64_t sum = 1;
    struct stat st;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        if (is_key_file(e->d_name) && fstatat(self.dir, e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            sum += htab_hash(str_from(e->d_name)) ^ (uint64_t)st.st_size ^ ((uint64_t)st.st_ino << 20) ^
                   ((uint64_t)st.st_mtim.tv_sec * 1000000007 + (uint64_t)st.st_mtim.tv_nsec) * 31;
    rewinddir(dir);
    return sum;
}

static int add_file(struct jwt_keys *keys, const char *name, struct err *err)
{
    struct buf text = buf_make(JWT_FILE_MAX + 1);
    char *room = buf_room(&text, JWT_FILE_MAX + 1);
    int fd = openat(self.dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 || room == NULL ? -1 : read(fd, room, JWT_FILE_MAX + 1);
    int rc = n < 0 ? err_sys(err, ERR_CONFIG, "%s", name) : jwt_keys_add(keys, name, str_make(room, (size_t)n), err);
    if (fd >= 0)
        close(fd);
    buf_done(&text);
    return rc;
}

static void read_files(DIR *dir, struct jwt_keys *keys)
{
    size_t n = 0;
    struct stat st;
    struct err err = { 0 };
    for (const struct dirent *e; (e = readdir(dir)) != NULL && n < NAMES_MAX;)
        if (is_key_file(e->d_name) && fstatat(self.dir, e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode)) {
            n++;
            if (add_file(keys, e->d_name, &err) < 0)
                log_warning("postern_oauth2_local_keys: %s", err.text);
        }
}

/* A directory without a usable key keeps the ones from before: a file that is being replaced must not lock everybody out. */
static void refresh(void)
{
    if (self.dir < 0 || (self.looked_at != 0 && loop_now() - self.looked_at < LOOK_EVERY_MS))
        return;
    self.looked_at = loop_now();
    int fd = openat(self.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        log_warning("postern_oauth2_local_keys: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return;
    }
    uint64_t now = look(dir);
    if (now != self.seen) {
        struct jwt_keys *keys = jwt_keys_new();
        read_files(dir, keys);
        self.seen = now;
        if (jwt_keys_count(keys) > 0 || self.keys == NULL) {
            jwt_keys_free(self.keys);
            self.keys = keys;
        } else {
            jwt_keys_free(keys);
        }
        log_info("postern_oauth2_local_keys: %zu keys", jwt_keys_count(self.keys));
    }
    closedir(dir);
}

/* ---- asking ---- */

static void on_introspected(struct pool_task *task, enum ipc_type type, const void *msg)
{
    struct token_ask *t = container_of(task, struct token_ask, task);
    const struct ipc_introspected *a = type == IPC_INTROSPECTED ? msg : NULL;
    t->in_work = false;
    if (a == NULL) {
        t->done(t, TOKEN_UNKNOWN, STR(""), "no answer from the auth worker");
        return;
    }
    struct str user = str_dup(t->arena, a->user);
    const char *why = str_to_cstr(t->arena, a->text);
    bool holds = a->verdict == TOKEN_HOLDS && user.n > 0;
    t->done(t, holds ? TOKEN_HOLDS : a->verdict == TOKEN_REFUSED ? TOKEN_REFUSED : TOKEN_UNKNOWN, user, why == NULL ? "" : why);
}

static void introspect(struct token_ask *t)
{
    t->message = (struct ipc_introspect){ .token = t->token };
    t->task = (struct pool_task){ .kind = POOL_PAM, .type = IPC_INTROSPECT, .ask = &t->message, .client = t->remote, .on_end = on_introspected };
    t->in_work = true;
    if (pool_start(&t->task))
        return;
    t->in_work = false;
    t->done(t, TOKEN_UNKNOWN, STR(""), "too many checks are waiting for a worker");
}

void token_ask(struct token_ask *t)
{
    const struct oauth_conf *c = &authd()->oauth;
    struct token_policy policy = oauth_policy(c, false);
    struct str user = STR("");
    struct json claims;
    const char *why = "no keys for tokens";
    refresh();
    bool is_signed = self.keys != NULL && jwt_verify(t->token, self.keys, self.algorithms, t->arena, &claims, &why);
    if (is_signed) {
        bool holds = token_claims_check(&policy, claims, clock_wall_ms() / 1000, t->arena, &user, &why);
        t->done(t, holds ? TOKEN_HOLDS : TOKEN_REFUSED, user, why);
    } else if (c->introspection_url[0] != '\0') {
        introspect(t);
    } else {
        t->done(t, self.keys == NULL ? TOKEN_UNKNOWN : TOKEN_REFUSED, user, why);
    }
}

void token_cancel(struct token_ask *t)
{
    if (t->in_work)
        pool_stop(&t->task);
    t->in_work = false;
}

/* ---- start ---- */

static int choose_algorithms(const char *words, struct err *err)
{
    struct str rest = str_from(words), word;
    while (str_token(&rest, ", \t", &word)) {
        enum jwt_alg alg = jwt_alg_by_name(word);
        if (alg == JWT_ALGS)
            return err_set(err, ERR_CONFIG, "postern_oauth2_algorithms: \"%.*s\" is not one of RS256, PS256, ES256 ... EdDSA, HS256", STR_FMT(word));
        self.algorithms |= 1u << alg;
    }
    return 0;
}

static int open_keys(const char *path, struct err *err)
{
    struct stat st;
    char parent[4096];
    struct str whole = str_from(path);
    ptrdiff_t slash = str_rchr(whole, '/');
    if (path[0] != '/' || stat(path, &st) != 0)
        return path[0] != '/' ? err_set(err, ERR_CONFIG, "postern_oauth2_local_keys: needs an absolute path, not \"%s\"", path)
                              : err_sys(err, ERR_CONFIG, "postern_oauth2_local_keys: %s", path);
    bool is_dir = S_ISDIR(st.st_mode);
    struct str dir = is_dir ? whole : str_head(whole, slash == 0 ? 1 : (size_t)slash);
    if (!str_to_fixed(dir, parent, sizeof parent) || (!is_dir && !str_to_fixed(str_skip(whole, (size_t)slash + 1), self.only, sizeof self.only)))
        return err_set(err, ERR_CONFIG, "postern_oauth2_local_keys: the path is too long");
    self.dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self.dir < 0)
        return err_sys(err, ERR_CONFIG, "postern_oauth2_local_keys: %s", parent);
    daemon_allow_path(parent, SANDBOX_READ);
    return 0;
}

int oauth_open(const struct daemon_ctx *d, struct err *err)
{
    struct oauth_conf *c = &authd()->oauth;
    config_register(d->config, &params);
    if (config_fill(d->config, &params, c, err) != 0 || choose_algorithms(c->algorithms, err) < 0)
        return -1;
    if (c->keys[0] != '\0' && open_keys(c->keys, err) < 0)
        return -1;
    if (mechs_needs(NEED_TOKEN) && c->keys[0] == '\0' && c->introspection_url[0] == '\0')
        return err_set(err, ERR_CONFIG, "postern_auth_mechanisms: xoauth2 and oauthbearer need postern_oauth2_local_keys or postern_oauth2_introspection_url");
    return 0;
}
