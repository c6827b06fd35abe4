/* SPDX-License-Identifier: ISC
 *
 * Dovecot's settings as rows: what each becomes, or what its absence means for
 * users.
 */
#include "base/num.h"
#include "import.h"
#include <grp.h>
#include <pwd.h>

enum how {
    COPY,       /* the value as it is */
    BOOL,       /* yes or no */
    INVERSE,    /* no or yes */
    SECONDS,    /* a time; a bare number is seconds */
    MINUTES_BARE, /* a time; a bare number is minutes */
    NUMBER,
    CALL,       /* the row's function */
    LATER,      /* read by a function at the end */
    FREE,       /* no effect */
    DIFF,       /* differs */
    DECIDE,     /* must decide */
    IF_YES,     /* must decide when yes, else no effect */
};
/* scope: "" top (and protocols), or the section's name. name: the setting or section; "x*": all that begin with x. text: what the note says. */
struct rule { const char *scope, *name; enum how how; const char *target, *text; void (*call)(struct import *im, size_t at); };

/* ---- what rows say ---- */

#define SPEED "tuning that this system does without"
#define LOGS "what is logged is fixed here"
#define SIEVE "Sieve is not run: mail that scripts file, forward or answer stays in the inbox"
#define QUOTA "quotas are not enforced: mailboxes may grow past them"
#define ACL "shared mailboxes and their rights are not served: users see their own mailboxes only"
#define FTS "there is no search index to configure; searching works, reading the messages"
#define REPLICA "mailboxes are not replicated: the other server is no longer kept in step"
#define INTERNAL "internal to Dovecot"

static void plugins(struct import *im, size_t at);
static void username_chars(struct import *im, size_t at);
static void owner(struct import *im, size_t at);
static void listen_on(struct import *im, size_t at);
static void connections(struct import *im, size_t at);
static void uidl(struct import *im, size_t at);
static void capability(struct import *im, size_t at);
static void log_path(struct import *im, size_t at);
static void failure_delay(struct import *im, size_t at);
static void first_uid(struct import *im, size_t at);
static void tls_mode(struct import *im, size_t at);

