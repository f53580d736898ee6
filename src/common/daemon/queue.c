/* SPDX-License-Identifier: MIT */
/* Opens the queue, and logs how its operations fail and recover. Failures that are retried are not
 * all logged: failure-log.h decides which. */
#include "daemon/queue.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/failure-log.h"
#include "daemon/failure.h"
#include "daemon/message-ids.h"
#include "daemon/queue-client.h"
#include "daemon/shared-files.h"
#include "sqs/attributes-refresher.h"
#include "sqs/permission-prober.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/timer.h"

struct queue {
    struct service *service;
    const struct config *config;
    struct queue_client *client;
    struct attributes_refresher *refresher; /* NULL until the queue has answered */
    struct permissions permissions;
    struct permission_prober *prober;
    struct sqs_call *opening;
    struct timer reopen_timer;
    bool is_open;
    bool is_denied; /* a denial counts, and the daemon ends */
    struct sqs_queue_attributes attributes;
    struct queue_options options;

    struct operation_failures failures;     /* indexed by the operation for one message */
    bool is_probe_denied[SQS_N_OPERATIONS]; /* the same index: `failures` has a probe's denial */
    struct stall {
        uint64_t last_usec;
        enum sqs_stall how;
    } stalls[SQS_N_OPERATIONS]; /* the same index: the last stall that is not known to be over */
};

/* For this long after a reply with messages has stalled, empty replies do not end the failure. */
#define STALL_MEMORY_USEC (60 * USEC_PER_SEC)
/* The longest delays are QUEUE_REOPEN_INTERVAL_USEC and BACKOFF_SLOW_CAP_USEC, but for some seconds
 * that a server may ask for. */
#define WAITING "Waiting for the queue (trying again within a minute): %s"

/* --- Failures and recovery --- */

static uint64_t now_usec(struct queue *queue)
{
    return clock_loop_usec(service_event(queue->service));
}

static void show_problem(struct queue *queue)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(4096);
    const char *cause = operation_failures_text(&queue->failures);

    if (cause)
        buffer_printf(&text, WAITING, cause);
    service_problem(queue->service, cause ? buffer_string(&text) : NULL);
}

/* A denial counts, so only a person can help. */
static void fail_for_denial(struct queue *queue, enum sqs_operation operation,
                            const struct sqs_error *error, const char *request_id)
{
    CLEANUP(buffer_done) struct buffer cause = BUFFER_INIT(4096);

    queue->is_denied = true;
    failure_describe(&cause, operation, error);
    service_problem(queue->service, NULL);
    service_status(queue->service, "Failed: %s", buffer_string(&cause));
    failure_write(LOG_ERR, operation, error, request_id,
                  queue->is_open ? "Cannot go on" : "Cannot start", "");
}

/* A real request was denied. True: the daemon ends because of it. */
static bool ends_for_denial(struct queue *queue, const struct sqs_attempt *attempt)
{
    if (!sqs_error_is_denial(attempt->error) ||
        !permissions_denied(&queue->permissions, attempt->operation, now_usec(queue)) ||
        queue->options.keep_trying || service_is_stopping(queue->service))
        return false;
    if (!queue->is_denied) {
        fail_for_denial(queue, attempt->operation, attempt->error, attempt->request_id);
        service_exit_unfinished(queue->service, failure_exit_status(attempt->error));
    }
    return true;
}

static void on_attempt_failed(void *userdata, const struct sqs_attempt *attempt)
{
    struct queue *queue = userdata;
    enum sqs_operation kind = sqs_operation_single(attempt->operation);
    const struct failure_log *log = &queue->failures.of[kind];
    const char *operation = sqs_operation_name(attempt->operation);
    CLEANUP(buffer_done) struct buffer cause = BUFFER_INIT(4096);
    uint64_t now = now_usec(queue);
    char lead[128], tail[160];
    bool is_worth_a_line;

    log_debug("%s failed (attempt %u), trying again in %.3f s: %s %s", operation, attempt->attempt,
              (double)attempt->delay_usec / USEC_PER_SEC, attempt->error->name,
              attempt->error->message);

    /* An attempt that is repeated at once is not logged: the clock difference or the credentials
     * are being corrected. */
    if (attempt->delay_usec == 0 || ends_for_denial(queue, attempt))
        return;
    failure_describe(&cause, attempt->operation, attempt->error);
    if (attempt->error->stall != SQS_STALL_NONE)
        queue->stalls[kind] = (struct stall){now, attempt->error->stall};
    is_worth_a_line =
        operation_failures_add(&queue->failures, kind, attempt->error, buffer_string(&cause), now);
    show_problem(queue);
    /* While credentials may still appear, in the first minute, the start has neither succeeded nor
     * failed. */
    if (!queue->is_open &&
        (queue->options.keep_trying || !streq(attempt->error->name, SQS_ERROR_NO_CREDENTIALS_YET)))
        service_ready(queue->service);
    if (!is_worth_a_line)
        return;
    snprintf(lead, sizeof(lead), "%s failed", operation);
    if (log->failures > 1)
        snprintf(tail, sizeof(tail), " (failed %u times in %.0f s; still trying)", log->failures,
                 (double)(now - log->since_usec) / USEC_PER_SEC);
    else
        snprintf(tail, sizeof(tail), " (trying again)");
    failure_write(LOG_WARNING, attempt->operation, attempt->error, attempt->request_id, lead, tail);
}

