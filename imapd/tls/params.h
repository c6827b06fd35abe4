/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in tls-proxy.
 */
#ifndef TLS_PROXY_PARAMS_H
#define TLS_PROXY_PARAMS_H
#include "conf/param.h"

#define TLS_PROXY_PARAMS(P)                                                                                               \
    P(STR, service, "tls_service", "imap", 0, 0,                                                                          \
      "What this tls-proxy is for: imap or pop3; set by -o in its row of master.cf.")                                     \
    P(STR, cert_file, "postern_tls_cert_file", "$smtpd_tls_cert_file", 0, 0,                                              \
      "Certificate chain of IMAP and POP3 (PEM); empty: postern_tls_chain_files.")                                        \
    P(STR, key_file, "postern_tls_key_file", "$smtpd_tls_key_file", 0, 0,                                                 \
      "Private key of that certificate (PEM); empty: it is in the certificate's file.")                                   \
    P(STR, chain_files, "postern_tls_chain_files", "$smtpd_tls_chain_files", 0, 0,                                        \
      "Used for IMAP and POP3 when postern_tls_cert_file is empty: files with keys, each before its certificate chain.")  \
    P(STR, eccert_file, "postern_tls_eccert_file", "$smtpd_tls_eccert_file", 0, 0,                                        \
      "A second certificate chain of IMAP and POP3, for another kind of key.")                                            \
    P(STR, eckey_file, "postern_tls_eckey_file", "$smtpd_tls_eckey_file", 0, 0,                                           \
      "Private key of that certificate.")                                                                                 \
    P(STR, sni_maps, "postern_tls_sni_maps", "$tls_server_sni_maps", 0, 0,                                                \
      "Certificates for IMAP and POP3 clients that ask for a name, as with tls_server_sni_maps.")                         \
    P(STR, min_protocol, "postern_tls_min_protocol", "TLSv1.2", 0, 0,                                                     \
      "Oldest TLS version of IMAP and POP3: TLSv1.2 or TLSv1.3.")                                                         \
    P(BOOL, ask_cert, "postern_tls_ask_client_cert", "no", 0, 0,                                                          \
      "Ask IMAP and POP3 clients for a certificate; one that postern_tls_ca_file has signed makes SASL EXTERNAL possible.") \
    P(STR, ca_file, "postern_tls_ca_file", "$smtpd_tls_CAfile", 0, 0,                                                     \
      "CA certificates (PEM) of clients.")                                                                                \
    P(SECS, handshake_timeout, "postern_tls_handshake_timeout", "30s", 1, 300,                                            \
      "Close an IMAP or POP3 connection whose TLS handshake takes longer.")                                               \
    P(UINT, connection_limit, "postern_tls_connection_limit", "5000", 1, 1000000,                                         \
      "Most IMAP and POP3 connections behind TLS per tls-proxy process.")

struct tls_proxy_conf { TLS_PROXY_PARAMS(PARAM_MEMBER) };
#endif