static const struct rule rules[] = {
    /* authentication */
    { "", "auth_mechanisms", CALL, NULL, NULL, import_mechanisms },
    { "", "passdb", CALL, NULL, NULL, import_passdb },
    { "", "userdb", CALL, NULL, NULL, import_userdb },
    { "", "auth_username_format", COPY, "postern_auth_username_format", NULL, NULL },
    { "", "auth_username_chars", CALL, NULL, NULL, username_chars },
    { "", "auth_username_translation", COPY, "postern_auth_username_translation", NULL, NULL },
    { "", "auth_default_realm", COPY, "postern_auth_default_realm", NULL, NULL },
    { "", "auth_default_domain", COPY, "postern_auth_default_realm", NULL, NULL },
    { "", "auth_realms", FREE, NULL, "only mechanisms that are not offered use realms", NULL },
    { "", "auth_master_user_separator", COPY, "postern_auth_master_user_separator", NULL, NULL },
    { "", "auth_cache_ttl", SECONDS, "postern_auth_cache_ttl", NULL, NULL },
    { "", "auth_cache_size", FREE, NULL, "the cache counts users, not bytes (postern_auth_cache_size)", NULL },
    { "", "auth_cache_*", FREE, NULL, "only passwords that were right are remembered", NULL },
    { "", "auth_failure_delay", CALL, NULL, NULL, failure_delay },
    { "", "auth_internal_failure_delay", FREE, NULL, SPEED, NULL },
    { "", "auth_worker_max_count", NUMBER, "postern_auth_worker_limit", NULL, NULL },
    { "", "auth_request_max_count", FREE, NULL, SPEED, NULL },
    { "", "auth_allow_cleartext", INVERSE, "postern_disable_plaintext_auth", NULL, NULL },
    { "", "disable_plaintext_auth", BOOL, "postern_disable_plaintext_auth", NULL, NULL },
    { "", "auth_allow_weak_schemes", BOOL, "postern_auth_allow_weak_schemes", NULL, NULL },
    { "", "auth_verbose*", FREE, NULL, LOGS, NULL },
    { "", "auth_debug*", FREE, NULL, LOGS, NULL },
    { "", "auth_policy_*", DECIDE, NULL, "no policy server is asked about logins; the built-in limits on guessing apply", NULL },
    { "", "auth_ssl_require_client_cert", IF_YES, NULL, "client certificates are not required: users without one can log in", NULL },
    { "", "auth_ssl_username_from_cert", IF_YES, NULL, "the user name is not taken from the client's certificate, except by the mechanism EXTERNAL", NULL },
    { "", "auth_gssapi_*", DECIDE, NULL, "GSSAPI (Kerberos) is not offered: these clients need a password", NULL },
    { "", "auth_krb5_keytab", DECIDE, NULL, "GSSAPI (Kerberos) is not offered: these clients need a password", NULL },
    { "", "auth_use_winbind", IF_YES, NULL, "NTLM is not offered: these clients need another mechanism", NULL },
    { "", "auth_winbind_*", FREE, NULL, "NTLM is not offered", NULL },
    { "", "auth_use_worker", FREE, NULL, SPEED, NULL },
    { "", "auth_*", FREE, NULL, INTERNAL, NULL },
    { "", "oauth2*", DECIDE, NULL, "token validation is set by postern_oauth2 parameters (postconf(5)): carry the key or the introspection address over by hand", NULL },
    /* SQL and LDAP of the second generation are read by passdb and userdb */
    { "", "sql_driver", LATER, NULL, NULL, NULL }, { "", "mysql*", LATER, NULL, NULL, NULL }, { "", "pgsql*", LATER, NULL, NULL, NULL },
    { "", "sqlite*", LATER, NULL, NULL, NULL }, { "", "ldap*", LATER, NULL, NULL, NULL },
    { "", "passdb_default_password_scheme", LATER, NULL, NULL, NULL },
    { "", "passwd_file_path", LATER, NULL, NULL, NULL },
    { "", "cassandra*", DECIDE, NULL, "Cassandra is not a database of users here", NULL },
    /* mail storage */
    { "", "mail_location", CALL, NULL, NULL, import_location },
    { "", "mail_driver", LATER, NULL, NULL, NULL }, { "", "mail_path", LATER, NULL, NULL, NULL }, { "", "mail_inbox_path", LATER, NULL, NULL, NULL },
    { "", "mail_index_path", FREE, NULL, "the index lies beside the mail, and is made anew", NULL },
    { "", "mail_cache_path", FREE, NULL, "the index lies beside the mail, and is made anew", NULL },
    { "", "mail_control_path", DECIDE, NULL, "UIDs are kept beside the mail: move dovecot-uidlist of each mailbox there, or clients download everything again", NULL },
    { "", "mailbox_list_layout", LATER, NULL, NULL, NULL },
    { "", "mail_home", COPY, "postern_mail_home", NULL, NULL },
    { "", "mail_uid", CALL, NULL, NULL, owner },
    { "", "mail_gid", CALL, NULL, NULL, owner },
    { "", "first_valid_uid", CALL, NULL, NULL, first_uid },
    { "", "last_valid_uid", FREE, NULL, "there is no upper limit", NULL },
    { "", "first_valid_gid", FREE, NULL, "only gid 0 is refused", NULL },
    { "", "last_valid_gid", FREE, NULL, "there is no upper limit", NULL },
    { "", "mail_privileged_group", DIFF, NULL, "sessions have the user's own groups only: make the mail directory writable for them, or let mbox locks be fcntl's", NULL },
    { "", "mail_access_groups", DECIDE, NULL, "sessions have the user's own groups only: mail that only these groups may read is not served", NULL },
    { "", "mail_plugins", CALL, NULL, NULL, plugins },
    { "", "mail_plugin_dir", FREE, NULL, INTERNAL, NULL },
    { "", "mail_max_userip_connections", CALL, NULL, NULL, connections },
    { "", "mail_nfs_storage", IF_YES, NULL, "mail on NFS that several hosts write is not supported", NULL },
    { "", "mail_nfs_index", FREE, NULL, "the index lies beside the mail, and is made anew", NULL },
    { "", "mail_full_filesystem_access", IF_YES, NULL, "names of mailboxes are never paths", NULL },
    { "", "mail_chroot", DECIDE, NULL, "sessions are confined by Landlock, not by a chroot: paths are those of the whole system", NULL },
    { "", "valid_chroot_dirs", FREE, NULL, "sessions are confined by Landlock, not by a chroot", NULL },
    { "", "mail_attachment_*", DECIDE, NULL, "attachments that Dovecot keeps outside of the messages cannot be read", NULL },
    { "", "mail_attribute*", DIFF, NULL, "METADATA is not served", NULL },
    { "", "mail_server_*", DIFF, NULL, "METADATA is not served", NULL },
    { "", "mail_crypt*", DECIDE, NULL, "encrypted messages cannot be read: decrypt them with Dovecot first", NULL },
    { "", "mail_compress*", DECIDE, NULL, "compressed messages are not read: decompress them with Dovecot first", NULL },
    { "", "maildir_broken_filename_sizes", FREE, NULL, "sizes are taken from the files", NULL },
    { "", "mail_*", FREE, NULL, SPEED, NULL }, { "", "maildir_*", FREE, NULL, SPEED, NULL }, { "", "mbox_*", FREE, NULL, "mbox files are locked in Debian's order: fcntl, then a dotlock", NULL },
    { "", "mdbox_*", FREE, NULL, INTERNAL, NULL }, { "", "dbox_*", FREE, NULL, INTERNAL, NULL },
    { "", "mmap_disable", FREE, NULL, SPEED, NULL }, { "", "lock_method", FREE, NULL, SPEED, NULL }, { "", "dotlock_*", FREE, NULL, SPEED, NULL },
    { "", "namespace", CALL, NULL, NULL, import_namespace },
    { "", "mailbox_*", FREE, NULL, SPEED, NULL },
    { "", "mailbox", DIFF, NULL, "mailboxes outside of a namespace are not read", NULL },
    { "", "recipient_delimiter", COPY, "recipient_delimiter", NULL, NULL },
    /* network */
    { "", "protocols", CALL, NULL, NULL, import_protocols },
    { "", "service", CALL, NULL, NULL, import_service },
    { "", "listen", CALL, NULL, NULL, listen_on },
    { "", "haproxy_*", DECIDE, NULL, "HAProxy's protocol is not read on IMAP and POP3 ports: clients would be seen with the proxy's address, and refused", NULL },
    { "", "login_trusted_networks", DIFF, NULL, "no host speaks for its clients: a webmail's logins count, and are logged, with its own address", NULL },
    { "", "login_greeting", COPY, "postern_login_greeting", NULL, NULL },
    { "", "login_access_sockets", DECIDE, NULL, "hosts.allow and hosts.deny are not asked: use the packet filter or allow_nets", NULL },
    { "", "login_log_format*", FREE, NULL, LOGS, NULL },
    { "", "login_proxy_*", FREE, NULL, "only for proxying", NULL }, { "", "login_source_ips", FREE, NULL, "only for proxying", NULL },
    { "", "login_plugin*", DECIDE, NULL, "plugins of Dovecot cannot be loaded", NULL },
    { "", "login_*", FREE, NULL, INTERNAL, NULL },
    { "", "director_*", DECIDE, NULL, "there is no director: users are not spread over servers", NULL },
    { "", "local", DECIDE, NULL, "settings for one local address are not read: give the service a row of its own in master.cf", NULL },
    { "", "remote", DECIDE, NULL, "settings for one client address are not read", NULL },
    { "", "local_name", DECIDE, NULL, "one certificate for all names: clients that ask for this name get the common one; use a certificate that has all names", NULL },
    /* TLS: certificates and keys at the end */
    { "", "ssl", CALL, NULL, NULL, tls_mode },
    { "", "ssl_cert", LATER, NULL, NULL, NULL }, { "", "ssl_key", LATER, NULL, NULL, NULL },
    { "", "ssl_server_cert_file", LATER, NULL, NULL, NULL }, { "", "ssl_server_key_file", LATER, NULL, NULL, NULL },
    { "", "ssl_key_password", DECIDE, NULL, "keys have no password here: decrypt the key file", NULL },
    { "", "ssl_server_key_password", DECIDE, NULL, "keys have no password here: decrypt the key file", NULL },
    { "", "ssl_alt_*", DIFF, NULL, "one certificate is served: clients that know only the other kind of key are gone", NULL },
    { "", "ssl_server_alt_*", DIFF, NULL, "one certificate is served: clients that know only the other kind of key are gone", NULL },
    { "", "ssl_min_protocol", CALL, NULL, NULL, import_min_protocol },
    { "", "ssl_dh", FREE, NULL, "keys are exchanged by elliptic curves only", NULL }, { "", "ssl_server_dh_file", FREE, NULL, "keys are exchanged by elliptic curves only", NULL },
    { "", "ssl_dh_*", FREE, NULL, "keys are exchanged by elliptic curves only", NULL },
    { "", "ssl_cipher_list", DIFF, NULL, "ciphers are those of TLS 1.2 and 1.3 with authenticated encryption and forward secrecy; old clients that need another one cannot connect", NULL },
    { "", "ssl_cipher_suites", DIFF, NULL, "all ciphers of TLS 1.3 are offered", NULL },
    { "", "ssl_curve_list", FREE, NULL, "curves are OpenSSL's choice", NULL },
    { "", "ssl_prefer_server_ciphers", FREE, NULL, "all ciphers that are offered are good", NULL }, { "", "ssl_server_prefer_ciphers", FREE, NULL, "all ciphers that are offered are good", NULL },
    { "", "ssl_verify_client_cert", IF_YES, NULL, "clients are not asked for a certificate", NULL },
    { "", "ssl_request_client_cert", IF_YES, NULL, "clients are not asked for a certificate", NULL },
    { "", "ssl_server_request_client_cert", IF_YES, NULL, "clients are not asked for a certificate", NULL },
    { "", "ssl_ca", FREE, NULL, "clients are not asked for a certificate", NULL }, { "", "ssl_server_ca_file", FREE, NULL, "clients are not asked for a certificate", NULL },
    { "", "ssl_*", FREE, NULL, "OpenSSL's defaults are used, for servers only", NULL },
    { "", "verbose_ssl", FREE, NULL, LOGS, NULL },
    /* IMAP, POP3, LMTP, delivery */
    { "", "imap_idle_notify_interval", SECONDS, "imapd_idle_notify_interval", NULL, NULL },
    { "", "imap_capability", CALL, NULL, NULL, capability },
    { "", "imap_urlauth*", DIFF, NULL, "URLAUTH is not served", NULL },
    { "", "imap_metadata", IF_YES, NULL, "METADATA is not served", NULL },
    { "", "imap_*", FREE, NULL, "IMAP's limits and workarounds are fixed here", NULL },
    { "", "imapsieve*", DECIDE, NULL, "moving mail into a mailbox starts no script: spam filters are not trained", NULL },
    { "", "pop3_uidl_format", CALL, NULL, NULL, uidl },
    { "", "pop3_no_flag_updates", BOOL, "postern_pop3_no_flag_updates", NULL, NULL },
    { "", "pop3_reuse_xuidl", IF_YES, NULL, "UIDLs come from Dovecot's list and format, not from X-UIDL: clients that know those download the mail again", NULL },
    { "", "pop3_deleted_flag", DECIDE, NULL, "mail that a POP3 client deletes is deleted, not hidden", NULL },
    { "", "pop3_delete_type", DECIDE, NULL, "mail that a POP3 client deletes is deleted, not hidden", NULL },
    { "", "pop3_enable_last", IF_YES, NULL, "the command LAST is not known", NULL },
    { "", "pop3_lock_session", FREE, NULL, "several sessions may be open; each sees what was there when it began", NULL },
    { "", "pop3_*", FREE, NULL, "POP3's workarounds are fixed here", NULL },
    { "", "lmtp_save_to_detail_mailbox", IF_YES, NULL, "mail to user+detail is delivered to the inbox", NULL },
    { "", "lmtp_proxy", IF_YES, NULL, "LMTP is not passed on to other hosts", NULL },
    { "", "lmtp_rcpt_check_quota", IF_YES, NULL, QUOTA, NULL },
    { "", "lmtp_*", FREE, NULL, "LMTP's details are fixed here", NULL },
    { "", "lda_*", FREE, NULL, "delivery makes no mailboxes", NULL },
    { "", "postmaster_address", FREE, NULL, "bounces come from Postfix's side (bounce parameters)", NULL },
    { "", "hostname", FREE, NULL, "myhostname is used", NULL }, { "", "sendmail_path", FREE, NULL, "delivery sends no mail", NULL },
    { "", "submission_host", FREE, NULL, "delivery sends no mail", NULL }, { "", "rejection_*", FREE, NULL, "bounces come from Postfix's side", NULL },
    { "", "deliver_log_format", FREE, NULL, LOGS, NULL },
    { "", "submission_relay_*", DECIDE, NULL, "submission is not a proxy here: use the services submission and submissions of master.cf", NULL },
    { "", "submission_*", FREE, NULL, "smtpd's parameters are used for submission", NULL },
    { "", "quota_full_tempfail", FREE, NULL, QUOTA, NULL },
    { "", "quota*", DECIDE, NULL, QUOTA, NULL },
    { "", "sieve*", DECIDE, NULL, SIEVE, NULL },
    { "", "managesieve_*", FREE, NULL, "ManageSieve is not served", NULL },
    { "", "acl*", DECIDE, NULL, ACL, NULL },
    { "", "fts*", DIFF, NULL, FTS, NULL }, { "", "language*", DIFF, NULL, FTS, NULL },
    { "", "replication_*", DECIDE, NULL, REPLICA, NULL }, { "", "replicator_*", DECIDE, NULL, REPLICA, NULL }, { "", "mail_replica", DECIDE, NULL, REPLICA, NULL },
    { "", "dsync_*", FREE, NULL, "there is no dsync", NULL },
    { "", "doveadm_*", FREE, NULL, "there is no doveadm service: postern(1) and postfix(1) have the commands", NULL },
    { "", "dict*", DIFF, NULL, "dictionaries are of use for quotas, ACLs and METADATA only", NULL },
    { "", "push_notification*", DECIDE, NULL, "nobody is told of new mail but IMAP clients", NULL },
    { "", "notify*", FREE, NULL, INTERNAL, NULL },
    { "", "trash*", DIFF, NULL, "nothing is deleted to make room", NULL }, { "", "lazy_expunge*", DECIDE, NULL, "mail that is deleted is gone at once", NULL },
    { "", "last_login*", DIFF, NULL, "the last login is in the log only", NULL },
    /* log */
    { "", "log_path", CALL, NULL, NULL, log_path },
    { "", "info_log_path", FREE, NULL, "one log for all (maillog_file)", NULL }, { "", "debug_log_path", FREE, NULL, "one log for all (maillog_file)", NULL },
    { "", "syslog_facility", COPY, "syslog_facility", NULL, NULL },
    { "", "log_*", FREE, NULL, LOGS, NULL },
    /* the rest of the machine */
    { "", "base_dir", FREE, NULL, INTERNAL, NULL }, { "", "state_dir", FREE, NULL, INTERNAL, NULL }, { "", "instance_name", FREE, NULL, INTERNAL, NULL },
    { "", "libexec_dir", FREE, NULL, INTERNAL, NULL }, { "", "default_*", FREE, NULL, "processes and their limits are planned anew", NULL },
    { "", "import_environment", FREE, NULL, INTERNAL, NULL }, { "", "shutdown_clients", FREE, NULL, "sessions are ended when the system stops", NULL },
    { "", "version_ignore", FREE, NULL, INTERNAL, NULL }, { "", "dovecot_*", LATER, NULL, NULL, NULL }, { "", "protocol", LATER, NULL, NULL, NULL },
    { "", "stats*", FREE, NULL, "counters are another system's", NULL }, { "", "metric*", FREE, NULL, "counters are another system's", NULL },
    { "", "old_stats*", FREE, NULL, "counters are another system's", NULL }, { "", "event_exporter*", FREE, NULL, "counters are another system's", NULL },
    { "", "verbose_proctitle", FREE, NULL, LOGS, NULL }, { "", "config_cache_size", FREE, NULL, INTERNAL, NULL },
    { "", "plugin", LATER, NULL, NULL, NULL }, { "", "ssl_parameters_regenerate", FREE, NULL, INTERNAL, NULL },
    { "", "master_user_separator", COPY, "postern_auth_master_user_separator", NULL, NULL },
    /* plugin { } of the first generation */
    { "plugin", "quota*", DECIDE, NULL, QUOTA, NULL },
    { "plugin", "sieve_*_plugin*", DECIDE, NULL, SIEVE, NULL },
    { "plugin", "sieve*", DECIDE, NULL, SIEVE, NULL },
    { "plugin", "imapsieve*", DECIDE, NULL, "moving mail into a mailbox starts no script: spam filters are not trained", NULL },
    { "plugin", "acl*", DECIDE, NULL, ACL, NULL },
    { "plugin", "fts*", DIFF, NULL, FTS, NULL },
    { "plugin", "mail_log_*", FREE, NULL, LOGS, NULL }, { "plugin", "mail_replica", DECIDE, NULL, REPLICA, NULL },
    { "plugin", "mail_crypt*", DECIDE, NULL, "encrypted messages cannot be read: decrypt them with Dovecot first", NULL },
    { "plugin", "zlib_*", DECIDE, NULL, "compressed messages are not read: decompress them with Dovecot first", NULL },
    { "plugin", "expire*", DIFF, NULL, "old mail is not deleted by itself", NULL },
    { "plugin", "autocreate*", DIFF, NULL, "mailboxes are made by clients", NULL }, { "plugin", "autosubscribe*", DIFF, NULL, "clients subscribe", NULL },
    { "plugin", "trash", DIFF, NULL, "nothing is deleted to make room", NULL },
    { "plugin", "lazy_expunge*", DECIDE, NULL, "mail that is deleted is gone at once", NULL },
    { "plugin", "last_login*", DIFF, NULL, "the last login is in the log only", NULL },
    { "plugin", "push_notification*", DECIDE, NULL, "nobody is told of new mail but IMAP clients", NULL },
    { "plugin", "antispam*", DECIDE, NULL, "moving mail into a mailbox starts no program: spam filters are not trained", NULL },
    { "plugin", "virtual*", DECIDE, NULL, "virtual mailboxes are not served", NULL },
    { "plugin", "*", DIFF, NULL, "a setting of a plugin; plugins of Dovecot cannot be loaded", NULL },
    /* the words of mail_plugins */
    { "mail_plugins", "quota", DECIDE, NULL, QUOTA, NULL }, { "mail_plugins", "quota_clone", DECIDE, NULL, QUOTA, NULL }, { "mail_plugins", "imap_quota", FREE, NULL, "IMAP's QUOTA is not served", NULL },
    { "mail_plugins", "sieve", DECIDE, NULL, SIEVE, NULL },
    { "mail_plugins", "imap_sieve", DECIDE, NULL, "moving mail into a mailbox starts no script: spam filters are not trained", NULL },
    { "mail_plugins", "acl", DECIDE, NULL, ACL, NULL }, { "mail_plugins", "imap_acl", FREE, NULL, "IMAP's ACL is not served", NULL },
    { "mail_plugins", "fts*", DIFF, NULL, FTS, NULL },
    { "mail_plugins", "zlib", DECIDE, NULL, "compressed messages are not read: decompress them with Dovecot first", NULL },
    { "mail_plugins", "imap_zlib", FREE, NULL, "IMAP's COMPRESS is not served", NULL },
    { "mail_plugins", "mail_compress", DECIDE, NULL, "compressed messages are not read: decompress them with Dovecot first", NULL },
    { "mail_plugins", "mail_crypt*", DECIDE, NULL, "encrypted messages cannot be read: decrypt them with Dovecot first", NULL },
    { "mail_plugins", "virtual", DECIDE, NULL, "virtual mailboxes are not served", NULL },
    { "mail_plugins", "listescape", DECIDE, NULL, "names of mailboxes that it escapes look different to clients", NULL },
    { "mail_plugins", "replication", DECIDE, NULL, REPLICA, NULL },
    { "mail_plugins", "antispam", DECIDE, NULL, "moving mail into a mailbox starts no program: spam filters are not trained", NULL },
    { "mail_plugins", "notify", FREE, NULL, INTERNAL, NULL }, { "mail_plugins", "mail_log", FREE, NULL, LOGS, NULL }, { "mail_plugins", "*stats", FREE, NULL, INTERNAL, NULL },
    { "mail_plugins", "autocreate", DIFF, NULL, "mailboxes are made by clients", NULL },
    { "mail_plugins", "expire", DIFF, NULL, "old mail is not deleted by itself", NULL },
    { "mail_plugins", "trash", DIFF, NULL, "nothing is deleted to make room", NULL }, { "mail_plugins", "lazy_expunge", DECIDE, NULL, "mail that is deleted is gone at once", NULL },
    { "mail_plugins", "last_login", DIFF, NULL, "the last login is in the log only", NULL },
    { "mail_plugins", "push_notification*", DECIDE, NULL, "nobody is told of new mail but IMAP clients", NULL },
    { "mail_plugins", "mail_lua", DECIDE, NULL, "Lua scripts are not run", NULL },
    { "mail_plugins", "*", DECIDE, NULL, "plugins of Dovecot cannot be loaded", NULL },
};

