/* SPDX-License-Identifier: MIT */
/* Addresses that do not answer, and the time that connecting has. */
#include "connect-fixture.h"
#include "ahead-clock.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned n_begun_connecting;

/* Overrides libc's. */
int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    n_begun_connecting++;
    return (int)syscall(SYS_connect, fd, address, size);
}

/* A listener whose queue is full leaves further connections unanswered. */
struct silence {
    int listener, fds[4], port;
};

static void be_silent(struct silence *s, const char *at, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof(address);

    assert_int_equal(inet_pton(AF_INET, at, &address.sin_addr), 1);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(s->listener, 0), 0);
    for (size_t i = 0; i < ARRAY_SIZE(s->fds); i++) {
        s->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(s->fds[i], (struct sockaddr *)&address, size);
    }
    s->port = ntohs(address.sin_port);
}

static void end_silence(struct silence *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(s->fds); i++)
        close(s->fds[i]);
    close(s->listener);
}

/* A request that connects to an address that is silent, for so long. */
static struct outcome ask_for(const char *url, uint64_t usec, bool send_once)
{
    unsigned n_before = n_begun_connecting;
    struct outcome o = {};

    submit(&o, url, send_once);
    run_until(event, &n_begun_connecting, n_before + 1);
    run_for(event, USEC_PER_MSEC);
    assert_int_equal(o.n_done, 0);
    ahead_usec += usec;
    run_until(event, &o.n_done, 1);
    return o;
}

static void address_is_silent_next_is_tried(void **state)
{
    CLEANUP(test_server_free) struct test_server *server = TEST_SERVER({.body = "ok"});
    struct silence silence;
    struct outcome o;
    char url[64];

    be_silent(&silence, "127.0.0.3", test_server_port(server));
    addresses[0][0] = "127.0.0.3";
    addresses[0][1] = "127.0.0.1";
    new_client(100 * USEC_PER_SEC);
    snprintf(url, sizeof(url), "http://" HOST_OF_TEST ":%d/", test_server_port(server));
    o = ask_for(url, 51 * USEC_PER_SEC, true);
    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.n_begun, 1);
    end_silence(&silence);
}

static void connect_timeout_grows_to_a_minute(void **state)
{
    struct silence silence;
    struct outcome o;
    char url[64];

    be_silent(&silence, "127.0.0.3", 0);
    addresses[0][0] = "127.0.0.3";
    snprintf(url, sizeof(url), "http://" HOST_OF_TEST ":%d/", silence.port);
    new_client(40 * USEC_PER_SEC);
    o = ask_for(url, 41 * USEC_PER_SEC, false);
    assert_string_equal(o.text, "timed out connecting after 40 s; the next attempt has 60 s");
    end_silence(&silence);
}

/* One time-out, and then a connection: to the second address after the first was silent, or to the
 * one that there is. */
static void time_out_and_connect(const char *url, bool is_slow)
{
    struct outcome o;

    n_look_ups = 0;
    addresses[0][0] = addresses[2][0] = "127.0.0.3";
    addresses[1][0] = is_slow ? "127.0.0.3" : "127.0.0.1";
    addresses[1][1] = is_slow ? "127.0.0.1" : NULL;
    new_client(10 * USEC_PER_SEC);
    o = ask_for(url, 11 * USEC_PER_SEC, false);
    assert_string_equal(o.text, "timed out connecting after 10 s; the next attempt has 20 s");
    o = is_slow ? ask_for(url, 11 * USEC_PER_SEC, false) : ask(url, false);
    assert_int_equal(o.failure, HTTP_FAILURE_BROKEN);
}

static void connect_timeout_is_longer_for_as_long_as_it_is_needed(void **state)
{
    for (int is_slow = 0; is_slow < 2; is_slow++) {
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER({.how = REPLY_CLOSE_ALL});
        struct silence silence;
        struct outcome o;
        char url[64];

        slow_clocks(16);
        be_silent(&silence, "127.0.0.3", test_server_port(server));
        snprintf(url, sizeof(url), "http://" HOST_OF_TEST ":%d/", test_server_port(server));
        time_out_and_connect(url, is_slow);
        o = ask_for(url, 21 * USEC_PER_SEC, false);
        assert_string_equal(o.text,
                            is_slow ? "timed out connecting after 20 s; the next attempt has 40 s"
                                    : "timed out connecting after 10 s; the next attempt has 20 s");
        end_silence(&silence);
        slowed_by = 0;
    }
}

