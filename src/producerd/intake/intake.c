/* SPDX-License-Identifier: MIT */
/* See intake.h. All connections are in one epoll set of the intake's own, which the daemon's loop
 * sees as a single descriptor: so what has come to any of them is looked at in one go, a turn, with
 * one commit at its end.
 *
 * A turn goes through the connections that are ready: it reads once from each, answers some of its
 * lines into its buffer, commits, and only then hands the answers over. Where lines are left, the
 * connection is ready for the next turn, behind the others. For that turn the set has an event of
 * its own: so the daemon's loop takes all else that has come in the meantime first, however much
 * submitters send. (A deferred source of the loop keeps its place before all that comes later.)
 *
 * A connection is in one place at a time: ready, answered in this turn, waiting for room, or none
 * of them. Of INTAKE_BUFFERED_MAX_BYTES, SMALL_BYTES are for each connection, so that short lines
 * never wait; one line of the largest size is for one connection at a time, the favoured one, so
 * that there is always one that can go on; and the rest, SHARED_BYTES, is for who comes first. The
 * favoured one is read no further than to the end of its line, and then it is the next one's turn.
 */
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
    EVENTS_MAX = 256,   /* looked at in a turn */
    SMALL_BYTES = 4096, /* of room, that each connection may have in any case */
    ERROR_BYTES = 256,

    SHARED_BYTES =
        INTAKE_BUFFERED_MAX_BYTES - CONNECTION_IN_MAX_BYTES - INTAKE_CONNECTIONS_MAX * SMALL_BYTES,
};

_Static_assert(SHARED_BYTES >= 4 * 1024 * 1024, "room for more than the favoured one");

/* ---- Room ---- */

static bool grant(struct intake *i, struct connection *c, size_t bytes)
{
    bytes = MIN(bytes, (size_t)CONNECTION_IN_MAX_BYTES);
    if (bytes > SMALL_BYTES && i->favoured != c &&
        i->buffered_bytes - c->in_allocated + bytes > SHARED_BYTES)
        return false;
    if (connection_grow(c, bytes) < 0)
        c->is_broken = true;
    intake_account(i, c);
    return true;
}

/* As much again as there is, so that a long line is not copied often; else some. False: it has to
 * wait. */
static bool make_room(struct intake *i, struct connection *c)
{
    size_t more = MAX(c->in_bytes, (size_t)INTAKE_READ_BYTES);

    if (c->in_allocated > c->in_bytes || grant(i, c, c->in_bytes + more))
        return true;
    if (c->in_bytes < SMALL_BYTES)
        return grant(i, c, SMALL_BYTES);
    if (i->favoured)
        return grant(i, c, c->in_bytes + INTAKE_READ_BYTES);
    i->favoured = c;
    return grant(i, c, c->in_bytes + more);
}

/* Lets go on who can, of those that wait the one that has waited longest. */
static void wake(struct intake *i)
{
    struct connection *c = TAILQ_FIRST(&i->waiting);

    if (!c)
        return;
    if (i->favoured && i->buffered_bytes + INTAKE_READ_BYTES > SHARED_BYTES)
        return;
    if (!i->favoured)
        i->favoured = c;
    intake_move(i, c, PLACE_READY);
}

/* ---- A turn ---- */

static void answer_error(struct connection *c, const char *error, bool is_temporary)
{
    if (submission_reply_error(&c->out, error, is_temporary) < 0)
        c->is_broken = true;
}

/* One line a minute, that names who should be asked about it. */
static void tell_of_full_store(struct intake *i)
{
    const struct intake_user *most = intake_users_most_messages(i->users);
    char text[TROUBLE_TEXT_MAX_BYTES];

    i->door.is_full = false;
    if (!most)
        return;
    snprintf(text, sizeof(text),
             "of the %" PRIu64 " messages that have come since the start, user %u has handed in "
             "%" PRIu64,
             i->door.n_messages, most->uid, most->n_messages);
    if (trouble_add(&i->full, "full", text, intake_now_usec(i)))
        log_warning("The spool is full, and what is handed in is refused: %s.", text);
}

