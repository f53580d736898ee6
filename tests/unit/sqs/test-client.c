/* SPDX-License-Identifier: MIT */
#include "aws/sigv4.h"
#include "sqs/client.h"
#include "ahead-clock.h"
#include "test-loop.h"
#include "test-server.h"
#include "util/backoff.h"
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

static int fake_start(struct credentials_provider *provider)
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
static void fake_provide(struct fake *f)
{
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;

    assert_int_equal(aws_credentials_new("AKIA2", "SECRET", NULL, "fake", USEC_INFINITY, &c), 0);
    credentials_provider_found(f->provider, c);
}

static void fake_set_up(struct fake *f)
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

static void on_attempt_failed(void *userdata, const struct sqs_attempt *attempt)
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

static void on_answered(void *userdata, enum sqs_operation operation, const struct sqs_reply *reply)
{
    b.n_answered++;
    b.answered = operation;
}

static void on_retries_ended(void *userdata, enum sqs_operation operation)
{
    b.n_retries_ended++;
    b.retries_ended = operation;
}

static void on_skew_changed(void *userdata, enum clock_skew_change change, int64_t skew_sec)
{
    b.n_skews++;
    b.skew_change = change;
    b.skew_sec = skew_sec;
}

/* A client that talks to `server`. */
static void set_bench(struct test_server *server)
{
    static char path[] = "/", region[] = "eu-west-1";
    struct credentials_provider *provider;

    fake_set_up(&b.provider);
    provider = b.provider.provider;
    b.provider.id = "AKIA1";
    assert_int_equal(credentials_new(b.event, &provider, 1, &b.credentials), 0);
    assert_int_equal(
        http_client_new(b.event,
                        &(struct http_client_options){.user_agent = "test/1",
                                                      .connect_timeout_usec = 5 * USEC_PER_SEC},
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

static int set_up(void **state)
{
    unsetenv("http_proxy");
    memset(&b, 0, sizeof(b));
    are_delays_whole = false;
    b.request_timeout_usec = TEST_PATIENCE_USEC;
    return sd_event_new(&b.event) < 0 ? -1 : 0;
}

static int tear_down(void **state)
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

static void on_done(void *userdata, const struct sqs_result *result)
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

static void start_request(struct outcome *o, struct sqs_request *request,
                          const struct sqs_call_options *options)
{
    unsigned before = n_all_done;

    assert_int_equal(sqs_client_call(b.client, request, options, on_done, o, &o->call), 0);
    assert_int_equal(n_all_done, before);
}

/* DeleteMessage: the simplest, a good answer has no body. */
static void start(struct outcome *o, const struct sqs_call_options *options)
{
    struct sqs_request *request;

    assert_int_equal(sqs_request_delete_message(QUEUE_URL, "HANDLE", &request), 0);
    start_request(o, request, options);
}

static struct outcome call(const struct sqs_call_options *options)
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

static void a_request_is_signed_and_complete(void **state)
{
    static const char target[] = "AmazonSQS.DeleteMessage";
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    CLEANUP(sigv4_signer_free) struct sigv4_signer *signer = NULL;
    CLEANUP(buffer_done) struct buffer expected = BUFFER_INIT(4096);
    struct outcome o;
    uint64_t before = boot_clock_usec();

    assert_int_equal(sigv4_signer_new(&signer), 0);
    set_bench(server);
    for (unsigned i = 0; i < 2; i++) {
        char *date, *authorization, *value;
        size_t lines = 0;
        time_t t;

        b.provider.token = i == 1 ? "TOKEN/+=" : NULL;
        if (i == 1)
            credentials_refused(b.credentials, credentials_peek(b.credentials));
        o = call(&patient);
        assert_true(o.ok);
        date = test_server_header(server, i, "X-Amz-Date");
        assert_int_equal(aws_time_parse(date, &t), 0);
        assert_in_range(time(NULL) - t, 0, 5);

        struct sigv4_header headers[] = {{"host", b.host},
                                         {"content-type", "application/x-amz-json-1.0"},
                                         {"x-amz-date", date},
                                         {"x-amz-target", target},
                                         {"x-amzn-query-mode", "true"},
                                         {"x-amz-security-token", "TOKEN/+="}};
        const char *body = test_server_body(server, i);

        buffer_reset(&expected);
        assert_int_equal(sigv4_authorize(signer,
                                         &(struct sigv4_request){
                                             .method = "POST",
                                             .path = "/",
                                             .headers = headers,
                                             .n_headers = 5 + i,
                                             .body = body,
                                             .body_bytes = strlen(body),
                                         },
                                         &(struct sigv4_credentials){"AKIA1", "SECRET"},
                                         &(struct sigv4_scope){"eu-west-1", "sqs", t}, &expected),
                         0);
        authorization = test_server_header(server, i, "Authorization");
        assert_string_equal(authorization, buffer_string(&expected));
        free(authorization);
        free(date);

        /* The values signed are the values sent. */
        for (size_t k = 0; k < 5 + i; k++) {
            value = test_server_header(server, i, headers[k].name);
            if (!streq(headers[k].name, "x-amz-date"))
                assert_string_equal(value, headers[k].value);
            free(value);
        }
        value = test_server_header(server, i, "Accept");
        assert_string_equal(value, "application/json");
        free(value);
        assert_null(test_server_header(server, i, "Expect"));
        /* And nothing else: request line, ours, User-Agent, Content-Length, Authorization, Accept.
         */
        for (const char *p = test_server_head(server, i); (p = strstr(p, "\r\n")); p += 2)
            lines++;
        assert_int_equal(lines, 1 + 5 + i + 4);
        assert_memory_equal(test_server_head(server, i), "POST / HTTP/1.1\r\n", 17);
        assert_non_null(strstr(body, "\"QueueUrl\":\"" QUEUE_URL "\""));
        assert_non_null(strstr(body, "\"ReceiptHandle\":\"HANDLE\""));
    }
    assert_string_equal(o.request_id, "good-id");
    assert_int_equal(o.http_status, 200);
    assert_int_equal(o.attempts, 1);
    assert_in_range(o.sent_usec, before, boot_clock_usec());
    assert_int_equal(b.n_noted, 0);
    assert_int_equal(b.n_answered, 2);
    assert_int_equal(test_server_connections(server), 1);
}

/* Leases are counted from there. */
static void the_time_told_is_from_before_the_attempt_that_was_answered(void **state)
{
    struct test_reply slow_ok = OK, slow_bad = UNAVAILABLE;
    struct outcome o = {};
    uint64_t before;

    slow_ok.delay_msec = slow_bad.delay_msec = 50;
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(slow_bad, slow_ok);

    set_bench(server);
    before = boot_clock_usec();
    start(&o, &patient);
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_in_range(o.sent_usec, before + 50 * USEC_PER_MSEC,
                    boot_clock_usec() - 50 * USEC_PER_MSEC);
}

static void transient_failures_are_repeated(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(
        UNAVAILABLE, {.status = 500}, {.status = 502, .body = "<html>"},
        {.body = "{}", .how = REPLY_CUT_OFF}, {.how = REPLY_STALL}, {.body = "no json"}, OK);
    struct outcome o;

    b.request_timeout_usec = USEC_PER_SEC;
    set_bench(server);
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 7);
    assert_int_equal(b.n_noted, 6);
    assert_int_equal(b.n_answered, 1);
    for (unsigned i = 0; i < b.n_noted; i++) {
        assert_int_equal(b.noted[i].class, AWS_ERROR_TRANSIENT);
        assert_int_equal(b.noted[i].attempt, i + 1);
        assert_int_equal(b.noted[i].operation, SQS_DELETE_MESSAGE);
        assert_string_equal(b.noted[i].request_id, i == 0 ? "bad-id" : "");
        /* Each limit is twice the one before. */
        assert_in_range(b.noted[i].delay_usec, 50 << i, (50 << i) + 10);
    }
    assert_string_equal(b.noted[0].name, "ServiceUnavailableException");
    assert_string_equal(b.noted[0].message, "later");
    assert_non_null(
        strstr(b.noted[4].message, "timed out waiting for the reply (nothing moved for "));
    assert_string_equal(b.noted[4].name, "Stalled");
    assert_true(strlen(b.noted[5].message) > 5);
    /* The same request each time, signed anew. */
    for (unsigned i = 1; i < 7; i++)
        assert_string_equal(test_server_body(server, i), test_server_body(server, 0));
}

static void throttling_is_repeated_more_slowly(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(UNAVAILABLE, THROTTLED, {.status = 429},
                                             {.status = 403,
                                              .headers = "x-amz-retry-after: 20\r\n",
                                              .body = "{\"__type\":\"RequestThrottled\"}"},
                                             OK);
    struct outcome o;

    set_bench(server);
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 5);
    /* Failures of another kind begin a new row. */
    assert_in_range(b.noted[0].delay_usec, 50, 60);
    assert_in_range(b.noted[1].delay_usec, 1000, 1010);
    assert_in_range(b.noted[2].delay_usec, 2000, 2010);
    assert_in_range(b.noted[3].delay_usec, 20000, 20000);
    assert_int_equal(b.noted[1].class, AWS_ERROR_THROTTLED);
}

/* Each pause, whether its timer is the call's first or not. */
static void a_retry_waits_as_long_as_was_told(void **state)
{
    static const struct test_reply throttled = {.status = 403,
                                                .headers = "x-amz-retry-after: 200\r\n",
                                                .body = "{\"__type\":\"RequestThrottled\"}"};
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(throttled, throttled, OK);
    struct outcome o = {};
    uint64_t start_usec;

    set_bench(server);
    start_usec = boot_clock_usec();
    start(&o, &patient);
    run_until(b.event, &o.n_done, 1);
    assert_int_equal(o.attempts, 3);
    assert_true(boot_clock_usec() - start_usec >= 400 * USEC_PER_MSEC);
}

static void a_permanent_error_is_the_answer(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(NO_HANDLE, NO_HANDLE, NO_QUEUE);
    struct outcome o;

    set_bench(server);
    for (int i = 0; i < 2; i++) {
        o = call(i == 0 ? &patient : &stubborn);
        assert_false(o.ok);
        assert_string_equal(o.error.name, "ReceiptHandleIsInvalid");
        assert_string_equal(o.error.message, "bad handle");
        assert_string_equal(o.request_id, "bad-id");
        assert_int_equal(o.http_status, 404);
        assert_int_equal(o.attempts, 1);
    }
    o = call(&patient);
    assert_string_equal(o.error.name, "QueueDoesNotExist");
    assert_int_equal(b.n_noted, 0);
    assert_int_equal(b.n_answered, 3);
}

static void what_a_person_must_mend_is_repeated_slowly_where_wanted(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER(NO_QUEUE, ERROR(403, "AccessDeniedException", "denied"),
                    {.status = 404, .body = "<html>a proxy</html>"}, {.status = 302}, OK);
    struct outcome o;

    set_bench(server);
    o = call(&stubborn);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 5);
    assert_int_equal(b.n_noted, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(b.noted[i].delay_usec, 5000 << i, (5000 << i) + 200);
    /* SQS's "no such queue" is no sign that all is well again. */
    assert_int_equal(b.n_answered, 1);
}

static void a_denied_action_is_the_answer_where_wanted(void **state)
{
    static const struct sqs_call_options almost = {.keep_trying = true, .is_denial_final = true};
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER(NO_QUEUE, ERROR(403, "AccessDeniedException", "denied"), OK);
    struct outcome o;

    set_bench(server);
    o = call(&almost);
    assert_false(o.ok);
    assert_string_equal(o.error.name, "AccessDeniedException");
    assert_int_equal(o.attempts, 2);
}

static void what_is_not_of_sqs_is_repeated_slowly_and_never_the_answer(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.status = 302, .headers = "Location: http://portal.invalid/\r\n"},
                    {.status = 403, .body = "{\"code\":\"BLOCKED\",\"message\":\"by policy\"}"},
                    {.status = 407, .body = "<html>who are you?</html>"}, OK,
                    {.status = 404, .headers = "x-amzn-RequestId: sqs\r\n"});
    struct outcome o;

    set_bench(server);
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 4);
    for (unsigned i = 0; i < 3; i++) {
        assert_in_range(b.noted[i].delay_usec, 5000 << i, (5000 << i) + 200);
        assert_string_equal(b.noted[i].name, "NotOfSQS");
    }
    assert_string_equal(b.noted[1].message, "by policy");
    assert_int_equal(b.n_answered, 1);

    /* SQS's own, though without a name, is an answer. */
    o = call(&patient);
    assert_false(o.ok);
    assert_int_equal(o.error.http_status, 404);
    assert_int_equal(o.attempts, 1);
}

