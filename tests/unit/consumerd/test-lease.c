/* SPDX-License-Identifier: MIT */
#include "consumerd/lease.h"
#include "fake-consumer.h"
#include "test.h"

#define SEC USEC_PER_SEC
#define T0 (1000 * SEC)
#define V (30 * SEC)

static struct leases leases;
static struct message *m[10];

static int set_up(void **state)
{
    fake_reset();
    leases_init(&leases, V);
    fake_messages("aaabbbcc--", "h", T0, m);
    return 0;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < 10; i++) {
        lease_stop_renewal(&leases, m[i]);
        m[i] = message_unref(m[i]);
    }
    return 0;
}

static size_t due(uint64_t now_usec, struct lease_renewal *ret)
{
    return leases_take_due(&leases, now_usec, ret, 10);
}

static void leases_without_messages_are_never_due(void **state)
{
    struct lease_renewal e[10];

    assert_int_equal(leases_next_usec(&leases), USEC_INFINITY);
    assert_int_equal(due(T0, e), 0);
    assert_null(leases_take_ended(&leases, USEC_INFINITY));
}

static void lease_is_due_at_half_time_and_lost_at_its_end(void **state)
{
    struct lease_renewal e[10];

    lease_begin(&leases, m[0], T0);
    assert_int_equal(leases_next_usec(&leases), T0 + 15 * SEC);
    assert_int_equal(due(T0 + 15 * SEC - 1, e), 0);
    assert_null(leases_take_ended(&leases, T0 + V - 1));
    assert_int_equal(due(T0 + 15 * SEC, e), 1);
    assert_ptr_equal(e[0].message, m[0]);
    assert_int_equal(e[0].visibility_sec, 30);

    /* While it is being extended, it is not due again, and its end stays. */
    assert_int_equal(leases_next_usec(&leases), T0 + V);
    assert_int_equal(due(T0 + V - 1, e), 0);
    assert_true(lease_holds(m[0], T0 + V - 1));
    assert_false(lease_holds(m[0], T0 + V));
    assert_ptr_equal(leases_take_ended(&leases, T0 + V), m[0]);
    assert_null(leases_take_ended(&leases, T0 + V));
    assert_int_equal(leases_next_usec(&leases), USEC_INFINITY);
}

static void renewal_counts_from_when_it_was_sent(void **state)
{
    struct lease_renewal e[10];

    lease_begin(&leases, m[0], T0);
    assert_int_equal(due(T0 + 15 * SEC, e), 1);
    lease_renewed(&leases, m[0], T0 + 15 * SEC, 30, T0 + 17 * SEC);
    assert_true(lease_holds(m[0], T0 + 45 * SEC - 1));
    assert_false(lease_holds(m[0], T0 + 45 * SEC));
    /* Half of what is left at T0 + 17. */
    assert_int_equal(leases_next_usec(&leases), T0 + 31 * SEC);
}

static void lease_received_late_is_due_at_half_of_what_is_left(void **state)
{
    lease_begin(&leases, m[0], T0 + 20 * SEC);
    assert_int_equal(leases_next_usec(&leases), T0 + 25 * SEC);
    lease_begin(&leases, m[1], T0 + 40 * SEC);
    assert_ptr_equal(leases_take_ended(&leases, T0 + 40 * SEC), m[0]);
    assert_ptr_equal(leases_take_ended(&leases, T0 + 40 * SEC), m[1]);
}

static void leases_due_soon_share_the_request_the_earliest_first(void **state)
{
    struct lease_renewal e[10];

    for (size_t i = 0; i < 3; i++)
        lease_begin(&leases, m[i], T0);
    m[3]->received_usec = T0 + 3 * SEC;
    lease_begin(&leases, m[3], T0 + 3 * SEC);
    m[4]->received_usec = T0 + 10 * SEC;
    lease_begin(&leases, m[4], T0 + 10 * SEC);

    assert_int_equal(due(T0 + 15 * SEC, e), 4);
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(e[i].message, m[i]);
    assert_int_equal(leases_next_usec(&leases), T0 + 25 * SEC);
}

