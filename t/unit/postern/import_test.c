/* SPDX-License-Identifier: ISC */
#include "import.h"
#include "tap.h"

/* text -> a line of main.cf ("name = value"), "" = nothing to look for; and a note ("line grade: part of it"). */
static const struct { const char *name, *text, *param, *note; } rows[] = {
    /* databases of the first generation */
    { "PAM", "passdb {\n  driver = pam\n}\nuserdb {\n  driver = passwd\n}\n", "postern_passdb = pam\n", "" },
    { "users of the system", "userdb {\n  driver = passwd\n}\n", "postern_userdb = passwd\n", "" },
    { "a PAM service of its own", "passdb {\n  args = session=yes mail\n  driver = pam\n}\n", "postern_pam_service = mail\n", "1 no effect: session=yes" },
    { "a PAM service per protocol", "passdb {\n  args = %s\n  driver = pam\n}\n", "postern_passdb = pam\n", "1 must decide: passdb pam, service %s" },
    { "a passwd-file with its scheme and user names", "passdb {\n  args = scheme=BLF-CRYPT username_format=%n /etc/dovecot/%d/users\n  driver = passwd-file\n}\n",
      "postern_passdb = { passwd-file:/etc/dovecot/%d/users, default_pass_scheme=BLF-CRYPT, username_format=%n }\n", "" },
    { "a plain passwd-file", "passdb {\n  args = /etc/dovecot/users\n  driver = passwd-file\n}\n", "postern_passdb = passwd-file:/etc/dovecot/users\n", "" },
    { "a passwd-file without a name", "passdb {\n  driver = passwd-file\n}\n", "", "1 must decide: passdb, driver passwd-file: it names no file" },
    { "static users", "userdb {\n  args = uid=vmail gid=vmail home=/var/vmail/%d/%n allow_all_users=yes\n  driver = static\n}\n",
      "postern_userdb = { static:, uid=vmail, gid=vmail, home=/var/vmail/%d/%n, allow_all_users=yes }\n", "" },
    { "fields that have blanks get braces", "userdb {\n  default_fields = uid=vmail gid=vmail\n  driver = prefetch\n}\n",
      "postern_userdb = { prefetch, { default_fields = uid=vmail gid=vmail } }\n", "" },
    { "master users", "passdb {\n  args = /etc/dovecot/masters\n  driver = passwd-file\n  master = yes\n  result_success = continue\n}\n"
      "auth_master_user_separator = *\n", "postern_passdb = { passwd-file:/etc/dovecot/masters, result_success=continue, master=yes }\n", "" },
    { "the separator of master users", "auth_master_user_separator = *\n", "postern_auth_master_user_separator = *\n", "" },
    { "users who may not", "passdb {\n  args = /etc/dovecot/denied\n  deny = yes\n  driver = passwd-file\n}\n", "postern_passdb = { passwd-file:/etc/dovecot/denied, deny=yes }\n", "" },
    { "mechanisms and skip of a passdb", "passdb {\n  driver = pam\n  mechanisms = plain login\n  skip = authenticated\n}\n",
      "postern_passdb = { pam, skip=authenticated, { mechanisms = plain login } }\n", "" },
    { "several in a row", "passdb {\n  driver = pam\n}\npassdb {\n  args = /x\n  driver = passwd-file\n}\n", "postern_passdb = pam, passwd-file:/x\n", "" },
    { "Lua", "passdb {\n  args = file=/x.lua\n  driver = lua\n}\n", "", "1 must decide: passdb, driver lua: Lua scripts are not run" },
    { "a driver that is gone", "passdb {\n  args = /x\n  driver = checkpassword\n}\n", "", "1 must decide: passdb, driver checkpassword" },
    { "SQL whose file is not here", "passdb {\n  args = /nowhere/sql.ext\n  driver = sql\n}\n", "postern_passdb = sql:/nowhere/sql.ext\n", "1 must decide: /nowhere/sql.ext: the file cannot be read" },
    { "an unknown setting in a section", "passdb {\n  driver = pam\n  frobnicate = yes\n}\n", "postern_passdb = pam\n", "3 must decide: frobnicate = yes" },
    /* authentication */
    { "mechanisms", "auth_mechanisms = plain LOGIN\n", "postern_auth_mechanisms = plain login\n", "" },
    { "a mechanism that is not offered", "auth_mechanisms = plain digest-md5\n", "postern_auth_mechanisms = plain\n", "1 must decide: auth_mechanisms: digest-md5" },
    { "mechanisms when nothing is said", "", "postern_auth_mechanisms = plain\n", "" },
    { "plaintext on the same machine is safe, as for Dovecot", "", "postern_plaintext_auth_loopback = yes\n", "" },
    { "2.3 takes old hashes", "# 2.3.19.1 (9): /x\n", "postern_auth_allow_weak_schemes = yes\n", "" },
    { "plaintext allowed", "disable_plaintext_auth = no\n", "postern_disable_plaintext_auth = no\n", "" },
    { "format of user names", "auth_username_format = %Ln\n", "postern_auth_username_format = %Ln\n", "" },
    { "characters of user names", "auth_username_chars = abc$\n", "postern_auth_username_chars = abc$$\n", "" },
    { "all characters", "auth_username_chars = \n", "", "1 differs: auth_username_chars" },
    { "a failure's delay", "auth_failure_delay = 3 secs\n", "postern_auth_failure_delay = 3s\n", "" },
    { "a longer delay is cut", "auth_failure_delay = 30 secs\n", "postern_auth_failure_delay = 5s\n", "1 differs: auth_failure_delay" },
    { "a policy server", "auth_policy_server_url = http://x/\n", "", "1 must decide: auth_policy_server_url" },
    /* mail */
    { "a Maildir", "mail_location = maildir:/var/vmail/%d/%n/Maildir\n", "postern_mail_location = maildir:/var/vmail/%d/%n/Maildir\n", "" },
    { "Debian's mbox", "mail_location = mbox:~/mail:INBOX=/var/mail/%u\n", "postern_mail_location = mbox:~/mail:INBOX=/var/mail/%u\n", "" },
    { "an index elsewhere", "mail_location = maildir:~/Maildir:INDEX=/var/idx/%u\n", "postern_mail_location = maildir:~/Maildir\n", "1 no effect: INDEX=/var/idx/%u" },
    { "UIDs elsewhere", "mail_location = maildir:~/Maildir:CONTROL=/x\n", "postern_mail_location = maildir:~/Maildir\n", "1 must decide: CONTROL=/x" },
    { "folders as directories", "mail_location = maildir:~/Maildir:LAYOUT=fs\n", "postern_mail_location = maildir:~/Maildir\n", "1 must decide: LAYOUT=fs" },
    { "mdbox", "mail_location = mdbox:~/mdbox\n", "", "1 must decide: mail_location = mdbox" },
    { "homes", "mail_home = /var/vmail/%d/%n\n", "postern_mail_home = /var/vmail/%d/%n\n", "" },
    { "uid as a number", "mail_uid = 5000\n", "postern_mail_uid = 5000\n", "" },
    { "uid by name", "mail_uid = root\n", "postern_mail_uid = 0\n", "" },
    { "gid by name", "mail_gid = mail\n", "postern_mail_gid = 8\n", "" },
    { "an account that is not here", "mail_uid = nosuchuser\n", "", "1 must decide: mail_uid = nosuchuser" },
    { "first uid", "first_valid_uid = 1000\n", "postern_first_valid_uid = 1000\n", "" },
    { "first uid 0", "first_valid_uid = 0\n", "postern_first_valid_uid = 1\n", "" },
    { "purposes of mailboxes", "namespace inbox {\n  inbox = yes\n  location = \n  mailbox Drafts {\n    special_use = \\Drafts\n  }\n  mailbox \"Sent Messages\" {\n    auto = subscribe\n"
      "    special_use = \\Sent\n  }\n  prefix = \n}\n", "mailbox_special_use = Drafts=\\Drafts, Sent Messages=\\Sent\n", "8 differs: mailbox Sent Messages: auto = subscribe" },
    { "a prefix of names", "namespace inbox {\n  inbox = yes\n  prefix = INBOX.\n}\n", "", "3 must decide: prefix = INBOX." },
    { "a separator", "namespace inbox {\n  inbox = yes\n  separator = /\n}\n", "", "3 differs: separator = /" },
    { "shared mailboxes", "namespace {\n  type = shared\n  prefix = shared/%%u/\n}\n", "", "1 must decide: namespace { }: shared and public" },
    { "plugins", "mail_plugins = \" quota zlib\"\n", "", "1 must decide: mail_plugins: quota" },
    { "settings of plugins", "plugin {\n  sieve = ~/x\n}\n", "", "2 must decide: sieve = ~/x: Sieve is not run" },
    { "search plugins", "plugin {\n  fts_autoindex = yes\n}\n", "", "2 differs: fts_autoindex = yes" },
    { "replication", "plugin {\n  mail_replica = tcp:x\n}\n", "", "2 must decide: mail_replica" },
    { "connections of a user", "mail_max_userip_connections = 50\n", "mail_max_userip_connections = 50\n", "" },
    { "connections of a user, by protocol", "protocol imap {\n  mail_max_userip_connections = 50\n}\nprotocol pop3 {\n  mail_max_userip_connections = 20\n}\n", "mail_max_userip_connections = 50\n", "" },
    { "UIDLs as we have them", "pop3_uidl_format = %08Xu%08Xv\n", "postern_auth_mechanisms = plain\n", "" },
    { "other UIDLs", "pop3_uidl_format = %v.%u\n", "", "1 must decide: pop3_uidl_format" },
    { "seen by POP3", "protocol pop3 {\n  pop3_no_flag_updates = yes\n}\n", "postern_pop3_no_flag_updates = yes\n", "" },
    { "more capabilities", "imap_capability = +XCHATMAIL XDELTAPUSH\n", "imapd_capability = XCHATMAIL XDELTAPUSH\n", "" },
    { "IDLE", "imap_idle_notify_interval = 24 mins\n", "imapd_idle_notify_interval = 1440s\n", "" },
    { "no effect", "maildir_stat_dirs = yes\n", "", "1 no effect: maildir_stat_dirs = yes" },
    { "what nobody knows", "frobnicate = yes\n", "", "1 must decide: frobnicate = yes: not known here" },
    { "the delimiter", "recipient_delimiter = -\n", "recipient_delimiter = -\n", "" },
    { "webmail", "login_trusted_networks = 192.0.2.7 10.0.0.0/8\n", "postern_auth_trusted_networks = 192.0.2.7 10.0.0.0/8\n", "1 differs: login_trusted_networks" },
    { "the system's passwords", "passdb {\n  driver = passwd\n}\n", "postern_passdb = pam\n", "1 differs: passdb" },
    /* TLS */
    { "certificate and key", "ssl_cert = </etc/c.pem\nssl_key = </etc/k.pem\n", "postern_tls_cert_file = /etc/c.pem\n", "" },
    { "key", "ssl_cert = </etc/c.pem\nssl_key = </etc/k.pem\n", "postern_tls_key_file = /etc/k.pem\n", "" },
    { "a key that was hidden", "ssl_cert = </etc/c.pem\nssl_key = # hidden, use -P to show it\n", "postern_tls_cert_file = /etc/c.pem\n", "1 must decide: ssl_key: doveconf did not print" },
    { "no certificate", "", "", "0 must decide: no certificate is named" },
    { "no TLS, no certificate", "ssl = no\n", "postern_auth_mechanisms = plain\n", "1 differs: ssl = no" },
    { "the oldest TLS", "ssl_min_protocol = TLSv1.3\n", "postern_tls_min_protocol = TLSv1.3\n", "" },
    { "an older TLS", "ssl_min_protocol = TLSv1\n", "", "1 differs: ssl_min_protocol = TLSv1" },
    { "ciphers", "ssl_cipher_list = HIGH\n", "", "1 differs: ssl_cipher_list" },
    { "a certificate of another kind", "ssl_cert = </c.pem\nssl_key = </k.pem\nssl_alt_cert = </e.pem\nssl_alt_key = </f.pem\n", "postern_tls_eccert_file = /e.pem\n", "" },
    { "and its key", "ssl_cert = </c.pem\nssl_key = </k.pem\nssl_alt_cert = </e.pem\nssl_alt_key = </f.pem\n", "postern_tls_eckey_file = /f.pem\n", "" },
    { "a certificate by name", "local_name a.b {\n  ssl_cert = </x\n  ssl_key = </y\n}\nlocal_name \"*.c d.e\" {\n  ssl_cert = </1\n  ssl_key = </2\n}\n",
      "postern_tls_sni_maps = inline:{ { a.b = /y /x }, { .c = /2 /1 }, { d.e = /2 /1 } }\n", "" },
    { "of 2.4", "dovecot_config_version = 2.4.0\nlocal_name a.b {\n  ssl_server_cert_file = /x\n  ssl_server_key_file = /y\n}\n",
      "postern_tls_sni_maps = inline:{ { a.b = /y /x } }\n", "" },
    { "a certificate by name without its key", "local_name a.b {\n  ssl_cert = </x\n}\n", "", "2 must decide: ssl_key: doveconf did not print" },
    { "a pattern of names", "local_name mail.* {\n  ssl_cert = </x\n  ssl_key = </y\n}\n", "", "1 must decide: local_name mail.*: this name or its files" },
    { "other settings for a name", "local_name a.b {\n  ssl_cert = </x\n  ssl_key = </y\n  auth_mechanisms = plain\n}\n", "", "4 must decide: auth_mechanisms = plain: of the settings for one name" },
    /* listeners */
    { "what is served when nothing is said", "", "postern_mailbox_services = imap, imaps, pop3, pop3s\n", "" },
    { "one protocol", "protocols = \" imap\"\n", "postern_mailbox_services = imap, imaps\n", "" },
    { "ManageSieve", "protocols = imap sieve\n", "postern_mailbox_services = imap, imaps\n", "1 must decide: protocols: sieve" },
    { "port 0 is no port", "protocols = imap\nservice imap-login {\n  inet_listener imap {\n    port = 0\n  }\n}\n", "postern_mailbox_services = imaps\n", "" },
    { "another port and address", "protocols = imap\nservice imap-login {\n  inet_listener imap {\n    address = 127.0.0.1\n    port = 10143\n  }\n}\n",
      "postern_mailbox_services = { imap, port=10143, address=127.0.0.1 }, imaps\n", "" },
    { "a listener of its own", "protocols = imap\nservice imap-login {\n  inet_listener hidden {\n    port = 9933\n    ssl = yes\n  }\n}\n",
      "postern_mailbox_services = imap, imaps, { imaps, port=9933 }\n", "" },
    { "LMTP for Postfix", "protocols = lmtp\nservice lmtp {\n  unix_listener /var/spool/postfix/private/dovecot-lmtp {\n    group = postfix\n    mode = 0600\n    user = postfix\n  }\n}\n",
      "postern_mailbox_services = { dovecot-lmtp, path=/var/spool/postfix/private/dovecot-lmtp, mode=0600, user=postfix, group=postfix }\n", "" },
    { "LMTP asks the userdb where a mailbox is", "protocols = lmtp\nmail_location = maildir:~/Maildir\nservice lmtp {\n  unix_listener lmtp {\n    mode = 0600\n  }\n}\nuserdb {\n  args = uid=5000 gid=5000 home=/var/vmail/%d/%n\n"
      "  driver = static\n}\n", "virtual_mailbox_maps = userdb:unix:private/auth-userdb:mailbox\n", "" },
    { "and whose it is", "protocols = lmtp\nmail_location = maildir:/var/vmail/%d/%n/\nmail_uid = 5000\nmail_gid = 5000\nservice lmtp {\n  unix_listener lmtp {\n    mode = 0600\n  }\n}\n",
      "virtual_uid_maps = userdb:unix:private/auth-userdb:uid\n", "" },
    { "over a socket of its own", "protocols = lmtp\nmail_location = maildir:~/Maildir\nservice lmtp {\n  unix_listener lmtp {\n    mode = 0600\n  }\n}\n"
      "service auth {\n  unix_listener /var/spool/postfix/private/auth {\n    mode = 0660\n  }\n}\n", "postern_auth_listeners = ", "" },
    { "LMTP into mailboxes of one file", "protocols = lmtp\nservice lmtp {\n  unix_listener lmtp {\n    mode = 0600\n  }\n}\nmail_location = mbox:~/mail:INBOX=/var/mail/%u\n", "", "0 must decide: LMTP" },
    { "LMTP on a port", "protocols = lmtp\nservice lmtp {\n  inet_listener lmtp {\n    address = 127.0.0.1\n    port = 24\n  }\n}\n", "postern_mailbox_services = { lmtp, address=127.0.0.1 }\n", "" },
    { "auth for Postfix", "service auth {\n  unix_listener /var/spool/postfix/private/auth {\n    group = postfix\n    mode = 0660\n    user = postfix\n  }\n}\n",
      "postern_auth_listeners = { unix:/var/spool/postfix/private/auth, mode=0660, user=postfix, group=postfix }\n", "" },
    { "auth on a port", "service auth {\n  inet_listener {\n    address = 127.0.0.1\n    port = 12345\n  }\n}\n", "postern_auth_listeners = { inet:127.0.0.1:12345, type=auth }\n", "" },
    { "auth on a port of all addresses", "service auth {\n  inet_listener {\n    port = 12345\n  }\n}\n", "postern_auth_listeners = { inet:127.0.0.1:12345, type=auth }\n",
      "2 must decide: inet_listener" },
    { "a socket beside Dovecot's own", "service auth {\n  unix_listener auth-userdb {\n    mode = 0600\n    user = vmail\n  }\n}\n",
      "postern_auth_listeners = { unix:/run/dovecot/auth-userdb, mode=0600, user=vmail }\n", "" },
    { "quota's policy service", "service quota-status {\n  executable = quota-status -p postfix\n}\n", "", "1 must decide: service quota-status { }" },
    { "a script after login", "service imap {\n  executable = imap imap-postlogin\n}\n", "", "2 must decide: executable" },
    { "sessions", "service imap {\n  process_limit = 2000\n}\n", "postern_session_limit = 2000\n", "" },
    { "addresses", "listen = 192.0.2.1, 2001:db8::1\n", "inet_interfaces = 192.0.2.1, [2001:db8::1]\n", "" },
    { "all addresses", "listen = *, ::\n", "inet_interfaces = all\n", "" },
    { "the log's file", "log_path = /var/log/dovecot.log\n", "maillog_file = /var/log/dovecot.log\n", "" },
    { "the system's log", "log_path = syslog\n", "postern_auth_mechanisms = plain\n", "" },
    /* the second generation */
    { "2.4: mail", "dovecot_config_version = 2.4.1\nmail_driver = maildir\nmail_path = %{home}/Maildir\n", "postern_mail_location = maildir:%{home}/Maildir\n", "" },
    { "2.4: Debian's mbox", "dovecot_config_version = 2.4.1\nmail_driver = mbox\nmail_path = %{home}/mail\nmail_inbox_path = /var/mail/%{user}\n",
      "postern_mail_location = mbox:%{home}/mail:INBOX=/var/mail/%{user}\n", "" },
    { "2.4: sdbox", "dovecot_config_version = 2.4.1\nmail_driver = sdbox\n", "", "2 must decide: mail_driver = sdbox" },
    { "2.4: PAM", "dovecot_config_version = 2.4.1\npassdb pam {\n}\nuserdb passwd {\n}\n", "postern_passdb = pam\n", "" },
    { "2.4: a passwd-file", "dovecot_config_version = 2.4.1\npassdb passwd-file {\n  driver = passwd-file\n  default_password_scheme = BLF-CRYPT\n  passwd_file_path = /etc/dovecot/%{user | domain}/users\n"
      "  auth_username_format = %{user | username}\n}\n",
      "postern_passdb = { passwd-file:/etc/dovecot/%{user | domain}/users, { username_format = %{user | username} }, default_pass_scheme=BLF-CRYPT }\n", "" },
    { "2.4: static users", "dovecot_config_version = 2.4.1\nuserdb static {\n  fields {\n    uid = vmail\n    gid = vmail\n    home = /var/vmail/%{user | domain}/%{user | username}\n  }\n}\n",
      "postern_userdb = { static:, uid=vmail, gid=vmail, { home = /var/vmail/%{user | domain}/%{user | username} } }\n", "" },
    { "2.4: names with their prefix", "dovecot_config_version = 2.4.1\npassdb db1 {\n  passdb_driver = passwd-file\n  passwd_file_path = /x\n  passdb_deny = yes\n}\n",
      "postern_passdb = { passwd-file:/x, deny=yes }\n", "" },
    { "2.4: plaintext", "dovecot_config_version = 2.4.1\nauth_allow_cleartext = yes\n", "postern_disable_plaintext_auth = no\n", "" },
    { "2.4: certificate", "dovecot_config_version = 2.4.1\nssl_server_cert_file = /etc/c.pem\nssl_server_key_file = /etc/k.pem\n", "postern_tls_key_file = /etc/k.pem\n", "" },
    { "2.4: lists are sections", "dovecot_config_version = 2.4.1\nprotocols {\n  imap = yes\n  lmtp = no\n}\nauth_mechanisms {\n  plain = yes\n  login = yes\n}\n",
      "postern_auth_mechanisms = plain login\n", "" },
    { "2.4: protocols as a section", "dovecot_config_version = 2.4.1\nprotocols {\n  pop3 = yes\n}\n", "postern_mailbox_services = pop3, pop3s\n", "" },
    { "2.4: listeners", "dovecot_config_version = 2.4.1\nprotocols = imap\nservice imap-login {\n  inet_listener imap {\n    listen = 127.0.0.1\n    port = 0\n  }\n}\n",
      "postern_mailbox_services = imaps\n", "" },
    { "2.4: plugins are a section", "dovecot_config_version = 2.4.1\nmail_plugins {\n  fts = yes\n  acl = yes\n}\n", "", "2 must decide: mail_plugins: acl" },
    { "2.4: Sieve scripts", "dovecot_config_version = 2.4.1\nsieve_script personal {\n  path = ~/sieve\n}\n", "", "2 must decide: sieve_script personal { }: Sieve is not run" },
    { "2.4: a password that doveconf hides", "dovecot_config_version = 2.4.1\nmysql localhost {\n  password = # hidden, use -P to show it\n}\n", "", "3 must decide: password: doveconf did not print it" },
    { "2.4: quota", "dovecot_config_version = 2.4.1\nquota \"User quota\" {\n  storage_size = 1G\n}\n", "", "2 must decide: quota User quota { }" },
    { "2.4: UIDLs", "dovecot_config_version = 2.4.1\npop3_uidl_format = %{uid | hex(8)}%{uidvalidity | hex(8)}\n", "postern_auth_mechanisms = plain\n", "" },
    { "2.4 does not take old hashes unless told", "dovecot_config_version = 2.4.1\nauth_allow_weak_schemes = yes\n", "postern_auth_allow_weak_schemes = yes\n", "" },
};

