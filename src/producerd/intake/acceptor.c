/* SPDX-License-Identifier: MIT */
/* Accepts connections at the submit socket. A connection that finds no free slot is answered with a
 * temporary error and closed: in the backlog it would only wait for its own timeout. One user may
 * have as many connections as slots are still free, so at most half of all, and the next user
 * always finds some. */
#include "producerd/intake/intake-internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "producerd/intake/submission-reply.h"
#include "util/descriptor-limit.h"
#include "util/log.h"

enum {
    ACCEPTED_MAX = 64, /* in one dispatch */
};

/* Connections need most of the daemon's file descriptors. */
size_t intake_raise_file_limit(size_t n_other)
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

void intake_update_listening(struct intake *i)
{
    bool is_listening = i->fd >= 0 && i->accept_paused_until_usec == 0;
    struct epoll_event event = {.events = EPOLLIN};

    if (is_listening != i->is_listening &&
        epoll_ctl(i->epoll, is_listening ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, i->fd, &event) >= 0)
        i->is_listening = is_listening;
}

/* Returns the peer's uid, or -1 when it is not known. */
static uid_t peer_of(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) >= 0 ? peer.uid : (uid_t)-1;
}

static bool may_command(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

/* ---- Slots ---- */

static size_t free_slots(const struct intake *i)
{
    return i->n_connections_max - i->n_connections;
}

static bool is_idle(const struct connection *c)
{
    return c->queue == CONNECTION_UNQUEUED && c->deadline == DEADLINE_NONE;
}

/* Closes the connection that was idle longest, if it was idle for idle_usec and its slot then
 * suffices for the user. */
static bool evict_idle(struct intake *i, const struct intake_user *user)
{
    uint64_t now = intake_now_usec(i);

    LIST_FOREACH(&i->all, link)
    {
        struct connection *c = connection_of_all_link(link);
        size_t n = user->n_connections - (c->user == user);

        if (c->last_active_usec + i->idle_usec > now)
            return false;
        if (is_idle(c) && n < free_slots(i) + 1) {
            intake_close(i, c);
            return true;
        }
    }
    return false;
}

static bool find_slot(struct intake *i, const struct intake_user *user)
{
    return user && (user->n_connections < free_slots(i) || evict_idle(i, user));
}

/* ---- Overload ---- */

static void note_overload(struct intake *i)
{
    const struct intake_user *most = intake_users_most_connections(i->users);
    char text[FAILURE_LOG_TEXT_MAX_BYTES];

    snprintf(text, sizeof(text), "%zu of %zu connections are in use, %zu of them by user %u",
             i->n_connections, i->n_connections_max, most->n_connections, most->uid);
    i->overload_usec = intake_now_usec(i);
    if (failure_log_add(&i->overload, "overload", text, i->overload_usec))
        log_warning("Submitters are told to try again later: %s.", text);
    if (i->overload.failures == 1 && i->changed)
        i->changed(i->userdata);
}

void intake_end_overload(struct intake *i)
{
    struct failure_log ended;

    if (i->overload.failures == 0 || free_slots(i) == 0 ||
        i->overload_usec + INTAKE_OVERLOAD_USEC > intake_now_usec(i))
        return;
    if (failure_log_end(&i->overload, &ended))
        log_notice("Submitters are accepted again; %u connections were refused.", ended.failures);
    if (i->changed)
        i->changed(i->userdata);
}

void intake_describe(const struct intake *i, struct buffer *status)
{
    if (i->overload.failures > 0)
        buffer_printf(status, "; submitters are told to try again later: %s", i->overload.text);
}

/* Nothing was read from the connection, so nothing is lost. */
static void refuse_connection(struct intake *i, int fd)
{
    CLEANUP(buffer_done) struct buffer reply = BUFFER_INIT(SUBMISSION_REPLY_MAX_BYTES);
    char text[FAILURE_LOG_TEXT_MAX_BYTES + 64];

    note_overload(i);
    snprintf(text, sizeof(text), "too many connections: %s; try again later", i->overload.text);
    if (submission_reply_error(&reply, text, true) >= 0)
        (void)send(fd, reply.data, reply.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

/* ---- New connections ---- */

static int add_connection(struct intake *i, int fd)
{
    uid_t uid = peer_of(fd);
    struct intake_user *user = intake_users_get(i->users, uid);
    struct connection *c;

    if (!find_slot(i, user)) {
        refuse_connection(i, fd);
        return 0;
    }
    c = connection_new(fd);
    if (!c) {
        close(fd);
        return -ENOMEM;
    }
    c->user = user;
    user->n_connections++;
    c->may_command = may_command(uid);
    c->last_active_usec = intake_now_usec(i);
    list_append(&i->all, &c->all_link);
    i->n_connections++;
    intake_set_events(i, c, EPOLLIN);
    if (c->is_broken) {
        intake_close(i, c);
        return -ENOMEM;
    }
    if (free_slots(i) == 0)
        note_overload(i);
    return 0;
}

/* Usually a passing shortage: too many open files (EMFILE, ENFILE), or no memory. */
static void pause_accepting(struct intake *i, int error)
{
    i->accept_paused_until_usec = intake_now_usec(i) + INTAKE_TICK_USEC;
    if (!i->is_accept_failure_logged)
        log_warning("Cannot accept more submitters now (%s): they wait.", strerror(-error));
    i->is_accept_failure_logged = true;
}

void intake_accept_some(struct intake *i)
{
    for (int n = 0; n < ACCEPTED_MAX; n++) {
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
        i->is_accept_failure_logged = false;
    }
}
