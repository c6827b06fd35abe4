/* SPDX-License-Identifier: ISC
 *
 * mech_scram.c - SCRAM (RFC 5802 §3, §5). Keys that are stored are used as they
 * are; a stored plaintext yields them when the proof has come, so that the
 * first answer costs the same for everybody.
 */
#include "auth/mech.h"
#include "auth/scheme.h"
#include "base/enc.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { SALT_SIZE = 16, ITERATIONS = 4096, STORED_MAX = 2048 };

static bool hmac(const EVP_MD *md, struct str key, struct str data, uint8_t *out)
{
    unsigned n = 0;
    return HMAC(md, key.p, (int)key.n, (const uint8_t *)data.p, data.n, out, &n) != NULL;
}

static const EVP_MD *digest_of(const struct mech_run *m) { return EVP_get_digestbyname(m->row->digest); }
static size_t digest_size(const struct mech_run *m) { return (size_t)EVP_MD_get_size(digest_of(m)); }

/* ---- the first message ---- */

/* What the client binds to, by its name for it; "": nothing that is known here. */
static struct str chosen_binding(const struct mech_run *m)
{
    bool exporter = str_eqz(m->first.cb_name, "tls-exporter"), end_point = str_eqz(m->first.cb_name, "tls-server-end-point");
    return m->row->binds && exporter ? m->binding : m->row->binds && end_point ? m->end_point : STR("");
}

static bool binding_is_agreed(const struct mech_run *m)
{
    if (m->row->binds)
        return m->first.flag == 'p' && chosen_binding(m).n > 0;
    /* 'y': the client thinks that there is no -PLUS here. If it was offered, somebody took it out of the list (RFC 5802 §6). */
    return m->first.flag == 'n' || (m->first.flag == 'y' && !m->plus_offered);
}

static enum mech_step first_message(struct mech_run *m, struct str in)
{
    if (!scram_first_parse(str_dup(m->arena, in), m->arena, &m->first) || !binding_is_agreed(m))
        return MECH_FAILED;
    if (!mech_name_is_fit(m->first.user) || (m->first.authzid.n > 0 && !mech_name_is_fit(m->first.authzid)))
        return MECH_FAILED;
    m->user = m->first.user;
    m->authzid = str_eq(m->first.authzid, m->user) ? STR("") : m->first.authzid;
    m->stage = 2;
    return MECH_ASK;
}

/* ---- what is stored ---- */

/* The scheme that keeps keys of this mechanism. */
static const char *own_scheme(const struct mech_run *m) { return strcmp(m->row->digest, "SHA1") == 0 ? "SCRAM-SHA-1" : "SCRAM-SHA-256"; }

static bool take_keys(struct mech_run *m, const struct scheme *s)
{
    struct scheme_scram k;
    bool ok = scheme_scram_keys(s, own_scheme(m), m->salt, m->iterations, m->arena, &k);
    if (ok) {
        m->salt = k.salt;
        m->iterations = k.iterations;
        memcpy(m->stored_key, k.stored_key, k.size);
        memcpy(m->server_key, k.server_key, k.size);
    }
    secret_wipe(&k, sizeof k);
    return ok;
}

/* The salt of a user without one of his own: of a name always the same, to others unforeseeable. */
static void own_salt(struct mech_run *m, struct str name)
{
    struct buf text = buf_make(0);
    uint8_t mac[EVP_MAX_MD_SIZE] = { 0 };
    buf_puts(&text, "salt of ");
    buf_puts(&text, m->row->digest);
    buf_putc(&text, ' ');
    buf_add(&text, name);
    (void)hmac(EVP_sha256(), str_make(m->key, MECH_KEY_SIZE), buf_str(&text), mac);
    m->salt = str_dup(m->arena, str_make(mac, SALT_SIZE));
    m->iterations = ITERATIONS;
    buf_done(&text);
}

#define ZEROS_20 "AAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define ZEROS_32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* The work that other users cost, for one without a usable password: keys to read, or to derive when the proof is here. No proof will do. */
static void pretend(struct mech_run *m)
{
    struct str salt = m->salt;
    struct str none = strcmp(m->row->digest, "SHA1") == 0 ? STR("4096,AAAA," ZEROS_20 "," ZEROS_20) : STR("4096,AAAA," ZEROS_32 "," ZEROS_32);
    struct scheme s = scheme_of(str_from(own_scheme(m)), none);
    m->is_fake = true;
    if (m->usual == NULL || !m->usual->is_known)
        return;
    if (m->usual->is_clear) {
        m->plaintext = str_dup(m->arena, STR("nobody"));
        return;
    }
    (void)take_keys(m, &s);
    m->salt = salt;
    m->iterations = m->usual->iterations;
}