/* ---- params and notes ---- */

const char *import_grade_name(enum import_grade grade)
{
    static const char *const names[] = { [IMPORT_NO_EFFECT] = "no effect", [IMPORT_DIFFERS] = "differs", [IMPORT_DECIDE] = "must decide" };
    return names[grade];
}

static struct str escaped(struct import *im, struct str value)
{
    if (str_chr(value, '$') < 0 && str_chr(value, '\n') < 0)
        return str_dup(im->arena, value);
    struct buf b = buf_make(0);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '$')
            buf_putc(&b, '$');
        buf_putc(&b, value.p[i] == '\n' ? ' ' : value.p[i]);
    }
    struct str s = str_dup(im->arena, buf_str(&b));
    buf_done(&b);
    return s;
}

void import_set(struct import *im, const char *name, struct str value, const struct dovecot_node *node)
{
    struct import_param *p = NULL;
    for (size_t i = 0; i < im->params.n && p == NULL; i++)
        if (strcmp(im->params.p[i].name, name) == 0)
            p = &im->params.p[i];
    if (p == NULL)
        p = vec_add(&im->params);
    *p = (struct import_param){ .name = name, .value = escaped(im, value), .file = node == NULL ? "" : node->file, .line = node == NULL ? 0 : node->line };
}

void import_note_of(struct import *im, enum import_grade grade, const struct dovecot_node *node, struct str what, const char *text)
{
    struct import_note *n = vec_add(&im->notes);
    *n = (struct import_note){ .grade = grade, .file = node == NULL ? "" : node->file, .line = node == NULL ? 0 : node->line, .what = str_dup(im->arena, what), .text = text };
}

