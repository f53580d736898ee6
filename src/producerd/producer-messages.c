/* SPDX-License-Identifier: MIT */
/* Takes messages from the source into the lanes, and handles SQS's answers. `apply` does the action
 * that the table of message-state.h gives for an event. */
#include "producerd/producer-internal.h"

#include <errno.h>

#include "producerd/deduplication.h"
#include "producerd/verdict.h"
#include "util/random.h"

int producer_allocate_messages(struct producer *p)
{
    p->messages = calloc(PRODUCER_MESSAGES_MAX, sizeof(struct outgoing_message));
    return p->messages ? 0 : -ENOMEM;
}

static struct outgoing_message *new_message(struct producer *p)
{
    struct outgoing_message *m = p->free_messages;

    if (!m)
        return &p->messages[p->n_messages_used++];
    p->free_messages = m->next_free;
    return m;
}

/* --- From the source into the lanes --- */

/* Returns the message to the source, and frees its slot of the pool. */
static void settle(struct producer *p, struct outgoing_message *m,
                   enum source_settlement settlement, const char *reason)
{
    const struct source_message *source = TAKE(m->source);

    if (settlement == SOURCE_SENT)
        p->counts.sent++;
    else
        p->counts.rejected++;
    m->next_free = p->free_messages;
    p->free_messages = m;
    p->n_messages--;
    p->source->ops->settle(p->source, source, settlement, reason);
}

/* Applies an event to a message and does the action. `due_usec` is the earliest time of a retry,
 * `reason` the text for a rejected message. */
static void apply(struct producer *p, struct outgoing_message *m, enum outgoing_event event,
                  uint64_t due_usec, const char *reason)
{
    enum outgoing_action action = outgoing_message_apply(m, event);
    bool is_sent = m->state == OUTGOING_SENT;

    switch (action) {
    case OUTGOING_IMPOSSIBLE:
    case OUTGOING_DO_NOTHING:
        break;
    case OUTGOING_DO_QUEUE:
        producer_lanes_add(p->lanes, m);
        break;
    case OUTGOING_DO_REQUEUE:
    case OUTGOING_DO_REQUEUE_SPLIT:
        producer_lanes_retry(p->lanes, m, due_usec);
        break;
    case OUTGOING_DO_SETTLE:
        producer_lanes_done(p->lanes, m);
        settle(p, m, is_sent ? SOURCE_SENT : SOURCE_REJECTED, reason);
        break;
    case OUTGOING_DO_SETTLE_UNQUEUED:
        settle(p, m, SOURCE_REJECTED, reason);
        break;
    }
}

/* Asks for the queue's attributes again when the message is over the known maximum size but within
 * SQS's: the queue may have been changed. Returns true when the answer will come. */
static bool must_refresh_size(struct producer *p, const struct source_message *source)
{
    size_t bytes = sqs_message_bytes(&source->message);

    return bytes > p->message_bytes_max && bytes <= SQS_MESSAGE_MAX_BYTES &&
           queue_refresh(p->queue);
}

static int accept_message(struct producer *p, const struct source_message *source)
{
    CLEANUP(free) char *error = NULL;
    struct outgoing_message *m;
    bool is_in_doubt;
    int r =
        sqs_message_check(&source->message, queue_is_fifo(p->queue), p->message_bytes_max, &error);

    if (r < 0)
        return r;
    m = new_message(p);
    *m = (struct outgoing_message){.source = source, .bytes = sqs_message_bytes(&source->message)};
    p->n_messages++;
    if (r > 0) {
        producer_log_invalid(source, p->config->instance, error);
        p->n_invalid_in_a_row++;
        apply(p, m, OUTGOING_ON_INVALID, 0, error);
        return 0;
    }
    is_in_doubt = deduplication_restore(m, clock_wall_usec(), producer_now_usec(p));
    p->counts.taken++;
    apply(p, m, is_in_doubt ? OUTGOING_ON_VALID_IN_DOUBT : OUTGOING_ON_VALID, 0, NULL);
    return 0;
}

enum batcher_supply producer_supply(void *userdata)
{
    struct producer *p = userdata;
    int r = 0;

