/* SPDX-License-Identifier: MIT */
/* A message goes through the states of message-state.h, and has a lease until it ends or that is
 * lost. A slot is taken from the beginning of the handling to the end of the delete, so that slow
 * deletes slow down the handling, and with it the receives.
 *
 * With a ledger, what was handled is recorded by the next turn, before anything else: so the ledger
 * knows of a message before its delete goes out, and before the next of its lane is begun.
 *
 * On a FIFO queue, whatever releases a message or loses it releases all behind it in its lane: SQS
 * holds those back until the first is deleted, wherever it is handled then. One of those that the
 * handler got through with is released, too, or it would be deleted before the first: only the
 * ledger learns of it. */
#include "consumerd/inflight-internal.h"

#include <errno.h>

#include "util/clock.h"
#include "util/log.h"

static const struct inflight_actions actions = {
    .handle = inflight_handle,
    .cancel_handling = inflight_cancel_handling,
    .defer = inflight_defer,
    .record = inflight_record,
    .withdraw = inflight_withdraw,
    .release = inflight_release,
    .release_behind = inflight_release_behind,
    .remove = inflight_remove,
};

/* A request has ended, whatever came of it: times to look again have changed. */
static void on_request_ended(void *userdata)
{
    struct inflight *f = userdata;

    f->changed(f->userdata);
}

void inflight_set_lease(struct inflight *f, unsigned first_sec, unsigned visibility_sec)
{
    leases_set_times(&f->leases, first_sec, visibility_sec);
}

void inflight_add(struct inflight *f, struct sqs_reply *reply, uint64_t sent_usec)
{
    uint64_t now_usec = clock_boot_usec();

    f->counts.received += reply->n_messages;
    for (size_t i = 0; i < reply->n_messages; i++) {
        int r = inflight_add_message(f, reply, i, sent_usec, now_usec);

        if (r < 0) {
            /* The rest of it too, or it might overtake this one. */
            log_error("Cannot take in %zu messages, they come back: %s.", reply->n_messages - i,
                      strerror(-r));
            f->counts.lost += reply->n_messages - i;
            break;
        }
    }
    if (f->is_stopping)
        inflight_release_waiting(f);
    f->changed(f->userdata);
}

int inflight_dispatch(struct inflight *f, uint64_t *ret_next_usec)
{
    uint64_t now_usec, next_usec;
    struct message *m;
    int r, q;

    inflight_acknowledge_recorded(f);
    now_usec = clock_boot_usec();
    while ((m = leases_take_ended(&f->leases, now_usec)))
        inflight_lease_lost(f, m,
                            lease_visibility_max_sec(m, now_usec) > 0
                                ? "its lease has ended"
                                : "SQS keeps no message for more than 12 hours");
    inflight_begin_ready(f);
    r = ack_queue_dispatch(f->deleter);
    q = ack_queue_dispatch(f->releaser);
    r = r < 0 ? r : q;
    q = lease_renewer_dispatch(f->lease_renewer);
    r = r < 0 ? r : q;

    next_usec = MIN(ack_queue_next_usec(f->deleter), ack_queue_next_usec(f->releaser));
    next_usec = MIN(next_usec, inflight_next_retry_usec(f, now_usec));
    *ret_next_usec = MIN(next_usec, leases_next_usec(&f->leases));
    return r;
}

void inflight_stop(struct inflight *f, uint64_t end_usec)
{
    f->is_stopping = true;
    ack_queue_stop(f->deleter, end_usec);
    ack_queue_stop(f->releaser, end_usec);
    inflight_release_waiting(f);
    f->changed(f->userdata);
}

void inflight_set_receiving(struct inflight *f, bool is_receiving)
{
    if (is_receiving == f->is_receiving)
        return;
    f->is_receiving = is_receiving;
    if (f->is_stopping)
        inflight_release_waiting(f);
}