static struct import read(struct arena *a, const char *text)
{
    struct import im = { .arena = a, .root = "", .config_dir = "/etc/postern-mailbox", .own_instance = true };
    struct err err = { 0 };
    if (dovecot_parse("dovecot.conf", str_from(text), a, &im.tree, &err) < 0)
        printf("# %s\n", err.text);
    import_map(&im);
    return im;
}

static bool has_note(const struct import *im, const char *want)
{
    for (size_t i = 0; i < im->notes.n; i++) {
        const struct import_note *n = &im->notes.p[i];
        char line[1024];
        (void)snprintf(line, sizeof line, "%u %s: %.*s: %s", n->line, import_grade_name(n->grade), STR_FMT(n->what), n->text);
        if (strncmp(line, want, strlen(want)) == 0)
            return true;
    }
    return *want == '\0';
}

static void test_rows(void)
{
    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct arena a = arena_make(16 << 20);
        struct import im = read(&a, rows[i].text);
        struct buf out = buf_make(0), notes = buf_make(0);
        buf_putc(&out, '\n');
        import_print(&im, &out);
        import_print_notes(&im, &notes);
        struct str want = str_printf(&a, "\n%s", rows[i].param);
        bool ok = str_find(buf_str(&out), want) >= 0 && has_note(&im, rows[i].note);
        OK(ok, rows[i].name);
        if (!ok)
            printf("# %s# %s\n", buf_cstr(&out), buf_cstr(&notes));
        buf_done(&out);
        buf_done(&notes);
        import_done(&im);
        arena_done(&a);
    }
}

