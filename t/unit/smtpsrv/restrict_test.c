/* SPDX-License-Identifier: ISC */
#include "stage.h"
#include "base/num.h"

/* ---- a resolver that knows a few names ---- */

static const struct { const char *name; unsigned type; uint8_t rdata[4]; size_t n; } zone[] = {
    { "good.test", 1, { 192, 0, 2, 7 }, 4 }, { "9.113.0.203.bl.test", 1, { 127, 0, 0, 2 }, 4 }, { "9.113.0.203.bl.test", 16, "spam", 4 },
    { "listed.test.dbl.test", 1, { 127, 0, 1, 2 }, 4 },
};
static struct chan *resolver;

static void on_query(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    const struct ipc_dns_query *q = msg;
    struct ipc_dns_answer answer = { .rcode = str_iends(q->name, STR("down.test")) ? 2 : 3 };
    uint8_t record[6];
    (void)type;
    for (size_t i = 0; i < N_ELEMS(zone); i++)
        if (str_ieqz(q->name, zone[i].name) && q->type == zone[i].type) {
            put_be16(record, (uint16_t)zone[i].n);
            memcpy(record + 2, zone[i].rdata, zone[i].n);
            answer = (struct ipc_dns_answer){ .n = 1, .records = str_make(record, 2 + zone[i].n) };
        }
    (void)chan_send(c, IPC_DNS_ANSWER, id, &answer);
}
static void on_gone(struct chan *c) { (void)c; }
static const struct chan_ops resolver_ops = { on_query, on_gone };

