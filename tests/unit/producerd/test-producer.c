/* SPDX-License-Identifier: MIT */
#include "fake-log.h"
#include "fake-queue.h"
#include "producerd/deduplication.h"
#include "producerd/producer-log.h"
#include "producerd/producer.h"
#include "producerd/source-demo.h"
#include "producerd/source-spool.h"
#include "test-loop.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <systemd/sd-id128.h>

#define SEC USEC_PER_SEC

/* --- The clocks, which a test puts forward --- */

static uint64_t ahead_usec;
static int64_t wall_jump_sec; /* of the wall clock alone */
static bool is_clock_still;   /* time passes by ahead_usec alone */

/* Overrides libc's. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
    static struct timespec seen[CLOCK_TAI + 1];
    int r = 0;

    if (!is_clock_still || seen[clock].tv_sec == 0)
        r = (int)syscall(SYS_clock_gettime, clock, &seen[clock]);
    *ret = seen[clock];
    ret->tv_nsec += (long)(ahead_usec % SEC * 1000);
    ret->tv_sec += (time_t)(ahead_usec / SEC) + ret->tv_nsec / 1000000000;
    ret->tv_nsec %= 1000000000;
    if (clock == CLOCK_REALTIME)
        ret->tv_sec += (time_t)wall_jump_sec;
    return r;
}

static uint64_t wall_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * SEC + (uint64_t)now.tv_nsec / 1000;
}

/* Pauses are as long as they can be. Overrides libsystemd's. */
int sd_id128_randomize(sd_id128_t *ret)
{
    *ret = (sd_id128_t){.qwords = {UINT64_MAX, 0}};
    return 0;
}

/* --- A source, in the demo's place --- */

enum { MESSAGES_MAX = 128 };

static struct source_message messages[MESSAGES_MAX];
static char ids[MESSAGES_MAX][8];
static size_t n_messages, n_given, n_sent, n_rejected;
static bool has_ended;
static int next_error; /* what the next one comes to; 0: as it should */
static source_ready_fn ready;
static void *ready_userdata;

static int fake_next(struct source *source, const struct source_message **ret)
{
    if (next_error < 0)
        return next_error;
    if (n_given == n_messages)
        return has_ended ? SOURCE_E_END : SOURCE_E_NOT_YET;
    *ret = &messages[n_given++];
    return 0;
}

static void fake_settle(struct source *source, const struct source_message *message,
                        enum source_settlement settlement, const char *reason)
{
    n_sent += settlement == SOURCE_SENT;
    n_rejected += settlement == SOURCE_REJECTED;
}

static void fake_source_free(struct source *source)
{
}

int source_demo_new(sd_event *event, const struct config *config, bool is_fifo,
                    source_ready_fn ready_fn, void *userdata, struct source **ret)
{
    static const struct source_ops ops = {fake_next, fake_settle, fake_source_free};
    static struct source source = {&ops};

    ready = ready_fn;
    ready_userdata = userdata;
    *ret = &source;
    return 0;
}

int source_demo_check(const struct config *config, char **error)
{
    return 0;
}

/* --- In the spool's place: the same, and what else a source may be told --- */

static size_t n_sending, n_calls_at_sending, opened_bytes;
static unsigned n_stops;

static void fake_sending(struct source *source, const struct source_message *const *sending,
                         size_t n)
{
    assert_ptr_equal(sending[0], &messages[n_sending]);
    n_sending += n;
    n_calls_at_sending = fake_n_calls;
}

static void fake_opened(struct source *source, size_t message_bytes_max)
{
    opened_bytes = message_bytes_max;
}

static void fake_stop(struct source *source)
{
    n_stops++;
}

static void fake_describe(struct source *source, struct buffer *status)
{
    buffer_printf(status, "so many wait");
}

int source_spool_new(sd_event *event, const struct config *config, bool is_fifo,
                     source_ready_fn ready_fn, void *userdata, struct source **ret, char **error)
{
    static const struct source_ops ops = {
        .next = fake_next,
        .settle = fake_settle,
        .free = fake_source_free,
        .sending = fake_sending,
        .opened = fake_opened,
        .stop = fake_stop,
        .describe = fake_describe,
    };
    static struct source source = {&ops};

    ready = ready_fn;
    ready_userdata = userdata;
    *ret = &source;
    return 0;
}

/* --- The producer --- */

static struct config config;
static struct service *service;
static struct producer *producer;

