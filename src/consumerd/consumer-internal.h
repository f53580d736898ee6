/* SPDX-License-Identifier: MIT */
/* What the files of the consumer share, each of which uses those that come after it: consumer.c
 * does all that is due in turns, starts and stops; consumer-receive.c asks for messages, as many as
 * there is room for; consumer-status.c asks for turns and says what fails. */
#pragma once

#include "consumerd/memory-budget.h"
#include "consumerd/consumer.h"
#include "consumerd/inflight.h"
#include "consumerd/receiver.h"
#include "daemon/progress.h"
#include "util/clock.h"
#include "util/log-rate-limit.h"
#include "util/timer.h"

struct consumer {
    struct service *service;
    const struct config *config;
    struct queue *queue;
    struct handler *handler;
    struct ledger *ledger; /* NULL: none */
    struct timer timer;    /* waits for whatever is due first */
    sd_event_source *wake;

    struct inflight *inflight; /* NULL until the queue is open */
    struct receiver *receiver; /* the same */
    struct progress *progress; /* the same */
    unsigned visibility_sec;
    struct memory_budget budget;  /* of the replies whose messages are in hand, or asked for */
    uint64_t capacity_since_usec; /* see struct receiver_capacity */
    bool had_capacity;
    uint64_t n_empty_in_a_row;
    bool is_status_due;
    struct log_rate_limit shortage_limit;

    bool is_stopping, is_over;
    bool has_cancelled_log_waits, has_cancelled;
    uint64_t log_waits_end_usec; /* when what waits for the log is to end */
    uint64_t cancel_usec;        /* when what is still being handled is to end */
    uint64_t stop_end_usec;
    int exit_status;
};

/* ---- consumer-status.c ---- */

/* Ends the process: it cannot go on. */
void consumer_fail(struct consumer *consumer, int error, const char *what);

/* What is due is done soon, from the loop. */
void consumer_request_dispatch(struct consumer *consumer);

/* The hand's `changed`, with the consumer: a turn follows. */
void consumer_on_inflight_changed(void *userdata);

/* A resource shortage (ENOMEM, EMFILE) keeps it from doing `what`. A line a minute. */
void consumer_log_shortage(struct consumer *consumer, int error, const char *what);

/* ---- consumer-receive.c ---- */

/* What is received may take so much memory, and as much again while it is coming. */
size_t consumer_reply_memory_bytes(const struct consumer *consumer);

/* The lease that messages are received with. */
unsigned consumer_visibility_sec(const struct consumer *consumer);

/* From the beginning of a stop until what is still being handled is to end. */
uint64_t consumer_until_cancel_usec(const struct consumer *consumer);

/* Makes the receiver. 0 or -ENOMEM. */
int consumer_begin_receiving(struct consumer *consumer);

/* Receives for what there is room for. Returns when to look again. */
uint64_t consumer_poll(struct consumer *consumer);

/* So many receives in a row were empty that it is to end. */
bool consumer_is_drained(const struct consumer *consumer);

/* The queue's `refreshed`, with the consumer: its visibility timeout may have changed. */
void consumer_on_refreshed(void *userdata);
