/* SPDX-License-Identifier: ISC
 *
 * Certificates, keys, versions. doveconf does not print a key's file: it is
 * looked for in the configuration itself.
 */
#include "import.h"
#include <unistd.h>

void import_min_protocol(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    if (str_eqz(n->value, "TLSv1.2") || str_eqz(n->value, "TLSv1.3"))
        import_set(im, "postern_tls_min_protocol", n->value, n);
    else if (str_eqz(n->value, "LATEST"))
        import_set(im, "postern_tls_min_protocol", STR("TLSv1.3"), n);
    else
        import_note(im, IMPORT_DIFFERS, n, "TLS 1.2 is the oldest version that is offered: clients without it cannot connect");
}

static const struct dovecot_node *key_in_files(struct import *im, struct dovecot_tree *whole)
{
    struct err err = { 0 };
    if (im->tree.path.n == 0)
        return NULL;
    const char *path = str_printf(im->arena, "%s%.*s", im->root, STR_FMT(im->tree.path)).p;
    if (dovecot_read(path, im->arena, whole, &err) < 0)
        return NULL;
    return dovecot_find(whole, SIZE_MAX, "ssl_key");
}

void import_tls_end(struct import *im)
{
    const struct dovecot_tree *t = &im->tree;
    const struct dovecot_node *cert = dovecot_find(t, SIZE_MAX, im->is_24 ? "ssl_server_cert_file" : "ssl_cert");
    const struct dovecot_node *key = dovecot_find(t, SIZE_MAX, im->is_24 ? "ssl_server_key_file" : "ssl_key");
    const struct dovecot_node *ssl = dovecot_find(t, SIZE_MAX, "ssl");
    struct dovecot_tree whole;
    if (cert == NULL) {
        if (ssl == NULL || !str_ieqz(ssl->value, "no"))
            import_note_of(im, IMPORT_DECIDE, ssl, STR("no certificate is named"), "set postern_tls_cert_file and postern_tls_key_file, or IMAP and POP3 have no TLS");
        return;
    }
    if (!im->is_24 && !cert->is_file) {
        import_note(im, IMPORT_DECIDE, cert, "the certificate is not in a file: put it into one, and name it in postern_tls_cert_file");
        return;
    }
    import_set(im, "postern_tls_cert_file", cert->value, cert);
    if (key != NULL && key->is_hidden)
        key = key_in_files(im, &whole);
    if (key == NULL)
        import_note_of(im, IMPORT_DECIDE, cert, STR("ssl_key"), "doveconf did not print the key's file: set postern_tls_key_file (doveconf -P prints it)");
    else if (!im->is_24 && !key->is_file)
        import_note_of(im, IMPORT_DECIDE, key, key->name, "the key is not in a file: put it into one, and name it in postern_tls_key_file");
    else
        import_set(im, "postern_tls_key_file", key->value, key);
}
