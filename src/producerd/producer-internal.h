/* SPDX-License-Identifier: MIT */
/* What the files of the producer share, each of which uses those that come after it: producer.c
 * sends messages, starts and stops; producer-messages.c takes messages up, and does what follows
 * from SQS's answers; producer-status.c says what there is to be said. */
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

/* Messages in a row that may be put aside before the loop gets its turn again. */
enum { PRODUCER_INVALID_IN_A_ROW_MAX = 100 };

struct producer {
    struct service *service;
    const struct config *config;
    struct queue *queue;
    const struct source_kind *source_kind;
    struct source *source;
    struct lanes *lanes;
    struct batcher *batcher;
    struct sender *sender;
    struct timer timer;

    struct outgoing_message *messages, *free_messages;
    size_t n_messages_max, n_messages; /* taken from the source and not settled */

    const struct source_message
        *next_message;                    /* by the source, and not taken up yet for a shortage */
    uint64_t shortage_until_usec;         /* the pause after one ends then */
    struct log_rate_limit shortage_limit; /* see log_shortage */
    size_t message_bytes_max;
    bool waits_for_size;  /* the message given waits for the queue's maximum message size */
    bool source_is_empty; /* it has nothing now and will say when it has */
    bool source_has_ended;
    bool is_finished;
    unsigned n_invalid_in_a_row;
    struct counts counts;
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

/* At an end that comes too early. With the producer. */
void producer_log_remaining(void *userdata);

/* Ends the process: it cannot go on. */
void producer_fail(struct producer *producer, int error, const char *what);

/* A resource shortage (ENOMEM, EMFILE) keeps it from doing `what`: that is tried again after a
 * pause. */
void producer_pause_for_shortage(struct producer *producer, int error, const char *what);
bool producer_is_pausing(struct producer *producer);

/* ---- producer-messages.c ---- */

/* The places for as many messages as may be taken up at once. 0 or -ENOMEM. */
int producer_allocate_messages(struct producer *producer);

/* The batcher's supply, with the producer. */
enum batcher_supply producer_supply(void *userdata);

/* A batch could not even be sent: it goes to the front of its lanes. */
void producer_requeue(struct producer *producer, const struct batch *batch);

/* Does what follows from an answer of SQS, or from its absence, for each message. */
void producer_handle_answer(struct producer *producer, const struct batch *batch,
                            uint64_t sent_usec, const struct sqs_result *result);
