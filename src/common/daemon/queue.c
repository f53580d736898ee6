/* See queue.h. Failures that are retried are not logged one by one: trouble.h says which are. */
#include "queue.h"

#include <errno.h>
#include <stdio.h>

#include "aws-settings.h"
#include "credentials-chain.h"
#include "exposed-keys.h"
#include "log.h"
#include "loop-clock.h"
#include "message-ids.h"
#include "remedy.h"
#include "refresher.h"
#include "trouble.h"

struct queue {
    struct service *service;
    const struct config *config;
    struct queue_url *parsed_url;
    struct aws_settings *settings;
    struct credentials_chain *credentials;
    struct http_client *http;
    struct sqs_client *client;
    struct refresher *refresher; /* once it is open */
    struct sqs_call *opening;
    sd_event_source *reopen_timer;
    bool is_open;
    struct sqs_queue_attributes attributes;
    struct queue_options options;

    struct troubles troubles; /* by the operation for one message */
    struct stall {
        uint64_t last_usec;
        enum sqs_stall how;
    } stalls[SQS_N_OPERATIONS]; /* the same; since the last answer that shows an end */
};

/* For so long after a reply with messages has stalled, empty ones do not end the trouble. */
#define STALL_MEMORY_USEC (60 * USEC_PER_SEC)

/* --- Trouble, and its end --- */

static uint64_t now_usec(struct queue *queue)
{
    return loop_now_usec(service_event(queue->service));
}

/* All places were looked at, and none is set up: the error's text is their list. */
static bool is_nowhere_a_key(const struct sqs_error *error)
{
    return streq(error->name, SQS_ERROR_NO_CREDENTIALS) ||
           streq(error->name, SQS_ERROR_NO_CREDENTIALS_YET);
}

static const char *message_id_of(const struct sqs_error *error)
{
    if (streq(error->name, SQS_ERROR_NO_CREDENTIALS) ||
        streq(error->name, SQS_ERROR_CREDENTIALS_FAILED))
        return MESSAGE_ID_CREDENTIALS_MISSING;
    if (error->class == SQS_ERROR_CREDENTIALS)
        return MESSAGE_ID_CREDENTIALS_REFUSED;
    if (streq(error->name, "QueueDoesNotExist"))
        return MESSAGE_ID_QUEUE_MISSING;
    if (streq(error->name, "AccessDeniedException"))
        return MESSAGE_ID_ACCESS_DENIED;
    return MESSAGE_ID_QUEUE_UNREACHABLE;
}

/* "QueueDoesNotExist: The specified queue does not exist." */
static void describe(const struct sqs_error *error, struct buffer *b)
{
    if (is_nowhere_a_key(error)) {
        buffer_append_string(b, "no AWS credentials were found");
        if (streq(error->name, SQS_ERROR_NO_CREDENTIALS_YET))
            buffer_append_string(b, ", and the instance metadata service does not answer (yet)");
        return;
    }
    /* A name without a code is one of our own: the text says the same. */
    if (error->name[0] && error->code[0])
        buffer_printf(b, "%s", error->name);
    else if (error->http_status > 0)
        buffer_printf(b, "HTTP status %d", error->http_status);
    if (error->message[0])
        buffer_printf(b, "%s%s", b->size > 0 ? ": " : "", error->message);
}

static void log_trouble(struct queue *queue, int priority, enum sqs_operation operation,
                        const struct sqs_error *error, const char *request_id, const char *lead,
                        const char *tail)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(4096);
    const char *help = remedy_of(operation, error);

    describe(error, &text);
    if (operation == SQS_RECEIVE_MESSAGE && error->stall >= SQS_STALL_WAIT)
        buffer_append_string(&text, "; messages may have been given out and lost on the way, and "
                                    "come back when their visibility timeout ends");
    if (help && text.size > 0 && text.data[text.size - 1] == '.')
        text.data[--text.size] = '\0';
    if (help)
        buffer_printf(&text, "; to mend it: %s", help);
    /* The list of places is long: all else goes before it. */
    if (is_nowhere_a_key(error))
        buffer_printf(&text, ". Looked at %s", error->message);
    log_write(priority, message_id_of(error),
              LOG_FIELDS({"SQS_ERROR_CODE", error->code}, {"SQS_REQUEST_ID", request_id},
                         {"SQS_OPERATION", sqs_operation_name(operation)}),
              "%s: %s%s", lead, buffer_string(&text), tail);
}

static void show_trouble(struct queue *queue)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(4096);
    const char *cause = troubles_text(&queue->troubles);

    if (cause)
        buffer_printf(&text, "Waiting for the queue: %s", cause);
    service_trouble(queue->service, cause ? buffer_string(&text) : NULL);
}

