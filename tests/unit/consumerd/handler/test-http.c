/* SPDX-License-Identifier: MIT */
/* Handler "http" against a scripted server: what goes out, and what each answer means. */
#include "consumerd/handler/http.h"
#include "test-certificate.h"
#include "test-loop.h"
#include "test-server.h"
#include "util/log.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define GROWING HANDLER_DELAY_DEFAULT

/* --- The log, in libsystemd's place: warnings and notices --- */

struct entry {
    int priority;
    char text[2048], message_id[64], group_id[64], status[16];
};

static struct entry entries[16];
static size_t n_entries;

static void take_field(const struct iovec *field, const char *name, char *ret, size_t size)
{
    size_t length = strlen(name);

    if (field->iov_len > length && memcmp(field->iov_base, name, length) == 0)
        snprintf(ret, size, "%.*s", (int)(field->iov_len - length),
                 (const char *)field->iov_base + length);
}

int sd_journal_sendv(const struct iovec *iov, int n);
int sd_journal_sendv(const struct iovec *iov, int n)
{
    char priority[8] = "";
    struct entry *e;

    assert_true(n_entries < ARRAY_SIZE(entries));
    e = &entries[n_entries++];
    *e = (struct entry){};
    for (int i = 0; i < n; i++) {
        take_field(&iov[i], "MESSAGE=", e->text, sizeof(e->text));
        take_field(&iov[i], "SQS_MESSAGE_ID=", e->message_id, sizeof(e->message_id));
        take_field(&iov[i], "SQS_MESSAGE_GROUP_ID=", e->group_id, sizeof(e->group_id));
        take_field(&iov[i], "SQS_HTTP_STATUS=", e->status, sizeof(e->status));
        take_field(&iov[i], "PRIORITY=", priority, sizeof(priority));
    }
    e->priority = atoi(priority);
    return 0;
}

/* --- A handler, and what it answers --- */

static sd_event *event;
static unsigned n_all_done;

struct outcome {
    unsigned n_done;
    enum handler_outcome outcome;
    uint64_t delay_usec;
    struct handler_run *run;
};

static void on_done(void *userdata, enum handler_outcome outcome, uint64_t delay_usec)
{
    struct outcome *o = userdata;

    o->n_done++;
    o->outcome = outcome;
    o->delay_usec = delay_usec;
    n_all_done++;
}

static char config_url[256],
    content_type[] = "text/x-test; charset=utf-8",
    queue_url[] = "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs.fifo";

static struct config config_for(const char *url)
{
    struct config config = {};

    snprintf(config_url, sizeof(config_url), "%s", url);
    config.aws.queue_url = queue_url;
    config.consumer.url = config_url;
    config.consumer.content_type = content_type;
    config.consumer.timeout_usec = 20 * USEC_PER_SEC;
    config.consumer.concurrency = 10;
    return config;
}

static struct handler *new_handler(const char *url)
{
    struct config config = config_for(url);
    struct handler *handler;
    char *error = NULL;

    if (handler_http_new(event, &config, &handler, &error) != 0)
        fail_msg("%s: %s", url, error);
    return handler;
}

static const struct sqs_received_message plain = {
    .message_id = "5fea7756-0ea4-451a-a703-a558b933e274",
    .group_id = "g1",
    .body = "question",
    .body_bytes = 8,
    .receive_count = 1,
};

static void begin(struct handler *handler, const struct sqs_received_message *message,
                  struct outcome *o)
{
    *o = (struct outcome){};
    assert_int_equal(handler->ops->run(handler, message, on_done, o, &o->run), 0);
    assert_int_equal(o->n_done, 0);
    assert_non_null(o->run);
}

static struct outcome handle(struct handler *handler, const struct sqs_received_message *message)
{
    struct outcome o;

    begin(handler, message, &o);
    run_until(event, &o.n_done, 1);
    assert_int_equal(o.n_done, 1);
    return o;
}

/* What a handler of its own makes of one reply to one message. */
static struct outcome handle_reply(struct test_reply reply)
{
    CLEANUP(test_server_free) struct test_server *server = test_server_new(&reply, 1, NULL);
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));

    return handle(handler, &plain);
}

static void check_header(struct test_server *server, unsigned i, const char *name,
                         const char *expected)
{
    char *value = test_server_header(server, i, name);

    if (!value || !streq(value, expected))
        fail_msg("%s: %s, not %s", name, value ? value : "(none)", expected);
    free(value);
}