static void leases_beyond_a_batch_come_in_several(void **state)
{
    struct lease_renewal e[10];

    for (size_t i = 0; i < 10; i++)
        lease_begin(&leases, m[i], T0);
    assert_int_equal(leases_take_due(&leases, T0 + 16 * SEC, e, 4), 4);
    assert_int_equal(leases_take_due(&leases, T0 + 16 * SEC, e, 4), 4);
    assert_ptr_equal(e[0].message, m[4]);
    assert_int_equal(leases_take_due(&leases, T0 + 16 * SEC, e, 4), 2);
    assert_int_equal(leases_take_due(&leases, T0 + 16 * SEC, e, 4), 0);
}

static void renewal_fails_it_is_due_again_or_not(void **state)
{
    struct lease_renewal e[10];

    lease_begin(&leases, m[0], T0);
    assert_int_equal(due(T0 + 15 * SEC, e), 1);
    lease_not_renewed(&leases, m[0], T0 + 18 * SEC);
    assert_int_equal(due(T0 + 17 * SEC, e), 0);
    assert_int_equal(due(T0 + 18 * SEC, e), 1);
    lease_not_renewed(&leases, m[0], USEC_INFINITY);
    assert_int_equal(leases_next_usec(&leases), T0 + V);
    assert_int_equal(due(T0 + V - 1, e), 0);
    assert_ptr_equal(leases_take_ended(&leases, T0 + V), m[0]);
}

static void ended_lease_is_not_kept_but_still_holds_for_its_time(void **state)
{
    lease_begin(&leases, m[0], T0);
    lease_stop_renewal(&leases, m[0]);
    lease_stop_renewal(&leases, m[0]);
    assert_int_equal(leases_next_usec(&leases), USEC_INFINITY);
    assert_true(lease_holds(m[0], T0 + V - 1));
    /* An answer that comes late brings it not back. */
    lease_renewed(&leases, m[0], T0 + 20 * SEC, 30, T0 + 21 * SEC);
    lease_not_renewed(&leases, m[0], T0 + 21 * SEC);
    assert_int_equal(leases_next_usec(&leases), USEC_INFINITY);
    lease_mark_lost(&leases, m[0]);
    assert_false(lease_holds(m[0], T0));
}

static void no_lease_goes_beyond_twelve_hours(void **state)
{
    uint64_t limit = T0 + LEASE_TOTAL_MAX_USEC, now = T0;
    struct lease_renewal e[10];
    size_t n = 0;

    lease_begin(&leases, m[0], T0);
    for (;;) {
        struct message *lost;

        now = leases_next_usec(&leases);
        lost = leases_take_ended(&leases, now);
        if (lost)
            break;
        n = due(now, e);
        if (n == 0)
            continue;
        assert_in_range(e[0].visibility_sec, 1, 30);
        assert_in_range(now + e[0].visibility_sec * SEC, T0, limit);
        lease_renewed(&leases, m[0], now, e[0].visibility_sec, now);
    }
    assert_in_range(now, limit - SEC, limit);
    assert_int_equal(lease_visibility_max_sec(m[0], T0), LEASE_TOTAL_MAX_USEC / SEC);
    assert_int_equal(lease_visibility_max_sec(m[0], limit - 1), 0);
    assert_int_equal(lease_visibility_max_sec(m[0], limit + V), 0);
}

static void jump_of_the_clock_loses_all(void **state)
{
    struct lease_renewal e[10];

    for (size_t i = 0; i < 10; i++)
        lease_begin(&leases, m[i], T0);
    assert_int_equal(due(T0 + 15 * SEC, e), 10);
    lease_not_renewed(&leases, m[3], T0 + 16 * SEC);
    for (size_t i = 0; i < 10; i++)
        assert_non_null(leases_take_ended(&leases, T0 + 3600 * SEC));
    assert_null(leases_take_ended(&leases, T0 + 3600 * SEC));
}

