/* SPDX-License-Identifier: ISC */
#include "proto/date.h"
#include "base/num.h"
#include "proto/rfc822.h"

static const char month_names[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};
static const char day_names[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

/* RFC 5322 §4.3. Single letters other than Z mean nothing reliable: UTC. */
static const struct { const char *name; int minutes; } zones[] = {
    { "UT", 0 },     { "GMT", 0 },    { "Z", 0 },      { "UTC", 0 },    { "EST", -300 }, { "EDT", -240 },
    { "CST", -360 }, { "CDT", -300 }, { "MST", -420 }, { "MDT", -360 }, { "PST", -480 }, { "PDT", -420 },
};

enum { SECONDS_PER_DAY = 86400, YEAR_MAX = 9999 };

int64_t date_days(int64_t year, unsigned month, unsigned day)
{
    /* Years that begin in March put the leap day at their end; 400 of them are 146097 days. */
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (int64_t)day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct date_civil date_civil(int64_t unix_time, int zone_minutes)
{
    int64_t t = unix_time + (int64_t)zone_minutes * 60;
    int64_t days = t / SECONDS_PER_DAY, rest = t % SECONDS_PER_DAY;
    if (rest < 0) {
        rest += SECONDS_PER_DAY;
        days--;
    }
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    int64_t weekday = (days % 7 + 11) % 7;      /* 1970-01-01 was a Thursday */
    return (struct date_civil){
        .year = year + era * 400 + (month >= 10 ? 1 : 0),
        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
        .day = (unsigned)(of_year - (153 * month + 2) / 5 + 1),
        .hour = (unsigned)(rest / 3600), .minute = (unsigned)(rest / 60 % 60), .second = (unsigned)(rest % 60),
        .weekday = (unsigned)weekday,
    };
}

static unsigned month_days(int64_t year, unsigned month)
{
    static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

bool date_is_valid(const struct date_civil *c)
{
    return c->year >= 0 && c->year <= YEAR_MAX && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= month_days(c->year, c->month) && c->hour <= 23 && c->minute <= 59 && c->second <= 60;
}

int64_t date_unix(const struct date_civil *c, int zone_minutes)
{
    return date_days(c->year, c->month, c->day) * SECONDS_PER_DAY + (int64_t)c->hour * 3600 +
           (int64_t)c->minute * 60 + (int64_t)c->second - (int64_t)zone_minutes * 60;
}

static struct str take_alpha(struct str *s)
{
    size_t n = 0;
    while (n < s->n && ascii_is_alpha(s->p[n]))
        n++;
    struct str word = str_head(*s, n);
    *s = str_skip(*s, n);
    return word;
}

static bool take_char(struct str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_skip(*s, 1);
    return true;
}

static bool take_number(struct str *s, size_t min_digits, size_t max_digits, unsigned *ret)
{
    size_t n = 0;
    while (n < s->n && n <= max_digits && ascii_is_digit(s->p[n]))
        n++;
    uint64_t v;
    if (n < min_digits || n > max_digits || !num_parse_u64(str_head(*s, n), 99999, &v))
        return false;
    *ret = (unsigned)v;
    *s = str_skip(*s, n);
    return true;
}

static bool take_month(struct str *s, unsigned *ret)
{
    struct str word = take_alpha(s);
    for (unsigned i = 0; i < N_ELEMS(month_names); i++)
        if (str_ieqz(word, month_names[i])) {
            *ret = i + 1;
            return true;
        }
    return false;
}

static bool take_offset(struct str *s, int *ret)
{
    bool west = s->n > 0 && s->p[0] == '-';
    unsigned hhmm;
    if (!(take_char(s, '+') || take_char(s, '-')) || !take_number(s, 4, 4, &hhmm) || hhmm % 100 > 59)
        return false;
    int minutes = (int)(hhmm / 100 * 60 + hhmm % 100);
    *ret = west ? -minutes : minutes;
    return true;
}

static void take_zone(struct str *s, int *ret)
{
    *ret = 0;
    rfc822_skip_cfws(s);
    if (take_offset(s, ret))
        return;
    struct str word = take_alpha(s);
    for (size_t i = 0; i < N_ELEMS(zones); i++)
        if (str_ieqz(word, zones[i].name))
            *ret = zones[i].minutes;
}

/* RFC 5322 §4.3: two digits mean 1950 to 2049, three digits 1900 and up. */
static bool take_year(struct str *s, int64_t *ret)
{
    size_t before = s->n;
    unsigned year;
    if (!take_number(s, 2, 4, &year))
        return false;
    size_t digits = before - s->n;
    *ret = digits == 4 ? year : digits == 3 ? 1900 + year : year < 50 ? 2000 + year : 1900 + year;
    return true;
}

static bool take_clock(struct str *s, struct date_civil *c)
{
    rfc822_skip_cfws(s);
    if (!take_number(s, 1, 2, &c->hour))
        return false;
    rfc822_skip_cfws(s);
    if (!take_char(s, ':'))
        return false;
    rfc822_skip_cfws(s);
    if (!take_number(s, 1, 2, &c->minute))
        return false;
    rfc822_skip_cfws(s);
    if (take_char(s, ':')) {
        rfc822_skip_cfws(s);
        return take_number(s, 1, 2, &c->second);
    }
    return true;
}

bool date_parse_rfc5322(struct str s, int64_t *ret_time, int *ret_zone)
{
    struct date_civil c = { 0 };
    int zone;
    rfc822_skip_cfws(&s);
    if (take_alpha(&s).n > 0) {
        rfc822_skip_cfws(&s);
        (void)take_char(&s, ',');
        rfc822_skip_cfws(&s);
    }
    if (!take_number(&s, 1, 2, &c.day))
        return false;
    rfc822_skip_cfws(&s);
    if (!take_month(&s, &c.month))
        return false;
    rfc822_skip_cfws(&s);
    if (!take_year(&s, &c.year) || !take_clock(&s, &c) || !date_is_valid(&c))
        return false;
    take_zone(&s, &zone);
    *ret_time = date_unix(&c, zone);
    *ret_zone = zone;
    return true;
}

static void put_offset(struct buf *out, int minutes)
{
    unsigned abs = (unsigned)(minutes < 0 ? -minutes : minutes);
    buf_printf(out, "%c%02u%02u", minutes < 0 ? '-' : '+', abs / 60, abs % 60);
}

void date_put_rfc5322(struct buf *out, int64_t unix_time, int zone_minutes)
{
    struct date_civil c = date_civil(unix_time, zone_minutes);
    buf_printf(out, "%s, %u %s %04lld %02u:%02u:%02u ", day_names[c.weekday], c.day, month_names[c.month - 1],
               (long long)c.year, c.hour, c.minute, c.second);
    put_offset(out, zone_minutes);
}

static bool take_imap_day(struct str *s, struct date_civil *c)
{
    unsigned year;
    if (!take_number(s, 1, 2, &c->day) || !take_char(s, '-') || !take_month(s, &c->month) || !take_char(s, '-') ||
        !take_number(s, 4, 4, &year))
        return false;
    c->year = year;
    return true;
}

bool date_parse_imap_day(struct str s, int64_t *ret_day)
{
    struct date_civil c = { 0 };
    if (!take_imap_day(&s, &c) || s.n > 0 || !date_is_valid(&c))
        return false;
    *ret_day = date_days(c.year, c.month, c.day);
    return true;
}

bool date_parse_imap_time(struct str s, int64_t *ret_time, int *ret_zone)
{
    struct date_civil c = { 0 };
    int zone;
    (void)take_char(&s, ' ');       /* date-day-fixed = (SP DIGIT) / 2DIGIT */
    if (!take_imap_day(&s, &c) || !take_char(&s, ' ') || !take_number(&s, 2, 2, &c.hour) || !take_char(&s, ':') ||
        !take_number(&s, 2, 2, &c.minute) || !take_char(&s, ':') || !take_number(&s, 2, 2, &c.second) ||
        !take_char(&s, ' ') || !take_offset(&s, &zone) || s.n > 0 || !date_is_valid(&c))
        return false;
    *ret_time = date_unix(&c, zone);
    *ret_zone = zone;
    return true;
}

void date_put_imap_time(struct buf *out, int64_t unix_time, int zone_minutes)
{
    struct date_civil c = date_civil(unix_time, zone_minutes);
    buf_printf(out, "%02u-%s-%04lld %02u:%02u:%02u ", c.day, month_names[c.month - 1], (long long)c.year, c.hour,
               c.minute, c.second);
    put_offset(out, zone_minutes);
}