static void on_attempt_failed(void *userdata, const struct sqs_attempt *attempt)
{
    struct queue *queue = userdata;
    enum sqs_operation kind = sqs_operation_single(attempt->operation);
    const struct trouble *trouble = &queue->troubles.of[kind];
    const char *operation = sqs_operation_name(attempt->operation);
    CLEANUP(buffer_done) struct buffer cause = BUFFER_INIT(4096);
    uint64_t now = now_usec(queue);
    char lead[128], tail[160];
    bool is_worth_a_line;

    log_debug("%s failed (attempt %u), trying again in %.3f s: %s %s", operation, attempt->attempt,
              (double)attempt->delay_usec / USEC_PER_SEC, attempt->error->name,
              attempt->error->message);

    /* An attempt that is repeated at once is not worth a line: clock and keys are being mended. */
    if (attempt->delay_usec == 0)
        return;
    describe(attempt->error, &cause);
    if (attempt->error->stall != SQS_STALL_NONE)
        queue->stalls[kind] = (struct stall){now, attempt->error->stall};
    is_worth_a_line =
        troubles_add(&queue->troubles, kind, attempt->error, buffer_string(&cause), now);
    show_trouble(queue);
    /* For a minute, a start without keys is neither begun nor failed. */
    if (!queue->is_open && (queue->options.keep_trying ||
                            !streq(attempt->error->name, SQS_ERROR_NO_CREDENTIALS_YET)))
        service_ready(queue->service);
    if (!is_worth_a_line)
        return;
    snprintf(lead, sizeof(lead), "%s failed", operation);
    if (trouble->failures > 1)
        snprintf(tail, sizeof(tail), " (failed %u times in %.0f s; still trying)",
                 trouble->failures, (double)(now - trouble->since_usec) / USEC_PER_SEC);
    else
        snprintf(tail, sizeof(tail), " (trying again)");
    log_trouble(queue, LOG_WARNING, attempt->operation, attempt->error, attempt->request_id, lead,
                tail);
}

/* Whether that answer shows nothing about the stall of others: an empty receive gets through where
 * a reply with messages did not. */
static bool is_no_end_of_stall(const struct stall *stall, const struct sqs_reply *reply)
{
    return stall->how == SQS_STALL_RECEIVE && reply && reply->operation == SQS_RECEIVE_MESSAGE &&
           reply->n_messages == 0;
}

static void on_answered(void *userdata, enum sqs_operation operation, const struct sqs_reply *reply)
{
    struct queue *queue = userdata;
    enum sqs_operation kind = sqs_operation_single(operation);
    struct stall *stall = &queue->stalls[kind];
    struct trouble ended;

    if (is_no_end_of_stall(stall, reply)) {
        if (now_usec(queue) - stall->last_usec > STALL_MEMORY_USEC) {
            *stall = (struct stall){};
            (void)troubles_end(&queue->troubles, kind, &ended);
            show_trouble(queue);
        }
        return;
    }
    *stall = (struct stall){};
    if (troubles_end(&queue->troubles, kind, &ended)) {
        /* Where others still fail, the operation is named. */
        bool is_all = !troubles_text(&queue->troubles);

        log_write(LOG_NOTICE, MESSAGE_ID_QUEUE_REACHABLE,
                  LOG_FIELDS({"SQS_OPERATION", sqs_operation_name(operation)}),
                  "The queue answers %s%sagain, after %u failed attempts in %.1f s.",
                  is_all ? "" : sqs_operation_name(operation), is_all ? "" : " ", ended.failures,
                  (double)(now_usec(queue) - ended.since_usec) / USEC_PER_SEC);
    }
    show_trouble(queue);
}

static void on_given_up(void *userdata, enum sqs_operation operation)
{
    struct queue *queue = userdata;
    struct trouble ended;

    /* The messages of a request that stalled go on in others. */
    if (queue->stalls[operation].how != SQS_STALL_NONE && !service_is_stopping(queue->service))
        return;
    (void)troubles_end(&queue->troubles, operation, &ended);
    show_trouble(queue);
}

static void on_skew_changed(void *userdata, enum clock_skew_change change, int64_t skew_sec)
{
    if (change == CLOCK_SKEW_ENDED)
        log_notice("This machine's clock agrees with AWS's again: signing with it as it is.");
    else if (change == CLOCK_SKEW_DROPPED)
        log_warning("Signing with the time that a server had told did not help: signing with this "
                    "machine's clock again.");
    else
        log_write(LOG_WARNING, MESSAGE_ID_CLOCK_SKEW, LOG_NO_FIELDS,
                  "This machine's clock is %lld s %s AWS's: signing with the difference; set the "
                  "clock (timedatectl).",
                  (long long)llabs(skew_sec), skew_sec > 0 ? "behind" : "ahead of");
}

