/* SPDX-License-Identifier: MIT */
#include "producerd/source-demo.h"
#include "test.h"
#include "util/json-reader.h"

#include <stdio.h>

struct fixture {
    sd_event *event;
    struct config config;
    struct source *source;
    unsigned n_ready;
};

static void on_ready(void *userdata)
{
    struct fixture *f = userdata;

    f->n_ready++;
}

static int set_up(void **state)
{
    static char group_id[] = "g";
    struct fixture *f = calloc(1, sizeof(*f));

    assert_int_equal(sd_event_new(&f->event), 0);
    f->config.producer.message_group_id = group_id;
    f->config.producer.groups = 1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    source_free(f->source);
    sd_event_unref(f->event);
    free(f);
    return 0;
}

static void start(struct fixture *f, bool is_fifo)
{
    assert_int_equal(source_demo_new(f->event, &f->config, is_fifo, on_ready, f, &f->source), 0);
}

static const struct source_message *next(struct fixture *f)
{
    const struct source_message *m = NULL;

    assert_int_equal(f->source->ops->next(f->source, &m), 0);
    return m;
}

static void settle(struct fixture *f, const struct source_message *m)
{
    f->source->ops->settle(f->source, m, SOURCE_SENT, NULL);
}

static void assert_none(struct fixture *f, int condition)
{
    const struct source_message *m = NULL;

    assert_int_equal(f->source->ops->next(f->source, &m), condition);
}

/* The body is the demo's JSON, with that number and the message's id. */
static void assert_body(const struct source_message *m, unsigned number)
{
    CLEANUP(json_object_put) json_object *root = NULL;
    struct json_fault fault;
    const char *text = NULL;
    char data[32];
    size_t size;

    assert_int_equal(json_read(m->message.body, m->message.body_bytes, 4, &root, &fault), 0);
    snprintf(data, sizeof(data), "mydata%u", number);
    assert_int_equal(json_get_bytes(root, "data", &text, &size), 0);
    assert_string_equal(text, data);
    assert_int_equal(json_get_bytes(root, "id", &text, &size), 0);
    assert_string_equal(text, m->id);
    assert_int_equal(json_get_bytes(root, "ts", &text, &size), 0);
    assert_int_equal(size, strlen("2026-01-31T23:59:59.123456+01:00"));
}

static void several_messages_are_unsettled_at_once(void **state)
{
    enum { N = 20 };
    struct fixture *f = *state;
    const struct source_message *out[N];

    f->config.producer.messages_to_send = N;
    start(f, true);
    for (unsigned i = 0; i < N; i++)
        out[i] = next(f);
    assert_none(f, SOURCE_E_END);
    for (unsigned i = 0; i < N; i++) {
        assert_body(out[i], i);
        assert_string_equal(out[i]->message.group_id, "g");
        assert_int_equal(out[i]->message.delay_sec, -1);
        assert_memory_equal(out[i]->message.deduplication_id, "DeduplicationId-", 16);
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(out[i]->message.deduplication_id,
                                    out[k]->message.deduplication_id);
    }
    for (unsigned i = 0; i < N; i += 2)
        settle(f, out[i]);
    assert_body(out[1], 1);
    /* The rest is left to the end: the sanitizers look for what is not freed. */
}

static void memory_of_settled_messages_is_reused(void **state)
{
    struct fixture *f = *state;
    const struct source_message *seen[3] = {};

    start(f, true);
    for (unsigned i = 0; i < 3000; i++) {
        const struct source_message *a = next(f), *b = next(f), *c = next(f);

        assert_body(b, 3 * i + 1);
        if (i == 0) {
            seen[0] = a;
            seen[1] = b;
            seen[2] = c;
        }
        for (int k = 0; k < 3; k++)
            assert_true(seen[k] == a || seen[k] == b || seen[k] == c);
        settle(f, b);
        settle(f, a);
        settle(f, c);
    }
}

static void messages_are_spread_over_the_groups(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"g-0", "g-1", "g-2"};

    f->config.producer.groups = 3;
    start(f, true);
    for (unsigned i = 0; i < 10; i++) {
        const struct source_message *m = next(f);

        assert_string_equal(m->message.group_id, names[i % 3]);
        settle(f, m);
    }
}

static void standard_queue_messages_have_no_ids(void **state)
{
    struct fixture *f = *state;
    const struct source_message *m;

    f->config.producer.groups = 3;
    start(f, false);
    m = next(f);
    assert_null(m->message.group_id);
    assert_null(m->message.deduplication_id);
    assert_body(m, 0);
}

