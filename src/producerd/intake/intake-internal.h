/* SPDX-License-Identifier: MIT */
/* The intake's state, and what its files share. A file uses only files below it: intake.c (starts,
 * stops, and runs the dispatches), serve.c (answers connections), acceptor.c (accepts them),
 * connection-set.c (moves and counts them). */
#pragma once

#include "util/clock.h"
#include "producerd/intake/protocol.h"
#include "producerd/intake/connection.h"
#include "producerd/intake/intake.h"
#include "daemon/failure-log.h"
#include "util/timer.h"

enum {
    INTAKE_OTHER_FILES = 64,  /* files that the daemon opens besides connections */
    INTAKE_ERROR_BYTES = 256, /* of the text of an error */
};

#define INTAKE_TICK_USEC USEC_PER_SEC
#define INTAKE_OVERLOAD_USEC (10 * USEC_PER_SEC)

struct intake {
    sd_event *event;
    struct protocol protocol;
    int fd;    /* the listening socket; -1 after a stop */
    int epoll; /* watches all connections, and the listening socket, whose data pointer is NULL */
    /* an eventfd, always readable; watched while the next dispatch must come at once */
    int continue_fd;
    bool is_continuing;
    sd_event_source *io;
    struct timer tick;
    uint64_t tick_usec; /* when it is due */
    bool has_stopped;
    void (*stopped)(void *userdata);
    void *userdata;
    bool is_listening;                 /* the listening socket is watched */
    uint64_t accept_paused_until_usec; /* 0: accepting is not paused */
    bool is_accept_failure_logged;     /* of accept4 */
    size_t n_connections_max;
    struct intake_users *users;
    struct failure_log overload; /* connections are refused, or all slots are taken */
    uint64_t overload_usec;      /* the last time that this was so */
    struct failure_log full;     /* the store is full, and who filled it */
    void (*changed)(void *userdata);
    uint64_t timeout_usec, idle_usec;

    struct list all; /* in the order of last_active_usec */
    struct list ready, waiting, answered;
    struct connection *large_line_owner;
    size_t n_connections, n_waiting, n_deadlines;
    size_t buffered_bytes;
    size_t lines_left, bytes_left; /* limits of this dispatch */
};

static inline uint64_t intake_now_usec(struct intake *i)
{
    return clock_loop_usec(i->event);
}

/* --- connection-set.c --- */

/* Moves a connection to the end of that queue. */
void intake_move_to_queue(struct intake *i, struct connection *c, enum connection_queue queue);

/* Counts the memory of the connection's buffers again. */
void intake_count_memory(struct intake *i, struct connection *c);

/* Sets what the connection's deadline is for; a new kind begins now and ends after timeout_usec. */
void intake_set_deadline(struct intake *i, struct connection *c, enum connection_deadline deadline);

/* Sets the events that epoll watches: EPOLLIN, EPOLLOUT, or 0 for none. On failure the connection
 * is broken. */
void intake_set_events(struct intake *i, struct connection *c, uint32_t events);

/* Closes and frees a connection. */
void intake_close(struct intake *i, struct connection *c);

/* --- serve.c --- */

/* Serves each ready connection once. */
void intake_serve_ready(struct intake *i);

/* Wakes the connection that has waited longest, when there is memory for it. */
void intake_wake_waiting(struct intake *i);

/* Appends an error to the connection's replies. On failure the connection is broken. */
void intake_answer_error(struct connection *c, const char *error, bool is_temporary);

/* --- acceptor.c --- */

/* Raises the limit of open files. Returns how many connections it allows besides `n_other`
 * files. */
size_t intake_raise_file_limit(size_t n_other);

/* Accepts new connections, up to the maximum of one dispatch. */
void intake_accept_some(struct intake *i);

/* Adds the listening socket to the epoll set if connections can be accepted now, and removes it
 * otherwise. */
void intake_update_listening(struct intake *i);

/* Logs the end of an overload, when no connection was refused for INTAKE_OVERLOAD_USEC and slots
 * are free. */
void intake_end_overload(struct intake *i);