static int set_up(void **state)
{
    fake_reset();
    fake_n_lines = 0;
    ahead_usec = 0;
    wall_jump_sec = 0;
    is_clock_still = false;
    n_messages = n_given = n_sent = n_rejected = 0;
    has_ended = false;
    next_error = 0;
    n_sending = n_calls_at_sending = opened_bytes = 0;
    n_stops = 0;
    config = (struct config){};
    config.producer.max_connections = 64;
    config.producer.batch_size = 1;
    config.producer.stop_timeout_usec = 60 * SEC;
    return 0;
}

static int tear_down(void **state)
{
    producer = producer_free(producer);
    service = service_free(service);
    fake_reset();
    return 0;
}

static void start(void)
{
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(producer_new(service, &config, &producer, NULL), 0);
    fake_open();
    assert_true(fake_forget_line("works on the")); /* the others are what is tested */
}

/* A message of a group of its own; it may stand in the queue since then, 0: not. */
static void add(uint64_t in_doubt_since_usec)
{
    struct source_message *m = &messages[n_messages];

    assert_in_range(n_messages, 0, MESSAGES_MAX - 1);
    snprintf(ids[n_messages], sizeof(ids[0]), "%zu", n_messages);
    *m = (struct source_message){
        .message = {.body = "x",
                    .body_bytes = 1,
                    .group_id = ids[n_messages],
                    .deduplication_id = ids[n_messages],
                    .delay_sec = -1},
        .id = ids[n_messages],
        .in_doubt_since_usec = in_doubt_since_usec,
    };
    n_messages++;
}

static void end_source(void)
{
    has_ended = true;
    ready(ready_userdata);
}

static void acknowledge(size_t i)
{
    fake_answer(i, "{\"MessageId\":\"m\",\"MD5OfMessageBody\":"
                   "\"9dd4e461268c8034f5c8564e155c67a6\",\"SequenceNumber\":\"1\"}");
}