size_t inflight_cancel(struct inflight *f, uint64_t grace_usec)
{
    size_t n = f->n_handling;

    LIST_FOREACH(&f->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        if (message_state_is_with_handler(m->state))
            inflight_apply(f, m, ON_STOP_DEADLINE, grace_usec);
    }
    return n;
}

size_t inflight_cancel_log_waits(struct inflight *f)
{
    size_t n = 0;

    LIST_FOREACH(&f->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        if (!message_state_is_with_handler(m->state) ||
            (!m->receipt && !f->handler->ops->waits_for_log))
            continue;
        inflight_apply(f, m, ON_STOP_DEADLINE, 0);
        n++;
    }
    return n;
}

/* Those that are given back only when no more is received. */
static size_t count_kept(const struct inflight *f)
{
    size_t n = 0;

    if (!f->is_stopping || !f->is_receiving)
        return 0;
    LIST_FOREACH(&f->messages, link)
    {
        n += message_state_is_waiting(CONTAINER_OF(link, struct message, of_owner)->state);
    }
    return n;
}

struct inflight_status inflight_status(const struct inflight *f)
{
    uint64_t now_usec = f->outage.is_on ? clock_boot_usec() : 0;

    return (struct inflight_status){
        .messages = f->n_messages,
        .bytes = f->bytes,
        .wanted = f->n_slots_taken + lanes_ready_count(f->lanes),
        .handling = f->n_handling,
        .deleting = f->idempotency.n_waiting + ack_queue_count(f->deleter),
        .releasing = ack_queue_count(f->releaser) + count_kept(f),
        .is_paused = inflight_is_paused(f, now_usec),
        .outage_usec = f->outage.is_on ? MAX(now_usec - f->outage.since_usec, 1U) : 0,
        .away = f->outage_log.outage.text,
        .visible_usec = f->visible_usec,
    };
}

const struct consumer_counts *inflight_counts(const struct inflight *f)
{
    return &f->counts;
}

/* --- Life --- */

int inflight_new(struct queue *queue, struct handler *handler, struct ledger *ledger,
                 const struct inflight_options *options, inflight_changed_fn changed,
                 void *userdata, struct inflight **ret)
{
    CLEANUP(inflight_free) struct inflight *f = calloc(1, sizeof(*f));
    int r;

    if (!f)
        return -ENOMEM;
    f->actions = &actions;
    f->handler = handler;
    f->options = *options;
    f->changed = changed;
    f->userdata = userdata;
    list_init(&f->messages);
    idempotency_init(&f->idempotency, ledger);
    leases_init(&f->leases, options->visibility_sec * USEC_PER_SEC);
    r = lanes_new(options->is_fifo, &f->lanes);
    if (r >= 0)
        r = lease_renewer_new(queue, &f->leases, inflight_on_lease_lost, on_request_ended, f,
                              &f->lease_renewer);
    if (r >= 0)
        r = ack_queue_new(queue,
                          &(struct ack_queue_options){
                              .kind = ACK_DELETE,
                              .linger_usec = options->delete_linger_usec,
                              .changed = on_request_ended,
                          },
                          inflight_on_deleted, f, &f->deleter);
    if (r >= 0)
        r = ack_queue_new(queue,
                          &(struct ack_queue_options){
                              .kind = ACK_CHANGE_VISIBILITY,
                              .changed = on_request_ended,
                          },
                          inflight_on_released, f, &f->releaser);
    if (r < 0)
        return r;
    *ret = TAKE(f);
    return 0;
}

struct inflight *inflight_free(struct inflight *f)
{
    if (!f)
        return NULL;
    idempotency_done(&f->idempotency);
    lease_renewer_free(f->lease_renewer);
    ack_queue_free(f->deleter);
    ack_queue_free(f->releaser);
    LIST_FOREACH(&f->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        log_pending_cancel(m->receipt);
        if (m->run)
            f->handler->ops->abandon(TAKE(m->run));
        inflight_withdraw(f, m);
        message_unref(m);
    }
    lanes_free(f->lanes);
    free(f);
    return NULL;
}
