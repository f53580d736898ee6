/* SPDX-License-Identifier: MIT */
/* The bound on what all replies being received may hold. */
#include "http/client.h"
#include "in-time.h"
#include "test-server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BOUND_BYTES = 50000, REPLY_BYTES = 100000, HALF = REPLY_BYTES / 2, LARGE_BYTES = 1 << 20 };

static sd_event *event;
static struct http_client *client;
static unsigned n_all_done;

/* One request, and its connection's other end. */
struct pair {
    struct http_slot *slot;
    int fd;
    unsigned n_done;
    enum http_failure failure;
    size_t body_bytes;
    bool is_right; /* all its bytes are 'x' */
};

static struct pair pairs[3];
static int listener;
static char url[64], half[HALF];
static size_t reply_max_bytes;

static void on_done(void *userdata, const struct http_reply *reply)
{
    struct pair *p = userdata;

    n_all_done++;
    p->n_done++;
    p->slot = NULL;
    p->failure = reply->failure;
    p->body_bytes = reply->body_bytes;
    p->is_right = strspn(reply->body, "x") == reply->body_bytes;
}

static void submit(struct pair *p, const char *where, uint64_t stall_usec)
{
    assert_int_equal(http_client_submit(client,
                                        &(struct http_request){
                                            .method = "GET",
                                            .url = where,
                                            .timeout_usec = 10 * TEST_PATIENCE_USEC,
                                            .stall_usec = stall_usec,
                                            .reply_max_bytes = reply_max_bytes,
                                        },
                                        on_done, p, &p->slot),
                     0);
}

static void send_some(struct pair *p, size_t size)
{
    assert_int_equal(send(p->fd, half, size, MSG_NOSIGNAL), size);
}

static void send_half(struct pair *p)
{
    send_some(p, HALF);
}

