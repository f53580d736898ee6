/* SPDX-License-Identifier: MIT */
/* How messages come from the source into the lanes, and what becomes of them: one function does
 * what the table of message-state.h says. */
#include "producerd/producer-internal.h"

#include <errno.h>

#include "producerd/doubt.h"
#include "producerd/verdict.h"
#include "util/random.h"

int producer_make_room(struct producer *p)
{
    p->n_messages_max = (size_t)p->config->producer.max_connections *
                        p->config->producer.batch_size * PRODUCER_MESSAGES_PER_PLACE;
    p->messages = calloc(p->n_messages_max, sizeof(struct outgoing));
    if (!p->messages)
        return -ENOMEM;
    for (size_t i = p->n_messages_max; i-- > 0;) {
        p->messages[i].next = p->free_message;
        p->free_message = &p->messages[i];
    }
    return 0;
}

/* --- From the source into the lanes --- */

/* It is the source's again, and its place in the pool is free. */
static void settle(struct producer *p, struct outgoing *m, enum source_settlement settlement,
                   const char *reason)
{
    const struct source_message *source = TAKE(m->source);

    if (settlement == SOURCE_SENT)
        p->counts.sent++;
    else
        p->counts.rejected++;
    m->next = p->free_message;
    p->free_message = m;
    p->n_messages--;
    p->source->ops->settle(p->source, source, settlement, reason);
}

/* Something has happened to a message: does what follows. `due_usec`: of one that goes again, not
 * before. `reason`: of one that is rejected. */
static void apply(struct producer *p, struct outgoing *m, enum outgoing_event event,
                  uint64_t due_usec, const char *reason)
{
    enum outgoing_action action = outgoing_apply(m, event);
    bool is_sent = m->state == OUTGOING_SENT;

    switch (action) {
    case OUTGOING_IMPOSSIBLE:
    case DO_NOTHING:
        break;
    case DO_QUEUE:
        lanes_add(p->lanes, m);
        break;
    case DO_REQUEUE:
    case DO_REQUEUE_ALONE:
        lanes_again(p->lanes, m, due_usec);
        break;
    case DO_SETTLE:
        lanes_done(p->lanes, m);
        settle(p, m, is_sent ? SOURCE_SENT : SOURCE_REJECTED, reason);
        break;
    case DO_REFUSE:
        settle(p, m, SOURCE_REJECTED, reason);
        break;
    }
}

/* Whether it would be rejected for its size alone, and the queue is asked whether that still holds.
 */
static bool is_size_in_question(struct producer *p, const struct source_message *source)
{
    size_t bytes = sqs_message_bytes(&source->message);

    return bytes > p->message_bytes_max && bytes <= SQS_MESSAGE_MAX_BYTES &&
           queue_refresh(p->queue);
}

static int take_up(struct producer *p, const struct source_message *source)
{
    CLEANUP(free) char *error = NULL;
    struct outgoing *m = p->free_message;
    bool is_in_doubt;
    int r =
        sqs_message_check(&source->message, queue_is_fifo(p->queue), p->message_bytes_max, &error);

    if (r < 0)
        return r;
    p->free_message = m->next;
    *m = (struct outgoing){.source = source, .bytes = sqs_message_bytes(&source->message)};
    p->n_messages++;
    if (r > 0) {
        log_invalid(source, error);
        p->n_invalid_run++;
        apply(p, m, ON_INVALID, 0, error);
        return 0;
    }
    is_in_doubt = doubt_begin(m, clock_wall_usec(), producer_now_usec(p));
    p->counts.taken++;
    apply(p, m, is_in_doubt ? ON_VALID_IN_DOUBT : ON_VALID, 0, NULL);
    return 0;
}

/* The batcher's supply. */
enum batcher_supply producer_supply(void *userdata)
{
    struct producer *p = userdata;
    int r = 0;

