/* SPDX-License-Identifier: MIT */
/* What the application's reply, or its absence, means for the message. */
#include "ahead-clock.h"
#include "http-fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* What a handler of its own makes of one reply to one message. */
static struct outcome handle_reply(struct test_reply reply)
{
    CLEANUP(test_server_free) struct test_server *server = test_server_new(&reply, 1, NULL);
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));

    return handle(handler, &plain);
}

static void status_other_than_200_is_not_done(void **state)
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

static void gateway_status_is_unavailable(void **state)
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

static void redirect_is_not_followed(void **state)
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

static void headers_too_large_for_most_servers_are_logged_when_they_fail(void **state)
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

static void reply_200_without_end_is_logged(void **state)
{
    struct test_reply replies[] = {{.body = "two", .how = REPLY_STALL_BODY},
                                   {.body = "cut off", .how = REPLY_CUT_OFF}};

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        CLEANUP(test_server_free)
        struct test_server *server = test_server_new(&replies[i], 1, NULL);
        struct handler *handler = new_handler(test_server_url(server));
        struct outcome o;

        n_entries = 0;
        begin(handler, &plain, &o);
        test_server_run_until_replies(server, event, 1);
        ahead_usec += TIMEOUT_USEC;
        run_until(event, &o.n_done, 1);
        assert_int_equal(o.outcome, HANDLER_UNANSWERED);
        assert_non_null(strstr(entries[0].text, "status 200, but the reply is incomplete: "));
        handler_free(handler);
    }
}

static void reply_headers_too_large_are_named_in_the_log(void **state)
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

static void retry_after_sets_the_delay(void **state)
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
        assert_int_equal(!strstr(entries[0].text, "as the server asks"),
                         cases[i].delay_usec == GROWING);
    }
}

static void retry_after_may_be_a_date_to_come(void **state)
{
    struct timespec then;
    char header[64];
    struct outcome o;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &then);
    then.tv_sec += 600;
    gmtime_r(&then.tv_sec, &tm);
    strftime(header, sizeof(header), "Retry-After: %a, %d %b %Y %T GMT\r\n", &tm);
    o = handle_reply((struct test_reply){.status = 429, .headers = header});
    assert_int_equal(o.outcome, HANDLER_RETRY);
    assert_in_range(o.delay_usec, 500 * USEC_PER_SEC, 600 * USEC_PER_SEC);
}

static void reply_of_any_size_counts_by_its_status(void **state)
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

static void reply_body_is_logged_on_one_line(void **state)
{
    handle_reply(
        (struct test_reply){.status = 422, .body = "no such\ncustomer\x1b[31m \xc3\xa9 \xff"});
    assert_non_null(
        strstr(entries[0].text, "status 422: no such\\ncustomer\\x1b[31m \xc3\xa9 \\xff"));
}

static void reply_incomplete_is_no_answer(void **state)
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

static void kept_connection_closed_without_reply_message_is_posted_once_more(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 200}, {.how = REPLY_CLOSE}, {.status = 200},
                                             {.how = REPLY_CLOSE}, {.how = REPLY_CLOSE});
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));

    slow_clocks(32); /* "closed at once" is within a second */
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_DONE);
    assert_int_equal(test_server_requests(server), 3);
    assert_int_equal(n_entries, 0);
    /* The application ends over this message: the new connection is the last. */
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_UNANSWERED);
    assert_int_equal(test_server_requests(server), 5);
    assert_int_equal(n_entries, 1);
    slowed_by = 0;
}

