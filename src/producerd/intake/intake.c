/* SPDX-License-Identifier: MIT */
/* Serves all connections of the submit socket. They are watched by an epoll set of their own, and
 * the event loop sees that set as one descriptor. So all that has come in is handled together, in
 * one `dispatch`, with one commit at its end.
 *
 * A dispatch goes through the ready connections. It reads once from each, answers some of its lines
 * into its reply buffer, commits, and only then sends the replies. A connection with further lines
 * stays ready for the next dispatch, behind the others. To cause that dispatch, the epoll set
 * contains an eventfd, continue_fd, that is always readable. So the event loop handles everything
 * else that has come first, however much submitters send. (A deferred event source would keep its
 * place before all that comes later.) */
#include "producerd/intake/intake-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/log.h"

enum {
    EVENTS_MAX = 256, /* handled in one dispatch */
};

/* ---- A dispatch ---- */

/* Makes the next dispatch come at once, or not. */
static int set_continuing(struct intake *i, bool is_continuing)
{
    struct epoll_event event = {.events = is_continuing ? EPOLLIN : 0, .data.ptr = &i->continue_fd};

    if (is_continuing == i->is_continuing)
        return 0;
    if (epoll_ctl(i->epoll, EPOLL_CTL_MOD, i->continue_fd, &event) < 0)
        return -errno;
    i->is_continuing = is_continuing;
    return 0;
}

static int arm(struct intake *i)
{
    bool ticks = i->n_deadlines > 0 || i->accept_paused_until_usec > 0 || i->overload.failures > 0;
    int r = set_continuing(i, !list_is_empty(&i->ready));

    if (r < 0 || ticks == timer_is_set(&i->tick))
        return r;
    i->tick_usec = ticks ? intake_now_usec(i) + INTAKE_TICK_USEC : USEC_INFINITY;
    return timer_set(&i->tick, i->tick_usec);
}

static void notify_if_stopped(struct intake *i)
{
    if (i->fd >= 0 || i->has_stopped || !list_is_empty(&i->ready))
        return;
    i->has_stopped = true;
    if (i->stopped)
        i->stopped(i->userdata);
}

static int dispatch(struct intake *i)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(i->epoll, events, EVENTS_MAX, 0);
    bool accepts = false;

    for (int k = 0; k < n; k++) {
        void *what = events[k].data.ptr;

        if (!what)
            accepts = true;
        else if (what != &i->continue_fd)
            intake_move_to_queue(i, what, CONNECTION_READY);
    }
    intake_serve_ready(i);
    if (accepts && i->fd >= 0)
        intake_accept_some(i);
    intake_wake_waiting(i);
    intake_update_listening(i);
    notify_if_stopped(i);
    return arm(i);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    return dispatch(userdata);
}

/* ---- Time ---- */

static void expire(struct intake *i, struct connection *c)
{
    if (c->deadline == DEADLINE_LINE) {
        char error[INTAKE_ERROR_BYTES];

        snprintf(error, sizeof(error), "line: not ended within %" PRIu64 " seconds",
                 i->timeout_usec / USEC_PER_SEC);
        intake_answer_error(c, error, false);
        connection_flush(c);
    }
    intake_close(i, c);
}

static void expire_some(struct intake *i, uint64_t now)
{
    LIST_FOREACH(&i->all, link)
    {
        struct connection *c = connection_of_all_link(link);

        if (c->deadline != DEADLINE_NONE && c->deadline_usec <= now)
            expire(i, c);
    }
}

/* When the tick is so late, this process or the machine stood still (stopped, suspended, starved),
 * and nobody read what the submitters wrote. They get that time again. */
static void excuse_own_pause(struct intake *i, uint64_t now)
{
    uint64_t late = now - MIN(i->tick_usec, now);

    if (late < 2 * INTAKE_TICK_USEC)
        return;
    LIST_FOREACH(&i->all, link)
    {
        struct connection *c = connection_of_all_link(link);

        if (c->deadline != DEADLINE_NONE)
            c->deadline_usec = MIN(c->deadline_usec + late, now + i->timeout_usec);
    }
}

static void on_tick(void *userdata)
{
    struct intake *i = userdata;
    uint64_t now = intake_now_usec(i);

    excuse_own_pause(i, now);
    if (i->accept_paused_until_usec <= now)
        i->accept_paused_until_usec = 0;
    expire_some(i, now);
    intake_end_overload(i);
    intake_wake_waiting(i);
    intake_update_listening(i);
    (void)arm(i);
}