void import_note(struct import *im, enum import_grade grade, const struct dovecot_node *node, const char *text)
{
    struct str what;
    if (node->is_section)
        what = node->arg.n > 0 ? str_printf(im->arena, "%.*s %.*s { }", STR_FMT(node->name), STR_FMT(node->arg)) : str_printf(im->arena, "%.*s { }", STR_FMT(node->name));
    else if (node->is_hidden)
        what = node->name;
    else
        what = str_printf(im->arena, "%.*s = %.*s", STR_FMT(node->name), (int)MIN(node->value.n, (size_t)100), node->value.p);
    import_note_of(im, grade, node, what, text);
}

bool import_must_decide(const struct import *im)
{
    for (size_t i = 0; i < im->notes.n; i++)
        if (im->notes.p[i].grade == IMPORT_DECIDE)
            return true;
    return false;
}

struct str import_list(struct import *im, size_t at)
{
    const struct dovecot_node *nodes = im->tree.nodes, *n = &nodes[at];
    struct buf b = buf_make(0);
    for (size_t i = at + 1; n->is_section && i < n->end; i = nodes[i].end)
        if (!nodes[i].is_section && dovecot_is_yes(nodes[i].value))
            buf_printf(&b, "%s%.*s", b.n > 0 ? " " : "", STR_FMT(nodes[i].name));
    struct str s = n->is_section ? str_dup(im->arena, buf_str(&b)) : n->value;
    buf_done(&b);
    return s;
}

