/* SPDX-License-Identifier: MIT */
/* The server on an event loop of its own; the client is in the same process. The bad input of
 * clients is in the integration test of metrics. */
#include "daemon/metrics-server.h"
#include "fake-log.h"
#include "test-loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void sd_event_unref_cleanup(sd_event **event)
{
    sd_event_unref(*event);
}

static char problem[256];
static unsigned n_asked, n_recovered;

static void append_metrics(void *userdata, struct buffer *out)
{
    n_asked++;
    buffer_append_string(out, "x 1\n");
}

static bool append_failure(void *userdata, struct buffer *out)
{
    return false;
}

static void show_problem(void *userdata, const char *text)
{
    snprintf(problem, sizeof(problem), "%s", text ? text : "");
    n_recovered += !text;
}

static struct metrics_server *new_server(sd_event *event)
{
    struct metrics_server *s = NULL;

    assert_int_equal(metrics_server_new(
                         &(struct metrics_server_options){
                             .event = event,
                             .setting = "x.metrics_listen",
                             .append_metrics = append_metrics,
                             .append_failure = append_failure,
                             .show_problem = show_problem,
                             .retry_usec = 20 * USEC_PER_MSEC,
                         },
                         &s),
                     0);
    return s;
}

/* A socket of a port of loopback that is bound, and its address as text. */
static int take_port(char *text, size_t size)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    snprintf(text, size, "127.0.0.1:%u", ntohs(a.sin_port));
    return fd;
}

/* At a port that was free; another process may have taken it since. */
static void listen_somewhere(struct metrics_server *s, char *address, size_t size)
{
    for (int i = 0; i < 20; i++) {
        problem[0] = '\0';
        close(take_port(address, size));
        metrics_server_listen(s, address);
        if (problem[0] == '\0')
            return;
    }
    fail_msg("no port is free: %s", problem);
}

static void address_in_use_is_told_once_and_tried_again(void **state)
{
    CLEANUP(sd_event_unref) sd_event *event = NULL;
    CLEANUP(metrics_server_free) struct metrics_server *s = NULL;
    char address[64], expected[128];
    int taken = take_port(address, sizeof(address));

    assert_int_equal(sd_event_new(&event), 0);
    s = new_server(event);
    metrics_server_listen(s, address);
    snprintf(expected, sizeof(expected), "no metrics at %s: Address already in use", address);
    assert_string_equal(problem, expected);
    run_for(event, 100 * USEC_PER_MSEC);
    assert_int_equal(fake_count_lines("cannot listen at"), 1);
    close(taken);
    run_until(event, &n_recovered, 1);
    assert_int_equal(fake_count_lines("Metrics are served at"), 1);
    assert_string_equal(problem, "");
}

static int connect_to(const char *address)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

/* Without a descriptor for the connection the loop does not spin, and the client waits. */
static void connection_that_finds_no_descriptor_waits(void **state)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    CLEANUP(sd_event_unref) sd_event *event = NULL;
    CLEANUP(metrics_server_free) struct metrics_server *s = NULL;
    struct rlimit before, few;
    unsigned n_rounds = 0;
    char address[64];
    int client;

    assert_int_equal(sd_event_new(&event), 0);
    s = new_server(event);
    listen_somewhere(s, address, sizeof(address));
    client = connect_to(address);
    assert_int_equal(write(client, request, strlen(request)), strlen(request));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)client + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    n_asked = 0;
    for (uint64_t end = boot_clock_usec() + 200 * USEC_PER_MSEC; boot_clock_usec() < end;) {
        assert_true(sd_event_run(event, 20 * USEC_PER_MSEC) >= 0);
        n_rounds++;
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(n_rounds < 50);
    assert_int_equal(n_asked, 0);
    run_until(event, &n_asked, 1);
    close(client);
}

/* Sends the request, and reads the first bytes of the answer. */
static void ask(sd_event *event, const char *address, const char *request, char answer[64])
{
    int client = connect_to(address);

    memset(answer, 0, 64);
    assert_int_equal(write(client, request, strlen(request)), strlen(request));
    while (recv(client, answer, 63, MSG_DONTWAIT) < 0) {
        assert_int_equal(errno, EAGAIN);
        assert_true(sd_event_run(event, 20 * USEC_PER_MSEC) >= 0);
    }
    close(client);
}

static void path_with_an_escape_is_another_path(void **state)
{
    static const char *const cases[][2] = {
        {"/metrics", " 200 "},       {"/metrics?a=%00", " 200 "}, {"/metrics%00x", " 404 "},
        {"/metrics%00", " 404 "},    {"/%6detrics", " 404 "},     {"/%6Detrics?a=b", " 404 "},
        {"/metrics%3Fa=b", " 404 "}, {"%2fmetrics", " 404 "},
    };
    CLEANUP(sd_event_unref) sd_event *event = NULL;
    CLEANUP(metrics_server_free) struct metrics_server *s = NULL;
    char address[64], request[128], answer[64];

    assert_int_equal(sd_event_new(&event), 0);
    s = new_server(event);
    listen_somewhere(s, address, sizeof(address));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", cases[i][0]);
        ask(event, address, request, answer);
        assert_memory_equal(answer + strlen("HTTP/1.1"), cases[i][1], strlen(cases[i][1]));
    }
}

/* Whoever sees only Prometheus's "403 Forbidden" finds the reason in the log, once. */
static void refused_name_is_logged_once_with_the_remedy(void **state)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: machine:9467\r\n\r\n";
    CLEANUP(sd_event_unref) sd_event *event = NULL;
    CLEANUP(metrics_server_free) struct metrics_server *s = NULL;
    char address[64], answer[64];

    assert_int_equal(sd_event_new(&event), 0);
    s = new_server(event);
    listen_somewhere(s, address, sizeof(address));
    for (int i = 0; i < 3; i++) {
        ask(event, address, request, answer);
        assert_memory_equal(answer, "HTTP/1.1 403", strlen("HTTP/1.1 403"));
    }
    assert_int_equal(fake_count_lines("x.metrics_listen: refused a request with status 403: its "
                                      "Host header is neither an IP address nor localhost. Name "
                                      "the target in Prometheus by its IP address."),
                     1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_in_use_is_told_once_and_tried_again),
        cmocka_unit_test(connection_that_finds_no_descriptor_waits),
        cmocka_unit_test(path_with_an_escape_is_another_path),
        cmocka_unit_test(refused_name_is_logged_once_with_the_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