    if (p->is_over || p->source_has_ended || service_is_stopping(p->service))
        return SUPPLY_NO_MORE;
    if (p->n_messages == p->n_messages_max)
        return sender_under_way(p->sender) > 0 ? SUPPLY_LATER : SUPPLY_NO_MORE;
    if (p->size_is_asked || p->source_waits || p->n_invalid_run == PRODUCER_INVALID_RUN_MAX ||
        producer_is_pausing(p))
        return SUPPLY_LATER;
    if (!p->given)
        r = p->source->ops->next(p->source, &p->given);
    if (r == 0 && is_size_in_question(p, p->given)) {
        p->size_is_asked = true;
        return SUPPLY_LATER;
    }
    if (r == 0)
        r = take_up(p, p->given);
    if (r == 0)
        p->given = NULL;
    if (r == -ENOMEM) {
        producer_pause_for_shortage(p, r, "take up a message");
        return SUPPLY_LATER;
    }
    if (r < 0)
        producer_fail(p, r, "Cannot take up a message");
    p->source_waits = r == SOURCE_E_NOT_YET;
    p->source_has_ended = r == SOURCE_E_END;
    return r == 0 ? SUPPLY_ADDED : r == SOURCE_E_NOT_YET ? SUPPLY_LATER : SUPPLY_NO_MORE;
}

/* --- What became of them --- */

static void settle_sent_and_rejected(struct producer *p, const struct batch *batch,
                                     const struct outcome *outcomes,
                                     const struct sqs_result *result)
{
    for (size_t i = 0; i < batch->n; i++) {
        struct outgoing *m = batch->messages[i];

        /* Perhaps for its size: then others are refused before they are taken in. */
        if (outcomes[i].kind == OUTCOME_REJECTED || outcomes[i].kind == OUTCOME_ALONE)
            (void)queue_refresh(p->queue);
        if (outcomes[i].kind == OUTCOME_SENT) {
            log_sent(m, &outcomes[i], result);
            apply(p, m, ON_SENT, 0, NULL);
        } else if (outcomes[i].kind == OUTCOME_REJECTED) {
            log_rejected(m, &outcomes[i], result);
            apply(p, m, ON_REJECTED, 0, outcomes[i].text);
        }
    }
}

/* Returns the pause before its next try. */
static uint64_t send_again(struct producer *p, struct outgoing *m, const struct outcome *outcome,
                           uint64_t random)
{
    unsigned failures = outgoing_failed(m, outcome->backoff);
    uint64_t delay_usec =
        backoff_delay_usec(outcome->backoff, failures, true, USEC_INFINITY, random);

    p->counts.resent++;
    apply(p, m, outcome->is_unknown ? ON_UNKNOWN : ON_FAILED, producer_now_usec(p) + delay_usec,
          NULL);
    return delay_usec;
}

/* From the last to the first, for each goes to the front of its lane. Those of one reply have the
 * same random number, so that they come back together and share a batch again. */
static void keep_the_others(struct producer *p, const struct batch *batch, uint64_t sent_usec,
                            const struct outcome *outcomes, const struct sqs_result *result)
{
    uint64_t random = random_u64(), delay_usec = 0;
    const struct outcome *again = NULL;
    size_t n_again = 0;

    for (size_t i = batch->n; i-- > 0;) {
        struct outgoing *m = batch->messages[i];

        if (outcomes[i].kind != OUTCOME_ALONE && outcomes[i].kind != OUTCOME_AGAIN)
            continue; /* it is settled */
        if (outcomes[i].is_unknown)
            doubt_note(m, sent_usec);
        if (outcomes[i].kind == OUTCOME_ALONE) {
            apply(p, m, outcomes[i].is_unknown ? ON_BATCH_REFUSED_UNKNOWN : ON_BATCH_REFUSED, 0,
                  NULL);
        } else {
            uint64_t delay = send_again(p, m, &outcomes[i], random);

            again = &outcomes[i];
            n_again++;
            delay_usec = MAX(delay_usec, delay);
        }
    }
    if (again)
        log_again(&p->again_limit, again, n_again, batch->n, result, delay_usec,
                  producer_now_usec(p));
    else
        log_refused(batch->n, outcomes, result);
}

void producer_take_answer(struct producer *p, const struct batch *batch, uint64_t sent_usec,
                          const struct sqs_result *result)
{
    struct outcome outcomes[SQS_BATCH_MAX];
    bool has_others = false;

    for (size_t i = 0; i < batch->n; i++) {
        outcome_of(result, batch->n, i, &outcomes[i]);
        has_others =
            has_others || outcomes[i].kind == OUTCOME_AGAIN || outcomes[i].kind == OUTCOME_ALONE;
    }
    if (result->reply)
        batcher_got_through(p->batcher, batch->n);
    settle_sent_and_rejected(p, batch, outcomes, result);
    if (has_others)
        keep_the_others(p, batch, sent_usec, outcomes, result);
}

void producer_put_back(struct producer *p, const struct batch *batch)
{
    for (size_t i = batch->n; i-- > 0;)
        lanes_again(p->lanes, batch->messages[i], 0);
}
