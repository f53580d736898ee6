/* SPDX-License-Identifier: MIT */
/* A message goes through the states of message-state.h. It keeps its lease until it ends or the
 * lease is lost.
 *
 * A message holds a slot from the beginning of its handling to the end of its delete. Slow deletes
 * therefore slow down the handling, and the handling slows down the receives.
 *
 * Each dispatch writes the ledger before it does anything else. So the ledger knows a handled
 * message before the delete is sent, and before the next message of the lane is begun.
 *
 * A message that is released or loses its lease takes with it all messages behind it in its lane
 * (inflight-release.c). This includes messages that were handled and not yet deleted: if they were
 * deleted now, they would be deleted before it. The ledger keeps them from being handled again. */
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

/* However the request ended, the time of the next dispatch may have changed. */
static void on_request_ended(void *userdata)
{
    struct inflight *f = userdata;

    f->changed(f->userdata);
}

void inflight_set_lease(struct inflight *f, unsigned first_sec, unsigned visibility_sec)
{
    leases_set_times(&f->leases, first_sec, visibility_sec);
}

void inflight_reconfigure(struct inflight *f, const struct inflight_options *options)
{
    f->options.concurrency = options->concurrency;
    f->options.retry_delay_usec = options->retry_delay_usec;
    f->options.retry_delay_max_usec = options->retry_delay_max_usec;
    ack_queue_set_linger(f->deleter, options->delete_linger_usec);
    outage_retry_now(&f->outage, clock_boot_usec());
    f->changed(f->userdata);
}

/* Old emulators of SQS do not know MessageGroupId. */
static void warn_of_missing_groups(struct inflight *f, const struct message *m)
{
    if (!f->options.is_fifo || m->received->group_id || f->has_warned_of_missing_groups)
        return;
    f->has_warned_of_missing_groups = true;
    log_warning("The server sends no MessageGroupId with messages of this FIFO queue, so all of "
                "them are handled one after the other, as one group.");
}

static int add_message(struct inflight *f, struct sqs_reply *reply, size_t i, uint64_t sent_usec,
                       uint64_t now_usec)
{
    struct message *m = message_new(reply, i, sent_usec);
    int r;

    if (!m)
        return -ENOMEM;
    m->owner = f;
    warn_of_missing_groups(f, m);
    lease_begin(&f->leases, m, now_usec);
    r = consumer_lanes_add(f->lanes, m);
    if (r < 0) {
        lease_stop_renewal(&f->leases, m);
        message_unref(m);
        return r;
    }
    if (i == 0)
        f->bytes += reply->bytes;
    list_append(&f->messages, &m->of_owner);
    f->n_messages++;
    inflight_apply(f, m, MESSAGE_ON_RECEIPT, 0);
    return 0;
}

/* The time in the queue, by this machine's clock and SQS's. */
static void count_queue_time(struct inflight *f, const struct sqs_reply *reply)
{
    uint64_t now_msec = clock_wall_usec() / USEC_PER_MSEC;

    for (size_t i = 0; i < reply->n_messages; i++) {
        uint64_t sent_msec = reply->messages[i].sent_msec;

        if (sent_msec > 0)
            histogram_add(&f->counts.waiting,
                          (now_msec - MIN(sent_msec, now_msec)) * USEC_PER_MSEC);
    }
}

void inflight_add(struct inflight *f, struct sqs_reply *reply, uint64_t sent_usec)
{
    uint64_t now_usec = clock_boot_usec();

    f->counts.received += reply->n_messages;
    count_queue_time(f, reply);
    for (size_t i = 0; i < reply->n_messages; i++) {
        int r = add_message(f, reply, i, sent_usec, now_usec);

        if (r < 0) {
            /* The rest of the reply is dropped, too: it must not overtake this message. */
            log_error("Cannot keep %zu received messages, they come back: %s.",
                      reply->n_messages - i, strerror(-r));
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
                                : "SQS keeps a message in flight for at most 12 hours");
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
    inflight_cancel_unreached(f);
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
            inflight_apply(f, m, MESSAGE_ON_STOP_DEADLINE, grace_usec);
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
        inflight_apply(f, m, MESSAGE_ON_STOP_DEADLINE, 0);
        n++;
    }
    return n;
}

/* Messages that are released only when no receive is under way any more. */
static size_t count_waiting(const struct inflight *f)
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
        .wanted = f->n_slots_taken + consumer_lanes_ready_count(f->lanes),
        .handling = f->n_handling,
        .deleting = f->idempotency.n_waiting + ack_queue_count(f->deleter),
        .releasing = ack_queue_count(f->releaser) + count_waiting(f),
        .is_paused = inflight_is_paused(f, now_usec),
        .outage_usec = f->outage.is_on ? MAX(now_usec - f->outage.since_usec, 1U) : 0,
        .outage = f->outage_log.outage.text,
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
    r = consumer_lanes_new(options->is_fifo, &f->lanes);
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
    consumer_lanes_free(f->lanes);
    free(f);
    return NULL;
}
