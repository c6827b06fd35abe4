/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     lookup - the system's users and groups for confined daemons
 *
 * DESCRIPTION
 *     Answers TABLE_GET: table 0 is unix:passwd.byname, table 1 is
 *     unix:group.byname; the value is the entry in the form of passwd(5) or
 *     group(5) with "*" for the password. The name service may be slow: it is
 *     asked by threads, and a confined daemon gets its temporary failure in
 *     time whatever the name service does.
 *
 * SECURITY
 *     Runs as postern_lookup_user in the host's root, where it may read what
 *     the name service needs. Clients are confined daemons; a question is a
 *     name of at most 256 bytes without ':' or '/', and no other table than
 *     these two can be asked for. Verifiers never pass through here: the
 *     password field is not read, and this user may not read shadow.
 *
 * DIAGNOSTICS
 *     A lookup that fails (name service down) is answered as temporary.
 */
#include "base/log.h"
#include "daemon/daemon.h"
#include "event/offload.h"
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

enum { NAME_MOST = 256, ENTRY_MOST = 65536, JOBS_MOST = 1000 };
enum table { TABLE_PASSWD, TABLE_GROUP, TABLES };

struct client { struct chan *chan; unsigned refs; };
struct ask {
    struct job job;
    struct client *client;
    uint32_t id;
    enum table table;
    char name[NAME_MOST + 1];
    uint32_t result;
    char *room;             /* of getpwnam_r */
    char value[ENTRY_MOST / 2];
};

static size_t asks;

static void client_unref(struct client *c)
{
    if (--c->refs == 0)
        free(c);
}

/* ---- on a thread ---- */

static uint32_t outcome(int rc, bool found)
{
    if (found)
        return DAEMON_LOOKUP_FOUND;
    return rc == 0 || rc == ENOENT || rc == ESRCH || rc == EBADF || rc == EPERM ? DAEMON_LOOKUP_NONE : DAEMON_LOOKUP_TEMP;
}

static void find_user(struct ask *q)
{
    struct passwd entry, *pw = NULL;
    int rc = getpwnam_r(q->name, &entry, q->room, ENTRY_MOST, &pw);
    q->result = outcome(rc, pw != NULL);
    if (pw != NULL)
        (void)snprintf(q->value, sizeof q->value, "%s:*:%lu:%lu:%s:%s:%s", pw->pw_name, (unsigned long)pw->pw_uid,
                       (unsigned long)pw->pw_gid, pw->pw_gecos, pw->pw_dir, pw->pw_shell);
    else if (q->result == DAEMON_LOOKUP_TEMP)
        (void)snprintf(q->value, sizeof q->value, "passwd.byname: %s", strerror(rc));
}

static void find_group(struct ask *q)
{
    struct group entry, *gr = NULL;
    int rc = getgrnam_r(q->name, &entry, q->room, ENTRY_MOST, &gr);
    q->result = outcome(rc, gr != NULL);
    if (gr == NULL) {
        if (q->result == DAEMON_LOOKUP_TEMP)
            (void)snprintf(q->value, sizeof q->value, "group.byname: %s", strerror(rc));
        return;
    }
    int n = snprintf(q->value, sizeof q->value, "%s:*:%lu:", gr->gr_name, (unsigned long)gr->gr_gid);
    size_t at = n < 0 ? 0 : (size_t)n;
    for (size_t i = 0; gr->gr_mem[i] != NULL && at < sizeof q->value; i++) {
        n = snprintf(q->value + at, sizeof q->value - at, "%s%s", i == 0 ? "" : ",", gr->gr_mem[i]);
        at += n < 0 ? 0 : (size_t)n;
    }
}

static void find(struct job *job)
{
    struct ask *q = container_of(job, struct ask, job);
    if (q->table == TABLE_PASSWD)
        find_user(q);
    else
        find_group(q);
}

/* ---- on the loop ---- */

static void found(struct job *job)
{
    struct ask *q = container_of(job, struct ask, job);
    const struct ipc_table_value answer = { .result = q->result, .value = str_from(q->value) };
    if (q->client->chan != NULL)
        (void)chan_send(q->client->chan, IPC_TABLE_VALUE, q->id, &answer);
    client_unref(q->client);
    free(q->room);
    free(q);
    asks--;
}

static void answer_at_once(struct chan *c, uint32_t id, uint32_t result, const char *text)
{
    const struct ipc_table_value answer = { .result = result, .value = str_from(text) };
    (void)chan_send(c, IPC_TABLE_VALUE, id, &answer);
}

static bool name_is_good(struct str name)
{
    return name.n > 0 && name.n <= NAME_MOST && memchr(name.p, 0, name.n) == NULL && str_chr(name, ':') < 0 && str_chr(name, '/') < 0;
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    const struct ipc_table_get *get = msg;
    if (type != IPC_TABLE_GET)
        return;
    if (get->table >= TABLES || !name_is_good(get->key)) {
        answer_at_once(c, id, get->table >= TABLES ? DAEMON_LOOKUP_TEMP : DAEMON_LOOKUP_NONE, get->table >= TABLES ? "no such table" : "");
        return;
    }
    if (asks >= JOBS_MOST) {
        answer_at_once(c, id, DAEMON_LOOKUP_TEMP, "too many lookups at once");
        return;
    }
    struct ask *q = xcalloc(1, sizeof *q);
    q->client = chan_user(c);
    q->client->refs++;
    q->id = id;
    q->table = (enum table)get->table;
    q->room = xmalloc(ENTRY_MOST);
    (void)str_to_fixed(get->key, q->name, sizeof q->name);
    asks++;
    offload_submit(&q->job, find, found);
}

static void on_closed(struct chan *c)
{
    struct client *client = chan_user(c);
    client->chan = NULL;
    client_unref(client);
    chan_free(c);
}

static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };

static void on_peer(const struct ipc_peer *peer, int fd)
{
    struct client *client = xcalloc(1, sizeof *client);
    client->refs = 1;
    client->chan = daemon_chan(peer, fd, &ops, client);
}

/* The name service's modules are loaded while everything may still be read. */
static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    (void)d;
    (void)err;
    (void)getpwnam("root");
    (void)getgrnam("root");
    return 0;
}

static bool idle(void) { return asks == 0; }
static void start(const struct daemon_ctx *d) { (void)d; }

static const struct param_table no_params = { NULL, 0 };
static const struct role_ops role = {
    .role = ROLE_LOOKUP, .params = &no_params, .before_drop = before_drop, .start = start, .on_peer = on_peer, .idle = idle,
};

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, "lookup", &role, 1);
}