static void application_slow_has_its_timeout_and_no_more(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.is_held = true}, {.how = REPLY_STALL},
                                             {.body = "two", .how = REPLY_STALL_BODY}, {});
    struct config config = config_for(test_server_url(server));
    CLEANUP(handler_free) struct handler *handler = NULL;
    const uint64_t timeout_usec = 40 * USEC_PER_SEC; /* two within a minute have one line */
    struct outcome o;

    config.consumer.timeout_usec = timeout_usec;
    assert_int_equal(handler_http_new(event, &config, &handler, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        begin(handler, &plain, &o);
        test_server_run_until_requests(server, event, i + 1);
        ahead_usec += timeout_usec / 2;
        run_for(event, 20 * USEC_PER_MSEC);
        assert_int_equal(o.n_done, 0);
        if (i == 0)
            test_server_release(server);
        else
            ahead_usec += timeout_usec / 2;
        run_until(event, &o.n_done, 1);
        assert_int_equal(o.outcome, i == 0 ? HANDLER_DONE : HANDLER_UNANSWERED);
        if (i > 0)
            assert_int_equal(o.delay_usec, GROWING);
    }
    assert_int_equal(n_entries, 1);
    assert_non_null(strstr(entries[0].text, "timed out waiting for the reply"));
}

/* A port of a socket that does not listen, and that keeps others from it. */
static int take_port(int *ret_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_fd = fd;
    return ntohs(address.sin_port);
}

static void application_absent_is_not_reached(void **state)
{
    CLEANUP(handler_free) struct handler *handler = NULL;
    struct outcome o;
    char url[64];
    int fd;

    snprintf(url, sizeof(url), "http://127.0.0.1:%d/in", take_port(&fd));
    handler = new_handler(url);
    o = handle(handler, &plain);
    assert_int_equal(o.outcome, HANDLER_NOT_REACHED);
    assert_int_equal(n_entries, 0);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), url));
    assert_non_null(strstr(handler->ops->why_not_reached(handler), "connect"));
    close(fd);
}

static void name_without_an_address_is_not_reached(void **state)
{
    CLEANUP(handler_free) struct handler *handler = new_handler("http://worker.invalid/in");

    assert_int_equal(handle(handler, &plain).outcome, HANDLER_NOT_REACHED);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), "worker.invalid"));
}

/* It takes a connection and says nothing, so that there is no TLS. */
static void connection_not_established_is_not_reached(void **state)
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

static void certificate_of_unknown_issuer_is_not_reached(void **state)
{
    static const struct test_reply reply = {.status = 200};
    CLEANUP(test_authority_free) struct test_authority *authority = test_authority_new();
    CLEANUP(test_context_free)
    SSL_CTX *context = test_authority_context(authority, "IP:127.0.0.1", 3600);
    CLEANUP(test_server_free) struct test_server *server = test_server_new(&reply, 1, context);
    CLEANUP(handler_free) struct handler *handler = new_handler(test_server_url(server));

    slow_clocks(32); /* the handshake has a few seconds */
    /* AWS's servers may have it, the application has not. */
    setenv("AWS_CA_BUNDLE", test_authority_path(authority), 1);
    assert_int_equal(handle(handler, &plain).outcome, HANDLER_NOT_REACHED);
    unsetenv("AWS_CA_BUNDLE");
    assert_int_equal(test_server_requests(server), 0);
    assert_non_null(strstr(handler->ops->why_not_reached(handler), "certificate"));
    slowed_by = 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(status_other_than_200_is_not_done),
        TEST(gateway_status_is_unavailable),
        TEST(redirect_is_not_followed),
        TEST(headers_too_large_for_most_servers_are_logged_when_they_fail),
        TEST(reply_200_without_end_is_logged),
        TEST(reply_headers_too_large_are_named_in_the_log),
        TEST(retry_after_sets_the_delay),
        TEST(retry_after_may_be_a_date_to_come),
        TEST(reply_of_any_size_counts_by_its_status),
        TEST(reply_body_is_logged_on_one_line),
        TEST(reply_incomplete_is_no_answer),
        TEST(kept_connection_closed_without_reply_message_is_posted_once_more),
        TEST(application_slow_has_its_timeout_and_no_more),
        TEST(application_absent_is_not_reached),
        TEST(name_without_an_address_is_not_reached),
        TEST(connection_not_established_is_not_reached),
        TEST(certificate_of_unknown_issuer_is_not_reached),
    };

    return cmocka_run_group_tests_name("http-replies", tests, NULL, NULL);
}
