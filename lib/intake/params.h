/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in rewriting, routing and the
 * making of queue messages, once. RESOLVE_PARAMS are for everyone who routes
 * (intake and deliver's router), INTAKE_PARAMS for those who take mail in.
 */
#ifndef INTAKE_PARAMS_H
#define INTAKE_PARAMS_H
#include "conf/param.h"

#define RESOLVE_PARAMS(P)                                                                                             \
    P(STR, myhostname, "myhostname", "", 0, 0, "Name of this host, as others see it.")                                \
    P(STR, mydomain, "mydomain", "", 0, 0, "Domain of this host; the default is myhostname without its first label.") \
    P(STR, myorigin, "myorigin", "$myhostname", 0, 0, "Domain that is added to addresses without one.")               \
    P(STR, mydestination, "mydestination", "$myhostname, localhost.$mydomain, localhost", 0, 0,                       \
      "Domains that are delivered by local_transport.")                                                               \
    P(STR, inet_interfaces, "inet_interfaces", "all", 0, 0, "Own addresses; user@[address] of them is local.")        \
    P(STR, proxy_interfaces, "proxy_interfaces", "", 0, 0, "Addresses of proxies and translators in front of us.")    \
    P(STR, virtual_alias_maps, "virtual_alias_maps", "$virtual_maps", 0, 0,                                           \
      "Tables that turn one recipient into others, for any domain.")                                                  \
    P(STR, virtual_alias_domains, "virtual_alias_domains", "$virtual_alias_maps", 0, 0,                               \
      "Domains whose recipients all are in virtual_alias_maps.")                                                      \
    P(STR, virtual_mailbox_domains, "virtual_mailbox_domains", "$virtual_mailbox_maps", 0, 0,                         \
      "Domains that are delivered by virtual_transport.")                                                             \
    P(STR, virtual_mailbox_maps, "virtual_mailbox_maps", "", 0, 0, "Mailboxes of virtual_mailbox_domains.")           \
    P(STR, relay_domains, "relay_domains", "${{$compatibility_level} <level {2} ? {$mydestination} : {}}", 0, 0,      \
      "Domains that are relayed for anyone.")                                                                         \
    P(STR, parent_domain_matches, "parent_domain_matches_subdomains",                                                 \
      "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,smtpd_access_maps", \
      0, 0, "Lists in which \"example.com\" stands for its subdomains too.")                                          \
    P(STR, local_transport, "local_transport", "local:$myhostname", 0, 0, "Transport of mydestination.")              \
    P(STR, virtual_transport, "virtual_transport", "virtual", 0, 0, "Transport of virtual_mailbox_domains.")          \
    P(STR, relay_transport, "relay_transport", "relay", 0, 0, "Transport of relay_domains.")                          \
    P(STR, default_transport, "default_transport", "smtp", 0, 0, "Transport of everything else.")                     \
    P(STR, relayhost, "relayhost", "", 0, 0, "Next hop of everything that is not ours.")                              \
    P(STR, transport_maps, "transport_maps", "", 0, 0, "Tables from addresses and domains to transport:nexthop.")     \
    P(STR, sender_relayhost_maps, "sender_dependent_relayhost_maps", "", 0, 0,                                        \
      "Tables from senders to what replaces relayhost.")                                                              \
    P(STR, sender_transport_maps, "sender_dependent_default_transport_maps", "", 0, 0,                                \
      "Tables from senders to what replaces default_transport.")                                                      \
    P(STR, recipient_delimiter, "recipient_delimiter", "", 0, 0, "Characters that begin an address extension.")       \
    P(BOOL, allow_percent_hack, "allow_percent_hack", "yes", 0, 0, "user%domain is user@domain.")                     \
    P(BOOL, swap_bangpath, "swap_bangpath", "yes", 0, 0, "site!user is user@site.")                                   \
    P(BOOL, append_at_myorigin, "append_at_myorigin", "yes", 0, 0, "Add @$myorigin to addresses without a domain.")   \
    P(BOOL, append_dot_mydomain, "append_dot_mydomain", "${{$compatibility_level} <level {1} ? {yes} : {no}}", 0, 0,  \
      "Add .$mydomain to domains without a dot.")                                                                     \
    P(STR, owner_request_special, "owner_request_special", "yes", 0, 0,                                               \
      "owner-x and x-request are not split at the recipient delimiter.")

#define INTAKE_PARAMS(P)                                                                                              \
    P(STR, mail_name, "mail_name", "Postfix", 0, 0, "Name in Received header fields and the greeting.")               \
    P(STR, canonical_maps, "canonical_maps", "", 0, 0, "Tables that rewrite every address.")                          \
    P(STR, sender_canonical_maps, "sender_canonical_maps", "", 0, 0, "Tables that rewrite sender addresses.")         \
    P(STR, recipient_canonical_maps, "recipient_canonical_maps", "", 0, 0, "Tables that rewrite recipient addresses.") \
    P(STR, canonical_classes, "canonical_classes", "envelope_sender, envelope_recipient, header_sender, header_recipient", 0, 0, \
      "The addresses that canonical_maps rewrites.")                                                                  \
    P(STR, sender_canonical_classes, "sender_canonical_classes", "envelope_sender, header_sender", 0, 0,              \
      "The addresses that sender_canonical_maps rewrites: envelope_sender, header_sender.")                           \
    P(STR, recipient_canonical_classes, "recipient_canonical_classes", "envelope_recipient, header_recipient", 0, 0,  \
      "The addresses that recipient_canonical_maps rewrites: envelope_recipient, header_recipient.")                  \
    P(STR, masquerade_classes, "masquerade_classes", "envelope_sender, header_sender, header_recipient", 0, 0,        \
      "The addresses that masquerade_domains is for.")                                                                \
    P(STR, propagate_extensions, "propagate_unmatched_extensions", "canonical, virtual", 0, 0,                        \
      "Kinds of tables, canonical and virtual, whose result gets the address extension that the key left out; alias, forward, include and generic have no effect.")       \
    P(STR, remote_rewrite_domain, "remote_header_rewrite_domain", "", 0, 0,                                           \
      "Rewrite the header of mail from other clients than local_header_rewrite_clients too, with this domain for incomplete addresses.") \
    P(STR, masquerade_domains, "masquerade_domains", "", 0, 0, "Domains whose subdomains are cut off from addresses.")  \
    P(STR, masquerade_exceptions, "masquerade_exceptions", "", 0, 0, "Users whose address is not masqueraded.")       \
    P(STR, local_recipient_maps, "local_recipient_maps", "proxy:unix:passwd.byname $alias_maps", 0, 0,                \
      "Tables of the recipients of mydestination; empty = take all.")                                                 \
    P(STR, relay_recipient_maps, "relay_recipient_maps", "", 0, 0, "Tables of the recipients of relay_domains; empty = take all.") \
    P(STR, always_bcc, "always_bcc", "", 0, 0, "Address that gets a copy of everything.")                             \
    P(STR, sender_bcc_maps, "sender_bcc_maps", "", 0, 0, "Tables from senders to an address that gets a copy.")       \
    P(STR, recipient_bcc_maps, "recipient_bcc_maps", "", 0, 0, "Tables from recipients to an address that gets a copy.") \
    P(UINT, alias_expansion_limit, "virtual_alias_expansion_limit", "1000", 1, 100000,                                \
      "Most recipients that one address may become.")                                                                 \
    P(UINT, alias_recursion_limit, "virtual_alias_recursion_limit", "1000", 1, 100000,                                \
      "Deepest nesting of virtual aliases.")                                                                          \
    P(SIZE, message_size_limit, "message_size_limit", "10240000", 0, UINT64_MAX / 2, "Largest message in bytes, 0 = any.") \
    P(SIZE, header_size_limit, "header_size_limit", "102400", 1000, 16777216,                                         \
      "Most bytes of one header field; the rest is cut.")                                                             \
    P(UINT, header_count_limit, "postern_header_count_limit", "10000", 10, 1000000, "Most header fields of a message.") \
    P(UINT, hopcount_limit, "hopcount_limit", "50", 1, 1000, "Most Received fields before a message is taken for a loop.") \
    P(SIZE, line_length_limit, "line_length_limit", "2048", 512, 65536, "Longer lines are kept in pieces of this length.") \
    P(STR, header_checks, "header_checks", "", 0, 0, "Tables of actions for header fields.")                          \
    P(BOOL, add_missing_headers, "always_add_missing_headers", "no", 0, 0,                                            \
      "Add From, Date and Message-ID to mail from remote clients too.")                                               \
    P(STR, undisclosed_header, "undisclosed_recipients_header", "", 0, 0, "Header field to add when a message has no To or Cc.") \
    P(STR, content_filter, "content_filter", "", 0, 0, "transport:nexthop that every message goes through first.")    \
    P(SIZE, inline_limit, "queue_inline_limit", "65536", 1024, 131072, "Messages up to this size travel to the queue in one piece.") \
    P(BOOL, unknown_table_name, "show_user_unknown_table_name", "yes", 0, 0, "Name the table in replies about unknown users.") \
    P(STR, empty_recipient, "empty_address_recipient", "MAILER-DAEMON", 0, 0, "Who gets mail for the null address.")

struct resolve_conf { RESOLVE_PARAMS(PARAM_MEMBER) };
struct intake_conf { INTAKE_PARAMS(PARAM_MEMBER) };
#endif
