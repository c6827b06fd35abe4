/* SPDX-License-Identifier: ISC
 *
 * introspect.c - what an identity provider says of an access token: RFC 7662,
 * or one of the older ways (the token in the URL, or as the Bearer of a GET).
 * No redirect is followed, no proxy of the environment used, TLS is verified;
 * http:// is for the own machine.
 */
#include "base/enc.h"
#include "worker.h"
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { BODY_MAX = 65536, SECRET_MAX = 512, HOLDS = 1, REFUSED = 2, UNKNOWN = 3 };

static char secret[SECRET_MAX + 1];

static bool is_local_http(struct str url)
{
    static const char *const hosts[] = { "127.0.0.1", "localhost", "[::1]" };
    for (size_t i = 0; i < N_ELEMS(hosts); i++) {
        struct str rest = str_skip(url, strlen("http://"));
        size_t n = strlen(hosts[i]);
        if (str_istarts(url, STR("http://")) && str_istarts(rest, str_from(hosts[i])) && (rest.n == n || rest.p[n] == ':' || rest.p[n] == '/'))
            return true;
    }
    return false;
}

static int read_secret(const char *path, struct err *err)
{
    int fd = path[0] == '\0' ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (path[0] == '\0')
        return 0;
    ssize_t n = fd < 0 ? -1 : read(fd, secret, SECRET_MAX);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return err_sys(err, ERR_CONFIG, "postern_oauth2_client_secret_file: %s", path);
    while (n > 0 && (secret[n - 1] == '\n' || secret[n - 1] == '\r'))
        n--;
    secret[n] = '\0';
    return 0;
}

int introspect_open(const struct oauth_conf *c, struct err *err)
{
    struct str url = str_from(c->introspection_url), mode = str_from(c->introspection_mode);
    if (!str_eqz(mode, "post") && !str_eqz(mode, "get") && !str_eqz(mode, "auth"))
        return err_set(err, ERR_CONFIG, "postern_oauth2_introspection_mode: \"%s\" is not one of: post, get, auth", c->introspection_mode);
    if (url.n > 0 && !str_istarts(url, STR("https://")) && !is_local_http(url))
        return err_set(err, ERR_CONFIG, "postern_oauth2_introspection_url: \"%s\" is not https://, and http:// is for this machine only", c->introspection_url);
#ifndef HAVE_CURL
    if (url.n > 0)
        return err_set(err, ERR_CONFIG, "postern_oauth2_introspection_url: this auth-worker was built without libcurl");
#endif
    return url.n == 0 ? 0 : read_secret(c->client_secret_file, err);
}

static void say(struct ipc_introspected *ret, uint32_t verdict, const char *text)
{
    ret->verdict = verdict;
    ret->text = str_head(str_from(text), 400);
}

/* What the answer's text means. */
static void judge(const struct oauth_conf *c, struct str body, struct arena *arena, struct ipc_introspected *ret)
{
    struct token_policy policy = oauth_policy(c, true);
    struct str user;
    struct json claims;
    const char *why;
    if (!json_parse(body, &claims) || claims.type != JSON_OBJECT)
        say(ret, UNKNOWN, "the introspection end did not answer with JSON");
    else if (strcmp(c->introspection_mode, "post") == 0 && json_get(claims, "active").type != JSON_TRUE)
        say(ret, REFUSED, "token is not active");
    else if (!token_claims_check(&policy, claims, (int64_t)time(NULL), arena, &user, &why))
        say(ret, REFUSED, why);
    else if (user.n > 255)
        say(ret, REFUSED, "token names a user of more than 255 bytes");
    else {
        say(ret, HOLDS, "");
        ret->user = user;
    }
}

#ifdef HAVE_CURL
#include <curl/curl.h>

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct buf *body = arg;
    buf_put(body, p, size * n);
    return body->full ? 0 : size * n;
}