static void check_no_header(struct test_server *server, unsigned i, const char *name)
{
    char *value = test_server_header(server, i, name);

    if (value)
        fail_msg("%s: %s", name, value);
}

/* --- Requests --- */

static void a_message_is_posted_as_by_aws_sqsd(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.status = 200});
    CLEANUP(handler_free) struct handler *handler = NULL;
    struct sqs_attribute attributes[] = {
        {"title", "String", "Gr\xc3\xbc\xc3\x9f Gott", 11, false},
        {"amount.eur", "Number", "12.50", 5, false},
        {"picture", "Binary", "\x00\r\n", 3, true},
        {"broken", "String", "1\r\nX-Injected: 2", 16, false},
    };
    struct sqs_received_message message = plain;
    char url[128];

    message.sender_id = "AIDAEXAMPLEEXAMPLE123";
    message.first_received_msec = UINT64_C(1531055306987);
    message.sent_msec = UINT64_C(1531055305001);
    message.receive_count = 6;
    message.attributes = attributes;
    message.n_attributes = ARRAY_SIZE(attributes);
    snprintf(url, sizeof(url), "%sin/box", test_server_url(server));
    handler = new_handler(url);
    assert_int_equal(handle(handler, &message).outcome, HANDLER_DONE);

    assert_memory_equal(test_server_head(server, 0), "POST /in/box HTTP/1.1\r\n", 23);
    assert_string_equal(test_server_body(server, 0), "question");
    check_header(server, 0, "User-Agent", "aws-sqsd/1.1 sqs-consumerd/" PROJECT_VERSION);
    check_header(server, 0, "Content-Type", content_type);
    check_header(server, 0, "Content-Length", "8");
    check_header(server, 0, "X-Aws-Sqsd-Msgid", plain.message_id);
    check_header(server, 0, "X-Aws-Sqsd-Queue", "jobs.fifo");
    check_header(server, 0, "X-Aws-Sqsd-First-Received-At", "2018-07-08T13:08:26Z");
    check_header(server, 0, "X-Aws-Sqsd-Receive-Count", "6");
    check_header(server, 0, "X-Aws-Sqsd-Attr-title", "Gr\xc3\xbc\xc3\x9f Gott");
    check_header(server, 0, "X-Aws-Sqsd-Attr-amount.eur", "12.50");
    check_header(server, 0, "X-Aws-Sqsd-Sender-Id", "AIDAEXAMPLEEXAMPLE123");
    check_header(server, 0, "X-Aws-Sqsd-Sent-At", "2018-07-08T13:08:25Z");
    check_header(server, 0, "X-Aws-Sqsd-Path", "/in/box");
    check_no_header(server, 0, "X-Aws-Sqsd-Attr-picture");
    check_no_header(server, 0, "X-Aws-Sqsd-Attr-broken");
    check_no_header(server, 0, "X-Injected");
    check_no_header(server, 0, "Expect");
    check_no_header(server, 0, "Transfer-Encoding");
    check_no_header(server, 0, "X-Aws-Sqsd-Taskname");
    check_no_header(server, 0, "X-Aws-Sqsd-Scheduled-At");
    check_no_header(server, 0, "Authorization");

    /* The one that is no Binary one is missed. */
    assert_int_equal(n_entries, 1);
    assert_int_equal(entries[0].priority, LOG_WARNING);
    assert_string_equal(entries[0].message_id, plain.message_id);
    assert_non_null(strstr(entries[0].text, "without 1 of its attributes"));
    assert_non_null(strstr(entries[0].text, "\"broken\""));

    /* Nothing of it stays for the next message. */
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    check_no_header(server, 1, "X-Aws-Sqsd-Attr-title");
    check_no_header(server, 1, "X-Aws-Sqsd-Sender-Id");
    check_header(server, 1, "X-Aws-Sqsd-Receive-Count", "1");
    assert_int_equal(test_server_connections(server), 1);
}

static void an_attribute_of_spaces_is_a_header_without_value(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.status = 200});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
    struct sqs_attribute attribute = {"blank", "String", "  ", 2, false};
    struct sqs_received_message message = plain;

    message.attributes = &attribute;
    message.n_attributes = 1;
    assert_int_equal(handle(handler, &message).outcome, HANDLER_DONE);
    check_header(server, 0, "X-Aws-Sqsd-Attr-blank", "");
}

