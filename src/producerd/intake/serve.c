/* SPDX-License-Identifier: MIT */
/* Serves the ready connections: reads once from each, answers some of its lines into its reply
 * buffer, commits, and only then sends the replies.
 *
 * A connection stands in one queue at most: ready, answered in this dispatch, or waiting for
 * memory. INTAKE_BUFFERED_MAX_BYTES has three parts. Each connection has SMALL_BYTES, so short
 * lines never wait. One connection at a time, the large_line_owner, has the memory for a line of
 * the largest size, so one connection can always go on. The rest, SHARED_BYTES, is for the
 * connections that come first. The large_line_owner is read only to the end of its line; then the
 * next connection becomes the owner. */
#include "producerd/intake/intake-internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "producerd/intake/submission-reply.h"
#include "util/fault-point.h"
#include "util/log.h"

enum {
    SMALL_BYTES = 4096, /* of memory that every connection may have */

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
    intake_count_memory(i, c);
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

void intake_wake_waiting(struct intake *i)
{
    struct connection *c = connection_of_queue_link(list_first(&i->waiting));

    if (!c)
        return;
    if (i->large_line_owner && i->buffered_bytes + INTAKE_READ_BYTES > SHARED_BYTES)
        return;
    if (!i->large_line_owner)
        i->large_line_owner = c;
    intake_move_to_queue(i, c, CONNECTION_READY);
}

/* ---- Lines and replies ---- */

void intake_answer_error(struct connection *c, const char *error, bool is_temporary)
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
        log_warning("The spool is full, and new messages are refused: %s.", text);
}

/* Nobody can see later what a dropped message was. */
static void log_dropped(const struct store_dropped *dropped, uid_t user)
{
    char ids[STORE_DROPPED_IDS_MAX * (UUID_TEXT_SIZE + 1)] = "", more[32] = "";
    size_t used = 0;

    for (size_t n = 0; n < dropped->n_ids; n++)
        used += (size_t)snprintf(ids + used, sizeof(ids) - used, "%s%s", n > 0 ? ", " : "",
                                 dropped->ids[n]);
    if (dropped->n > dropped->n_ids)
        snprintf(more, sizeof(more), " and %zu more", dropped->n - dropped->n_ids);
    log_notice("User %u has dropped %zu rejected message%s: %s%s.", user, dropped->n,
               dropped->n == 1 ? "" : "s", ids, more);
}

static int answer_line(struct intake *i, struct connection *c, const char *line, size_t bytes)
{
    uint64_t n_before = i->protocol.n_messages;
    int r = protocol_answer(&i->protocol, line, bytes, c->may_command, &c->series, &c->out);

    c->n_uncommitted += i->protocol.n_messages - n_before;
    c->user->n_messages += i->protocol.n_messages - n_before;
    if (i->protocol.is_full)
        log_full_store(i);
    if (i->protocol.dropped.n > 0)
        log_dropped(&i->protocol.dropped, c->user->uid);
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
        /* If the commit fails, only the answers to new lines are revoked. */
        if (n > 0 && series_ends_repetition(&c->series))
            return;
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
    char error[INTAKE_ERROR_BYTES];

    if (connection_has_line(c))
        return;
    if (connection_partial_bytes(c) > SUBMISSION_LINE_MAX_BYTES) {
        snprintf(error, sizeof(error), "line: longer than %d bytes", SUBMISSION_LINE_MAX_BYTES);
        intake_answer_error(c, error, false);
    } else if (!c->is_input_closed) {
        return;
    } else if (connection_partial_bytes(c) > 0 && i->fd < 0) {
        /* A series goes on with the next daemon. */
        if (!c->series.is_begun)
            intake_answer_error(c, "line: cut off, because the daemon stops; try again later",
                                true);
    } else if (connection_partial_bytes(c) > 0) {
        intake_answer_error(c, "line: cut off, there is no newline at its end", false);
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
        intake_move_to_queue(i, c, CONNECTION_ANSWERED);
        return true;
    }
    if (!connection_has_line(c) && !c->is_input_closed) {
        if (!grow_input(i, c)) {
            intake_move_to_queue(i, c, CONNECTION_WAITING);
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
    intake_count_memory(i, c);
    intake_move_to_queue(i, c, CONNECTION_ANSWERED);
    return true;
}

/* Sends the replies of a connection, and decides what it waits for next. */
static void send_replies(struct intake *i, struct connection *c)
{
    bool has_line, has_answers;

    connection_flush(c);
    intake_count_memory(i, c);
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
    intake_move_to_queue(i, c,
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
    struct message_store *store = i->protocol.store;
    char error[INTAKE_ERROR_BYTES];
    int r;

    LIST_FOREACH(&i->answered, link)
    {
        struct series *series = &connection_of_queue_link(link)->series;

        if (series->stored.number > series->committed)
            store->ops->note_series(store, &series->stored);
    }
    r = store->ops->commit(store);
    if (r < 0)
        snprintf(error, sizeof(error), "cannot store now: %s; try again later",
                 message_store_strerror(r));
    LIST_FOREACH(&i->answered, link)
    {
        struct connection *c = connection_of_queue_link(link);

        if (r < 0 && c->has_uncommitted_replies && (!c->series.is_begun || c->n_uncommitted > 0))
            revoke_replies(i, c, error);
        series_committed(&c->series, r >= 0);
        c->has_uncommitted_replies = false;
        c->n_uncommitted = 0;
    }
}

void intake_serve_ready(struct intake *i)
{
    struct connection *c;

    i->lines_left = INTAKE_DISPATCH_LINES_MAX;
    i->bytes_left = INTAKE_DISPATCH_BYTES_MAX;
    LIST_FOREACH(&i->ready, link)
    {
        c = connection_of_queue_link(link);
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
    while ((c = connection_of_queue_link(list_first(&i->answered))))
        send_replies(i, c);
}
