/* SPDX-License-Identifier: ISC
 *
 * schema.h - every message that crosses a process boundary, once.
 *
 * A message is M(UPPER, lower, senders, receivers), its fields are F rows:
 * F(T, KIND, name, max, "meaning"). Kinds: U32, U64, BOOL, STR (max = most
 * bytes), FD (one descriptor travels with the frame; at most one FD field).
 * Lists are a count followed by that many messages. To add a field, add a
 * row: struct, codec, role check, PROTOCOL.md and the hash that two builds
 * compare are made from the rows. Rows never expand into logic.
 */
#ifndef IPC_SCHEMA_H
#define IPC_SCHEMA_H
#include "ipc/role.h"

#define ROLE_BIT(upper) (1u << ROLE_##upper)
#define ROLES_ANY 0xffffffffu
#define ROLES_INTAKE (ROLE_BIT(SMTPD) | ROLE_BIT(LMTPD) | ROLE_BIT(SUBMITD) | ROLE_BIT(PICKUP))
#define ROLES_DELIVER (ROLE_BIT(OUT) | ROLE_BIT(ROUTER))

#include "ipc/schema_control.h"
#include "ipc/schema_intake.h"
#include "ipc/schema_deliver.h"
#include "ipc/schema_local.h"
#include "ipc/schema_login.h"
#include "ipc/schema_auth.h"
#include "ipc/schema_help.h"
#include "ipc/schema_keys.h"
#include "ipc/schema_tool.h"

#define IPC_MESSAGES(M)     \
    IPC_CONTROL_MESSAGES(M) \
    IPC_INTAKE_MESSAGES(M)  \
    IPC_DELIVER_MESSAGES(M) \
    IPC_LOCAL_MESSAGES(M)   \
    IPC_LOGIN_MESSAGES(M)   \
    IPC_AUTH_MESSAGES(M)    \
    IPC_HELP_MESSAGES(M)    \
    IPC_KEYS_MESSAGES(M)    \
    IPC_TOOL_MESSAGES(M)
#endif
