/* SPDX-License-Identifier: MIT */
/* One submitter's connection, as the intake sees it: lines come out of it, answers go into it. Its
 * memory is the intake's to grant. */
#pragma once

#include <sys/queue.h>

#include "producerd/intake/submission.h"
#include "producerd/intake/users.h"

enum connection_queue {
    CONNECTION_UNQUEUED,
    CONNECTION_READY,
    CONNECTION_WAITING,
    CONNECTION_ANSWERED
};
enum connection_deadline { DEADLINE_NONE, DEADLINE_LINE, DEADLINE_REPLIES };

struct connection {
    int fd;
    bool may_command;
    bool
        is_input_closed; /* nothing more is read: the submitter has ended it, or it is to be closed */
    bool closes_after_replies; /* once the answers are taken */
    bool is_broken;            /* and cannot be answered any more */
    bool waits_for_size;       /* its first line waits for the queue's maximum message size */
    bool
        has_uncommitted_replies; /* answers were added that say ok before the store has committed */
    uint64_t n_uncommitted;      /* messages of them that the store has taken up */

    char *in; /* what was read */
    size_t in_bytes, in_allocated;
    size_t in_taken;   /* bytes at the front that are done with */
    size_t in_scanned; /* behind them there is no newline before; it may be there */
    struct buffer out; /* answers */
    size_t out_sent;

    /* the intake's */
    struct intake_user *user;
    TAILQ_ENTRY(connection) all_link, queue_link;
    enum connection_queue queue;
    enum connection_deadline deadline;
    uint64_t deadline_usec;    /* of what is timed */
    uint64_t last_active_usec; /* when there was something to do for it last */
    uint32_t events;           /* that it waits for; 0: not in the set */
    size_t accounted_bytes;
};

enum { CONNECTION_IN_MAX_BYTES = SUBMISSION_LINE_MAX_BYTES + 1 }; /* a line and its newline */

/* `fd` is the connection's. NULL without memory; then the descriptor is the caller's still. */
struct connection *connection_new(int fd);
struct connection *connection_free(struct connection *c);

/* Makes the room for what is read this large. 0 or -ENOMEM. */
int connection_grow(struct connection *c, size_t bytes);

/* Reads once, at most so much, into the room that is there; where it `stops_at_newline`, nothing
 * behind the first. What ends the connection ends only its reading. */
void connection_read(struct connection *c, size_t max_bytes, bool stops_at_newline);

/* Whether a whole line is there. */
bool connection_has_line(struct connection *c);

/* Takes the first line, without its newline; false: there is none. It stays until the next call of
 * connection_compact, which lets go of what was taken and of memory that is not needed. */
bool connection_take_line(struct connection *c, const char **ret, size_t *ret_bytes);
void connection_untake_line(struct connection *c, size_t bytes); /* the one taken last */
void connection_compact(struct connection *c);

/* Hands over answers as far as the socket takes them. */
void connection_flush(struct connection *c);

/* Bytes of a line that was begun, where there is no whole one. */
static inline size_t connection_partial_bytes(const struct connection *c)
{
    return c->in_bytes - c->in_taken;
}

static inline bool connection_has_answers(const struct connection *c)
{
    return c->out.size > 0;
}
