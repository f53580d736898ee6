/* SPDX-License-Identifier: MIT */
#include "daemon/metrics.h"
#include "test.h"

static const char *const colours[] = {"red", "blue"}, *const sizes[] = {"s", "m", "l"};

struct values {
    uint64_t count;
    double gauge, unknown;
    uint64_t by_colour[2];
    uint64_t by_both[2][3];
    struct histogram time;
    const char *version;
};

#define AT(member) .offset = offsetof(struct values, member)

static const struct metric table[] = {
    {"count_total", "Things.", METRIC_COUNTER, AT(count)},
    {"gauge", "A level.", METRIC_GAUGE, AT(gauge)},
    {"unknown", "Not known.", METRIC_GAUGE, AT(unknown)},
    {"colours_total", "By colour.", METRIC_COUNTER, AT(by_colour), {{"colour", colours, 2}}},
    {"both_total",
     "By both.",
     METRIC_COUNTER,
     AT(by_both),
     {{"colour", colours, 2}, {"size", sizes, 3}}},
    {"info", "The version.", METRIC_INFO, AT(version), {{"version"}}},
};

static void counters_gauges_and_labels_are_written_in_the_order_of_the_table(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(65536);
    const struct values v = {
        .count = UINT64_MAX,
        .gauge = -1.5,
        .unknown = NAN,
        .by_colour = {1, 2},
        .by_both = {{3, 4, 5}, {6, 7, 8}},
        .version = "1.2",
    };

    metrics_append(&b, "x_", table, ARRAY_SIZE(table), &v);
    assert_string_equal(buffer_string(&b), "# HELP x_count_total Things.\n"
                                           "# TYPE x_count_total counter\n"
                                           "x_count_total 18446744073709551615\n"
                                           "# HELP x_gauge A level.\n"
                                           "# TYPE x_gauge gauge\n"
                                           "x_gauge -1.5\n"
                                           "# HELP x_unknown Not known.\n"
                                           "# TYPE x_unknown gauge\n"
                                           "# HELP x_colours_total By colour.\n"
                                           "# TYPE x_colours_total counter\n"
                                           "x_colours_total{colour=\"red\"} 1\n"
                                           "x_colours_total{colour=\"blue\"} 2\n"
                                           "# HELP x_both_total By both.\n"
                                           "# TYPE x_both_total counter\n"
                                           "x_both_total{colour=\"red\",size=\"s\"} 3\n"
                                           "x_both_total{colour=\"red\",size=\"m\"} 4\n"
                                           "x_both_total{colour=\"red\",size=\"l\"} 5\n"
                                           "x_both_total{colour=\"blue\",size=\"s\"} 6\n"
                                           "x_both_total{colour=\"blue\",size=\"m\"} 7\n"
                                           "x_both_total{colour=\"blue\",size=\"l\"} 8\n"
                                           "# HELP x_info The version.\n"
                                           "# TYPE x_info gauge\n"
                                           "x_info{version=\"1.2\"} 1\n");
}

/* The index of the bucket that a time is counted in. */
static size_t bucket_of(uint64_t usec)
{
    struct histogram h = {};
    size_t i = 0;

    histogram_add(&h, usec);
    assert_int_equal(h.sum_usec, usec);
    while (h.buckets[i] == 0)
        i++;
    assert_int_equal(h.buckets[i], 1);
    return i;
}

static void time_is_counted_below_the_first_bound_that_is_not_less(void **state)
{
    assert_int_equal(bucket_of(0), 0);
    assert_int_equal(bucket_of(1), 0);
    assert_int_equal(bucket_of(1000), 0);
    assert_int_equal(bucket_of(1001), 1);
    assert_int_equal(bucket_of(2000), 1);
    assert_int_equal(bucket_of(2001), 2);
    assert_int_equal(bucket_of(4000), 2);
    for (unsigned i = 1; i < HISTOGRAM_N_BOUNDS; i++) {
        assert_int_equal(bucket_of(UINT64_C(1000) << i), i);
        assert_int_equal(bucket_of((UINT64_C(1000) << i) + 1), i + 1);
    }
    assert_int_equal(bucket_of(UINT64_MAX), HISTOGRAM_N_BOUNDS);
}

static void histogram_is_written_as_sums_of_its_buckets(void **state)
{
    static const struct metric time = {"t_seconds", "Times.", METRIC_HISTOGRAM,
                                       .offset = offsetof(struct values, time)};
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(65536);
    struct values v = {};
    const char *text;

    histogram_add(&v.time, 500);
    histogram_add(&v.time, 1500);
    histogram_add(&v.time, 1000000);
    histogram_add(&v.time, 1000000000);
    metrics_append(&b, "", &time, 1, &v);
    text = buffer_string(&b);
    assert_non_null(strstr(text, "# TYPE t_seconds histogram\n"
                                 "t_seconds_bucket{le=\"0.001\"} 1\n"
                                 "t_seconds_bucket{le=\"0.002\"} 2\n"
                                 "t_seconds_bucket{le=\"0.004\"} 2\n"));
    assert_non_null(strstr(text, "t_seconds_bucket{le=\"0.512\"} 2\n"
                                 "t_seconds_bucket{le=\"1.024\"} 3\n"));
    assert_non_null(strstr(text, "t_seconds_bucket{le=\"524.288\"} 3\n"
                                 "t_seconds_bucket{le=\"+Inf\"} 4\n"
                                 "t_seconds_sum 1001.002000\n"
                                 "t_seconds_count 4\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_gauges_and_labels_are_written_in_the_order_of_the_table),
        cmocka_unit_test(time_is_counted_below_the_first_bound_that_is_not_less),
        cmocka_unit_test(histogram_is_written_as_sums_of_its_buckets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