/* What a row maps in silence must stay silent: no note without a setting. */
static void test_default(void)
{
    struct arena a = arena_make(16 << 20);
    struct import im = read(&a, "# 2.3.19.1 (9b53102964): /nowhere/dovecot.conf\nmail_location = maildir:~/Maildir\npassdb {\n  driver = pam\n}\nssl_cert = </c\nssl_key = </k\n"
                                "protocols = imap pop3\nuserdb {\n  driver = passwd\n}\n");
    OK(im.notes.n == 0 && !import_must_decide(&im), "a set-up that has an equal for all of it is imported without a note");
    import_done(&im);
    im = read(&a, "plugin {\n  sieve = x\n}\nssl_cert = </c\nssl_key = </k\n");
    OK(import_must_decide(&im), "a set-up with Sieve is one to decide on");
    import_done(&im);
    arena_done(&a);
}

static const char SQL_24[] =
    "dovecot_config_version = 2.4.1\nsql_driver = mysql\nmysql localhost {\n  user = mail\n  password = s3cret\n  dbname = mailserver\n}\n"
    "passdb sql {\n  query = SELECT email as user, password FROM users WHERE email = '%{user}'\n  default_password_scheme = BLF-CRYPT\n}\n"
    "userdb sql {\n  query = SELECT home, uid FROM users WHERE email = '%{user | lower}'\n  iterate_query = SELECT email AS user FROM users\n}\n";
