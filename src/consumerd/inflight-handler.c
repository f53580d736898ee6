/* SPDX-License-Identifier: MIT */
/* Gives messages to the handler, and turns its answers into events of message-state.h.
 *
 * A message is begun when a slot is free, it is the next of its lane, and no outage of the handler
 * forbids it (outage.h). A message whose copy was handled, or whose id is in the ledger, takes its
 * slot and goes on to its delete without the handler.
 *
 * A rejected message stays with the handler until the log has taken the line that keeps its body.
 * If the log cannot take the line, the message is deferred; at its next turn only the line is tried
 * again. */
#include "consumerd/inflight-internal.h"

#include <errno.h>

#include "consumerd/rejection.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/random.h"

/* consumer.retry_delay, doubled with each receive. */
static uint64_t growing_delay_usec(const struct inflight *f, const struct message *m)
{
    uint64_t delay = f->options.retry_delay_usec;
    uint64_t max = f->options.retry_delay_max_usec;

    for (unsigned i = 1; i < m->received->receive_count && delay > 0 && delay < max; i++)
        delay *= 2;
    return MIN(delay, max);
}

/* `asked_usec` is the delay of the handler's answer (handler.h). */
static uint64_t retry_delay_usec(const struct inflight *f, const struct message *m,
                                 uint64_t asked_usec)
{
    uint64_t growing_usec = growing_delay_usec(f, m);

    switch (asked_usec) {
    case HANDLER_DELAY_CONSTANT:
        return f->options.retry_delay_usec;
    case HANDLER_DELAY_DEFAULT:
        return growing_usec;
    default:
        return MAX(asked_usec, growing_usec);
    }
}

/* The message was handled, but will not be deleted now. Its id goes into the ledger, so it is only
 * deleted when it is received again. */
static void note_handled(struct inflight *f, struct message *m, const char *why)
{
    if (idempotency_add(&f->idempotency, m))
        log_write(LOG_NOTICE, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
                  "Message %s was handled though %s: when it comes back, it is only deleted.",
                  m->received->message_id, why);
}

/* The handler has ended its work on a message whose lease was lost. */
static void end_without_lease(struct inflight *f, struct message *m, enum handler_outcome outcome)
{
    uint64_t now_usec = clock_boot_usec();

    if (outcome == HANDLER_DONE) {
        lane_mark_handled(m);
        note_handled(f, m, "its lease was lost");
    }
    if (lease_holds(m, now_usec)) {
        inflight_apply(f, m, MESSAGE_ON_ENDED_LEASED, 0);
    } else {
        /* SQS may have carried out a renewal whose answer was lost. */
        inflight_note_visible(f, now_usec + f->leases.visibility_usec);
        inflight_apply(f, m, MESSAGE_ON_ENDED, 0);
    }
    if (f->is_stopping)
        inflight_release_waiting(f); /* some may have waited for this end */
}

/* --- The handler's outages --- */

static void charge(struct inflight *f, struct message *m)
{
    outage_log_charge(&f->outage_log, m, clock_boot_usec());
    inflight_apply(f, m, MESSAGE_ON_CHARGED, retry_delay_usec(f, m, m->gateway_delay_usec));
}

/* The handler has answered, or has been reached. Ends an outage. */
static void note_answer(struct inflight *f, const struct message *m)
{
    if (!outage_answered(&f->outage, &m->outage))
        return;
    outage_log_end(&f->outage_log, clock_boot_usec());
    LIST_FOREACH(&f->messages, link)
    {
        struct message *other = CONTAINER_OF(link, struct message, of_owner);

        if (message_state_is_waiting(other->state))
            outage_mark_suspect(&f->outage, &other->outage);
    }
}

void inflight_defer(struct inflight *f, struct message *m)
{
    m->has_slot = false;
    f->n_slots_taken--;
    consumer_lanes_requeue(f->lanes, m);
}

/* The handler was not reached with a message, which has been deferred. */
static void note_not_reached(struct inflight *f, struct message *m, enum handler_outcome outcome,
                             uint64_t asked_usec, const char *why)
{
    uint64_t now_usec = clock_boot_usec(), random = random_u64();
    uint64_t pause_usec = asked_usec < HANDLER_DELAY_CONSTANT ? asked_usec : 0;
    bool is_charged = false;

    if (outcome == HANDLER_NOT_REACHED) {
        outage_not_reached(&f->outage, &m->outage, pause_usec, now_usec, random);
    } else {
        m->gateway_delay_usec = asked_usec;
        is_charged = outage_unavailable(
            &f->outage, &m->outage, f->n_handling == 0 && consumer_lanes_ready_count(f->lanes) == 1,
            pause_usec, now_usec, random);
    }
    outage_log_failure(&f->outage_log, &f->outage, why, f->n_messages, now_usec);
    if (is_charged)
        charge(f, m);
    f->changed(f->userdata);
}

