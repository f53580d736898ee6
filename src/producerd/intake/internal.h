/* SPDX-License-Identifier: MIT */
/* What the files of the intake share, each of which uses those that come after it: intake.c (serves
 * connections), acceptor.c (takes new ones), places.c. */
#pragma once

#include "util/clock.h"
#include "producerd/intake/protocol.h"
#include "producerd/intake/connection.h"
#include "producerd/intake/intake.h"
#include "daemon/trouble.h"
#include "util/timer.h"

enum {
    INTAKE_OTHER_FILES = 64, /* that the daemon may have open beside any connections */
};

#define INTAKE_TICK_USEC USEC_PER_SEC
#define INTAKE_CROWD_USEC (10 * USEC_PER_SEC)

TAILQ_HEAD(connections, connection);

struct intake {
    sd_event *event;
    struct door door;
    int fd;    /* that listens; -1 once stopped */
    int epoll; /* has the one that listens as well, with no connection to it */
    int go_on; /* always readable, in the set while the next turn is to come at once */
    bool goes_on;
    sd_event_source *io;
    struct timer tick;
    bool has_stopped;
    void (*stopped)(void *userdata);
    void *userdata;
    bool listens;               /* is in the set */
    uint64_t accept_again_usec; /* 0: no pause */
    bool accept_failed;         /* and that was said */
    size_t n_connections_max;
    struct intake_users *users;
    struct trouble crowd; /* others are turned away, or all places are taken */
    uint64_t crowd_usec;  /* when one was last */
    struct trouble full;  /* the store is, and who filled it */
    void (*changed)(void *userdata);
    uint64_t patience_usec, idle_usec;

    struct connections all; /* the one that was idle longest first */
    struct connections ready, waiting, answered;
    struct connection *favoured;
    size_t n_connections, n_waiting, n_timed;
    size_t buffered_bytes;
    size_t lines_left, bytes_left; /* of this turn */
};

static inline uint64_t intake_now_usec(struct intake *i)
{
    return clock_loop_usec(i->event);
}

/* --- places.c --- */

/* Puts a connection at the end of that place. */
void intake_move(struct intake *i, struct connection *c, enum connection_place place);

/* Counts the memory that it has now. */
void intake_account(struct intake *i, struct connection *c);

/* Gives it patience_usec from now for something else than before. */
void intake_set_timed(struct intake *i, struct connection *c, enum connection_timed timed);

/* Sets what the set is to tell of a connection: EPOLLIN, EPOLLOUT, 0. Where that fails, it is
 * broken. */
void intake_set_events(struct intake *i, struct connection *c, uint32_t events);

/* Ends a connection. */
void intake_drop(struct intake *i, struct connection *c);

/* --- acceptor.c --- */

/* The limit of open files, raised: how many connections it allows beside
 * `n_other` files. */
size_t intake_raise_limit(size_t n_other);

/* Takes new connections, as many as there is place for in a turn. */
void intake_accept_some(struct intake *i);

/* Puts the socket that listens into the set, or takes it out, as there is place or not. */
void intake_listen_or_not(struct intake *i);

/* Nobody was turned away for INTAKE_CROWD_USEC, and there are places: says so. */
void intake_end_crowd(struct intake *i);
