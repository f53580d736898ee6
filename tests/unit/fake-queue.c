/* SPDX-License-Identifier: MIT */
/* See fake-queue.h. It holds whatever the cores use of daemon/queue.c and sqs/client.c, so that the
 * linker takes neither. */
#include "fake-queue.h"

#include <stdio.h>

#include "test.h"

struct fake_call fake_calls[FAKE_CALLS_MAX];
size_t fake_n_calls;
uint64_t fake_now_usec;
int fake_call_error;
size_t fake_reply_bytes;
const char *fake_hangs;
bool fake_is_fifo, fake_was_not_sent, fake_was_repeated;
enum sqs_stall fake_stall;
int fake_error_status;
bool fake_may_refresh;
unsigned fake_n_refreshes, fake_n_reconfigured;
size_t fake_reply_memory_bytes;
size_t fake_held_bytes;
struct sqs_queue_attributes fake_attributes;
bool fake_keeps_trying;
unsigned fake_permissions;
static struct queue_options queue_options;

void fake_reset(void)
{
    for (size_t i = 0; i < fake_n_calls; i++)
        sqs_request_free(fake_calls[i].request);
    memset(fake_calls, 0, sizeof(fake_calls));
    fake_n_calls = 0;
    fake_now_usec = 1000 * USEC_PER_SEC;
    fake_call_error = 0;
    fake_reply_bytes = 0;
    fake_hangs = NULL;
    fake_was_not_sent = fake_was_repeated = false;
    fake_stall = SQS_STALL_NONE;
    fake_error_status = 0;
    fake_may_refresh = false;
    fake_n_refreshes = fake_n_reconfigured = 0;
    fake_is_fifo = true;
    fake_attributes = (struct sqs_queue_attributes){
        .visibility_timeout_sec = 30,
        .maximum_message_bytes = SQS_MESSAGE_MAX_BYTES,
    };
    queue_options = (struct queue_options){};
}

void fake_forget_calls(void)
{
    assert_int_equal(fake_n_open(), 0);
    for (size_t i = 0; i < fake_n_calls; i++)
        sqs_request_free(fake_calls[i].request);
    memset(fake_calls, 0, sizeof(fake_calls));
    fake_n_calls = 0;
}

int queue_open(struct service *service, const struct config *config,
               const struct queue_options *options, struct queue **ret, char **error)
{
    fake_keeps_trying = options->keep_trying;
    fake_permissions = options->permissions;
    queue_options = *options;
    *ret = NULL;
    return 0;
}

void fake_open(void)
{
    assert_non_null(queue_options.opened);
    queue_options.opened(queue_options.userdata);
}

void fake_refreshed(void)
{
    assert_non_null(queue_options.refreshed);
    queue_options.refreshed(queue_options.userdata);
}

int queue_reconfigure(struct queue *queue, const char *ca_bundle, size_t reply_memory_bytes)
{
    fake_n_reconfigured++;
    fake_reply_memory_bytes = reply_memory_bytes;
    return 0;
}

bool queue_refresh(struct queue *queue)
{
    fake_n_refreshes++;
    return fake_may_refresh;
}

void fake_replied(void)
{
    assert_non_null(queue_options.replied);
    queue_options.replied(queue_options.userdata);
}

struct queue *queue_free(struct queue *queue)
{
    return NULL;
}

bool queue_is_fifo(const struct queue *queue)
{
    return fake_is_fifo;
}

const struct sqs_queue_attributes *queue_attributes(const struct queue *queue)
{
    return &fake_attributes;
}

void queue_set_owner_bytes(struct queue *queue, size_t bytes)
{
    fake_held_bytes = bytes;
}

const char *queue_find_stall(const struct queue *queue, uint64_t now_usec)
{
    return fake_hangs;
}

const struct aws_effective_settings *queue_aws_settings(const struct queue *queue)
{
    return NULL;
}

const char *queue_keys_source(struct queue *queue)
{
    return "the test";
}

const char *queue_url(const struct queue *queue)
{
    return "q";
}

static void begin_attempt(struct fake_call *call)
{
    call->sent_usec = fake_now_usec;
    call->timeout_usec =
        call->options.timeout ? call->options.timeout(call->userdata) : USEC_INFINITY;
}