static void a_page_in_place_of_a_reply_is_not_of_sqs(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.status = 511}, {.body = " \n<html>sign in</html>"},
                    {.headers = "x-amzn-RequestId: sqs\r\n", .body = "<html>broken</html>"}, OK);
    struct outcome o;

    set_bench(server);
    o = call(&patient);
    assert_true(o.ok);
    assert_string_equal(b.noted[0].name, "NotOfSQS");
    assert_string_equal(b.noted[1].name, "NotOfSQS");
    assert_int_equal(b.noted[1].class, AWS_ERROR_TRANSIENT);
    assert_in_range(b.noted[1].delay_usec, 10000, 10200); /* slowly */
    assert_string_equal(b.noted[2].name, "");
}

/* A receive that asks for so long a wait. */
static void start_receive(struct outcome *o, unsigned wait_sec)
{
    struct sqs_request *request;

    assert_int_equal(
        sqs_request_receive_message(
            QUEUE_URL, &(struct sqs_receive){.max_messages = 1, .wait_sec = wait_sec}, &request),
        0);
    start_request(o, request, &(struct sqs_call_options){.wait_usec = wait_sec * USEC_PER_SEC});
}

static void an_empty_receive_that_comes_at_once_is_a_failure_with_growing_pauses(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(OK, OK, OK, OK, {.body = MESSAGE});
    struct outcome o = {};

    set_bench(server);
    start_receive(&o, 20);
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 5);
    for (unsigned i = 0; i < 4; i++) {
        assert_string_equal(b.noted[i].name, "EmptyTooEarly");
        assert_non_null(strstr(b.noted[i].message, "wait 20 s"));
        assert_in_range(b.noted[i].delay_usec, 50 << i, (50 << i) + 50);
    }
    /* One that was to come at once is good. */
    o = (struct outcome){};
    test_server_free(server);
    server = TEST_SERVER(OK);
    b.endpoint.url = (free(b.endpoint.url), strdup(test_server_url(server)));
    start_receive(&o, 0);
    run_until(b.event, &o.n_done, 1);
    assert_int_equal(o.attempts, 1);
}

