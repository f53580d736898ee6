/* SPDX-License-Identifier: MIT */
/* The socket at which messages are handed in: lines in, lines out (submission.h), each connection's
 * in their order.
 *
 * All that has come in one turn of the loop is stored by one commit, and answered after it; the
 * loop stands still for as long as that sync of the disk takes. Where it fails, all of it is
 * answered with an error, and nothing of it is stored.
 *
 * A submitter that does not take its answers is not read from. What a connection may keep the
 * daemon waiting for is bounded: a line that is not ended within INTAKE_TIMEOUT_USEC, and answers
 * that are not taken within it, end the connection, and so does a line that is too long. Memory is
 * bounded, too: where many long lines come at once, the connections wait unread for room, but there
 * is always room kept for one to get through. */
#pragma once

#include <systemd/sd-event.h>

#include "producerd/intake/submission.h"
#include "producerd/spool/message-store.h"

enum {
    /* Connections that are served at once. Of them a user (the peer's uid) may have as many as are
     * still free; who comes when there is no place for him is told so at once, to try again later.
     * A connection that has nothing under way may lose its place to him after INTAKE_IDLE_USEC. */
    INTAKE_CONNECTIONS_MAX = 1000,

    /* Of all connections together: what was read and not answered yet, and answers that were not
     * taken yet; but for the answers of one turn. */
    INTAKE_BUFFERED_MAX_BYTES = 16 * 1024 * 1024,

    /* Of a connection, in one turn of the loop. */
    INTAKE_READ_BYTES = 64 * 1024,
    INTAKE_CONNECTION_LINES_MAX = 100,

    /* Of all connections, in one turn of the loop; at least one line in any case. */
    INTAKE_DISPATCH_LINES_MAX = 1000,
    INTAKE_DISPATCH_BYTES_MAX = 4 * 1024 * 1024,

    /* A connection's answers that wait to be taken: when they are this much, no more of its lines
     * are looked at. */
    INTAKE_REPLIES_BYTES = 16 * 1024,
};

#define INTAKE_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define INTAKE_IDLE_USEC (10 * USEC_PER_SEC)

struct intake;

struct intake_options {
    sd_event *event;
    int fd; /* a listening Unix stream socket: the intake's from the call on, also where it fails */
    struct message_store *store;      /* borrowed */
    struct submission_rules rules;    /* its group is borrowed */
    unsigned n_other_connections;     /* of this process: descriptors are left for them */
    uint64_t timeout_usec, idle_usec; /* 0: as above; tests have less */
    /* A message is larger than the rules say, though SQS takes such. True: intake_set_message_max
     * will be called, and the message waits for that, and with it what its submitter has sent
     * behind it. NULL: there is nothing to wait for. */
    bool (*refresh_size)(void *userdata);
    /* Runs once after intake_stop, from the loop: all that was read is answered. NULL: nothing. */
    void (*stopped)(void *userdata);
    /* What intake_describe says has changed; NULL: nothing. */
    void (*changed)(void *userdata);
    void *userdata;
};

/* Raises this process's limit of open files as far as it needs and may, and begins to serve; a
 * limit that is too low is logged, and fewer are then served at once. 0, -ENOMEM, or another errno
 * of the loop or the socket. */
int intake_new(const struct intake_options *options, struct intake **ret);
struct intake *intake_free(struct intake *intake);
DEFINE_CLEANUP(struct intake *, intake_free)

/* The queue is known by now, or was asked again, and takes messages of this size at most. */
void intake_set_message_max(struct intake *intake, size_t max_bytes);

/* Nothing more is accepted and nothing more is read. What was read is stored and answered in the
 * next turns of the loop, lines that were read in part with an error; then `stopped` runs. Only a
 * submitter that has not taken its earlier answers is not waited for: it is answered as it takes
 * them, until the intake is freed. What is not answered was not promised. */
void intake_stop(struct intake *intake);
bool intake_has_stopped(const struct intake *intake);

/* Appends, for the status line, that submitters are turned away, where they are. */
void intake_describe(const struct intake *intake, struct buffer *status);

struct intake_counts {
    size_t connections;
    size_t waiting;        /* of them: for room */
    size_t buffered_bytes; /* as INTAKE_BUFFERED_MAX_BYTES counts */
};
struct intake_counts intake_counts(const struct intake *intake);
