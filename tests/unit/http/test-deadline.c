/* SPDX-License-Identifier: MIT */
/* Time-outs that count from the last progress. The peers here are sockets that the tests read and
 * write themselves, between turns of the loop. */
#include "http/client.h"
#include "ahead-clock.h"
#include "in-time.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BODY_BYTES = 1 << 20 };

static sd_event *event;
static struct http_client *client;
static int listener, peer;
static char url[64], body[BODY_BYTES];

struct outcome {
    unsigned n_done;
    enum http_failure failure;
    enum http_phase phase;
    uint64_t sent_bytes, received_bytes, expected_bytes;
    size_t body_bytes;
    char text[256];
};

static void on_done(void *userdata, const struct http_reply *reply)
{
    struct outcome *o = userdata;

    o->n_done++;
    o->failure = reply->failure;
    o->phase = reply->phase;
    o->sent_bytes = reply->sent_bytes;
    o->received_bytes = reply->received_bytes;
    o->expected_bytes = reply->expected_bytes;
    o->body_bytes = reply->body_bytes;
    snprintf(o->text, sizeof(o->text), "%s", reply->failure_text);
}

static int set_up(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int small = 4096;

    assert_int_equal(sd_event_new(&event), 0);
    assert_int_equal(http_client_new(event,
                                     &(struct http_client_options){
                                         .user_agent = "test",
                                         .connect_timeout_usec = TEST_PATIENCE_USEC,
                                     },
                                     &client),
                     0);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(listener, 1), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
    peer = -1;
    return 0;
}

static int tear_down(void **state)
{
    http_client_free(client);
    sd_event_unref(event);
    close(listener);
    if (peer >= 0)
        close(peer);
    return 0;
}