/* --- The handler's answers --- */

void inflight_record(struct inflight *f, struct message *m)
{
    consumer_lanes_handled(f->lanes, m);
    if (!idempotency_add(&f->idempotency, m))
        inflight_apply(f, m, MESSAGE_ON_NO_LEDGER, 0);
    f->changed(f->userdata);
}

static enum message_event event_of(const struct inflight *f, enum handler_outcome outcome)
{
    switch (outcome) {
    case HANDLER_DONE:
        return MESSAGE_ON_DONE;
    case HANDLER_REJECT:
        return MESSAGE_ON_REJECTED;
    case HANDLER_NOT_REACHED:
    case HANDLER_UNAVAILABLE:
        /* If a stop still receives, it waits like messages not begun: see
         * inflight_set_receiving. */
        return f->is_stopping && !f->is_receiving ? MESSAGE_ON_NOT_REACHED_AT_STOP
                                                  : MESSAGE_ON_NOT_REACHED;
    case HANDLER_RETRY:
    case HANDLER_UNANSWERED:
        break;
    }
    return MESSAGE_ON_FAILED;
}

/* The time is that of messages that have reached the handler. */
static void count_outcome(struct inflight *f, const struct message *m, enum handler_outcome outcome)
{
    f->counts.outcomes[outcome]++;
    if (outcome != HANDLER_NOT_REACHED && outcome != HANDLER_UNAVAILABLE)
        histogram_add(&f->counts.handling, clock_boot_usec() - m->begun_usec);
}

static void end_run(struct inflight *f, struct message *m, enum handler_outcome outcome,
                    uint64_t delay_usec, const char *why)
{
    bool is_cancelled = message_state_is_cancelled(m->state);
    bool has_failed = outcome == HANDLER_RETRY || outcome == HANDLER_UNANSWERED;

    m->run = NULL;
    if (!is_cancelled ||
        outcome != HANDLER_RETRY) /* the cancel causes HANDLER_RETRY: it is no answer */
        count_outcome(f, m, outcome);
    if (f->isolated == m)
        f->isolated = NULL;
    if (outcome == HANDLER_DONE || outcome == HANDLER_REJECT ||
        (outcome == HANDLER_RETRY && !is_cancelled))
        note_answer(f, m);
    if (m->state == MESSAGE_LEASE_LOST) {
        end_without_lease(f, m, outcome);
        return;
    }
    if (m->state == MESSAGE_CANCELLED_BEHIND && outcome == HANDLER_DONE)
        note_handled(f, m, "an earlier message of its group comes back");
    inflight_apply(f, m, event_of(f, outcome),
                   has_failed && !is_cancelled ? retry_delay_usec(f, m, delay_usec) : 0);
    if (m->state == MESSAGE_DEFERRED)
        note_not_reached(f, m, outcome, delay_usec, why);
}

/* This is no failure of the handler: it begins no outage. */
void inflight_cancel_unreached(struct inflight *f)
{
    bool (*cancel)(struct handler_run *) = f->handler->ops->cancel_unreached;

    if (!cancel)
        return;
    LIST_FOREACH(&f->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        if (m->state != MESSAGE_HANDLING || !m->run || !cancel(m->run))
            continue;
        m->run = NULL;
        if (f->isolated == m)
            f->isolated = NULL;
        inflight_apply(f, m, event_of(f, HANDLER_NOT_REACHED), 0);
    }
}

/* A rejected message has no run any more: only the log's receipt for its line. */
void inflight_cancel_handling(struct inflight *f, struct message *m, uint64_t grace_usec)
{
    if (!m->receipt) {
        f->handler->ops->cancel(m->run, grace_usec);
        return;
    }
    m->receipt = log_pending_cancel(m->receipt);
    end_run(f, m, HANDLER_RETRY, HANDLER_DELAY_DEFAULT, NULL);
}

/* The log has taken the line of a rejected message, or (result < 0) cannot take it. */
static void on_rejection_logged(void *userdata, int result)
{
    struct message *m = userdata;

    m->receipt = NULL;
    m->is_rejected = result < 0;
    end_run(m->owner, m, result < 0 ? HANDLER_NOT_REACHED : HANDLER_REJECT, HANDLER_DELAY_DEFAULT,
            result < 0 ? "the log cannot take the line of a rejected message" : NULL);
}