/* --- Opening --- */

static void keep_attributes(struct queue *queue, const struct sqs_queue_attributes *attributes)
{
    queue->attributes = *attributes;
    queue->attributes.redrive_policy = NULL; /* the reply's */
}

static void on_refreshed(void *userdata, const struct sqs_queue_attributes *attributes)
{
    struct queue *queue = userdata;
    size_t bytes_before = queue->attributes.maximum_message_bytes;

    if (attributes && attributes->is_told)
        keep_attributes(queue, attributes);
    if (queue->attributes.maximum_message_bytes != bytes_before)
        log_notice("The queue's maximum message size has changed from %zu to %zu bytes.",
                   bytes_before, queue->attributes.maximum_message_bytes);
    if (queue->options.refreshed)
        queue->options.refreshed(queue->options.userdata);
}

static void opened(struct queue *queue, const struct sqs_queue_attributes *attributes)
{
    int r = refresher_new(service_event(queue->service), queue->client,
                          queue->config->aws.queue_url, on_refreshed, queue, &queue->refresher);

    if (r < 0)
        log_warning("Cannot ask for the queue's attributes again later: %s.", strerror(-r));
    keep_attributes(queue, attributes);
    queue->is_open = true;
    service_ready(queue->service);
    queue->options.opened(queue->options.userdata);
}

static int exit_status_of(const struct sqs_error *error)
{
    if (error->class == SQS_ERROR_CREDENTIALS || error->class == SQS_ERROR_CLOCK)
        return EX_NOPERM;
    return EX_UNAVAILABLE;
}

static int start_opening(struct queue *queue);

static int on_reopen(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct queue *queue = userdata;
    int r = start_opening(queue);

    if (r < 0) {
        log_error("Cannot ask for the queue: %s.", strerror(-r));
        service_exit(queue->service, EX_OSERR);
    }
    return 0;
}

/* SQS has said no for good, or a person must help. */
static void not_opened(struct queue *queue, const struct sqs_result *result)
{
    CLEANUP(buffer_done) struct buffer cause = BUFFER_INIT(4096), shown = BUFFER_INIT(4096);

    describe(result->error, &cause);
    if (queue->options.keep_trying &&
        sd_event_source_set_time_relative(queue->reopen_timer, QUEUE_REOPEN_INTERVAL_USEC) >= 0 &&
        sd_event_source_set_enabled(queue->reopen_timer, SD_EVENT_ONESHOT) >= 0) {
        buffer_printf(&shown, "Waiting for the queue: %s", buffer_string(&cause));
        service_trouble(queue->service, buffer_string(&shown));
        log_trouble(queue, LOG_ERR, SQS_GET_QUEUE_ATTRIBUTES, result->error, result->request_id,
                    "Cannot open the queue", " (trying again in a minute)");
        return;
    }
    service_trouble(queue->service, NULL);
    service_status(queue->service, "Failed: %s", buffer_string(&cause));
    log_trouble(queue, LOG_ERR, SQS_GET_QUEUE_ATTRIBUTES, result->error, result->request_id,
                "Cannot start", "");
    service_exit(queue->service, exit_status_of(result->error));
}

static void on_attributes(void *userdata, const struct sqs_result *result)
{
    struct queue *queue = userdata;
    const struct sqs_queue_attributes defaults = {
        .is_fifo = queue->parsed_url->is_fifo,
        .visibility_timeout_sec = 30,
        .maximum_message_bytes = SQS_MESSAGE_MAX_BYTES,
    };

    queue->opening = NULL;
    if (result->reply) {
        opened(queue, &result->reply->attributes);
    } else if (streq(result->error->name, "AccessDeniedException")) {
        log_trouble(queue, LOG_WARNING, SQS_GET_QUEUE_ATTRIBUTES, result->error, result->request_id,
                    "GetQueueAttributes is denied, going on without it", "");
        opened(queue, &defaults);
    } else {
        not_opened(queue, result);
    }
}

static int start_opening(struct queue *queue)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r = sqs_request_get_queue_attributes(queue->config->aws.queue_url, &request);

    if (r < 0)
        return r;
    return sqs_client_call(queue->client, TAKE(request),
                           &(struct sqs_call_options){
                               .keep_trying = queue->options.keep_trying,
                               .is_denial_final = true,
                           },
                           on_attributes, queue, &queue->opening);
}

/* --- Set-up --- */

