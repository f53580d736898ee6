/* SPDX-License-Identifier: MIT */
/* The buffers of one connection: lines in, replies out. The connection does not decide how much
 * memory it may have; the intake does (intake.c). */
#pragma once

#include "producerd/intake/series.h"
#include "producerd/intake/submission.h"
#include "producerd/intake/users.h"
#include "util/list.h"

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
    /* nothing more is read: end of the input, or the connection is to be closed */
    bool is_input_closed;
    bool closes_after_replies;    /* it is closed when the submitter has read the replies */
    bool is_broken;               /* it failed, and cannot be answered */
    bool waits_for_size;          /* its next line waits for the queue's maximum message size */
    bool has_uncommitted_replies; /* replies that say ok, and are not committed yet */
    uint64_t n_uncommitted;       /* messages of those replies */
    struct series series;

    char *in; /* input */
    size_t in_bytes, in_allocated;
    size_t in_taken;   /* bytes at the front that were handled */
    size_t in_scanned; /* no newline lies between in_taken and this */
    struct buffer out; /* replies */
    size_t out_sent;

    /* used by the intake */
    struct intake_user *user;
    struct list all_link, queue_link;
    enum connection_queue queue;
    enum connection_deadline deadline;
    uint64_t deadline_usec;    /* boot clock */
    uint64_t last_active_usec; /* when it was last served */
    uint32_t events;           /* that epoll watches; 0: not in the epoll set */
    size_t accounted_bytes;
};

enum { CONNECTION_IN_MAX_BYTES = SUBMISSION_LINE_MAX_BYTES + 1 }; /* one line with its newline */

/* The connection of a link. NULL gives NULL. */
static inline struct connection *connection_of_all_link(struct list *link)
{
    return link ? CONTAINER_OF(link, struct connection, all_link) : NULL;
}

static inline struct connection *connection_of_queue_link(struct list *link)
{
    return link ? CONTAINER_OF(link, struct connection, queue_link) : NULL;
}

/* Takes over `fd`. Returns NULL without memory; then `fd` is still the caller's. */
struct connection *connection_new(int fd);
struct connection *connection_free(struct connection *c);

/* Resizes the input buffer. Returns 0 or -ENOMEM. */
int connection_grow(struct connection *c, size_t bytes);

/* Reads once, at most `max_bytes`, into the free part of the input buffer; with `stops_at_newline`
 * nothing behind the first newline. An error ends only the input. */
void connection_read(struct connection *c, size_t max_bytes, bool stops_at_newline);

/* Returns true when a whole line was read. */
bool connection_has_line(struct connection *c);

/* Takes the first line, without its newline. Returns false when there is none. The line stays valid
 * until connection_compact, which frees the handled input. */
bool connection_take_line(struct connection *c, const char **ret, size_t *ret_bytes);
void connection_untake_line(struct connection *c, size_t bytes); /* undoes the last take */
void connection_compact(struct connection *c);

/* Sends replies until the socket accepts no more. */
void connection_flush(struct connection *c);

/* The bytes of a partial line, when there is no whole one. */
static inline size_t connection_partial_bytes(const struct connection *c)
{
    return c->in_bytes - c->in_taken;
}

static inline bool connection_has_answers(const struct connection *c)
{
    return c->out.size > 0;
}
