/* SPDX-License-Identifier: MIT */
/* Which of the calls that wait without retry tokens is woken, and when: on the structures
 * themselves, since from outside another back-off can hide it. */
#include "sqs/client-internal.h"
#include "test-loop.h"
#include "util/clock.h"

enum { CALLS = 3 };

static struct sqs_client client;
static struct sqs_call calls[CALLS];

static void on_timer(void *userdata)
{
}

/* Three calls wait, the second would wake first, then the third. */
static int set_up(void **state)
{
    static const uint64_t delays_sec[CALLS] = {40, 20, 30};

    memset(&client, 0, sizeof(client));
    memset(calls, 0, sizeof(calls));
    list_init(&client.calls);
    client.on_timer = on_timer;
    if (sd_event_new(&client.event) < 0)
        return -1;
    for (size_t i = 0; i < CALLS; i++) {
        calls[i].client = &client;
        list_prepend(&client.calls, &calls[i].link);
        if (sqs_call_set_timer(&calls[i], delays_sec[i] * USEC_PER_SEC) < 0)
            return -1;
        sqs_call_set_wakeable(&calls[i], true);
    }
    return 0;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < CALLS; i++)
        timer_done(&calls[i].timer);
    sd_event_unref(client.event);
    return 0;
}

static bool is_woken(const struct sqs_call *call)
{
    return !call->is_wakeable && timer_usec(&call->timer) <= clock_boot_usec();
}

static void trial_missing_first_to_wake_is_woken(void **state)
{
    sqs_client_ensure_trial(&client);
    assert_true(is_woken(&calls[1]));
    assert_false(is_woken(&calls[0]));
    assert_false(is_woken(&calls[2]));
    assert_int_equal(client.n_wakeable, 2);
    sqs_client_ensure_trial(&client);
    assert_true(is_woken(&calls[2]));
    assert_false(is_woken(&calls[0]));
}

static void trial_is_left_nobody_is_woken(void **state)
{
    client.quota.n_trials[false] = 1;
    sqs_client_ensure_trial(&client);
    for (size_t i = 0; i < CALLS; i++)
        assert_false(is_woken(&calls[i]));
    assert_int_equal(client.n_wakeable, CALLS);
}

/* A long poll may take its time to find out: it is no trial for calls that are answered at once. */
static void trial_is_only_a_long_poll_another_is_woken(void **state)
{
    client.quota.n_trials[true] = 1;
    sqs_client_ensure_trial(&client);
    assert_true(is_woken(&calls[1]));
}

static void trial_ends_unanswered_another_is_woken(void **state)
{
    sqs_call_set_wakeable(&calls[0], false);
    calls[0].retry.grant.is_trial = true;
    client.quota.n_trials[false] = 1;
    calls[0].is_answered = true;
    sqs_call_leave(&calls[0]); /* an answered one leaves the waking to its answer */
    assert_false(is_woken(&calls[1]));

    calls[0].retry.grant.is_trial = true;
    client.quota.n_trials[false] = 1;
    calls[0].is_answered = false;
    sqs_call_leave(&calls[0]);
    assert_int_equal(client.quota.n_trials[false], 0);
    assert_true(is_woken(&calls[1]));
    assert_false(is_woken(&calls[2]));
}

static void calls_fewer_than_are_to_be_woken_are_all_woken(void **state)
{
    sqs_client_wake(&client, CALLS + 1);
    for (size_t i = 0; i < CALLS; i++)
        assert_true(is_woken(&calls[i]));
    assert_int_equal(client.n_wakeable, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(trial_missing_first_to_wake_is_woken),
        TEST(trial_is_left_nobody_is_woken),
        TEST(trial_is_only_a_long_poll_another_is_woken),
        TEST(trial_ends_unanswered_another_is_woken),
        TEST(calls_fewer_than_are_to_be_woken_are_all_woken),
    };

    return cmocka_run_group_tests_name("sqs-call", tests, NULL, NULL);
}