static bool take_usable(struct mech_run *m, struct str stored)
{
    struct scheme s = scheme_split(stored);
    bool is_own = str_ieqz(s.name, own_scheme(m));
    if (stored.n == 0 || !(is_own ? take_keys(m, &s) : scheme_clear_text(&s, m->arena, &m->plaintext)))
        return false;
    if (m->usual != NULL)
        *m->usual = (struct mech_usual){ .is_known = true, .is_clear = !is_own, .iterations = m->iterations };
    return true;
}

static void take_stored(struct mech_run *m, struct str name, struct str stored)
{
    own_salt(m, name);
    m->plaintext = STR("");
    m->is_fake = false;
    if (!take_usable(m, stored))
        pretend(m);
}

enum mech_step mech_scram_secret(struct mech_run *m, struct str name, struct str stored, struct str *ret_out)
{
    struct buf first = buf_make(0);
    take_stored(m, name, str_head(stored, STORED_MAX));
    scram_put_server_first(&first, m->first.nonce, m->nonce, m->salt, m->iterations);
    *ret_out = m->server_first = str_dup(m->arena, buf_str(&first));
    buf_done(&first);
    return MECH_CONTINUE;
}

/* ---- the proof ---- */

static bool derive(struct mech_run *m)
{
    struct scheme clear = scheme_of(STR("PLAIN"), saslprep(m->plaintext, m->arena));
    return take_keys(m, &clear);
}

static struct str auth_message(struct mech_run *m, const struct scram_final *f)
{
    struct buf b = buf_make(0);
    const struct str parts[] = { m->first.bare, STR(","), m->server_first, STR(","), f->without_proof };
    for (size_t i = 0; i < N_ELEMS(parts); i++)
        buf_add(&b, parts[i]);
    struct str s = str_dup(m->arena, buf_str(&b));
    buf_done(&b);
    return s;
}

/* ClientKey = proof XOR HMAC(StoredKey, AuthMessage); its hash must be StoredKey. */
static bool proof_holds(struct mech_run *m, struct str message, struct str proof)
{
    const EVP_MD *md = digest_of(m);
    size_t n = digest_size(m);
    uint8_t key[EVP_MAX_MD_SIZE] = { 0 }, hashed[EVP_MAX_MD_SIZE] = { 0 };
    if (proof.n != n || !hmac(md, str_make(m->stored_key, n), message, key))
        return false;
    for (size_t i = 0; i < n; i++)
        key[i] ^= (uint8_t)proof.p[i];
    bool ok = EVP_Digest(key, n, hashed, NULL, md, NULL) == 1 && secret_eq(str_make(hashed, n), str_make(m->stored_key, n));
    secret_wipe(key, sizeof key);
    return ok && !m->is_fake;
}

static bool nonce_is_ours(const struct mech_run *m, struct str nonce)
{
    return str_starts(nonce, m->first.nonce) && str_eq(str_skip(nonce, m->first.nonce.n), m->nonce);
}

static bool binding_holds(const struct mech_run *m, struct str binding)
{
    struct str data = chosen_binding(m);
    return binding.n == m->first.gs2_header.n + data.n && str_starts(binding, m->first.gs2_header) &&
           secret_eq(str_skip(binding, m->first.gs2_header.n), data);
}

static enum mech_step final_message(struct mech_run *m, struct str in, struct str *ret_out)
{
    struct scram_final f;
    uint8_t signature[EVP_MAX_MD_SIZE];
    m->stage = 3;
    if (!scram_final_parse(in, m->arena, &f) || !nonce_is_ours(m, f.nonce) || !binding_holds(m, f.binding))
        return MECH_FAILED;
    if (m->plaintext.n > 0 && !derive(m))
        return MECH_FAILED;
    struct str message = auth_message(m, &f);
    if (!proof_holds(m, message, f.proof) || !hmac(digest_of(m), str_make(m->server_key, digest_size(m)), message, signature))
        return MECH_FAILED;
    struct buf out = buf_make(0);
    scram_put_server_final(&out, str_make(signature, digest_size(m)));
    *ret_out = str_dup(m->arena, buf_str(&out));
    buf_done(&out);
    return MECH_DONE;
}

enum mech_step mech_scram_step(struct mech_run *m, const struct str *in, struct str *ret_out)
{
    if (in == NULL)
        return m->stage++ == 0 ? MECH_CONTINUE : MECH_FAILED;
    if (m->stage < 2)
        return first_message(m, *in);
    return m->stage == 2 && m->server_first.n > 0 ? final_message(m, *in, ret_out) : MECH_FAILED;
}
