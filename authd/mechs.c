/* SPDX-License-Identifier: ISC */
#include "mechs.h"
#include "base/enc.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

static struct { const struct mech_row *rows[MECHS_MAX]; struct mech_usual usual[MECHS_MAX]; size_t n; } mechs;

static bool is_listed(const struct mech_row *row)
{
    for (size_t i = 0; i < mechs.n; i++)
        if (mechs.rows[i] == row)
            return true;
    return false;
}

static const struct mech_row *plus_of(const struct mech_row *row)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s-PLUS", row->name);
    return row->digest == NULL || row->binds ? NULL : mech_find(str_from(name));
}

static int choose(struct err *err)
{
    struct str rest = str_from(authd()->conf.mechanisms), word;
    while (str_token(&rest, ", \t", &word)) {
        const struct mech_row *row = mech_find(word), *plus = row == NULL ? NULL : plus_of(row);
        if (row == NULL)
            return err_set(err, ERR_CONFIG, "postern_auth_mechanisms: \"%.*s\" is not one of: plain, login, scram-sha-256, scram-sha-1, xoauth2, "
                           "oauthbearer, external, cram-md5", STR_FMT(word));
        if (plus != NULL && !is_listed(plus))
            mechs.rows[mechs.n++] = plus;
        if (is_listed(row))
            return err_set(err, ERR_CONFIG, "postern_auth_mechanisms: \"%.*s\" is named twice", STR_FMT(word));
        mechs.rows[mechs.n++] = row;
    }
    if (mechs.n == 0)
        return err_set(err, ERR_CONFIG, "postern_auth_mechanisms: names no mechanism");
    if (mechs_needs(NEED_CERT) && !authd()->conf.username_from_cert)
        return err_set(err, ERR_CONFIG, "postern_auth_mechanisms: external needs postern_auth_ssl_username_from_cert = yes");
    return 0;
}

static bool read_key(int fd, uint8_t key[MECH_KEY_SIZE])
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) == 0 && read(fd, key, MECH_KEY_SIZE) == MECH_KEY_SIZE;
}

/*
 * The salt that SCRAM shows for users who have none must outlive the process:
 * one that changes at a restart tells them from those who exist. Without a
 * place to keep it, it lives as long as authd.
 */
static void keep_key(const char *directory)
{
    uint8_t *key = authd()->mech_key;
    int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = dir < 0 ? -1 : openat(dir, "auth_salt_key", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 && read_key(fd, key);
    int why = errno;
    if (!ok && getrandom(key, MECH_KEY_SIZE, 0) != MECH_KEY_SIZE)
        log_fatal("no randomness for the salt of SCRAM");
    if (fd < 0 && dir >= 0 && why == ENOENT) {
        fd = openat(dir, "auth_salt_key", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        ok = fd >= 0 && write(fd, key, MECH_KEY_SIZE) == MECH_KEY_SIZE && fsync(fd) == 0;
    }
    if (!ok)
        log_warning("%s/auth_salt_key: cannot be used: SCRAM shows other salts for unknown users after a restart", directory);
    if (fd >= 0)
        close(fd);
    if (dir >= 0)
        close(dir);
}

int mechs_open(const char *data_directory, struct err *err)
{
    if (choose(err) < 0)
        return -1;
    if (mechs_needs(NEED_SECRET))
        keep_key(data_directory);
    if (gethostname(authd()->hostname, sizeof authd()->hostname - 1) != 0)
        (void)snprintf(authd()->hostname, sizeof authd()->hostname, "localhost");
    return 0;
}

static bool is_for(const struct stream *s, const struct mech_row *row)
{
    return stream_kind(s) != STREAM_PUBLIC || (!row->binds && (row->need != NEED_CERT || stream_is_trusted(s)));
}

const struct mech_row *mechs_find(const struct stream *s, struct str name)
{
    const struct mech_row *row = mech_find(name);
    return row != NULL && is_listed(row) && is_for(s, row) ? row : NULL;
}

struct mech_usual *mechs_usual(const struct mech_row *row)
{
    for (size_t i = 0; i < mechs.n; i++)
        if (mechs.rows[i] == row)
            return &mechs.usual[i];
    return NULL;
}

size_t mechs_list(const struct stream *s, const char *ret_rows[MECHS_MAX][2])
{
    size_t n = 0;
    for (size_t i = 0; i < mechs.n; i++) {
        if (!is_for(s, mechs.rows[i]))
            continue;
        ret_rows[n][0] = mechs.rows[i]->name;
        ret_rows[n++][1] = mechs.rows[i]->flags;
    }
    return n;
}

bool mechs_has_plus(const struct mech_row *row)
{
    const struct mech_row *plus = plus_of(row);
    return plus != NULL && is_listed(plus);
}

bool mechs_needs(enum mech_need need)
{
    for (size_t i = 0; i < mechs.n; i++)
        if (mechs.rows[i]->need == need)
            return true;
    return false;
}
