/* See consumer.h.
 *
 * At any time the consumer is doing one thing: waiting (`timer`), receiving, deleting or releasing
 * (`call`), or handling (`is_handling`). The messages of the last receive stand in `reply`; `index`
 * is the one in hand. All of them are leased until `lease_end_usec`, counted from before the
 * receive went out; what is not deleted by then is SQS's again and is not touched any more.
 *
 * On a stop: a message being handled is handled and deleted; messages not yet begun are released
 * (made visible at once); a long poll under way is let end, since SQS may already be giving it
 * messages, and what it brings is released. */
#include "consumer.h"

#include <errno.h>
#include <inttypes.h>

#include "handler.h"
#include "log.h"
#include "message-ids.h"

struct consumer {
    struct service *service;
    const struct config *config;
    struct queue *queue;
    struct handler *handler;
    sd_event_source *timer;
    struct sqs_call *call;
    bool is_receiving, is_handling;

    struct sqs_reply *reply;
    size_t index;
    uint64_t lease_end_usec;     /* boot clock */
    bool is_left[SQS_BATCH_MAX]; /* not to be handled: one before it in its group is to come back */

    unsigned visibility_sec;
    uint64_t n_received, n_deleted, n_empty_in_a_row;
};

static struct sqs_received_message *in_hand(struct consumer *c)
{
    return &c->reply->messages[c->index];
}

static void end(struct consumer *c, const char *why)
{
    log_write(LOG_INFO,
              service_is_stopping(c->service) ? MESSAGE_ID_STOPPED : MESSAGE_ID_FINISHED,
              LOG_NO_FIELDS, "%sTerminated!", why);
    service_exit(c->service, EXIT_SUCCESS);
}

static void fail(struct consumer *c, int error, const char *what)
{
    log_error("%s: %s.", what, strerror(-error));
    service_exit(c->service, EX_OSERR);
}

static void show_status(struct consumer *c)
{
    service_status(c->service, "Received %" PRIu64 ", deleted %" PRIu64, c->n_received,
                   c->n_deleted);
}

static void pause_for(struct consumer *c, uint64_t usec)
{
    int r = sd_event_source_set_time_relative(c->timer, usec);

    if (r >= 0)
        r = sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
    if (r < 0)
        fail(c, r, "Cannot wait");
}

/* After a receive and all that followed from it. */
static void go_on(struct consumer *c, uint64_t pause_usec)
{
    c->reply = sqs_reply_unref(c->reply);
    if (service_is_stopping(c->service))
        end(c, "");
    else if (c->config->consumer.exit_after_empty_receives > 0 &&
             c->n_empty_in_a_row >= c->config->consumer.exit_after_empty_receives)
        end(c, "The queue stays empty. ");
    else
        pause_for(c, pause_usec);
}

/* --- Releasing --- */

static void on_released(void *userdata, const struct sqs_result *result)
{
    struct consumer *c = userdata;

    c->call = NULL;
    if (result->error)
        log_warning("Cannot release messages, they come back when their visibility timeout ends: "
                    "%s: %s",
                    result->error->name, result->error->message);
    for (size_t i = 0; result->reply && i < result->reply->n_entries; i++)
        if (!result->reply->entries[i].ok)
            log_warning("Cannot release a message, it comes back when its visibility timeout ends: "
                        "%s: %s",
                        result->reply->entries[i].code, result->reply->entries[i].message);
    go_on(c, 0);
}

/* Makes the messages that were not begun visible again, and goes on. */
static void release_rest(struct consumer *c)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    struct sqs_visibility_change changes[SQS_BATCH_MAX];
    size_t n = 0;
    int r;

    for (size_t i = c->index; i < c->reply->n_messages; i++)
        if (!c->is_left[i])
            changes[n++] = (struct sqs_visibility_change){.receipt_handle =
                                                              c->reply->messages[i].receipt_handle};
    if (n == 0) {
        go_on(c, 0);
        return;
    }
    log_info("Releasing %zu message%s not yet begun.", n, n == 1 ? "" : "s");
    r = sqs_request_change_visibility_batch(queue_url(c->queue), changes, n, &request);
    if (r >= 0)
        r = queue_call(c->queue, TAKE(request), 0, on_released, c, &c->call);
    if (r < 0)
        fail(c, r, "Cannot release messages");
}

