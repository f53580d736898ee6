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
 * place before all that comes later.)
 *
 * A connection stands in one queue at most: ready, answered in this dispatch, or waiting for
 * memory. INTAKE_BUFFERED_MAX_BYTES has three parts. Each connection has SMALL_BYTES, so short
 * lines never wait. One connection at a time, the large_line_owner, has the memory for a line of
 * the largest size, so one connection can always go on. The rest, SHARED_BYTES, is for the
 * connections that come first. The large_line_owner is read only to the end of its line; then the
 * next connection becomes the owner. */
#include "producerd/intake/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "producerd/intake/submission-reply.h"
#include "util/fault-point.h"
#include "util/log.h"

enum {
    EVENTS_MAX = 256,   /* handled in one dispatch */
    SMALL_BYTES = 4096, /* of memory that every connection may have */
    ERROR_BYTES = 256,

    SHARED_BYTES =
        INTAKE_BUFFERED_MAX_BYTES - CONNECTION_IN_MAX_BYTES - INTAKE_CONNECTIONS_MAX * SMALL_BYTES,
};

_Static_assert(SHARED_BYTES >= 4 * 1024 * 1024, "memory for more than the large line");

/* ---- Memory ---- */

static bool allocate_input(struct intake *i, struct connection *c, size_t bytes)
{
    bytes = MIN(bytes, (size_t)CONNECTION_IN_MAX_BYTES);
    if (bytes > SMALL_BYTES && i->large_line_owner != c &&
        i->buffered_bytes - c->in_allocated + bytes > SHARED_BYTES)
        return false;
    if (connection_grow(c, bytes) < 0)
        c->is_broken = true;
    intake_account(i, c);
    return true;
}

/* Doubles the input buffer, so that a long line is not copied often; less if memory is short.
 * Returns false when the connection must wait for memory. */
static bool grow_input(struct intake *i, struct connection *c)
{
    size_t more = MAX(c->in_bytes, (size_t)INTAKE_READ_BYTES);

    if (c->in_allocated > c->in_bytes || allocate_input(i, c, c->in_bytes + more))
        return true;
    if (c->in_bytes < SMALL_BYTES)
        return allocate_input(i, c, SMALL_BYTES);
    if (i->large_line_owner)
        return allocate_input(i, c, c->in_bytes + INTAKE_READ_BYTES);
    i->large_line_owner = c;
    return allocate_input(i, c, c->in_bytes + more);
}

/* Wakes the connection that has waited longest, when there is memory for it. */
static void wake_waiting(struct intake *i)
{
    struct connection *c = connection_in_queue(list_first(&i->waiting));

    if (!c)
        return;
    if (i->large_line_owner && i->buffered_bytes + INTAKE_READ_BYTES > SHARED_BYTES)
        return;
    if (!i->large_line_owner)
        i->large_line_owner = c;
    intake_move(i, c, CONNECTION_READY);
}

/* ---- A dispatch ---- */

static void answer_error(struct connection *c, const char *error, bool is_temporary)
{
    if (submission_reply_error(&c->out, error, is_temporary) < 0)
        c->is_broken = true;
}

/* At most one log line a minute. It names the user with the most messages. */
static void log_full_store(struct intake *i)
{
    const struct intake_user *most = intake_users_most_messages(i->users);
    char text[FAILURE_LOG_TEXT_MAX_BYTES];

    i->protocol.is_full = false;
    if (!most)
        return;
    snprintf(text, sizeof(text),
             "of the %" PRIu64 " messages that have come since the start, user %u has submitted "
             "%" PRIu64,
             i->protocol.n_messages, most->uid, most->n_messages);
    if (failure_log_add(&i->full, "full", text, intake_now_usec(i)))
        log_warning("The spool is full, and what is submitted is refused: %s.", text);
}

static int answer_line(struct intake *i, struct connection *c, const char *line, size_t bytes)
{
    uint64_t n_before = i->protocol.n_messages;
    int r = protocol_answer(&i->protocol, line, bytes, c->may_command, &c->out);

    c->n_uncommitted += i->protocol.n_messages - n_before;
    c->user->n_messages += i->protocol.n_messages - n_before;
    if (i->protocol.is_full)
        log_full_store(i);
    return r;
}

static void answer_lines(struct intake *i, struct connection *c)
{
    const char *line;
    size_t bytes;
    int r;

    c->waits_for_size = false;
    for (size_t n = 0; n < INTAKE_CONNECTION_LINES_MAX && i->lines_left > 0 && i->bytes_left > 0 &&
                       c->out.size < INTAKE_REPLIES_BYTES && !c->is_broken;
         n++) {
        if (!connection_take_line(c, &line, &bytes))
            return;
        c->has_uncommitted_replies = true;
        i->lines_left--;
        i->bytes_left -= MIN(bytes, i->bytes_left);
        r = answer_line(i, c, line, bytes);
        if (r == PROTOCOL_E_WAIT) {
            connection_untake_line(c, bytes);
            c->waits_for_size = true;
            return;
        }
        if (r < 0)
            c->is_broken = true;
    }
}

/* Answers input that will never be a whole line, and closes the connection after that. */
static void end_lines(struct intake *i, struct connection *c)
{
    char error[ERROR_BYTES];

    if (connection_has_line(c))
        return;
    if (connection_partial_bytes(c) > SUBMISSION_LINE_MAX_BYTES) {
        snprintf(error, sizeof(error), "line: longer than %d bytes", SUBMISSION_LINE_MAX_BYTES);
        answer_error(c, error, false);
    } else if (!c->is_input_closed) {
        return;
    } else if (connection_partial_bytes(c) > 0 && i->fd < 0) {
        answer_error(c, "line: cut off, for the daemon stops; try again later", true);
    } else if (connection_partial_bytes(c) > 0) {
        answer_error(c, "line: cut off, there is no newline at its end", false);
    }
    c->in_taken = c->in_bytes;
    c->is_input_closed = c->closes_after_replies = true;
}

