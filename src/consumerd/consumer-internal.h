/* SPDX-License-Identifier: MIT */
/* What the files of consumer.h share. Each calls only those listed after it:
 *
 *   consumer.c          starts, stops, and does the work that is due
 *   consumer-receive.c  receives as many messages as there is capacity for
 *   consumer-status.c   requests a dispatch, and reports failures */
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
    struct timer timer;    /* for the next dispatch */
    sd_event_source *wake; /* enabled: a dispatch is requested */

    struct inflight *inflight; /* NULL until the queue is open */
    struct receiver *receiver; /* the same */
    struct progress *progress; /* the same */
    unsigned visibility_sec;
    unsigned wait_sec, wanted_wait_sec; /* of polls; consumer.wait_time */
    struct memory_budget budget;        /* for replies in memory, and those that polls may bring */
    uint64_t capacity_since_usec;       /* see struct receiver_capacity */
    bool had_capacity;
    uint64_t n_empty_in_a_row;
    bool is_status_due;
    struct log_rate_limit shortage_limit;   /* limits lines about shortages */
    struct log_rate_limit unverified_limit; /* limits lines about MD5s that differ */

    bool is_stopping, is_over;
    bool has_cancelled_log_waits, has_cancelled;
    uint64_t log_waits_end_usec; /* of a stop: then messages that wait for the log are released */
    uint64_t cancel_usec;        /* of a stop: then the messages with the handler are cancelled */
    uint64_t stop_end_usec;
    int exit_status;
};

/* ---- consumer-status.c ---- */

/* Ends the process after an error from which the consumer cannot recover. */
void consumer_fail(struct consumer *consumer, int error, const char *what);

/* Requests a dispatch, which the event loop runs soon. */
void consumer_request_dispatch(struct consumer *consumer);

/* The `changed` callback of inflight.h; userdata is the consumer. Requests a dispatch. */
void consumer_on_inflight_changed(void *userdata);

/* ---- consumer-receive.c ---- */

/* The memory for received messages, in bytes. Replies that are being received may take as much
 * again. */
size_t consumer_reply_memory_bytes(const struct consumer *consumer);

/* The visibility timeout that a receive asks for. */
unsigned consumer_visibility_sec(const struct consumer *consumer);

/* How long after the beginning of a stop messages that are still with the handler are cancelled. */
uint64_t consumer_until_cancel_usec(const struct consumer *consumer);

/* Makes the receiver. 0 or -ENOMEM. */
int consumer_begin_receiving(struct consumer *consumer);

/* The configuration has changed. */
void consumer_reconfigure_receiving(struct consumer *consumer);

/* Starts polls for as many messages as there is capacity for. Returns when to call it again. */
uint64_t consumer_poll(struct consumer *consumer);

/* Whether the consumer ends because enough receives in a row were empty
 * (consumer.exit_after_empty_receives). */
bool consumer_is_drained(const struct consumer *consumer);

/* The `refreshed` callback of the queue: its visibility timeout may have changed. */
void consumer_on_refreshed(void *userdata);