static void an_empty_receive_without_a_request_id_is_not_of_sqs(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "{}"}, {.body = MESSAGE});
    struct outcome o = {};

    set_bench(server);
    start_receive(&o, 0);
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_string_equal(b.noted[0].name, "NotOfSQS");
}

static void a_delete_answered_without_the_id_of_before_is_not_of_sqs(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "{}"}, OK, {.body = "{}"}, OK);
    struct outcome o;

    set_bench(server);
    o = call(&patient);
    assert_int_equal(o.attempts, 1);
    o = call(&patient);
    assert_int_equal(o.attempts, 1);
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_string_equal(b.noted[0].name, "NotOfSQS");
}

static void a_bounded_call_ends_with_what_is_not_of_sqs(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 403, .body = "{\"code\":\"BLOCKED\"}"});
    struct outcome o;

    set_bench(server);
    o = call(&once);
    assert_false(o.ok);
    assert_string_equal(o.error.name, "NotOfSQS");
    assert_string_equal(o.error.code, "");
    assert_int_equal(b.n_answered, 0);
}

static void who_is_answered_and_who_gives_up_is_told_by_operation(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK, NO_QUEUE);
    struct outcome one = {}, two = {};

    set_bench(server);
    assert_true(call(&patient).ok);
    assert_int_equal(b.answered, SQS_DELETE_MESSAGE);
    assert_int_equal(b.n_retries_ended, 0);

    /* The last one that waits tells it. Each fails once, and waits for seconds then. */
    are_delays_whole = true;
    start(&one, &stubborn);
    start(&two, &stubborn);
    run_until(b.event, &b.n_noted, 2);
    sqs_call_cancel(one.call);
    assert_int_equal(b.n_retries_ended, 0);
    sqs_call_cancel(two.call);
    assert_int_equal(b.n_retries_ended, 1);
    assert_int_equal(b.retries_ended, SQS_DELETE_MESSAGE);
    assert_int_equal(b.n_answered, 1);
}

static void attempts_are_bounded_where_wanted(void **state)
{
    static const struct sqs_call_options thrice = {.attempts_max = 3, .keep_trying = true};
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(UNAVAILABLE);
    struct outcome o;

    set_bench(server);
    o = call(&thrice);
    assert_false(o.ok);
    assert_int_equal(o.attempts, 3);
    assert_int_equal(o.error.class, AWS_ERROR_TRANSIENT);
    assert_int_equal(o.error.http_status, 503);
    assert_int_equal(b.n_noted, 2);
    o = call(&once);
    assert_int_equal(o.attempts, 1);
    assert_int_equal(test_server_requests(server), 4);
    assert_int_equal(b.n_answered, 0);
}

static void no_reply_leaves_no_status_and_no_request_id(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(
        UNAVAILABLE, {.headers = "x-amzn-RequestId: lost\r\n", .body = "{}", .how = REPLY_CUT_OFF});
    static const struct sqs_call_options twice = {.attempts_max = 2};
    struct outcome o;

    set_bench(server);
    o = call(&twice);
    assert_false(o.ok);
    assert_int_equal(o.http_status, 0);
    assert_int_equal(o.error.http_status, 0);
    assert_string_equal(o.request_id, "");
    assert_string_equal(o.error.name, "NetworkFailure");
    assert_string_equal(o.error.code, "");
}

static bool is_outcome_unknown(void)
{
    struct outcome o = call(&once);

    assert_false(o.ok);
    return sqs_error_is_outcome_unknown(&o.error);
}

/* Below HTTP: what has left may have taken effect; what found no connection has not. */
static void it_is_told_whether_the_outcome_is_unknown(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.how = REPLY_STALL}, {.how = REPLY_CLOSE},
                                             {.body = "{}", .how = REPLY_CUT_OFF}, UNAVAILABLE,
                                             {.body = "no json"}, THROTTLED);
    char *url;

    b.request_timeout_usec = USEC_PER_SEC;
    set_bench(server);
    for (int i = 0; i < 5; i++)
        assert_true(is_outcome_unknown());
    assert_false(is_outcome_unknown());
    url = b.endpoint.url;
    b.endpoint.url = strdup("http://127.0.0.1:1/");
    assert_false(is_outcome_unknown());
    free(b.endpoint.url);
    b.endpoint.url = url;
    credentials_refused(b.credentials, credentials_peek(b.credentials));
    b.provider.is_away = true;
    assert_false(is_outcome_unknown());
}

/* A kept connection is closed as the second request goes out on it: the server may have had that
 * one, whatever becomes of its repetition. */
static void stays_unknown(struct test_server *server, unsigned n_requests)
{
    struct outcome o;

    set_bench(server);
    o = call(&once);
    assert_true(o.ok);
    assert_true(is_outcome_unknown());
    assert_int_equal(test_server_requests(server), n_requests);
}

static void what_is_repeated_and_refused_stays_unknown(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(OK, {.how = REPLY_CLOSE}, THROTTLED);

    stays_unknown(server, 3);
}

static void what_cannot_be_repeated_stays_unknown(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(OK, {.how = REPLY_CLOSE_ALL});

    stays_unknown(server, 2);
}

static void a_damaged_reply_is_repeated(void **state)
{
    static const char right[] = "{\"MessageId\":\"m1\",\"MD5OfMessageBody\":"
                                "\"5d41402abc4b2a76b9719d911017c592\"}";
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.body = "{\"MessageId\":\"m1\",\"MD5OfMessageBody\":"
                             "\"00000000000000000000000000000000\"}"},
                    {.body = "{\"MessageId\":\"m1\","}, {.body = "{}"}, {.body = right});
    struct sqs_request *request;
    struct outcome o = {};

    set_bench(server);
    assert_int_equal(sqs_request_send_message(QUEUE_URL,
                                              &(struct sqs_message){.body = "hello",
                                                                    .body_bytes = 5,
                                                                    .group_id = "g",
                                                                    .deduplication_id = "d",
                                                                    .delay_sec = -1},
                                              &request),
                     0);
    start_request(&o, request, &patient);
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    assert_string_equal(o.message_id, "m1");
    assert_int_equal(o.attempts, 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(b.noted[i].class, AWS_ERROR_TRANSIENT);
        assert_true(strlen(b.noted[i].message) > 5);
    }
}

/* --- Credentials --- */

static void refused_keys_are_looked_up_once_more_at_once(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK, REFUSED, OK);
    struct outcome o;
    char *authorization;

    set_bench(server);
    assert_true(call(&patient).ok);
    assert_int_equal(b.provider.n_fetches, 1);
    b.provider.id = "AKIA2";
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_int_equal(b.provider.n_fetches, 2);
    assert_int_equal(b.n_noted, 1);
    assert_int_equal(b.noted[0].class, AWS_ERROR_CREDENTIALS);
    assert_int_equal(b.noted[0].delay_usec, 0);
    authorization = test_server_header(server, 2, "Authorization");
    assert_non_null(strstr(authorization, "Credential=AKIA2/"));
    free(authorization);
}

