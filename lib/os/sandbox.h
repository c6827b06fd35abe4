/* SPDX-License-Identifier: ISC
 *
 * sandbox.h - what a process may still ask the kernel for: a seccomp filter by
 * class, and a Landlock rule set by path.
 *
 * A class is an allow list. Opening or looking at a path from a class without
 * files answers EACCES, since libraries try such things and cope; every other
 * call outside the list ends the process with SIGSYS, after one line that
 * names the call. Executable memory cannot be made in any class with a filter.
 * Both hold for the whole life of the process and for its children.
 *
 * Landlock is used where the kernel has it; sandbox_enter() reports what held.
 * In sanitized builds there is no filter, since the sanitizers' own calls vary.
 */
#ifndef OS_SANDBOX_H
#define OS_SANDBOX_H
#include "base/err.h"

enum sandbox_class {
    SANDBOX_NONE,       /* no filter: what it starts must not be confined */
    SANDBOX_NET,        /* inherited sockets only; no path, no new socket */
    SANDBOX_CLIENT,     /* NET, and connections of its own over IPv4 and IPv6 */
    SANDBOX_FILES,      /* NET, and files (below the Landlock paths) */
    SANDBOX_LOOKUP,     /* FILES, and CLIENT and UNIX sockets: what NSS, database clients and the broker do */
    SANDBOX_WORKER,     /* LOOKUP, and starting helper programs (PAM's unix_chkpwd) */
    SANDBOX_FORKER,     /* FILES, and fork, change of ids, entering a narrower class: session zygotes */
    SANDBOX_SESSION,    /* FILES again, as a short list of what a FORKER's child loses; refused in any other process */
    SANDBOX_CLASSES,
};
const char *sandbox_class_name(enum sandbox_class class);

enum sandbox_access { SANDBOX_READ = 1, SANDBOX_WRITE = 2, SANDBOX_EXECUTE = 4 };
/* A file, or everything below a directory. One that does not exist is left out. */
struct sandbox_path { const char *path; unsigned access; };

struct sandbox_plan {
    enum sandbox_class class;
    bool limit_paths;                   /* Landlock: only `paths`, none = no path at all */
    const struct sandbox_path *paths;
    size_t n_paths;
    bool tcp_connect;                   /* Landlock: may connect over TCP, from any own address; a port of one's own can never be bound */
    /* Told the name of a call outside the list, before the process ends by SIGSYS. In a signal handler: may log, nothing more. */
    void (*on_refused)(const char *call, int number);
};

struct sandbox_report {
    bool no_new_privs, seccomp;
    int landlock;                       /* ABI version that was used, 0 = none */
    char text[120];                     /* "seccomp net, landlock 4": for one line of log */
};

/* Needs no_new_privs or CAP_SYS_ADMIN. -1: what the plan asks for and this kernel has could not be done. */
int sandbox_enter(const struct sandbox_plan *plan, struct sandbox_report *ret, struct err *err);
/* Makes the filter of one class ahead of time: entering that class is cheap then, in this process or its children. */
int sandbox_prepare(enum sandbox_class class, struct err *err);
/* Landlock's ABI version on this kernel, 0 = none. */
int sandbox_landlock_abi(void);
#endif
