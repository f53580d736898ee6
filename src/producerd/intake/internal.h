/* SPDX-License-Identifier: MIT */
/* What the files of the intake share, each of which uses those that come after it: intake.c (serves
 * connections), acceptor.c (takes new ones), connection-set.c. */
#pragma once

#include "util/clock.h"
#include "producerd/intake/protocol.h"
#include "producerd/intake/connection.h"
#include "producerd/intake/intake.h"
#include "daemon/failure-log.h"
#include "util/timer.h"

enum {
    INTAKE_OTHER_FILES = 64, /* that the daemon may have open beside any connections */
};

#define INTAKE_TICK_USEC USEC_PER_SEC
#define INTAKE_OVERLOAD_USEC (10 * USEC_PER_SEC)

TAILQ_HEAD(connections, connection);

struct intake {
    sd_event *event;
    struct protocol protocol;
    int fd;          /* that listens; -1 once stopped */
    int epoll;       /* has the one that listens as well, with no connection to it */
    int continue_fd; /* always readable, in the set while the next turn is to come at once */
    bool is_continuing;
    sd_event_source *io;
    struct timer tick;
    bool has_stopped;
    void (*stopped)(void *userdata);
    void *userdata;
    bool is_listening;                 /* is in the set */
    uint64_t accept_paused_until_usec; /* 0: no pause */
    bool is_accept_failure_logged;     /* and that was said */
    size_t n_connections_max;
    struct intake_users *users;
    struct failure_log overload; /* others are turned away, or all places are taken */
    uint64_t overload_usec;      /* when one was last */
    struct failure_log full;     /* the store is, and who filled it */
    void (*changed)(void *userdata);
    uint64_t timeout_usec, idle_usec;

    struct connections all; /* the one that was idle longest first */
    struct connections ready, waiting, answered;
    struct connection *large_line_owner;
    size_t n_connections, n_waiting, n_deadlines;
    size_t buffered_bytes;
    size_t lines_left, bytes_left; /* of this turn */
};

static inline uint64_t intake_now_usec(struct intake *i)
{
    return clock_loop_usec(i->event);
}

/* --- connection-set.c --- */

/* Puts a connection at the end of that place. */
void intake_move(struct intake *i, struct connection *c, enum connection_queue queue);

/* Counts the memory that it has now. */
void intake_account(struct intake *i, struct connection *c);

/* Gives it timeout_usec from now for something else than before. */
void intake_set_deadline(struct intake *i, struct connection *c, enum connection_deadline deadline);

/* Sets what the set is to tell of a connection: EPOLLIN, EPOLLOUT, 0. Where that fails, it is
 * broken. */
void intake_set_events(struct intake *i, struct connection *c, uint32_t events);

/* Ends a connection. */
void intake_close(struct intake *i, struct connection *c);

/* --- acceptor.c --- */

/* The limit of open files, raised: how many connections it allows beside
 * `n_other` files. */
size_t intake_raise_file_limit(size_t n_other);

/* Takes new connections, as many as there is place for in a turn. */
void intake_accept_some(struct intake *i);

/* Puts the socket that listens into the set, or takes it out, as there is place or not. */
void intake_update_listening(struct intake *i);

/* Nobody was turned away for INTAKE_OVERLOAD_USEC, and there are places: says so. */
void intake_end_overload(struct intake *i);