/* Whether the answer does not show that a stall is over: an empty receive can succeed when a reply
 * with messages cannot. */
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
    struct failure_log ended;

    if (reply)
        permissions_proven(&queue->permissions, operation);
    if (is_no_end_of_stall(stall, reply)) {
        if (now_usec(queue) - stall->last_usec > STALL_MEMORY_USEC) {
            *stall = (struct stall){};
            (void)operation_failures_end(&queue->failures, kind, &ended);
            show_problem(queue);
        }
        return;
    }
    *stall = (struct stall){};
    if (operation_failures_end(&queue->failures, kind, &ended)) {
        /* If other operations still fail, the line names this one. */
        bool is_all = !operation_failures_text(&queue->failures);

        log_write(LOG_NOTICE, MESSAGE_ID_QUEUE_REACHABLE,
                  LOG_FIELDS({"SQS_OPERATION", sqs_operation_name(operation)}),
                  "The queue answers %s%sagain, after %u failed attempts in %.1f s.",
                  is_all ? "" : sqs_operation_name(operation), is_all ? "" : " ", ended.failures,
                  (double)(now_usec(queue) - ended.since_usec) / USEC_PER_SEC);
    }
    show_problem(queue);
}

static void on_retries_ended(void *userdata, enum sqs_operation operation)
{
    struct queue *queue = userdata;
    struct failure_log ended;

    /* The messages of a send or a receive that stalled go on in other requests, so the failure is
     * not over. */
    if ((operation == SQS_SEND_MESSAGE || operation == SQS_RECEIVE_MESSAGE) &&
        queue->stalls[operation].how != SQS_STALL_NONE && !service_is_stopping(queue->service))
        return;
    queue->stalls[operation].how = SQS_STALL_NONE;
    (void)operation_failures_end(&queue->failures, operation, &ended);
    show_problem(queue);
}

static void on_skew_changed(void *userdata, enum clock_skew_change change, int64_t skew_sec)
{
    if (change == CLOCK_SKEW_ENDED)
        log_notice("This machine's clock agrees with AWS's again: signing without a correction.");
    else if (change == CLOCK_SKEW_DROPPED)
        log_warning(
            "Signing with a server's time did not help: signing with this machine's clock again.");
    else
        log_write(LOG_WARNING, MESSAGE_ID_CLOCK_SKEW, LOG_NO_FIELDS,
                  "This machine's clock is %lld s %s AWS's: signing with the difference; set the "
                  "clock (timedatectl).",
                  (long long)llabs(skew_sec), skew_sec > 0 ? "behind" : "ahead of");
}

/* --- Opening --- */

static void on_refreshed(void *userdata, const struct sqs_queue_attributes *attributes)
{
    struct queue *queue = userdata;
    size_t bytes_before = queue->attributes.maximum_message_bytes;

    if (attributes && attributes->is_known)
        queue->attributes = *attributes;
    if (queue->attributes.maximum_message_bytes != bytes_before)
        log_notice("The queue's maximum message size has changed from %zu to %zu bytes.",
                   bytes_before, queue->attributes.maximum_message_bytes);
    if (queue->options.refreshed)
        queue->options.refreshed(queue->options.userdata);
}

static void begin(struct queue *queue)
{
    queue->is_open = true;
    service_ready(queue->service);
    queue->options.opened(queue->options.userdata);
}