static void keys_refused_twice_are_the_answer_or_repeated_slowly(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER(REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, OK);
    struct outcome o;

    set_bench(server);
    o = call(&patient);
    assert_false(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_int_equal(o.error.class, AWS_ERROR_CREDENTIALS);
    assert_string_equal(o.error.name, "UnrecognizedClientException");
    assert_int_equal(b.n_answered, 0);
    assert_int_equal(b.provider.n_fetches, 2);

    b.n_noted = 0;
    o = call(&stubborn);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 5);
    assert_int_equal(b.noted[0].delay_usec, 0);
    assert_in_range(b.noted[1].delay_usec, 5000, 5100);
    assert_in_range(b.noted[2].delay_usec, 10000, 10200);
    /* Each slow try looks for new keys: a person may have put them there. */
    assert_int_equal(b.provider.n_fetches, 7);
}

static void missing_keys_are_the_answer_or_waited_for(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o, waiting = {};

    set_bench(server);
    b.provider.id = NULL;
    o = call(&patient);
    assert_false(o.ok);
    assert_string_equal(o.error.name, "NoCredentials");
    assert_string_equal(o.error.code, "");
    assert_string_equal(o.error.message, "fake: nothing here");
    assert_int_equal(o.error.class, AWS_ERROR_CREDENTIALS);
    assert_int_equal(o.attempts, 1);
    assert_int_equal(o.http_status, 0);
    assert_int_equal(b.n_noted, 0);

    start(&waiting, &stubborn);
    run_until(b.event, &b.n_noted, 2);
    assert_in_range(b.noted[0].delay_usec, 5000, 5100);
    b.provider.id = "AKIA1";
    run_until(b.event, &waiting.n_done, 1);
    assert_true(waiting.ok);
    assert_int_equal(test_server_requests(server), 1);
}

/* One place that is set up and says why it has none is told apart by its name. */
static void keys_from_a_place_that_fails_are_told_apart_from_none(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o;

    set_bench(server);
    b.provider.id = NULL;
    b.provider.failure = CREDENTIALS_FAILED;
    o = call(&patient);
    assert_false(o.ok);
    assert_string_equal(o.error.name, "CredentialsFailed");
    assert_int_equal(o.error.class, AWS_ERROR_CREDENTIALS);
    assert_int_equal(o.attempts, 1);
}

static void keys_not_there_yet_are_waited_for_and_then_missing(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o = {};

    set_bench(server);
    b.provider.id = NULL;
    b.provider.failure = CREDENTIALS_NO_ANSWER_YET;
    start(&o, &patient);
    run_until(b.event, &b.n_noted, 3);
    assert_int_equal(o.n_done, 0);
    assert_string_equal(b.noted[0].name, "NoCredentialsYet");
    assert_int_equal(b.noted[0].class, AWS_ERROR_TRANSIENT);
    b.provider.failure = CREDENTIALS_NOT_SET_UP;
    run_until(b.event, &o.n_done, 1);
    assert_string_equal(o.error.name, "NoCredentials");
}

static void keys_that_cannot_be_asked_for_now_are_waited_for(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o = {};

    set_bench(server);
    b.provider.is_away = true;
    start(&o, &patient);
    run_until(b.event, &b.n_noted, 2);
    assert_int_equal(b.noted[0].class, AWS_ERROR_TRANSIENT);
    assert_string_equal(b.noted[0].name, "CredentialsUnreachable");
    assert_string_equal(b.noted[0].message, "fake: timed out");
    assert_in_range(b.noted[1].delay_usec, 1, 2000);
    b.provider.is_away = false;
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 3);
}

static void machine_is_short_keys_are_waited_for_under_that_name(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o = {};

    set_bench(server);
    b.provider.id = NULL;
    b.provider.failure = CREDENTIALS_SHORTAGE;
    start(&o, &patient);
    run_until(b.event, &b.n_noted, 1);
    assert_int_equal(b.noted[0].class, AWS_ERROR_TRANSIENT);
    assert_string_equal(b.noted[0].name, "CredentialsShortage");
    assert_string_equal(b.noted[0].message, "fake: nothing here");
    b.provider.id = "AKIDNEW";
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
}

static void assert_asked_for_slowly(enum credentials_outcome failure, const char *name)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o = {};

    set_bench(server);
    b.provider.id = NULL;
    b.provider.failure = failure;
    start(&o, &patient);
    run_until(b.event, &b.n_noted, 2);
    assert_int_equal(o.n_done, 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_string_equal(b.noted[i].name, name);
        assert_in_range(b.noted[i].delay_usec, 5000 << i, (5000 << i) + 200);
    }
    b.provider.id = "AKIDNEW";
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
}

static void keys_kept_back_by_a_proxy_are_asked_for_slowly(void **state)
{
    assert_asked_for_slowly(CREDENTIALS_INTERCEPTED, "CredentialsIntercepted");
}

static void keys_kept_back_on_the_way_to_the_metadata_are_asked_for_slowly(void **state)
{
    assert_asked_for_slowly(CREDENTIALS_METADATA_INTERCEPTED, "MetadataIntercepted");
}

static void what_cannot_be_sent_is_told_at_once_or_waited_for(void **state)
{
    static char path[] = "no slash";
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct sqs_request *request;
    struct outcome o = {};

    set_bench(server);
    b.endpoint.path = path;
    start(&o, &stubborn);
    run_until(b.event, &b.n_noted, 1);
    assert_string_equal(b.noted[0].message, "the request cannot be sent: Invalid argument");
    assert_in_range(b.noted[0].delay_usec, 5000, 5100);
    sqs_call_cancel(o.call);

    /* With keys in the cache it is known inside the call. */
    assert_int_equal(sqs_request_delete_message(QUEUE_URL, "HANDLE", &request), 0);
    assert_int_equal(sqs_client_call(b.client, request, &patient, on_done, &o, &o.call), -EINVAL);
    run_for(b.event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 0);
    assert_int_equal(test_server_requests(server), 0);
}

/* --- Clock --- */

static void date_header(int64_t skew_sec, char *ret, size_t size)
{
    time_t t = time(NULL) + skew_sec;
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(ret, size, "x-amzn-RequestId: bad-id\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
}

static void the_clock_is_corrected_by_the_replys_date(void **state)
{
    static const char body[] = "{\"__type\":\"com.amazon.coral.service#InvalidSignatureException\","
                               "\"message\":\"Signature expired: what it says\"}";
    char date[128], *sent;
    struct test_reply bad = {.status = 403, .headers = date, .body = body};
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(bad, OK, OK, bad, OK, bad);
    struct outcome o;
    time_t t;

    set_bench(server);
    date_header(1200, date, sizeof(date));
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_int_equal(b.n_noted, 1);
    assert_int_equal(b.noted[0].class, AWS_ERROR_CLOCK);
    assert_int_equal(b.noted[0].delay_usec, 0);
    assert_int_equal(b.n_skews, 1);
    assert_in_range(b.skew_sec, 1198, 1200);
    sent = test_server_header(server, 1, "X-Amz-Date");
    assert_int_equal(aws_time_parse(sent, &t), 0);
    assert_in_range(t - time(NULL), 1195, 1200);
    free(sent);

    /* From now on right from the start. */
    assert_int_equal(call(&patient).attempts, 1);

    /* The clock was set: back again. */
    date_header(0, date, sizeof(date));
    o = call(&once);
    assert_false(o.ok); /* one attempt is one, but what it taught stays */
    assert_int_equal(o.attempts, 1);
    assert_int_equal(b.n_skews, 2);
    assert_in_range(b.skew_sec + 5, 0, 10);
    assert_true(call(&patient).ok);

    /* A date that tells nothing new: not the clock, as it seems. */
    o = call(&patient);
    assert_false(o.ok);
    assert_int_equal(o.attempts, 1);
    assert_int_equal(o.error.class, AWS_ERROR_CLOCK);
    assert_int_equal(b.provider.n_fetches, 1);
}

static void the_clock_is_corrected_by_the_errors_text(void **state)
{
    char now[AWS_TIME_SIZE], server_now[AWS_TIME_SIZE], limit[AWS_TIME_SIZE], body[512];
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 403, .body = body}, OK);
    struct outcome o;
    time_t t = time(NULL);

    aws_time_format(t, now);
    aws_time_format(t - 3600, server_now);
    aws_time_format(t - 3600 + 900, limit);
    snprintf(body, sizeof(body),
             "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature not yet current: "
             "%s is still later than %s (%s + 15 min.)\"}",
             now, limit, server_now);
    set_bench(server);
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 2);
    assert_int_equal(b.n_skews, 1);
    assert_in_range(b.skew_sec + 3605, 0, 10);
}

