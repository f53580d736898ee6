/* SPDX-License-Identifier: MIT */
#include "producerd/intake/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "daemon/instance.h"
#include "util/error-line.h"
#include "util/unix-listener.h"

/* Access for the owner and the group only. */
enum { SOCKET_MODE = 0660 };

bool submit_socket_is_given(void)
{
    return sd_listen_fds(0) > 0;
}

/* `submit_socket` is where `--submit` looks for the daemon. The plain daemon takes a socket with
 * another path: there `--config` may name it. */
static int check_path(const char *path, const char *instance, const char *unit, char **error)
{
    struct sockaddr_un address = {};
    socklen_t size = sizeof(address) - 1;

    if (!instance)
        return 0;
    if (getsockname(SD_LISTEN_FDS_START, (struct sockaddr *)&address, &size) < 0)
        return -errno;
    if (streq(address.sun_path, path))
        return 0;
    return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                      "producer.submit_socket: found \"%s\", but %s listens at \"%s\": remove the "
                      "setting from the configuration, or set ListenStream= in the unit to the "
                      "same path, which no other unit has",
                      path, unit, address.sun_path);
}

/* Takes the socket that systemd has opened. */
static int take_given(int n, const char *unit, int *ret_fd, char **error)
{
    int flags;

    if (n > 1)
        return error_line(
            SUBMIT_SOCKET_E_UNUSABLE, error,
            "systemd passes %d sockets, but the daemon uses one: leave one ListenStream= in %s", n,
            unit);
    if (sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0)
        return error_line(
            SUBMIT_SOCKET_E_UNUSABLE, error,
            "the socket that systemd passes is not a listening Unix stream socket: set "
            "ListenStream= in %s to an absolute path",
            unit);
    flags = fcntl(SD_LISTEN_FDS_START, F_GETFL);
    if (flags < 0 || fcntl(SD_LISTEN_FDS_START, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    *ret_fd = SD_LISTEN_FDS_START;
    return 0;
}

static int make_own(const char *path, const char *unit, int *ret_fd, char **error)
{
    int r = unix_listener_open(path, SOCKET_MODE, ret_fd);

    switch (r) {
    case UNIX_LISTENER_E_NOT_SOCKET:
        return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                          "producer.submit_socket: %s exists and is not a socket: move it away, or "
                          "set another path",
                          path);
    case UNIX_LISTENER_E_IN_USE:
        return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                          "producer.submit_socket: another process listens at %s, such as this "
                          "daemon started twice, another instance with the same path, or systemd's "
                          "%s",
                          path, unit);
    case UNIX_LISTENER_E_STALE:
        return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                          "producer.submit_socket: cannot replace the socket %s: %s", path,
                          strerror(errno));
    case UNIX_LISTENER_E_BIND:
        return error_line(
            SUBMIT_SOCKET_E_UNUSABLE, error,
            "producer.submit_socket: cannot make the socket %s: %s; under systemd start %s, which "
            "makes it; otherwise its folder must exist and be writable for user %u",
            path, strerror(errno), unit, geteuid());
    default:
        return r;
    }
}

int submit_socket_open(const char *path, const char *instance, int *ret_fd, bool *ret_is_ours,
                       char **error)
{
    const struct instance_text unit = instance_unit(PRODUCER_NAME, instance, ".socket");
    int n = sd_listen_fds(1), r;

    if (n < 0)
        return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                          "LISTEN_FDS or LISTEN_PID in the environment is not a valid number (%s): "
                          "remove both, or see sd_listen_fds(3)",
                          strerror(-n));
    r = n > 0 ? take_given(n, unit.text, ret_fd, error) : make_own(path, unit.text, ret_fd, error);
    if (r == 0 && n > 0)
        r = check_path(path, instance, unit.text, error);
    if (r == 0)
        *ret_is_ours = n == 0;
    return r;
}

void submit_socket_remove(const char *path)
{
    (void)unlink(path);
}