    if (p->is_finished || p->source_has_ended || service_is_stopping(p->service))
        return SUPPLY_NO_MORE;
    if (p->n_messages >= p->n_messages_max)
        return sender_in_flight(p->sender) > 0 ? SUPPLY_LATER : SUPPLY_NO_MORE;
    if (p->waits_for_size || p->source_is_empty ||
        p->n_invalid_in_a_row == PRODUCER_INVALID_IN_A_ROW_MAX || producer_is_pausing(p))
        return SUPPLY_LATER;
    if (!p->next_message)
        r = p->source->ops->next(p->source, &p->next_message);
    if (r == 0 && must_refresh_size(p, p->next_message)) {
        p->waits_for_size = true;
        return SUPPLY_LATER;
    }
    if (r == 0)
        r = accept_message(p, p->next_message);
    if (r == 0)
        p->next_message = NULL;
    if (r == -ENOMEM) {
        producer_pause_for_shortage(p, r, "take a message from the source");
        return SUPPLY_LATER;
    }
    if (r < 0)
        producer_fail(p, r, "Cannot take a message from the source");
    p->source_is_empty = r == SOURCE_E_NOT_YET;
    p->source_has_ended = r == SOURCE_E_END;
    return r == 0 ? SUPPLY_ADDED : r == SOURCE_E_NOT_YET ? SUPPLY_LATER : SUPPLY_NO_MORE;
}

/* --- What became of them --- */

static void settle_sent_and_rejected(struct producer *p, const struct batch *batch,
                                     const struct verdict *verdicts,
                                     const struct sqs_result *result)
{
    for (size_t i = 0; i < batch->n; i++) {
        struct outgoing_message *m = batch->messages[i];

        /* The reason may be its size: with fresh attributes, later messages of that size are
         * rejected before they are sent. */
        if (verdicts[i].kind == VERDICT_REJECTED || verdicts[i].kind == VERDICT_SPLIT)
            (void)queue_refresh(p->queue);
        if (verdicts[i].kind == VERDICT_SENT) {
            producer_log_sent(m, &verdicts[i], result);
            apply(p, m, OUTGOING_ON_SENT, 0, NULL);
        } else if (verdicts[i].kind == VERDICT_REJECTED) {
            producer_log_rejected(m, p->config->instance, &verdicts[i], result);
            apply(p, m, OUTGOING_ON_REJECTED, 0, verdicts[i].text);
        }
    }
}

/* Returns the pause before the next attempt. */
static uint64_t retry_later(struct producer *p, struct outgoing_message *m,
                            const struct verdict *verdict, uint64_t random)
{
    unsigned failures = outgoing_message_count_failure(m, verdict->backoff);
    uint64_t delay_usec =
        backoff_delay_usec(verdict->backoff, failures, true, USEC_INFINITY, random);

    p->counts.resent++;
    apply(p, m, verdict->is_unknown ? OUTGOING_ON_UNKNOWN : OUTGOING_ON_FAILED,
          producer_now_usec(p) + delay_usec, NULL);
    return delay_usec;
}

/* Goes from the last message to the first, because each is put at the front of its lane. All use
 * one random number, so that they are due together and share a batch again. */
static void requeue_unsettled(struct producer *p, const struct batch *batch, uint64_t sent_usec,
                              const struct verdict *verdicts, const struct sqs_result *result)
{
    uint64_t random = random_u64(), delay_usec = 0;
    const struct verdict *retried = NULL;
    size_t n_retried = 0;

    for (size_t i = batch->n; i-- > 0;) {
        struct outgoing_message *m = batch->messages[i];

        if (verdicts[i].kind != VERDICT_SPLIT && verdicts[i].kind != VERDICT_RETRY)
            continue; /* already settled */
        if (verdicts[i].is_unknown)
            deduplication_note_unknown(m, sent_usec);
        if (verdicts[i].kind == VERDICT_SPLIT) {
            apply(p, m,
                  verdicts[i].is_unknown ? OUTGOING_ON_BATCH_REFUSED_UNKNOWN
                                         : OUTGOING_ON_BATCH_REFUSED,
                  0, NULL);
        } else {
            uint64_t delay = retry_later(p, m, &verdicts[i], random);

            retried = &verdicts[i];
            n_retried++;
            delay_usec = MAX(delay_usec, delay);
        }
    }
    if (retried)
        producer_log_retry(&p->retry_limit, retried, n_retried, batch->n, result, delay_usec,
                           producer_now_usec(p));
    else
        producer_log_batch_refused(batch->n, verdicts, result);
}

void producer_handle_answer(struct producer *p, const struct batch *batch, uint64_t sent_usec,
                            const struct sqs_result *result)
{
    struct verdict verdicts[SQS_BATCH_MAX];
    bool has_unsettled = false;

    for (size_t i = 0; i < batch->n; i++) {
        verdict_of(result, batch->n, i, &verdicts[i]);
        has_unsettled =
            has_unsettled || verdicts[i].kind == VERDICT_RETRY || verdicts[i].kind == VERDICT_SPLIT;
    }
    if (result->reply)
        batcher_got_through(p->batcher, batch->n);
    settle_sent_and_rejected(p, batch, verdicts, result);
    if (has_unsettled)
        requeue_unsettled(p, batch, sent_usec, verdicts, result);
}

void producer_requeue(struct producer *p, const struct batch *batch)
{
    for (size_t i = batch->n; i-- > 0;)
        producer_lanes_retry(p->lanes, batch->messages[i], 0);
}