static void the_largest_body_and_headers_go_out_whole(void **state)
{
    static char body[SQS_MESSAGE_MAX_BYTES + 1], value[40000];
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.status = 200});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
    struct sqs_attribute attribute = {"large", "String", value, sizeof(value) - 1, false};
    struct sqs_received_message message = plain;

    memset(body, 'b', sizeof(body) - 1);
    memset(value, 'v', sizeof(value) - 1);
    message.body = body;
    message.body_bytes = sizeof(body) - 1;
    message.attributes = &attribute;
    message.n_attributes = 1;
    assert_int_equal(handle(handler, &message).outcome, HANDLER_DONE);
    assert_string_equal(test_server_body(server, 0), body);
    check_header(server, 0, "Content-Length", "1048576");
    check_header(server, 0, "X-Aws-Sqsd-Attr-large", value);
}

static void a_unix_socket_is_posted_to(void **state)
{
    static const struct test_reply reply = {.status = 200};
    char folder[] = "/tmp/handler-http-XXXXXX", path[64], url[128];
    struct test_server *server;
    struct handler *handler;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/socket", folder);
    server = test_server_new_unix(&reply, 1, path);

    snprintf(url, sizeof(url), "unix:%s", path);
    handler = new_handler(url);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    handler_free(handler);
    assert_memory_equal(test_server_head(server, 0), "POST / HTTP/1.1\r\n", 17);
    check_header(server, 0, "Host", "localhost");
    check_header(server, 0, "X-Aws-Sqsd-Path", "/");
    check_header(server, 0, "X-Aws-Sqsd-Msgid", plain.message_id);
    assert_string_equal(test_server_body(server, 0), "question");
    assert_int_equal(test_server_connections(server), 1);

    snprintf(url, sizeof(url), "unix:%s:/in/box?secret=1", path);
    handler = new_handler(url);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    assert_memory_equal(test_server_head(server, 2), "POST /in/box?secret=1 HTTP/1.1\r\n", 32);
    check_header(server, 2, "X-Aws-Sqsd-Path", "/in/box");

    test_server_free(server);
    unlink(path);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_NOT_REACHED);
    assert_int_equal(n_entries, 0);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), "No such file or directory"));
    assert_non_null(strstr(handler->ops->why_not_reached(handler), path));
    assert_null(strstr(handler->ops->why_not_reached(handler), "secret"));
    handler_free(handler);
    rmdir(folder);
}

static void loopback_needs_no_proxy_and_others_may(void **state)
{
    CLEANUP(test_server_free) struct test_server *proxy = TEST_SERVER({.status = 200});
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.status = 200});
    CLEANUP(handler_free) struct handler *here = NULL, *there = NULL;

    setenv("http_proxy", test_server_url(proxy), 1);
    here = new_handler(test_server_url(server));
    there = new_handler("http://worker.invalid/in");
    assert_int_equal(handle(here, &plain).outcome, HANDLER_DONE);
    assert_int_equal(test_server_requests(proxy), 0);
    assert_int_equal(handle(there, &plain).outcome, HANDLER_DONE);
    assert_int_equal(test_server_requests(proxy), 1);
    unsetenv("http_proxy");
}

static void a_proxys_refusal_is_not_the_messages_and_is_retried_slowly(void **state)
{
    CLEANUP(test_server_free) struct test_server *proxy = TEST_SERVER({.status = 407});
    CLEANUP(handler_free) struct handler *handler = NULL;
    struct outcome o;

    setenv("https_proxy", test_server_url(proxy), 1);
    handler = new_handler("https://worker.invalid/in");
    o = handle(handler, &plain);
    unsetenv("https_proxy");
    assert_int_equal(o.outcome, HANDLER_NOT_REACHED);
    assert_int_equal(o.delay_usec, 60 * USEC_PER_SEC);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), "407"));
}

/* --- Replies --- */

static void status_200_alone_is_done(void **state)
{
    static const int others[] = {201, 202, 203, 204, 205, 206, 207, 226, 299, 300, 301,
                                 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405,
                                 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416,
                                 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431,
                                 451, 500, 501, 505, 506, 507, 508, 510, 511, 599, 999};
    struct outcome o = handle_reply((struct test_reply){.status = 200, .body = "done"});

    assert_int_equal(o.outcome, HANDLER_DONE);
    assert_int_equal(n_entries, 0);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        char status[16];

        n_entries = 0;
        o = handle_reply((struct test_reply){.status = others[i]});
        if (o.outcome != HANDLER_RETRY || o.delay_usec != GROWING)
            fail_msg("status %d", others[i]);
        snprintf(status, sizeof(status), "%d", others[i]);
        assert_int_equal(n_entries, 1);
        assert_int_equal(entries[0].priority, LOG_WARNING);
        assert_string_equal(entries[0].message_id, plain.message_id);
        assert_string_equal(entries[0].group_id, "g1");
        assert_string_equal(entries[0].status, status);
    }
}

