/* SPDX-License-Identifier: ISC
 *
 * Certificates, keys, versions. doveconf does not print a key's file: it is
 * looked for in the configuration itself.
 */
#include "import.h"

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

/* The section of the same name and argument; SIZE_MAX: the top, or there is none. */
static size_t same_section(const struct dovecot_tree *whole, const struct dovecot_node *section)
{
    for (size_t i = 0; section != NULL && i < whole->n; i = whole->nodes[i].end)
        if (whole->nodes[i].is_section && str_eq(whole->nodes[i].name, section->name) && str_eq(whole->nodes[i].arg, section->arg))
            return i;
    return SIZE_MAX;
}

/* A key's setting within a section (SIZE_MAX: at the top), from Dovecot's own files where doveconf hides it. NULL: not to be found. */
static const struct dovecot_node *find_key(struct import *im, size_t at, const char *name)
{
    const struct dovecot_node *key = dovecot_find(&im->tree, at, name), *section = at == SIZE_MAX ? NULL : &im->tree.nodes[at];
    struct dovecot_tree *whole = ARENA_NEW(im->arena, struct dovecot_tree);
    struct err err = { 0 };
    if (key == NULL || !key->is_hidden)
        return key;
    const char *path = str_printf(im->arena, "%s%.*s", im->root, STR_FMT(im->tree.path)).p;
    if (im->tree.path.n == 0 || dovecot_read(path, im->arena, whole, &err) < 0)
        return NULL;
    size_t there = same_section(whole, section);
    return section != NULL && there == SIZE_MAX ? NULL : dovecot_find(whole, there, name);
}

struct pair { const char *cert, *key, *cert_param, *key_param; };

/* Both as files; else what is to be done is noted. */
static bool find_pair(struct import *im, size_t at, const struct pair *p, const struct dovecot_node **ret_cert, const struct dovecot_node **ret_key)
{
    const struct dovecot_node *cert = dovecot_find(&im->tree, at, p->cert), *key = find_key(im, at, p->key);
    if (!im->is_24 && !cert->is_file) {
        import_note(im, IMPORT_DECIDE, cert, str_printf(im->arena, "the certificate is not in a file: put it into one, and name it in %s", p->cert_param).p);
        return false;
    }
    *ret_cert = cert;
    *ret_key = NULL;
    if (key == NULL)
        import_note_of(im, IMPORT_DECIDE, cert, str_from(p->key),
                       str_printf(im->arena, "doveconf did not print the key's file: set %s (doveconf -P prints it)", p->key_param).p);
    else if (!im->is_24 && !key->is_file)
        import_note_of(im, IMPORT_DECIDE, key, key->name, str_printf(im->arena, "the key is not in a file: put it into one, and name it in %s", p->key_param).p);
    else
        *ret_key = key;
    return true;
}

static void set_pair(struct import *im, const struct pair *p)
{
    const struct dovecot_node *cert, *key;
    if (!find_pair(im, SIZE_MAX, p, &cert, &key))
        return;
    import_set(im, p->cert_param, cert->value, cert);
    if (key != NULL)
        import_set(im, p->key_param, key->value, key);
}

/* In a list within braces, a brace or a blank would end what stands there. */
static bool is_plain(struct str path)
{
    for (size_t i = 0; i < path.n; i++)
        if (strchr(" \t,{}=$", path.p[i]) != NULL)
            return false;
    return path.n > 0 && path.p[0] == '/';
}

/* local_name "a.test b.test" { ssl_cert = <...  ssl_key = <... }: a row of postern_tls_sni_maps for each. */
void import_local_name(struct import *im, size_t at)
{
    static const struct pair old = { "ssl_cert", "ssl_key", "postern_tls_sni_maps", "postern_tls_sni_maps" },
                             new = { "ssl_server_cert_file", "ssl_server_key_file", "postern_tls_sni_maps", "postern_tls_sni_maps" };
    const struct pair *p = im->is_24 ? &new : &old;
    const struct dovecot_node *section = &im->tree.nodes[at], *cert, *key;
    for (size_t i = at + 1; i < section->end; i = im->tree.nodes[i].end)
        if (!str_eqz(im->tree.nodes[i].name, p->cert) && !str_eqz(im->tree.nodes[i].name, p->key))
            import_note(im, IMPORT_DECIDE, &im->tree.nodes[i], "of the settings for one name, the certificate and its key are read only");
    if (dovecot_find(&im->tree, at, p->cert) == NULL || !find_pair(im, at, p, &cert, &key) || key == NULL)
        return;
    struct str rest = section->arg, name;
    while (str_token(&rest, " \t,", &name)) {
        struct str row = str_starts(name, STR("*.")) ? str_skip(name, 1) : name;
        if (str_chr(row, '*') >= 0 || str_chr(row, '?') >= 0 || !is_plain(cert->value) || !is_plain(key->value))
            import_note_of(im, IMPORT_DECIDE, section, str_printf(im->arena, "local_name %.*s", STR_FMT(name)),
                           "this name or its files cannot stand in main.cf: write them as a line of a texthash: table, and name it in postern_tls_sni_maps");
        else
            buf_printf(&im->sni, "%s{ %.*s = %.*s %.*s }", im->sni.n > 0 ? ", " : "", STR_FMT(row), STR_FMT(key->value), STR_FMT(cert->value));
    }
}

void import_tls_end(struct import *im)
{
    static const struct pair old = { "ssl_cert", "ssl_key", "postern_tls_cert_file", "postern_tls_key_file" },
                             new = { "ssl_server_cert_file", "ssl_server_key_file", "postern_tls_cert_file", "postern_tls_key_file" },
                             old_alt = { "ssl_alt_cert", "ssl_alt_key", "postern_tls_eccert_file", "postern_tls_eckey_file" },
                             new_alt = { "ssl_server_alt_cert_file", "ssl_server_alt_key_file", "postern_tls_eccert_file", "postern_tls_eckey_file" };
    const struct pair *p = im->is_24 ? &new : &old, *alt = im->is_24 ? &new_alt : &old_alt;
    const struct dovecot_node *ssl = dovecot_find(&im->tree, SIZE_MAX, "ssl");
    if (dovecot_find(&im->tree, SIZE_MAX, p->cert) != NULL)
        set_pair(im, p);
    else if (ssl == NULL || !str_ieqz(ssl->value, "no"))
        import_note_of(im, IMPORT_DECIDE, ssl, STR("no certificate is named"), "set postern_tls_cert_file and postern_tls_key_file, or IMAP and POP3 have no TLS");
    if (dovecot_find(&im->tree, SIZE_MAX, alt->cert) != NULL)
        set_pair(im, alt);
    if (im->sni.n > 0)
        import_set(im, "postern_tls_sni_maps", str_printf(im->arena, "inline:{ %.*s }", STR_FMT(buf_str(&im->sni))), NULL);
}
