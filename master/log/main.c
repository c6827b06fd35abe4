/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     logd - writes everyone's log lines
 *
 * DESCRIPTION
 *     Every process of the suite sends its lines to one socket that master
 *     made. logd writes them to maillog_file, as Postfix's postlogd does
 *     ("Nov 22 18:00:00 host postfix/smtpd[123]: text"), or to the system's
 *     log socket when maillog_file is empty. A new generation opens the file
 *     anew, so "postfix reload" after a rotation is enough. /dev/stdout works
 *     when master runs in the foreground.
 *
 * SECURITY
 *     Own user, empty root, no new descriptors: what it writes to is opened
 *     before the drop. The process id in a line is the kernel's word about
 *     the sender, not the sender's. A line is one line: what could break it
 *     was replaced by the sender, and is replaced here again.
 *
 * DIAGNOSTICS
 *     A line that cannot be written (full disk) is counted; the count is
 *     written with the next one that can.
 */
#include "base/buf.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "params.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/*
 * Lines collect for a moment, so that many go out in one write: for REST_MS
 * after the first, for longer while each rest finds a few more, but never for
 * longer than the socket has room for.
 */
enum { BATCH = 32, REST_MS = 20, REST_MAX_MS = 160, ROOMY = 1 << 20, LINE_ROOM = LOG_LINE_MAX + 512, MAIL_FACILITY = 2 << 3, ROUNDS_PER_TURN = 8 };

struct logd_conf { LOGD_PARAMS(PARAM_MEMBER) };
#define ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct logd_conf, k, m, name, def, lo, hi, doc)
static const struct param rows[] = { LOGD_PARAMS(ROW) };
static const struct param_table table = { rows, N_ELEMS(rows) };
static struct logd_conf conf;

static struct {
    int file, syslog;           /* one of them, the other -1 */
    char host[64];
    struct watch watch;
    struct timer rest;
    int rest_ms, rest_max;      /* of the next rest */
    bool empty;                 /* the socket had nothing more */
    unsigned long lost;
    time_t second;
    char stamp[32];             /* of that second */
    struct buf out;
    char lines[BATCH][LINE_ROOM];
} logd = { .file = -1, .syslog = -1 };

static int connect_syslog(void)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static int open_target(const struct daemon_ctx *d, struct err *err)
{
    (void)d;
    (void)gethostname(logd.host, sizeof logd.host - 1);
    char *dot = strchr(logd.host, '.');
    if (dot != NULL)
        *dot = '\0';
    if (conf.maillog_file[0] == '\0') {
        logd.syslog = connect_syslog();
        return 0;       /* a machine without system log still runs */
    }
    bool is_stdout = strcmp(conf.maillog_file, "/dev/stdout") == 0;
    mode_t old = umask(022);
    logd.file = is_stdout ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 5)
                          : open(conf.maillog_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    (void)umask(old);
    if (logd.file < 0)
        return err_sys(err, ERR_CONFIG, "maillog_file: open %s for writing", conf.maillog_file);
    return 0;
}

/* Month names and clock of this second, made once per second. */
static const char *stamp(void)
{
    time_t now = time(NULL);
    struct tm tm;
    if (now != logd.second && localtime_r(&now, &tm) != NULL) {
        (void)strftime(logd.stamp, sizeof logd.stamp, "%b %e %H:%M:%S", &tm);
        logd.second = now;
    }
    return logd.stamp;
}

static pid_t sender_of(struct msghdr *mh)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(mh); h != NULL; h = CMSG_NXTHDR(mh, h)) {
        struct ucred who;
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_CREDENTIALS) {
            memcpy(&who, CMSG_DATA(h), sizeof who);
            return who.pid;
        }
    }
    return 0;
}

/* "3postfix/smtpd[1]: text" in pieces; false when it is not of that form. */
static bool split(struct str line, unsigned *ret_level, struct str *ret_ident, struct str *ret_text)
{
    struct str rest;
    ptrdiff_t bracket = str_chr(line, '[');
    if (line.n < 2 || !ascii_is_digit(line.p[0]) || bracket < 1)
        return false;
    rest = str_skip(line, (size_t)bracket);
    ptrdiff_t end = str_find(rest, STR("]: "));
    if (end < 0)
        return false;
    *ret_level = (unsigned)(line.p[0] - '0');
    *ret_ident = str_skip(str_head(line, (size_t)bracket), 1);
    *ret_text = str_skip(rest, (size_t)end + 3);
    return true;
}

/* "postfix/smtpd[123]: text"; Dovecot's lines have no process id there, and their readers expect none. */
static void put_line(struct buf *out, struct str ident, pid_t pid, struct str text)
{
    buf_add(out, ident);
    if (!str_eqz(ident, "dovecot"))
        buf_printf(out, "[%ld]", (long)pid);
    buf_puts(out, ": ");
    buf_add(out, text);
}