static int answer_line(struct intake *i, struct connection *c, const char *line, size_t bytes)
{
    uint64_t n_before = i->door.n_messages;
    int r = door_answer(&i->door, line, bytes, c->may_command, &c->out);

    c->n_tentative += i->door.n_messages - n_before;
    c->user->n_messages += i->door.n_messages - n_before;
    if (i->door.is_full)
        tell_of_full_store(i);
    return r;
}

static void answer_lines(struct intake *i, struct connection *c)
{
    const char *line;
    size_t bytes;
    int r;

    c->is_held = false;
    for (size_t n = 0; n < INTAKE_LINES_MAX && i->lines_left > 0 && i->bytes_left > 0 &&
                       c->out.size < INTAKE_REPLIES_BYTES && !c->is_broken;
         n++) {
        if (!connection_take_line(c, &line, &bytes))
            return;
        c->is_tentative = true;
        i->lines_left--;
        i->bytes_left -= MIN(bytes, i->bytes_left);
        r = answer_line(i, c, line, bytes);
        if (r == DOOR_E_LATER) {
            connection_put_back_line(c, bytes);
            c->is_held = true;
            return;
        }
        if (r < 0)
            c->is_broken = true;
    }
}

/* Of what is no line and will not be one: it is told so, and then that was all. */
static void end_lines(struct intake *i, struct connection *c)
{
    char error[ERROR_BYTES];

    if (connection_has_line(c))
        return;
    if (connection_rest_bytes(c) > SUBMISSION_LINE_MAX_BYTES) {
        snprintf(error, sizeof(error), "line: longer than %d bytes", SUBMISSION_LINE_MAX_BYTES);
        answer_error(c, error, false);
    } else if (!c->has_ended) {
        return;
    } else if (connection_rest_bytes(c) > 0 && i->fd < 0) {
        answer_error(c, "line: cut off, for the daemon stops; try again later", true);
    } else if (connection_rest_bytes(c) > 0) {
        answer_error(c, "line: cut off, there is no newline at its end", false);
    }
    c->in_taken = c->in_bytes;
    c->has_ended = c->closes = true;
}

/* False: it is left where it is, to be ready in the next turn. */
static bool serve(struct intake *i, struct connection *c)
{
    if (i->lines_left == 0 || i->bytes_left == 0)
        return false;
    if (connection_has_answers(c)) {
        intake_move(i, c, PLACE_ANSWERED);
        return true;
    }
    if (!connection_has_line(c) && !c->has_ended) {
        if (!make_room(i, c)) {
            intake_move(i, c, PLACE_WAITING);
            intake_set_timed(i, c, TIMED_NOT);
            intake_set_events(i, c, 0);
            return true;
        }
        if (!c->is_broken)
            connection_read(c, INTAKE_READ_BYTES, i->favoured == c);
    }
    if (!c->is_broken) {
        answer_lines(i, c);
        end_lines(i, c);
    }
    if (c->in_taken > 0)
        intake_set_timed(i, c, TIMED_NOT); /* the next line has its own time */
    connection_compact(c);
    if (i->favoured == c && c->in_bytes == 0)
        i->favoured = NULL;
    intake_account(i, c);
    intake_move(i, c, PLACE_ANSWERED);
    return true;
}

/* Hands over its answers, and sees what is next for it. */
static void settle(struct intake *i, struct connection *c)
{
    bool has_line, has_answers;

    connection_flush(c);
    intake_account(i, c);
    has_line = connection_has_line(c);
    has_answers = connection_has_answers(c);
    intake_set_events(i, c, has_answers ? EPOLLOUT : c->is_held ? 0 : EPOLLIN);
    if (c->is_broken || (c->closes && !has_answers)) {
        intake_drop(i, c);
        return;
    }
    intake_set_timed(i, c,
                     has_answers                                 ? TIMED_REPLIES
                     : !has_line && connection_rest_bytes(c) > 0 ? TIMED_LINE
                                                                 : TIMED_NOT);
    intake_move(
        i, c, !has_answers && !c->is_held && (has_line || c->has_ended) ? PLACE_READY : PLACE_NONE);
}