static void submit(struct outcome *o, size_t body_bytes, uint64_t stall_usec, uint64_t wait_usec,
                   uint64_t timeout_usec)
{
    struct http_slot *slot;

    assert_int_equal(http_client_submit(client,
                                        &(struct http_request){
                                            .method = "POST",
                                            .url = url,
                                            .body = body,
                                            .body_bytes = body_bytes,
                                            .stall_usec = stall_usec,
                                            .wait_usec = wait_usec,
                                            .timeout_usec = timeout_usec,
                                            .reply_max_bytes = BODY_BYTES,
                                        },
                                        on_done, o, &slot),
                     0);
    while (peer < 0) {
        struct timeval none = {.tv_usec = 10000};
        fd_set set;

        assert_true(sd_event_run(event, 10 * USEC_PER_MSEC) >= 0);
        FD_ZERO(&set);
        FD_SET(listener, &set);
        if (select(listener + 1, &set, NULL, NULL, &none) > 0)
            peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
}

/* Reads what has come, at most so much. Returns how much. */
static size_t read_some(size_t most)
{
    static char bytes[BODY_BYTES];
    ssize_t n = recv(peer, bytes, MIN(most, sizeof(bytes)), MSG_DONTWAIT);

    return n > 0 ? (size_t)n : 0;
}

static void say(const char *text)
{
    assert_int_equal(send(peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads a request of that body whole. */
static void read_request(size_t body_bytes)
{
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    for (size_t n = 0; n <= body_bytes; n += read_some(BODY_BYTES)) {
        assert_true(sd_event_run(event, USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < end);
    }
}

static bool send_slowly(uint64_t stall)
{
    uint64_t start = boot_clock_usec(), last = start, longest = 0;
    struct outcome o = {};
    size_t n = 0;

    submit(&o, BODY_BYTES, stall, 0, 100 * stall);
    while (n < BODY_BYTES && o.n_done == 0) {
        uint64_t now = boot_clock_usec(), part = (now - start) * BODY_BYTES / (2 * stall);

        longest = MAX(longest, now - last);
        last = now;
        if (n < part)
            n += read_some(part - n);
        assert_true(sd_event_run(event, 5 * USEC_PER_MSEC) >= 0);
    }
    if (MAX(longest, boot_clock_usec() - last) >= stall / 2)
        return false;
    assert_int_equal(o.n_done, 0);
    assert_true(boot_clock_usec() - start > stall);
    while (read_some(BODY_BYTES) > 0)
        ;
    say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    run_until(event, &o.n_done, 1);
    if (boot_clock_usec() - last >= stall / 2)
        return false;
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    return true;
}

static void request_sent_slowly_is_sent_whole(void **state)
{
    repeat_until_in_time(send_slowly, USEC_PER_SEC, set_up, tear_down);
}

static void peer_that_reads_no_further_is_a_stall(void **state)
{
    struct outcome o = {};
    size_t n = 0;

    submit(&o, BODY_BYTES, 400 * USEC_PER_MSEC, 0, 60 * USEC_PER_SEC);
    for (int i = 0; i < 20; i++) {
        n += read_some(8192);
        assert_true(sd_event_run(event, USEC_PER_MSEC) >= 0);
    }
    run_until(event, &o.n_done, 1);
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
    assert_int_equal(o.phase, HTTP_PHASE_SEND);
    assert_true(o.sent_bytes < BODY_BYTES);
    assert_true(o.sent_bytes + 4096 > n);
    assert_int_equal(o.received_bytes, 0);
    assert_non_null(strstr(o.text, "timed out sending the request (no data for 0.4 s): "));
    assert_non_null(strstr(o.text, " of 1048576 bytes sent"));
}

static void reply_may_take_its_wait_longer_to_begin(void **state)
{
    uint64_t start = boot_clock_usec();
    struct outcome o = {};

    submit(&o, 10, 300 * USEC_PER_MSEC, 500 * USEC_PER_MSEC, 60 * USEC_PER_SEC);
    read_request(10);
    run_until(event, &o.n_done, 1);
    assert_true(boot_clock_usec() - start >= 795 * USEC_PER_MSEC);
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
    assert_int_equal(o.phase, HTTP_PHASE_WAIT);
    assert_int_equal(o.sent_bytes, 10);
    assert_string_equal(o.text, "timed out waiting for the reply (no data for 0.8 s): the "
                                "request's 10 bytes were sent, none came");
}

static bool read_late_and_answer_never(uint64_t unit)
{
    uint64_t last_read;
    struct outcome o = {};

    submit(&o, BODY_BYTES, 2 * unit, 3 * unit, 600 * unit);
    run_for(event, 7 * unit / 2);
    for (size_t n = 0; n <= BODY_BYTES && o.n_done == 0; n += read_some(BODY_BYTES))
        assert_true(sd_event_run(event, USEC_PER_MSEC) >= 0);
    last_read = boot_clock_usec();
    run_until(event, &o.n_done, 1);
    if (o.phase == HTTP_PHASE_SEND)
        return false; /* nothing was read before the first look */
    assert_int_equal(o.phase, HTTP_PHASE_WAIT);
    return boot_clock_usec() - last_read >= 4 * unit; /* less where it was sent long before */
}

static void wait_counts_from_the_requests_end(void **state)
{
    repeat_until_in_time(read_late_and_answer_never, 100 * USEC_PER_MSEC, set_up, tear_down);
}

/* The kernel's ages stand still meanwhile, and the peer has long given up. */
static void machine_that_slept_is_a_stall(void **state)
{
    struct outcome o = {};

    submit(&o, 10, 60 * USEC_PER_SEC, 0, 3600 * USEC_PER_SEC);
    read_request(10);
    boot_ahead_usec += 65 * USEC_PER_SEC;
    run_until(event, &o.n_done, 1);
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
    assert_int_equal(o.phase, HTTP_PHASE_WAIT);
}

static bool answer_slowly(uint64_t stall)
{
    uint64_t start = boot_clock_usec(), last = start, longest = 0, next = 0;
    struct outcome o = {};

    submit(&o, 10, stall, 0, 100 * stall);
    read_request(10);
    say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    for (size_t n = 0; n < 100 && o.n_done == 0;) {
        uint64_t now = boot_clock_usec();

        longest = MAX(longest, now - last);
        last = now;
        for (; n < 100 && now - start > next; next += stall / 60, n++)
            say("x");
        assert_true(sd_event_run(event, 5 * USEC_PER_MSEC) >= 0);
    }
    run_until(event, &o.n_done, 1);
    if (MAX(longest, boot_clock_usec() - last) >= stall / 2)
        return false;
    assert_true(boot_clock_usec() - start > stall);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.body_bytes, 100);
    return true;
}

static void reply_that_comes_slowly_is_read_whole(void **state)
{
    repeat_until_in_time(answer_slowly, USEC_PER_SEC, set_up, tear_down);
}

static bool answer_in_part(uint64_t stall)
{
    uint64_t start = boot_clock_usec();
    struct outcome o = {};
    char text[96];

    submit(&o, 10, stall, 0, 1000 * stall);
    read_request(10);
    say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n1234567");
    run_until_heard(event, peer);
    if (boot_clock_usec() - start >= stall)
        return false;
    run_until(event, &o.n_done, 1);
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
    assert_int_equal(o.phase, HTTP_PHASE_RECEIVE);
    assert_int_equal(o.received_bytes, 7);
    assert_int_equal(o.expected_bytes, 100);
    snprintf(text, sizeof(text), "timed out receiving the reply (no data for %.3g s): 7 of 100 ",
             (double)stall / USEC_PER_SEC);
    assert_memory_equal(o.text, text, strlen(text));
    assert_string_equal(o.text + strlen(text), "bytes had come");
    return true;
}

static void reply_that_comes_no_further_says_how_far_it_came(void **state)
{
    repeat_until_in_time(answer_in_part, 300 * USEC_PER_MSEC, set_up, tear_down);
}

static void progress_has_a_far_end(void **state)
{
    struct outcome o = {};

    submit(&o, 10, 20 * USEC_PER_SEC, 0, 40 * USEC_PER_SEC);
    read_request(10);
    say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; o.n_done == 0; i++) {
        say("1\r\nx\r\n");
        run_until_heard(event, peer);
        ahead_usec += i < 8 ? 5 * USEC_PER_SEC : 0;
    }
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
    assert_int_equal(o.phase, HTTP_PHASE_RECEIVE);
    assert_true(o.received_bytes > 0);
    assert_non_null(strstr(o.text, "timed out receiving the reply (not done in 4"));
}

/* The stall time-out would come after the far end: after the last look the far end is next. */
static void far_end_before_the_next_stall_ends_the_request(void **state)
{
    struct outcome o = {};

    submit(&o, 10, 60 * USEC_PER_SEC, 0, 70 * USEC_PER_SEC);
    read_request(10);
    say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    run_until_heard(event, peer);
    ahead_usec += 61 * USEC_PER_SEC;
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 0);
    ahead_usec += 10 * USEC_PER_SEC;
    run_until(event, &o.n_done, 1);
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
    assert_non_null(strstr(o.text, "timed out receiving the reply (not done in 7"));
}

/* Submits it, and lets the timer that runs while a request connects fire, which would read what
 * came. */
static void submit_and_connect(struct outcome *o, uint64_t stall_usec, uint64_t timeout_usec)
{
    submit(o, 10, stall_usec, 0, timeout_usec);
    read_request(10);
    boot_ahead_usec += USEC_PER_SEC;
}

/* Puts the clock ahead so far that the time is over. The loop learns it before these bytes come, so
 * the deadline's timer fires before libcurl can read them. libcurl's own clock stays. */
static void let_time_pass_and_say(const char *text)
{
    while (sd_event_run(event, 0) > 0)
        ;
    boot_ahead_usec += 65 * USEC_PER_SEC;
    assert_int_equal(sd_event_prepare(event), 0);
    assert_true(sd_event_wait(event, 0) > 0);
    say(text);
    assert_true(sd_event_dispatch(event) > 0);
}

static void reply_that_waits_unread_after_a_stall_of_ours_is_read(void **state)
{
    struct outcome o = {};

    submit_and_connect(&o, 60 * USEC_PER_SEC, 3600 * USEC_PER_SEC);
    let_time_pass_and_say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    run_until(event, &o.n_done, 1);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.body_bytes, 2);
}

static void reply_that_waits_unread_at_the_far_end_is_read(void **state)
{
    struct outcome o = {};

    submit_and_connect(&o, 0, 60 * USEC_PER_SEC);
    let_time_pass_and_say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    run_until(event, &o.n_done, 1);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.body_bytes, 2);
}