static void write_syslog(unsigned level, struct str ident, pid_t pid, struct str text)
{
    static const int severity[] = { 7, 6, 4, 3, 2, 2 };
    struct buf line = { 0 };
    buf_printf(&line, "<%d>%s ", MAIL_FACILITY | severity[MIN(level, 5u)], stamp());
    put_line(&line, ident, pid, text);
    if (logd.syslog < 0 || send(logd.syslog, line.p, line.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        logd.lost++;
    buf_done(&line);
}

static void take_line(struct str line, pid_t pid)
{
    unsigned level;
    struct str ident, text;
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] == '\n' || line.p[i] == '\0')
            return;
    if (!split(line, &level, &ident, &text))
        return;
    if (logd.file < 0) {
        write_syslog(level, ident, pid, text);
        return;
    }
    buf_printf(&logd.out, "%s %s ", stamp(), logd.host);
    put_line(&logd.out, ident, pid, text);
    buf_putc(&logd.out, '\n');
}

static void write_out(void)
{
    if (logd.file < 0 || logd.out.n == 0)
        return;
    if (logd.lost > 0)
        buf_printf(&logd.out, "%s %s postfix/postlog[%ld]: warning: %lu log lines were lost\n", stamp(), logd.host, (long)getpid(), logd.lost);
    ssize_t n = write(logd.file, logd.out.p, logd.out.n);
    logd.lost = n == (ssize_t)logd.out.n ? 0 : logd.lost + 1;
    buf_reset(&logd.out);
}

/* Lines that are there, at most BATCH; how many. */
static int take_batch(int fd)
{
    struct mmsghdr mh[BATCH] = { 0 };
    struct iovec iov[BATCH];
    static union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(struct ucred))]; } control[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){ logd.lines[i], LINE_ROOM };
        mh[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = &control[i], .msg_controllen = sizeof control[i] };
    }
    int n = recvmmsg(fd, mh, BATCH, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
    for (int i = 0; i < n; i++)
        take_line(str_make(logd.lines[i], mh[i].msg_len), sender_of(&mh[i].msg_hdr));
    return n;
}

/* Everything that is there; how many lines, -1 when no sender is left. */
static int take_all(void)
{
    int fd = daemon_listener(0), n = BATCH, total = 0;
    for (int i = 0; i < ROUNDS_PER_TURN && n == BATCH; i++) {
        n = take_batch(fd);
        total += MAX(n, 0);
    }
    bool ended = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    logd.empty = n < BATCH;
    write_out();
    return ended ? -1 : total;
}

static void on_lines(struct watch *w, uint32_t events);

static void rest_over(struct timer *t)
{
    int n = take_all();
    logd.rest_ms = n <= 0 ? REST_MS : n > BATCH ? MAX(logd.rest_ms / 2, REST_MS) : MIN(2 * logd.rest_ms, logd.rest_max);
    if (n > 0 && logd.empty)
        timer_set(t, deadline_in(logd.rest_ms), rest_over);
    else if (n >= 0)
        watch_start(&logd.watch, daemon_listener(0), EPOLLIN, on_lines);
}

static void on_lines(struct watch *w, uint32_t events)
{
    (void)events;
    int n = take_all();
    if (logd.empty && w->fn != NULL)
        watch_stop(w);
    if (logd.empty && n >= 0)
        timer_set(&logd.rest, deadline_in(logd.rest_ms), rest_over);
}

/* The socket has as much room as its other end, which many write to. */
static int longest_rest(void)
{
    int room = 0;
    socklen_t n = sizeof room;
    bool roomy = getsockopt(daemon_listener(0), SOL_SOCKET, SO_SNDBUF, &room, &n) == 0 && room >= ROOMY;
    return roomy ? REST_MAX_MS : REST_MS;
}

static void start(const struct daemon_ctx *d)
{
    (void)d;
    logd.empty = true;
    if (daemon_listener(0) < 0)
        log_fatal("no log socket was given: this program is started by master");
    logd.rest_ms = REST_MS;
    logd.rest_max = longest_rest();
    watch_start(&logd.watch, daemon_listener(0), EPOLLIN, on_lines);
}

static void drain(void) { on_lines(&logd.watch, EPOLLIN); }

static bool idle(void) { return logd.empty; }

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_LOG, .params = &table, .conf = &conf, .before_drop = open_target, .start = start, .on_drain = drain, .idle = idle },
    };
    return daemon_main(argc, argv, "postlog", roles, N_ELEMS(roles));
}
