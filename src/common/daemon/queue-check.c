/* SPDX-License-Identifier: MIT */
/* It sends GetQueueAttributes first, which shows whether the endpoint, the credentials and the
 * clock are good. Then it sends the probes for permissions. */
#include "daemon/queue-check.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

#include "daemon/command-output.h"
#include "daemon/failure.h"
#include "daemon/message-ids.h"
#include "daemon/queue-client.h"
#include "sqs/permission-prober.h"
#include "util/log.h"

enum {
    LINE_MAX_BYTES = 4096,
    /* For the first request: a retry signs with AWS's time, or with newer credentials. */
    ATTEMPTS_MAX = 4,
};

struct check {
    const struct queue_check *options;
    const struct config *config;
    sd_event *event;
    struct queue_client *client;
    struct permissions permissions;
    struct permission_prober *prober;
    struct sqs_call *call;
    int64_t skew_sec; /* 0: the clock is good */
    int status;
    enum permission_answer answers[SQS_N_OPERATIONS]; /* to the probes */
    char reasons[SQS_N_OPERATIONS][256];              /* why a probe's answer is not known */
};

/* The first status that is not EX_OK counts. */
static void set_status(struct check *c, int status)
{
    if (c->status == EX_OK)
        c->status = status;
}

static void say(struct check *c, const char *format, ...) PRINTF_FORMAT(2, 3);

static void say(struct check *c, const char *format, ...)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(LINE_MAX_BYTES);
    char line[LINE_MAX_BYTES - 2];
    va_list ap;

    va_start(ap, format);
    vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    buffer_printf(&b, "%s\n", line);
    set_status(c, command_print(buffer_string(&b)));
}

static void end(struct check *c)
{
    sd_event_exit(c->event, 0);
}

/* --- What was found --- */

static void say_endpoint(struct check *c)
{
    const struct aws_effective_settings *settings = c->client->settings;

    say(c, "region: %s (from %s)", settings->endpoint->region, settings->region_source);
    say(c, "endpoint: %s (%s%s)", settings->endpoint->url,
        settings->endpoint_source ? "from " : "the region's",
        settings->endpoint_source ? settings->endpoint_source : "");
}

static void say_credentials(struct check *c)
{
    const struct aws_credentials *found =
        credentials_peek(credentials_chain_credentials(c->client->credentials));

    if (found)
        say(c, "credentials: from %s", found->source);
    if (c->options->credentials_note)
        say(c, "AWS's files: %s", c->options->credentials_note);
}

static void say_clock(struct check *c)
{
    if (c->skew_sec == 0)
        say(c, "clock: within 15 minutes of AWS's");
    else
        say(c,
            "clock: %lld s %s AWS's, requests are signed with the difference; set it (timedatectl)",
            (long long)llabs(c->skew_sec), c->skew_sec > 0 ? "behind" : "ahead of");
}

static void say_queue(struct check *c, const struct sqs_queue_attributes *attributes)
{
    const struct queue_url *url = c->client->url;

    if (attributes)
        say(c, "queue: %s, %s, visibility timeout %u s, messages up to %zu bytes",
            url->name ? url->name : "?", url->is_fifo ? "FIFO" : "standard",
            attributes->visibility_timeout_sec, attributes->maximum_message_bytes);
    else
        say(c, "queue: %s, %s by its name", url->name ? url->name : "?",
            url->is_fifo ? "FIFO" : "standard");
    say(c, "sqs:GetQueueAttributes: %s",
        attributes ? "allowed" : "denied, but the daemon works without it");
}

static void say_permissions(struct check *c)
{
    for (unsigned i = 0; i < SQS_N_OPERATIONS; i++) {
        const char *name = sqs_operation_name((enum sqs_operation)i);

        if (!c->permissions.by_operation[i].is_needed)
            continue;
        if (c->answers[i] == PERMISSION_ALLOWED)
            say(c, "sqs:%s: allowed", name);
        else if (c->answers[i] == PERMISSION_DENIED)
            say(c, "sqs:%s: denied", name);
        else
            say(c, "sqs:%s: not known; the first request will show it%s%s", name,
                c->reasons[i][0] ? ": " : "", c->reasons[i]);
    }
}

/* --- Asking --- */

