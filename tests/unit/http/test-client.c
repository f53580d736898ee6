/* SPDX-License-Identifier: MIT */
/* Requests, and the replies and failures that end them. */
#include "client-fixture.h"

static void reply_comes_whole(void **state)
{
    static const char zero_body[] = "a whole reply";
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.status = 200, .headers = "X-Test:  some value \r\n", .body = zero_body},
                    {.status = 404, .body = "not here"}, {.status = 500}, {.status = 204});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.text, "");
    assert_string_equal(o.body, zero_body);
    assert_int_equal(o.body_bytes, strlen(zero_body));
    assert_string_equal(o.header, "some value");

    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.status, 404);
    assert_string_equal(o.body, "not here");
    assert_string_equal(o.header, "(none)");

    ask(client, &request, &o);
    assert_int_equal(o.status, 500);
    assert_string_equal(o.body, "");

    ask(client, &request, &o);
    assert_int_equal(o.status, 204);
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 4);
}

static void request_is_sent_as_asked(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request;
    char url[128], body[100000], *value;
    struct outcome o = {};

    memset(body, 'b', sizeof(body));
    snprintf(url, sizeof(url), "%sa/../b/./c?x=1", test_server_url(server));
    request = post(url);
    request.headers = (const char *const[]){"Host: QUEUE.example:8443", "X-One: 1", NULL};
    request.body = body;
    request.body_bytes = sizeof(body);
    ask(client, &request, &o);
    assert_int_equal(o.status, 200);

    assert_memory_equal(test_server_head(server, 0), "POST /a/../b/./c?x=1 HTTP/1.1\r\n", 31);
    assert_non_null(strstr(test_server_head(server, 0), "\r\nHost: QUEUE.example:8443\r\n"));
    assert_null(strstr(test_server_head(server, 0), "127.0.0.1"));
    assert_non_null(strstr(test_server_head(server, 0), "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(test_server_head(server, 0), "\r\nUser-Agent: test/1\r\n"));
    assert_non_null(strstr(test_server_head(server, 0), "\r\nContent-Length: 100000\r\n"));
    assert_null(strcasestr(test_server_head(server, 0), "\r\nExpect"));
    assert_null(strcasestr(test_server_head(server, 0), "\r\nContent-Type"));
    assert_null(strcasestr(test_server_head(server, 0), "\r\nTransfer-Encoding"));
    assert_int_equal(strlen(test_server_body(server, 0)), sizeof(body));

    /* The handle is used again: nothing of the last request may stay. */
    request = post(test_server_url(server));
    request.body = NULL;
    request.body_bytes = 0;
    ask(client, &request, &o);
    assert_memory_equal(test_server_head(server, 1), "POST / HTTP/1.1\r\n", 17);
    assert_null(strstr(test_server_head(server, 1), "X-One"));
    value = test_server_header(server, 1, "Host");
    assert_memory_equal(value, test_server_url(server) + 7, strlen(value));
    free(value);
    value = test_server_header(server, 1, "Content-Type");
    assert_string_equal(value, "application/x-test");
    free(value);
    value = test_server_header(server, 1, "Content-Length");
    assert_string_equal(value, "0");
    free(value);

    request.method = "GET";
    request.body = "never sent";
    request.body_bytes = 10;
    ask(client, &request, &o);
    assert_memory_equal(test_server_head(server, 2), "GET / HTTP/1.1\r\n", 16);
    assert_null(test_server_header(server, 2, "Content-Length"));
    assert_string_equal(test_server_body(server, 2), "");

    request.method = "PUT";
    ask(client, &request, &o);
    assert_memory_equal(test_server_head(server, 3), "PUT / HTTP/1.1\r\n", 16);
    assert_string_equal(test_server_body(server, 3), "never sent");

    request.method = "POST";
    ask(client, &request, &o);
    assert_memory_equal(test_server_head(server, 4), "POST / HTTP/1.1\r\n", 17);
}

static void request_that_cannot_be_made_is_refused_at_once(void **state)
{
    static const char *const urls[] = {
        "",
        "nonsense",
        "//127.0.0.1/",
        "http://",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:abc/",
        "http://a b/",
        "http://127.0.0.1/a\nb",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "unheard-of://127.0.0.1/",
    };
    static const char *const lines[] = {"X-A: 1\r\nX-B: 2", "X-A: 1\n", "X-A: \001"};
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct outcome o = {};

    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        struct http_request request = post(urls[i]);

        if (http_client_submit(client, &request, on_done, &o, &o.slot) != -EINVAL)
            fail_msg("accepted: %s", urls[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct http_request request = post("http://127.0.0.1/");

        request.headers = (const char *const[]){"X-Fine: 1", lines[i], NULL};
        assert_int_equal(http_client_submit(client, &request, on_done, &o, &o.slot), -EINVAL);
    }
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 0);
    assert_null(o.slot);
}

static void redirect_is_a_reply(void **state)
{
    CLEANUP(test_server_free) struct test_server *elsewhere = TEST_SERVER({.body = "wrong"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    char header[128];
    struct outcome o = {};

    snprintf(header, sizeof(header), "Location: %s\r\n", test_server_url(elsewhere));
    for (int status = 301; status <= 308; status += status == 303 ? 4 : 1) {
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER({.status = status, .headers = header});
        struct http_request request = post(test_server_url(server));

        ask(client, &request, &o);
        assert_int_equal(o.failure, HTTP_FAILURE_NONE);
        assert_int_equal(o.status, status);
    }
    assert_int_equal(test_server_requests(elsewhere), 0);
}

static void reply_cap_is_exact(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.filler_bytes = 70000}, {.filler_bytes = 70001},
                                             {.filler_bytes = 5000000}, {.filler_bytes = 1});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    request.reply_max_bytes = 70000;
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.body_bytes, 70000);
    for (int i = 0; i < 2; i++) {
        ask(client, &request, &o);
        assert_int_equal(o.failure, HTTP_FAILURE_TOO_LARGE);
        assert_non_null(strstr(o.text, "larger"));
        assert_int_equal(o.body_bytes, 0);
        assert_int_equal(o.status, 0);
    }
    request.reply_max_bytes = 0;
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_TOO_LARGE);
    request.reply_max_bytes = 1;
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.body_bytes, 1);
}