static void impossible_server_time_nothing_is_corrected_and_nothing_ends(void **state)
{
    static const char body[] = "{\"__type\":\"RequestExpired\",\"message\":\"Request expired.\"}";
    static const char *const dates[] = {
        "Date: Mon, 01 Jan 1900 00:00:00 GMT\r\n",
        "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
    };
    struct test_reply bad[ARRAY_SIZE(dates)] = {};
    CLEANUP(test_server_free) struct test_server *server = NULL;
    struct outcome o;

    for (size_t i = 0; i < ARRAY_SIZE(dates); i++)
        bad[i] = (struct test_reply){.status = 400, .headers = dates[i], .body = body};
    server = TEST_SERVER(bad[0], bad[1], bad[2], OK);
    set_bench(server);
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 4);
    assert_int_equal(b.n_skews, 0);
    assert_non_null(strstr(b.noted[0].message, "19000101T000000Z, which cannot be"));
    for (unsigned k = 0; k < 4; k++) {
        CLEANUP(free) char *sent = test_server_header(server, k, "X-Amz-Date");
        time_t t;

        assert_int_equal(aws_time_parse(sent, &t), 0);
        assert_true(llabs(t - time(NULL)) < CLOCK_SKEW_MIN_SEC);
    }
}

/* As STS leaves it. */
static void clock_is_learnt_elsewhere_it_is_signed_with_and_reported_once(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK, OK);
    struct clock_skew *skew;
    struct timespec boot;

    set_bench(server);
    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &boot), 0);
    skew = credentials_skew(b.credentials);
    *skew = (struct clock_skew){
        .is_known = true,
        .is_confirmed = true,
        .offset_sec = time(NULL) + 3600 - boot.tv_sec,
    };
    clock_skew_leave_change(skew, CLOCK_SKEW_LEARNT);
    for (unsigned i = 0; i < 2; i++) {
        struct outcome o = {};
        CLEANUP(free) char *date = NULL;
        time_t t;

        start(&o, &patient);
        run_until(b.event, &o.n_done, 1);
        assert_true(o.ok);
        date = test_server_header(server, i, "X-Amz-Date");
        assert_int_equal(aws_time_parse(date, &t), 0);
        assert_in_range(t - time(NULL), 3590, 3610);
        assert_int_equal(b.n_skews, 1);
        assert_in_range(b.skew_sec, 3590, 3610);
    }
}

static void skew_that_does_not_help_is_dropped_at_once(void **state)
{
    static const char body[] = "{\"__type\":\"RequestExpired\",\"message\":\"Request expired.\"}";
    char date[128];
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 400, .headers = date, .body = body},
                                             {.status = 400, .body = body}, OK);
    struct outcome o;

    set_bench(server);
    date_header(10 * 365 * 24 * 3600, date, sizeof(date));
    o = call(&patient);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 3);
    assert_int_equal(b.n_skews, 2);
    assert_int_equal(b.skew_change, CLOCK_SKEW_DROPPED);
    for (unsigned k = 0; k < 3; k++) {
        CLEANUP(free) char *sent = test_server_header(server, k, "X-Amz-Date");
        int64_t wanted = k == 1 ? 10 * 365 * 24 * 3600 : 0;
        time_t t;

        assert_int_equal(aws_time_parse(sent, &t), 0);
        assert_true(llabs(t - time(NULL) - wanted) < CLOCK_SKEW_MIN_SEC);
    }
}

static void calls_side_by_side_all_profit_from_one_correction(void **state)
{
    static const char body[] = "{\"__type\":\"RequestTimeTooSkewed\"}";
    char date[128];
    struct test_reply bad = {.status = 403, .headers = date, .body = body, .delay_msec = 30};
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(bad, bad, bad, bad, OK);
    struct outcome outcomes[4] = {};

    date_header(-2000, date, sizeof(date));
    set_bench(server);
    assert_int_equal(b.provider.n_fetches, 0);
    for (int i = 0; i < 4; i++)
        start(&outcomes[i], &patient);
    for (int i = 0; i < 4; i++) {
        run_until(b.event, &outcomes[i].n_done, 1);
        assert_true(outcomes[i].ok);
        assert_int_equal(outcomes[i].attempts, 2);
    }
    assert_int_equal(b.n_skews, 1);
    assert_int_equal(b.n_noted, 4);
}

/* --- Stopping --- */

static void last_attempt_lets_the_one_on_its_way_end(void **state)
{
    struct test_reply slow_ok = OK, slow_bad = UNAVAILABLE;
    struct test_reply slow_refused = REFUSED;
    struct outcome o = {};

    slow_ok.is_held = slow_bad.is_held = slow_refused.is_held = true;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(slow_ok, slow_bad, slow_refused);

    set_bench(server);
    sqs_call_stop_retrying(NULL);
    start(&o, &stubborn);
    test_server_run_until_requests(server, b.event, 1);
    sqs_call_stop_retrying(o.call);
    sqs_call_stop_retrying(o.call);
    assert_int_equal(o.n_done, 0);
    test_server_release(server);
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);

    start(&o, &stubborn);
    test_server_run_until_requests(server, b.event, 2);
    sqs_call_stop_retrying(o.call);
    test_server_release(server);
    run_until(b.event, &o.n_done, 2);
    assert_false(o.ok);
    assert_int_equal(o.error.http_status, 503);

    /* No forced look-up of keys either. */
    start(&o, &stubborn);
    test_server_run_until_requests(server, b.event, 3);
    sqs_call_stop_retrying(o.call);
    test_server_release(server);
    run_until(b.event, &o.n_done, 3);
    assert_int_equal(o.error.class, AWS_ERROR_CREDENTIALS);
    assert_int_equal(b.provider.n_fetches, 1);
    assert_int_equal(b.n_noted, 0);
    run_for(b.event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 3);
}

