/* SPDX-License-Identifier: MIT */
#include "producerd/intake/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "daemon/instance.h"
#include "util/error-line.h"

/* Access for the owner and the group only: mode 0660. */
enum { SOCKET_UMASK = 0117 };

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

/* Removes a socket file at the path if no process listens at it. */
static int remove_stale(int fd, const struct sockaddr_un *address, const char *unit, char **error)
{
    const char *path = address->sun_path;
    struct stat st;

    if (lstat(path, &st) < 0)
        return 0; /* bind reports other errors */
    if (!S_ISSOCK(st.st_mode))
        return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                          "producer.submit_socket: %s exists and is not a socket: move it away, or "
                          "set another path",
                          path);
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                          "producer.submit_socket: another process listens at %s, such as this "
                          "daemon started twice, another instance with the same path, or systemd's "
                          "%s",
                          path, unit);
    if (errno == ECONNREFUSED && unlink(path) == 0)
        return 0;
    return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                      "producer.submit_socket: cannot replace the socket %s: %s", path,
                      strerror(errno));
}

static int new_socket(int *ret)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    *ret = fd;
    return 0;
}

static int bind_there(int fd, const struct sockaddr_un *address, const char *unit, char **error)
{
    mode_t before = umask(SOCKET_UMASK);
    int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)), e = errno;

    umask(before);
    if (r < 0)
        return error_line(
            SUBMIT_SOCKET_E_UNUSABLE, error,
            "producer.submit_socket: cannot make the socket %s: %s; under systemd start %s, which "
            "makes it; otherwise its folder must exist and be writable for user %u",
            address->sun_path, strerror(e), unit, geteuid());
    return listen(fd, SOMAXCONN) < 0 ? -errno : 0;
}

static int make_own(const char *path, const char *unit, int *ret_fd, char **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = -1, r;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    r = new_socket(&fd);
    if (r < 0)
        return r;
    r = remove_stale(fd, &address, unit, error);
    close(fd);
    if (r != 0)
        return r;
    /* A new socket, since the first may be connected now. */
    r = new_socket(&fd);
    if (r < 0)
        return r;
    r = bind_there(fd, &address, unit, error);
    if (r != 0) {
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
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
