/* SPDX-License-Identifier: ISC */
#include "queue/qid.h"

static const char digits52[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
enum { LONG_SEC = 6, LONG_USEC = 4 };

void qid_make_short(uint64_t wall_us, uint64_t number, char ret[QID_MAX + 1])
{
    (void)snprintf(ret, QID_MAX + 1, "%05X%llX", (unsigned)(wall_us % 1000000), (unsigned long long)(number & 0xffffffffffu));
}

/* At least `width` digits of v in that base, most significant first. */
static size_t put_base(char *to, uint64_t v, unsigned base, size_t width)
{
    char back[16];
    size_t n = 0;
    while (n < sizeof back && (v > 0 || n < width)) {
        back[n++] = digits52[v % base];
        v /= base;
    }
    for (size_t i = 0; i < n; i++)
        to[i] = back[n - 1 - i];
    return n;
}

void qid_make_long(uint64_t wall_us, uint64_t number, char ret[QID_MAX + 1])
{
    size_t n = put_base(ret, wall_us / 1000000, 52, LONG_SEC);
    n += put_base(ret + n, wall_us % 1000000, 52, LONG_USEC);
    ret[n++] = 'z';
    n += put_base(ret + n, number & 0xffffffffffffu, 51, 1);
    ret[n] = '\0';
}

bool qid_is_valid(struct str id)
{
    if (id.n < 6 || id.n > QID_MAX)
        return false;
    for (size_t i = 0; i < id.n; i++)
        if (!ascii_is_alnum(id.p[i]))
            return false;
    return true;
}

bool qid_queue_is_hashed(const char *queue) { return strcmp(queue, "deferred") == 0 || strcmp(queue, "defer") == 0; }

static char hash_digit(const char *id)
{
    ptrdiff_t z = str_rchr(str_from(id), 'z');
    if (z < LONG_SEC + LONG_USEC)
        return ascii_is_alnum(id[0]) ? id[0] : '_';
    unsigned usec = 0;
    for (ptrdiff_t i = z - LONG_USEC; i < z; i++) {
        const char *at = strchr(digits52, id[i]);
        usec = usec * 52 + (at == NULL ? 0 : (unsigned)(at - digits52));
    }
    return "0123456789ABCDEF"[usec >> 16 & 15];
}

void qid_dir(const char *queue, const char *id, char ret[QPATH_MAX])
{
    if (qid_queue_is_hashed(queue))
        (void)snprintf(ret, QPATH_MAX, "%s/%c", queue, hash_digit(id));
    else
        (void)snprintf(ret, QPATH_MAX, "%s", queue);
}

void qid_path(const char *queue, const char *id, const char *suffix, char ret[QPATH_MAX])
{
    char dir[QPATH_MAX];
    qid_dir(queue, id, dir);
    (void)snprintf(ret, QPATH_MAX, "%.24s/%.40s%.8s", dir, id, suffix);
}
