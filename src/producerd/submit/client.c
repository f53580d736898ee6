/* SPDX-License-Identifier: MIT */
#include "producerd/submit/client.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

enum { READ_BYTES = 4096 };

struct instance_text submit_service(const struct submit_daemon *daemon)
{
    return instance_unit(PRODUCER_NAME, daemon->instance, "");
}

/* ---- To the daemon ---- */

static const char *group_of(const char *path)
{
    const struct group *group = NULL;
    struct stat st;

    if (stat(path, &st) >= 0 && st.st_gid != 0)
        group = getgrgid(st.st_gid);
    return group ? group->gr_name : SUBMIT_GROUP;
}

/* Asks systemd whether the unit is in state "failed", after too many failures in a short time.
 * Returns false when systemd cannot be asked. */
static bool has_unit_failed(const char *unit)
{
    CLEANUP(free) char *path = NULL, *state = NULL;
    sd_bus *bus = NULL;
    bool has_failed;

    if (sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) < 0 ||
        sd_bus_open_system(&bus) < 0)
        return false;
    has_failed = sd_bus_get_property_string(bus, "org.freedesktop.systemd1", path,
                                            "org.freedesktop.systemd1.Unit", "ActiveState", NULL,
                                            &state) >= 0 &&
                 streq(state, "failed");
    sd_bus_flush_close_unref(bus);
    return has_failed;
}

/* Prints one line, with `hint` at its end if it is not NULL. */
PRINTF_FORMAT(3, 4)
static void cannot_reach(const struct submit_daemon *daemon, const char *hint, const char *format,
                         ...)
{
    va_list ap;

    fprintf(stderr, "%s: cannot reach the daemon", daemon->program);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fprintf(stderr, "%s%s\n", hint ? "; " : "", hint ? hint : "");
}

/* The start of the socket failed, or that of its service failed too often. */
static void given_up(const struct submit_daemon *daemon, const char *hint, const char *unit)
{
    const struct instance_text service = submit_service(daemon);

    cannot_reach(
        daemon, hint,
        ": systemd no longer starts %s, because it or the daemon failed; 'systemctl status %s "
        "%s' shows why; correct that, then run 'systemctl reset-failed %s %s' and 'systemctl "
        "start %s'",
        unit, unit, service.text, unit, service.text, unit);
}

static void not_there(const struct submit_daemon *daemon, const char *hint, const char *unit)
{
    const struct instance_text service = submit_service(daemon),
                               config = instance_config_path(daemon->instance);

    cannot_reach(daemon, hint,
                 ": there is no socket %s; set producer.source = \"spool\" in %s, and run "
                 "'systemctl stop %s' and 'systemctl enable --now %s %s'; if 'systemctl status %s' "
                 "shows that it has failed, run 'systemctl reset-failed %s %s' first",
                 daemon->socket_path, daemon->instance ? config.text : "its configuration",
                 service.text, unit, service.text, unit, unit, service.text);
}

static int cannot_connect(const struct submit_daemon *daemon, const char *hint, int error)
{
    const struct instance_text service = submit_service(daemon);
    const struct instance_text unit = instance_unit(PRODUCER_NAME, daemon->instance, ".socket");
    const char *group, *path = daemon->socket_path;

    if ((error == ENOENT || error == ECONNREFUSED) && has_unit_failed(unit.text)) {
        given_up(daemon, hint, unit.text);
        return EX_UNAVAILABLE;
    }
    switch (error) {
    case ENOENT:
        not_there(daemon, hint, unit.text);
        break;
    case EACCES:
    case EPERM:
        group = group_of(path);
        cannot_reach(
            daemon, hint,
            ": only members of the group %s may use %s; as root run 'usermod -aG %s USER', "
            "then sign in again",
            group, path, group);
        break;
    case ECONNREFUSED:
        cannot_reach(daemon, hint,
                     ": nobody answers at %s; 'systemctl status %s %s' shows why; if they have "
                     "failed, run 'systemctl reset-failed %s %s' before you start them again",
                     path, unit.text, service.text, unit.text, service.text);
        break;
    case EAGAIN:
        cannot_reach(daemon, hint,
                     ": it has accepted no connection at %s for %d s; 'systemctl status %s' shows "
                     "what it does",
                     path, SUBMIT_TIMEOUT_SEC, service.text);
        return EX_TEMPFAIL;
    default:
        cannot_reach(daemon, hint, " at %s: %s", path, strerror(error));
    }
    return EX_UNAVAILABLE;
}

/* Connects a socket. Returns 0 or a negative errno. */
static int connect_to(const char *path, int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int r;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    do {
        r = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

int submit_connect(const struct submit_daemon *daemon, const char *hint, int *ret_fd)
{
    static const struct timeval timeout = {.tv_sec = SUBMIT_TIMEOUT_SEC};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    if (fd < 0) {
        fprintf(stderr, "%s: cannot make a socket: %m\n", daemon->program);
        return EX_OSERR;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    r = connect_to(daemon->socket_path, fd);
    if (r < 0) {
        r = cannot_connect(daemon, hint, -r);
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return EX_OK;
}

int submit_try_connect(const struct submit_daemon *daemon, int *ret_fd)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

    if (fd < 0)
        return -errno;
    r = connect_to(daemon->socket_path, fd);
    if (r < 0)
        close(fd);
    else
        *ret_fd = fd;
    return r;
}

/* ---- Question and answer ---- */

/* If the daemon stops reading, it has sent an error or it has ended: read_line reports that. */
static void write_line(int fd, const struct buffer *line)
{
    for (size_t sent = 0; sent < line->size;) {
        ssize_t n = send(fd, line->data + sent, line->size - sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        sent += (size_t)n;
    }
}

static int no_answer(const struct submit_daemon *daemon, const char *why)
{
    fprintf(stderr,
            "%s: %s; the daemon may have accepted what was submitted, or not: 'journalctl -u %s' "
            "may show which\n",
            daemon->program, why, submit_service(daemon).text);
    return EX_UNAVAILABLE;
}

static int read_line(const struct submit_daemon *daemon, int fd, struct buffer *b)
{
    char bytes[READ_BYTES];

    for (;;) {
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
        const char *newline = n > 0 ? memchr(bytes, '\n', (size_t)n) : NULL;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return no_answer(daemon, "the daemon does not answer in time");
        if (n <= 0)
            return no_answer(daemon, "the daemon has ended the connection without an answer");
        if (buffer_append(b, bytes, newline ? (size_t)(newline - bytes) : (size_t)n) < 0) {
            fprintf(stderr, "%s: cannot keep the answer: %s\n", daemon->program,
                    strerror(-b->error));
            return EX_OSERR;
        }
        if (newline)
            return EX_OK;
    }
}

int submit_ask(const struct submit_daemon *daemon, int fd, const struct buffer *line,
               struct submission_reply **ret)
{
    CLEANUP(buffer_done) struct buffer answer = BUFFER_INIT(SUBMISSION_REPLY_MAX_BYTES);
    int r;

    write_line(fd, line);
    r = read_line(daemon, fd, &answer);
    if (r != EX_OK)
        return r;
    r = submission_reply_read(buffer_string(&answer), answer.size, ret);
    if (r == 0)
        return EX_OK;
    if (r < 0) {
        fprintf(stderr, "%s: cannot read the answer: %s\n", daemon->program, strerror(-r));
        return EX_OSERR;
    }
    fprintf(stderr,
            "%s: the program that answers is not this version of the daemon: restart it "
            "('systemctl restart %s'), or set producer.submit_socket to its socket\n",
            daemon->program, submit_service(daemon).text);
    return EX_PROTOCOL;
}