static void a_gateway_that_answers_for_the_application_is_no_answer(void **state)
{
    for (int status = 502; status <= 504; status++) {
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER({.status = status, .body = "no upstream"});
        CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
        char says[64];

        assert_int_equal(handle(handler, &plain).outcome, HANDLER_UNAVAILABLE);
        snprintf(says, sizeof(says), "status %d: no upstream", status);
        assert_non_null(strstr(handler->ops->why_not_reached(handler), says));
        assert_non_null(strstr(handler->ops->why_not_reached(handler), test_server_url(server)));
        assert_int_equal(n_entries, 0);
    }
}

static void a_redirect_is_not_followed(void **state)
{
    CLEANUP(test_server_free) struct test_server *elsewhere = TEST_SERVER({.status = 200});
    char header[128];

    snprintf(header, sizeof(header), "Location: %s\r\n", test_server_url(elsewhere));
    for (int status = 301; status <= 308; status += status == 303 ? 4 : 1) {
        struct outcome o = handle_reply((struct test_reply){.status = status, .headers = header});

        assert_int_equal(o.outcome, HANDLER_RETRY);
        assert_non_null(strstr(entries[n_entries - 1].text, test_server_url(elsewhere)));
        assert_non_null(strstr(entries[n_entries - 1].text, "redirects are not followed"));
    }
    assert_int_equal(test_server_requests(elsewhere), 0);

    /* Many send back the query of what was asked for. */
    handle_reply((struct test_reply){.status = 301,
                                     .headers = "Location: https://me:pw@host/in?key=secret\r\n"});
    assert_non_null(strstr(entries[n_entries - 1].text, "status 301 to https://host/in, and"));

    /* What it names may be anything. */
    handle_reply((struct test_reply){.status = 302, .headers = "Location: /a\tb\x1b[31m\r\n"});
    assert_non_null(strstr(entries[n_entries - 1].text, "status 302 to /a\\tb\\x1b[31m, and"));
}

static struct outcome handle_with_attributes(struct test_reply reply, size_t n, size_t size)
{
    CLEANUP(test_server_free) struct test_server *server = test_server_new(&reply, 1, NULL);
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
    static char value[20000];
    struct sqs_attribute attributes[3] = {{"large", "String", value, size, false},
                                          {"more", "String", value, size, false},
                                          {"most", "String", value, size, false}};
    struct sqs_received_message message = plain;

    memset(value, 'v', sizeof(value) - 1);
    value[size] = '\0';
    message.attributes = attributes;
    message.n_attributes = n;
    n_entries = 0;
    return handle(handler, &message);
}

static void headers_larger_than_servers_take_are_told_when_they_fail(void **state)
{
    static const struct test_reply replies[] = {
        {.status = 431}, {.status = 400}, {.how = REPLY_CLOSE}};

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        handle_with_attributes(replies[i], 1, 9000);
        assert_int_equal(n_entries, 1);
        assert_non_null(strstr(entries[0].text, "the largest one 9025"));
        handle_with_attributes(replies[i], 3, 6000);
        assert_int_equal(n_entries, 1);
        assert_non_null(strstr(entries[0].text, "the largest one 6025"));
        handle_with_attributes(replies[i], 3, 1000);
        assert_int_equal(n_entries, 1);
        assert_null(strstr(entries[0].text, "the largest one"));
    }
    handle_with_attributes((struct test_reply){.status = 500}, 1, 9000);
    assert_null(strstr(entries[0].text, "the largest one"));
    assert_int_equal(handle_with_attributes((struct test_reply){.status = 200}, 1, 9000).outcome,
                     HANDLER_DONE);
    assert_int_equal(n_entries, 0);
}

static void a_200_whose_end_never_comes_is_told(void **state)
{
    struct test_reply replies[] = {{.body = "two", .how = REPLY_STALL_BODY},
                                   {.body = "cut off", .how = REPLY_CUT_OFF}};

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        CLEANUP(test_server_free)
        struct test_server *server = test_server_new(&replies[i], 1, NULL);
        struct config config = config_for(test_server_url(server));
        struct handler *handler;

        config.consumer.timeout_usec = 300 * USEC_PER_MSEC;
        assert_int_equal(handler_http_new(event, &config, &handler, NULL), 0);
        n_entries = 0;
        assert_int_equal(handle(handler, &plain).outcome, HANDLER_UNANSWERED);
        assert_non_null(strstr(entries[0].text, "status 200 came, but not the end of the reply: "));
        handler_free(handler);
    }
}