static void on_probed(void *userdata, enum sqs_operation operation, enum permission_answer answer,
                      bool counts, const struct sqs_result *result)
{
    struct queue *queue = userdata;
    enum sqs_operation kind = sqs_operation_single(operation);
    CLEANUP(buffer_done) struct buffer cause = BUFFER_INIT(4096);

    /* An allowed probe ends only the failure of a denied probe. It does not show why real requests
     * fail. */
    if (answer == PERMISSION_ALLOWED) {
        bool was_denied = TAKE(queue->is_probe_denied[kind]);

        if (was_denied)
            on_answered(queue, operation, NULL);
    }
    if (answer != PERMISSION_DENIED)
        return;
    if (counts && !queue->options.keep_trying) {
        fail_for_denial(queue, operation, result->error, result->request_id);
        return;
    }
    queue->is_probe_denied[kind] = true;
    failure_describe(&cause, operation, result->error);
    if (operation_failures_add(&queue->failures, operation, result->error, buffer_string(&cause),
                               now_usec(queue)))
        failure_write(LOG_WARNING, operation, result->error, result->request_id,
                      queue->is_open ? "Messages will have to wait" : "Cannot begin yet",
                      queue->options.keep_trying
                          ? " (trying again)"
                          : " (trying again for 30 s: permissions take time to spread)");
    show_problem(queue);
}

static void on_all_probed(void *userdata)
{
    struct queue *queue = userdata;

    if (queue->is_open)
        return;
    if (queue->is_denied)
        service_exit(queue->service, EX_NOPERM);
    else if (permissions_count_denied(&queue->permissions, now_usec(queue)) == 0)
        begin(queue);
}

/* With keep_trying the daemon begins its work without waiting for the probes. */
static void opened(struct queue *queue, const struct sqs_queue_attributes *attributes)
{
    int r = attributes_refresher_new(service_event(queue->service), queue->client->sqs,
                                     queue->config->aws.queue_url, on_refreshed, queue,
                                     &queue->refresher);

    if (r < 0)
        log_warning("The queue's attributes cannot be refreshed later: %s.", strerror(-r));
    queue->attributes = *attributes;
    if (queue->options.keep_trying)
        begin(queue);
    if (!permission_prober_ask(queue->prober) && !queue->is_open)
        begin(queue);
}

static int start_opening(struct queue *queue);

static void on_reopen(void *userdata)
{
    struct queue *queue = userdata;
    int r = start_opening(queue);

    if (r < 0) {
        log_error("Cannot ask SQS for the queue's attributes: %s.", strerror(-r));
        service_exit(queue->service, EX_OSERR);
    }
}

/* SQS has refused finally, or a person must help. */
static void not_opened(struct queue *queue, const struct sqs_result *result)
{
    CLEANUP(buffer_done) struct buffer cause = BUFFER_INIT(4096), shown = BUFFER_INIT(4096);

    failure_describe(&cause, SQS_GET_QUEUE_ATTRIBUTES, result->error);
    if (queue->options.keep_trying &&
        timer_set_after(&queue->reopen_timer, QUEUE_REOPEN_INTERVAL_USEC) >= 0) {
        buffer_printf(&shown, WAITING, buffer_string(&cause));
        service_problem(queue->service, buffer_string(&shown));
        failure_write(LOG_ERR, SQS_GET_QUEUE_ATTRIBUTES, result->error, result->request_id,
                      "Cannot open the queue", " (trying again in a minute)");
        return;
    }
    service_problem(queue->service, NULL);
    service_status(queue->service, "Failed: %s", buffer_string(&cause));
    failure_write(LOG_ERR, SQS_GET_QUEUE_ATTRIBUTES, result->error, result->request_id,
                  "Cannot start", "");
    service_exit(queue->service, failure_exit_status(result->error));
}

