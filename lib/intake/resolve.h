/* SPDX-License-Identifier: ISC
 *
 * resolve.h - what an address means here: rewriting to standard form, the
 * class of its domain, and where its mail goes next (Postfix's
 * trivial-rewrite). Used by everyone who takes mail in, and by deliver's
 * router.
 *
 * An answer is never guessed: a table that cannot be read makes the whole call
 * RESOLVE_TEMP. An address whose local part, once our own domain is taken off,
 * names another destination (user%other@us, "user@other"@us, other!user@us)
 * comes back with `routed` set: whoever relays for strangers must refuse it.
 *
 * struct resolve is process-owned and opened before the privilege drop.
 */
#ifndef INTAKE_RESOLVE_H
#define INTAKE_RESOLVE_H
#include "intake/params.h"
#include "map/map.h"

struct resolve;

enum address_class { CLASS_LOCAL, CLASS_VIRTUAL_ALIAS, CLASS_VIRTUAL_MAILBOX, CLASS_RELAY, CLASS_DEFAULT };
enum resolve_result { RESOLVE_OK, RESOLVE_TEMP };

struct resolved {
    enum address_class class;
    struct str recipient;       /* internal form, after routing hacks were undone */
    struct str transport;       /* service name in master.cf */
    struct str nexthop;         /* "" only for transports that need none */
    bool routed;
};

/* NULL and *err: a table or list cannot be opened. conf must outlive the result. */
struct resolve *resolve_open(const struct resolve_conf *conf, struct config *config, struct err *err);
void resolve_close(struct resolve *r);

/*
 * To standard form: site!user, user%domain and user become user@domain, a
 * short domain gets .$mydomain, one trailing dot goes. The null address stays
 * null. Pure but for the arena.
 */
struct str resolve_rewrite(const struct resolve *r, struct str address, struct arena *a);
/* The same with another domain in the place of myorigin and mydomain. */
struct str resolve_rewrite_with(const struct resolve *r, struct str address, struct str domain, struct arena *a);
/* WAITS. Where mail from sender to address goes; both in standard form. On RESOLVE_TEMP *err says why. */
enum resolve_result resolve_address(struct resolve *r, struct str sender, struct str address, struct arena *a,
                                    struct resolved *ret, struct err *err);
/* WAITS. Class of a bare domain (or [address]). */
enum resolve_result resolve_domain_class(struct resolve *r, struct str domain, enum address_class *ret, struct err *err);
/* Is it [address] of one of our interfaces? */
bool resolve_is_own_literal(const struct resolve *r, struct str domain);
/* "transport:nexthop" apart; a missing part is taken from the other two arguments. */
void resolve_split_transport(struct str spec, struct str def_transport, struct str def_nexthop, struct str *ret_transport, struct str *ret_nexthop);
/* Index of the recipient delimiter in the local part, or -1: none, or one that does not count (RFC: owner-x, leading, daemon names). */
ptrdiff_t resolve_extension(const struct resolve *r, struct str local);
#endif