static void reply_headers_that_are_too_large_are_called_that(void **state)
{
    size_t size = 200 * 1024;
    char *header = calloc(1, size + 16);

    assert_non_null(header);
    memset(header, 'h', size);
    memcpy(header, "X-Large: ", 9);
    memcpy(header + size, "\r\n", 3);
    n_entries = 0;
    assert_int_equal(handle_reply((struct test_reply){.headers = header}).outcome,
                     HANDLER_UNANSWERED);
    assert_non_null(strstr(entries[0].text, "the reply's headers are too large"));
    free(header);
}

static void retry_after_says_when(void **state)
{
    static const struct {
        int status;
        const char *header;
        uint64_t delay_usec;
    } cases[] = {
        {429, "Retry-After: 7\r\n", 7 * USEC_PER_SEC},
        {503, "Retry-After: 7\r\n", 7 * USEC_PER_SEC},
        {503, "retry-after:120\r\n", 120 * USEC_PER_SEC},
        {503, "Retry-After:   3  \r\n", 3 * USEC_PER_SEC},
        {503, "Retry-After: 0\r\n", 0},
        {503, "Retry-After: 43200\r\n", 43200 * USEC_PER_SEC},
        {503, "Retry-After: 43201\r\n", 43200 * USEC_PER_SEC},
        {503, "Retry-After: 99999999999999999999\r\n", 43200 * USEC_PER_SEC},
        {429, "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n", 43200 * USEC_PER_SEC},
        {503, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0},
        {503, "Retry-After: Sunday, 06-Nov-94 08:49:37 GMT\r\n", GROWING}, /* RFC 850 */
        {503, "Retry-After: Sun Nov  6 08:49:37 1994\r\n", 0},
        {503, "Retry-After: -1\r\n", GROWING},
        {503, "Retry-After: 1.5\r\n", GROWING},
        {503, "Retry-After: soon\r\n", GROWING},
        {503, "Retry-After:\r\n", GROWING},
        {503, "Retry-After: Sun, 06 Nov 1994\r\n", GROWING},
        {503, NULL, GROWING},
        {429, NULL, GROWING},
        /* Where it has this meaning not, or not for us. */
        {500, "Retry-After: 7\r\n", GROWING},
        {502, "Retry-After: 7\r\n", GROWING},
        {404, "Retry-After: 7\r\n", GROWING},
        {301, "Retry-After: 7\r\n", GROWING},
        {202, "Retry-After: 7\r\n", GROWING},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct outcome o;

        n_entries = 0;
        o = handle_reply(
            (struct test_reply){.status = cases[i].status, .headers = cases[i].header});
        if (o.outcome != (cases[i].status == 502 || cases[i].status == 503 ? HANDLER_UNAVAILABLE
                                                                           : HANDLER_RETRY) ||
            o.delay_usec != cases[i].delay_usec)
            fail_msg("%d %s: %llu", cases[i].status, cases[i].header,
                     (unsigned long long)o.delay_usec);
        if (o.outcome == HANDLER_UNAVAILABLE)
            continue;
        assert_int_equal(!strstr(entries[0].text, "as asked for"), cases[i].delay_usec == GROWING);
    }
}

static void retry_after_may_be_a_date_to_come(void **state)
{
    time_t then = time(NULL) + 600;
    char header[64];
    struct outcome o;
    struct tm tm;

    gmtime_r(&then, &tm);
    strftime(header, sizeof(header), "Retry-After: %a, %d %b %Y %T GMT\r\n", &tm);
    o = handle_reply((struct test_reply){.status = 429, .headers = header});
    assert_int_equal(o.outcome, HANDLER_RETRY);
    assert_in_range(o.delay_usec, 500 * USEC_PER_SEC, 600 * USEC_PER_SEC);
}

