/* SPDX-License-Identifier: MIT */
/* What the handler does with messages, and its outages: see inflight.h and outage.h, and
 * message-state.h for the states of messages. */
#include "consumerd/inflight-internal.h"

#include <errno.h>

#include "consumerd/rejection.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/random.h"

/* Doubled with each receive. */
static uint64_t growing_delay_usec(const struct hand *h, const struct message *m)
{
    uint64_t delay = h->options.retry_delay_usec;
    uint64_t max = h->options.retry_delay_max_usec;

    for (unsigned i = 1; i < m->received->receive_count && delay > 0 && delay < max; i++)
        delay *= 2;
    return MIN(delay, max);
}

/* As the handler's answer has it; what it asks for only makes the growing delay longer. */
static uint64_t retry_delay_usec(const struct hand *h, const struct message *m, uint64_t asked_usec)
{
    uint64_t growing_usec = growing_delay_usec(h, m);

    switch (asked_usec) {
    case HANDLER_DELAY_CONSTANT:
        return h->options.retry_delay_usec;
    case HANDLER_DELAY_DEFAULT:
        return growing_usec;
    default:
        return MAX(asked_usec, growing_usec);
    }
}

/* A message that is not deleted though the handler got through with it need not be handled when it
 * comes again. */
static void note_handled(struct hand *h, struct message *m, const char *why)
{
    if (handled_add(&h->handled, m))
        log_write(LOG_NOTICE, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
                  "Message %s was handled though %s: when it comes back, it is only deleted.",
                  m->received->message_id, why);
}

/* A message whose lease was lost has gone from the handler. */
static void gone(struct hand *h, struct message *m, enum handler_outcome outcome)
{
    uint64_t now_usec = clock_boot_usec();

    if (outcome == HANDLER_DONE) {
        lane_handled_late(m);
        note_handled(h, m, "its lease was lost");
    }
    if (lease_holds(m, now_usec)) {
        hand_apply(h, m, ON_ENDED_LEASED, 0);
    } else {
        /* One may have, without an answer. */
        hand_note_back(h, now_usec + h->leases.visibility_usec);
        hand_apply(h, m, ON_ENDED, 0);
    }
    if (h->is_stopping)
        hand_release_waiting(h); /* what waited for this */
}

/* --- The handler's outages --- */

static void charge(struct hand *h, struct message *m)
{
    handler_trouble_charged(&h->trouble, m, clock_boot_usec());
    hand_apply(h, m, ON_CHARGED, retry_delay_usec(h, m, m->asked_usec));
}

/* The handler has answered to a message, or was reached with it. */
static void note_answer(struct hand *h, const struct message *m)
{
    if (!outage_answered(&h->outage, &m->outage))
        return;
    handler_trouble_end(&h->trouble, clock_boot_usec());
    LIST_FOREACH(&h->messages, link)
    {
        struct message *other = CONTAINER_OF(link, struct message, of_owner);

        if (message_state_is_waiting(other->state))
            outage_suspect(&h->outage, &other->outage);
    }
}

void hand_defer(struct hand *h, struct message *m)
{
    m->has_slot = false;
    h->n_begun--;
    lanes_return(h->lanes, m);
}

/* What follows from it that the handler was away for a message, which is deferred. */
static void note_not_reached(struct hand *h, struct message *m, enum handler_outcome outcome,
                             uint64_t asked_usec, const char *why)
{
    uint64_t now_usec = clock_boot_usec(), random = random_u64();
    uint64_t pause_usec = asked_usec < HANDLER_DELAY_CONSTANT ? asked_usec : 0;
    bool is_charged = false;

    if (outcome == HANDLER_NOT_REACHED) {
        outage_not_reached(&h->outage, &m->outage, pause_usec, now_usec, random);
    } else {
        m->asked_usec = asked_usec;
        is_charged = outage_unavailable(&h->outage, &m->outage,
                                        h->n_handling == 0 && lanes_ready(h->lanes) == 1,
                                        pause_usec, now_usec, random);
    }
    handler_trouble_add(&h->trouble, &h->outage, why, h->n_messages, now_usec);
    if (is_charged)
        charge(h, m);
    h->changed(h->userdata);
}

/* --- The ends of the handling --- */

void hand_record(struct hand *h, struct message *m)
{
    lanes_handled(h->lanes, m);
    if (!handled_add(&h->handled, m))
        hand_apply(h, m, ON_NO_LEDGER, 0);
    h->changed(h->userdata);
}

static enum message_event event_of(const struct hand *h, enum handler_outcome outcome)
{
    switch (outcome) {
    case HANDLER_DONE:
        return ON_DONE;
    case HANDLER_REJECT:
        return ON_REJECTED;
    case HANDLER_NOT_REACHED:
    case HANDLER_UNAVAILABLE:
        return h->is_stopping ? ON_NOT_REACHED_AT_STOP : ON_NOT_REACHED;
    case HANDLER_RETRY:
    case HANDLER_UNANSWERED:
        break;
    }
    return ON_FAILED;
}

static void end_run(struct hand *h, struct message *m, enum handler_outcome outcome,
                    uint64_t delay_usec, const char *why)
{
    bool is_cancelled = message_state_is_cancelled(m->state);
    bool has_failed = outcome == HANDLER_RETRY || outcome == HANDLER_UNANSWERED;

    m->run = NULL;
    if (!is_cancelled || outcome != HANDLER_RETRY) /* that was asked for, and is no answer */
        h->counts.outcomes[outcome]++;
    if (h->isolated == m)
        h->isolated = NULL;
    if (outcome == HANDLER_DONE || outcome == HANDLER_REJECT ||
        (outcome == HANDLER_RETRY && !is_cancelled))
        note_answer(h, m);
    if (m->state == MESSAGE_LEASE_LOST) {
        gone(h, m, outcome);
        return;
    }
    if (m->state == MESSAGE_CANCELLED_BEHIND && outcome == HANDLER_DONE)
        note_handled(h, m, "one before it in its group was lost");
    hand_apply(h, m, event_of(h, outcome),
               has_failed && !is_cancelled ? retry_delay_usec(h, m, delay_usec) : 0);
    if (m->state == MESSAGE_DEFERRED)
        note_not_reached(h, m, outcome, delay_usec, why);
}