/* --- Handling and deleting --- */

static void handle_next(struct consumer *c);

static void on_deleted(void *userdata, const struct sqs_result *result)
{
    struct consumer *c = userdata;
    const struct sqs_received_message *m = in_hand(c);

    c->call = NULL;
    if (result->reply) {
        c->n_deleted++;
        log_write(LOG_INFO, MESSAGE_ID_MESSAGE_DELETED,
                  LOG_FIELDS({"SQS_MESSAGE_ID", m->message_id},
                             {"SQS_MESSAGE_GROUP_ID", m->group_id},
                             {"SQS_REQUEST_ID", result->request_id}),
                  "Message deleted from queue.");
    } else {
        log_write(LOG_WARNING, NULL,
                  LOG_FIELDS({"SQS_MESSAGE_ID", m->message_id},
                             {"SQS_MESSAGE_GROUP_ID", m->group_id},
                             {"SQS_REQUEST_ID", result->request_id},
                             {"SQS_ERROR_CODE", result->error->code}),
                  "Message %s cannot be deleted, it will come back: %s: %s", m->message_id,
                  result->error->name, result->error->message);
    }
    show_status(c);
    c->index++;
    handle_next(c);
}

static void delete_in_hand(struct consumer *c)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r = sqs_request_delete_message(queue_url(c->queue), in_hand(c)->receipt_handle, &request);

    if (r >= 0)
        r = queue_call(c->queue, TAKE(request), 0, on_deleted, c, &c->call);
    if (r < 0)
        fail(c, r, "Cannot delete a message");
}

/* The message in hand is to come back: so must those after it in its group, or they overtake it. */
static void leave_group(struct consumer *c)
{
    const char *group = in_hand(c)->group_id;

    c->is_left[c->index] = true;
    for (size_t i = c->index + 1; group && i < c->reply->n_messages; i++)
        if (c->reply->messages[i].group_id && streq(c->reply->messages[i].group_id, group))
            c->is_left[i] = true;
}

static void on_handled(void *userdata, enum handler_outcome outcome)
{
    struct consumer *c = userdata;
    const struct sqs_received_message *m = in_hand(c);

    c->is_handling = false;
    switch (outcome) {
    case HANDLER_REJECT:
        log_write(LOG_ERR, MESSAGE_ID_MESSAGE_REJECTED,
                  LOG_FIELDS({"SQS_MESSAGE_ID", m->message_id},
                             {"SQS_MESSAGE_GROUP_ID", m->group_id}, {"SQS_BODY", m->body}),
                  "Message %s is rejected and will be deleted.", m->message_id);
        delete_in_hand(c);
        break;
    case HANDLER_DONE:
        delete_in_hand(c);
        break;
    case HANDLER_RETRY:
        leave_group(c);
        c->index++;
        handle_next(c);
        break;
    }
}

static void handle_next(struct consumer *c)
{
    uint64_t now = 0;
    int r;

    while (c->index < c->reply->n_messages && c->is_left[c->index])
        c->index++;
    if (c->index == c->reply->n_messages) {
        go_on(c, c->config->consumer.receive_interval_usec);
        return;
    }
    if (service_is_stopping(c->service)) {
        release_rest(c);
        return;
    }
    sd_event_now(service_event(c->service), CLOCK_BOOTTIME, &now);
    if (now >= c->lease_end_usec) {
        log_warning(
            "The visibility timeout of %zu received messages has ended before they could be "
            "handled; they come back.",
            c->reply->n_messages - c->index);
        go_on(c, c->config->consumer.receive_interval_usec);
        return;
    }
    c->is_handling = true;
    r = c->handler->ops->run(c->handler, in_hand(c), on_handled, c);
    if (r < 0)
        fail(c, r, "Cannot handle a message");
}