bool import_uid(struct str text, bool group, uint32_t *ret)
{
    char name[64];
    if (num_parse_u32(text, UINT32_MAX - 1, ret))
        return true;
    if (!str_to_fixed(text, name, sizeof name))
        return false;
    const struct group *gr = group ? getgrnam(name) : NULL;
    const struct passwd *pw = group ? NULL : getpwnam(name);
    if (gr == NULL && pw == NULL)
        return false;
    *ret = group ? gr->gr_gid : pw->pw_uid;
    return true;
}

/* ---- functions of rows ---- */

static bool name_fits(const char *pattern, struct str name)
{
    size_t n = strlen(pattern);
    if (n > 0 && pattern[n - 1] == '*')
        return str_istarts(name, str_make(pattern, n - 1));
    if (n > 0 && pattern[0] == '*')
        return str_iends(name, str_make(pattern + 1, n - 1));
    return str_ieqz(name, pattern);
}

static const struct rule *find_rule(const char *scope, struct str name)
{
    for (size_t i = 0; i < N_ELEMS(rules); i++)
        if (strcmp(rules[i].scope, scope) == 0 && name_fits(rules[i].name, name))
            return &rules[i];
    return NULL;
}

static void plugins(struct import *im, size_t at)
{
    struct str rest = import_list(im, at), word;
    while (str_token(&rest, " \t,", &word)) {
        const struct rule *r = find_rule("mail_plugins", word);
        bool seen = word.p[0] == '$' || str_chr(word, '"') >= 0;
        for (size_t i = 0; i < im->notes.n && !seen; i++)
            seen = im->notes.p[i].text == r->text && str_ends(im->notes.p[i].what, word) && str_starts(im->notes.p[i].what, STR("mail_plugins:"));
        if (!seen)
            import_note_of(im, r->how == DECIDE ? IMPORT_DECIDE : r->how == DIFF ? IMPORT_DIFFERS : IMPORT_NO_EFFECT, &im->tree.nodes[at],
                           str_printf(im->arena, "mail_plugins: %.*s", STR_FMT(word)), r->text);
    }
}

