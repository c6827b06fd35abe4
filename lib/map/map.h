/* SPDX-License-Identifier: ISC
 *
 * map.h - lookup tables: one interface, one file per type.
 *
 * Tables are opened before the privilege drop ("type:name", also in lists
 * "type:a, type:b") and looked up later. A lookup that cannot be answered now
 * is MAP_TEMP and never "not found": the caller defers. Types that need a
 * thread (regexp, pcre), a lock (lmdb) wait for it: map_get WAITS. proxy:X is
 * X, opened by whoever may read it. An unknown or unavailable type is refused
 * at open with what to do instead. hash and btree are served from FILE.lmdb,
 * made from FILE when it is missing or older; where that cannot be written,
 * from memory. unix:passwd.byname is a copy of the system's files as of now.
 */
#ifndef MAP_MAP_H
#define MAP_MAP_H
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct map;
struct map_list;
struct config;

enum map_result { MAP_FOUND, MAP_NONE, MAP_TEMP };
enum map_flags {
    MAP_NO_FOLD = 1,        /* do not fold the key to lower case */
    MAP_PARTIAL_OK = 2,     /* caller's keys may be parts of an address: regexp types answer whole keys only */
};

/* NULL and *err (names the table, what is wrong and the remedy). spec: "hash:/etc/aliases". config: for relative names and database parameters. */
struct map *map_open(struct str spec, unsigned flags, struct config *config, struct err *err);
void map_free(struct map *m);
/* Whole keys (hash, static ...) as against patterns (regexp, cidr ...), which are never asked about parts of an address. */
bool map_has_fixed_keys(const struct map *m);
/* The types that this build serves, for postconf -m: NULL after the last. */
const char *map_type_name(size_t i);
/* WAITS for some types. The value is copied into the arena. On MAP_TEMP *err says why. */
enum map_result map_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err);

/*
 * Whom to ask about users and groups that were not there when unix: was opened
 * (table 0 passwd, 1 group; 0 found, 1 not found, 2 temporary; WAITS). Without
 * one, what was there at open is all there is.
 */
typedef int map_users_fn(uint32_t table, struct str key, struct arena *a, struct str *ret_value, struct err *err);
void map_set_users(map_users_fn *ask);

/*
 * How tcp: and socketmap: tables reach their servers on a fiber: a connected,
 * nonblocking socket, or -1 and *err; WAITS. A tool connects by itself.
 */
typedef int map_connect_fn(const char *endpoint, int64_t deadline, struct err *err);
void map_set_connect(map_connect_fn *fn);

/* A list as in main.cf: tables separated by commas or white space; first found wins; MAP_TEMP stops the search. */
struct map_list *map_list_open(const char *specs, unsigned flags, struct config *config, struct err *err);
void map_list_free(struct map_list *l);
bool map_list_is_empty(const struct map_list *l);
enum map_result map_list_get(struct map_list *l, struct str key, struct arena *a, struct str *ret_value, struct err *err);

/* As map_list_get, for a key that is a part of an address or a parent domain: tables of patterns are passed over. */
enum map_result map_list_get_part(struct map_list *l, struct str key, struct arena *a, struct str *ret_value, struct err *err);

/*
 * An address as Postfix looks it up: user+ext@domain, user@domain, [user+ext,
 * user when the domain is ours], @domain. ret_ext is what was left out.
 */
enum map_result map_list_get_address(struct map_list *l, struct str address, const char *recipient_delimiter, bool bare_user_too,
                                     struct arena *a, struct str *ret_value, struct str *ret_ext, struct err *err);

/* Match lists: "mynetworks", "mydestination": patterns, !negation, type:table, /file. */
struct match_list;
struct match_list *match_list_open(const char *text, unsigned flags, struct config *config, struct err *err);
void match_list_free(struct match_list *l);
/* Domain or plain string; parent domains match when the list was opened with MATCH_PARENTS. */
enum map_result match_list_string(struct match_list *l, struct str s, struct err *err);
/* Numeric address, as text (IPv4 or IPv6, no brackets). */
enum map_result match_list_addr(struct match_list *l, struct str addr, struct err *err);
/* Without MATCH_PARENTS, ".example.org" matches what is below it; with MATCH_STRINGS nothing but the whole string does (mydestination). */
enum match_flags { MATCH_PARENTS = 16, MATCH_STRINGS = 32 };
/*
 * The part of a local part before its extension: "user+ext" -> "user", and
 * "+ext" as ret_ext. False when there is none, or the name is one that is never
 * split (postmaster, mailer-daemon, double-bounce).
 */
bool map_split_extension(struct str local, const char *recipient_delimiter, struct str *ret_user, struct str *ret_ext);
#endif
