/* See intake-internal.h. The socket that listens is in the set only while there is place: so those
 * who come later wait in its backlog, and the loop is not told of them over and over. */
#include "intake-internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor-limit.h"
#include "log.h"

enum {
    ACCEPTED_MAX = 64,    /* in a turn */
    IDLE_CLOSED_MAX = 16, /* at once */
};

/* Connections are what the daemon needs most descriptors for. */
size_t intake_raise_limit(size_t n_other)
{
    struct rlimit limit;
    uint64_t hard = 0;
    size_t allowed;

    if (descriptor_limit_raise(INTAKE_CONNECTIONS_MAX + n_other, &hard) == 0)
        return INTAKE_CONNECTIONS_MAX;
    descriptor_limit_raise(hard, &hard);
    allowed = getrlimit(RLIMIT_NOFILE, &limit) < 0 ? 0 : (size_t)limit.rlim_cur;
    return allowed > n_other ? allowed - n_other : 1;
}

void intake_listen_or_not(struct intake *i)
{
    bool listens =
        i->fd >= 0 && i->accept_again_usec == 0 && i->n_connections < i->n_connections_max;
    struct epoll_event event = {.events = EPOLLIN};

    if (listens != i->listens &&
        epoll_ctl(i->epoll, listens ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, i->fd, &event) >= 0)
        i->listens = listens;
}

static bool may_command(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) >= 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static int add_connection(struct intake *i, int fd)
{
    struct connection *c = connection_new(fd);

    if (!c) {
        close(fd);
        return -ENOMEM;
    }
    c->may_command = may_command(fd);
    c->active_usec = intake_now_usec(i);
    TAILQ_INSERT_TAIL(&i->all, c, of_all);
    i->n_connections++;
    intake_set_events(i, c, EPOLLIN);
    if (c->is_broken) {
        intake_drop(i, c);
        return -ENOMEM;
    }
    return 0;
}

/* What keeps it from accepting passes by itself, as a rule: too many open files, or no memory. */
static void pause_accepting(struct intake *i, int error)
{
    i->accept_again_usec = intake_now_usec(i) + INTAKE_TICK_USEC;
    if (!i->accept_failed)
        log_warning("Cannot accept more submitters now (%s): they wait.", strerror(-error));
    i->accept_failed = true;
}

void intake_accept_some(struct intake *i)
{
    for (int n = 0; n < ACCEPTED_MAX && i->n_connections < i->n_connections_max; n++) {
        int fd = accept4(i->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), r;

        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        r = fd < 0 ? -errno : add_connection(i, fd);
        if (r < 0) {
            pause_accepting(i, r);
            return;
        }
        i->accept_failed = false;
    }
}

static bool is_idle(const struct connection *c)
{
    return c->place == PLACE_NONE && c->timed == TIMED_NOT;
}

/* Where others wait for a place. */
void intake_close_idle(struct intake *i)
{
    uint64_t now = intake_now_usec(i);
    struct pollfd listening = {.fd = i->fd, .events = POLLIN};
    size_t n = 0;

    if (i->fd < 0 || i->n_connections < i->n_connections_max || poll(&listening, 1, 0) <= 0)
        return;
    for (struct connection *c = TAILQ_FIRST(&i->all), *next; c && n < IDLE_CLOSED_MAX; c = next) {
        next = TAILQ_NEXT(c, of_all);
        if (c->active_usec + i->idle_usec > now)
            break;
        if (is_idle(c)) {
            intake_drop(i, c);
            n++;
        }
    }
}
