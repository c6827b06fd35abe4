/* SPDX-License-Identifier: ISC */
#include "base/buf.h"
#include "base/num.h"
#include "worker.h"
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <security/pam_appl.h>

enum { PASSWD_BUFFER = 16384, GROUPS_MAX = 200, GROUPS_TEXT = 2048, PASSWD_NAME_MAX = 280 };

/* PAM asks; the only answer there is is the password. Texts it wants shown have no reader. */
static int converse(int n, const struct pam_message **messages, struct pam_response **ret, void *arg)
{
    if (n <= 0 || n > PAM_MAX_NUM_MSG)
        return PAM_CONV_ERR;
    struct pam_response *r = calloc((size_t)n, sizeof *r);
    if (r == NULL)
        return PAM_BUF_ERR;
    for (int i = 0; i < n; i++)
        if (arg != NULL && (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF || messages[i]->msg_style == PAM_PROMPT_ECHO_ON))
            r[i].resp = strdup(arg);
    *ret = r;
    return PAM_SUCCESS;
}

/* authd holds the answer back on a timer; no process sleeps for it. */
static void no_delay(int status, unsigned usec, void *arg)
{
    (void)status, (void)usec, (void)arg;
}

static enum auth_verdict verdict_of(int rc)
{
    switch (rc) {
    case PAM_SUCCESS: return VERDICT_MATCH;
    case PAM_USER_UNKNOWN: return VERDICT_UNKNOWN;
    case PAM_AUTH_ERR:
    case PAM_PERM_DENIED:
    case PAM_MAXTRIES: return VERDICT_MISMATCH;
    case PAM_ACCT_EXPIRED: return VERDICT_DISABLED;
    case PAM_NEW_AUTHTOK_REQD: return VERDICT_EXPIRED;
    default: return VERDICT_TEMPFAIL;
    }
}

static void tell(struct ipc_verdict *ret, struct arena *arena, const char *call, int rc, pam_handle_t *pam)
{
    const char *hint = rc == PAM_AUTH_ERR ? " (Password mismatch?)" : "";
    ret->verdict = verdict_of(rc);
    if (rc != PAM_SUCCESS)
        ret->text = str_head(str_printf(arena, "%s() failed: %s%s", call, pam_strerror(pam, rc), hint), 400);
}

/* password NULL: the account only. */
static int ask_pam(const char *service, const char *user, char *password, const char *remote, struct arena *arena, struct ipc_verdict *ret)
{
    struct pam_conv conv = { .conv = converse, .appdata_ptr = password };
    void (*delay)(int, unsigned, void *) = no_delay;
    const void *item;
    pam_handle_t *pam = NULL;
    const char *call = "pam_start";
    int rc = pam_start(service, user, &conv, &pam);
    if (rc == PAM_SUCCESS) {
        memcpy(&item, &delay, sizeof item);
        (void)pam_set_item(pam, PAM_FAIL_DELAY, item);
        (void)pam_set_item(pam, PAM_TTY, "dovecot");
        (void)pam_set_item(pam, PAM_RHOST, remote);
    }
    if (rc == PAM_SUCCESS && password != NULL) {
        call = "pam_authenticate";
        rc = pam_authenticate(pam, PAM_SILENT);
    }
    if (rc == PAM_SUCCESS) {
        /* Always: an account that is locked or expired has a right password, too. */
        call = "pam_acct_mgmt";
        rc = pam_acct_mgmt(pam, PAM_SILENT);
    }
    tell(ret, arena, call, rc, pam);
    if (pam != NULL)
        (void)pam_end(pam, rc);
    return rc;
}

/* As text: what has no room is left out, and group 0 is nobody's business here. */
static struct str find_groups(const char *user, gid_t gid, struct arena *arena)
{
    gid_t groups[GROUPS_MAX];
    int n = GROUPS_MAX;
    struct buf b = buf_make(GROUPS_TEXT);
    if (getgrouplist(user, gid, groups, &n) < 0)
        n = GROUPS_MAX;
    for (int i = 0; i < n && b.n + 12 < GROUPS_TEXT; i++)
        if (groups[i] != 0)
            buf_printf(&b, "%s%u", b.n > 0 ? " " : "", (unsigned)groups[i]);
    struct str s = str_dup(arena, buf_str(&b));
    buf_done(&b);
    return s;
}

/* The errno of the system; 0 also when there is no such user. */
static int find_user(const char *user, struct arena *arena, struct ipc_verdict *ret)
{
    struct passwd pw, *found = NULL;
    char *room = arena_alloc(arena, PASSWD_BUFFER);
    int rc = getpwnam_r(user, &pw, room, PASSWD_BUFFER, &found);
    if (rc != 0 || found == NULL || strlen(pw.pw_dir) > 1024)
        return rc;
    ret->has_ids = true;
    ret->uid = pw.pw_uid;
    ret->gid = pw.pw_gid;
    ret->home = str_from(pw.pw_dir);
    ret->groups = find_groups(user, pw.pw_gid, arena);
    return 0;
}

void list_passwd(const struct ipc_verify *ask, struct arena *arena, struct ipc_verdict *ret)
{
    uint32_t from = 0, at = 0;
    struct buf names = buf_make(0);
    struct passwd *pw = NULL;
    (void)num_parse_u32(ask->user, UINT32_MAX, &from);
    setpwent();
    while (names.n + PASSWD_NAME_MAX < GROUPS_TEXT && (pw = getpwent()) != NULL)
        if (at++ >= from && strlen(pw->pw_name) < PASSWD_NAME_MAX - 16)
            buf_printf(&names, "%s%s:%u", names.n > 0 ? " " : "", pw->pw_name, (unsigned)pw->pw_uid);
    endpwent();
    ret->verdict = VERDICT_MATCH;
    ret->has_ids = pw != NULL;
    ret->uid = at;
    ret->groups = str_dup(arena, buf_str(&names));
    buf_done(&names);
}

void lookup_passwd(const struct ipc_verify *ask, struct arena *arena, struct ipc_verdict *ret)
{
    char *user = str_to_cstr(arena, ask->user);
    int rc = user == NULL ? 0 : find_user(user, arena, ret);
    ret->verdict = ret->has_ids ? VERDICT_MATCH : VERDICT_UNKNOWN;
    /* What getpwnam_r() may say of a user who is not there. */
    if (rc != 0 && rc != ENOENT && rc != ESRCH && rc != EBADF && rc != EPERM) {
        ret->verdict = VERDICT_TEMPFAIL;
        ret->text = str_printf(arena, "getpwnam() failed: %s", strerror(rc));
    }
}

void verify_pam(const char *service, const struct ipc_verify *ask, bool with_password, struct arena *arena, struct ipc_verdict *ret)
{
    char *user = str_to_cstr(arena, ask->user), *password = str_to_cstr(arena, ask->password), *remote = str_to_cstr(arena, ask->remote);
    if (user == NULL || password == NULL || remote == NULL || (with_password && password[0] == '\0')) {
        ret->verdict = VERDICT_MISMATCH;
        return;
    }
    if (ask_pam(service, user, with_password ? password : NULL, remote, arena, ret) == PAM_SUCCESS)
        (void)find_user(user, arena, ret);
}