static void username_chars(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    if (n->value.n == 0)
        import_note(im, IMPORT_DIFFERS, n, "user names keep to postern_auth_username_chars: add what yours have beyond it");
    else
        import_set(im, "postern_auth_username_chars", n->value, n);
}

static void owner(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    bool group = str_eqz(n->name, "mail_gid");
    uint32_t id;
    if (import_uid(n->value, group, &id))
        import_set(im, group ? "postern_mail_gid" : "postern_mail_uid", str_printf(im->arena, "%u", id), n);
    else
        import_note(im, IMPORT_DECIDE, n, "this account is not known here: make it, then set postern_mail_uid and postern_mail_gid to its numbers");
}

static void listen_on(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    struct buf b = buf_make(0);
    struct str rest = n->value, word;
    bool all = false;
    while (str_token(&rest, " \t,", &word)) {
        all |= str_eqz(word, "*") || str_eqz(word, "::") || str_eqz(word, "[::]") || str_eqz(word, "0.0.0.0");
        bool six = str_chr(word, ':') >= 0 && word.p[0] != '[';
        buf_printf(&b, six ? "%s[%.*s]" : "%s%.*s", b.n > 0 ? ", " : "", STR_FMT(word));
    }
    import_set(im, "inet_interfaces", all ? STR("all") : buf_str(&b), n);
    if (str_eqz(n->value, "*") || str_eqz(n->value, "0.0.0.0"))
        import_set(im, "inet_protocols", STR("ipv4"), n);
    buf_done(&b);
}