/* ---- Start and stop ---- */

static int set_up(struct intake *i)
{
    struct epoll_event event = {.data.ptr = &i->continue_fd};
    int r = fcntl(i->fd, F_GETFL);

    if (r < 0 || fcntl(i->fd, F_SETFL, r | O_NONBLOCK) < 0)
        return -errno;
    i->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (i->epoll < 0)
        return -errno;
    i->continue_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (i->continue_fd < 0 || epoll_ctl(i->epoll, EPOLL_CTL_ADD, i->continue_fd, &event) < 0)
        return -errno;
    r = sd_event_add_io(i->event, &i->io, i->epoll, EPOLLIN, on_io, i);
    if (r >= 0)
        r = timer_init(&i->tick, i->event, 0, on_tick, i);
    return r;
}

int intake_new(const struct intake_options *options, struct intake **ret)
{
    CLEANUP(intake_free) struct intake *i = calloc(1, sizeof(*i));
    size_t n_other;
    int r;

    if (!i) {
        close(options->fd);
        return -ENOMEM;
    }
    i->fd = options->fd;
    i->epoll = i->continue_fd = -1;
    i->stopped = options->stopped;
    i->changed = options->changed;
    i->userdata = options->userdata;
    i->event = options->event;
    i->timeout_usec = options->timeout_usec ? options->timeout_usec : INTAKE_TIMEOUT_USEC;
    i->idle_usec = options->idle_usec ? options->idle_usec : INTAKE_IDLE_USEC;
    i->protocol = (struct protocol){
        .store = options->store,
        .rules = options->rules,
        .refresh_size = options->refresh_size,
        .userdata = options->userdata,
    };
    list_init(&i->all);
    list_init(&i->ready);
    list_init(&i->waiting);
    list_init(&i->answered);
    n_other = INTAKE_OTHER_FILES + options->n_other_connections;
    i->n_connections_max = intake_raise_file_limit(n_other);
    if (i->n_connections_max < INTAKE_CONNECTIONS_MAX)
        log_warning(
            "Only %zu submitters are served at once, because the limit of open files is low: "
            "raise it (LimitNOFILE= of the unit) to %zu or more.",
            i->n_connections_max, INTAKE_CONNECTIONS_MAX + n_other);
    i->users = intake_users_new(i->n_connections_max);
    r = i->users ? set_up(i) : -ENOMEM;
    if (r < 0)
        return r;
    intake_update_listening(i);
    if (!i->is_listening)
        return -errno;
    *ret = TAKE(i);
    return 0;
}

void intake_set_message_max(struct intake *i, size_t max_bytes)
{
    i->protocol.rules.max_bytes = max_bytes;
    LIST_FOREACH(&i->all, link)
    {
        struct connection *c = connection_of_all_link(link);

        if (c->waits_for_size && !connection_has_answers(c))
            intake_move_to_queue(i, c, CONNECTION_READY);
        c->waits_for_size = false;
    }
    (void)set_continuing(i, !list_is_empty(&i->ready));
}

void intake_stop(struct intake *i)
{
    if (i->fd < 0)
        return;
    if (i->is_listening)
        epoll_ctl(i->epoll, EPOLL_CTL_DEL, i->fd, NULL);
    i->is_listening = false;
    i->protocol.is_stopping = true; /* a stop has no time for a refresh */
    close(i->fd);
    i->fd = -1;
    LIST_FOREACH(&i->all, link)
    {
        struct connection *c = connection_of_all_link(link);

        c->is_input_closed = true;
        intake_move_to_queue(i, c, CONNECTION_READY);
    }
    /* Each dispatch answers or closes some connections. Those that do not read their replies are
     * not waited for. */
    (void)set_continuing(i, true);
}

bool intake_has_stopped(const struct intake *i)
{
    return i->has_stopped;
}

struct intake *intake_free(struct intake *i)
{
    if (!i)
        return NULL;
    while (!list_is_empty(&i->all))
        intake_close(i, connection_of_all_link(list_first(&i->all)));
    sd_event_source_disable_unref(i->io);
    timer_done(&i->tick);
    if (i->epoll >= 0)
        close(i->epoll);
    if (i->continue_fd >= 0)
        close(i->continue_fd);
    if (i->fd >= 0)
        close(i->fd);
    intake_users_free(i->users);
    free(i);
    return NULL;
}

struct intake_counts intake_counts(const struct intake *i)
{
    return (struct intake_counts){i->n_connections, i->n_waiting, i->buffered_bytes};
}
