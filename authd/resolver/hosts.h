/* SPDX-License-Identifier: ISC
 *
 * hosts.h - answers from a file, before DNS is asked.
 *
 *   192.0.2.1     mail.example.org  mail      as in hosts(5)
 *   example.org   MX  10 mail.example.org     any type of dns_type_by_name()
 *   gone.example  NXDOMAIN                    no such name
 *   slow.example  TEMP                        a temporary failure
 *
 * A name that is in the file is answered from it alone: a type that it has no
 * line for has no data.
 */
#ifndef RESOLVER_HOSTS_H
#define RESOLVER_HOSTS_H
#include "base/buf.h"
#include "base/err.h"

struct hosts;
enum { RCODE_OK = 0, RCODE_TEMP = 2, RCODE_NXDOMAIN = 3 };

/* -1 and *err with file and line. "" is an empty table. */
struct hosts *hosts_load(const char *path, struct err *err);
/* The same for the system's file: lines of addresses only, what does not parse is passed over; a file that is not there is empty. */
struct hosts *hosts_load_system(const char *path);
void hosts_free(struct hosts *h);
/* False: the name is not in the file. Appends the records to *out. */
bool hosts_answer(const struct hosts *h, struct str name, unsigned type, struct buf *out, uint32_t *ret_rcode, uint32_t *ret_n);
#endif