static int resolve(struct queue *queue, char **error)
{
    int r = queue_url_parse(queue->config->aws.queue_url, &queue->parsed_url, error);

    return r != 0 ? r : aws_settings_read(queue->config, &queue->settings, error);
}

static int set_up_client(struct queue *queue)
{
    const struct config *config = queue->config;
    sd_event *event = service_event(queue->service);
    char user_agent[64];
    int r;

    snprintf(user_agent, sizeof(user_agent), "%s/" PROJECT_VERSION, queue->options.name);
    r = http_client_new(event,
                        &(struct http_client_options){
                            .user_agent = user_agent,
                            .ca_bundle = queue->settings->ca_bundle,
                            .connect_timeout_usec = config->aws.connect_timeout_usec,
                            .reply_memory_bytes = queue->options.reply_memory_bytes,
                            .replied = queue->options.replied,
                            .userdata = queue->options.userdata,
                        },
                        &queue->http);
    if (r < 0)
        return r;
    r = credentials_chain_new(event, queue->http,
                              &(struct credentials_chain_options){
                                  .profile = config->aws.profile,
                                  .region = queue->settings->endpoint->region,
                                  .sts_endpoint_url = queue->settings->sts_endpoint_url,
                                  .use_fips = queue->settings->use_fips,
                                  .use_dualstack = queue->settings->use_dualstack,
                              },
                              &queue->credentials);
    if (r < 0)
        return r;
    return sqs_client_new(event, queue->http, credentials_chain_credentials(queue->credentials),
                          queue->settings->endpoint, config->aws.request_timeout_usec,
                          &(struct sqs_client_observer){
                              .attempt_failed = on_attempt_failed,
                              .answered = on_answered,
                              .given_up = on_given_up,
                              .skew_changed = on_skew_changed,
                              .userdata = queue,
                          },
                          &queue->client);
}

int queue_open(struct service *service, const struct config *config,
               const struct queue_options *options, struct queue **ret, char **error)
{
    CLEANUP(queue_free) struct queue *queue = calloc(1, sizeof(*queue));
    int r;

    if (!queue)
        return -ENOMEM;
    queue->service = service;
    queue->config = config;
    queue->options = *options;
    r = resolve(queue, error);
    if (r != 0)
        return r < 0 ? r : QUEUE_E_CONFIG;
    exposed_keys_warn();
    r = set_up_client(queue);
    if (r >= 0)
        r = sd_event_add_time(service_event(service), &queue->reopen_timer, CLOCK_BOOTTIME,
                              USEC_INFINITY, USEC_PER_SEC, on_reopen, queue);
    if (r >= 0)
        r = sd_event_source_set_enabled(queue->reopen_timer, SD_EVENT_OFF);
    if (r >= 0)
        r = start_opening(queue);
    if (r < 0)
        return r;
    *ret = TAKE(queue);
    return 0;
}

struct queue *queue_free(struct queue *queue)
{
    if (!queue)
        return NULL;
    sd_event_source_disable_unref(queue->reopen_timer);
    refresher_free(queue->refresher);
    sqs_client_free(queue->client);
    credentials_chain_free(queue->credentials);
    http_client_free(queue->http);
    aws_settings_free(queue->settings);
    queue_url_free(queue->parsed_url);
    free(queue);
    return NULL;
}

const char *queue_url(const struct queue *queue)
{
    return queue->config->aws.queue_url;
}

bool queue_is_fifo(const struct queue *queue)
{
    return queue->parsed_url->is_fifo;
}

bool queue_is_open(const struct queue *queue)
{
    return queue->is_open;
}

const struct sqs_queue_attributes *queue_attributes(const struct queue *queue)
{
    return &queue->attributes;
}

const char *queue_keys_source(struct queue *queue)
{
    const struct aws_credentials *keys =
        credentials_peek(credentials_chain_credentials(queue->credentials));

    return keys ? keys->source : NULL;
}

bool queue_refresh(struct queue *queue)
{
    return queue->refresher && refresher_ask(queue->refresher);
}

void queue_set_held(struct queue *queue, size_t bytes)
{
    http_client_set_held(queue->http, bytes);
}

const char *queue_what_hangs(const struct queue *queue, uint64_t now_usec)
{
    return sqs_client_what_hangs(queue->client, now_usec);
}

int queue_call(struct queue *queue, struct sqs_request *request,
               const struct sqs_call_options *options, sqs_done_fn done, void *userdata,
               struct sqs_call **ret)
{
    struct sqs_call_options persistent = *options;

    persistent.keep_trying = true;
    return sqs_client_call(queue->client, request, &persistent, done, userdata, ret);
}
