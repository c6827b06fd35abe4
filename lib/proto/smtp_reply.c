/* SPDX-License-Identifier: ISC */
#include "proto/smtp_reply.h"
#include "base/num.h"

void smtp_reply_reset(struct smtp_reply *r)
{
    r->code = 0;
    r->dsn[0] = '\0';
    r->lines = 0;
    r->begun = false;
    r->text.limit = SMTP_REPLY_TEXT_MAX;
    buf_reset(&r->text);
}

void smtp_reply_done(struct smtp_reply *r)
{
    buf_done(&r->text);
}

static size_t digits(struct str s, size_t most)
{
    size_t n = 0;
    while (n < s.n && n < most && ascii_is_digit(s.p[n]))
        n++;
    return n;
}

/* RFC 3463 section 2: class 2, 4 or 5, subject and detail of up to three digits. */
size_t smtp_reply_dsn_length(struct str s)
{
    if (s.n < 5 || (s.p[0] != '2' && s.p[0] != '4' && s.p[0] != '5') || s.p[1] != '.')
        return 0;
    size_t a = digits(str_skip(s, 2), 3);
    if (a == 0 || s.n <= 2 + a || s.p[2 + a] != '.')
        return 0;
    size_t b = digits(str_skip(s, 3 + a), 3), n = 3 + a + b;
    if (b == 0 || (n < s.n && s.p[n] != ' ' && s.p[n] != '\t'))
        return 0;
    return n;
}

struct str smtp_reply_line_text(struct str line) { return str_skip(line, 4); }

/* Only a status of the reply's own class counts (RFC 2034 section 4). */
static void take_dsn(struct smtp_reply *r, struct str text)
{
    size_t n = smtp_reply_dsn_length(text);
    char class = (char)('0' + r->code / 100);
    if (n > 0 && text.p[0] == class)
        (void)str_to_fixed(str_head(text, n), r->dsn, sizeof r->dsn);
    else if (r->dsn[0] == '\0')
        (void)snprintf(r->dsn, sizeof r->dsn, "%c.0.0", class == '2' || class == '5' ? class : class == '3' ? '2' : '4');
}

static void keep(struct smtp_reply *r, struct str line)
{
    size_t room = SMTP_REPLY_TEXT_MAX - r->text.n;
    if (r->text.n > 0 && room > 1) {
        buf_putc(&r->text, ' ');
        room--;
    }
    line = str_head(line, room);
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];
        buf_putc(&r->text, c < ' ' || c == 0x7f ? ' ' : line.p[i]);
    }
}

enum smtp_reply_state smtp_reply_line(struct smtp_reply *r, struct str line)
{
    uint64_t code;
    bool more = line.n > 3 && line.p[3] == '-';
    if (line.n < 3 || !num_parse_u64(str_head(line, 3), 599, &code) || code < 200 || (line.n > 3 && !more && line.p[3] != ' '))
        return SMTP_REPLY_BAD;
    if ((r->begun && code != r->code) || ++r->lines > SMTP_REPLY_LINES_MAX)
        return SMTP_REPLY_BAD;
    r->begun = true;
    r->code = (unsigned)code;
    take_dsn(r, smtp_reply_line_text(line));
    keep(r, line);
    return more ? SMTP_REPLY_MORE : SMTP_REPLY_DONE;
}
