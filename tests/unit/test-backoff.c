#include "backoff.h"
#include "test.h"

static const enum backoff_kind KINDS[] = {BACKOFF_TRANSIENT, BACKOFF_THROTTLED,
                                          BACKOFF_SLOW};

/* splitmix64: any fixed sequence of well-mixed bits. */
static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void limit_doubles_with_each_attempt_up_to_the_cap(void **state)
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

static void jitter_is_spread_evenly(void **state)
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

static void without_tokens_the_delay_is_in_the_upper_half_of_the_cap(void **state)
{
    static const enum backoff_kind kinds[] = {BACKOFF_TRANSIENT, BACKOFF_THROTTLED};
    uint64_t seed = 7;

    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        assert_int_equal(backoff_delay_usec(kinds[k], 1, false, USEC_INFINITY, 0),
                         BACKOFF_CAP_USEC / 2);
        assert_int_equal(backoff_delay_usec(kinds[k], 1, false, USEC_INFINITY, UINT64_MAX),
                         BACKOFF_CAP_USEC);
        for (unsigned i = 0; i < 1000; i++)
            assert_in_range(
                backoff_delay_usec(kinds[k], i, false, USEC_INFINITY, next_random(&seed)),
                BACKOFF_CAP_USEC / 2, BACKOFF_CAP_USEC);
    }
}

static void credentials_wait_alike_with_and_without_tokens(void **state)
{
    uint64_t seed = 9;

    for (unsigned i = 0; i < 1000; i++) {
        uint64_t random = next_random(&seed);

        assert_int_equal(backoff_delay_usec(BACKOFF_SLOW, i, false, USEC_INFINITY, random),
                         backoff_delay_usec(BACKOFF_SLOW, i, true, USEC_INFINITY, random));
    }
}

static void server_s_wish_wins_within_bounds(void **state)
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
        BACKOFF_CAP_USEC + 5 * USEC_PER_SEC);
}

static void quota_pays_for_retries_until_it_is_empty(void **state)
{
    struct retry_quota q = RETRY_QUOTA_INIT;

    for (unsigned i = 0; i < 35; i++)
        assert_int_equal(retry_quota_take(&q, BACKOFF_TRANSIENT), 14);
    assert_int_equal(q.tokens, 10);
    assert_int_equal(retry_quota_take(&q, BACKOFF_TRANSIENT), 0);
    assert_int_equal(q.tokens, 10);
    assert_int_equal(retry_quota_take(&q, BACKOFF_THROTTLED), 5);
    assert_int_equal(retry_quota_take(&q, BACKOFF_THROTTLED), 5);
    assert_int_equal(retry_quota_take(&q, BACKOFF_THROTTLED), 0);
    assert_int_equal(q.tokens, 0);
    assert_int_equal(retry_quota_take(&q, BACKOFF_SLOW), 0);
    assert_int_equal(q.tokens, 0);
}

static void success_gives_tokens_back_but_no_more_than_there_were(void **state)
{
    struct retry_quota q = {.tokens = 0};

    retry_quota_refund(&q, 0);
    assert_int_equal(q.tokens, 1);
    retry_quota_refund(&q, RETRY_COST_TRANSIENT);
    assert_int_equal(q.tokens, 15);
    retry_quota_refund(&q, RETRY_COST_THROTTLED);
    assert_int_equal(q.tokens, 20);
    q.tokens = 490;
    retry_quota_refund(&q, RETRY_COST_TRANSIENT);
    assert_int_equal(q.tokens, RETRY_QUOTA_MAX);
    retry_quota_refund(&q, 0);
    assert_int_equal(q.tokens, RETRY_QUOTA_MAX);
    retry_quota_refund(&q, UINT32_MAX);
    assert_int_equal(q.tokens, RETRY_QUOTA_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_doubles_with_each_attempt_up_to_the_cap),
        cmocka_unit_test(jitter_is_spread_evenly),
        cmocka_unit_test(without_tokens_the_delay_is_in_the_upper_half_of_the_cap),
        cmocka_unit_test(credentials_wait_alike_with_and_without_tokens),
        cmocka_unit_test(server_s_wish_wins_within_bounds),
        cmocka_unit_test(quota_pays_for_retries_until_it_is_empty),
        cmocka_unit_test(success_gives_tokens_back_but_no_more_than_there_were),
    };

    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