static void reply_too_large_may_be_cut_instead(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server =
        TEST_SERVER({.filler_bytes = 5000000}, {.status = 500, .filler_bytes = 11},
                    {.body = "short"}, {.filler_bytes = 100, .how = REPLY_CUT_OFF});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome o = {};

    request.cut_reply = true;
    request.reply_max_bytes = 10;
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.body, "xxxxxxxxxx");
    /* What was thrown away was read: the connection serves on. */
    ask(client, &request, &o);
    assert_int_equal(o.status, 500);
    assert_int_equal(o.body_bytes, 10);
    ask(client, &request, &o);
    assert_string_equal(o.body, "short");
    assert_int_equal(test_server_connections(server), 1);
    /* Half a reply is none, even where the kept part is whole. */
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_BROKEN);
}

static void replies_broken_are_told(void **state)
{
    static const struct test_reply replies[] = {
        {.body = "cut off", .how = REPLY_CUT_OFF},
        {.body = "reset", .how = REPLY_RESET},
        {.how = REPLY_CLOSE},
        {.body = "no HTTP at all\r\n\r\n", .how = REPLY_RAW},
        {.body = "HTTP/1.1 2xx Bad\r\n\r\n", .how = REPLY_RAW},
        {.body = "HTTP/1.1 200 OK\r\nContent-Le", .how = REPLY_RAW},
        {.body = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", .how = REPLY_RAW},
        {.body = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", .how = REPLY_RAW},
        {.body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", .how = REPLY_RAW},
        {.body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab", .how = REPLY_RAW},
        {.body = "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", .how = REPLY_RAW},
    };

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        CLEANUP(test_server_free)
        struct test_server *server = test_server_new(&replies[i], 1, NULL);
        CLEANUP(http_client_free) struct http_client *client = new_client(0);
        struct http_request request = post(test_server_url(server));
        struct outcome o = {};

        ask(client, &request, &o);
        if (o.failure != HTTP_FAILURE_BROKEN)
            fail_msg("case %zu: failure %d, status %d, %s", i, o.failure, o.status, o.text);
        assert_true(strlen(o.text) > 5);
        assert_int_equal(o.status, 0);
        assert_string_equal(o.body, "");
        assert_string_equal(o.header, "(none)");
    }
}

static void reply_of_every_whole_form_is_taken(void **state)
{
    static const char *const replies[] = {
        "HTTP/1.1 200 OK\r\n\r\nwhole",
        "HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nwhole",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwh\r\n3;x=y\r\nole\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nwhole\r\n0\r\n"
        "X-T: 1\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole",
        "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        "whole and then too much",
    };

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER({.body = replies[i], .how = REPLY_RAW});
        CLEANUP(http_client_free) struct http_client *client = new_client(0);
        struct http_request request = post(test_server_url(server));
        struct outcome o = {};

        ask(client, &request, &o);
        if (o.failure != HTTP_FAILURE_NONE)
            fail_msg("case %zu: %s", i, o.text);
        assert_int_equal(o.status, 200);
        assert_string_equal(o.body, "whole");
    }
}

static void connection_refused_is_told(void **state)
{
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    char url[64];
    struct http_request request;
    struct outcome o = {};
    int fd;

    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", take_port(&fd));
    request = post(url);
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_CONNECT);
    assert_non_null(strstr(o.text, "127.0.0.1"));
    assert_int_equal(o.status, 0);
    close(fd);
}

static void name_that_does_not_resolve_is_told(void **state)
{
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post("http://" HOST_MISSING "/");
    struct outcome o = {};

    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_RESOLVE);
    assert_non_null(strstr(o.text, HOST_MISSING));
}

