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

static const struct hand_actions actions = {
    .handle = hand_handle,
    .end_handling = hand_end_handling,
    .defer = hand_defer,
    .record = hand_record,
    .withdraw = hand_withdraw,
    .release = hand_release,
    .drop_after = hand_drop_after,
    .settled = hand_settled,
};

/* A request has ended, whatever came of it: times to look again have changed. */
static void on_request_ended(void *userdata)
{
    struct hand *h = userdata;

    h->changed(h->userdata);
}

void hand_set_lease(struct hand *h, unsigned first_sec, unsigned visibility_sec)
{
    leases_set_times(&h->leases, first_sec, visibility_sec);
}

void hand_take(struct hand *h, struct sqs_reply *reply, uint64_t sent_usec)
{
    uint64_t now_usec = clock_boot_usec();

    h->counts.received += reply->n_messages;
    for (size_t i = 0; i < reply->n_messages; i++) {
        int r = hand_take_in(h, reply, i, sent_usec, now_usec);

        if (r < 0) {
            /* The rest of it too, or it might overtake this one. */
            log_error("Cannot take in %zu messages, they come back: %s.", reply->n_messages - i,
                      strerror(-r));
            h->counts.lost += reply->n_messages - i;
            break;
        }
    }
    if (h->is_stopping)
        hand_release_waiting(h);
    h->changed(h->userdata);
}

int hand_turn(struct hand *h, uint64_t *ret_next_usec)
{
    uint64_t now_usec, next_usec;
    struct message *m;
    int r, q;

    hand_delete_handled(h);
    now_usec = clock_boot_usec();
    while ((m = leases_take_lost(&h->leases, now_usec)))
        hand_lose(h, m,
                  lease_seconds_left(m, now_usec) > 0
                      ? "its lease has ended"
                      : "SQS keeps no message for more than 12 hours");
    hand_begin_all(h);
    r = settler_turn(h->deleter);
    q = settler_turn(h->releaser);
    r = r < 0 ? r : q;
    q = extender_turn(h->extender);
    r = r < 0 ? r : q;

    next_usec = MIN(settler_next_usec(h->deleter), settler_next_usec(h->releaser));
    next_usec = MIN(next_usec, hand_next_try_usec(h, now_usec));
    *ret_next_usec = MIN(next_usec, leases_next_usec(&h->leases));
    return r;
}

void hand_stop(struct hand *h, uint64_t end_usec)
{
    h->is_stopping = true;
    settler_stop(h->deleter, end_usec);
    settler_stop(h->releaser, end_usec);
    hand_release_waiting(h);
    h->changed(h->userdata);
}

void hand_set_receiving(struct hand *h, bool is_receiving)
{
    if (is_receiving == h->is_receiving)
        return;
    h->is_receiving = is_receiving;
    if (h->is_stopping)
        hand_release_waiting(h);
}

size_t hand_end(struct hand *h, uint64_t grace_usec)
{
    size_t n = h->n_handling;

    LIST_FOREACH(&h->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        if (message_state_is_with_handler(m->state))
            hand_apply(h, m, ON_STOP_DEADLINE, grace_usec);
    }
    return n;
}

size_t hand_end_lines(struct hand *h)
{
    size_t n = 0;

    LIST_FOREACH(&h->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        if (!message_state_is_with_handler(m->state) ||
            (!m->receipt && !h->handler->ops->waits_for_log))
            continue;
        hand_apply(h, m, ON_STOP_DEADLINE, 0);
        n++;
    }
    return n;
}

/* Those that are given back only when no more is received. */
static size_t count_kept(const struct hand *h)
{
    size_t n = 0;

    if (!h->is_stopping || !h->is_receiving)
        return 0;
    LIST_FOREACH(&h->messages, link)
    {
        n += message_state_is_waiting(CONTAINER_OF(link, struct message, of_owner)->state);
    }
    return n;
}

struct hand_counts hand_count(const struct hand *h)
{
    uint64_t now_usec = h->outage.is_on ? clock_boot_usec() : 0;

    return (struct hand_counts){
        .messages = h->n_messages,
        .bytes = h->bytes,
        .wanted = h->n_begun + lanes_ready(h->lanes),
        .handling = h->n_handling,
        .deleting = h->handled.n_waiting + settler_count(h->deleter),
        .releasing = settler_count(h->releaser) + count_kept(h),
        .is_paused = hand_is_paused(h, now_usec),
        .away_usec = h->outage.is_on ? MAX(now_usec - h->outage.since_usec, 1U) : 0,
        .away = h->trouble.outage.text,
        .back_usec = h->back_usec,
    };
}

const struct counts *hand_totals(const struct hand *h)
{
    return &h->counts;
}

/* --- Life --- */

int hand_new(struct queue *queue, struct handler *handler, struct ledger *ledger,
             const struct hand_options *options, hand_changed_fn changed, void *userdata,
             struct hand **ret)
{
    CLEANUP(hand_free) struct hand *h = calloc(1, sizeof(*h));
    int r;

    if (!h)
        return -ENOMEM;
    h->actions = &actions;
    h->handler = handler;
    h->options = *options;
    h->changed = changed;
    h->userdata = userdata;
    list_init(&h->messages);
    handled_init(&h->handled, ledger);
    leases_init(&h->leases, options->visibility_sec * USEC_PER_SEC);
    r = lanes_new(options->is_fifo, &h->lanes);
    if (r >= 0)
        r = extender_new(queue, &h->leases, hand_on_lost, on_request_ended, h, &h->extender);
    if (r >= 0)
        r = settler_new(queue,
                        &(struct settler_options){
                            .kind = BATCH_DELETE,
                            .linger_usec = options->delete_linger_usec,
                            .changed = on_request_ended,
                        },
                        hand_on_deleted, h, &h->deleter);
    if (r >= 0)
        r = settler_new(queue,
                        &(struct settler_options){
                            .kind = BATCH_CHANGE,
                            .changed = on_request_ended,
                        },
                        hand_on_released, h, &h->releaser);
    if (r < 0)
        return r;
    *ret = TAKE(h);
    return 0;
}

struct hand *hand_free(struct hand *h)
{
    if (!h)
        return NULL;
    handled_done(&h->handled);
    extender_free(h->extender);
    settler_free(h->deleter);
    settler_free(h->releaser);
    LIST_FOREACH(&h->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        log_receipt_cancel(m->receipt);
        if (m->run)
            h->handler->ops->cancel(TAKE(m->run));
        hand_withdraw(h, m);
        message_unref(m);
    }
    lanes_free(h->lanes);
    free(h);
    return NULL;
}