/* What its submitter was told to hand in anew counts for nobody. */
static void take_back(struct intake *i, struct connection *c, const char *error)
{
    c->user->n_messages -= c->n_tentative;
    i->door.n_messages -= c->n_tentative;
    if (submission_replies_revoke(&c->out, error) < 0)
        c->is_broken = true;
}

static void commit(struct intake *i)
{
    char error[ERROR_BYTES];
    struct connection *c;
    int r = i->door.store->ops->commit(i->door.store);

    if (r < 0)
        snprintf(error, sizeof(error), "cannot store now: %s; try again later", store_strerror(r));
    TAILQ_FOREACH(c, &i->answered, of_place)
    {
        if (r < 0 && c->is_tentative)
            take_back(i, c, error);
        c->is_tentative = false;
        c->n_tentative = 0;
    }
}

/* Serves who is ready, once each. */
static void serve_ready(struct intake *i)
{
    struct connection *c, *next;

    i->lines_left = INTAKE_TURN_LINES_MAX;
    i->bytes_left = INTAKE_TURN_BYTES_MAX;
    for (c = TAILQ_FIRST(&i->ready); c; c = next) {
        next = TAILQ_NEXT(c, of_place);
        c->active_usec = intake_now_usec(i);
        TAILQ_REMOVE(&i->all, c, of_all);
        TAILQ_INSERT_TAIL(&i->all, c, of_all);
        if (!serve(i, c))
            break;
    }
    if (i->lines_left < INTAKE_TURN_LINES_MAX) {
        FAULT_POINT("intake-added");
        commit(i);
        FAULT_POINT("intake-committed");
    }
    while ((c = TAILQ_FIRST(&i->answered)))
        settle(i, c);
}

/* Whether the next turn comes at once. */
static int set_goes_on(struct intake *i, bool goes_on)
{
    struct epoll_event event = {.events = goes_on ? EPOLLIN : 0, .data.ptr = &i->go_on};

    if (goes_on == i->goes_on)
        return 0;
    if (epoll_ctl(i->epoll, EPOLL_CTL_MOD, i->go_on, &event) < 0)
        return -errno;
    i->goes_on = goes_on;
    return 0;
}

static int arm(struct intake *i)
{
    bool ticks = i->n_timed > 0 || i->accept_again_usec > 0 || i->crowd.failures > 0;
    int r = set_goes_on(i, !TAILQ_EMPTY(&i->ready));

    if (r < 0 || ticks == timer_is_set(&i->tick))
        return r;
    return timer_set_after(&i->tick, ticks ? INTAKE_TICK_USEC : USEC_INFINITY);
}

static void tell_when_stopped(struct intake *i)
{
    if (i->fd >= 0 || i->has_stopped || !TAILQ_EMPTY(&i->ready))
        return;
    i->has_stopped = true;
    if (i->stopped)
        i->stopped(i->userdata);
}

static int turn(struct intake *i)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(i->epoll, events, EVENTS_MAX, 0);
    bool accepts = false;

    for (int k = 0; k < n; k++) {
        void *what = events[k].data.ptr;

        if (!what)
            accepts = true;
        else if (what != &i->go_on)
            intake_move(i, what, PLACE_READY);
    }
    serve_ready(i);
    if (accepts && i->fd >= 0)
        intake_accept_some(i);
    wake(i);
    intake_listen_or_not(i);
    tell_when_stopped(i);
    return arm(i);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    return turn(userdata);
}

/* ---- Time ---- */

static void expire(struct intake *i, struct connection *c)
{
    if (c->timed == TIMED_LINE) {
        char error[ERROR_BYTES];

        snprintf(error, sizeof(error), "line: not ended within %" PRIu64 " seconds",
                 i->patience_usec / USEC_PER_SEC);
        answer_error(c, error, false);
        connection_flush(c);
    }
    intake_drop(i, c);
}

static void expire_some(struct intake *i, uint64_t now)
{
    for (struct connection *c = TAILQ_FIRST(&i->all), *next; c; c = next) {
        next = TAILQ_NEXT(c, of_all);
        if (c->timed != TIMED_NOT && c->deadline_usec <= now)
            expire(i, c);
    }
}

