/* SPDX-License-Identifier: ISC
 *
 * NAME
 *      deliver-router - decides what local delivery means
 *
 * DESCRIPTION
 *      Takes qmgr's orders for the transports local, virtual and pipe. It looks
 *      addresses up in aliases(5) and the virtual mailbox tables, reads users'
 *      .forward files through a process of that user, and turns each recipient
 *      into actions (a mailbox, a file, a command) that actors do as the user
 *      whose mail it is, or into a new message for other addresses, which
 *      replaces the recipient. It also answers qmgr where an address goes.
 *
 * SECURITY
 *      Runs as mail_owner, reads tables, writes no file and starts no program.
 *      It parses addresses, aliases and, of messages, the Delivered-To header
 *      fields. Commands and file names come from aliases and .forward files
 *      only, never from qmgr.
 *
 * DIAGNOSTICS
 *      One line for each recipient, as postfix/local, postfix/virtual or
 *      postfix/pipe.
 */
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "router.h"
#include "map/map.h"

static struct router self;
const struct router *const router = &self;

#define ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct router_conf, k, m, name, def, lo, hi, doc)
static const struct param router_rows[] = { ROUTER_PARAMS(ROW) };
static const struct param_table router_params = { router_rows, N_ELEMS(router_rows) };
#define RESOLVE_ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct resolve_conf, k, m, name, def, lo, hi, doc)
static const struct param resolve_rows[] = { RESOLVE_PARAMS(RESOLVE_ROW) };
static const struct param_table resolve_params = { resolve_rows, N_ELEMS(resolve_rows) };

#define INTAKE_ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct intake_conf, k, m, name, def, lo, hi, doc)
static const struct param intake_rows[] = { INTAKE_PARAMS(INTAKE_ROW) };
static const struct param_table intake_params = { intake_rows, N_ELEMS(intake_rows) };

static int open_list(const char *specs, unsigned flags, struct map_list **ret, struct err *err)
{
    *ret = map_list_open(specs, flags, self.config, err);
    return *ret == NULL ? -1 : 0;
}

/* Debian: /var/mail is root:mail and group-writable. */
static void look_at_spool(void)
{
    struct stat st;
    if (stat(self.conf.mail_spool_directory, &st) == 0 && (st.st_mode & S_IWGRP) != 0 && (st.st_mode & S_IWOTH) == 0)
        self.spool_gid = st.st_gid;
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    self.config = d->config;
    self.queue_directory = d->queue_directory;
    self.private_instance = d->private_instance;
    look_at_spool();
    self.own_uid = geteuid();
    self.own_gid = getegid();
    map_set_connect(daemon_connect);
    if (config_fill(self.config, &resolve_params, &self.resolve_conf, err) < 0
        || config_fill(self.config, &intake_params, &self.intake_conf, err) < 0)
        return -1;
    self.resolve = resolve_open(&self.resolve_conf, self.config, err);
    if (self.resolve == NULL)
        return -1;
    self.expand = expand_open(&self.intake_conf, &self.resolve_conf, self.resolve, self.config, err);
    if (self.expand == NULL || open_list(self.conf.mailbox_maps, 0, &self.mailbox_maps, err) < 0
        || open_list(self.conf.uid_maps, 0, &self.uid_maps, err) < 0 || open_list(self.conf.gid_maps, 0, &self.gid_maps, err) < 0
        || open_list(self.conf.alias_maps, 0, &self.alias_maps, err) < 0)
        return -1;
    self.mydestination = match_list_open(self.conf.mydestination, MATCH_STRINGS, self.config, err);
    return self.mydestination == NULL ? -1 : pipe_load(d->config, err);
}

static void start(const struct daemon_ctx *d)
{
    (void)d;
    actors_start();
}

static void on_peer(const struct ipc_peer *peer, int fd)
{
    if (peer->role == ROLE_QMGR)
        orders_peer(peer, fd);
    else if (peer->role == ROLE_ACTOR)
        actors_peer(peer, fd);
    else if (peer->role == ROLE_HUB)
        hub_peer(peer, fd);
    else
        close(fd);
}

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_ROUTER, .params = &router_params, .conf = &self.conf, .before_drop = before_drop, .start = start, .on_peer = on_peer, .idle = orders_idle },
    };
    return daemon_main(argc, argv, "deliver-router", roles, N_ELEMS(roles));
}