static void on_attributes(void *userdata, const struct sqs_result *result)
{
    struct queue *queue = userdata;
    const struct sqs_queue_attributes defaults = {
        .visibility_timeout_sec = 30,
        .maximum_message_bytes = SQS_MESSAGE_MAX_BYTES,
        .visible_messages = UINT64_MAX,
    };

    queue->opening = NULL;
    if (result->reply) {
        opened(queue, &result->reply->attributes);
    } else if (sqs_error_is_denial(result->error)) {
        failure_write(LOG_WARNING, SQS_GET_QUEUE_ATTRIBUTES, result->error, result->request_id,
                      "Going on without the queue's attributes", "");
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
    return sqs_client_call(queue->client->sqs, TAKE(request),
                           &(struct sqs_call_options){
                               .keep_trying = queue->options.keep_trying,
                               .is_denial_final = true,
                           },
                           on_attributes, queue, &queue->opening);
}

/* --- Set-up --- */

static int set_up_client(struct queue *queue, char **error)
{
    return queue_client_new(service_event(queue->service), queue->config,
                            &(struct queue_client_options){
                                .name = queue->options.name,
                                .reply_memory_bytes = queue->options.reply_memory_bytes,
                                .replied = queue->options.replied,
                                .userdata = queue->options.userdata,
                                .observer = {.attempt_failed = on_attempt_failed,
                                             .answered = on_answered,
                                             .retries_ended = on_retries_ended,
                                             .skew_changed = on_skew_changed,
                                             .userdata = queue},
                            },
                            &queue->client, error);
}

static int set_up_prober(struct queue *queue)
{
    permissions_init(&queue->permissions, queue->options.permissions);
    return permission_prober_new(service_event(queue->service),
                                 &(struct permission_prober_options){
                                     .client = queue->client->sqs,
                                     .queue_url = queue->config->aws.queue_url,
                                     .permissions = &queue->permissions,
                                     .answered = on_probed,
                                     .round_over = on_all_probed,
                                     .userdata = queue,
                                 },
                                 &queue->prober);
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
    queue->attributes.visible_messages = UINT64_MAX;
    r = set_up_client(queue, error);
    if (r != 0)
        return r < 0 ? r : QUEUE_E_CONFIG;
    shared_files_check();
    r = set_up_prober(queue);
    if (r >= 0)
        r = timer_init(&queue->reopen_timer, service_event(service), USEC_PER_SEC, on_reopen,
                       queue);
    if (r >= 0)
        r = start_opening(queue);
    if (r < 0)
        return r;
    *ret = TAKE(queue);
    return 0;
}

int queue_reconfigure(struct queue *queue, const char *ca_bundle, size_t reply_memory_bytes)
{
    if (timer_is_set(&queue->reopen_timer))
        (void)timer_set_after(&queue->reopen_timer, 0);
    return queue_client_reconfigure(queue->client, queue->config, ca_bundle, reply_memory_bytes);
}

struct queue *queue_free(struct queue *queue)
{
    if (!queue)
        return NULL;
    timer_done(&queue->reopen_timer);
    attributes_refresher_free(queue->refresher);
    permission_prober_free(queue->prober);
    queue_client_free(queue->client);
    free(queue);
    return NULL;
}

const char *queue_url(const struct queue *queue)
{
    return queue->config->aws.queue_url;
}

bool queue_is_fifo(const struct queue *queue)
{
    return queue->client->url->is_fifo;
}

const struct sqs_queue_attributes *queue_attributes(const struct queue *queue)
{
    return &queue->attributes;
}

const struct aws_effective_settings *queue_aws_settings(const struct queue *queue)
{
    return queue->client->settings;
}

const char *queue_keys_source(struct queue *queue)
{
    const struct aws_credentials *keys =
        credentials_peek(credentials_chain_credentials(queue->client->credentials));

    return keys ? keys->source : NULL;
}

const struct queue_client *queue_client(const struct queue *queue)
{
    return queue->client;
}

bool queue_refresh(struct queue *queue)
{
    return queue->refresher && attributes_refresher_ask(queue->refresher);
}

void queue_set_owner_bytes(struct queue *queue, size_t bytes)
{
    http_client_set_owner_bytes(queue->client->http, bytes);
}

const char *queue_find_stall(const struct queue *queue, uint64_t now_usec)
{
    return sqs_client_describe_stuck_call(queue->client->sqs, now_usec);
}

int queue_call(struct queue *queue, struct sqs_request *request,
               const struct sqs_call_options *options, sqs_done_fn done, void *userdata,
               struct sqs_call **ret)
{
    struct sqs_call_options persistent = *options;

    persistent.keep_trying = true;
    /* A denial may end the daemon once it has lasted long enough. So the denied request is repeated
     * often enough to see whether the denial has ended. */
    if (permissions_is_denial_fatal(&queue->permissions, request->operation))
        persistent.denial_delay_max_usec = PERMISSION_RETRY_MAX_USEC;
    return sqs_client_call(queue->client->sqs, request, &persistent, done, userdata, ret);
}