static void reply_that_waits_unread_at_the_far_end_must_be_whole(void **state)
{
    struct outcome o = {};

    submit_and_connect(&o, 0, 60 * USEC_PER_SEC);
    slow_clocks(100);
    let_time_pass_and_say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_int_equal(o.n_done, 0);
    let_time_pass_and_say("1\r\nx\r\n");
    for (int i = 0; i < 5 && o.n_done == 0; i++)
        assert_true(sd_event_run(event, 0) >= 0);
    slow_clocks(0);
    assert_int_equal(o.n_done, 1);
    assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
    assert_int_equal(o.phase, HTTP_PHASE_RECEIVE);
    assert_non_null(strstr(o.text, "timed out receiving the reply (not done in 1"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(request_sent_slowly_is_sent_whole),
        TEST(peer_that_reads_no_further_is_a_stall),
        TEST(reply_may_take_its_wait_longer_to_begin),
        TEST(wait_counts_from_the_requests_end),
        TEST(machine_that_slept_is_a_stall),
        TEST(reply_that_comes_slowly_is_read_whole),
        TEST(reply_that_comes_no_further_says_how_far_it_came),
        TEST(progress_has_a_far_end),
        TEST(far_end_before_the_next_stall_ends_the_request),
        TEST(reply_that_waits_unread_after_a_stall_of_ours_is_read),
        TEST(reply_that_waits_unread_at_the_far_end_is_read),
        TEST(reply_that_waits_unread_at_the_far_end_must_be_whole),
    };

    return cmocka_run_group_tests_name("http-deadline", tests, NULL, NULL);
}
