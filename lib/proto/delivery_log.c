/* SPDX-License-Identifier: ISC */
#include "proto/delivery_log.h"
#include "base/enc.h"

void delivery_put_delay(struct buf *out, int64_t us)
{
    uint64_t v = us < 0 ? 0 : (uint64_t)us, unit = 10000;   /* at most two digits after the point */
    while (v / unit >= 100 && unit < 1000000)   /* keep two digits, or whole seconds */
        unit *= 10;
    v = (v + unit / 2) / unit * unit;
    buf_u64(out, v / 1000000);
    uint64_t rest = v % 1000000;
    if (rest == 0)
        return;
    char digits[8];
    int n = snprintf(digits, sizeof(digits), "%06llu", (unsigned long long)rest);
    while (n > 0 && digits[n - 1] == '0')
        n--;
    buf_putc(out, '.');
    buf_put(out, digits, (size_t)n);
}

static void put_address(struct buf *out, const char *name, struct str address)
{
    buf_puts(out, name);
    enc_printable(out, address);
    buf_putc(out, '>');
}

void delivery_log_put(struct buf *out, struct str queue_id, struct str to, struct str orig, struct str relay, struct str extra,
                      const struct delivery_times *t, struct str dsn, const char *status, struct str text)
{
    buf_add(out, queue_id);
    put_address(out, ": to=<", to);
    if (orig.n > 0 && !str_ieq(orig, to))
        put_address(out, ", orig_to=<", orig);
    buf_puts(out, ", relay=");
    buf_add(out, relay);
    buf_add(out, extra);
    buf_puts(out, ", delay=");
    delivery_put_delay(out, t->end - t->arrival);
    buf_puts(out, ", delays=");
    const int64_t steps[] = { t->active - t->arrival, t->start - t->active, t->connected - t->start, t->end - t->connected };
    for (size_t i = 0; i < N_ELEMS(steps); i++) {
        if (i > 0)
            buf_putc(out, '/');
        delivery_put_delay(out, steps[i]);
    }
    buf_puts(out, ", dsn=");
    buf_add(out, dsn);
    buf_printf(out, ", status=%s (", status);
    enc_printable(out, text);
    buf_putc(out, ')');
}
