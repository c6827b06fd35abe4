/* SPDX-License-Identifier: ISC
 * A whole SMTP session: bytes in, and whatever they are the server ends the session and lives; what it took in is one message per end of data. */
#include "../../unit/smtpsrv/stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void feed(const uint8_t *data, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(stage.client_fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0)
            break;
        data += sent;
        n -= (size_t)sent;
    }
    (void)shutdown(stage.client_fd, SHUT_WR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool open;
    static unsigned runs;
    int pair[2];
    (void)client_fiber;
    (void)stage_run;
    (void)stage_close;
    if (!open) {
        loop_init();
        if (!stage_open("smtpd_forbid_unauth_pipelining = no\nsmtpd_client_connection_count_limit = 0\nsmtpd_timeout = 1\n"))
            __builtin_trap();
        open = true;
    }
    if (n > 60000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return 0;
    stage.server_fd = pair[0];
    stage.client_fd = pair[1];
    stage.ended = false;
    feed(data, n);
    (void)fiber_start("server", server_fiber, NULL);
    for (int turns = 0; !stage.ended; turns++) {
        loop_turn(deadline_in(20));
        if (turns > 1000)
            __builtin_trap();
    }
    (void)close(stage.client_fd);
    stage_forget();
    if (++runs % 1000 == 0)
        loop_turn(loop_now());
    return 0;
}
