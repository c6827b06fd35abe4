/* SPDX-License-Identifier: ISC
 *
 * A user's mail root: the location string, the root directory, STATUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "store/private.h"

enum { LOCK_SECONDS = 30 };
static const char usual_uses[] = "Drafts=\\Drafts, Sent=\\Sent, Junk=\\Junk, Trash=\\Trash, Archive=\\Archive";

/* %u user, %n part before @, %d part after it, %h home, and ~ at the beginning. */
static void expand(const struct store_conf *conf, struct str s, struct buf *out)
{
    struct str local, domain, user = str_from(conf->user);
    if (!str_cut(user, '@', &local, &domain))
        domain = STR("");
    const char *home = conf->home == NULL ? "" : conf->home;
    if (str_starts(s, STR("~/")) || str_eqz(s, "~")) {
        buf_puts(out, home);
        s = str_skip(s, 1);
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i], next = i + 1 < s.n ? s.p[i + 1] : '\0';
        if (c != '%' || strchr("undh%", next) == NULL || next == '\0') {
            buf_putc(out, c);
            continue;
        }
        struct str value = next == 'u' ? user : next == 'n' ? local : next == 'd' ? domain : next == 'h' ? str_from(home) : STR("%");
        buf_add(out, value);
        i++;
    }
}

static bool is_safe_path(struct str path)
{
    struct str part, rest = path;
    while (str_token(&rest, "/", &part))
        if (str_eqz(part, "..") || str_eqz(part, "."))
            return false;
    return path.n > 1 && path.n < 3000 && path.p[0] == '/' && str_chr(path, '\0') < 0;
}

static int set_path(const struct store_conf *conf, struct str text, char **ret, struct err *err)
{
    struct buf path = buf_make(4096);
    expand(conf, text, &path);
    while (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    bool ok = is_safe_path(buf_str(&path));
    if (ok)
        *ret = str_to_heap(buf_str(&path));
    else
        err_set(err, ERR_CONFIG, "mail location %.*s is not an absolute path without \"..\"", STR_FMT(buf_str(&path)));
    buf_done(&path);
    return ok ? 0 : -1;
}

/*
 * What Dovecot's location may say of its own index is nothing to us. An option that puts mail or UIDs
 * elsewhere is refused: passed over, it would make folders vanish or clients download everything again.
 */
static int check_option(struct store *s, const struct store_conf *conf, bool mbox, struct str option, struct err *err)
{
    static const char *const harmless[] = { "INDEX=", "INDEXPVT=", "INDEXCACHE=", "LISTINDEX=", "VOLATILEDIR=", "ITERINDEX", "NO-NOSELECT" };
    for (size_t i = 0; i < N_ELEMS(harmless); i++)
        if (str_starts(option, str_from(harmless[i])))
            return 0;
    if (str_ieqz(option, mbox ? "LAYOUT=fs" : "LAYOUT=maildir++"))
        return 0;
    if (!str_starts(option, STR("INBOX=")))
        return err_set(err, ERR_CONFIG, "mail location: option %.*s is not known", STR_FMT(option));
    char *inbox = NULL;
    if (set_path(conf, str_skip(option, 6), &inbox, err) < 0)
        return -1;
    if (mbox) {
        free(s->inbox_mbox);
        s->inbox_mbox = inbox;
        return 0;
    }
    bool same = strcmp(inbox, s->root) == 0;
    free(inbox);
    return same ? 0 : err_set(err, ERR_CONFIG, "mail location: the INBOX of a Maildir is the Maildir itself, not %.*s", STR_FMT(option));
}

/* "mbox:~/mail:INBOX=/var/mail/u": options follow the path. */
static int parse_location(struct store *s, const struct store_conf *conf, struct err *err)
{
    struct str path, options, option, location = str_from(conf->location);
    bool mbox = str_starts(location, STR("mbox:"));
    if (str_starts(location, STR("maildir:")))
        location = str_skip(location, 8);
    else if (mbox)
        location = str_skip(location, 5);
    else if (str_chr(location, ':') >= 0)
        return err_set(err, ERR_CONFIG, "mail location %.*s: only maildir: and mbox: are known", STR_FMT(location));
    str_cut(location, ':', &path, &options);
    if (set_path(conf, path, &s->root, err) < 0)
        return -1;
    while (str_token(&options, ":", &option))
        if (check_option(s, conf, mbox, option, err) < 0)
            return -1;
    if (mbox && s->inbox_mbox == NULL) {
        struct buf inbox = buf_make(4096);
        buf_printf(&inbox, "%s/inbox", s->root);
        s->inbox_mbox = str_to_heap(buf_str(&inbox));
        buf_done(&inbox);
    }
    return 0;
}

static int open_root(struct store *s, struct err *err)
{
    struct stat st;
    if (stat(s->root, &st) < 0 && fs_make_dirs(s->root, 0700, err) < 0)
        return -1;
    s->dir = fs_open_dir(AT_FDCWD, s->root);
    if (s->dir < 0)
        return err_sys(err, ERR_TEMP, "open %s", s->root);
    if (s->inbox_mbox == NULL && !folder_exists(s, "") && folder_make(s, "", err) < 0)
        return -1;
    return 0;
}

struct index *store_index(struct store *s)
{
    if (!s->index_tried)
        s->index = index_open(s->root, s->inbox_mbox != NULL);
    s->index_tried = true;
    return s->index;
}

struct store *store_open(const struct store_conf *conf, struct err *err)
{
    struct store *s = xcalloc(1, sizeof(*s));
    s->dir = -1;
    s->lock_seconds = conf->lock_seconds == 0 ? LOCK_SECONDS : conf->lock_seconds;
    s->message_limit = conf->message_limit;
    s->special_use = xstrdup(conf->special_use == NULL ? usual_uses : conf->special_use);
    if (parse_location(s, conf, err) == 0 && open_root(s, err) == 0)
        return s;
    store_close(s);
    return NULL;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    index_close(s->index);
    if (s->dir >= 0)
        close(s->dir);
    free(s->root);
    free(s->inbox_mbox);
    free(s->special_use);
    free(s);
}

enum store_result store_status(struct store *s, struct str name, bool want_vsize, struct box_status *ret, struct err *err)
{
    struct box *b;
    enum store_result result = box_open(s, name, BOX_READ_ONLY, &b, err);
    if (result != STORE_OK)
        return result;
    const struct box_head *head = box_head(b);
    struct box_status st = {
        .messages = (uint32_t)box_count(b), .recent = head->recent, .uidvalidity = head->uidvalidity,
        .uidnext = head->uidnext, .modseq = head->modseq,
    };
    for (size_t i = 0; i < box_count(b) && result == STORE_OK; i++) {
        const struct box_msg *m = &box_msgs(b)[i];
        uint64_t vsize = 0;
        st.unseen += (m->flags & FLAG_SEEN) == 0;
        st.deleted += (m->flags & FLAG_DELETED) != 0;
        if (want_vsize)
            result = box_vsize(b, i, &vsize, err);
        if (result == STORE_NOT_FOUND)      /* expunged meanwhile */
            result = STORE_OK;
        st.vsize += vsize;
    }
    box_close(b);
    if (result == STORE_OK)
        *ret = st;
    return result;
}