static void last_attempt_corrects_no_clock(void **state)
{
    char date[128];
    struct test_reply bad = {.status = 403,
                             .headers = date,
                             .body = "{\"__type\":\"RequestTimeTooSkewed\"}",
                             .is_held = true};
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(bad, OK);
    struct outcome o = {};

    date_header(5000, date, sizeof(date));
    set_bench(server);
    start(&o, &stubborn);
    test_server_run_until_requests(server, b.event, 1);
    sqs_call_stop_retrying(o.call);
    test_server_release(server);
    run_until(b.event, &o.n_done, 1);
    assert_int_equal(o.error.class, AWS_ERROR_CLOCK);
    assert_int_equal(test_server_requests(server), 1);
}

static void last_attempt_between_attempts_gives_the_last_error(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.status = 403,
                     .headers = "x-amz-retry-after: 4000\r\nx-amzn-RequestId: r\r\n",
                     .body = "{\"__type\":\"RequestThrottled\"}"});
    struct outcome o = {};

    set_bench(server);
    start(&o, &stubborn);
    run_until(b.event, &b.n_noted, 1);
    sqs_call_stop_retrying(o.call);
    sqs_call_stop_retrying(o.call);
    assert_int_equal(o.n_done, 0);
    run_until(b.event, &o.n_done, 1);
    assert_string_equal(o.error.name, "RequestThrottled");
    assert_string_equal(o.request_id, "r");
    assert_int_equal(o.http_status, 403);
    assert_int_equal(o.attempts, 1);
    run_for(b.event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 1);
    assert_int_equal(test_server_requests(server), 1);
}

static void last_attempt_does_not_wait_for_credentials(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(OK);
    struct outcome o = {};

    set_bench(server);
    b.provider.is_silent = true;
    start(&o, &stubborn);
    run_for(b.event, 5 * USEC_PER_MSEC);
    sqs_call_stop_retrying(o.call);
    assert_int_equal(o.n_done, 0);
    run_until(b.event, &o.n_done, 1);
    assert_false(o.ok);
    assert_int_equal(o.attempts, 0);
    assert_string_equal(o.error.message, "stopped before the first attempt");
    assert_int_equal(o.error.class, AWS_ERROR_TRANSIENT);
}

static void a_call_is_cancelled_in_every_state(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.how = REPLY_STALL},
                                             {.status = 403,
                                              .headers = "x-amz-retry-after: 30\r\n",
                                              .body = "{\"__type\":\"RequestThrottled\"}"},
                                             OK);
    struct outcome o[5] = {};

    set_bench(server);
    assert_null(sqs_call_cancel(NULL));
    b.provider.is_silent = true;
    start(&o[0], &stubborn);
    assert_null(sqs_call_cancel(o[0].call)); /* waiting for credentials */
    sqs_client_free(b.client);
    credentials_free(b.credentials);
    http_client_free(b.http);
    free(b.endpoint.url);
    b.provider.is_silent = false;
    set_bench(server);

    start(&o[1], &stubborn);
    test_server_run_until_requests(server, b.event, 1);
    sqs_call_cancel(o[1].call); /* on its way */

    start(&o[2], &stubborn);
    run_until(b.event, &b.n_noted, 1);
    sqs_call_cancel(o[2].call); /* between attempts */

    start(&o[3], &stubborn);
    sqs_call_stop_retrying(o[3].call);
    sqs_call_cancel(o[3].call); /* its answer waits */

    start(&o[4], &stubborn);
    run_until(b.event, &o[4].n_done, 1);
    assert_true(o[4].ok);
    run_for(b.event, 60 * USEC_PER_MSEC);
    assert_int_equal(o[0].n_done + o[1].n_done + o[2].n_done + o[3].n_done, 0);
}

static void end_self_and_other_and_start(struct outcome *o)
{
    assert_null(sqs_call_cancel(o->call));
    sqs_call_stop_retrying(o->call);
    if (o->other && o->other->call)
        o->other->call = sqs_call_cancel(o->other->call);
    if (o->n_done < 3)
        start(o, &stubborn);
}

static void a_callback_may_start_and_cancel(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(OK, UNAVAILABLE, NO_HANDLE, OK);

    set_bench(server);
    for (int round = 0; round < 10; round++) {
        struct outcome o[2] = {{.then = end_self_and_other_and_start},
                               {.then = end_self_and_other_and_start}};

        o[0].other = &o[1];
        o[1].other = &o[0];
        start(&o[0], &stubborn);
        start(&o[1], &stubborn);
        while (o[0].n_done < 3 && o[1].n_done < 3)
            assert_true(sd_event_run(b.event, 100 * USEC_PER_MSEC) >= 0);
        for (int i = 0; i < 2; i++)
            if (o[i].call)
                sqs_call_cancel(o[i].call);
    }
}

static void the_client_may_be_freed_with_calls_in_every_state(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 403,
                                              .headers = "x-amz-retry-after: 4000\r\n",
                                              .body = "{\"__type\":\"RequestThrottled\"}"},
                                             {.how = REPLY_STALL});
    struct outcome o[3] = {};

    set_bench(server);
    start(&o[0], &stubborn);
    run_until(b.event, &b.n_noted, 1);
    start(&o[1], &stubborn);
    test_server_run_until_requests(server, b.event, 2);
    credentials_refused(b.credentials, credentials_peek(b.credentials));
    b.provider.is_silent = true;
    start(&o[2], &stubborn);
    run_for(b.event, 5 * USEC_PER_MSEC);
    b.client = sqs_client_free(b.client);
    assert_null(sqs_client_free(NULL));
    run_for(b.event, 10 * USEC_PER_MSEC);
    assert_int_equal(o[0].n_done + o[1].n_done + o[2].n_done, 0);
}

static void a_long_poll_has_the_time_it_asked_for(void **state)
{
    struct test_reply slow = OK;
    struct outcome o = {};
    const struct sqs_call_options polling = {.wait_usec = TEST_PATIENCE_USEC, .attempts_max = 1};

    slow.delay_msec = 1500;
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(slow);

    b.request_timeout_usec = 300 * USEC_PER_MSEC;
    set_bench(server);
    start(&o, &polling);
    run_until(b.event, &o.n_done, 1);
    assert_true(o.ok);
    start(&o, &once);
    run_until(b.event, &o.n_done, 2);
    assert_false(o.ok);
}

static uint64_t timeouts[4];
static unsigned n_timeouts;

static uint64_t next_timeout(void *userdata)
{
    return timeouts[n_timeouts++];
}

static void each_attempt_has_the_time_that_the_caller_says(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.how = REPLY_STALL}, {.how = REPLY_STALL}, OK, {.how = REPLY_STALL});
    const struct sqs_call_options options = {.timeout = next_timeout};
    const struct sqs_call_options bounded = {.timeout = next_timeout, .attempts_max = 1};
    struct outcome o;

    b.request_timeout_usec = 2 * TEST_PATIENCE_USEC;
    set_bench(server);
    timeouts[0] = timeouts[1] = 300 * USEC_PER_MSEC;
    timeouts[2] = USEC_INFINITY;
    n_timeouts = 0;
    o = call(&options);
    assert_true(o.ok);
    assert_int_equal(o.attempts, 3);
    assert_int_equal(n_timeouts, 3);
    sqs_client_free(b.client);
    http_client_free(b.http);
    credentials_free(b.credentials);
    free(b.endpoint.url);

    /* But never more than the client's. */
    b.request_timeout_usec = 100 * USEC_PER_MSEC;
    set_bench(server);
    timeouts[0] = USEC_INFINITY;
    n_timeouts = 0;
    o = call(&bounded);
    assert_false(o.ok);
    assert_int_equal(n_timeouts, 1);
}