/* `done` follows, maybe from inside. Of a rejected message nobody waits for the line any more. */
void hand_end_handling(struct hand *h, struct message *m, uint64_t grace_usec)
{
    if (!m->receipt) {
        h->handler->ops->end(m->run, grace_usec);
        return;
    }
    m->receipt = log_receipt_cancel(m->receipt);
    end_run(h, m, HANDLER_RETRY, HANDLER_DELAY_DEFAULT, NULL);
}

/* The log has taken the line of a rejected message, or cannot take it: then the message stays. */
static void on_rejection_logged(void *userdata, int result)
{
    struct message *m = userdata;

    m->receipt = NULL;
    m->is_rejected = result < 0;
    end_run(m->owner, m, result < 0 ? HANDLER_NOT_REACHED : HANDLER_REJECT, HANDLER_DELAY_DEFAULT,
            result < 0 ? "the log cannot take the line of a rejected message" : NULL);
}

/* A rejected message is still with the handler until its line is written. */
static bool waits_for_line(struct message *m)
{
    int r;

    if (m->state != MESSAGE_HANDLING)
        return false;
    r = rejection_log(m, on_rejection_logged);
    if (r <= 0)
        on_rejection_logged(m, r);
    return true;
}

static void on_handled(void *userdata, enum handler_outcome outcome, uint64_t delay_usec)
{
    struct message *m = userdata;
    struct hand *h = m->owner;
    const struct handler_ops *ops = h->handler->ops;

    m->run = NULL;
    if (outcome == HANDLER_REJECT && waits_for_line(m))
        return;
    end_run(h, m, outcome, delay_usec, ops->trouble ? ops->trouble(h->handler) : NULL);
}

void hand_delete_handled(struct hand *h)
{
    struct message *m;

    handled_write(&h->handled);
    while ((m = handled_take(&h->handled)))
        hand_apply(h, m, ON_RECORDED, 0);
}

/* SQS may give out a message twice, also in one reply. */
static bool is_copy_handled(const struct message *m)
{
    if (!lane_is_copy_handled(m))
        return false;
    log_write(LOG_NOTICE, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
              "Message %s was received twice: it has been handled, and the copy is only deleted.",
              m->received->message_id);
    return true;
}

static void note_begin(struct hand *h, struct message *m)
{
    bool is_try = h->outage.is_on;

    outage_begun(&h->outage, &m->outage, is_try ? clock_boot_usec() : 0, is_try ? random_u64() : 0);
    if (outage_is_isolated(&m->outage))
        h->isolated = m;
}

void hand_handle(struct hand *h, struct message *m)
{
    struct handler_run *run = NULL;
    int r;

    note_begin(h, m);
    if (m->is_rejected) { /* it is not handled again for its line */
        (void)waits_for_line(m);
        return;
    }
    r = h->handler->ops->run(h->handler, m->received, on_handled, m, &run);
    if (r >= 0) {
        if (m->state != MESSAGE_HANDLING)
            return;
        m->run = run;
        if (h->handler->ops->is_reached_at_once)
            note_answer(h, m);
        return;
    }
    if (r != -EINVAL && r != -E2BIG) {
        end_run(h, m, HANDLER_NOT_REACHED, HANDLER_DELAY_DEFAULT, strerror(-r));
        return;
    }
    log_write(LOG_ERR, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
              "Message %s cannot be handed to the handler, it comes back: %s.",
              m->received->message_id, strerror(-r));
    end_run(h, m, HANDLER_UNANSWERED, HANDLER_DELAY_DEFAULT, NULL);
}

static void begin(struct hand *h, struct message *m)
{
    enum message_event event = ON_DISPATCH;

    m->has_slot = true;
    h->n_begun++;
    if (is_copy_handled(m))
        event = ON_COPY;
    else if (handled_before(&h->handled, m))
        event = ON_LEDGER_HIT;
    if (event != ON_DISPATCH)
        lanes_handled(h->lanes, m);
    hand_apply(h, m, event, 0);
}

/* Whether the next message may be handed over, as far as the handler's outages go. */
static bool is_reachable(const struct hand *h)
{
    const struct message *next = lanes_next(h->lanes);

    if (h->outage.is_on)
        return outage_may_begin(&h->outage, clock_boot_usec());
    return !h->isolated && !(h->n_handling > 0 && next && outage_is_suspect(&next->outage));
}

static bool may_begin(const struct hand *h)
{
    return !h->is_stopping && h->n_begun < h->options.concurrency && is_reachable(h);
}

void hand_begin_all(struct hand *h)
{
    struct message *m;

    while (may_begin(h) && (m = lanes_begin(h->lanes)))
        begin(h, m);
}

bool hand_is_paused(const struct hand *h, uint64_t now_usec)
{
    return h->outage.is_on && (lanes_ready(h->lanes) > 0 || h->n_handling > 0 ||
                               !outage_may_begin(&h->outage, now_usec));
}

uint64_t hand_next_try_usec(const struct hand *h, uint64_t now_usec)
{
    return h->outage.is_on && h->outage.next_usec > now_usec ? h->outage.next_usec : USEC_INFINITY;
}
