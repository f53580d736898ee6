/* SPDX-License-Identifier: MIT */
/* In which place a connection stands, what it is watched for, and what it counts against: see
 * internal.h. */
#include "producerd/intake/internal.h"

#include <sys/epoll.h>

static struct connections *queue_of(struct intake *i, enum connection_place place)
{
    return place == PLACE_READY      ? &i->ready
           : place == PLACE_WAITING  ? &i->waiting
           : place == PLACE_ANSWERED ? &i->answered
                                     : NULL;
}

void intake_move(struct intake *i, struct connection *c, enum connection_place place)
{
    if (c->place == place)
        return;
    if (c->place != PLACE_NONE)
        TAILQ_REMOVE(queue_of(i, c->place), c, of_place);
    i->n_waiting -= c->place == PLACE_WAITING;
    i->n_waiting += place == PLACE_WAITING;
    c->place = place;
    if (place != PLACE_NONE)
        TAILQ_INSERT_TAIL(queue_of(i, place), c, of_place);
}

void intake_account(struct intake *i, struct connection *c)
{
    size_t bytes = c->in_allocated + c->out.allocated;

    i->buffered_bytes += bytes - c->accounted_bytes;
    c->accounted_bytes = bytes;
}

void intake_set_timed(struct intake *i, struct connection *c, enum connection_timed timed)
{
    i->n_timed -= c->timed != TIMED_NOT;
    i->n_timed += timed != TIMED_NOT;
    if (timed != c->timed)
        c->deadline_usec = intake_now_usec(i) + i->patience_usec;
    c->timed = timed;
}

/* A connection that is to be told nothing is taken out: a submitter
 * that has gone would be told of all the same, over and over. */
void intake_set_events(struct intake *i, struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    int operation = events == 0 ? EPOLL_CTL_DEL : c->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

    if (events == c->events)
        return;
    if (epoll_ctl(i->epoll, operation, c->fd, &event) < 0)
        c->is_broken = true;
    else
        c->events = events;
}

void intake_drop(struct intake *i, struct connection *c)
{
    intake_move(i, c, PLACE_NONE);
    intake_set_timed(i, c, TIMED_NOT);
    TAILQ_REMOVE(&i->all, c, of_all);
    i->n_connections--;
    c->user->n_connections--;
    i->buffered_bytes -= c->accounted_bytes;
    if (i->favoured == c)
        i->favoured = NULL;
    connection_free(c);
}
