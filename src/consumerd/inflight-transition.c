/* SPDX-License-Identifier: MIT */
/* The only place where a message changes its state. Every transition comes from the table of
 * message-state.h and is written to the journal. */
#include "consumerd/inflight-internal.h"

#include <assert.h>

#include "util/clock.h"
#include "util/log.h"

struct transition {
    struct message_step step;
    enum message_reason reason_before;
    unsigned delay_sec;  /* of a release: until the message becomes visible */
    uint64_t grace_usec; /* of a cancel */
};

/* Logs at debug, except when a message is released because the handler was not reached. */
static void log_transition(const struct message *m, const struct transition *t)
{
    bool is_release = t->step.to == MESSAGE_RELEASING;
    int priority = is_release && t->step.reason == RELEASE_NOT_REACHED ? LOG_INFO : LOG_DEBUG;

    if (!log_enabled(priority))
        return;
    if (is_release)
        log_write(priority, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
                  "Releasing " MESSAGE_FORMAT ", to come back in %u s: %s. (%s -> %s)",
                  MESSAGE_ARGUMENTS(m->received), t->delay_sec, message_reason_text(t->step.reason),
                  message_state_text(m->state), message_state_text(t->step.to));
    else
        log_write(priority, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
                  "State of " MESSAGE_FORMAT ": %s. (%s -> %s)", MESSAGE_ARGUMENTS(m->received),
                  message_reason_text(t->step.reason), message_state_text(m->state),
                  message_state_text(t->step.to));
}

static uint64_t *end_counter(struct inflight *f, const struct transition *t)
{
    switch ((enum message_state)t->step.to) {
    case MESSAGE_DELETED:
        return &f->counts.deleted;
    case MESSAGE_RELEASED:
        assert(t->reason_before < RELEASE_N_REASONS);
        return &f->counts.released[t->reason_before];
    default:
        assert(t->step.to == MESSAGE_LOST);
        return &f->counts.lost;
    }
}

static void act(struct inflight *f, struct message *m, const struct transition *t)
{
    switch ((enum message_action)t->step.action) {
    case MESSAGE_IMPOSSIBLE:
    case MESSAGE_DO_NOTHING:
        break;
    case MESSAGE_DO_HANDLE:
        f->actions->handle(f, m);
        break;
    case MESSAGE_DO_CANCEL:
        f->actions->cancel_handling(f, m, t->grace_usec);
        break;
    case MESSAGE_DO_DEFER:
        f->actions->defer(f, m);
        break;
    case MESSAGE_DO_RECORD:
        f->actions->record(f, m);
        break;
    case MESSAGE_DO_ACKNOWLEDGE:
        ack_queue_add(f->deleter, m, 0, clock_boot_usec());
        break;
    case MESSAGE_DO_WITHDRAW:
        f->actions->withdraw(f, m);
        break;
    case MESSAGE_DO_RELEASE:
    case MESSAGE_DO_RELEASE_LANE:
        f->actions->release(f, m, t->delay_sec);
        break;
    case MESSAGE_DO_END:
        f->actions->remove(f, m, end_counter(f, t));
        break;
    }
}

/* Whole seconds, rounded up, at most what SQS accepts for this message. */
static unsigned delay_sec(const struct message *m, uint64_t delay_usec)
{
    uint64_t sec = (delay_usec + USEC_PER_SEC - 1) / USEC_PER_SEC;

    return (unsigned)MIN(sec, (uint64_t)lease_visibility_max_sec(m, clock_boot_usec()));
}

void inflight_apply(struct inflight *f, struct message *m, enum message_event event, uint64_t usec)
{
    struct transition t = {
        .step = message_step(m->state, event),
        .reason_before = m->reason,
        .grace_usec = event == MESSAGE_ON_STOP_DEADLINE ? usec : HANDLER_GRACE_MAX_USEC,
    };

    assert(t.step.action != MESSAGE_IMPOSSIBLE);
    if (t.step.action == MESSAGE_DO_RELEASE_LANE)
        f->actions->release_behind(f, m, message_reason_text(t.step.reason));
    if (t.step.to == MESSAGE_RELEASING)
        t.delay_sec = delay_sec(m, usec);
    log_transition(m, &t);
    f->n_handling += message_state_is_with_handler(t.step.to);
    f->n_handling -= message_state_is_with_handler(m->state);
    m->state = t.step.to;
    m->reason = t.step.reason;
    act(f, m, &t);
}