static void message_before_its_time_is_not_returned(void **state)
{
    struct fixture *f = *state;

    f->config.producer.start_delay_usec = 2000;
    f->config.producer.send_interval_usec = 3000;
    assert_true(sd_event_run(f->event, 0) >= 0); /* its time stands still between turns then */
    start(f, true);
    assert_none(f, SOURCE_E_NOT_YET);
    for (unsigned i = 0; i < 3; i++) {
        while (f->n_ready == i)
            assert_true(sd_event_run(f->event, 5 * USEC_PER_SEC) > 0);
        assert_body(next(f), i);
        assert_none(f, SOURCE_E_NOT_YET);
    }
}

static void reconfigure(struct fixture *f, uint64_t messages_to_send, uint64_t interval_usec)
{
    f->config.producer.messages_to_send = messages_to_send;
    f->config.producer.send_interval_usec = interval_usec;
    f->source->ops->reconfigure(f->source, &f->config);
}

static void other_interval_counts_from_the_last_message(void **state)
{
    struct fixture *f = *state;

    f->config.producer.send_interval_usec = 3600 * USEC_PER_SEC;
    start(f, true);
    settle(f, next(f));
    assert_none(f, SOURCE_E_NOT_YET);
    reconfigure(f, 0, 1800 * USEC_PER_SEC);
    assert_none(f, SOURCE_E_NOT_YET);
    reconfigure(f, 0, 20 * USEC_PER_MSEC);
    if (f->source->ops->next(f->source, &(const struct source_message *){NULL}) != 0)
        while (f->n_ready == 0)
            assert_true(sd_event_run(f->event, 5 * USEC_PER_SEC) > 0);
    reconfigure(f, 0, 3600 * USEC_PER_SEC);
    (void)f->source->ops->next(f->source, &(const struct source_message *){NULL});
    assert_none(f, SOURCE_E_NOT_YET);
    reconfigure(f, 0, 0);
    settle(f, next(f));
    settle(f, next(f));
    reconfigure(f, 0, 3600 * USEC_PER_SEC);
    assert_none(f, SOURCE_E_NOT_YET);
}

static void delay_of_the_start_stays(void **state)
{
    struct fixture *f = *state;

    f->config.producer.start_delay_usec = 3600 * USEC_PER_SEC;
    f->config.producer.send_interval_usec = 10 * USEC_PER_SEC;
    start(f, true);
    assert_none(f, SOURCE_E_NOT_YET);
    reconfigure(f, 0, 0);
    assert_none(f, SOURCE_E_NOT_YET);
}

static void source_that_has_ended_goes_on_with_a_larger_number(void **state)
{
    struct fixture *f = *state;

    f->config.producer.messages_to_send = 2;
    start(f, true);
    settle(f, next(f));
    settle(f, next(f));
    assert_none(f, SOURCE_E_END);
    reconfigure(f, 3, 0);
    settle(f, next(f));
    assert_none(f, SOURCE_E_END);
    reconfigure(f, 1, 0); /* fewer than were made */
    assert_none(f, SOURCE_E_END);
    reconfigure(f, 0, 0);
    settle(f, next(f));
}

static void group_name_too_long_for_numbers_is_refused(void **state)
{
    CLEANUP(free) char *error = NULL;
    struct fixture *f = *state;
    char name[129];

    memset(name, 'g', sizeof(name) - 1);
    name[128] = '\0';
    f->config.producer.message_group_id = name;
    assert_int_equal(source_demo_check(&f->config, &error), 0);
    f->config.producer.groups = 10000;
    assert_int_equal(source_demo_check(&f->config, &error), SOURCE_E_CONFIG);
    assert_non_null(strstr(error, "producer.message_group_id: found 128 characters, allowed at "
                                  "most 123 where producer.groups is 10000"));
    name[123] = '\0';
    free(TAKE(error));
    assert_int_equal(source_demo_check(&f->config, &error), 0);
    assert_null(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(several_messages_are_unsettled_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_of_settled_messages_is_reused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_are_spread_over_the_groups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(standard_queue_messages_have_no_ids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(message_before_its_time_is_not_returned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_interval_counts_from_the_last_message, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(delay_of_the_start_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(source_that_has_ended_goes_on_with_a_larger_number, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(group_name_too_long_for_numbers_is_refused, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("source-demo", tests, NULL, NULL);
}