static void a_reply_of_any_size_counts_by_its_status(void **state)
{
    assert_int_equal(handle_reply((struct test_reply){.filler_bytes = 20000000}).outcome,
                     HANDLER_DONE);
    assert_int_equal(n_entries, 0);
    assert_int_equal(
        handle_reply((struct test_reply){.status = 500, .filler_bytes = 20000000}).outcome,
        HANDLER_RETRY);
    assert_int_equal(n_entries, 1);
    assert_non_null(strstr(entries[0].text, "status 500: xxxxxxx"));
    assert_non_null(strstr(entries[0].text, "xxx..."));
    assert_in_range(strlen(entries[0].text), 256, 512);
}

static void what_the_application_says_is_shown_on_one_line(void **state)
{
    handle_reply(
        (struct test_reply){.status = 422, .body = "no such\ncustomer\x1b[31m \xc3\xa9 \xff"});
    assert_non_null(
        strstr(entries[0].text, "status 422: no such\\ncustomer\\x1b[31m \xc3\xa9 \\xff"));
}

static void half_a_reply_is_none(void **state)
{
    static const struct test_reply replies[] = {
        {.body = "cut off", .how = REPLY_CUT_OFF},
        {.body = "reset", .how = REPLY_RESET},
        {.how = REPLY_CLOSE},
        {.filler_bytes = 100000, .how = REPLY_CUT_OFF},
        {.body = "no HTTP at all\r\n\r\n", .how = REPLY_RAW},
        {.body = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", .how = REPLY_RAW},
    };

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        struct outcome o;

        n_entries = 0;
        o = handle_reply(replies[i]);
        if (o.outcome != HANDLER_UNANSWERED || o.delay_usec != GROWING)
            fail_msg("case %zu", i);
        assert_int_equal(n_entries, 1);
        assert_string_equal(entries[0].status, "");
    }
}

static void a_connection_used_again_that_ends_without_a_word_is_tried_once_more(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 200}, {.how = REPLY_CLOSE}, {.status = 200},
                                             {.how = REPLY_CLOSE}, {.how = REPLY_CLOSE});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));

    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    assert_int_equal(test_server_requests(server), 3);
    assert_int_equal(n_entries, 0);
    /* The application ends over this message: the new connection is the last. */
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_UNANSWERED);
    assert_int_equal(test_server_requests(server), 5);
    assert_int_equal(n_entries, 1);
}

static void a_slow_application_has_its_time_and_no_more(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.delay_msec = 150}, {.how = REPLY_STALL},
                                             {.body = "two", .how = REPLY_STALL_BODY}, {});
    struct config config = config_for(test_server_url(server));
    CLEANUP(handler_free) struct handler *handler = NULL;
    uint64_t start;

    config.consumer.timeout_usec = 10 * USEC_PER_SEC;
    assert_int_equal(handler_http_new(event, &config, &handler, NULL), 0);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    handler_free(handler);

    config.consumer.timeout_usec = 200 * USEC_PER_MSEC;
    assert_int_equal(handler_http_new(event, &config, &handler, NULL), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct outcome o;

        start = boot_clock_usec();
        o = handle(handler, &plain);
        assert_int_equal(o.outcome, HANDLER_UNANSWERED);
        assert_int_equal(o.delay_usec, GROWING);
        assert_true(boot_clock_usec() - start >= 190 * USEC_PER_MSEC);
    }
    assert_int_equal(n_entries, 1);
    assert_non_null(strstr(entries[0].text, "timed out waiting for the reply"));
}

/* A port where nobody listens. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void an_application_that_is_not_there_is_not_reached(void **state)
{
    CLEANUP(handler_free) struct handler *handler = NULL;
    struct outcome o;
    char url[64];

    snprintf(url, sizeof(url), "http://127.0.0.1:%d/in", free_port());
    handler = new_handler(url);
    o = handle(handler, &plain);
    assert_int_equal(o.outcome, HANDLER_NOT_REACHED);
    assert_int_equal(n_entries, 0);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), url));
    assert_non_null(strstr(handler->ops->why_not_reached(handler), "connect"));
}

static void a_name_without_an_address_is_not_reached(void **state)
{
    CLEANUP(handler_free) struct handler *handler = new_handler("http://worker.invalid/in");

    assert_int_equal(handle(handler, &plain).outcome, HANDLER_NOT_REACHED);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), "worker.invalid"));
}

/* It takes a connection and says nothing, so that there is no TLS. */
static void a_connection_that_does_not_come_to_stand_is_not_reached(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    struct config config;
    struct handler *handler;
    char url[64];

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/in", ntohs(address.sin_port));
    config = config_for(url);
    config.consumer.timeout_usec = 200 * USEC_PER_MSEC;
    assert_int_equal(handler_http_new(event, &config, &handler, NULL), 0);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_NOT_REACHED);
    handler_free(handler);
    close(fd);
}

