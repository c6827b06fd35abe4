/* SPDX-License-Identifier: ISC
 * params.h - what an administrator can tune in the SMTP server engine, once. */
#ifndef SMTPSRV_PARAMS_H
#define SMTPSRV_PARAMS_H
#include "conf/param.h"

#define SMTPSRV_PARAMS(P)                                                                                              \
    P(RAW, banner, "smtpd_banner", "$myhostname ESMTP $mail_name", 0, 0, "Text after 220 in the greeting.")            \
    P(STR, mynetworks, "mynetworks", "", 0, 0, "Clients that may relay.")                                              \
    P(STR, event_exceptions, "smtpd_client_event_limit_exceptions", "$mynetworks", 0, 0,                               \
      "Clients that the limits per client do not hold for.")                                                           \
    P(STR, local_rewrite_clients, "local_header_rewrite_clients", "permit_inet_interfaces", 0, 0,                      \
      "Clients whose messages get missing header fields.")                                                             \
    P(BOOL, peername_lookup, "smtpd_peername_lookup", "yes", 0, 0, "Look up the client's name.")                       \
    P(SECS, timeout, "smtpd_timeout", "300s", 1, 86400, "Longest wait for a client.")                                  \
    P(SECS, session_limit, "postern_session_time_limit", "4h", 10, 604800, "Longest session.")                         \
    P(SECS, preauth_limit, "postern_preauth_time_limit", "180s", 5, 86400,                                             \
      "Longest time that a submission client may take until it has logged in.")                                        \
    P(UINT, min_data_rate, "smtpd_min_data_rate", "500", 1, 1000000, "Least bytes per second of message content.")     \
    P(UINT, soft_error_limit, "smtpd_soft_error_limit", "10", 1, 100000, "Errors from which on replies are delayed.")  \
    P(UINT, hard_error_limit, "smtpd_hard_error_limit", "20", 1, 100000, "Errors that end a session.")                 \
    P(UINT, auth_failure_limit, "postern_smtpd_auth_failure_limit", "10", 1, 100000, "Wrong passwords that end a session.") \
    P(SECS, error_sleep, "smtpd_error_sleep_time", "1s", 0, 60, "Delay of replies to clients that make errors.")       \
    P(UINT, junk_limit, "smtpd_junk_command_limit", "100", 1, 1000000,                                                 \
      "NOOP, RSET, VRFY and such that count as errors from there on.")                                                 \
    P(UINT, rcpt_limit, "smtpd_recipient_limit", "1000", 1, 100000, "Most recipients of a message.")                   \
    P(UINT, connection_count_limit, "smtpd_client_connection_count_limit", "50", 0, 1000000,                           \
      "Connections at once from one client, all processes of the service together; 0 = any number.")                   \
    P(UINT, connection_rate_limit, "smtpd_client_connection_rate_limit", "0", 0, 1000000, "Connections per time unit from one client, 0 = any number.") \
    P(UINT, message_rate_limit, "smtpd_client_message_rate_limit", "0", 0, 1000000, "Messages per time unit from one client, 0 = any number.") \
    P(UINT, rcpt_rate_limit, "smtpd_client_recipient_rate_limit", "0", 0, 1000000, "Recipients per time unit from one client, 0 = any number.") \
    P(UINT, auth_rate_limit, "smtpd_client_auth_rate_limit", "0", 0, 1000000, "AUTH commands per time unit from one client, 0 = any number.") \
    P(UINT, tls_rate_limit, "smtpd_client_new_tls_session_rate_limit", "0", 0, 1000000, "New TLS sessions, not resumed ones, per time unit from one client, 0 = any number.") \
    P(SECS, rate_unit, "anvil_rate_time_unit", "60s", 1, 86400, "Time unit of the limits per client.")                 \
    P(SIZE, session_memory, "postern_session_memory_limit", "33554432", 1048576, 1073741824,                           \
      "Most memory of one transaction's envelope.")                                                                    \
    P(BOOL, helo_required, "smtpd_helo_required", "no", 0, 0, "MAIL needs a HELO or EHLO before it.")                  \
    P(BOOL, strict_envelopes, "strict_rfc821_envelopes", "no", 0, 0, "Addresses must be written as the RFC has it.")   \
    P(BOOL, disable_vrfy, "disable_vrfy_command", "no", 0, 0, "Refuse VRFY.")                                          \
    P(BOOL, smtputf8_enable, "smtputf8_enable", "${{$compatibility_level} <level {1} ? {no} : {yes}}", 0, 0, "Announce SMTPUTF8.") \
    P(STR, discard_ehlo, "smtpd_discard_ehlo_keywords", "", 0, 0, "Extensions that are not announced.")                \
    P(STR, forbid_bare_newline, "smtpd_forbid_bare_newline", "normalize", 0, 0,                                        \
      "What happens to lines that end in a bare LF: normalize, or reject. Neither ever ends a message.")               \
    P(UINT, bare_newline_code, "smtpd_forbid_bare_newline_reject_code", "550", 500, 599, "Reply code for smtpd_forbid_bare_newline = reject.") \
    P(BOOL, forbid_pipelining, "smtpd_forbid_unauth_pipelining", "yes", 0, 0, "Hang up on clients that do not wait where they must.") \
    P(STR, forbidden_commands, "smtpd_forbidden_commands", "CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}", 0, 0,        \
      "Commands that show that a client speaks another protocol.")                                                     \
    P(BOOL, tls_wrappermode, "smtpd_tls_wrappermode", "no", 0, 0, "TLS from the first byte.")                          \
    P(STR, tls_level, "smtpd_tls_security_level", "", 0, 0, "none, may or encrypt.")                                   \
    P(BOOL, use_tls, "smtpd_use_tls", "no", 0, 0, "Old form of smtpd_tls_security_level = may.")                       \
    P(BOOL, enforce_tls, "smtpd_enforce_tls", "no", 0, 0, "Old form of smtpd_tls_security_level = encrypt.")           \
    P(STR, tls_cert, "smtpd_tls_cert_file", "", 0, 0, "PEM file with the certificate chain.")                          \
    P(STR, tls_key, "smtpd_tls_key_file", "$smtpd_tls_cert_file", 0, 0, "PEM file with the private key.")              \
    P(STR, tls_eccert, "smtpd_tls_eccert_file", "", 0, 0, "PEM file with a second certificate chain, for another kind of key.") \
    P(STR, tls_eckey, "smtpd_tls_eckey_file", "$smtpd_tls_eccert_file", 0, 0, "PEM file with its private key.")        \
    P(STR, tls_chain, "smtpd_tls_chain_files", "", 0, 0,                                                               \
      "PEM files with keys, each before its certificate chain; if set, the other certificates are not used.")          \
    P(STR, tls_sni, "tls_server_sni_maps", "", 0, 0,                                                                   \
      "Certificates for clients that ask for a name, or .domain: texthash:/PATH or hash:/PATH (whose text is read) with lines \"name key-file chain-file\", " \
      "or inline:{ { name = key-file chain-file } }. Read at the start and at a reload.")                               \
    P(STR, tls_protocols, "smtpd_tls_protocols", ">=TLSv1", 0, 0, "TLS versions; the oldest of them is used as limit.") \
    P(STR, tls_ca_file, "smtpd_tls_CAfile", "", 0, 0, "CA certificates (PEM) of clients.")                             \
    P(BOOL, tls_ask_ccert, "smtpd_tls_ask_ccert", "no", 0, 0,                                                          \
      "Ask clients for a certificate; one that smtpd_tls_CAfile has signed makes SASL EXTERNAL possible.")             \
    P(STR, sasl_mechanism_filter, "smtpd_sasl_mechanism_filter", "!external, static:rest", 0, 0,                       \
      "SASL mechanisms to offer: names, !names, and static:rest for all others.")                                      \
    P(UINT, tls_loglevel, "smtpd_tls_loglevel", "0", 0, 4, "1 = one line per TLS session.")                            \
    P(BOOL, tls_received, "smtpd_tls_received_header", "no", 0, 0, "Say in Received what TLS was used.")               \
    P(BOOL, tls_auth_only, "smtpd_tls_auth_only", "no", 0, 0, "AUTH only under TLS.")                                  \
    P(BOOL, auth_loopback, "postern_auth_plaintext_loopback", "no", 0, 0, "AUTH without TLS on loopback addresses.")   \
    P(BOOL, sasl_enable, "smtpd_sasl_auth_enable", "no", 0, 0, "Offer AUTH.")                                          \
    P(BOOL, broken_sasl, "broken_sasl_auth_clients", "no", 0, 0, "Announce AUTH in the form of old clients too.")      \
    P(STR, sasl_exceptions, "smtpd_sasl_exceptions_networks", "", 0, 0, "Clients that AUTH is not announced to.")      \
    P(STR, sasl_local_domain, "smtpd_sasl_local_domain", "", 0, 0, "Realm of the users.")                              \
    P(BOOL, sasl_header, "smtpd_sasl_authenticated_header", "no", 0, 0, "Name the user in Received.")                  \
    P(STR, sender_login_maps, "smtpd_sender_login_maps", "", 0, 0, "Tables from sender addresses to the users who own them.") \
    P(BOOL, soft_bounce, "soft_bounce", "no", 0, 0, "Say 4xx where 5xx is meant: senders keep their mail.")             \
    P(BOOL, delay_reject, "smtpd_delay_reject", "yes", 0, 0, "Say no at RCPT TO, not earlier.")                        \
    P(BOOL, relay_before_rcpt, "smtpd_relay_before_recipient_restrictions", "${{$compatibility_level} <level {3.6} ? {no} : {yes}}", 0, 0, \
      "smtpd_relay_restrictions come before smtpd_recipient_restrictions.")                                            \
    P(STR, client_restrictions, "smtpd_client_restrictions", "", 0, 0, "Rules for the client.")                        \
    P(STR, helo_restrictions, "smtpd_helo_restrictions", "", 0, 0, "Rules for HELO.")                                  \
    P(STR, sender_restrictions, "smtpd_sender_restrictions", "", 0, 0, "Rules for MAIL FROM.")                         \
    P(STR, relay_restrictions, "smtpd_relay_restrictions",                                                             \
      "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination}}", 0, 0, \
      "Rules for relaying.")                                                                                           \
    P(STR, recipient_restrictions, "smtpd_recipient_restrictions", "", 0, 0, "Rules for RCPT TO.")                     \
    P(STR, data_restrictions, "smtpd_data_restrictions", "", 0, 0, "Rules for DATA.")                                  \
    P(STR, eod_restrictions, "smtpd_end_of_data_restrictions", "", 0, 0, "Rules for the end of the message.")          \
    P(STR, classes, "smtpd_restriction_classes", "", 0, 0, "Names of further lists that rules may name.")              \
    P(STR, parent_matches, "parent_domain_matches_subdomains",                                                         \
      "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,smtpd_access_maps", \
      0, 0, "Lists in which \"example.com\" stands for its subdomains too.")                                           \
    P(STR, policy_default, "smtpd_policy_service_default_action", "451 4.3.5 Server configuration problem", 0, 0,       \
      "What happens when a policy server does not answer.")                                                            \
    P(STR, null_key, "smtpd_null_access_lookup_key", "<>", 0, 0, "Key of the null sender in access tables.")           \
    P(BOOL, unlisted_recipient, "smtpd_reject_unlisted_recipient", "yes", 0, 0, "Refuse recipients that do not exist.") \
    P(BOOL, unlisted_sender, "smtpd_reject_unlisted_sender", "no", 0, 0, "Refuse senders in our domains that do not exist.") \
    P(BOOL, untrusted_routing, "allow_untrusted_routing", "no", 0, 0, "Relay user%domain@ours and the like for strangers.") \
    P(UINT, access_code, "access_map_reject_code", "554", 400, 599, "Code of REJECT in access tables.")                \
    P(UINT, access_defer_code, "access_map_defer_code", "450", 400, 499, "Code of DEFER in access tables.")            \
    P(UINT, reject_code, "reject_code", "554", 400, 599, "Code of the rule reject.")                                   \
    P(UINT, defer_code, "defer_code", "450", 400, 499, "Code of the rule defer.")                                      \
    P(UINT, relay_code, "relay_domains_reject_code", "554", 400, 599, "Code of reject_unauth_destination.")            \
    P(UINT, non_fqdn_code, "non_fqdn_reject_code", "504", 400, 599, "Code of reject_non_fqdn_...")                     \
    P(UINT, invalid_host_code, "invalid_hostname_reject_code", "501", 400, 599, "Code of reject_invalid_helo_hostname.") \
    P(UINT, unknown_host_code, "unknown_hostname_reject_code", "450", 400, 599, "Code of reject_unknown_helo_hostname.") \
    P(UINT, unknown_client_code, "unknown_client_reject_code", "450", 400, 599, "Code of reject_unknown_client_hostname.") \
    P(UINT, unknown_address_code, "unknown_address_reject_code", "450", 400, 599, "Code of reject_unknown_..._domain.") \
    P(UINT, maps_rbl_code, "maps_rbl_reject_code", "554", 400, 599, "Code of reject_rbl_...")                          \
    P(UINT, multi_bounce_code, "multi_recipient_bounce_reject_code", "550", 400, 599, "Code of reject_multi_recipient_bounce.") \
    P(UINT, unknown_local_code, "unknown_local_recipient_reject_code", "550", 400, 599, "Code for unknown local users.") \
    P(UINT, unknown_relay_code, "unknown_relay_recipient_reject_code", "550", 400, 599, "Code for unknown users of relay_domains.") \
    P(UINT, unknown_alias_code, "unknown_virtual_alias_reject_code", "550", 400, 599, "Code for unknown virtual aliases.") \
    P(UINT, unknown_mailbox_code, "unknown_virtual_mailbox_reject_code", "550", 400, 599, "Code for unknown virtual mailboxes.")

struct smtpsrv_conf { SMTPSRV_PARAMS(PARAM_MEMBER) };
#endif
