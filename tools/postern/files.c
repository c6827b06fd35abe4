/* SPDX-License-Identifier: ISC
 *
 * The configuration of a private instance.
 */
#include "base/buf.h"
#include "postern.h"

void instance_main_cf(const struct instance *i, struct buf *out)
{
    const char *d = i->dir;
    buf_printf(out,
        "# A private instance of Postern, made by \"postern try\". Everything it\n"
        "# writes is below %s; nothing here needs root.\n"
        "# \"postconf -c %s/etc -n\" lists what is set, \"postconf -d\" the defaults.\n"
        "compatibility_level = 3.6\n"
        "postern_private = yes\n"
        "postern_port_base = %u\n\n"
        "myhostname = mail.example.test\n"
        "mydomain = example.test\n"
        "myorigin = $mydomain\n"
        "mydestination = $myhostname, localhost.$mydomain, localhost\n"
        "inet_interfaces = 127.0.0.1\n"
        "inet_protocols = ipv4\n"
        "# Nobody may relay without logging in, not even from this machine.\n"
        "mynetworks =\n\n", d, d, i->port_base);
    buf_printf(out,
        "queue_directory = %s/spool\n"
        "data_directory = %s/lib\n"
        "postern_empty_directory = %s/lib/empty\n"
        "maillog_file = %s/log/mail.log\n"
        "maillog_file_prefixes = %s/log\n"
        "mail_owner = %s\n"
        "default_privs = %s\n"
        "setgid_group = %s\n\n", d, d, d, d, d, i->user, i->user, i->group);
    buf_printf(out,
        "# Mailboxes: NAME@example.test, kept by \"postern user -c %s/etc add NAME\".\n"
        "virtual_mailbox_domains = $mydomain\n"
        "virtual_mailbox_base = %s/mail\n"
        "virtual_mailbox_maps = hash:%s/etc/mailboxes\n"
        "virtual_alias_maps = hash:%s/etc/virtual\n"
        "virtual_uid_maps = static:%lu\n"
        "virtual_gid_maps = static:%lu\n"
        "virtual_minimum_uid = %lu\n"
        "alias_maps = hash:%s/etc/aliases\n"
        "alias_database = $alias_maps\n"
        "recipient_delimiter = +\n\n", d, d, d, d, i->uid, i->gid, i->uid < 1 ? 1 : MIN(i->uid, 100), d);
    buf_printf(out,
        "smtpd_tls_cert_file = %s/etc/tls/cert.pem\n"
        "smtpd_tls_key_file = %s/etc/tls/key.pem\n"
        "smtpd_tls_security_level = may\n"
        "smtp_tls_security_level = may\n\n"
        "# Users log in as NAME and may send as NAME@example.test and NAME+anything@example.test.\n"
        "smtpd_sasl_type = dovecot\n"
        "smtpd_sasl_path = private/auth\n"
        "smtpd_sender_login_maps = regexp:%s/etc/senders\n"
        "postern_passdb = passwd-file:%s/etc/passwd\n"
        "postern_mail_home = %s/mail/%%n\n"
        "postern_mail_uid = %lu\n"
        "postern_mail_gid = %lu\n"
        "postern_first_valid_uid = %lu\n", d, d, d, d, d, i->uid, i->gid, i->uid > 0 && i->uid < 500 ? i->uid : 500);
}

static const struct { unsigned port; const char *rest; } listeners[] = {
    { 25, "smtpd" },
    { 587, "submitd\n  -o syslog_name=postfix/submission -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes" },
    { 465, "submitd\n  -o syslog_name=postfix/smtps -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes" },
    { 143, "imap-login" },
    { 993, "tls-proxy\n  -o tls_service=imap" },
    { 110, "pop3-login" },
    { 995, "tls-proxy\n  -o tls_service=pop3" },
};
static const char unix_services[] =
    "pickup    unix  n       -       n       60      1       pickup\n"
    "qmgr      unix  n       -       n       300     1       qmgr\n"
    "smtp      unix  -       -       n       -       -       smtp\n"
    "relay     unix  -       -       n       -       -       smtp\n"
    "lmtp      unix  -       -       n       -       -       lmtp\n"
    "local     unix  -       n       n       -       -       local\n"
    "virtual   unix  -       n       n       -       -       virtual\n"
    "error     unix  -       -       n       -       -       error\n"
    "retry     unix  -       -       n       -       -       error\n"
    "discard   unix  -       -       n       -       -       discard\n"
    "bounce    unix  -       -       n       -       0       bounce\n"
    "showq     unix  n       -       n       -       -       showq\n"
    "auth      unix  -       -       n       -       1       authd\n"
    "imap      unix  -       n       n       -       -       imapd\n"
    "pop3      unix  -       n       n       -       -       pop3d\n";

void instance_master_cf(const struct instance *i, struct buf *out)
{
    buf_puts(out, "# Services of a private instance: see master(5).\n"
                  "# name     type  private unpriv  chroot  wakeup  maxproc command + args\n");
    for (size_t at = 0; at < N_ELEMS(listeners); at++)
        buf_printf(out, "127.0.0.1:%u inet n - n - - %s\n", i->port_base + listeners[at].port, listeners[at].rest);
    buf_puts(out, unix_services);
}
