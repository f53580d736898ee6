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

#include "util/error-line.h"

/* Access for the owner and the group only: mode 0660. */
enum { SOCKET_UMASK = 0117 };

bool submit_socket_is_given(void)
{
    return sd_listen_fds(0) > 0;
}

/* Takes the socket that systemd has opened. */
static int take_given(int n, int *ret_fd, char **error)
{
    int flags;

    if (n > 1)
        return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                          "systemd hands over %d sockets, but messages are handed in at one: leave "
                          "one ListenStream= in sqs-producerd.socket",
                          n);
    if (sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0)
        return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                          "what systemd hands over is no listening Unix stream socket: set "
                          "ListenStream= in sqs-producerd.socket to an absolute path");
    flags = fcntl(SD_LISTEN_FDS_START, F_GETFL);
    if (flags < 0 || fcntl(SD_LISTEN_FDS_START, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    *ret_fd = SD_LISTEN_FDS_START;
    return 0;
}

/* Removes a socket file at the path if no process listens at it. */
static int remove_stale(int fd, const struct sockaddr_un *address, char **error)
{
    const char *path = address->sun_path;
    struct stat st;

    if (lstat(path, &st) < 0)
        return 0; /* bind reports other errors */
    if (!S_ISSOCK(st.st_mode))
        return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                          "producer.submit_socket: %s is there and is no socket: move it away, or "
                          "name another path",
                          path);
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                          "producer.submit_socket: another process listens at %s, such as this "
                          "daemon started twice, or systemd's sqs-producerd.socket",
                          path);
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

static int bind_there(int fd, const struct sockaddr_un *address, char **error)
{
    mode_t before = umask(SOCKET_UMASK);
    int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)), e = errno;

    umask(before);
    if (r < 0)
        return error_line(SUBMIT_SOCKET_E_UNUSABLE, error,
                          "producer.submit_socket: cannot make the socket %s: %s; under systemd "
                          "start sqs-producerd.socket, which makes it, else its folder must be "
                          "there and writable for user %u",
                          address->sun_path, strerror(e), geteuid());
    return listen(fd, SOMAXCONN) < 0 ? -errno : 0;
}

static int make_own(const char *path, int *ret_fd, char **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = -1, r;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    r = new_socket(&fd);
    if (r < 0)
        return r;
    r = remove_stale(fd, &address, error);
    close(fd);
    if (r != 0)
        return r;
    /* A new socket, since the first may be connected now. */
    r = new_socket(&fd);
    if (r < 0)
        return r;
    r = bind_there(fd, &address, error);
    if (r != 0) {
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int submit_socket_open(const char *path, int *ret_fd, bool *ret_is_ours, char **error)
{
    int n = sd_listen_fds(1), r;

    if (n < 0)
        return error_line(
            SUBMIT_SOCKET_E_UNUSABLE, error,
            "LISTEN_FDS or LISTEN_PID in the environment is no such number (%s): take "
            "both out, or see sd_listen_fds(3)",
            strerror(-n));
    r = n > 0 ? take_given(n, ret_fd, error) : make_own(path, ret_fd, error);
    if (r == 0)
        *ret_is_ours = n == 0;
    return r;
}

void submit_socket_remove(const char *path)
{
    (void)unlink(path);
}
