/* SPDX-License-Identifier: MIT */
/* Decides how the consumer receives: how long a poll waits, which visibility timeout it asks for,
 * and how many messages it may bring. Messages are received only while a slot is free for them and
 * their reply fits into the memory that is set aside for replies. */
#include "consumerd/consumer-internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemon/failure.h"
#include "util/log.h"

/* The last part of a stop: 6 s, or a quarter of a shorter stop. In its first half the handler ends
 * its work on messages. In its second half SQS is asked to make those messages visible. */
#define STOP_RELEASE_USEC (6 * USEC_PER_SEC)

/* The pause after a resource shortage (ENOMEM, EMFILE). */
#define SHORTAGE_PAUSE_USEC (1 * USEC_PER_SEC)

unsigned consumer_visibility_sec(const struct consumer *c)
{
    unsigned sec = (unsigned)(c->config->consumer.visibility_timeout_usec / USEC_PER_SEC);

    if (sec == 0)
        sec = queue_attributes(c->queue)->visibility_timeout_sec;
    /* A queue whose timeout is 0 hides nothing from other consumers. Use SQS's default instead. */
    return sec > 0 ? sec : 30;
}

uint64_t consumer_until_cancel_usec(const struct consumer *c)
{
    uint64_t timeout_usec = c->config->consumer.stop_timeout_usec;

    return timeout_usec - MIN(STOP_RELEASE_USEC, timeout_usec / 4);
}

/* The wait of a poll has two bounds. A lease counts from a moment before its receive was sent, so a
 * poll must not wait as long as the lease lasts. A stop lets polls end, because SQS may give
 * messages to a poll that was cut off, so a poll must be able to end within a stop. */
static unsigned wait_sec(struct consumer *c, unsigned visibility)
{
    uint64_t stop_usec = consumer_until_cancel_usec(c);
    unsigned sec = (unsigned)(c->config->consumer.wait_time_usec / USEC_PER_SEC);
    unsigned by_lease = MAX(visibility / 2, 1U);
    unsigned by_stop =
        (unsigned)((stop_usec - MIN(RECEIVER_POLL_MARGIN_USEC, stop_usec)) / USEC_PER_SEC);
    unsigned max = MIN(by_lease, MAX(by_stop, 1U));

    if (sec > max && (max != c->wait_sec || sec != c->wanted_wait_sec))
        log_notice("Receives wait %u s instead of the %u s of consumer.wait_time: %s.", max, sec,
                   max == by_lease ? "half of the visibility timeout"
                                   : "consumer.stop_timeout leaves no more time");
    c->wanted_wait_sec = sec;
    c->wait_sec = MIN(sec, max);
    return c->wait_sec;
}

/* For polls from now on. */
static void set_times(struct consumer *c, unsigned visibility)
{
    c->visibility_sec = visibility;
    receiver_set_times(c->receiver, wait_sec(c, visibility), visibility);
}

void consumer_on_refreshed(void *userdata)
{
    struct consumer *c = userdata;
    unsigned visibility = consumer_visibility_sec(c);

    if (!c->receiver || visibility == c->visibility_sec)
        return;
    log_notice("The queue's visibility timeout has changed: messages are leased for %u s now, "
               "before for %u s.",
               visibility, c->visibility_sec);
    set_times(c, visibility);
}

/* The other half is for replies that are being received. */
size_t consumer_reply_memory_bytes(const struct consumer *c)
{
    return (size_t)(c->config->consumer.receive_memory / 2);
}

/* Such a message is not withheld, since it would block its group. */
static void warn_of_unverified(struct consumer *c, const struct sqs_reply *reply)
{
    for (size_t i = 0; i < reply->n_messages; i++) {
        const struct sqs_received_message *m = &reply->messages[i];
        char others[64] = "";
        uint64_t n_suppressed;

        if (!m->attributes_unverified ||
            !log_rate_limit_take(&c->unverified_limit, "", 1, clock_boot_usec(), &n_suppressed))
            continue;
        if (n_suppressed > 0)
            snprintf(others, sizeof(others),
                     " (so may %" PRIu64 " others since the last such line)", n_suppressed);
        log_write(LOG_WARNING, NULL, LOG_FIELDS({"SQS_MESSAGE_ID", m->message_id}),
                  "The attributes of message %s may be damaged: their MD5 is not the one in SQS's "
                  "reply. The message is not withheld%s.",
                  m->message_id, others);
    }
}