/* Returns false when the limits of this dispatch are reached: the connection stays ready. */
static bool serve(struct intake *i, struct connection *c)
{
    if (i->lines_left == 0 || i->bytes_left == 0)
        return false;
    if (connection_has_answers(c)) {
        intake_move(i, c, CONNECTION_ANSWERED);
        return true;
    }
    if (!connection_has_line(c) && !c->is_input_closed) {
        if (!grow_input(i, c)) {
            intake_move(i, c, CONNECTION_WAITING);
            intake_set_deadline(i, c, DEADLINE_NONE);
            intake_set_events(i, c, 0);
            return true;
        }
        if (!c->is_broken)
            connection_read(c, INTAKE_READ_BYTES, i->large_line_owner == c);
    }
    if (!c->is_broken) {
        answer_lines(i, c);
        end_lines(i, c);
    }
    if (c->in_taken > 0)
        intake_set_deadline(i, c, DEADLINE_NONE); /* the next line has its own deadline */
    connection_compact(c);
    if (i->large_line_owner == c && c->in_bytes == 0)
        i->large_line_owner = NULL;
    intake_account(i, c);
    intake_move(i, c, CONNECTION_ANSWERED);
    return true;
}

/* Sends the replies of a connection, and decides what it waits for next. */
static void send_replies(struct intake *i, struct connection *c)
{
    bool has_line, has_answers;

    connection_flush(c);
    intake_account(i, c);
    has_line = connection_has_line(c);
    has_answers = connection_has_answers(c);
    intake_set_events(i, c, has_answers ? EPOLLOUT : c->waits_for_size ? 0 : EPOLLIN);
    if (c->is_broken || (c->closes_after_replies && !has_answers)) {
        intake_close(i, c);
        return;
    }
    intake_set_deadline(i, c,
                        has_answers                                    ? DEADLINE_REPLIES
                        : !has_line && connection_partial_bytes(c) > 0 ? DEADLINE_LINE
                                                                       : DEADLINE_NONE);
    intake_move(i, c,
                !has_answers && !c->waits_for_size && (has_line || c->is_input_closed)
                    ? CONNECTION_READY
                    : CONNECTION_UNQUEUED);
}

/* Messages that were not committed are not counted for their user. */
static void revoke_replies(struct intake *i, struct connection *c, const char *error)
{
    c->user->n_messages -= c->n_uncommitted;
    i->protocol.n_messages -= c->n_uncommitted;
    if (submission_replies_revoke(&c->out, error) < 0)
        c->is_broken = true;
}

static void commit(struct intake *i)
{
    char error[ERROR_BYTES];
    int r = i->protocol.store->ops->commit(i->protocol.store);

    if (r < 0)
        snprintf(error, sizeof(error), "cannot store now: %s; try again later",
                 message_store_strerror(r));
    LIST_FOREACH(&i->answered, link)
    {
        struct connection *c = connection_in_queue(link);

        if (r < 0 && c->has_uncommitted_replies)
            revoke_replies(i, c, error);
        c->has_uncommitted_replies = false;
        c->n_uncommitted = 0;
    }
}

/* Serves each ready connection once. */
static void serve_ready(struct intake *i)
{
    struct connection *c;

    i->lines_left = INTAKE_DISPATCH_LINES_MAX;
    i->bytes_left = INTAKE_DISPATCH_BYTES_MAX;
    LIST_FOREACH(&i->ready, link)
    {
        c = connection_in_queue(link);
        c->last_active_usec = intake_now_usec(i);
        list_remove(&c->all_link);
        list_append(&i->all, &c->all_link);
        if (!serve(i, c))
            break;
    }
    if (i->lines_left < INTAKE_DISPATCH_LINES_MAX) {
        FAULT_POINT("intake-added");
        commit(i);
        FAULT_POINT("intake-committed");
    }
    while ((c = connection_in_queue(list_first(&i->answered))))
        send_replies(i, c);
}

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
    return timer_set_after(&i->tick, ticks ? INTAKE_TICK_USEC : USEC_INFINITY);
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
            intake_move(i, what, CONNECTION_READY);
    }
    serve_ready(i);
    if (accepts && i->fd >= 0)
        intake_accept_some(i);
    wake_waiting(i);
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
        char error[ERROR_BYTES];

        snprintf(error, sizeof(error), "line: not ended within %" PRIu64 " seconds",
                 i->timeout_usec / USEC_PER_SEC);
        answer_error(c, error, false);
        connection_flush(c);
    }
    intake_close(i, c);
}

static void expire_some(struct intake *i, uint64_t now)
{
    LIST_FOREACH(&i->all, link)
    {
        struct connection *c = connection_in_all(link);

        if (c->deadline != DEADLINE_NONE && c->deadline_usec <= now)
            expire(i, c);
    }
}

static void on_tick(void *userdata)
{
    struct intake *i = userdata;
    uint64_t now = intake_now_usec(i);

    if (i->accept_paused_until_usec <= now)
        i->accept_paused_until_usec = 0;
    expire_some(i, now);
    intake_end_overload(i);
    wake_waiting(i);
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
        log_warning("Only %zu submitters are served at once, for the limit of open files is low: "
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
        struct connection *c = connection_in_all(link);

        if (c->waits_for_size && !connection_has_answers(c))
            intake_move(i, c, CONNECTION_READY);
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
        struct connection *c = connection_in_all(link);

        c->is_input_closed = true;
        intake_move(i, c, CONNECTION_READY);
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
        intake_close(i, connection_in_all(list_first(&i->all)));
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