static void run_until_calls(size_t n)
{
    uint64_t end_usec = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (fake_n_calls < n) {
        assert_true(sd_event_run(service_event(service), 100 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < end_usec);
    }
}

/* Lets everything happen whose time has come. */
static void run_once(void)
{
    for (int i = 0; i < 10; i++)
        assert_true(sd_event_run(service_event(service), 0) >= 0);
}

static size_t n_late(void)
{
    return fake_count_lines("SQS may store it twice");
}

static void a_message_in_doubt_for_over_5_minutes_is_told_of_once(void **state)
{
    add(0);
    start();
    ahead_usec = 10 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    ahead_usec = 299 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(n_late(), 0);
    /* Counted from when the first attempt went out. */
    ahead_usec = 301 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(n_late(), 1);
    assert_non_null(strstr(fake_lines[0], "The message with id 0 goes again"));
    assert_non_null(
        strstr(fake_lines[0], "[SQS_MESSAGE_GROUP_ID=0] [SQS_MESSAGE_DEDUPLICATION_ID=0]"));
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(fake_n_lines, 1);
    end_source();
    acknowledge(0);
    assert_int_equal(n_sent, 1);
    assert_true(fake_forget_line("1 sent, 1 perhaps stored twice;"));
    assert_int_equal(fake_n_lines, 2);
    assert_non_null(strstr(fake_lines[1], "may have stored twice"));
    assert_non_null(strstr(fake_lines[1], ": 1."));
}

static void what_surely_was_not_taken_is_in_no_doubt(void **state)
{
    add(0);
    start();
    for (size_t i = 0; i < 3; i++) {
        ahead_usec += 200 * SEC;
        assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
        assert_true(fake_retry(0, AWS_ERROR_CREDENTIALS, "NoCredentials"));
        assert_true(fake_retry(0, AWS_ERROR_PERMANENT, "AccessDeniedException"));
        fake_was_not_sent = true;
        assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
        fake_was_not_sent = false;
    }
    /* The first of unknown outcome is the one that went out now. */
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    ahead_usec += 299 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(n_late(), 0);
    end_source();
    acknowledge(0);
    assert_true(fake_forget_line("1 sent;"));
    assert_int_equal(fake_n_lines, 0);
}

static void a_later_answer_ends_no_doubt(void **state)
{
    add(0);
    start();
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
    ahead_usec = 301 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_int_equal(n_late(), 1);
}

static void entries_that_go_again_are_in_doubt_as_well(void **state)
{
    static const char answer[] =
        "{\"Successful\":[],\"Failed\":["
        "{\"Id\":\"0\",\"Code\":\"InternalError\",\"Message\":\"\",\"SenderFault\":false},"
        "{\"Id\":\"1\",\"Code\":\"RequestThrottled\",\"Message\":\"\",\"SenderFault\":true}]}";

    add(0);
    add(0);
    config.producer.batch_size = 2;
    start();
    assert_int_equal(fake_n_calls, 1);
    fake_answer(0, answer);
    ahead_usec = 301 * SEC;
    run_until_calls(2);
    assert_int_equal(n_late(), 1);
    assert_int_equal(fake_count_lines("with id 0 goes again"), 1);
}

static void an_entry_that_fails_again_and_again_waits_longer_each_time(void **state)
{
    static const char answer[] =
        "{\"Successful\":[],\"Failed\":["
        "{\"Id\":\"0\",\"Code\":\"RequestThrottled\",\"Message\":\"\",\"SenderFault\":true},"
        "{\"Id\":\"1\",\"Code\":\"RequestThrottled\",\"Message\":\"\",\"SenderFault\":true}]}";
    static const unsigned pauses_sec[] = {1, 2, 4, 8, 16, 20, 20};

    add(0);
    add(0);
    config.producer.batch_size = 2;
    start();
    is_clock_still = true;
    run_once();
    for (size_t i = 0; i < ARRAY_SIZE(pauses_sec); i++) {
        assert_int_equal(fake_n_calls, i + 1);
        fake_answer(i, answer);
        ahead_usec += (pauses_sec[i] - 1) * SEC;
        run_once();
        assert_int_equal(fake_n_calls, i + 1);
        ahead_usec += SEC;
        run_once();
    }
    assert_int_equal(fake_n_calls, ARRAY_SIZE(pauses_sec) + 1);

    /* 51 s have passed between the first answer and the last, and 20 more until the next. */
    assert_int_equal(fake_count_lines("sending them again in "), 1);
    fake_answer(ARRAY_SIZE(pauses_sec), answer);
    assert_int_equal(fake_count_lines("sending them again in "), 2);
    assert_int_equal(fake_count_lines("20.000 s (14 since the last such line)"), 1);
}

static void doubt_from_an_earlier_life_counts(void **state)
{
    add(wall_usec() - 301 * SEC);
    add(wall_usec() - 200 * SEC);
    add(wall_usec() + 1000 * SEC); /* the clock was put back */
    start();
    assert_int_equal(n_late(), 1);
    assert_int_equal(fake_count_lines("with id 0 goes again"), 1);
    ahead_usec = 101 * SEC;
    assert_true(fake_retry(1, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_true(fake_retry(2, AWS_ERROR_THROTTLED, "RequestThrottled"));
    assert_int_equal(n_late(), 2);
}

static void a_jump_of_the_wall_clock_is_no_time_that_passed(void **state)
{
    add(0);
    start();
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    wall_jump_sec = 58 * 365 * 86400L;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(n_late(), 0);
    /* Nor does one hide the time that did. */
    wall_jump_sec = -3600;
    ahead_usec = 301 * SEC;
    assert_true(fake_retry(0, AWS_ERROR_TRANSIENT, "NetworkFailure"));
    assert_int_equal(n_late(), 1);
}

static void a_standard_queue_may_store_any_message_twice(void **state)
{
    fake_is_fifo = false;
    add(wall_usec() - 301 * SEC);
    messages[0].message.deduplication_id = messages[0].message.group_id = NULL;
    start();
    end_source();
    acknowledge(0);
    assert_int_equal(n_sent, 1);
    assert_true(fake_forget_line("1 sent;"));
    assert_int_equal(fake_n_lines, 0);
}

static void of_many_only_some_have_a_line_and_all_are_counted(void **state)
{
    for (int i = 0; i < 60; i++)
        add(wall_usec() - 1000 * SEC);
    start();
    assert_int_equal(fake_n_open(), 60);
    assert_int_equal(n_late(), POSSIBLE_DUPLICATE_LINES_MAX);
    assert_int_equal(fake_count_lines("further ones within a minute are only counted"), 1);
    ahead_usec = 61 * SEC;
    add(wall_usec() - 1000 * SEC);
    run_for(service_event(service), 0);
    ready(ready_userdata);
    assert_int_equal(fake_n_open(), 61);
    assert_int_equal(fake_count_lines("(so did 40 others since the last such line)"), 1);
    end_source();
    for (size_t i = 0; i < 61; i++)
        acknowledge(i);
    assert_int_equal(n_sent, 61);
    assert_int_equal(fake_count_lines("is not known: 61."), 1);
}

static void a_request_that_cannot_be_made_is_made_later(void **state)
{
    add(0);
    add(0);
    add(0);
    messages[1].message.group_id = messages[0].message.group_id;
    fake_call_error = -ENOMEM;
    start();
    assert_int_equal(fake_n_lines, 1);
    assert_non_null(strstr(fake_lines[0], "Cannot send at the moment, trying again"));
    run_for(service_event(service), 1200 * USEC_PER_MSEC);
    assert_int_equal(fake_n_lines, 1);
    fake_call_error = 0;
    ahead_usec = 301 * SEC; /* what never went out is in no doubt */
    run_until_calls(2);
    assert_int_equal(fake_n_calls, 2);
    /* In order, and none missing. */
    assert_non_null(strstr(fake_request(0), "\"MessageDeduplicationId\":\"0\""));
    assert_non_null(strstr(fake_request(1), "\"MessageDeduplicationId\":\"2\""));
    acknowledge(0);
    assert_non_null(strstr(fake_request(2), "\"MessageDeduplicationId\":\"1\""));
    end_source();
    acknowledge(1);
    acknowledge(2);
    assert_int_equal(n_sent, 3);
    assert_true(fake_forget_line("3 sent;"));
    assert_int_equal(fake_n_lines, 1);
}

static void a_source_without_memory_is_asked_later(void **state)
{
    add(0);
    next_error = -ENOMEM;
    is_clock_still = true;
    start();
    assert_int_equal(fake_n_calls, 0);
    assert_non_null(strstr(fake_lines[0], "Cannot take up a message at the moment"));
    next_error = 0;
    ahead_usec += SEC - 1;
    run_once();
    assert_int_equal(fake_n_calls, 0);
    ahead_usec += 1;
    run_once();
    assert_int_equal(fake_n_calls, 1);
    end_source();
    acknowledge(0);
    assert_int_equal(n_sent, 1);
}

static void idle_and_busy_it_does_not_hang(void **state)
{
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(producer_new(service, &config, &producer, NULL), 0);
    assert_null(service_what_hangs(service)); /* the queue is being opened */
    fake_open();
    assert_null(service_what_hangs(service)); /* the source has nothing yet */
    add(0);
    ready(ready_userdata);
    assert_int_equal(fake_n_open(), 1);
    assert_null(service_what_hangs(service)); /* under way */
    fake_fail(0, AWS_ERROR_THROTTLED, "RequestThrottled", "");
    assert_int_equal(fake_n_open(), 0);
    assert_null(service_what_hangs(service)); /* waits for its time */
    fake_hangs = "the queue's";
    assert_string_equal(service_what_hangs(service), "the queue's");
    fake_hangs = NULL;
    end_source();
    run_until_calls(2);
    acknowledge(1);
    assert_null(service_what_hangs(service)); /* it ends */
}

static void a_time_that_is_long_over_hangs(void **state)
{
    add(0);
    start();
    fake_fail(0, AWS_ERROR_THROTTLED, "RequestThrottled", "");
    run_for(service_event(service), 0);
    assert_null(service_what_hangs(service));
    /* The loop's clock goes on, and the timer does not come. */
    ahead_usec = SERVICE_LATE_MAX_USEC + 5 * SEC;
    assert_true(sd_event_prepare(service_event(service)) >= 0);
    assert_true(sd_event_wait(service_event(service), 0) >= 0);
    assert_string_equal(service_what_hangs(service),
                        "the time to send is over, and nothing was sent");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* Ten bytes, where the queue takes five. */
static void add_large(void)
{
    add(0);
    messages[n_messages - 1].message.body = "xxxxxxxxxx";
    messages[n_messages - 1].message.body_bytes = 10;
}

static void a_message_over_the_queues_size_waits_until_that_is_asked_again(void **state)
{
    fake_attributes.maximum_message_bytes = 5;
    fake_may_refresh = true;
    add_large();
    add(0);
    start();
    assert_int_equal(fake_n_calls, 0);
    assert_int_equal(n_rejected, 0);
    assert_null(service_what_hangs(service));
    fake_may_refresh = false; /* it is fresh then */
    fake_attributes.maximum_message_bytes = 10;
    fake_refreshed();
    assert_int_equal(fake_n_calls, 2);
    assert_non_null(strstr(fake_request(0), "xxxxxxxxxx"));
    assert_int_equal(n_rejected, 0);

    /* It was lowered, and that is believed. */
    fake_attributes.maximum_message_bytes = 5;
    fake_refreshed();
    add_large();
    ready(ready_userdata);
    assert_int_equal(n_rejected, 1);
}

static void a_rejection_by_sqs_has_the_queue_asked_again(void **state)
{
    static const char answer[] =
        "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"InvalidParameterValue\",\"SenderFault\":true,"
        "\"Message\":\"Reason: Message must be shorter than 5 bytes.\"},"
        "{\"Id\":\"1\",\"Code\":\"InternalError\",\"Message\":\"\",\"SenderFault\":false}]}";

    add(0);
    add(0);
    config.producer.batch_size = 2;
    start();
    assert_int_equal(fake_n_refreshes, 0);
    fake_answer(0, answer);
    assert_int_equal(n_rejected, 1);
    assert_int_equal(fake_n_refreshes, 1);
}

static size_t n_entries(size_t i)
{
    return MAX(fake_calls[i].request->n_entries, (size_t)1);
}

/* Every open request bears so many messages. */
static void assert_open(size_t n_requests, size_t entries)
{
    assert_int_equal(fake_n_open(), n_requests);
    for (size_t i = 0; i < fake_n_calls; i++)
        if (fake_calls[i].is_open)
            assert_int_equal(n_entries(i), entries);
}

static void stall_all(void)
{
    size_t n = fake_n_calls;

    fake_stall = SQS_STALL_SEND;
    for (size_t i = 0; i < n; i++)
        if (fake_calls[i].is_open)
            (void)fake_retry(i, AWS_ERROR_TRANSIENT, SQS_ERROR_STALLED);
    fake_stall = SQS_STALL_NONE;
}

static void run_until_open(size_t n)
{
    uint64_t end_usec = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (fake_n_open() < n) {
        assert_true(sd_event_run(service_event(service), 100 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < end_usec);
    }
}

static void after_a_stall_fewer_requests_with_smaller_batches_go_out(void **state)
{
    for (size_t i = 0; i < 120; i++)
        add(0);
    config.producer.max_connections = 4;
    config.producer.batch_size = 10;
    start();
    assert_open(4, 10);
    stall_all(); /* they stalled together, which counts once */
    run_until_open(2);
    assert_open(2, 5);
    stall_all();
    run_until_open(1);
    assert_open(1, 2);
    stall_all();
    run_until_open(1);
    assert_open(1, 1);
    /* The last goes on as it is. */
    fake_stall = SQS_STALL_SEND;
    assert_true(fake_retry(fake_n_calls - 1, AWS_ERROR_TRANSIENT, SQS_ERROR_STALLED));
    fake_stall = SQS_STALL_NONE;
    assert_open(1, 1);
    /* None was lost, and what gets through lets both grow again. */
    acknowledge(fake_n_calls - 1);
    run_until_open(2);
    assert_open(2, 2);
    assert_int_equal(n_sent, 1);
    assert_int_equal(n_rejected, 0);
}

static void the_spool_is_there_before_the_queue_and_is_told_what_goes_out(void **state)
{
    config.producer.source = CONFIG_SOURCE_SPOOL;
    config.producer.batch_size = 10;
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(producer_new(service, &config, &producer, NULL), 0);
    assert_true(fake_keeps_trying);
    add(0);
    add(0);
    ready(ready_userdata);
    assert_int_equal(n_given, 0);             /* the queue is not open */
    assert_null(service_what_hangs(service)); /* however long that takes */
    fake_attributes.maximum_message_bytes = 4096;
    fake_open();
    assert_int_equal(opened_bytes, 4096);
    assert_int_equal(n_given, 2);
    assert_int_equal(n_sending, 2);
    assert_int_equal(n_calls_at_sending, 0); /* before anything is on its way */
    assert_int_equal(fake_n_calls, 1);
}

static void a_spool_is_told_of_a_stop(void **state)
{
    config.producer.source = CONFIG_SOURCE_SPOOL;
    start();
    kill(getpid(), SIGTERM);
    assert_int_equal(service_run(service), 0);
    assert_int_equal(n_stops, 1);
}

static void the_demo_ends_where_the_queue_cannot_be_opened(void **state)
{
    start();
    assert_false(fake_keeps_trying);
}

static void the_permission_to_send_is_asked_for(void **state)
{
    start();
    assert_int_equal(fake_permissions, PERMISSION_BIT(SQS_SEND_MESSAGE));
}

/* --- What is told of the work as a whole --- */

static void settle_down(void)
{
    while (sd_event_run(service_event(service), 0) > 0)
        ;
}

static void the_start_says_what_is_at_work(void **state)
{
    config.producer.source = CONFIG_SOURCE_SPOOL;
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(producer_new(service, &config, &producer, NULL), 0);
    assert_int_equal(fake_n_lines, 0); /* before the queue has answered, no keys are known to do */
    fake_open();
    assert_int_equal(fake_n_lines, 1);
    assert_string_equal(fake_lines[0],
                        "Version " PROJECT_VERSION
                        " works on the FIFO queue q; source spool; keys from the test.");
}

static void the_end_says_what_waits_in_the_spool(void **state)
{
    config.producer.source = CONFIG_SOURCE_SPOOL;
    add(0);
    start();
    acknowledge(0);
    assert_int_equal(raise(SIGTERM), 0);
    settle_down();
    assert_int_equal(fake_count_lines("In all, in 0 s: 1 sent; in flight: 0; so many wait."), 1);
}

static void a_minute_in_which_messages_go_has_a_line_and_an_idle_one_none(void **state)
{
    for (size_t i = 0; i < 4; i++)
        add(0);
    messages[2].message.body = "\x01"; /* SQS would reject it */
    start();
    settle_down();
    acknowledge(0);
    fake_fail(1, AWS_ERROR_THROTTLED, "RequestThrottled", "slower");
    fake_n_lines = 0;
    ahead_usec = 59 * SEC;
    settle_down();
    assert_int_equal(fake_count_lines("In the last"), 0);
    ahead_usec = 61 * SEC;
    settle_down();
    assert_int_equal(
        fake_count_lines("In the last 61 s: 1 sent, 1 rejected, 1 to be sent again; in "
                         "flight: 2."),
        1);
    ahead_usec = 400 * SEC;
    settle_down();
    assert_int_equal(fake_count_lines("In the last"), 1);
    /* What comes later has a line of its own, of that alone. */
    acknowledge(2);
    ahead_usec = 500 * SEC;
    settle_down();
    assert_int_equal(fake_count_lines("In the last 100 s: 1 sent; in flight: 1."), 1);
    end_source();
    acknowledge(3);
    assert_int_equal(
        fake_count_lines("In all, in 500 s: 3 sent, 1 rejected, 1 to be sent again; in "
                         "flight: 0."),
        1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_in_doubt_for_over_5_minutes_is_told_of_once),
        TEST(what_surely_was_not_taken_is_in_no_doubt),
        TEST(a_later_answer_ends_no_doubt),
        TEST(entries_that_go_again_are_in_doubt_as_well),
        TEST(an_entry_that_fails_again_and_again_waits_longer_each_time),
        TEST(doubt_from_an_earlier_life_counts),
        TEST(a_jump_of_the_wall_clock_is_no_time_that_passed),
        TEST(a_standard_queue_may_store_any_message_twice),
        TEST(of_many_only_some_have_a_line_and_all_are_counted),
        TEST(a_request_that_cannot_be_made_is_made_later),
        TEST(a_source_without_memory_is_asked_later),
        TEST(idle_and_busy_it_does_not_hang),
        TEST(a_time_that_is_long_over_hangs),
        TEST(a_message_over_the_queues_size_waits_until_that_is_asked_again),
        TEST(a_rejection_by_sqs_has_the_queue_asked_again),
        TEST(after_a_stall_fewer_requests_with_smaller_batches_go_out),
        TEST(the_spool_is_there_before_the_queue_and_is_told_what_goes_out),
        TEST(a_spool_is_told_of_a_stop),
        TEST(the_demo_ends_where_the_queue_cannot_be_opened),
        TEST(the_permission_to_send_is_asked_for),
        TEST(the_start_says_what_is_at_work),
        TEST(the_end_says_what_waits_in_the_spool),
        TEST(a_minute_in_which_messages_go_has_a_line_and_an_idle_one_none),
    };

    return cmocka_run_group_tests_name("producer", tests, NULL, NULL);
}