/* The far end, which counts whatever moves, is no nearer than twice the time without progress. */
static void a_long_request_timeout_is_not_cut_off(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "{}", .is_held = true});
    const time_t timeout_sec = 2 * SQS_ATTEMPT_MAX_USEC / USEC_PER_SEC;
    struct outcome o = {};

    b.request_timeout_usec = (uint64_t)timeout_sec * USEC_PER_SEC;
    set_bench(server);
    start(&o, &once);
    test_server_run_until_requests(server, b.event, 1);
    boot_ahead_usec += (uint64_t)(timeout_sec - 60) * USEC_PER_SEC;
    run_for(b.event, 100 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 0);
    boot_ahead_usec += 61 * USEC_PER_SEC;
    run_until(b.event, &o.n_done, 1);
    assert_false(o.ok);
    assert_non_null(strstr(o.error.message, "nothing moved for 600 s"));
}

static unsigned n_asked;

static bool put_another(void *userdata, const struct sqs_error *error, struct sqs_request **request)
{
    struct outcome *o = userdata;

    n_asked++;
    assert_int_equal(o->n_done, 0);
    assert_int_equal(error->class, n_asked == 1 ? AWS_ERROR_TRANSIENT : AWS_ERROR_THROTTLED);
    if (n_asked == 1) {
        sqs_request_free(*request);
        assert_int_equal(sqs_request_delete_message(QUEUE_URL, "OTHER", request), 0);
    }
    return n_asked < 3;
}

static void a_request_may_be_replaced_or_given_up_before_it_is_repeated(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER(OK, UNAVAILABLE, THROTTLED, THROTTLED, OK);
    const struct sqs_call_options replacing = {.before_attempt = put_another};
    struct outcome o;

    n_asked = 0;
    set_bench(server);
    assert_true(call(&patient).ok); /* so that the keys are there */
    o = call(&replacing);
    assert_int_equal(n_asked, 3);
    assert_false(o.ok);
    assert_string_equal(o.error.name, "RequestThrottled");
    assert_int_equal(o.attempts, 3);
    assert_int_equal(test_server_requests(server), 4);
    assert_non_null(strstr(test_server_body(server, 1), "HANDLE"));
    assert_non_null(strstr(test_server_body(server, 2), "OTHER"));
    assert_non_null(strstr(test_server_body(server, 3), "OTHER"));
}

static unsigned n_wanted;

static bool note_and_want(void *userdata, const struct sqs_error *error,
                          struct sqs_request **request)
{
    struct outcome *o = userdata;

    n_asked++;
    assert_int_equal(o->n_done, 0);
    assert_true(!error || error->class == AWS_ERROR_CREDENTIALS);
    return n_asked <= n_wanted;
}

static void an_attempt_that_waited_for_keys_is_asked_about_again(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(REFUSED, OK);
    const struct sqs_call_options asking = {.before_attempt = note_and_want};
    struct outcome o = {};

    /* The first: once the keys are there, and not at all where they are there from the start. */
    set_bench(server);
    b.provider.is_silent = true;
    n_asked = n_wanted = 0;
    start(&o, &asking);
    run_for(b.event, 5 * USEC_PER_MSEC);
    assert_int_equal(n_asked, 0);
    fake_provide(&b.provider);
    run_until(b.event, &o.n_done, 1);
    assert_int_equal(n_asked, 1);
    assert_false(o.ok);
    assert_string_equal(o.error.message, "given up before the first attempt");
    assert_int_equal(o.attempts, 0);
    assert_int_equal(test_server_requests(server), 0);

    /* A repeated one: when its time has come, and once the keys are there. */
    o = (struct outcome){};
    n_asked = 0;
    n_wanted = 1;
    start(&o, &asking);
    run_until(b.event, &n_asked, 1);
    assert_int_equal(test_server_requests(server), 1);
    run_for(b.event, 5 * USEC_PER_MSEC);
    assert_int_equal(n_asked, 1);
    fake_provide(&b.provider);
    run_until(b.event, &o.n_done, 1);
    assert_int_equal(n_asked, 2);
    assert_false(o.ok);
    assert_string_equal(o.error.name, "UnrecognizedClientException");
    assert_int_equal(o.attempts, 1);
    assert_int_equal(test_server_requests(server), 1);
    assert_true(call(&patient).ok);
}

/* Asleep each would wait for 20 s. However late replies are read, the tokens are spent before the
 * first good one: a call has one request on its way, so that no more bad ones than calls come after
 * it, and of the 40 before it the tokens pay for 35. */
