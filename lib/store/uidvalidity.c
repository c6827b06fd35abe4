/* SPDX-License-Identifier: ISC
 *
 * dovecot-uidvalidity holds the last value given, as 8 hex digits; the value
 * is claimed by renaming the empty file dovecot-uidvalidity.<8 hex>, which
 * only one process can do.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/num.h"
#include "os/clock.h"
#include "store/private.h"

static const char file_name[] = "dovecot-uidvalidity";

static bool suffix_value(const char *name, uint32_t *ret)
{
    struct str s = str_from(name);
    uint64_t v;
    if (!str_starts(s, STR("dovecot-uidvalidity.")) || s.n != sizeof(file_name) + 8
        || !num_parse_hex(str_skip(s, sizeof(file_name)), UINT32_MAX, &v))
        return false;
    *ret = (uint32_t)v;
    return true;
}

/* The highest suffix, 0 if there is none. */
static uint32_t find_suffix(int root)
{
    uint32_t best = 0, v;
    int fd = fs_open_dir(root, ".");
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL)
        return 0;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        if (suffix_value(e->d_name, &v) && v > best)
            best = v;
    closedir(d);
    return best;
}

static bool claim(int root, uint32_t old, uint32_t value)
{
    char from[64], to[64];
    snprintf(from, sizeof(from), "%s.%08x", file_name, old);
    snprintf(to, sizeof(to), "%s.%08x", file_name, value);
    if (old != 0)
        return renameat(root, from, root, to) == 0;
    int fd = openat(root, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

int uidvalidity_next(struct store *s, uint32_t *ret, struct err *err)
{
    for (int tries = 0; tries < 20; tries++) {
        uint32_t old = find_suffix(s->dir);
        uint32_t value = old != 0 ? old + 1 : (uint32_t)(clock_wall_ms() / 1000);
        if (value == 0)
            value = 1;
        if (!claim(s->dir, old, value))
            continue;
        char text[16];
        int n = snprintf(text, sizeof(text), "%08x", value);
        if (fs_replace(s->dir, file_name, str_make(text, (size_t)n), 0600, err) < 0)
            return -1;
        *ret = value;
        return 0;
    }
    return err_sys(err, ERR_TEMP, "%s/%s: cannot claim a new UIDVALIDITY", s->root, file_name);
}