/* Token characters that a URL or a form would take otherwise: '+', '/', '='. */
static void put_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (ascii_is_alnum(s.p[i]) || (s.p[i] != '\0' && strchr("-._~", s.p[i]) != NULL))
            buf_putc(out, s.p[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)s.p[i]);
    }
}

static void set_common(CURL *h, const struct oauth_conf *c, struct buf *body)
{
    (void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)c->timeout * 1000);
    (void)curl_easy_setopt(h, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
    (void)curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(h, CURLOPT_WRITEDATA, body);
    (void)curl_easy_setopt(h, CURLOPT_URL, c->introspection_url);
    if (c->ca_file[0] != '\0')
        (void)curl_easy_setopt(h, CURLOPT_CAINFO, c->ca_file);
}

/* In the way of the mode; text holds what must live as long as the request. */
static void set_token(CURL *h, const struct oauth_conf *c, struct str token, struct buf *text, struct curl_slist **headers)
{
    if (strcmp(c->introspection_mode, "auth") == 0) {
        buf_printf(text, "Authorization: Bearer %.*s", STR_FMT(token));
        *headers = curl_slist_append(*headers, buf_cstr(text));
    } else if (strcmp(c->introspection_mode, "get") == 0) {
        buf_puts(text, c->introspection_url);
        put_escaped(text, token);
        (void)curl_easy_setopt(h, CURLOPT_URL, buf_cstr(text));
    } else {
        buf_puts(text, "token_type_hint=access_token&token=");
        put_escaped(text, token);
        (void)curl_easy_setopt(h, CURLOPT_POSTFIELDS, buf_cstr(text));
        if (secret[0] != '\0') {
            (void)curl_easy_setopt(h, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
            (void)curl_easy_setopt(h, CURLOPT_USERNAME, c->client_id);
            (void)curl_easy_setopt(h, CURLOPT_PASSWORD, secret);
        }
    }
}

static void conclude(const struct oauth_conf *c, CURLcode rc, long status, struct str body, struct arena *arena, struct ipc_introspected *ret)
{
    /* With post, 401 is about us (RFC 7662 §2.3); the other ways tell a bad token by it. */
    bool token_is_bad = strcmp(c->introspection_mode, "post") != 0 && (status == 400 || status == 401 || status == 403);
    if (rc != CURLE_OK)
        ret->text = str_head(str_printf(arena, "introspection end: %s", curl_easy_strerror(rc)), 400);
    else if (token_is_bad)
        say(ret, REFUSED, "the introspection end refuses the token");
    else if (status != 200)
        ret->text = str_printf(arena, "introspection end: status %ld", status);
    else
        judge(c, body, arena, ret);
}

void introspect(const struct oauth_conf *c, struct str token, struct arena *arena, struct ipc_introspected *ret)
{
    static CURL *h;         /* keeps the connection between questions */
    struct buf body = buf_make(BODY_MAX), text = buf_make(0);
    struct curl_slist *headers = NULL;
    long status = 0;
    say(ret, UNKNOWN, "the introspection end cannot be asked");
    if (h == NULL)
        h = curl_easy_init();
    if (h == NULL || c->introspection_url[0] == '\0')
        return;
    curl_easy_reset(h);
    headers = curl_slist_append(headers, "Accept: application/json");
    set_common(h, c, &body);
    set_token(h, c, token, &text, &headers);
    (void)curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    CURLcode rc = curl_easy_perform(h);
    (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    conclude(c, rc, status, str_dup(arena, buf_str(&body)), arena, ret);
    curl_slist_free_all(headers);
    if (text.n > 0)
        secret_wipe(text.p, text.n);
    buf_done(&text);
    buf_done(&body);
}
#else
void introspect(const struct oauth_conf *c, struct str token, struct arena *arena, struct ipc_introspected *ret)
{
    (void)token;
    say(ret, UNKNOWN, "this auth-worker was built without libcurl");
    if (false)
        judge(c, token, arena, ret);
}
#endif