/* Connects, and begins its reply, with its head alone. */
static void begin_head(struct pair *p, uint64_t stall_usec)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    struct pollfd poll_listener = {.fd = listener, .events = POLLIN};
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;
    char request[4096];

    submit(p, url, stall_usec);
    while (poll(&poll_listener, 1, 0) == 0) {
        assert_true(sd_event_run(event, USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < end);
    }
    p->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    while (recv(p->fd, request, sizeof(request), MSG_DONTWAIT) <= 0) {
        assert_true(sd_event_run(event, USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < end);
    }
    assert_int_equal(send(p->fd, head, sizeof(head) - 1, MSG_NOSIGNAL), sizeof(head) - 1);
}

static void begin(struct pair *p, uint64_t stall_usec)
{
    begin_head(p, stall_usec);
    send_half(p);
}

/* Until the client has taken of the reply what it wants, which the kernel has whole. */
static int set_up(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    memset(half, 'x', sizeof(half));
    assert_int_equal(sd_event_new(&event), 0);
    assert_int_equal(http_client_new(event,
                                     &(struct http_client_options){
                                         .user_agent = "test",
                                         .connect_timeout_usec = TEST_PATIENCE_USEC,
                                         .reply_memory_bytes = BOUND_BYTES,
                                     },
                                     &client),
                     0);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(listener, 8), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        pairs[i] = (struct pair){.fd = -1};
    n_all_done = 0;
    reply_max_bytes = LARGE_BYTES;
    return 0;
}

static int tear_down(void **state)
{
    http_client_free(client);
    sd_event_unref(event);
    close(listener);
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        if (pairs[i].fd >= 0)
            close(pairs[i].fd);
    return 0;
}

/* Begins a reply that the client lets wait. Returns whether that was in time. */
static bool begin_to_wait(struct pair *p, uint64_t stall_usec)
{
    uint64_t start = boot_clock_usec();

    begin(p, stall_usec);
    run_until_heard(event, p->fd);
    return boot_clock_usec() - start < stall_usec;
}

static void assert_whole(const struct pair *p)
{
    assert_int_equal(p->n_done, 1);
    assert_int_equal(p->failure, HTTP_FAILURE_NONE);
    assert_int_equal(p->body_bytes, REPLY_BYTES);
    assert_true(p->is_right);
}

static bool wait_for_the_oldest(uint64_t stall_usec)
{
    struct pair *oldest = &pairs[0], *second = &pairs[1], *third = &pairs[2];

    begin(oldest, 0);
    run_until_heard(event, oldest->fd);
    if (!begin_to_wait(second, stall_usec)) /* to wait for its turn is no stall */
        return false;
    begin(third, 0);
    send_half(second);
    send_half(third);
    run_for(event, 3 * stall_usec);
    assert_int_equal(n_all_done, 0);

    send_half(oldest);
    run_until(event, &n_all_done, 3);
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        assert_whole(&pairs[i]);
    return true;
}

static void replies_at_the_bound_wait_for_the_oldest(void **state)
{
    repeat_until_in_time(wait_for_the_oldest, 100 * USEC_PER_MSEC, set_up, tear_down);
}

static void reply_cancelled_gives_its_room_to_others(void **state)
{
    begin(&pairs[0], 0);
    run_until_heard(event, pairs[0].fd);
    begin(&pairs[1], 0);
    begin(&pairs[2], 0);
    send_half(&pairs[1]);
    run_until_heard(event, pairs[1].fd);
    assert_int_equal(n_all_done, 0);

    http_slot_cancel(pairs[2].slot);
    pairs[0].slot = http_slot_cancel(pairs[0].slot);
    run_until(event, &n_all_done, 1);
    assert_whole(&pairs[1]);
}

static void reply_too_large_after_its_wait_fails_at_once(void **state)
{
    begin(&pairs[0], 0);
    run_until_heard(event, pairs[0].fd);
    reply_max_bytes = 1000;
    begin_head(&pairs[1], 0);
    send_some(&pairs[1], 2000);
    run_until_heard(event, pairs[1].fd);
    assert_int_equal(n_all_done, 0);
    send_half(&pairs[0]);
    run_until(event, &n_all_done, 2);
    assert_whole(&pairs[0]);
    assert_int_equal(pairs[1].failure, HTTP_FAILURE_TOO_LARGE);
}

static bool wait_and_stall(uint64_t stall_usec)
{
    begin(&pairs[0], 0);
    run_until_heard(event, pairs[0].fd);
    if (!begin_to_wait(&pairs[1], stall_usec))
        return false;
    run_for(event, 2 * stall_usec);
    assert_int_equal(n_all_done, 0);
    send_half(&pairs[0]);
    run_until(event, &n_all_done, 2);
    assert_whole(&pairs[0]);
    assert_int_equal(pairs[1].failure, HTTP_FAILURE_TIMEOUT);
    return true;
}

static void reply_that_stalls_after_its_wait_is_given_up(void **state)
{
    repeat_until_in_time(wait_and_stall, 100 * USEC_PER_MSEC, set_up, tear_down);
}

static bool wait_for_the_owner(uint64_t stall_usec)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.filler_bytes = HTTP_SMALL_REPLY_BYTES});

    http_client_set_owner_bytes(client, BOUND_BYTES);
    if (!begin_to_wait(&pairs[0], stall_usec)) /* to wait for its turn is no stall */
        return false;
    send_half(&pairs[0]);
    run_for(event, 3 * stall_usec);
    assert_int_equal(n_all_done, 0);
    submit(&pairs[1], test_server_url(server), 0);
    run_until(event, &n_all_done, 1);
    assert_int_equal(pairs[1].body_bytes, HTTP_SMALL_REPLY_BYTES);

    http_client_set_owner_bytes(client, BOUND_BYTES - 1);
    run_until(event, &n_all_done, 2);
    assert_whole(&pairs[0]);
    return true;
}

static void owner_at_the_bound_lets_large_replies_wait_and_small_ones_pass(void **state)
{
    repeat_until_in_time(wait_for_the_owner, 100 * USEC_PER_MSEC, set_up, tear_down);
}

static void replies_many_and_large_come_whole(void **state)
{
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.filler_bytes = LARGE_BYTES});
    struct pair many[24] = {};

    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        submit(&many[i], test_server_url(server), 0);
    run_until(event, &n_all_done, ARRAY_SIZE(many));
    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        assert_int_equal(many[i].failure, HTTP_FAILURE_NONE);
        assert_int_equal(many[i].body_bytes, LARGE_BYTES);
        assert_true(many[i].is_right);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(replies_at_the_bound_wait_for_the_oldest),
        TEST(reply_cancelled_gives_its_room_to_others),
        TEST(reply_too_large_after_its_wait_fails_at_once),
        TEST(reply_that_stalls_after_its_wait_is_given_up),
        TEST(owner_at_the_bound_lets_large_replies_wait_and_small_ones_pass),
        TEST(replies_many_and_large_come_whole),
    };

    return cmocka_run_group_tests_name("http-receive", tests, NULL, NULL);
}