static void a_certificate_that_nobody_vouches_for_is_refused(void **state)
{
    static const struct test_reply reply = {.status = 200};
    CLEANUP(test_authority_free) struct test_authority *authority = test_authority_new();
    CLEANUP(test_context_free)
    SSL_CTX *context = test_authority_context(authority, "IP:127.0.0.1", 3600);
    CLEANUP(test_server_free) struct test_server *server = test_server_new(&reply, 1, context);
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));

    /* AWS's servers may have it, the application has not. */
    setenv("AWS_CA_BUNDLE", test_authority_path(authority), 1);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_NOT_REACHED);
    unsetenv("AWS_CA_BUNDLE");
    assert_int_equal(test_server_requests(server), 0);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), "certificate"));
}

/* --- Many --- */

static void many_messages_share_as_many_connections_as_are_handled_at_once(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.delay_msec = 5});
    struct config config = config_for(test_server_url(server));
    CLEANUP(handler_free) struct handler *handler = NULL;
    struct outcome outcomes[40];

    config.consumer.concurrency = 4;
    assert_int_equal(handler_http_new(event, &config, &handler, NULL), 0);
    n_all_done = 0;
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        begin(handler, &plain, &outcomes[i]);
    run_until(event, &n_all_done, ARRAY_SIZE(outcomes));
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++)
        assert_int_equal(outcomes[i].outcome, HANDLER_DONE);
    assert_in_range(test_server_connections(server), 1, 4);
    assert_int_equal(test_server_requests(server), ARRAY_SIZE(outcomes));
}

static void a_cancelled_message_is_silent_and_its_connection_ends(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.how = REPLY_STALL}, {.status = 200});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
    struct outcome under_way, before_it_went, after;

    begin(handler, &plain, &under_way);
    test_server_run_until_requests(server, event, 1);
    handler->ops->abandon(under_way.run);
    begin(handler, &plain, &before_it_went);
    handler->ops->abandon(before_it_went.run);

    after = handle(handler, &plain);
    assert_int_equal(after.outcome, HANDLER_DONE);
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(under_way.n_done + before_it_went.n_done, 0);
    assert_int_equal(test_server_requests(server), 2);
    assert_int_equal(test_server_connections(server), 2);
    assert_int_equal(n_entries, 0);
}

static void told_to_end_a_message_is_given_up_at_once(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.is_held = true}, {});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));
    struct outcome under_way, after;

    begin(handler, &plain, &under_way);
    test_server_run_until_requests(server, event, 1);
    handler->ops->cancel(under_way.run, TEST_PATIENCE_USEC);
    assert_int_equal(under_way.n_done, 1);
    assert_int_equal(under_way.outcome, HANDLER_RETRY);
    assert_true(under_way.delay_usec == HANDLER_DELAY_DEFAULT);

    test_server_release(server);
    run_for(event, 20 * USEC_PER_MSEC); /* nobody minds its answer */
    after = handle(handler, &plain);
    assert_int_equal(after.outcome, HANDLER_DONE);
    assert_int_equal(under_way.n_done, 1);
    assert_int_equal(test_server_connections(server), 2);
    assert_int_equal(n_entries, 0);
}

static void an_application_that_is_down_does_not_flood_the_log(void **state)
{
    struct test_reply replies[61];
    CLEANUP(test_server_free) struct test_server *server = NULL;
    CLEANUP(handler_free) struct handler *handler = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
        replies[i] = (struct test_reply){.status = i % 2 ? 501 : 500};
    replies[60].status = 200;
    server = test_server_new(replies, ARRAY_SIZE(replies), NULL);
    handler = new_handler(test_server_url(server));
    for (size_t i = 0; i < 60; i++)
        assert_int_equal(handle(handler, &plain).outcome, HANDLER_RETRY);
    assert_int_equal(n_entries, 1);
    assert_int_equal(entries[0].priority, LOG_WARNING);

    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    assert_int_equal(n_entries, 2);
    assert_int_equal(entries[1].priority, LOG_NOTICE);
    assert_non_null(strstr(entries[1].text, "handles messages again; 60 failed within"));
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    assert_int_equal(n_entries, 2);
}