int queue_call(struct queue *queue, struct sqs_request *request,
               const struct sqs_call_options *options, sqs_done_fn done, void *userdata,
               struct sqs_call **ret)
{
    struct fake_call *call = &fake_calls[fake_n_calls];

    if (fake_call_error < 0) {
        sqs_request_free(request);
        return fake_call_error;
    }
    assert_in_range(fake_n_calls, 0, FAKE_CALLS_MAX - 1);
    fake_n_calls++;
    *call = (struct fake_call){
        .request = request,
        .options = *options,
        .done = done,
        .userdata = userdata,
        .attempts = 1,
        .is_open = true,
    };
    begin_attempt(call);
    *ret = (struct sqs_call *)(void *)call;
    return 0;
}

struct sqs_call *sqs_call_cancel(struct sqs_call *call)
{
    struct fake_call *c = (struct fake_call *)(void *)call;

    if (c)
        c->is_open = false;
    return NULL;
}

void sqs_call_stop_retrying(struct sqs_call *call)
{
    struct fake_call *c = (struct fake_call *)(void *)call;

    if (c)
        c->is_last_attempt = true;
}

const char *fake_request(size_t i)
{
    assert_in_range(i, 0, fake_n_calls - 1);
    return buffer_string(&fake_calls[i].request->json);
}

static void finish(struct fake_call *call, struct sqs_reply *reply, const struct sqs_error *error)
{
    struct sqs_result result = {
        .reply = reply,
        .error = error,
        .request_id = "",
        .http_status = reply ? 200 : 400,
        .attempts = call->attempts,
        .sent_usec = call->sent_usec,
    };

    assert_true(call->is_open);
    call->is_open = false;
    call->done(call->userdata, &result);
}

void fake_answer(size_t i, const char *json)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = NULL;
    CLEANUP(free) char *error = NULL;
    int r;

    assert_in_range(i, 0, fake_n_calls - 1);
    r = sqs_reply_parse(fake_calls[i].request, json, strlen(json), &reply, &error);
    if (r != 0)
        print_error("%s\n", error ? error : "no reply");
    assert_int_equal(r, 0);
    if (fake_reply_bytes > 0)
        reply->bytes = fake_reply_bytes;
    finish(&fake_calls[i], reply, NULL);
}

static struct sqs_error make_error(enum aws_error_class class, const char *name, const char *text)
{
    struct sqs_error error = {
        .class = class,
        .was_not_sent = fake_was_not_sent,
        .was_repeated = fake_was_repeated,
        .stall = fake_stall,
        .http_status = fake_error_status,
        .retry_after_usec = USEC_INFINITY,
    };

    snprintf(error.name, sizeof(error.name), "%s", name);
    snprintf(error.code, sizeof(error.code), "%s", name);
    snprintf(error.message, sizeof(error.message), "%s", text);
    return error;
}

void fake_fail(size_t i, enum aws_error_class class, const char *name, const char *text)
{
    struct sqs_error error = make_error(class, name, text);

    assert_in_range(i, 0, fake_n_calls - 1);
    finish(&fake_calls[i], NULL, &error);
}

static bool attempt(struct fake_call *call, const struct sqs_error *error)
{
    assert_true(call->is_open && call->options.before_attempt);
    if (!call->options.before_attempt(call->userdata, error, &call->request))
        return false;
    begin_attempt(call);
    return true;
}

bool fake_retry(size_t i, enum aws_error_class class, const char *name)
{
    struct sqs_error error = make_error(class, name, "");

    if (!attempt(&fake_calls[i], &error)) {
        finish(&fake_calls[i], NULL, &error);
        return false;
    }
    fake_calls[i].attempts++;
    return true;
}

bool fake_first_attempt(size_t i)
{
    struct sqs_error error = make_error(AWS_ERROR_TRANSIENT, "", "given up");

    if (attempt(&fake_calls[i], NULL))
        return true;
    fake_calls[i].attempts = 0;
    finish(&fake_calls[i], NULL, &error);
    return false;
}

size_t fake_n_open(void)
{
    size_t n = 0;

    for (size_t i = 0; i < fake_n_calls; i++)
        n += fake_calls[i].is_open;
    return n;
}