/* The most header lines that there may be, and none at all, by the same slot in turns. */
static void header_lines_are_bounded_and_those_of_the_request(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    const char *lines[HTTP_HEADERS_MAX + 2] = {};
    CLEANUP(free) char *long_line = malloc(HTTP_HEADERS_MAX_BYTES);
    struct http_slot *untouched = NULL;

    assert_non_null(long_line);
    memset(long_line, 'v', HTTP_HEADERS_MAX_BYTES);
    memcpy(long_line, "X-Long: ", 8);
    long_line[HTTP_HEADERS_MAX_BYTES - 1] = '\0';
    for (size_t i = 0; i < HTTP_HEADERS_MAX + 1; i++)
        lines[i] = i == HTTP_HEADERS_MAX - 1 ? "X-Last: l" : "X-Some: s";
    request.headers = lines;
    assert_int_equal(http_client_submit(client, &request, on_done, NULL, &untouched), -EINVAL);
    lines[0] = long_line;
    lines[1] = NULL;
    assert_int_equal(http_client_submit(client, &request, on_done, NULL, &untouched), -E2BIG);
    assert_null(untouched);

    lines[0] = lines[1] = "X-Some: s";
    lines[HTTP_HEADERS_MAX] = NULL;
    for (unsigned i = 0; i < 4; i++) {
        struct outcome o = {};

        request.headers = i % 2 ? NULL : lines;
        ask(client, &request, &o);
        assert_int_equal(o.failure, HTTP_FAILURE_NONE);
        if (i % 2)
            assert_null(strstr(test_server_head(server, i), "X-"));
        else
            assert_non_null(strstr(test_server_head(server, i), "\r\nX-Last: l\r\n"));
        assert_null(strstr(test_server_head(server, i), "Content-Type"));
        assert_null(strstr(test_server_head(server, i), "Expect"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reply_comes_whole),
        TEST(request_is_sent_as_asked),
        TEST(request_that_cannot_be_made_is_refused_at_once),
        TEST(redirect_is_a_reply),
        TEST(reply_cap_is_exact),
        TEST(reply_too_large_may_be_cut_instead),
        TEST(replies_broken_are_told),
        TEST(reply_of_every_whole_form_is_taken),
        TEST(connection_refused_is_told),
        TEST(name_that_does_not_resolve_is_told),
        TEST(header_lines_are_bounded_and_those_of_the_request),
    };

    return cmocka_run_group_tests_name("http-client", tests, NULL, NULL);
}