static void each_kind_of_failure_is_told_and_a_bad_message_is_no_outage(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.status = 500}, {.status = 404}, {.body = "half", .how = REPLY_CUT_OFF},
                    {.status = 404}, {.status = 200}, {.status = 404}, {.status = 200});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));

    for (unsigned i = 0; i < 4; i++)
        handle(handler, &plain);
    assert_int_equal(n_entries, 3);
    assert_string_equal(entries[0].status, "500");
    assert_string_equal(entries[1].status, "404");
    assert_string_equal(entries[2].status, "");
    handle(handler, &plain);
    assert_int_equal(n_entries, 4);
    assert_non_null(strstr(entries[3].text, "handles messages again; 2 failed"));
    handle(handler, &plain);
    handle(handler, &plain);
    assert_int_equal(n_entries, 4);
}

static void those_that_are_not_told_can_be_seen_at_debug(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.status = 500});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));

    log_open("test", LOG_TARGET_JOURNAL, LOG_DEBUG, LOG_COLOUR_NONE);
    for (unsigned i = 0; i < 3; i++)
        handle(handler, &plain);
    assert_int_equal(n_entries, 3);
    assert_int_equal(entries[2].priority, LOG_DEBUG);
    assert_string_equal(entries[2].status, "500");
}

/* --- Settings --- */

static void settings_that_lead_nowhere_are_refused(void **state)
{
    static const char *const bad[] = {"", "nonsense", "http://127.0.0.1:99999/",
                                      "unix:/run/app.socket:/a b"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct config config = config_for(bad[i]);
        struct handler *handler = NULL;
        char *error = NULL;

        if (handler_http_new(event, &config, &handler, &error) != HANDLER_E_CONFIG)
            fail_msg("accepted: %s", bad[i]);
        assert_null(handler);
        assert_memory_equal(error, "consumer.url", 12);
        assert_null(strchr(error, '\n'));
        free(error);
    }
}

static void a_handler_is_freed_without_having_run(void **state)
{
    handler_free(new_handler("https://worker.example.com/in"));
    handler_free(NULL);
}

static int set_up(void **state)
{
    static const char *const unwanted[] = {"http_proxy", "https_proxy", "all_proxy",
                                           "no_proxy",   "NO_PROXY",    "AWS_CA_BUNDLE"};

    for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++)
        unsetenv(unwanted[i]);
    n_entries = 0;
    log_open("test", LOG_TARGET_JOURNAL, LOG_INFO, LOG_COLOUR_NONE);
    return sd_event_new(&event) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    sd_event_unref(event);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_posted_as_by_aws_sqsd),
        TEST(an_attribute_of_spaces_is_a_header_without_value),
        TEST(the_largest_body_and_headers_go_out_whole),
        TEST(a_unix_socket_is_posted_to),
        TEST(loopback_needs_no_proxy_and_others_may),
        TEST(a_proxys_refusal_is_not_the_messages_and_is_retried_slowly),
        TEST(status_200_alone_is_done),
        TEST(a_gateway_that_answers_for_the_application_is_no_answer),
        TEST(a_redirect_is_not_followed),
        TEST(headers_larger_than_servers_take_are_told_when_they_fail),
        TEST(a_200_whose_end_never_comes_is_told),
        TEST(reply_headers_that_are_too_large_are_called_that),
        TEST(retry_after_says_when),
        TEST(retry_after_may_be_a_date_to_come),
        TEST(a_reply_of_any_size_counts_by_its_status),
        TEST(what_the_application_says_is_shown_on_one_line),
        TEST(half_a_reply_is_none),
        TEST(a_connection_used_again_that_ends_without_a_word_is_tried_once_more),
        TEST(a_slow_application_has_its_time_and_no_more),
        TEST(an_application_that_is_not_there_is_not_reached),
        TEST(a_name_without_an_address_is_not_reached),
        TEST(a_connection_that_does_not_come_to_stand_is_not_reached),
        TEST(a_certificate_that_nobody_vouches_for_is_refused),
        TEST(many_messages_share_as_many_connections_as_are_handled_at_once),
        TEST(a_cancelled_message_is_silent_and_its_connection_ends),
        TEST(told_to_end_a_message_is_given_up_at_once),
        TEST(an_application_that_is_down_does_not_flood_the_log),
        TEST(each_kind_of_failure_is_told_and_a_bad_message_is_no_outage),
        TEST(those_that_are_not_told_can_be_seen_at_debug),
        TEST(settings_that_lead_nowhere_are_refused),
        TEST(a_handler_is_freed_without_having_run),
    };

    return cmocka_run_group_tests_name("handler-http", tests, NULL, NULL);
}
