/* SPDX-License-Identifier: MIT */
/* For tests of the SQS client: a client with a provider of keys that does as it is told, with notes
 * of what its observer hears, and with an HTTP server that gives the replies in order. */
#pragma once

#include "ahead-clock.h"
#include "aws/backoff.h"
#include "aws/credentials-sequence.h"
#include "aws/sigv4.h"
#include "sqs/client.h"
#include "test-loop.h"
#include "test-server.h"
#include "util/encode.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-id128.h>

#define QUEUE_URL "https://eu-west-1.queue.amazonaws.com/123456789012/test.fifo"

/* Delays are a thousandth of their limit: 50 us, 1 ms, 5 ms for the first retry of each kind; or,
 * where nobody is to be repeated before the test has looked, all of it. */
static bool are_delays_whole;

/* Overrides libsystemd's. */
int sd_id128_randomize(sd_id128_t *ret)
{
    *ret =
        (sd_id128_t){.qwords = {are_delays_whole ? UINT64_MAX : UINT64_MAX / 1000 + (1 << 27), 0}};
    return 0;
}

/* --- Keys --- */

struct fake {
    struct credentials_provider *provider;
    const char *id; /* NULL: none */
    const char *token;
    bool is_silent;                   /* does not answer before fake_provide */
    bool is_away;                     /* cannot be asked now */
    enum credentials_outcome failure; /* where there are none; FOUND: NOT_SET_UP */
    unsigned n_fetches;
};

struct fake_provider {
    struct credentials_provider head;
    struct fake *fake;
};

static inline int fake_start(struct credentials_provider *provider)
{
    struct fake *f = ((struct fake_provider *)provider)->fake;
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;

    f->n_fetches++;
    if (f->is_silent)
        return 0;
    if (f->is_away) {
        credentials_provider_fail(provider, CREDENTIALS_UNREACHABLE, "timed out");
        return 0;
    }
    if (!f->id) {
        credentials_provider_fail(provider, f->failure ? f->failure : CREDENTIALS_NOT_SET_UP,
                                  "nothing here");
        return 0;
    }
    assert_int_equal(aws_credentials_new(f->id, "SECRET", f->token, "fake", USEC_INFINITY, &c), 0);
    credentials_provider_found(provider, c);
    return 0;
}

/* The silent one speaks. */
static inline void fake_provide(struct fake *f)
{
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;

    assert_int_equal(aws_credentials_new("AKIA2", "SECRET", NULL, "fake", USEC_INFINITY, &c), 0);
    credentials_provider_found(f->provider, c);
}

static inline void fake_set_up(struct fake *f)
{
    static const struct credentials_provider_ops ops = {.start = fake_start};

    assert_int_equal(
        credentials_provider_new(sizeof(struct fake_provider), &ops, "fake", NULL, &f->provider),
        0);
    ((struct fake_provider *)f->provider)->fake = f;
}

/* --- All that a test needs --- */

struct noted_attempt {
    enum sqs_operation operation;
    enum aws_error_class class;
    char name[96], message[256], request_id[64];
    unsigned attempt;
    uint64_t delay_usec;
};

static struct bench {
    sd_event *event;
    struct fake provider;
    struct credentials *credentials;
    struct http_client *http;
    struct endpoint endpoint;
    struct sqs_client *client;
    uint64_t request_timeout_usec;
    char host[64];

    struct noted_attempt noted[128];
    unsigned n_noted, n_answered, n_retries_ended, n_skews;
    enum sqs_operation answered, retries_ended;
    enum clock_skew_change skew_change;
    int64_t skew_sec;
} b;

static inline void on_attempt_failed(void *userdata, const struct sqs_attempt *attempt)
{
    struct noted_attempt *n = &b.noted[b.n_noted++ % ARRAY_SIZE(b.noted)];

    n->operation = attempt->operation;
    n->class = attempt->error->class;
    snprintf(n->name, sizeof(n->name), "%s", attempt->error->name);
    snprintf(n->message, sizeof(n->message), "%.200s", attempt->error->message);
    snprintf(n->request_id, sizeof(n->request_id), "%s", attempt->request_id);
    n->attempt = attempt->attempt;
    n->delay_usec = attempt->delay_usec;
}

static inline void on_answered(void *userdata, enum sqs_operation operation,
                               const struct sqs_reply *reply)
{
    b.n_answered++;
    b.answered = operation;
}

static inline void on_retries_ended(void *userdata, enum sqs_operation operation)
{
    b.n_retries_ended++;
    b.retries_ended = operation;
}

static inline void on_skew_changed(void *userdata, enum clock_skew_change change, int64_t skew_sec)
{
    b.n_skews++;
    b.skew_change = change;
    b.skew_sec = skew_sec;
}

