/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     auth-hash - computes slow password hashes
 *
 * DESCRIPTION
 *     Answers authd's VERIFY questions, one at a time: is this the password
 *     that is stored as this text (crypt(3) of libcrypt, PBKDF2, Argon2,
 *     SCRAM), or what is a new stored text of it, or which are the keys that
 *     SCRAM proves it by. authd has one such process
 *     per processor, unless postern_auth_hash_limit says otherwise, and none
 *     as long as there is nothing to compute.
 *
 * SECURITY
 *     Runs as authd's user in an empty root, without capability, path or socket
 *     of its own; it talks to authd only. PAM is not in this program. How much
 *     work a stored password may ask for is limited in lib/auth/scheme_slow.c.
 *
 * DIAGNOSTICS
 *     None of its own: authd logs the verdict.
 */
#include "daemon/daemon.h"
#include "hash.h"

enum { ARENA_MAX = 256 << 10 };

static void answer(struct chan *c, uint32_t id, const struct ipc_verify *ask)
{
    struct arena arena = arena_make(ARENA_MAX);
    struct ipc_verdict v = { .verdict = VERDICT_TEMPFAIL, .text = STR("unknown question"), .groups = STR(""), .home = STR("") };
    if (str_eqz(ask->backend, "hash")) {
        v.text = STR("");
        hash_verify(ask, &arena, &v);
    } else if (str_eqz(ask->backend, "make")) {
        hash_make(ask, &arena, &v);
    } else if (str_eqz(ask->backend, "scram")) {
        hash_scram(ask, &arena, &v);
    }
    (void)chan_send(c, IPC_VERDICT, id, &v);
    arena_done(&arena);
}

static void on_job(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    if (type == IPC_VERIFY)
        answer(c, id, msg);
}

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = { { .role = ROLE_HASH, .works_for = ROLE_AUTHD, .on_job = on_job, .blocks = true } };
    return daemon_main(argc, argv, "auth-hash", roles, N_ELEMS(roles));
}
