/* SPDX-License-Identifier: ISC
 *
 * serve_tool.c - IMAP sessions without login, for tests and measurements:
 *     imapd_serve_tool PORT MAILDIR       on 127.0.0.1, a process per client
 */
#include "session.h"
#include "base/num.h"
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct imapd_conf conf = { .idle_timeout = 1800, .keepalive = 120, .message_limit = 50 << 20,
                                        .error_limit = 20, .mail_location = "", .special_use = "",
                                        .capability_extra = "" };

int main(int argc, char **argv)
{
    uint32_t port;
    if (argc != 3 || !num_parse_u32(str_from(argv[1]), 65535, &port))
        return 2;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)(const void *)&sin, sizeof sin) != 0 || listen(fd, 1000) != 0)
        return 1;
    (void)signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int client = accept(fd, NULL, NULL);
        if (client < 0 || fork() != 0) {
            close(client);
            continue;
        }
        struct imap_user user = { .name = "test", .home = "/nonexistent", .mail = argv[2], .session_id = "s" };
        static const char hello[] = "* PREAUTH ready\r\n";
        close(fd);
        io_stop_on_sigterm();
        (void)!write(client, hello, sizeof hello - 1);
        session_run(&conf, &user, client, STR(""));
        _exit(0);
    }
}