static void on_probed(void *userdata, enum sqs_operation operation, enum permission_answer answer,
                      bool counts, const struct sqs_result *result)
{
    struct check *c = userdata;
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(LINE_MAX_BYTES);

    c->answers[operation] = answer;
    if (answer == PERMISSION_ALLOWED)
        return;
    if (answer == PERMISSION_UNKNOWN) {
        failure_describe(&b, operation, result->error);
        snprintf(c->reasons[operation], sizeof(c->reasons[operation]), "%.255s", buffer_string(&b));
        return;
    }
    failure_write(LOG_ERR, operation, result->error, result->request_id, "A permission is missing",
                  "");
    set_status(c, failure_exit_status(result->error));
}

static void on_all_probed(void *userdata)
{
    struct check *c = userdata;

    say_permissions(c);
    end(c);
}

static void found_queue(struct check *c, const struct sqs_queue_attributes *attributes)
{
    say_clock(c);
    say_queue(c, attributes);
    if (permission_prober_ask(c->prober))
        return;
    say_permissions(c);
    end(c);
}

static void on_attributes(void *userdata, const struct sqs_result *result)
{
    struct check *c = userdata;
    const struct sqs_error *error = result->error;

    c->call = NULL;
    if (result->reply) {
        found_queue(c, &result->reply->attributes);
        return;
    }
    if (sqs_error_is_denial(error)) {
        found_queue(c, NULL);
        return;
    }
    failure_write(LOG_ERR, SQS_GET_QUEUE_ATTRIBUTES, error, result->request_id,
                  "The queue cannot be used",
                  error->class == AWS_ERROR_TRANSIENT || error->class == AWS_ERROR_THROTTLED
                      ? " (the daemon tries again)"
                      : "");
    set_status(c, failure_exit_status(error));
    end(c);
}

/* The first attempt runs after credentials were found. A retry is useful only after an error of the
 * clock or of the credentials: it signs with AWS's time, or with newer credentials. */
static bool before_attempt(void *userdata, const struct sqs_error *error,
                           struct sqs_request **request)
{
    if (!error)
        say_credentials(userdata);
    return !error || error->class == AWS_ERROR_CLOCK || error->class == AWS_ERROR_CREDENTIALS;
}

static int ask(struct check *c)
{
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r = sqs_request_get_queue_attributes(c->config->aws.queue_url, &request);

    if (r < 0)
        return r;
    return sqs_client_call(c->client->sqs, TAKE(request),
                           &(struct sqs_call_options){
                               .attempts_max = ATTEMPTS_MAX,
                               .before_attempt = before_attempt,
                           },
                           on_attributes, c, &c->call);
}

/* --- Set-up --- */

static void on_skew_changed(void *userdata, enum clock_skew_change change, int64_t skew_sec)
{
    struct check *c = userdata;

    c->skew_sec = change == CLOCK_SKEW_LEARNT ? skew_sec : 0;
}

static int set_up(struct check *c, char **error)
{
    int r = sd_event_new(&c->event);

    if (r < 0)
        return r;
    r = queue_client_new(c->event, c->config,
                         &(struct queue_client_options){
                             .name = c->options->name,
                             .observer = {.skew_changed = on_skew_changed, .userdata = c},
                         },
                         &c->client, error);
    if (r != 0)
        return r;
    permissions_init(&c->permissions, c->options->permissions);
    return permission_prober_new(c->event,
                                 &(struct permission_prober_options){
                                     .client = c->client->sqs,
                                     .queue_url = c->config->aws.queue_url,
                                     .permissions = &c->permissions,
                                     .answered = on_probed,
                                     .round_over = on_all_probed,
                                     .userdata = c,
                                 },
                                 &c->prober);
}

static void run(struct check *c)
{
    CLEANUP(free) char *error = NULL;
    int r = set_up(c, &error);

    if (r > 0) {
        c->status = command_fault(MESSAGE_ID_CONFIG_INVALID, c->config, error);
        return;
    }
    if (r >= 0) {
        say_endpoint(c);
        r = ask(c);
    }
    if (r >= 0)
        r = sd_event_loop(c->event);
    if (r < 0) {
        log_error("Cannot check the queue: %s.", strerror(-r));
        set_status(c, EX_OSERR);
    }
}

int queue_check_run(const struct queue_check *options, const struct config *config)
{
    struct check c = {.options = options, .config = config, .status = EX_OK};

    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return EX_OSERR;
    run(&c);
    permission_prober_free(c.prober);
    queue_client_free(c.client);
    sd_event_unref(c.event);
    return c.status;
}
