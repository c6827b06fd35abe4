/* SPDX-License-Identifier: ISC
 *
 * date.h - dates as mail writes them: RFC 5322 §3.3 with the obsolete forms of
 * §4.3, and the two of IMAP (RFC 3501 §9 date, date-time). No clock and no
 * time zone data base: an offset comes in or goes out as minutes east of UTC.
 */
#ifndef PROTO_DATE_H
#define PROTO_DATE_H
#include "base/buf.h"

struct date_civil { int64_t year; unsigned month, day, hour, minute, second, weekday; };   /* month 1.., weekday 0 = Sunday */

/* Days since 1970-01-01 of a day in the proleptic Gregorian calendar, and back. */
int64_t date_days(int64_t year, unsigned month, unsigned day);
struct date_civil date_civil(int64_t unix_time, int zone_minutes);
/* False for a day that does not exist (a 60th second is allowed). */
bool date_is_valid(const struct date_civil *c);
int64_t date_unix(const struct date_civil *c, int zone_minutes);

/* "Mon, 20 Oct 2003 10:11:12 +0200 (CEST)". An unknown zone counts as UTC (RFC 5322 §4.3). */
bool date_parse_rfc5322(struct str s, int64_t *ret_time, int *ret_zone);
/* "Mon, 20 Oct 2003 10:11:12 +0200" */
void date_put_rfc5322(struct buf *out, int64_t unix_time, int zone_minutes);

/* "17-Jul-1996 02:44:25 -0700", the day possibly with a leading space. */
bool date_parse_imap_time(struct str s, int64_t *ret_time, int *ret_zone);
void date_put_imap_time(struct buf *out, int64_t unix_time, int zone_minutes);
/* "1-Feb-1994" as days since 1970-01-01. */
bool date_parse_imap_day(struct str s, int64_t *ret_day);
#endif
