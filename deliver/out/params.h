/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in the delivery to other hosts.
 *
 * smtp_ and lmtp_ parameters are the same rows: X is the prefix, D picks the
 * default. They are read once per transport of master.cf, with its -o.
 */
#ifndef OUT_PARAMS_H
#define OUT_PARAMS_H

#define OUT_SMTP_DEFAULT(smtp, lmtp) smtp
#define OUT_LMTP_DEFAULT(smtp, lmtp) lmtp
#define OUT_SMTP_PARAMS(P) OUT_CLIENT_PARAMS(P, "smtp_", OUT_SMTP_DEFAULT) OUT_COMMON_PARAMS(P)
#define OUT_LMTP_PARAMS(P) OUT_CLIENT_PARAMS(P, "lmtp_", OUT_LMTP_DEFAULT) OUT_COMMON_PARAMS(P)

#define OUT_CLIENT_PARAMS(P, X, D)                                                                                              \
    P(SECS, connect_timeout, X "connect_timeout", D("30s", "0s"), 0, 86400, "Time limit for a TCP connection; 0 = the system's.") \
    P(SECS, helo_timeout, X D("helo_timeout", "lhlo_timeout"), "300s", 1, 86400, "Time limit for the greeting and for HELO, EHLO or LHLO.") \
    P(SECS, starttls_timeout, X "starttls_timeout", "300s", 1, 86400, "Time limit for the TLS handshake.")                       \
    P(SECS, mail_timeout, X "mail_timeout", "300s", 1, 86400, "Time limit for MAIL FROM and its reply.")                        \
    P(SECS, rcpt_timeout, X "rcpt_timeout", "300s", 1, 86400, "Time limit for RCPT TO and its reply.")                          \
    P(SECS, data_init_timeout, X "data_init_timeout", "120s", 1, 86400, "Time limit for DATA and its reply.")                   \
    P(SECS, data_xfer_timeout, X "data_xfer_timeout", "180s", 1, 86400, "Time limit for each piece of content to be taken.")    \
    P(SECS, data_done_timeout, X "data_done_timeout", "600s", 1, 86400, "Time limit for the reply to the end of the message.")  \
    P(SECS, quit_timeout, X "quit_timeout", "300s", 1, 86400, "Time limit for QUIT.")                                           \
    P(STR, helo_name, X D("helo_name", "lhlo_name"), "$myhostname", 0, 0, "Name given in HELO, EHLO or LHLO.")                  \
    P(STR, tcp_port, X "tcp_port", D("smtp", "24"), 0, 0, "Port when the destination names none.")                              \
    P(STR, host_lookup, X "host_lookup", "dns", 0, 0, "How host names become addresses: dns, native.")                          \
    P(STR, address_preference, X "address_preference", "any", 0, 0, "Which family is tried first: any, ipv4, ipv6.")            \
    P(BOOL, randomize_addresses, X "randomize_addresses", "yes", 0, 0, "Shuffle servers of equal preference.")                  \
    P(UINT, mx_address_limit, X "mx_address_limit", "5", 0, 1000, "Most addresses that are tried; 0 = all.")                    \
    P(UINT, mx_session_limit, X "mx_session_limit", "2", 0, 1000, "Most sessions for one delivery; 0 = no limit.")              \
    P(STR, bind_address, X "bind_address", "", 0, 0, "Own IPv4 address of connections.")                                        \
    P(STR, bind_address6, X "bind_address6", "", 0, 0, "Own IPv6 address of connections.")                                      \
    P(STR, fallback_relay, X "fallback_relay", D("$fallback_relay", ""), 0, 0, "Tried when a destination cannot be found or reached.") \
    P(BOOL, skip_5xx_greeting, X "skip_5xx_greeting", "yes", 0, 0, "A 5xx greeting counts as a host that is down.")             \
    P(UINT, line_length_limit, X "line_length_limit", "998", 0, 100000, "Longer lines are folded; 0 = never.")                  \
    P(STR, discard_keywords, X D("discard_ehlo_keywords", "discard_lhlo_keywords"), "", 0, 0, "Extensions of servers that are not used.") \
    P(BOOL, send_xforward, X "send_xforward_command", "no", 0, 0, "Send XFORWARD to servers that offer it.")                    \
    P(SECS, cache_time, X "connection_cache_time_limit", "2s", 0, 3600, "How long an idle connection waits for the next message.") \
    P(BOOL, cache_on_demand, X "connection_cache_on_demand", "yes", 0, 0, "Keep connections for the next message.")             \
    P(SECS, reuse_time, X "connection_reuse_time_limit", "300s", 1, 86400, "A connection older than this takes no more messages.") \
    P(UINT, reuse_count, X "connection_reuse_count_limit", "0", 0, 1000000, "Most messages per connection; 0 = no limit.")      \
    P(BOOL, sasl_enable, X "sasl_auth_enable", "no", 0, 0, "Authenticate to servers that have an entry in the password maps.")  \
    P(STR, sasl_password_maps, X "sasl_password_maps", "", 0, 0, "Tables: host or destination to user:password.")               \
    P(STR, sasl_options, X "sasl_security_options", "noplaintext, noanonymous", 0, 0, "Without TLS: noplaintext forbids PLAIN and LOGIN.") \
    P(STR, sasl_tls_options, X "sasl_tls_security_options", "$" X "sasl_security_options", 0, 0, "The same, with TLS.")         \
    P(STR, sasl_mechanism_filter, X "sasl_mechanism_filter", "", 0, 0, "Mechanisms that may be used; empty = all.")             \
    P(BOOL, sasl_soft_bounce, X "sasl_auth_soft_bounce", "yes", 0, 0, "A refused password defers mail rather than bounce it.")  \
    P(BOOL, sasl_sender_dependent, X "sender_dependent_authentication", "no", 0, 0, "Look up the sender's address first.")      \
    P(STR, tls_level, X "tls_security_level", D("${{$compatibility_level} <level {3.11} ? {} : {may}}", ""), 0, 0,              \
      "none, may, encrypt, verify, secure.")                                                                                   \
    P(BOOL, use_tls, X "use_tls", "no", 0, 0, "Old name for level may.")                                                       \
    P(BOOL, enforce_tls, X "enforce_tls", "no", 0, 0, "Old name for level encrypt.")                                           \
    P(BOOL, tls_wrappermode, X "tls_wrappermode", "no", 0, 0, "TLS from the first byte (port 465).")                            \
    P(STR, tls_ca_file, X "tls_CAfile", "", 0, 0, "Certificates of authorities that are trusted.")                             \
    P(STR, tls_ca_path, X "tls_CApath", "", 0, 0, "Directory of the same.")                                                    \
    P(STR, tls_cert_file, X "tls_cert_file", "", 0, 0, "Own certificate for servers that ask.")                                \
    P(STR, tls_key_file, X "tls_key_file", "$" X "tls_cert_file", 0, 0, "Its key.")                                            \
    P(STR, tls_eccert_file, X "tls_eccert_file", "", 0, 0, "A second certificate, for another kind of key.")                   \
    P(STR, tls_eckey_file, X "tls_eckey_file", "$" X "tls_eccert_file", 0, 0, "Its key.")                                      \
    P(STR, tls_chain_files, X "tls_chain_files", "", 0, 0, "PEM files with keys, each before its certificate chain, instead of these.") \
    P(STR, tls_policy_maps, X "tls_policy_maps", "", 0, 0, "Tables: destination to TLS level.")                                \
    P(UINT, tls_loglevel, X "tls_loglevel", "0", 0, 4, "1 or more: log what TLS was negotiated.")                              \
    P(BOOL, tls_note_offer, X "tls_note_starttls_offer", "no", 0, 0, "Log servers that offer STARTTLS when it is not used.")

#define OUT_COMMON_PARAMS(P)                                                                                                    \
    P(STR, myhostname, "myhostname", "", 0, 0, "This host.")                                                                   \
    P(STR, syslog_name, "syslog_name", "postfix", 0, 0, "Prefix of the program name in log lines.")                            \
    P(STR, inet_protocols, "inet_protocols", "all", 0, 0, "all, ipv4, ipv6.")                                                  \
    P(STR, inet_interfaces, "inet_interfaces", "all", 0, 0, "Addresses that mail for others must not loop back to.")           \
    P(STR, proxy_interfaces, "proxy_interfaces", "", 0, 0, "More of them, of a proxy or address translator.")                  \
    P(BOOL, disable_dns, "disable_dns_lookups", "no", 0, 0, "Look up addresses only, no MX records.")                          \
    P(BOOL, ignore_mx_error, "ignore_mx_lookup_error", "no", 0, 0, "When the MX lookup fails, try the address of the domain.")
#endif