/* One limit for both protocols: the larger. */
static void connections(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    uint32_t value, old = 0;
    if (!num_parse_u32(n->value, 100000, &value)) {
        import_note(im, IMPORT_DECIDE, n, "no number of connections from 0 to 100000");
        return;
    }
    for (size_t i = 0; i < im->params.n; i++)
        if (strcmp(im->params.p[i].name, "mail_max_userip_connections") == 0 && n->depth > 0)
            (void)num_parse_u32(im->params.p[i].value, 100000, &old);
    if (value > old || value == 0)
        import_set(im, "mail_max_userip_connections", str_printf(im->arena, "%u", value), n);
}

static void uidl(struct import *im, size_t at)
{
    static const char *const same[] = { "%08Xu%08Xv", "%{uid | hex(8)}%{uidvalidity | hex(8)}", "%{uid|hex(8)}%{uidvalidity|hex(8)}" };
    const struct dovecot_node *n = &im->tree.nodes[at];
    for (size_t i = 0; i < N_ELEMS(same); i++)
        if (str_eqz(n->value, same[i]))
            return;
    import_note(im, IMPORT_DECIDE, n, "UIDLs are written %08Xu%08Xv: POP3 clients that leave mail on the server download it again, unless dovecot-uidlist has them (pop3_save_uidl)");
}

/* Words that are added, or a whole list, of which only what is not there anyway can be added. */
static void capability(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    struct str value = n->value;
    if (value.n > 0 && value.p[0] == '+')
        import_set(im, "imapd_capability", str_trim(str_skip(value, 1)), n);
    else
        import_note(im, IMPORT_DIFFERS, n, "the list of capabilities is imapd's own; words can be added by imapd_capability");
}

static void log_path(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    if (n->value.n > 0 && n->value.p[0] == '/' && !str_starts(n->value, STR("/dev/")))
        import_set(im, "maillog_file", n->value, n);
    else if (!str_eqz(n->value, "syslog"))
        import_note(im, IMPORT_DIFFERS, n, "log lines go to the system's log");
}

static void failure_delay(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    uint64_t ms;
    if (!dovecot_time(n->value, 1000, &ms))
        import_note(im, IMPORT_DECIDE, n, "no time");
    else if (ms > 5000)
        import_note(im, IMPORT_DIFFERS, n, "5 s at most, because SMTP servers wait only 10 s; addresses that fail again wait longer");
    import_set(im, "postern_auth_failure_delay", str_printf(im->arena, "%us", ms > 5000 ? 5u : (unsigned)((ms + 999) / 1000)), n);
}

static void first_uid(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    import_set(im, "postern_first_valid_uid", str_eqz(n->value, "0") ? STR("1") : n->value, n);
}