/* Writes the log line of a rejected message. False: the line is not written, because the message
 * comes back in any case. A message that a stop has cancelled may be deleted, since its program
 * may have ended before the cancel: its line is written. */
static bool log_rejection(struct message *m)
{
    int r;

    if (m->state != MESSAGE_HANDLING && m->state != MESSAGE_CANCELLED)
        return false;
    r = rejection_log(m, on_rejection_logged);
    if (r <= 0)
        on_rejection_logged(m, r);
    return true;
}

static void on_handled(void *userdata, enum handler_outcome outcome, uint64_t delay_usec)
{
    struct message *m = userdata;
    struct inflight *f = m->owner;
    const struct handler_ops *ops = f->handler->ops;

    m->run = NULL;
    if (outcome == HANDLER_REJECT && log_rejection(m))
        return;
    end_run(f, m, outcome, delay_usec,
            ops->why_not_reached ? ops->why_not_reached(f->handler) : NULL);
}

void inflight_acknowledge_recorded(struct inflight *f)
{
    struct message *m;

    idempotency_commit(&f->idempotency);
    while ((m = idempotency_take_recorded(&f->idempotency)))
        inflight_apply(f, m, MESSAGE_ON_RECORDED, 0);
}

/* SQS may deliver a message twice, even in one reply. */
static bool is_copy_handled(const struct message *m)
{
    if (!lane_is_copy_handled(m))
        return false;
    log_write(LOG_NOTICE, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
              "Message %s was received twice: it has been handled, and the copy is only deleted.",
              m->received->message_id);
    return true;
}

static void note_begin(struct inflight *f, struct message *m)
{
    bool is_try = f->outage.is_on;

    outage_message_begun(&f->outage, &m->outage, is_try ? clock_boot_usec() : 0,
                         is_try ? random_u64() : 0);
    if (outage_is_isolated(&m->outage))
        f->isolated = m;
}

void inflight_handle(struct inflight *f, struct message *m)
{
    struct handler_run *run = NULL;
    int r;

    note_begin(f, m);
    m->begun_usec = clock_boot_usec();
    if (m->is_rejected) { /* only its line is missing */
        (void)log_rejection(m);
        return;
    }
    r = f->handler->ops->run(f->handler, m->received, on_handled, m, &run);
    if (r >= 0) {
        if (m->state != MESSAGE_HANDLING)
            return;
        m->run = run;
        if (f->handler->ops->is_reached_at_once)
            note_answer(f, m);
        return;
    }
    if (r != -EINVAL && r != -E2BIG) {
        end_run(f, m, HANDLER_NOT_REACHED, HANDLER_DELAY_DEFAULT, strerror(-r));
        return;
    }
    log_write(LOG_ERR, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
              "Message %s cannot be passed to the handler, it comes back: %s.",
              m->received->message_id, strerror(-r));
    end_run(f, m, HANDLER_UNANSWERED, HANDLER_DELAY_DEFAULT, NULL);
}

static void begin(struct inflight *f, struct message *m)
{
    enum message_event event = MESSAGE_ON_BEGIN;

    m->has_slot = true;
    f->n_slots_taken++;
    if (is_copy_handled(m))
        event = MESSAGE_ON_COPY;
    else if (idempotency_was_handled(&f->idempotency, m))
        event = MESSAGE_ON_LEDGER_HIT;
    if (event != MESSAGE_ON_BEGIN)
        consumer_lanes_handled(f->lanes, m);
    inflight_apply(f, m, event, 0);
}

/* Whether outages allow the next message to be begun. */
static bool may_try_handler(const struct inflight *f)
{
    const struct message *next = consumer_lanes_peek(f->lanes);

    if (f->outage.is_on)
        return outage_may_begin(&f->outage, clock_boot_usec());
    return !f->isolated && !(f->n_handling > 0 && next && outage_is_suspect(&next->outage));
}

static bool may_begin(const struct inflight *f)
{
    return !f->is_stopping && f->n_slots_taken < f->options.concurrency && may_try_handler(f);
}

void inflight_begin_ready(struct inflight *f)
{
    struct message *m;

    while (may_begin(f) && (m = consumer_lanes_begin_next(f->lanes)))
        begin(f, m);
}

bool inflight_is_paused(const struct inflight *f, uint64_t now_usec)
{
    return f->outage.is_on && (consumer_lanes_ready_count(f->lanes) > 0 || f->n_handling > 0 ||
                               !outage_may_begin(&f->outage, now_usec));
}

uint64_t inflight_next_retry_usec(const struct inflight *f, uint64_t now_usec)
{
    return f->outage.is_on && f->outage.next_usec > now_usec ? f->outage.next_usec : USEC_INFINITY;
}