/* --- Receiving --- */

static void on_received(void *userdata, const struct sqs_result *result)
{
    struct consumer *c = userdata;

    c->call = NULL;
    c->is_receiving = false;
    if (!result->reply) {
        if (!service_is_stopping(c->service))
            log_write(LOG_ERR, NULL,
                      LOG_FIELDS({"SQS_REQUEST_ID", result->request_id},
                                 {"SQS_ERROR_CODE", result->error->code}),
                      "ReceiveMessage is refused, trying again: %s: %s", result->error->name,
                      result->error->message);
        go_on(c, CONSUMER_REFUSED_PAUSE_USEC);
        return;
    }
    c->reply = sqs_reply_ref(result->reply);
    c->index = 0;
    memset(c->is_left, 0, sizeof(c->is_left));
    c->lease_end_usec = result->sent_usec + c->visibility_sec * USEC_PER_SEC;
    c->n_received += c->reply->n_messages;
    c->n_empty_in_a_row = c->reply->n_messages > 0 ? 0 : c->n_empty_in_a_row + 1;
    log_write(LOG_INFO, NULL, LOG_FIELDS({"SQS_REQUEST_ID", result->request_id}),
              "Number of messages received: %zu", c->reply->n_messages);
    show_status(c);
    handle_next(c);
}

static void receive(struct consumer *c)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    uint64_t wait_usec = c->config->consumer.wait_time_usec;
    int r = sqs_request_receive_message(
        queue_url(c->queue),
        &(struct sqs_receive){
            .max_messages = c->config->consumer.max_messages,
            .wait_sec = (unsigned)(wait_usec / USEC_PER_SEC),
            /* Said each time, so that the lease is known even if the queue's default changes. */
            .visibility_sec = (int)c->visibility_sec,
        },
        &request);

    if (r >= 0)
        r = queue_call(c->queue, TAKE(request), wait_usec, on_received, c, &c->call);
    if (r < 0) {
        fail(c, r, "Cannot receive");
        return;
    }
    c->is_receiving = true;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    receive(userdata);
    return 0;
}

/* --- Life --- */

static void on_opened(void *userdata)
{
    struct consumer *c = userdata;

    /* A queue whose default is 0 hides nothing from other consumers: take SQS's own default then.
     */
    c->visibility_sec = queue_attributes(c->queue)->visibility_timeout_sec;
    if (c->visibility_sec == 0)
        c->visibility_sec = 30;
    show_status(c);
    pause_for(c, c->config->consumer.start_delay_usec);
}

static void on_stop(void *userdata)
{
    struct consumer *c = userdata;

    if (c->is_receiving) {
        service_status(c->service, "Stopping: waiting for the receive under way");
        sqs_call_last_attempt(c->call);
    } else if (!c->call && !c->is_handling) {
        end(c, "");
    }
}

int consumer_new(struct service *service, const struct config *config, struct consumer **ret,
                 char **error)
{
    CLEANUP(consumer_free) struct consumer *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->service = service;
    c->config = config;
    r = handler_journal_new(&c->handler);
    if (r >= 0)
        r = sd_event_add_time_relative(service_event(service), &c->timer, CLOCK_BOOTTIME, 0,
                                       USEC_PER_MSEC, on_timer, c);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    r = queue_open(service, config, "sqs-consumerd", on_opened, c, &c->queue, error);
    if (r != 0)
        return r < 0 ? r : CONSUMER_E_CONFIG;
    service_on_stop(service, &(struct service_stop){
                                 .timeout_usec = config->consumer.stop_timeout_usec,
                                 .begin = on_stop,
                                 .userdata = c,
                             });
    *ret = TAKE(c);
    return 0;
}

struct consumer *consumer_free(struct consumer *c)
{
    if (!c)
        return NULL;
    queue_free(c->queue);
    sqs_reply_unref(c->reply);
    sd_event_source_disable_unref(c->timer);
    if (c->handler)
        handler_free(c->handler);
    free(c);
    return NULL;
}