static void tls_mode(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    if (str_ieqz(n->value, "required"))
        import_set(im, "postern_disable_plaintext_auth", STR("yes"), n);
    else if (str_ieqz(n->value, "no"))
        import_note(im, IMPORT_DIFFERS, n, "TLS is offered where postern_tls_cert_file or smtpd_tls_cert_file names a certificate");
}

static void put_time(struct import *im, const struct rule *r, const struct dovecot_node *n, uint64_t unit)
{
    uint64_t ms;
    if (dovecot_time(n->value, unit, &ms))
        import_set(im, r->target, str_printf(im->arena, "%llus", (unsigned long long)((ms + 999) / 1000)), n);
    else
        import_note(im, IMPORT_DECIDE, n, "no time that can be read");
}

static void put_bool(struct import *im, const struct rule *r, const struct dovecot_node *n, bool inverse)
{
    import_set(im, r->target, dovecot_is_yes(n->value) != inverse ? STR("yes") : STR("no"), n);
}

/* ---- the walk ---- */

static void apply(struct import *im, const struct rule *r, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    uint32_t number;
    switch (r->how) {
    case COPY: import_set(im, r->target, n->value, n); return;
    case BOOL: put_bool(im, r, n, false); return;
    case INVERSE: put_bool(im, r, n, true); return;
    case SECONDS: put_time(im, r, n, 1000); return;
    case MINUTES_BARE: put_time(im, r, n, 60000); return;
    case NUMBER:
        if (num_parse_u32(n->value, UINT32_MAX, &number))
            import_set(im, r->target, n->value, n);
        else
            import_note(im, IMPORT_DIFFERS, n, "no number");
        return;
    case CALL: r->call(im, at); return;
    case LATER: return;
    case FREE: import_note(im, IMPORT_NO_EFFECT, n, r->text); return;
    case DIFF: import_note(im, IMPORT_DIFFERS, n, r->text); return;
    case DECIDE: import_note(im, IMPORT_DECIDE, n, r->text); return;
    case IF_YES:
        import_note(im, str_ieqz(n->value, "no") || n->value.n == 0 ? IMPORT_NO_EFFECT : IMPORT_DECIDE, n, r->text);
        return;
    }
}

static void walk(struct import *im, const char *scope, size_t from, size_t end)
{
    for (size_t i = from; i < end; i = im->tree.nodes[i].end) {
        const struct rule *r = find_rule(scope, im->tree.nodes[i].name);
        if (r != NULL)
            apply(im, r, i);
        else
            import_note(im, IMPORT_DECIDE, &im->tree.nodes[i], "not known here: look up what it does for you");
    }
}

/* protocol imap { } and plugin { } come last in doveconf's text, and in effect. */
static void walk_later(struct import *im)
{
    static const char *const sections[] = { "protocol", "plugin" };
    for (size_t i = 0; i < im->tree.n; i = im->tree.nodes[i].end) {
        const struct dovecot_node *n = &im->tree.nodes[i];
        for (size_t k = 0; k < N_ELEMS(sections); k++)
            if (n->is_section && str_eqz(n->name, sections[k]))
                walk(im, k == 0 ? "" : sections[k], i + 1, n->end);
    }
}

static bool is_set(const struct import *im, const char *name)
{
    for (size_t i = 0; i < im->params.n; i++)
        if (strcmp(im->params.p[i].name, name) == 0)
            return true;
    return false;
}

/* What Dovecot does when nothing is said, and this system does not. */
static void defaults(struct import *im)
{
    static const struct { const char *name, *value; } rows[] = {
        { "postern_plaintext_auth_loopback", "yes" },       /* a client on the same machine counts as safe */
        { "postern_auth_mechanisms", "plain" },
    };
    for (size_t i = 0; i < N_ELEMS(rows); i++)
        if (!is_set(im, rows[i].name))
            import_set(im, rows[i].name, str_from(rows[i].value), NULL);
    if (!im->is_24 && !is_set(im, "postern_auth_allow_weak_schemes"))
        import_set(im, "postern_auth_allow_weak_schemes", STR("yes"), NULL);
}

void import_map(struct import *im)
{
    im->is_24 = im->tree.version.n > 0 && !str_starts(im->tree.version, STR("2.3")) && !str_starts(im->tree.version, STR("2.2"));
    im->passdb = im->userdb = im->services = im->listeners = buf_make(0);
    im->protocols = STR("imap pop3 lmtp");
    walk(im, "", 0, im->tree.n);
    walk_later(im);
    if (im->passdb.n > 0)
        import_set(im, "postern_passdb", buf_str(&im->passdb), NULL);
    if (im->userdb.n > 0)
        import_set(im, "postern_userdb", buf_str(&im->userdb), NULL);
    import_mail_end(im);
    import_tls_end(im);
    import_services_end(im);
    import_lmtp_end(im);
    defaults(im);
}

void import_done(struct import *im)
{
    vec_done(&im->params);
    vec_done(&im->notes);
    vec_done(&im->files);
    buf_done(&im->passdb);
    buf_done(&im->userdb);
    buf_done(&im->services);
    buf_done(&im->listeners);
}