static void on_tick(void *userdata)
{
    struct intake *i = userdata;
    uint64_t now = intake_now_usec(i);

    if (i->accept_again_usec <= now)
        i->accept_again_usec = 0;
    expire_some(i, now);
    intake_end_crowd(i);
    wake(i);
    intake_listen_or_not(i);
    (void)arm(i);
}

/* ---- Start and stop ---- */

static int set_up(struct intake *i)
{
    struct epoll_event event = {.data.ptr = &i->go_on};
    int r = fcntl(i->fd, F_GETFL);

    if (r < 0 || fcntl(i->fd, F_SETFL, r | O_NONBLOCK) < 0)
        return -errno;
    i->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (i->epoll < 0)
        return -errno;
    i->go_on = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (i->go_on < 0 || epoll_ctl(i->epoll, EPOLL_CTL_ADD, i->go_on, &event) < 0)
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
    i->epoll = i->go_on = -1;
    i->stopped = options->stopped;
    i->changed = options->changed;
    i->userdata = options->userdata;
    i->event = options->event;
    i->patience_usec = options->patience_usec ? options->patience_usec : INTAKE_PATIENCE_USEC;
    i->idle_usec = options->idle_usec ? options->idle_usec : INTAKE_IDLE_USEC;
    i->door = (struct door){
        .store = options->store,
        .rules = options->rules,
        .ask_size = options->ask_size,
        .userdata = options->userdata,
    };
    TAILQ_INIT(&i->all);
    TAILQ_INIT(&i->ready);
    TAILQ_INIT(&i->waiting);
    TAILQ_INIT(&i->answered);
    n_other = INTAKE_OTHER_FILES + options->n_other_connections;
    i->n_connections_max = intake_raise_limit(n_other);
    if (i->n_connections_max < INTAKE_CONNECTIONS_MAX)
        log_warning("Only %zu submitters are served at once, for the limit of open files is low: "
                    "raise it (LimitNOFILE= of the unit) to %zu or more.",
                    i->n_connections_max, INTAKE_CONNECTIONS_MAX + n_other);
    i->users = intake_users_new(i->n_connections_max);
    r = i->users ? set_up(i) : -ENOMEM;
    if (r < 0)
        return r;
    intake_listen_or_not(i);
    if (!i->listens)
        return -errno;
    *ret = TAKE(i);
    return 0;
}

void intake_set_message_max(struct intake *i, size_t max_bytes)
{
    struct connection *c;

    i->door.rules.max_bytes = max_bytes;
    TAILQ_FOREACH(c, &i->all, of_all)
    {
        if (c->is_held && !connection_has_answers(c))
            intake_move(i, c, PLACE_READY);
        c->is_held = false;
    }
    (void)set_goes_on(i, !TAILQ_EMPTY(&i->ready));
}

void intake_stop(struct intake *i)
{
    struct connection *c;

    if (i->fd < 0)
        return;
    if (i->listens)
        epoll_ctl(i->epoll, EPOLL_CTL_DEL, i->fd, NULL);
    i->listens = false;
    i->door.is_stopping = true; /* there is no time to look anything up */
    close(i->fd);
    i->fd = -1;
    TAILQ_FOREACH(c, &i->all, of_all)
    {
        c->has_ended = true;
        intake_move(i, c, PLACE_READY);
    }
    /* Each turn answers or closes some of them; who does not take its answers is none of them. */
    (void)set_goes_on(i, true);
}

bool intake_has_stopped(const struct intake *i)
{
    return i->has_stopped;
}

struct intake *intake_free(struct intake *i)
{
    if (!i)
        return NULL;
    for (struct connection *c = TAILQ_FIRST(&i->all); c; c = TAILQ_FIRST(&i->all))
        intake_drop(i, c);
    sd_event_source_disable_unref(i->io);
    timer_done(&i->tick);
    if (i->epoll >= 0)
        close(i->epoll);
    if (i->go_on >= 0)
        close(i->go_on);
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
