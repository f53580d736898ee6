/* SPDX-License-Identifier: MIT */
/* What a client uses after http_client_reconfigure. */
#include "client-fixture.h"
#include "test-certificate.h"

static int reconfigure(struct http_client *client, const char *ca_bundle, unsigned connections_max)
{
    return http_client_reconfigure(client, &(struct http_client_options){
                                               .ca_bundle = ca_bundle,
                                               .connect_timeout_usec = TEST_PATIENCE_USEC,
                                               .connections_max = connections_max,
                                           });
}

static void copy_file(const char *from, const char *to)
{
    char bytes[16384];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_TRUNC | O_CLOEXEC);
    ssize_t n = read(in, bytes, sizeof(bytes));

    assert_in_range(n, 1, sizeof(bytes) - 1);
    assert_int_equal(write(out, bytes, (size_t)n), n);
    close(in);
    close(out);
}

static enum http_failure ask_anew(struct http_client *client, const char *url)
{
    struct http_request request = post(url);
    struct outcome o = {};

    ask(client, &request, &o);
    return o.failure;
}

/* Every reply closes its connection, so that each request makes a handshake. libcurl itself reads
 * the file again once a day. */
static void ca_bundle_that_was_replaced_is_read_again(void **state)
{
    static const struct test_reply reply = {.body = "ok", .headers = "Connection: close\r\n"};
    CLEANUP(test_authority_free) struct test_authority *authority = test_authority_new();
    CLEANUP(test_authority_free) struct test_authority *other = test_authority_new();
    CLEANUP(test_context_free)
    SSL_CTX *context = test_authority_context(authority, "IP:127.0.0.1", 3600);
    CLEANUP(test_server_free) struct test_server *server = test_server_new(&reply, 1, context);
    CLEANUP(http_client_free) struct http_client *client = NULL;
    const char *url = test_server_url(server);
    char path[] = "/tmp/test-bundle.XXXXXX";

    close(mkstemp(path));
    copy_file(test_authority_path(authority), path);
    assert_int_equal(http_client_new(event,
                                     &(struct http_client_options){
                                         .user_agent = "test",
                                         .ca_bundle = path,
                                         .connect_timeout_usec = TEST_PATIENCE_USEC,
                                     },
                                     &client),
                     0);
    assert_int_equal(ask_anew(client, url), HTTP_FAILURE_NONE);
    copy_file(test_authority_path(other), path);
    assert_int_equal(reconfigure(client, path, 0), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ask_anew(client, url), HTTP_FAILURE_TLS);
        ahead_sec += i; /* libcurl may remember it again */
    }
    copy_file(test_authority_path(authority), path);
    assert_int_equal(reconfigure(client, path, 0), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ask_anew(client, url), HTTP_FAILURE_NONE);
        ahead_sec += i;
    }

    assert_int_equal(reconfigure(client, NULL, 0), 0); /* the system's */
    assert_int_equal(ask_anew(client, url), HTTP_FAILURE_TLS);
    assert_int_equal(reconfigure(client, test_authority_path(authority), 0), 0);
    assert_int_equal(ask_anew(client, url), HTTP_FAILURE_NONE);
    unlink(path);
}

static void request_in_flight_ends_as_it_began(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "held", .is_held = true}, {.body = "ok"});
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome held = {};

    submit(client, &request, &held);
    test_server_run_until_requests(server, event, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(reconfigure(client, "/nonexistent", 0), 0);
    assert_int_equal(ask_anew(client, test_server_url(server)), HTTP_FAILURE_NONE);
    assert_int_equal(held.n_done, 0);
    test_server_release(server);
    run_until(event, &held.n_done, 1);
    assert_int_equal(held.failure, HTTP_FAILURE_NONE);
    assert_string_equal(held.body, "held");
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ask_anew(client, test_server_url(server)), HTTP_FAILURE_NONE);
    assert_int_equal(test_server_connections(server), 2); /* none was dropped */
}

/* Not even the request that comes after one that was in flight uses the old bundle. */
static void ca_bundle_of_before_serves_requests_in_flight_alone(void **state)
{
    static const struct test_reply replies[] = {{.body = "held", .is_held = true}, {.body = "ok"}};
    CLEANUP(test_authority_free) struct test_authority *authority = test_authority_new();
    CLEANUP(test_authority_free) struct test_authority *other = test_authority_new();
    CLEANUP(test_context_free)
    SSL_CTX *context = test_authority_context(authority, "IP:127.0.0.1", 3600);
    CLEANUP(test_server_free) struct test_server *server = test_server_new(replies, 2, context);
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct http_request request = post(test_server_url(server));
    struct outcome held = {};

    assert_int_equal(reconfigure(client, test_authority_path(authority), 0), 0);
    submit(client, &request, &held);
    test_server_run_until_requests(server, event, 1);
    assert_int_equal(reconfigure(client, test_authority_path(other), 0), 0);
    test_server_release(server);
    run_until(event, &held.n_done, 1);
    assert_int_equal(held.failure, HTTP_FAILURE_NONE);
    assert_int_equal(ask_anew(client, test_server_url(server)), HTTP_FAILURE_TLS);
}

static void bound_of_connections_changed_holds(void **state)
{
    enum { N = 6 };
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = "ok", .delay_msec = 20});
    CLEANUP(http_client_free) struct http_client *client = new_client(1);
    struct http_request request = post(test_server_url(server));

    for (unsigned round = 0; round < 3; round++) {
        static const unsigned bounds[] = {1, 3, 2};
        struct outcome o[N] = {};

        assert_int_equal(reconfigure(client, NULL, bounds[round]), 0);
        for (unsigned i = 0; i < N; i++)
            submit(client, &request, &o[i]);
        for (unsigned i = 0; i < N; i++) {
            run_until(event, &o[i].n_done, 1);
            assert_int_equal(o[i].failure, HTTP_FAILURE_NONE);
        }
        assert_int_equal(test_server_connections_most(server), round == 0 ? 1 : 3);
    }
}

/* A port that nobody accepts at. */
static void connect_timeout_is_the_new_one(void **state)
{
    CLEANUP(http_client_free) struct http_client *client = new_client(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[4];
    struct outcome o = {};
    struct http_request request;
    char url[64];
    uint64_t start = boot_clock_usec();

    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(listener, 0), 0);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(fds[i], (struct sockaddr *)&address, sizeof(address));
    }
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
    request = post(url);
    assert_int_equal(http_client_reconfigure(client,
                                             &(struct http_client_options){
                                                 .connect_timeout_usec = 200 * USEC_PER_MSEC,
                                             }),
                     0);
    ask(client, &request, &o);
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
    assert_in_range(boot_clock_usec() - start, 190 * USEC_PER_MSEC, TEST_PATIENCE_USEC / 2);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ca_bundle_that_was_replaced_is_read_again),
        TEST(request_in_flight_ends_as_it_began),
        TEST(ca_bundle_of_before_serves_requests_in_flight_alone),
        TEST(bound_of_connections_changed_holds),
        TEST(connect_timeout_is_the_new_one),
    };

    return cmocka_run_group_tests_name("http-client-reconfigure", tests, NULL, NULL);
}