static bool open_with_dns(const char *conf)
{
    int pair[2];
    if (!stage_open(conf) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    resolver = chan_new(pair[0], ROLE_RESOLVER, ROLE_SMTPD, &resolver_ops, NULL);
    helper_attach(smtpsrv_resolver(stage.srv), chan_new(pair[1], ROLE_SMTPD, ROLE_RESOLVER, helper_ops(), smtpsrv_resolver(stage.srv)));
    return true;
}

/* ---- one restriction: what RCPT says ---- */

static const struct { const char *name, *conf, *helo, *from, *to, *reply; } rules[] = {
    { "reject", "smtpd_client_restrictions = reject\n", "c.test", "a@good.test", "u@our.test", "554 5.7.1 <u@our.test>: Recipient address rejected: Access denied" },
    { "defer", "smtpd_recipient_restrictions = defer\n", "c.test", "a@good.test", "u@our.test", "450 4.7.1 <u@our.test>: Recipient address rejected: Try again later" },
    { "permit ends its own list only", "smtpd_client_restrictions = permit, reject\nsmtpd_sender_restrictions = reject\n", "c.test", "a@good.test", "u@our.test", "554" },
    { "permit_mynetworks", "smtpd_client_restrictions = permit_mynetworks, reject\nmynetworks = 203.0.113.9\n", "c.test", "a@good.test", "u@our.test", "250" },
    { "not in mynetworks", "smtpd_client_restrictions = permit_mynetworks, reject\n", "c.test", "a@good.test", "u@our.test", "554" },
    { "permit_sasl_authenticated without a login", "smtpd_client_restrictions = permit_sasl_authenticated, reject\n", "c.test", "a@good.test", "u@our.test", "554" },
    { "warn_if_reject", "smtpd_client_restrictions = warn_if_reject reject\n", "c.test", "a@good.test", "u@our.test", "250" },
    { "reject_non_fqdn_sender", "smtpd_sender_restrictions = reject_non_fqdn_sender\n", "c.test", "a@short", "u@our.test", "504 5.5.2 <a@short>: Sender address rejected: need fully-qualified address" },
    { "reject_non_fqdn_sender and a full one", "smtpd_sender_restrictions = reject_non_fqdn_sender\n", "c.test", "a@x.test", "u@our.test", "250" },
    { "reject_non_fqdn_recipient", "smtpd_recipient_restrictions = reject_non_fqdn_recipient\n", "c.test", "", "u", "504 5.5.2 <u>: Recipient address rejected: need fully-qualified address" },
    { "reject_non_fqdn_helo_hostname", "smtpd_helo_restrictions = reject_non_fqdn_helo_hostname\n", "short", "", "u@our.test", "504 5.5.2 <short>: Helo command rejected: need fully-qualified hostname" },
    { "reject_non_fqdn_hostname, the old name", "smtpd_helo_restrictions = reject_non_fqdn_hostname\n", "[192.0.2.9]", "", "u@our.test", "250" },
    { "reject_invalid_helo_hostname", "smtpd_helo_restrictions = reject_invalid_helo_hostname\n", "a..b", "", "u@our.test", "501 5.5.2 <a..b>: Helo command rejected: Invalid name" },
    { "reject_unknown_helo_hostname", "smtpd_helo_restrictions = reject_unknown_helo_hostname\n", "no.test", "", "u@our.test", "450 4.7.1 <no.test>: Helo command rejected: Host not found" },
    { "reject_unknown_sender_domain", "smtpd_sender_restrictions = reject_unknown_sender_domain\n", "c.test", "a@no.test", "u@our.test", "450 4.1.8 <a@no.test>: Sender address rejected: Domain not found" },
    { "a domain that is known", "smtpd_sender_restrictions = reject_unknown_sender_domain\n", "c.test", "a@good.test", "u@our.test", "250" },
    { "our own is not asked for", "smtpd_sender_restrictions = reject_unknown_sender_domain\n", "c.test", "a@our.test", "u@our.test", "250" },
    { "DNS that does not answer", "smtpd_sender_restrictions = reject_unknown_sender_domain\nunknown_address_reject_code = 550\n", "c.test", "a@x.down.test", "u@our.test", "450 4.4.3" },
    { "reject_unknown_recipient_domain", "smtpd_recipient_restrictions = reject_unknown_recipient_domain\nmynetworks = 203.0.113.9\n", "c.test", "", "v@no.test", "450 4.1.2 <v@no.test>: Recipient address rejected: Domain not found" },
    { "reject_unknown_client_hostname", "smtpd_client_restrictions = reject_unknown_client_hostname\n", "c.test", "", "u@our.test", "450 4.7.25 Client host rejected: cannot find your hostname, [203.0.113.9]" },
    { "reject_unknown_reverse_client_hostname", "smtpd_client_restrictions = reject_unknown_reverse_client_hostname\n", "c.test", "", "u@our.test", "450 4.7.25 Client host rejected: cannot find your reverse hostname, [203.0.113.9]" },
    { "reject_rbl_client", "smtpd_client_restrictions = reject_rbl_client bl.test\n", "c.test", "", "u@our.test", "554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using bl.test; spam" },
    { "reject_rbl_client, another code", "smtpd_client_restrictions = reject_rbl_client bl.test=127.0.0.3\n", "c.test", "", "u@our.test", "250" },
    { "reject_rhsbl_sender", "smtpd_sender_restrictions = reject_rhsbl_sender dbl.test\n", "c.test", "a@listed.test", "u@our.test", "554 5.7.1 Service unavailable; Sender address [listed.test] blocked using dbl.test" },
    { "check_client_access by address", "smtpd_client_restrictions = check_client_access inline:{{203.0.113=REJECT go away}}\n", "c.test", "", "u@our.test", "554 5.7.1 <unknown[203.0.113.9]>: Client host rejected: go away" },
    { "check_helo_access", "smtpd_helo_restrictions = check_helo_access inline:{c.test=REJECT}\n", "c.test", "", "u@our.test", "554 5.7.1 <c.test>: Helo command rejected: Access denied" },
    { "check_sender_access by parent domain", "smtpd_sender_restrictions = check_sender_access inline:{{bad.test=550 5.7.9 no}}\n", "c.test", "a@sub.bad.test", "u@our.test", "550 5.7.9 <a@sub.bad.test>: Sender address rejected: no" },
    { "check_sender_access, null sender", "smtpd_sender_restrictions = check_sender_access inline:{<>=REJECT}\n", "c.test", "", "u@our.test", "554 5.7.1 <>: Sender address rejected: Access denied" },
    { "check_sender_access, user@", "smtpd_sender_restrictions = check_sender_access inline:{a@=REJECT}\n", "c.test", "a@any.test", "u@our.test", "554" },
    { "check_recipient_access", "smtpd_recipient_restrictions = check_recipient_access inline:{{u@our.test=DEFER later}}\n", "c.test", "", "u@our.test", "450 4.7.1 <u@our.test>: Recipient address rejected: later" },
    { "a bare table", "smtpd_recipient_restrictions = inline:{u@our.test=REJECT}\n", "c.test", "", "u@our.test", "554" },
    { "OK in an access table", "smtpd_recipient_restrictions = check_recipient_access inline:{u@our.test=OK}, reject\n", "c.test", "", "u@our.test", "250" },
    { "DUNNO in an access table", "smtpd_recipient_restrictions = check_recipient_access inline:{u@our.test=DUNNO}, reject\n", "c.test", "", "u@our.test", "554" },
    { "a number is OK", "smtpd_recipient_restrictions = check_recipient_access inline:{u@our.test=1}, reject\n", "c.test", "", "u@our.test", "250" },
    { "a restriction in an access table", "smtpd_recipient_restrictions = check_recipient_access inline:{u@our.test=reject}\n", "c.test", "", "u@our.test", "554" },
    { "an action that is not known fails closed", "smtpd_recipient_restrictions = check_recipient_access inline:{u@our.test=FROBNICATE}\n", "c.test", "", "u@our.test", "451 4.3.5 Server configuration error" },
    { "DEFER_IF_PERMIT", "smtpd_recipient_restrictions = check_recipient_access inline:{{u@our.test=DEFER_IF_PERMIT busy}}, permit\n", "c.test", "", "u@our.test", "450 4.7.1 <u@our.test>: Recipient address rejected: busy" },
    { "HOLD", "smtpd_recipient_restrictions = check_recipient_access inline:{u@our.test=HOLD}\n", "c.test", "", "u@our.test", "250" },
    { "an access table that is down", "smtpd_recipient_restrictions = check_recipient_access fail:down\n", "c.test", "", "u@our.test", "451 4.3.0 <u@our.test>: Temporary lookup failure" },
    { "a restriction class", "smtpd_restriction_classes = strict\nstrict = reject_non_fqdn_sender\nsmtpd_sender_restrictions = strict\n", "c.test", "a@short", "u@our.test", "504" },
    { "a class named in a table", "smtpd_restriction_classes = strict\nstrict = reject\nsmtpd_recipient_restrictions = check_recipient_access inline:{u@our.test=strict}\n", "c.test", "", "u@our.test", "554" },
    { "reject_multi_recipient_bounce and one recipient", "smtpd_data_restrictions = reject_multi_recipient_bounce\n", "c.test", "", "u@our.test", "250" },
    { "reject_sender_login_mismatch for strangers", "smtpd_sender_login_maps = inline:{a@our.test=alice}\nsmtpd_sender_restrictions = reject_sender_login_mismatch\n", "c.test", "a@our.test", "u@our.test", "553 5.7.1 <a@our.test>: Sender address rejected: not logged in" },
    { "and an address nobody owns", "smtpd_sender_login_maps = inline:{a@our.test=alice}\nsmtpd_sender_restrictions = reject_sender_login_mismatch\n", "c.test", "b@our.test", "u@our.test", "250" },
    { "reject_plaintext_session", "smtpd_recipient_restrictions = reject_plaintext_session\n", "c.test", "", "u@our.test", "450 4.7.1 Session encryption is required" },
    { "reject_unauth_destination", "smtpd_relay_restrictions = reject_unauth_destination\n", "c.test", "", "v@ext.test", "554 5.7.1 <v@ext.test>: Relay access denied" },
    { "defer_unauth_destination", "", "c.test", "", "v@ext.test", "454 4.7.1 <v@ext.test>: Relay access denied" },
    { "unknown local users", "", "c.test", "", "nosuch@our.test", "550 5.1.1 <nosuch@our.test>: Recipient address rejected: User unknown in local recipient table" },
    { "unknown users without the table's name", "show_user_unknown_table_name = no\n", "c.test", "", "nosuch@our.test", "550 5.1.1 <nosuch@our.test>: Recipient address rejected: User unknown" },
    { "another code for them", "unknown_local_recipient_reject_code = 450\n", "c.test", "", "nosuch@our.test", "450 4.1.1" },
    { "unknown virtual mailboxes", "virtual_mailbox_domains = vm.test\nvirtual_mailbox_maps = inline:{x@vm.test=x/}\n", "c.test", "", "y@vm.test", "550 5.1.1 <y@vm.test>: Recipient address rejected: User unknown in virtual mailbox table" },
    { "known ones", "virtual_mailbox_domains = vm.test\nvirtual_mailbox_maps = inline:{x@vm.test=x/}\n", "c.test", "", "x@vm.test", "250" },
    { "unknown relay recipients", "relay_domains = r.test\nrelay_recipient_maps = inline:{x@r.test=1}\n", "c.test", "", "y@r.test", "550 5.1.1 <y@r.test>: Recipient address rejected: User unknown in relay recipient table" },
    { "check_client_access by a network", "smtpd_client_restrictions = check_client_access cidr:{{203.0.113.0/24 REJECT go away}}\n", "c.test", "", "u@our.test", "554 5.7.1 <unknown[203.0.113.9]>: Client host rejected: go away" },
    { "check_client_access by a pattern for addresses", "smtpd_client_restrictions = check_client_access regexp:{{/^203\\.0\\.113\\./ REJECT go away}}\n", "c.test", "", "u@our.test", "554 5.7.1 <unknown[203.0.113.9]>: Client host rejected: go away" },
    { "a pattern is not asked about a part of an address", "smtpd_client_restrictions = check_client_access regexp:{{/^203\\.0\\.113$$/ REJECT go away}}\n", "c.test", "", "u@our.test", "250" },
    { "reject_rbl_client, a range of codes", "smtpd_client_restrictions = reject_rbl_client bl.test=127.0.0.[2..11]\n", "c.test", "", "u@our.test", "554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using bl.test; spam" },
    { "reject_rbl_client, another range", "smtpd_client_restrictions = reject_rbl_client bl.test=127.0.0.[3..11]\n", "c.test", "", "u@our.test", "250" },
    { "reject_rbl_client, a set of codes", "smtpd_client_restrictions = reject_rbl_client bl.test=127.[0;1].0.[1;2;7..9]\n", "c.test", "", "u@our.test", "554" },
    { "DNS that does not answer about a HELO name", "smtpd_helo_restrictions = reject_unknown_helo_hostname\nunknown_hostname_reject_code = 550\n", "x.down.test", "", "u@our.test", "450 4.7.1 <x.down.test>: Helo command rejected: Host not found" },
    { "permit_dnswl_client", "smtpd_client_restrictions = permit_dnswl_client bl.test=127.0.0.[1..3], reject\n", "c.test", "", "u@our.test", "250" },
    { "permit_dnswl_client and another code", "smtpd_client_restrictions = permit_dnswl_client bl.test=127.0.0.3, reject\n", "c.test", "", "u@our.test", "554" },
    { "permit_dnswl_client opens no relay", "smtpd_relay_restrictions = permit_dnswl_client bl.test, reject_unauth_destination\n", "c.test", "", "v@ext.test", "554 5.7.1 <v@ext.test>: Relay access denied" },
    { "permit_rhswl_client and a client without a name", "smtpd_client_restrictions = permit_rhswl_client dbl.test, reject\n", "c.test", "", "u@our.test", "554" },
    { "a client that is let in may not relay for that", "smtpd_client_restrictions = check_client_access inline:{203.0.113.9=OK}\nsmtpd_relay_restrictions =\n", "c.test", "", "v@ext.test", "554 5.7.1 <v@ext.test>: Relay access denied" },
    { "DEFER_IF_REJECT", "smtpd_sender_restrictions = check_sender_access inline:{{a@good.test=DEFER_IF_REJECT later}}, reject\n", "c.test", "a@good.test", "u@our.test", "450 4.7.1 <a@good.test>: Sender address rejected: later" },
    { "DEFER_IF_REJECT and nothing rejects", "smtpd_sender_restrictions = check_sender_access inline:{{a@good.test=DEFER_IF_REJECT later}}\n", "c.test", "a@good.test", "u@our.test", "250" },
    { "reject_unlisted_recipient has the code of the class", "smtpd_recipient_restrictions = reject_unlisted_recipient\nvirtual_mailbox_domains = vm.test\nvirtual_mailbox_maps = inline:{x@vm.test=x/}\nunknown_virtual_mailbox_reject_code = 450\n", "c.test", "", "y@vm.test", "450 4.1.1 <y@vm.test>" },
    { "smtpd_reject_unlisted_sender", "smtpd_reject_unlisted_sender = yes\n", "c.test", "nosuch@our.test", "u@our.test", "550 5.1.0 <nosuch@our.test>: Sender address rejected: User unknown in local recipient table" },
    { "soft_bounce", "soft_bounce = yes\n", "c.test", "", "nosuch@our.test", "450 4.1.1 <nosuch@our.test>: Recipient address rejected: User unknown in local recipient table" },
    { "the check switched off", "smtpd_reject_unlisted_recipient = no\n", "c.test", "", "nosuch@our.test", "250" },
};

static void test_rules(void)
{
    for (size_t i = 0; i < N_ELEMS(rules); i++) {
        char script[600];
        (void)snprintf(script, sizeof script, "< 220\n> EHLO %s\n< 250\n> MAIL FROM:<%s>\n< 250\n> RCPT TO:<%s>\n< %s\n> QUIT\n< 221\n<closed\n", rules[i].helo, rules[i].from,
                       rules[i].to, rules[i].reply);
        bool ok = open_with_dns(rules[i].conf) && stage_run(script);
        OK(ok, rules[i].name);
        if (!ok)
            printf("# %s\n", buf_cstr(&stage_log));
        if (resolver != NULL) {
            chan_free(resolver);
            stage_close();
        }
        resolver = NULL;
    }
}

static void test_stages(void)
{
    stage_open("smtpd_delay_reject = no\nsmtpd_client_restrictions = reject\n");
    OK(stage_run("< 554 5.7.1\n> EHLO c\n< 503 5.7.0 Error: access denied for unknown[203.0.113.9]\n> QUIT\n< 221\n<closed\n"),
       "without delay the client's rules speak at once, and nothing but QUIT follows");
    stage_close();
    stage_open("smtpd_delay_reject = no\nsmtpd_sender_restrictions = reject_non_fqdn_sender\n");
    OK(stage_run("< 220\n> EHLO c\n< 250\n> MAIL FROM:<a@b>\n< 504 5.5.2\n> MAIL FROM:<a@b.test>\n< 250\n> QUIT\n< 221\n<closed\n"), "without delay the sender's rules speak at MAIL");
    stage_close();
    stage_open("smtpd_data_restrictions = reject_multi_recipient_bounce\n");
    OK(stage_run("< 220\n> EHLO c\n< 250\n> MAIL FROM:<>\n< 250\n> RCPT TO:<u@our.test>\n< 250\n> RCPT TO:<v@our.test>\n< 250\n> DATA\n< 550 5.5.3 <DATA>: Data command rejected: Multi-recipient bounce\n"
                 "> RCPT TO:<u@our.test>\n< 503\n> QUIT\n< 221\n<closed\n"), "rules for DATA; D2: after a refusal nothing is left");
    stage_close();
    stage_open("smtpd_end_of_data_restrictions = check_sender_access inline:{{a@b.test=REJECT too late}}\n");
    OK(stage_run("< 220\n> EHLO c\n< 250\n> MAIL FROM:<a@b.test>\n< 250\n> RCPT TO:<u@our.test>\n< 250\n> DATA\n< 354\n> .\n< 554 5.7.1 <a@b.test>: Sender address rejected: too late\n"
                 "> RCPT TO:<u@our.test>\n< 503\n> DATA\n< 503\n> QUIT\n< 221\n<closed\n") && stage.got.n == 0, "rules for the end of data; D2: MAIL is needed again");
    stage_close();
    stage_open("smtpd_recipient_restrictions = check_recipient_access inline:{{u@our.test=HOLD} {v@our.test=PREPEND X-Seen: yes}}\n");
    OK(stage_run("< 220\n> EHLO c\n< 250\n> MAIL FROM:<>\n< 250\n> RCPT TO:<u@our.test>\n< 250\n> RCPT TO:<v@our.test>\n< 250\n> DATA\n< 354\n> .\n< 250\n> QUIT\n< 221\n<closed\n") &&
       (stage.got.p[0].flags & MSG_HOLD) != 0 && content_has(0, "X-Seen: yes\n") && stage_logged("NOQUEUE: hold: RCPT from"), "HOLD and PREPEND do what they say");
    stage_close();
    static const char *const rewrite[] = { "", "local_header_rewrite_clients =\n" };
    for (size_t i = 0; i < N_ELEMS(rewrite); i++) {
        stage_open(rewrite[i]);
        stage.client = "192.0.2.1";
        OK(stage_run("< 220\n> EHLO c\n< 250\n> MAIL FROM:<>\n< 250\n> RCPT TO:<u@our.test>\n< 250\n> DATA\n< 354\n> Subject: x\n> \n> .\n< 250\n> QUIT\n< 221\n<closed\n") &&
           content_has(0, "Date: ") == (i == 0), i == 0 ? "a client here gets the fields that are missing" : "not when local_header_rewrite_clients is empty");
        stage_close();
    }
    stage_open("smtpd_recipient_restrictions = check_recipient_access inline:{u@our.test=DISCARD}\n");
    OK(stage_run("< 220\n> EHLO c\n< 250\n> MAIL FROM:<>\n< 250\n> RCPT TO:<u@our.test>\n< 250\n> DATA\n< 354\n> .\n< 250\n> QUIT\n< 221\n<closed\n") && stage.got.n == 0, "DISCARD takes the message and throws it away");
    stage_close();
}

static const struct { const char *name, *conf, *named; } errors[] = {
    { "an unknown restriction", "smtpd_recipient_restrictions = reject_everything\n", "smtpd_recipient_restrictions: unknown restriction: \"reject_everything\"" },
    { "a missing argument", "smtpd_client_restrictions = check_client_access\n", "smtpd_client_restrictions: needs an argument: \"check_client_access\"" },
    { "an argument that is no table", "smtpd_client_restrictions = check_client_access reject\n", "smtpd_client_restrictions: needs a table as type:name, not: \"reject\"" },
    { "a table of an unknown type", "smtpd_client_restrictions = check_client_access nosuch:x\n", "nosuch" },
    { "a filter for answers that is none", "smtpd_client_restrictions = reject_rbl_client bl.test=127.0.0.[2..\n", "bad pattern for the addresses of a list" },
    { "an unknown TLS level", "smtpd_tls_security_level = strong\n", "smtpd_tls_security_level" },
    { "TLS required without a certificate", "smtpd_tls_security_level = encrypt\n", "smtpd_tls_cert_file" },
    { "a certificate that is not there", "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = /nonexistent/cert.pem\n", "/nonexistent/cert.pem" },
    { "an unknown policy for bare LF", "smtpd_forbid_bare_newline = sometimes\n", "smtpd_forbid_bare_newline" },
};

static void test_errors(void)
{
    for (size_t i = 0; i < N_ELEMS(errors); i++) {
        bool opened = stage_open_service(SMTPSRV_MX, errors[i].conf, true);
        bool named = stage_logged(errors[i].named);
        if (!named)
            printf("# %s\n", buf_cstr(&stage_log));
        OK(!opened && named, errors[i].name);
        if (opened)
            stage_close();
    }
}

int main(void)
{
    loop_init();
    test_rules();
    test_stages();
    test_errors();
    buf_done(&stage_log);
    return tap_done();
}