static uint64_t chance(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* Whatever happens, no message is kept beyond the end of its lease, and none is lost while
 * extensions succeed in time. */
static void random_runs_keep_every_lease_or_lose_it_at_its_end(void **state)
{
    for (uint64_t run = 1; run <= 200; run++) {
        uint64_t seed = run, now = T0, ends[10] = {};
        bool fails = run % 2 == 0;
        size_t lost = 0;

        for (size_t i = 0; i < 10; i++) {
            now += chance(&seed) % SEC;
            m[i]->received_usec = now;
            ends[i] = now + V;
            lease_begin(&leases, m[i], now + chance(&seed) % SEC);
        }
        for (int step = 0; step < 300 && lost < 10; step++) {
            struct lease_renewal e[10];
            struct message *gone;
            size_t n;

            now = MAX(now, leases_next_usec(&leases)) + chance(&seed) % 1000;
            while ((gone = leases_take_ended(&leases, now))) {
                assert_true(fails);
                assert_in_range(now, gone->lease.end_usec, gone->lease.end_usec + 2 * SEC);
                lost++;
            }
            for (size_t i = 0; i < 10; i++)
                if (list_is_linked(&m[i]->lease.by_time)) {
                    assert_int_equal(m[i]->lease.end_usec, ends[i]);
                    assert_in_range(now, 0, ends[i] - 1);
                }
            n = leases_take_due(&leases, now, e, 1 + chance(&seed) % 10);
            for (size_t k = 0; k < n; k++) {
                uint64_t answered = now + chance(&seed) % SEC;
                size_t i = 0;

                while (m[i] != e[k].message)
                    i++;
                if (fails && chance(&seed) % 3 > 0) {
                    lease_not_renewed(&leases, m[i], answered + 5 * SEC);
                    continue;
                }
                lease_renewed(&leases, m[i], now, e[k].visibility_sec, answered);
                ends[i] = now + e[k].visibility_sec * SEC;
            }
        }
        for (size_t i = 0; i < 10; i++)
            lease_stop_renewal(&leases, m[i]);
    }
}

/* The visibility timeout was lowered while it is held: what is left of the longer one is used, and
 * then it is extended as any other. */
static void lease_of_a_longer_timeout_is_renewed_by_the_shorter(void **state)
{
    struct lease_renewal e[10];
    uint64_t now = T0;

    lease_begin(&leases, m[0], T0);
    leases_set_times(&leases, V / SEC, 2);
    for (int i = 0; i < 100 && due(now, e) == 0; i++) {
        assert_null(leases_take_ended(&leases, now));
        assert_true(leases_next_usec(&leases) > now);
        now = leases_next_usec(&leases);
    }
    assert_true(now < T0 + V && now >= T0 + V - 2 * SEC);
    assert_ptr_equal(e[0].message, m[0]);
    assert_int_equal(e[0].visibility_sec, 2);
    lease_renewed(&leases, m[0], now, 2, now);
    assert_int_equal(leases_next_usec(&leases), now + SEC);
    /* What comes has the time that was asked for it. */
    leases_set_times(&leases, 7, 2);
    lease_begin(&leases, m[1], now);
    assert_true(lease_holds(m[1], m[1]->received_usec + 7 * SEC - 1));
    assert_false(lease_holds(m[1], m[1]->received_usec + 7 * SEC));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(leases_without_messages_are_never_due, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lease_is_due_at_half_time_and_lost_at_its_end, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(renewal_counts_from_when_it_was_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lease_received_late_is_due_at_half_of_what_is_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(leases_due_soon_share_the_request_the_earliest_first,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(leases_beyond_a_batch_come_in_several, set_up, tear_down),
        cmocka_unit_test_setup_teardown(renewal_fails_it_is_due_again_or_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ended_lease_is_not_kept_but_still_holds_for_its_time,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_lease_goes_beyond_twelve_hours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lease_of_a_longer_timeout_is_renewed_by_the_shorter, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(jump_of_the_clock_loses_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_runs_keep_every_lease_or_lose_it_at_its_end, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
