/* SPDX-License-Identifier: MIT */
/* Moves connections between the intake's queues, and counts their memory, their deadlines and their
 * slots. */
#include "producerd/intake/intake-internal.h"

#include <sys/epoll.h>

static struct list *queue_of(struct intake *i, enum connection_queue queue)
{
    return queue == CONNECTION_READY      ? &i->ready
           : queue == CONNECTION_WAITING  ? &i->waiting
           : queue == CONNECTION_ANSWERED ? &i->answered
                                          : NULL;
}

void intake_move_to_queue(struct intake *i, struct connection *c, enum connection_queue queue)
{
    if (c->queue == queue)
        return;
    if (c->queue != CONNECTION_UNQUEUED)
        list_remove(&c->queue_link);
    i->n_waiting -= c->queue == CONNECTION_WAITING;
    i->n_waiting += queue == CONNECTION_WAITING;
    c->queue = queue;
    if (queue != CONNECTION_UNQUEUED)
        list_append(queue_of(i, queue), &c->queue_link);
}

void intake_count_memory(struct intake *i, struct connection *c)
{
    size_t bytes = c->in_allocated + c->out.allocated;

    i->buffered_bytes += bytes - c->accounted_bytes;
    c->accounted_bytes = bytes;
}

void intake_set_deadline(struct intake *i, struct connection *c, enum connection_deadline deadline)
{
    i->n_deadlines -= c->deadline != DEADLINE_NONE;
    i->n_deadlines += deadline != DEADLINE_NONE;
    if (deadline != c->deadline)
        c->deadline_usec = intake_now_usec(i) + i->timeout_usec;
    c->deadline = deadline;
}

/* A connection without events is removed from the epoll set: otherwise a closed peer (EPOLLHUP)
 * would be reported again and again. */
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

void intake_close(struct intake *i, struct connection *c)
{
    intake_move_to_queue(i, c, CONNECTION_UNQUEUED);
    intake_set_deadline(i, c, DEADLINE_NONE);
    list_remove(&c->all_link);
    i->n_connections--;
    c->user->n_connections--;
    i->buffered_bytes -= c->accounted_bytes;
    if (i->large_line_owner == c)
        i->large_line_owner = NULL;
    connection_free(c);
}
