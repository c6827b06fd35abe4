/* SPDX-License-Identifier: ISC
 *
 * tokens.c - the keys of identity tokens, and the queue managers, which check
 * tokens with them. They are kept over restarts: who has logged in to submit
 * mail may do so after a reload, when authd and qmgr are others.
 */
#include "authd.h"
#include "base/enc.h"
#include "base/log.h"
#include "base/num.h"
#include "keep.h"

enum { KEY_RENEW_S = 12 * 3600, QMGRS_MAX = 8, FILE_MAX = TOKEN_KEYS_KEPT * 128 };

static struct {
    struct chan *qmgrs[QMGRS_MAX];
    struct timer renew;
    int fd;
    int64_t made[TOKEN_KEYS_KEPT];      /* when the keys were, in seconds */
} told = { .fd = -1 };

static void send_key(struct chan *c, const struct token_key *k)
{
    struct ipc_token_key msg = { .key = str_make(k->bytes, TOKEN_KEY_SIZE), .serial = k->serial };
    if (k->serial != 0)
        (void)chan_send(c, IPC_TOKEN_KEY, 0, &msg);
}

static void on_qmgr_closed(struct chan *c)
{
    for (size_t i = 0; i < QMGRS_MAX; i++)
        if (told.qmgrs[i] == c)
            told.qmgrs[i] = NULL;
    chan_free(c);
}

static void on_qmgr_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)c, (void)type, (void)id, (void)msg;
}

static const struct chan_ops qmgr_ops = { .on_message = on_qmgr_message, .on_closed = on_qmgr_closed };

void qmgr_peer(const struct ipc_peer *peer, int fd)
{
    size_t i = 0;
    while (i < QMGRS_MAX && told.qmgrs[i] != NULL)
        i++;
    if (i == QMGRS_MAX) {
        close(fd);
        return;
    }
    told.qmgrs[i] = daemon_chan(peer, fd, &qmgr_ops, NULL);
    /* Oldest first: the newest ends in front at the other side too. */
    for (size_t k = TOKEN_KEYS_KEPT; k-- > 0;)
        send_key(told.qmgrs[i], &authd()->keys.keys[k]);
}

/* ---- what is kept: a line for each key, oldest first ---- */

void tokens_open(const char *data_directory) { told.fd = keep_open(data_directory, "auth_token_keys", "the keys of identity tokens"); }

static void put_key(const struct token_key *k, int64_t made)
{
    if (!token_keys_add(&authd()->keys, k->serial, str_make(k->bytes, TOKEN_KEY_SIZE)))
        return;
    memmove(&told.made[1], &told.made[0], sizeof told.made - sizeof told.made[0]);
    told.made[0] = made;
}

static void load_line(struct str line, int64_t now)
{
    struct token_key k = { 0 };
    struct str serial, made, base64;
    uint64_t at;
    struct buf bytes = buf_make(FILE_MAX);
    bool ok = str_token(&line, " ", &serial) && str_token(&line, " ", &made) && str_token(&line, " ", &base64) &&
              num_parse_u32(serial, UINT32_MAX, &k.serial) && num_parse_u64(made, INT64_MAX, &at) && enc_unbase64(&bytes, base64) && bytes.n == TOKEN_KEY_SIZE;
    /* By then the last token made with it has expired. */
    if (ok && (int64_t)at <= now && now - (int64_t)at < KEY_RENEW_S + TOKEN_LIFETIME_SECONDS) {
        memcpy(k.bytes, bytes.p, TOKEN_KEY_SIZE);
        put_key(&k, (int64_t)at);
    }
    secret_wipe(&k, sizeof k);
    secret_wipe(bytes.p, bytes.n);
    buf_done(&bytes);
}

static void load(int64_t now)
{
    struct buf text = buf_make(FILE_MAX);
    if (keep_load(told.fd, &text)) {
        struct str rest = buf_str(&text), line;
        while (str_token(&rest, "\n", &line))
            load_line(line, now);
    }
    secret_wipe(text.p, text.n);
    buf_done(&text);
}

static void save(void)
{
    struct buf text = buf_make(FILE_MAX);
    for (size_t i = TOKEN_KEYS_KEPT; i-- > 0;) {
        const struct token_key *k = &authd()->keys.keys[i];
        if (k->serial == 0)
            continue;
        buf_printf(&text, "%u %lld ", k->serial, (long long)told.made[i]);
        enc_base64(&text, str_make(k->bytes, TOKEN_KEY_SIZE));
        buf_putc(&text, '\n');
    }
    keep_save(told.fd, buf_str(&text), "auth_token_keys");
    secret_wipe(text.p, text.n);
    buf_done(&text);
}

/* ---- new ones ---- */

/* Serials do not start at 1 after a restart: qmgr may still hold keys of the process before. */
static bool new_key(int64_t now)
{
    struct token_key k;
    uint32_t last = authd()->keys.keys[0].serial;
    if (!token_key_make(last != 0 ? last + 1 : (uint32_t)(now & 0x7fffffff), &k))
        return false;
    put_key(&k, now);
    save();
    for (size_t i = 0; i < QMGRS_MAX; i++)
        if (told.qmgrs[i] != NULL)
            send_key(told.qmgrs[i], &k);
    secret_wipe(&k, sizeof k);
    return true;
}

static void on_renew(struct timer *t)
{
    if (!new_key(clock_wall_ms() / 1000))
        log_warning("no randomness: the key of identity tokens stays as it is");
    timer_set(t, loop_now() + (int64_t)KEY_RENEW_S * 1000, on_renew);
}

bool tokens_start(void)
{
    int64_t now = clock_wall_ms() / 1000;
    load(now);
    int64_t age = authd()->keys.keys[0].serial == 0 ? KEY_RENEW_S : now - told.made[0];
    if (age >= KEY_RENEW_S && !new_key(now))
        return false;
    timer_set(&told.renew, loop_now() + (age >= KEY_RENEW_S ? KEY_RENEW_S : KEY_RENEW_S - age) * 1000, on_renew);
    return true;
}
