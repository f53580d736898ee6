/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "aws/backoff.h"

static const enum backoff_kind KINDS[] = {BACKOFF_TRANSIENT, BACKOFF_THROTTLED, BACKOFF_SLOW};

/* splitmix64: any fixed sequence of well-mixed bits. */
static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void backoff_limit_doubles_with_each_attempt_up_to_the_cap(void **state)
{
    static const struct {
        enum backoff_kind kind;
        unsigned attempt;
        uint64_t limit_msec;
    } rows[] = {
        {BACKOFF_TRANSIENT, 0, 50},
        {BACKOFF_TRANSIENT, 1, 50},
        {BACKOFF_TRANSIENT, 2, 100},
        {BACKOFF_TRANSIENT, 3, 200},
        {BACKOFF_TRANSIENT, 9, 12800},
        {BACKOFF_TRANSIENT, 10, 20000},
        {BACKOFF_TRANSIENT, 63, 20000},
        {BACKOFF_TRANSIENT, 64, 20000},
        {BACKOFF_TRANSIENT, 65, 20000},
        {BACKOFF_TRANSIENT, 1000000, 20000},
        {BACKOFF_THROTTLED, 1, 1000},
        {BACKOFF_THROTTLED, 2, 2000},
        {BACKOFF_THROTTLED, 5, 16000},
        {BACKOFF_THROTTLED, 6, 20000},
        {BACKOFF_THROTTLED, 1000000, 20000},
        {BACKOFF_SLOW, 1, 5000},
        {BACKOFF_SLOW, 4, 40000},
        {BACKOFF_SLOW, 5, 60000},
        {BACKOFF_SLOW, 1000000, 60000},
        {BACKOFF_TRANSIENT, UINT32_MAX, 20000},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t limit = rows[i].limit_msec * USEC_PER_MSEC;

        /* Full jitter: from 0 to the limit, in proportion to the random number. */
        assert_int_equal(
            backoff_delay_usec(rows[i].kind, rows[i].attempt, true, USEC_INFINITY, UINT64_MAX),
            limit);
        assert_int_equal(backoff_delay_usec(rows[i].kind, rows[i].attempt, true, USEC_INFINITY, 0),
                         0);
        assert_in_range(backoff_delay_usec(rows[i].kind, rows[i].attempt, true, USEC_INFINITY,
                                           UINT64_C(1) << 63),
                        limit / 2, limit / 2 + 1);
    }
}

static void backoff_jitter_is_spread_evenly(void **state)
{
    enum { DRAWS = 40000, PARTS = 10 };
    uint64_t seed = 42;

    for (size_t k = 0; k < ARRAY_SIZE(KINDS); k++)
        for (unsigned attempt = 1; attempt <= 8; attempt += 7) {
            unsigned count[PARTS] = {};
            uint64_t limit = backoff_delay_usec(KINDS[k], attempt, true, USEC_INFINITY, UINT64_MAX);

            for (unsigned i = 0; i < DRAWS; i++) {
                uint64_t delay =
                    backoff_delay_usec(KINDS[k], attempt, true, USEC_INFINITY, next_random(&seed));

                assert_true(delay <= limit);
                count[MIN(delay * PARTS / limit, (uint64_t)PARTS - 1)]++;
            }
            /* 4000 each, give or take five standard deviations of 60. */
            for (unsigned p = 0; p < PARTS; p++)
                assert_in_range(count[p], 3700, 4300);
        }
}

static void backoff_without_tokens_delay_is_once_to_twice_the_cap(void **state)
{
    static const enum backoff_kind kinds[] = {BACKOFF_TRANSIENT, BACKOFF_THROTTLED};
    uint64_t seed = 7;

    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        assert_int_equal(backoff_delay_usec(kinds[k], 1, false, USEC_INFINITY, 0),
                         BACKOFF_CAP_USEC);
        assert_int_equal(backoff_delay_usec(kinds[k], 1, false, USEC_INFINITY, UINT64_MAX),
                         2 * BACKOFF_CAP_USEC);
        for (unsigned i = 0; i < 1000; i++)
            assert_in_range(
                backoff_delay_usec(kinds[k], i, false, USEC_INFINITY, next_random(&seed)),
                BACKOFF_CAP_USEC, 2 * BACKOFF_CAP_USEC);
    }
}

