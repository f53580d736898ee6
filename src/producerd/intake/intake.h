/* SPDX-License-Identifier: MIT */
/* The submit socket: programs send lines (submission.h), and each line is answered by one line
 * (submission-reply.h), in order for each connection.
 *
 * All messages that come in one round of the event loop are stored by one commit and answered
 * after it; the loop blocks while the disk syncs. If the commit fails, all of them are answered
 * with an error, and none is stored.
 *
 * A submitter that does not read its replies is not read from. A connection is closed when a line
 * is too long, when a line is not complete within INTAKE_TIMEOUT_USEC, or when replies are not read
 * within that time. Memory is bounded: when many long lines come at once, connections wait unread
 * until there is memory, and one of them can always go on. */
#pragma once

#include <systemd/sd-event.h>

#include "producerd/intake/submission.h"
#include "producerd/spool/message-store.h"

enum {
    /* Connections served at once. One user (the peer's uid) may have as many as slots are still
     * free; further ones are told at once to try again later. A connection without unfinished work
     * may lose its slot after INTAKE_IDLE_USEC. */
    INTAKE_CONNECTIONS_MAX = 1000,

    /* For all connections together: input that is not answered and replies that are not read. The
     * replies of one dispatch may exceed it. */
    INTAKE_BUFFERED_MAX_BYTES = 16 * 1024 * 1024,

    /* For one connection, in one dispatch. */
    INTAKE_READ_BYTES = 64 * 1024,
    INTAKE_CONNECTION_LINES_MAX = 100,

    /* For all connections together, in one dispatch; at least one line is handled. */
    INTAKE_DISPATCH_LINES_MAX = 1000,
    INTAKE_DISPATCH_BYTES_MAX = 4 * 1024 * 1024,

    /* A connection with this many bytes of replies has no further line handled. */
    INTAKE_REPLIES_BYTES = 16 * 1024,
};

#define INTAKE_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define INTAKE_IDLE_USEC (10 * USEC_PER_SEC)

struct intake;

struct intake_options {
    sd_event *event;
    /* a listening Unix stream socket; the intake owns it from the call on, even if the call
     * fails */
    int fd;
    struct message_store *store;      /* borrowed */
    struct submission_rules rules;    /* its group id is borrowed */
    unsigned n_other_connections;     /* of this process; file descriptors are left for them */
    uint64_t timeout_usec, idle_usec; /* 0: the constants above; tests use less */
    /* Called when a message is larger than the rules allow, though SQS's maximum allows it. Returns
     * true when intake_set_message_max will be called: the message and the lines behind it wait for
     * that. NULL: the rules are final. */
    bool (*refresh_size)(void *userdata);
    /* Runs once after intake_stop, from the event loop, when all lines read are answered. NULL:
     * nothing runs. */
    void (*stopped)(void *userdata);
    /* Runs when the text of intake_describe has changed. NULL: nothing runs. */
    void (*changed)(void *userdata);
    void *userdata;
};

/* Begins to serve. Raises this process's limit of open files as far as needed and possible; when it
 * stays too low, a warning is logged and fewer connections are served. Returns 0, -ENOMEM, or
 * another negative errno of the event loop or the socket. */
int intake_new(const struct intake_options *options, struct intake **ret);
struct intake *intake_free(struct intake *intake);
DEFINE_CLEANUP(struct intake *, intake_free)

/* Sets the queue's maximum message size, when it was read for the first time or again. */
void intake_set_message_max(struct intake *intake, size_t max_bytes);

/* Stops accepting and reading. Lines that were read are stored and answered in the next rounds of
 * the loop, and partial lines are answered with an error; then `stopped` runs. A submitter that
 * does not read its earlier replies is not waited for: it is answered as it reads them, until the
 * intake is freed. A message without an answer was not promised to be stored. */
void intake_stop(struct intake *intake);
bool intake_has_stopped(const struct intake *intake);

/* Appends, for the status line, that submitters are refused, if they are. */
void intake_describe(const struct intake *intake, struct buffer *status);

struct intake_counts {
    size_t connections;
    size_t waiting;        /* of them, those waiting for memory */
    size_t buffered_bytes; /* counted as for INTAKE_BUFFERED_MAX_BYTES */
};
struct intake_counts intake_counts(const struct intake *intake);