static const char LDAP_24[] =
    "dovecot_config_version = 2.4.1\nldap_uris = ldap://localhost\nldap_base = dc=x\nldap_auth_dn = cn=a\nldap_auth_dn_password = p\n"
    "passdb ldap {\n  ldap_filter = (mail=%{user})\n  ldap_bind = yes\n  fields {\n    user = %{ldap:mail}\n  }\n}\n";
static const struct { const char *name, *text, *want[5]; size_t file; } files[] = {
    { "2.4: a query file for passwords", SQL_24, { "driver = mysql\n", "connect = user=mail password=s3cret dbname=mailserver host=localhost\n", "default_pass_scheme = BLF-CRYPT\n",
      "password_query = SELECT email as user, password FROM users WHERE email = '%{user}'\n" }, 0 },
    { "2.4: a query file for users", SQL_24, { "driver = mysql\n", "user_query = SELECT home, uid FROM users WHERE email = '%{user | lower}'\n", "iterate_query = SELECT email AS user FROM users\n" }, 1 },
    { "2.4: a file for LDAP", LDAP_24, { "uris = ldap://localhost\n", "dn = cn=a\ndnpass = p\nbase = dc=x\n", "auth_bind = yes\n", "pass_filter = (mail=%{user})\n", "pass_attrs = =user=%{ldap:mail}\n" }, 0 },
    { "2.4: SQLite", "dovecot_config_version = 2.4.1\nsql_driver = sqlite\nsqlite_path = /x.db\npassdb sql {\n  query = SELECT 1\n}\n", { "driver = sqlite\nconnect = /x.db\npassword_query = SELECT 1\n" }, 0 },
};

static void test_files(void)
{
    for (size_t i = 0; i < N_ELEMS(files); i++) {
        struct arena a = arena_make(16 << 20);
        struct import im = read(&a, files[i].text);
        bool ok = im.files.n > files[i].file;
        for (size_t k = 0; ok && k < 5 && files[i].want[k] != NULL; k++)
            ok = str_find(im.files.p[files[i].file].text, str_from(files[i].want[k])) >= 0;
        OK(ok, files[i].name);
        if (!ok && im.files.n > files[i].file)
            printf("# %.*s\n", STR_FMT(im.files.p[files[i].file].text));
        if (i == 0) {
            struct buf out = buf_make(0);
            import_print(&im, &out);
            OK(str_find(buf_str(&out), STR("postern_passdb = sql:/etc/postern-mailbox/dovecot-sql-passdb-1.conf.ext\n")) >= 0, "main.cf names the file");
            OK(str_find(buf_str(&out), STR("postern_userdb = sql:/etc/postern-mailbox/dovecot-sql-userdb-2.conf.ext\n")) >= 0, "and the other one");
            buf_done(&out);
        }
        import_done(&im);
        arena_done(&a);
    }
}

int main(void)
{
    test_rows();
    test_default();
    test_files();
    return tap_done();
}