/* A client that talks to `server`. */
static inline void set_bench(struct test_server *server)
{
    static char path[] = "/", region[] = "eu-west-1";
    struct credentials_provider *provider;

    fake_set_up(&b.provider);
    b.provider.id = "AKIA1";
    assert_int_equal(credentials_sequence_new("chain", &b.provider.provider, 1, &provider), 0);
    assert_int_equal(credentials_new(b.event, provider, &b.credentials), 0);
    assert_int_equal(
        http_client_new(b.event,
                        &(struct http_client_options){.user_agent = "test/1",
                                                      .connect_timeout_usec = TEST_PATIENCE_USEC},
                        &b.http),
        0);
    snprintf(b.host, sizeof(b.host), "127.0.0.1:%d", test_server_port(server));
    b.endpoint.url = strdup(test_server_url(server));
    b.endpoint.host = b.host;
    b.endpoint.path = path;
    b.endpoint.region = region;
    assert_int_equal(sqs_client_new(b.event, b.http, b.credentials, &b.endpoint,
                                    b.request_timeout_usec,
                                    &(struct sqs_client_observer){
                                        .attempt_failed = on_attempt_failed,
                                        .answered = on_answered,
                                        .retries_ended = on_retries_ended,
                                        .skew_changed = on_skew_changed,
                                    },
                                    &b.client),
                     0);
}

static inline int set_up(void **state)
{
    unsetenv("http_proxy");
    memset(&b, 0, sizeof(b));
    are_delays_whole = false;
    b.request_timeout_usec = TEST_PATIENCE_USEC;
    return sd_event_new(&b.event) < 0 ? -1 : 0;
}

static inline int tear_down(void **state)
{
    sqs_client_free(b.client);
    http_client_free(b.http);
    credentials_free(b.credentials);
    free(b.endpoint.url);
    sd_event_unref(b.event);
    return 0;
}

/* --- Calls --- */

struct outcome {
    unsigned n_done;
    bool ok;
    struct sqs_error error;
    char request_id[64], message_id[64];
    int http_status;
    unsigned attempts;
    uint64_t sent_usec;
    struct sqs_call *call;
    void (*then)(struct outcome *o);
    struct outcome *other;
};

static unsigned n_all_done;

static inline void on_done(void *userdata, const struct sqs_result *result)
{
    struct outcome *o = userdata;

    o->n_done++;
    n_all_done++;
    o->ok = result->reply;
    assert_true(!result->reply == !!result->error);
    if (result->error)
        o->error = *result->error;
    snprintf(o->request_id, sizeof(o->request_id), "%s", result->request_id);
    snprintf(o->message_id, sizeof(o->message_id), "%s",
             result->reply && result->reply->message_id ? result->reply->message_id : "");
    o->http_status = result->http_status;
    o->attempts = result->attempts;
    o->sent_usec = result->sent_usec;
    if (o->then)
        o->then(o);
    o->call = NULL;
}

static const struct sqs_call_options once = {.attempts_max = 1};
static const struct sqs_call_options patient = {};
static const struct sqs_call_options stubborn = {.keep_trying = true};

static inline void start_request(struct outcome *o, struct sqs_request *request,
                                 const struct sqs_call_options *options)
{
    unsigned before = n_all_done;

    assert_int_equal(sqs_client_call(b.client, request, options, on_done, o, &o->call), 0);
    assert_int_equal(n_all_done, before);
}

/* DeleteMessage: the simplest, a good answer has no body. */
static inline void start(struct outcome *o, const struct sqs_call_options *options)
{
    struct sqs_request *request;

    assert_int_equal(sqs_request_delete_message(QUEUE_URL, "HANDLE", &request), 0);
    start_request(o, request, options);
}

static inline struct outcome call(const struct sqs_call_options *options)
{
    struct outcome o = {};

    start(&o, options);
    run_until(b.event, &o.n_done, 1);
    run_for(b.event, 5 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 1);
    return o;
}

/* --- Replies --- */

#define OK                                                                                         \
    {                                                                                              \
        .headers = "x-amzn-RequestId: good-id\r\n", .body = "{}"                                   \
    }
#define ERROR(code, type, text)                                                                    \
    {                                                                                              \
        .status = (code), .headers = "x-amzn-RequestId: bad-id\r\n",                               \
        .body = "{\"__type\":\"com.amazonaws.sqs#" type "\",\"message\":\"" text "\"}"             \
    }
#define MESSAGE                                                                                    \
    "{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"h\","                                 \
    "\"Body\":\"hello\",\"MD5OfBody\":\"5d41402abc4b2a76b9719d911017c592\"}]}"
#define UNAVAILABLE ERROR(503, "ServiceUnavailable", "later")
#define THROTTLED ERROR(403, "RequestThrottled", "slower")
#define REFUSED ERROR(403, "UnrecognizedClientException", "no such key")
#define NO_QUEUE ERROR(400, "QueueDoesNotExist", "no such queue")
#define NO_HANDLE ERROR(404, "ReceiptHandleIsInvalid", "bad handle")

/* The header of a server whose clock is ahead of ours. */
static inline void date_header(int64_t skew_sec, char *ret, size_t size)
{
    time_t t = time(NULL) + skew_sec;
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(ret, size, "x-amzn-RequestId: bad-id\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