/* libcurl names a time at which it wants a turn, and some turns come while connecting; no more. */
static void address_is_silent_loop_rests(void **state)
{
    struct silence silence;
    struct outcome o = {};
    unsigned n_turns = 0;
    uint64_t end;
    char url[64];

    be_silent(&silence, "127.0.0.1", 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", silence.port);
    submit(&o, url, false);
    end = boot_clock_usec() + 400 * USEC_PER_MSEC;
    for (uint64_t now; (now = boot_clock_usec()) < end; n_turns++)
        assert_true(sd_event_run(event, end - now) >= 0);
    assert_int_equal(o.n_done, 0);
    assert_in_range(n_turns, 0, 50);
    client = http_client_free(client);
    end_silence(&silence);
}

static void connect_timeout_after_a_time_out_is_twice_as_long(void **state)
{
    static const struct {
        uint64_t least_msec;
        const char *text;
    } attempts[] = {{150, "timed out connecting after 0.15 s; the next attempt has 0.3 s"},
                    {300, "timed out connecting after 0.3 s; the next attempt has 0.6 s"},
                    {600, "timed out connecting after 0.6 s; the next attempt has 1.2 s"}};
    struct silence silence;
    struct outcome others[2] = {};
    char url[64];

    be_silent(&silence, "127.0.0.1", 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", silence.port);
    new_client(150 * USEC_PER_MSEC);
    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        uint64_t start = boot_clock_usec();
        struct outcome o;

        /* Those that fail beside it do not double it again. */
        if (i == 0)
            for (size_t k = 0; k < ARRAY_SIZE(others); k++)
                submit(&others[k], url, false);
        o = ask(url, false);
        assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
        assert_int_equal(o.phase, HTTP_PHASE_CONNECT);
        assert_int_equal(o.n_begun, 0);
        assert_string_equal(o.text, attempts[i].text);
        assert_true(boot_clock_usec() - start >= (attempts[i].least_msec - 5) * USEC_PER_MSEC);
    }
    end_silence(&silence);
}

static void request_timeout_short_after_time_outs_in_connecting_is_longer(void **state)
{
    struct silence silence;
    char url[64];

    be_silent(&silence, "127.0.0.1", 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", silence.port);
    for (uint64_t least_msec = 150; least_msec <= 600; least_msec *= 2) {
        uint64_t start;
        struct outcome o = {};
        struct http_slot *slot;

        /* The time-out counts from the loop's time, which a slow machine leaves behind. */
        assert_true(sd_event_now(event, CLOCK_BOOTTIME, &start) >= 0);
        assert_int_equal(http_client_submit(client,
                                            &(struct http_request){
                                                .method = "GET",
                                                .url = url,
                                                .timeout_usec = 150 * USEC_PER_MSEC,
                                                .timeout_grows = true,
                                                .reply_max_bytes = 1000,
                                            },
                                            on_done, &o, &slot),
                         0);
        run_until(event, &o.n_done, 1);
        assert_int_equal(o.failure, HTTP_FAILURE_TIMEOUT);
        assert_int_equal(o.phase, HTTP_PHASE_CONNECT);
        assert_true(boot_clock_usec() - start >= (least_msec - 5) * USEC_PER_MSEC);
    }
    end_silence(&silence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(address_is_silent_next_is_tried),
        TEST(address_is_silent_loop_rests),
        TEST(connect_timeout_grows_to_a_minute),
        TEST(connect_timeout_is_longer_for_as_long_as_it_is_needed),
        TEST(connect_timeout_after_a_time_out_is_twice_as_long),
        TEST(request_timeout_short_after_time_outs_in_connecting_is_longer),
    };

    return cmocka_run_group_tests_name("http-connect-timeouts", tests, NULL, NULL);
}