static void on_received(void *userdata, const struct sqs_result *result)
{
    struct consumer *c = userdata;
    struct sqs_reply *reply = result->reply;
    struct inflight_status status = inflight_status(c->inflight);

    consumer_on_inflight_changed(c);
    if (!reply)
        return;
    if (reply->n_messages > 0)
        memory_budget_received(&c->budget, reply->bytes, reply->n_messages);
    /* A receive may be empty although the queue is not. SQS hides messages that are in flight, that
     * were released with a delay that is not over, or that were in a lost reply; and it hides the
     * rest of their groups. While there are such messages, an empty receive does not count. */
    if (reply->n_messages > 0)
        c->n_empty_in_a_row = 0;
    else if (status.messages == 0 &&
             result->sent_usec >= MAX(status.visible_usec, receiver_visible_usec(c->receiver)))
        c->n_empty_in_a_row++;
    log_write(LOG_INFO, NULL, LOG_FIELDS({"SQS_REQUEST_ID", result->request_id}),
              "Number of messages received: %zu", reply->n_messages);
    warn_of_unverified(c, reply);
    inflight_set_lease(c->inflight, receiver_lease_sec(c->receiver), c->visibility_sec);
    inflight_add(c->inflight, reply, result->sent_usec);
}

bool consumer_is_drained(const struct consumer *c)
{
    uint64_t limit = c->config->consumer.exit_after_empty_receives;

    return limit > 0 && c->n_empty_in_a_row >= limit;
}

/* How many messages may be in flight. On a FIFO queue a receive may bring messages of a single
 * group. They need one slot, and SQS delivers no more of that group meanwhile. With max_messages
 * for each slot, a free slot always means that more may be received. */
static size_t inflight_max(const struct consumer *c)
{
    size_t concurrency = c->config->consumer.concurrency;
    size_t max_messages = c->config->consumer.max_messages;

    return queue_is_fifo(c->queue) ? concurrency * max_messages : MAX(concurrency, max_messages);
}

static size_t difference(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

uint64_t consumer_poll(struct consumer *c)
{
    struct inflight_status status = inflight_status(c->inflight);
    size_t concurrency = c->config->consumer.concurrency;
    size_t reserved = receiver_reserved(c->receiver);
    uint64_t now_usec = clock_boot_usec(), next_usec = USEC_INFINITY;
    struct receiver_capacity capacity = {
        .free_slots = difference(concurrency, status.wanted + reserved),
        .messages = difference(inflight_max(c), status.messages + reserved),
    };
    size_t affordable = memory_budget_messages(&c->budget, status.bytes, reserved);
    /* Never true with nothing in flight. */
    bool is_full = memory_budget_messages(&c->budget, status.bytes, 0) == 0;
    bool may_receive = !is_full && !status.is_paused;
    bool has_capacity =
        status.wanted < concurrency && may_receive; /* slots reserved for polls are still free */
    int r;

    if (consumer_is_drained(c) && !c->is_stopping)
        return USEC_INFINITY;
    queue_set_owner_bytes(c->queue, status.bytes);
    capacity.messages = MIN(capacity.messages, affordable);
    if (!may_receive)
        capacity.free_slots = capacity.messages = 0;
    if (has_capacity && !c->had_capacity)
        c->capacity_since_usec = now_usec;
    c->had_capacity = has_capacity;
    capacity.since_usec = c->capacity_since_usec;
    r = receiver_dispatch(c->receiver, &capacity, now_usec, &next_usec);
    if (r < 0) {
        failure_write_shortage(&c->shortage_limit, "receive", r, now_usec);
        return now_usec + SHORTAGE_PAUSE_USEC;
    }
    return next_usec;
}

int consumer_begin_receiving(struct consumer *c)
{
    const struct config *config = c->config;
    unsigned visibility = c->visibility_sec;

    return receiver_new(c->queue,
                        &(struct receiver_options){
                            .is_fifo = queue_is_fifo(c->queue),
                            .polls = config->consumer.receivers,
                            .max_messages = config->consumer.max_messages,
                            .wait_sec = wait_sec(c, visibility),
                            .visibility_sec = visibility,
                            .pause_usec = config->consumer.receive_interval_usec,
                        },
                        clock_boot_usec() + config->consumer.start_delay_usec, on_received, c,
                        &c->receiver);
}

void consumer_reconfigure_receiving(struct consumer *c)
{
    const struct config *config = c->config;

    set_times(c, consumer_visibility_sec(c));
    receiver_reconfigure(c->receiver, config->consumer.receivers, config->consumer.max_messages,
                         config->consumer.receive_interval_usec);
}
