/* SPDX-License-Identifier: MIT */
/* The producer's state, and what its three files share. producer.c sends batches, starts and stops;
 * it uses producer-messages.c, which takes messages from the source and handles SQS's answers; both
 * use producer-status.c, which writes the status, the progress and the last lines. */
#pragma once

#include "daemon/progress.h"
#include "producerd/batcher.h"
#include "producerd/counts.h"
#include "producerd/producer-log.h"
#include "producerd/producer.h"
#include "producerd/sender.h"
#include "producerd/sources.h"
#include "util/clock.h"
#include "util/timer.h"

/* Invalid messages in a row that are rejected before the event loop runs again. */
enum { PRODUCER_INVALID_IN_A_ROW_MAX = 100 };

/* Messages in memory, with the largest settings. */
enum { PRODUCER_MESSAGES_MAX = SENDER_REQUESTS_MAX * SQS_BATCH_MAX * PRODUCER_MESSAGES_PER_SLOT };

struct producer {
    struct service *service;
    const struct config *config;
    struct queue *queue;
    const struct source_kind *source_kind;
    struct source *source;
    struct producer_lanes *lanes;
    struct batcher *batcher;
    struct sender *sender;
    struct timer timer;

    /* a pool of PRODUCER_MESSAGES_MAX; the first n_messages_used were in use before */
    struct outgoing_message *messages, *free_messages;
    size_t n_messages_used;
    /* n_messages were taken from the source and are not settled; more than n_messages_max only
     * after the settings have changed */
    size_t n_messages_max, n_messages;

    const struct source_message *next_message; /* from the source, not accepted yet */
    uint64_t shortage_until_usec;              /* end of the pause after a resource shortage */
    struct log_rate_limit shortage_limit;      /* limits lines about shortages */
    size_t message_bytes_max;
    bool waits_for_size;  /* next_message waits for the queue's maximum message size */
    bool source_is_empty; /* it has nothing now, and calls on_source_ready when it has */
    bool source_has_ended;
    bool is_finished;
    unsigned n_invalid_in_a_row;
    struct producer_counts counts;
    struct progress *progress; /* NULL until the queue is open */
    struct log_rate_limit retry_limit;
    struct log_rate_limit possible_duplicate_limit;
};

static inline uint64_t producer_now_usec(struct producer *producer)
{
    return clock_loop_usec(service_event(producer->service));
}

/* ---- producer-status.c ---- */

void producer_show_status(struct producer *producer);

/* Ends the work early, and logs how many messages are not settled. The argument is the producer. */
void producer_cut_short(void *userdata);

/* Logs an error that the producer cannot survive, and ends the process. */
void producer_fail(struct producer *producer, int error, const char *what);

/* Logs that a resource shortage (ENOMEM, EMFILE) prevents `what`, and pauses the producer before it
 * tries again. */
void producer_pause_for_shortage(struct producer *producer, int error, const char *what);
bool producer_is_pausing(struct producer *producer);

/* ---- producer-messages.c ---- */

/* Allocates the pool of messages, whose pages the kernel supplies when they are first used. Returns
 * 0 or -ENOMEM. */
int producer_allocate_messages(struct producer *producer);

/* Takes the next message from the source into its lane; called by the batcher. The argument is the
 * producer. */
enum batcher_supply producer_supply(void *userdata);

/* Puts the messages of a batch that could not be sent back at the front of their lanes. */
void producer_requeue(struct producer *producer, const struct batch *batch);

/* Handles the answer to a batch, or its failure: settles each message or puts it back into its
 * lane. */
void producer_handle_answer(struct producer *producer, const struct batch *batch,
                            uint64_t sent_usec, const struct sqs_result *result);
