/* SPDX-License-Identifier: MIT */
/* The simulated network: only its times, from a seed. */
#include "network.h"
#include "test.h"

#define MSEC USEC_PER_MSEC

static struct network make(uint64_t rtt_msec, uint64_t jitter_msec, double loss)
{
    return (struct network){
        .rtt_usec = rtt_msec * MSEC,
        .jitter_usec = jitter_msec * MSEC,
        .loss = loss,
        .chance = chance_of(42, 0),
    };
}

static void without_jitter_and_loss_a_way_takes_half_a_round_trip(void **state)
{
    struct network network = make(20, 0, 0);
    bool is_reset = true;

    assert_int_equal(network_one_way_usec(&network, &is_reset), 10 * MSEC);
    assert_false(is_reset);
    assert_int_equal(network_open_usec(&network, false, &is_reset), 20 * MSEC);
    assert_int_equal(network_open_usec(&network, true, &is_reset), 40 * MSEC);
    assert_false(is_reset);
}

static void nothing_is_played_unless_one_of_the_three_is_set(void **state)
{
    struct network network = make(0, 0, 0);

    assert_false(network_is_played(&network));
    network = make(1, 0, 0);
    assert_true(network_is_played(&network));
    network = make(0, 1, 0);
    assert_true(network_is_played(&network));
    network = make(0, 0, 0.1);
    assert_true(network_is_played(&network));
}

static void jitter_spreads_over_its_range_and_not_beyond(void **state)
{
    struct network network = make(20, 100, 0);
    uint64_t least = UINT64_MAX, most = 0;
    bool is_reset;

    for (int i = 0; i < 2000; i++) {
        uint64_t usec = network_one_way_usec(&network, &is_reset);

        assert_false(is_reset);
        least = MIN(least, usec);
        most = MAX(most, usec);
    }
    assert_in_range(least, 10 * MSEC, 11 * MSEC);
    assert_in_range(most, 59 * MSEC, 60 * MSEC);
}

static void a_loss_costs_a_time_out_and_the_next_twice_as_much(void **state)
{
    struct network network = make(20, 0, 0.5);
    unsigned seen[NETWORK_LOSSES_MAX + 1] = {};
    uint64_t lost = 0;

    for (int i = 0; i < 4000; i++) {
        bool is_reset;
        uint64_t usec = network_one_way_usec(&network, &is_reset), before = network.n_lost;
        unsigned losses = 0;

        if (!is_reset)
            usec -= 10 * MSEC;
        while (usec > 0) {
            assert_in_range(usec, (220 * MSEC) << losses, UINT64_MAX);
            usec -= (220 * MSEC) << losses++;
        }
        assert_in_range(losses, 0, NETWORK_LOSSES_MAX);
        assert_int_equal(is_reset, losses == NETWORK_LOSSES_MAX);
        seen[losses]++;
        lost += losses;
        assert_int_equal(before, lost);
    }
    /* Half of the packets are not lost at all, a quarter once, and so on. */
    assert_in_range(seen[0], 1850, 2150);
    assert_in_range(seen[1], 880, 1120);
    assert_in_range(seen[NETWORK_LOSSES_MAX], 180, 320);
    assert_int_equal(network.n_reset, seen[NETWORK_LOSSES_MAX]);
}

static void opening_waits_a_second_for_what_is_lost(void **state)
{
    struct network network = make(20, 0, 1);
    bool is_reset = false;

    assert_int_equal(network_open_usec(&network, true, &is_reset), 15 * USEC_PER_SEC + 20 * MSEC);
    assert_true(is_reset);
    assert_int_equal(network.n_reset, 1);
}

static void chance_follows_the_seed(void **state)
{
    struct network a = make(20, 100, 0.3), b = a, c = a;
    unsigned same = 0;
    bool is_reset;

    c.chance = chance_of(43, 0);
    for (int i = 0; i < 200; i++) {
        uint64_t usec = network_one_way_usec(&a, &is_reset);

        assert_int_equal(usec, network_one_way_usec(&b, &is_reset));
        same += usec == network_one_way_usec(&c, &is_reset);
    }
    assert_in_range(same, 0, 10);
}

static void a_probability_is_a_number_from_0_to_1(void **state)
{
    static const char *const wrong[] = {"", "x", "1.1", "-0.1", "0.5x", "nan", "inf", " "};
    double p = -1;

    assert_true(chance_read("0", &p));
    assert_true(p == 0);
    assert_true(chance_read("1", &p));
    assert_true(chance_read("0.25", &p));
    assert_true(p == 0.25);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_false(chance_read(wrong[i], &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_jitter_and_loss_a_way_takes_half_a_round_trip),
        cmocka_unit_test(nothing_is_played_unless_one_of_the_three_is_set),
        cmocka_unit_test(jitter_spreads_over_its_range_and_not_beyond),
        cmocka_unit_test(a_loss_costs_a_time_out_and_the_next_twice_as_much),
        cmocka_unit_test(opening_waits_a_second_for_what_is_lost),
        cmocka_unit_test(chance_follows_the_seed),
        cmocka_unit_test(a_probability_is_a_number_from_0_to_1),
    };

    return cmocka_run_group_tests_name("sqs-local-model-network", tests, NULL, NULL);
}
