/* SPDX-License-Identifier: MIT */
#include "util/unix-listener.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Removes a socket file at the path if no process listens at it. */
static int remove_stale(int fd, const struct sockaddr_un *address)
{
    struct stat st;

    if (lstat(address->sun_path, &st) < 0)
        return 0; /* bind reports other errors */
    if (!S_ISSOCK(st.st_mode))
        return UNIX_LISTENER_E_NOT_SOCKET;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return UNIX_LISTENER_E_IN_USE;
    return errno == ECONNREFUSED && unlink(address->sun_path) == 0 ? 0 : UNIX_LISTENER_E_STALE;
}

static int new_socket(int *ret)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    *ret = fd;
    return 0;
}

static int bind_there(int fd, const struct sockaddr_un *address, mode_t mode)
{
    mode_t before = umask(0777 & ~mode);
    int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)), e = errno;

    umask(before);
    errno = e;
    if (r < 0)
        return UNIX_LISTENER_E_BIND;
    return listen(fd, SOMAXCONN) < 0 ? -errno : 0;
}

int unix_listener_open(const char *path, mode_t mode, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = -1, r, e;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    r = new_socket(&fd);
    if (r < 0)
        return r;
    r = remove_stale(fd, &address);
    e = errno;
    close(fd);
    errno = e;
    if (r != 0)
        return r;
    /* A new socket, since the first may be connected now. */
    r = new_socket(&fd);
    if (r < 0)
        return r;
    r = bind_there(fd, &address, mode);
    if (r != 0) {
        e = errno;
        close(fd);
        errno = e;
        return r;
    }
    *ret_fd = fd;
    return 0;
}