static void after_an_outage_one_answer_wakes_all(void **state)
{
    enum { CALLS = 64, FAILURES = CALLS + 40 };
    static struct test_reply replies[FAILURES + 1];
    static struct outcome o[CALLS];
    struct test_reply bad = UNAVAILABLE, good = OK;
    unsigned n_done = 0, n_asleep = 0;

    for (int i = 0; i <= FAILURES; i++)
        replies[i] = i < FAILURES ? bad : good;
    CLEANUP(test_server_free)
    struct test_server *server = test_server_new(replies, ARRAY_SIZE(replies), NULL);
    uint64_t start_usec;

    memset(o, 0, sizeof(o));
    set_bench(server);
    for (int i = 0; i < CALLS; i++)
        start(&o[i], &patient);
    start_usec = boot_clock_usec();
    while (n_done < CALLS) {
        assert_true(sd_event_run(b.event, 100 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() - start_usec < 15 * USEC_PER_SEC);
        n_done = 0;
        for (int i = 0; i < CALLS; i++)
            n_done += o[i].n_done;
    }
    assert_int_equal(b.n_noted, FAILURES);
    for (unsigned i = 0; i < FAILURES; i++)
        n_asleep += b.noted[i].delay_usec >= 20 * USEC_PER_SEC;
    assert_true(n_asleep > 0);
    assert_int_equal(test_server_requests(server), FAILURES + CALLS);
}

/* The last call of those that spend the tokens succeeds and so gives back the 14 that its retry
 * cost: one more retry is paid, and two are probes. Without these 14 the third would be asleep for
 * 20 s. */
static void an_answered_call_gives_back_what_its_retries_cost(void **state)
{
    enum { PAID = RETRY_QUOTA_MAX / RETRY_COST_TRANSIENT, CALLS = 3 };
    static struct test_reply replies[PAID + 1 + 2 * CALLS];
    static const struct test_reply bad = UNAVAILABLE, good = OK, stall = {.how = REPLY_STALL};
    struct outcome spending = {}, o[CALLS] = {};

    for (unsigned i = 0; i < ARRAY_SIZE(replies); i++)
        replies[i] = i < PAID ? bad : i == PAID ? good : (i - PAID) % 2 == 1 ? bad : stall;
    CLEANUP(test_server_free)
    struct test_server *server = test_server_new(replies, ARRAY_SIZE(replies), NULL);

    set_bench(server);
    for (unsigned i = 0; i < PAID - 1; i++) {
        start(&spending, &patient);
        run_until(b.event, &b.n_noted, i + 1);
        sqs_call_cancel(spending.call);
    }
    start(&spending, &patient);
    run_until(b.event, &spending.n_done, 1);
    assert_true(spending.ok);
    for (unsigned i = 0; i < CALLS; i++) {
        start(&o[i], &patient);
        run_until(b.event, &b.n_noted, PAID + i + 1);
        assert_in_range(b.noted[PAID + i].delay_usec, 0, USEC_PER_SEC);
        /* It keeps what it has, and SQS does not answer. */
        test_server_run_until_requests(server, b.event, PAID + 1 + 2 * (i + 1));
    }
    for (unsigned i = 0; i < CALLS; i++)
        sqs_call_cancel(o[i].call);
}

/* The one that goes on for the others is cancelled. */
static void a_probe_that_ends_hands_on_its_task(void **state)
{
    enum { CALLS = 40 };
    static struct outcome o[CALLS];
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER(UNAVAILABLE);
    unsigned n_requests;

    memset(o, 0, sizeof(o));
    set_bench(server);
    for (int i = 0; i < CALLS; i++)
        start(&o[i], &patient);
    /* By now the tokens are spent. */
    run_until(b.event, &b.n_noted, 2 * CALLS);
    for (int i = 0; i < CALLS - 1; i++)
        sqs_call_cancel(o[i].call);
    n_requests = test_server_requests(server);
    test_server_run_until_requests(server, b.event, n_requests + 3);
    sqs_call_cancel(o[CALLS - 1].call);
}

static const char *what_hangs_in(uint64_t usec)
{
    return sqs_client_describe_stuck_call(b.client, boot_clock_usec() + usec);
}

static void a_call_hangs_only_past_its_time(void **state)
{
    const uint64_t late_usec = SQS_CALL_STUCK_USEC;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 403,
                                              .headers = "x-amz-retry-after: 4000\r\n",
                                              .body = "{\"__type\":\"RequestThrottled\"}"},
                                             {.how = REPLY_STALL});
    const struct sqs_call_options polling = {.wait_usec = 60 * USEC_PER_SEC};
    struct outcome o[3] = {};

    b.request_timeout_usec = 300 * USEC_PER_MSEC;
    set_bench(server);
    assert_null(what_hangs_in(1000 * USEC_PER_SEC)); /* there is none */
    b.provider.is_silent = true;
    start(&o[0], &stubborn);
    run_for(b.event, 5 * USEC_PER_MSEC);
    assert_null(what_hangs_in(60 * USEC_PER_SEC));
    assert_non_null(what_hangs_in(SQS_CALL_CREDENTIALS_STUCK_USEC + USEC_PER_SEC));
    fake_provide(&b.provider);
    run_until(b.event, &b.n_noted, 1);

    /* Four seconds until its next attempt. */
    assert_null(what_hangs_in(0));
    assert_null(what_hangs_in(late_usec + 2 * USEC_PER_SEC));
    assert_non_null(what_hangs_in(late_usec + 5 * USEC_PER_SEC));
    o[0].call = sqs_call_cancel(o[0].call);

    start(&o[1], &polling);
    test_server_run_until_requests(server, b.event, 2);
    assert_null(what_hangs_in(late_usec + SQS_ATTEMPT_MAX_USEC + 59 * USEC_PER_SEC));
    assert_non_null(what_hangs_in(late_usec + SQS_ATTEMPT_MAX_USEC + 61 * USEC_PER_SEC));
    sqs_call_cancel(o[1].call);

    b.provider.is_silent = true;
    credentials_refused(b.credentials, credentials_peek(b.credentials));
    start(&o[2], &stubborn);
    sqs_call_stop_retrying(o[2].call);
    assert_null(what_hangs_in(0)); /* its answer is on its way */
    run_until(b.event, &o[2].n_done, 1);
    assert_null(what_hangs_in(1000 * USEC_PER_SEC));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_signed_and_complete),
        TEST(the_time_told_is_from_before_the_attempt_that_was_answered),
        TEST(transient_failures_are_repeated),
        TEST(throttling_is_repeated_more_slowly),
        TEST(a_retry_waits_as_long_as_was_told),
        TEST(a_permanent_error_is_the_answer),
        TEST(what_a_person_must_mend_is_repeated_slowly_where_wanted),
        TEST(a_denied_action_is_the_answer_where_wanted),
        TEST(what_is_not_of_sqs_is_repeated_slowly_and_never_the_answer),
        TEST(a_page_in_place_of_a_reply_is_not_of_sqs),
        TEST(an_empty_receive_that_comes_at_once_is_a_failure_with_growing_pauses),
        TEST(an_empty_receive_without_a_request_id_is_not_of_sqs),
        TEST(a_delete_answered_without_the_id_of_before_is_not_of_sqs),
        TEST(a_bounded_call_ends_with_what_is_not_of_sqs),
        TEST(who_is_answered_and_who_gives_up_is_told_by_operation),
        TEST(attempts_are_bounded_where_wanted),
        TEST(no_reply_leaves_no_status_and_no_request_id),
        TEST(it_is_told_whether_the_outcome_is_unknown),
        TEST(what_is_repeated_and_refused_stays_unknown),
        TEST(what_cannot_be_repeated_stays_unknown),
        TEST(a_damaged_reply_is_repeated),
        TEST(refused_keys_are_looked_up_once_more_at_once),
        TEST(keys_refused_twice_are_the_answer_or_repeated_slowly),
        TEST(missing_keys_are_the_answer_or_waited_for),
        TEST(keys_from_a_place_that_fails_are_told_apart_from_none),
        TEST(keys_not_there_yet_are_waited_for_and_then_missing),
        TEST(keys_that_cannot_be_asked_for_now_are_waited_for),
        TEST(machine_is_short_keys_are_waited_for_under_that_name),
        TEST(keys_kept_back_by_a_proxy_are_asked_for_slowly),
        TEST(keys_kept_back_on_the_way_to_the_metadata_are_asked_for_slowly),
        TEST(what_cannot_be_sent_is_told_at_once_or_waited_for),
        TEST(the_clock_is_corrected_by_the_replys_date),
        TEST(the_clock_is_corrected_by_the_errors_text),
        TEST(impossible_server_time_nothing_is_corrected_and_nothing_ends),
        TEST(clock_is_learnt_elsewhere_it_is_signed_with_and_reported_once),
        TEST(skew_that_does_not_help_is_dropped_at_once),
        TEST(calls_side_by_side_all_profit_from_one_correction),
        TEST(last_attempt_lets_the_one_on_its_way_end),
        TEST(last_attempt_corrects_no_clock),
        TEST(last_attempt_between_attempts_gives_the_last_error),
        TEST(last_attempt_does_not_wait_for_credentials),
        TEST(a_call_is_cancelled_in_every_state),
        TEST(a_callback_may_start_and_cancel),
        TEST(the_client_may_be_freed_with_calls_in_every_state),
        TEST(a_long_poll_has_the_time_it_asked_for),
        TEST(each_attempt_has_the_time_that_the_caller_says),
        TEST(a_long_request_timeout_is_not_cut_off),
        TEST(a_request_may_be_replaced_or_given_up_before_it_is_repeated),
        TEST(an_attempt_that_waited_for_keys_is_asked_about_again),
        TEST(after_an_outage_one_answer_wakes_all),
        TEST(an_answered_call_gives_back_what_its_retries_cost),
        TEST(a_probe_that_ends_hands_on_its_task),
        TEST(a_call_hangs_only_past_its_time),
    };

    return cmocka_run_group_tests_name("sqs-client", tests, NULL, NULL);
}