static void backoff_retry_after_overrides_the_delay_within_bounds(void **state)
{
    const uint64_t half = UINT64_C(1) << 63; /* computed delay of a first throttled try: 0.5 s */
    static const struct {
        uint64_t wish_msec, delay_msec;
    } rows[] = {
        {0, 500},     {499, 500},   {500, 500},   {501, 501},
        {3000, 3000}, {5500, 5500}, {5501, 5500}, {86400000, 5500},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(
            backoff_delay_usec(BACKOFF_THROTTLED, 1, true, rows[i].wish_msec * USEC_PER_MSEC, half),
            rows[i].delay_msec * USEC_PER_MSEC);
    assert_int_equal(backoff_delay_usec(BACKOFF_THROTTLED, 1, true, USEC_INFINITY - 1, half),
                     5500 * USEC_PER_MSEC);
    assert_int_equal(
        backoff_delay_usec(BACKOFF_THROTTLED, 1000000, false, USEC_INFINITY - 1, UINT64_MAX),
        2 * BACKOFF_CAP_USEC + 5 * USEC_PER_SEC);
}

static void retry_quota_allows_retries_until_it_is_empty(void **state)
{
    struct retry_quota q = RETRY_QUOTA_INIT;
    struct retry_grant grant = {};

    for (unsigned i = 0; i < 35; i++) {
        assert_true(retry_quota_take(&q, &grant, BACKOFF_TRANSIENT));
        assert_int_equal(grant.cost, 14);
        assert_false(grant.is_trial);
    }
    assert_int_equal(q.tokens, 10);
    assert_true(retry_quota_take(&q, &grant, BACKOFF_THROTTLED));
    assert_true(retry_quota_take(&q, &grant, BACKOFF_THROTTLED));
    assert_int_equal(grant.cost, 5);
    assert_int_equal(q.tokens, 0);
    /* Keys that are refused are no sign of load. */
    assert_true(retry_quota_take(&q, &grant, BACKOFF_SLOW));
    assert_int_equal(grant.cost, 0);
    assert_false(grant.is_trial);
    assert_int_equal(q.tokens, 0);
}

static void retry_quota_that_is_empty_allows_a_few_trials_of_each_kind(void **state)
{
    struct retry_quota q = {};
    struct retry_grant call[4] = {}, poll[4] = {};

    for (int i = 0; i < 4; i++) {
        poll[i].is_poll = true;
        assert_int_equal(retry_quota_take(&q, &call[i], BACKOFF_TRANSIENT), i < RETRY_TRIALS_MAX);
        assert_int_equal(retry_quota_take(&q, &poll[i], BACKOFF_THROTTLED), i < RETRY_TRIALS_MAX);
    }
    /* They stay what they are while they fail. */
    assert_true(retry_quota_take(&q, &call[0], BACKOFF_TRANSIENT));
    assert_true(call[0].is_trial);
    assert_false(retry_quota_take(&q, &call[2], BACKOFF_TRANSIENT));
    /* One that ends, waits for a person, or can pay, makes place for another. */
    retry_quota_end_trial(&q, &call[0]);
    retry_quota_end_trial(&q, &call[0]);
    assert_true(retry_quota_take(&q, &call[2], BACKOFF_TRANSIENT));
    assert_false(retry_quota_take(&q, &call[0], BACKOFF_TRANSIENT));
    assert_true(retry_quota_take(&q, &call[1], BACKOFF_SLOW));
    assert_false(call[1].is_trial);
    assert_true(retry_quota_take(&q, &call[0], BACKOFF_TRANSIENT));
    q.tokens = 14;
    assert_true(retry_quota_take(&q, &call[0], BACKOFF_TRANSIENT));
    assert_false(call[0].is_trial);
    assert_true(retry_quota_take(&q, &call[3], BACKOFF_TRANSIENT));
    assert_int_equal(q.n_trials[0], 2);
    assert_int_equal(q.n_trials[1], 2);
}

static void retry_quota_after_a_success_is_refilled_up_to_its_maximum(void **state)
{
    struct retry_quota q = {};

    retry_quota_refund(&q, &(struct retry_grant){});
    assert_int_equal(q.tokens, 1);
    retry_quota_refund(&q, &(struct retry_grant){.cost = RETRY_COST_TRANSIENT});
    assert_int_equal(q.tokens, 15);
    retry_quota_refund(&q, &(struct retry_grant){.cost = RETRY_COST_THROTTLED});
    assert_int_equal(q.tokens, 20);
    q.tokens = 490;
    retry_quota_refund(&q, &(struct retry_grant){.cost = RETRY_COST_TRANSIENT});
    assert_int_equal(q.tokens, RETRY_QUOTA_MAX);
    retry_quota_refund(&q, &(struct retry_grant){});
    assert_int_equal(q.tokens, RETRY_QUOTA_MAX);
    retry_quota_refund(&q, &(struct retry_grant){.cost = UINT32_MAX});
    assert_int_equal(q.tokens, RETRY_QUOTA_MAX);
}

/* --- 64 calls at once during an outage, simulated --- */

enum { CALLS = 64 };
#define REPLY_USEC (20 * USEC_PER_MSEC)

struct sim_call {
    struct retry_grant grant;
    unsigned failures;
    uint64_t due_usec; /* of its next attempt */
    bool is_wakeable, is_done;
};

struct sim {
    struct sim_call calls[CALLS];
    struct retry_quota quota;
    uint64_t seed, now_usec, outage_usec;
    unsigned n_requests_in_outage, n_requests;
    bool fails_half; /* there is no outage: each second attempt fails, by chance */
};

static struct sim_call *first_due(struct sim *s, bool is_wakeable)
{
    struct sim_call *first = NULL;

    for (int i = 0; i < CALLS; i++) {
        struct sim_call *c = &s->calls[i];

        if (!c->is_done && (!is_wakeable || c->is_wakeable) &&
            (!first || c->due_usec < first->due_usec))
            first = c;
    }
    return first;
}

/* Runs until all are answered; returns when that was. Follows sqs/attempt-result.c. */
static uint64_t simulate(struct sim *s)
{
    struct sim_call *c;

    s->quota = RETRY_QUOTA_INIT;
    while ((c = first_due(s, false))) {
        bool is_up, in_quota;

        s->now_usec = c->due_usec;
        s->n_requests++;
        s->n_requests_in_outage += s->now_usec < s->outage_usec;
        is_up = s->now_usec >= s->outage_usec && (!s->fails_half || next_random(&s->seed) % 2);
        c->is_wakeable = false;
        if (is_up) {
            retry_quota_refund(&s->quota, &c->grant);
            retry_quota_end_trial(&s->quota, &c->grant);
            c->is_done = true;
            for (int i = 0; i < RETRY_WAKES_PER_ANSWER; i++) {
                struct sim_call *sleeper = first_due(s, true);

                if (!sleeper)
                    break;
                sleeper->is_wakeable = false;
                sleeper->due_usec = s->now_usec + REPLY_USEC;
            }
            continue;
        }
        c->failures++;
        in_quota = retry_quota_take(&s->quota, &c->grant, BACKOFF_TRANSIENT);
        c->is_wakeable = c->grant.cost == 0;
        c->due_usec = s->now_usec + REPLY_USEC +
                      backoff_delay_usec(BACKOFF_TRANSIENT, c->failures, in_quota, USEC_INFINITY,
                                         next_random(&s->seed));
    }
    return s->now_usec;
}

/* Where all that have no tokens wait 10 to 20 s, by themselves, it takes 15 to 20 s each time, with
 * 99 requests during the first three outages, and 332 and 2654 during the others. */
static void retry_quota_that_is_empty_many_calls_recover_after_one_delay_of_a_trial(void **state)
{
    enum { SEEDS = 200 };
    static const struct {
        uint64_t outage_msec, worst_msec;
        unsigned requests_max;
    } rows[] = {
        {200, 600, 110},    {1000, 3500, 115},    {5000, 10000, 120},
        {60000, 3000, 240}, {600000, 3000, 1500},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t worst_usec = 0, sum_usec = 0;
        unsigned requests = 0;

        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct sim s = {.seed = seed, .outage_usec = rows[i].outage_msec * USEC_PER_MSEC};
            uint64_t recovery_usec = simulate(&s) - s.outage_usec;

            worst_usec = MAX(worst_usec, recovery_usec);
            sum_usec += recovery_usec;
            requests = MAX(requests, s.n_requests_in_outage);
        }
        assert_in_range(worst_usec, 0, rows[i].worst_msec * USEC_PER_MSEC);
        assert_in_range(sum_usec / SEEDS, 0, 2 * USEC_PER_SEC);
        assert_in_range(requests, CALLS, rows[i].requests_max);
    }
}

static void retry_quota_service_that_fails_half_of_the_calls_gets_few_retries(void **state)
{
    unsigned requests = 0;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct sim s = {.seed = seed, .fails_half = true};

        simulate(&s);
        requests = MAX(requests, s.n_requests);
    }
    /* 128 on average. */
    assert_in_range(requests, CALLS, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backoff_limit_doubles_with_each_attempt_up_to_the_cap),
        cmocka_unit_test(backoff_jitter_is_spread_evenly),
        cmocka_unit_test(backoff_without_tokens_delay_is_once_to_twice_the_cap),
        cmocka_unit_test(backoff_retry_after_overrides_the_delay_within_bounds),
        cmocka_unit_test(retry_quota_allows_retries_until_it_is_empty),
        cmocka_unit_test(retry_quota_that_is_empty_allows_a_few_trials_of_each_kind),
        cmocka_unit_test(retry_quota_after_a_success_is_refilled_up_to_its_maximum),
        cmocka_unit_test(retry_quota_that_is_empty_many_calls_recover_after_one_delay_of_a_trial),
        cmocka_unit_test(retry_quota_service_that_fails_half_of_the_calls_gets_few_retries),
    };

    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
