/* See producer.h. What stands in `message` is on its way to SQS, in `call`; nothing else is. On a
 * stop it is brought to its end, and no other is taken from the source. */
#include "producer.h"

#include <errno.h>
#include <inttypes.h>

#include "log.h"
#include "message-ids.h"
#include "source.h"

struct producer {
    struct service *service;
    const struct config *config;
    struct queue *queue;
    struct source *source;
    const struct source_message *message;
    struct sqs_call *call;
    uint64_t n_sent, n_rejected;
};

static void show_status(struct producer *p)
{
    if (p->config->producer.messages_to_send > 0)
        service_status(p->service, "Sent %" PRIu64 " of %" PRIu64, p->n_sent,
                       p->config->producer.messages_to_send);
    else
        service_status(p->service, "Sent %" PRIu64, p->n_sent);
}

static void end(struct producer *p)
{
    log_write(LOG_INFO, MESSAGE_ID_FINISHED, LOG_NO_FIELDS, "Terminated!");
    service_exit(p->service, EXIT_SUCCESS);
}

static void fail(struct producer *p, int error, const char *what)
{
    log_error("%s: %s.", what, strerror(-error));
    service_exit(p->service, EX_OSERR);
}

static void settle(struct producer *p, enum source_settlement settlement, const char *reason)
{
    const struct source_message *message = TAKE(p->message);

    p->source->ops->settle(p->source, message, settlement, reason);
}

static void log_sent(struct producer *p, const struct sqs_result *result)
{
    const struct sqs_message *m = &p->message->message;

    log_write(LOG_INFO, MESSAGE_ID_MESSAGE_SENT,
              LOG_FIELDS({"SQS_MESSAGE_ID", result->reply->message_id},
                         {"SQS_MESSAGE_GROUP_ID", m->group_id},
                         {"SQS_MESSAGE_DEDUPLICATION_ID", m->deduplication_id},
                         {"SQS_SEQUENCE_NUMBER", result->reply->sequence_number},
                         {"SQS_REQUEST_ID", result->request_id}),
              "SQS Response: Status:%d SQS Message Id:%s", result->http_status,
              result->reply->message_id);
}

static void log_rejected(struct producer *p, const struct sqs_result *result)
{
    log_write(LOG_ERR, MESSAGE_ID_MESSAGE_REJECTED,
              LOG_FIELDS({"SQS_MESSAGE_GROUP_ID", p->message->message.group_id},
                         {"SQS_REQUEST_ID", result->request_id},
                         {"SQS_ERROR_CODE", result->error->code}),
              "SQS rejects the message with id %s, it is not sent: %s: %s", p->message->id,
              result->error->name, result->error->message);
}

static void send_next(void *userdata);

static void on_answer(void *userdata, const struct sqs_result *result)
{
    struct producer *p = userdata;

    p->call = NULL;
    if (result->reply) {
        log_sent(p, result);
        p->n_sent++;
        show_status(p);
        settle(p, SOURCE_SENT, NULL);
    } else {
        log_rejected(p, result);
        p->n_rejected++;
        settle(p, SOURCE_REJECTED, result->error->message);
    }
    send_next(p);
}

static int send_message(struct producer *p)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r = sqs_request_send_message(queue_url(p->queue), &p->message->message, &request);

    if (r < 0)
        return r;
    log_write(LOG_INFO, NULL,
              LOG_FIELDS({"SQS_MESSAGE_GROUP_ID", p->message->message.group_id},
                         {"SQS_MESSAGE_DEDUPLICATION_ID", p->message->message.deduplication_id}),
              "Sending message with id %s...", p->message->id);
    return queue_call(p->queue, TAKE(request), 0, on_answer, p, &p->call);
}

/* Also the source's `ready`. */
static void send_next(void *userdata)
{
    struct producer *p = userdata;
    int r;

    if (p->message)
        return;
    if (service_is_stopping(p->service)) {
        end(p);
        return;
    }
    r = p->source->ops->next(p->source, &p->message);
    if (r == SOURCE_E_END)
        end(p);
    else if (r == 0)
        r = send_message(p);
    if (r < 0)
        fail(p, r, "Cannot send");
}

static void on_opened(void *userdata)
{
    struct producer *p = userdata;
    int r = source_demo_new(service_event(p->service), p->config, queue_is_fifo(p->queue),
                            send_next, p, &p->source);

    if (r < 0) {
        fail(p, r, "Cannot start");
        return;
    }
    show_status(p);
    send_next(p);
}

static void on_stop(void *userdata)
{
    struct producer *p = userdata;

    if (!p->message)
        end(p);
}

int producer_new(struct service *service, const struct config *config, struct producer **ret,
                 char **error)
{
    CLEANUP(producer_free) struct producer *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return -ENOMEM;
    p->service = service;
    p->config = config;
    r = queue_open(service, config, "sqs-producerd", on_opened, p, &p->queue, error);
    if (r != 0)
        return r < 0 ? r : PRODUCER_E_CONFIG;
    service_on_stop(service, &(struct service_stop){
                                 .timeout_usec = config->producer.stop_timeout_usec,
                                 .begin = on_stop,
                                 .userdata = p,
                             });
    *ret = TAKE(p);
    return 0;
}

struct producer *producer_free(struct producer *p)
{
    if (!p)
        return NULL;
    queue_free(p->queue);
    if (p->source)
        source_free(p->source);
    free(p);
    return NULL;
}
