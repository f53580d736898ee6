/* SPDX-License-Identifier: MIT */
#include "producerd/lane.h"
#include "test.h"

#include <stdio.h>

enum { MAX_MESSAGES = 64 };

/* Messages "a0", "a1", "b0", ...: the letters are the group, the number the position in it. */
struct fixture {
    struct producer_lanes *lanes;
    struct source_message sources[MAX_MESSAGES];
    char groups[MAX_MESSAGES][8];
    struct outgoing_message messages[MAX_MESSAGES];
    size_t n;
};

static struct fixture *set_up(enum producer_lanes_kind kind)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_int_equal(producer_lanes_new(kind, MAX_MESSAGES, &f->lanes), 0);
    return f;
}

static void tear_down(struct fixture *f)
{
    producer_lanes_free(f->lanes);
    free(f);
}

static void fixture_free_cleanup(struct fixture **f)
{
    tear_down(*f);
}

/* Adds messages by their names, which are separated by spaces. */
static void add(struct fixture *f, const char *names)
{
    while (*names) {
        size_t size = strcspn(names, " ");
        size_t letters = strcspn(names, "0123456789 ");
        struct source_message *source = &f->sources[f->n];

        snprintf(f->groups[f->n], sizeof(f->groups[0]), "%.*s", (int)letters, names);
        source->message.group_id = f->groups[f->n];
        source->id = names;
        f->messages[f->n] = (struct outgoing_message){.source = source};
        producer_lanes_add(f->lanes, &f->messages[f->n++]);
        names += size + (names[size] == ' ');
    }
}

static struct outgoing_message *find(struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->messages[i].source && strncmp(f->messages[i].source->id, name, strlen(name)) == 0)
            return &f->messages[i];
    fail();
    return NULL;
}

static void assert_takes(struct fixture *f, const char *name)
{
    struct outgoing_message *m = producer_lanes_peek(f->lanes);

    assert_non_null(m);
    assert_memory_equal(m->source->id, name, strlen(name));
    producer_lanes_take(f->lanes, m);
}

static void assert_takes_none(struct fixture *f)
{
    assert_null(producer_lanes_peek(f->lanes));
}

static void done(struct fixture *f, const char *name)
{
    struct outgoing_message *m = find(f, name);

    producer_lanes_done(f->lanes, m);
    m->source = NULL;
}

static void again(struct fixture *f, const char *name, uint64_t due_usec)
{
    producer_lanes_retry(f->lanes, find(f, name), due_usec);
}

static void strict_lane_has_one_message_outstanding(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT);

    add(f, "a0 a1 b0 a2 b1");
    assert_takes(f, "a0");
    assert_takes(f, "b0");
    assert_takes_none(f);
    add(f, "a3");
    assert_takes_none(f);
    done(f, "b0");
    assert_takes(f, "b1");
    assert_takes_none(f);
    done(f, "a0");
    assert_takes(f, "a1");
    done(f, "a1");
    assert_takes(f, "a2");
    assert_takes_none(f);
}

static void lanes_take_turns(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT);

    add(f, "a0 a1 a2 b0 b1 c0");
    assert_takes(f, "a0");
    done(f, "a0");
    assert_takes(f, "b0");
    done(f, "b0");
    assert_takes(f, "c0");
    assert_takes(f, "a1");
    assert_takes(f, "b1");
    assert_takes_none(f);
}

/* There are groups enough for all of MAX_MESSAGES, and not for those of all rounds. */
static void lane_without_messages_is_reused(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT);
    char names[] = "aa0 bb0";

    for (int i = 0; i < 26 * 26; i++) {
        names[0] = (char)('a' + i / 26);
        names[1] = (char)('a' + i % 26);
        add(f, names);
        assert_takes(f, "");
        done(f, "");
        assert_takes(f, "bb0");
        done(f, "bb0");
        assert_takes_none(f);
        f->n = 0;
    }
}

static void retried_message_comes_first_after_its_delay(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT);

    add(f, "a0 a1 b0 b1");
    assert_takes(f, "a0");
    assert_int_equal(producer_lanes_due_usec(f->lanes), USEC_INFINITY);
    again(f, "a0", 100);
    assert_int_equal(producer_lanes_due_usec(f->lanes), 100);
    add(f, "a2");

    /* The others go on. */
    assert_takes(f, "b0");
    done(f, "b0");
    assert_takes(f, "b1");
    done(f, "b1");
    assert_takes_none(f);
    producer_lanes_wake(f->lanes, 99);
    assert_takes_none(f);
    producer_lanes_wake(f->lanes, 100);
    assert_int_equal(producer_lanes_due_usec(f->lanes), USEC_INFINITY);
    assert_takes(f, "a0");
    assert_takes_none(f);
    done(f, "a0");
    assert_takes(f, "a1");
    done(f, "a1");
    assert_takes(f, "a2");
}

static void retried_message_without_delay_comes_first_at_once(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT);

    add(f, "a0 a1");
    assert_takes(f, "a0");
    again(f, "a0", 0);
    assert_takes(f, "a0");
    done(f, "a0");
    assert_takes(f, "a1");
}

static void delayed_lanes_wake_in_order_of_their_times(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT);

    add(f, "a0 b0 c0 d0");
    assert_takes(f, "a0");
    assert_takes(f, "b0");
    assert_takes(f, "c0");
    assert_takes(f, "d0");
    again(f, "a0", 300);
    again(f, "b0", 100);
    again(f, "c0", 200);
    again(f, "d0", 200);
    assert_int_equal(producer_lanes_due_usec(f->lanes), 100);
    producer_lanes_wake(f->lanes, 200);
    assert_int_equal(producer_lanes_due_usec(f->lanes), 300);
    assert_takes(f, "b0");
    assert_takes(f, "c0");
    assert_takes(f, "d0");
    assert_takes_none(f);
    producer_lanes_wake(f->lanes, 1000);
    assert_takes(f, "a0");
}

static void batch_lane_gives_several_messages_in_order(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_BATCH);

    add(f, "a0 a1 b0 a2");
    assert_takes(f, "a0");
    assert_takes(f, "a1");
    assert_takes(f, "a2");
    assert_takes(f, "b0");
    /* More of them may come as long as the batch is open. */
    add(f, "a3 b1");
    assert_takes(f, "a3");
    producer_lanes_seal(f->lanes);
    assert_takes_none(f);
    add(f, "a4");
    assert_takes_none(f);
    done(f, "b0");
    assert_takes(f, "b1");
    producer_lanes_seal(f->lanes);
    done(f, "a0");
    done(f, "a1");
    done(f, "a3");
    assert_takes_none(f);
    done(f, "a2");
    assert_takes(f, "a4");
}

static void failed_batch_messages_are_retried_in_order_first(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_BATCH);

    add(f, "a0 a1 a2 a3 a4");
    assert_takes(f, "a0");
    assert_takes(f, "a1");
    assert_takes(f, "a2");
    assert_takes(f, "a3");
    producer_lanes_seal(f->lanes);
    done(f, "a0");
    done(f, "a2");
    again(f, "a3", 50);
    assert_takes_none(f);
    again(f, "a1", 40);
    assert_int_equal(producer_lanes_due_usec(f->lanes), 50);
    producer_lanes_wake(f->lanes, 50);
    assert_takes(f, "a1");
    assert_takes(f, "a3");
    assert_takes(f, "a4");
}

static void unordered_messages_all_go_at_once(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_UNORDERED);

    add(f, "a0 a1 b0");
    f->sources[0].message.group_id = NULL;
    assert_takes(f, "a0");
    assert_takes(f, "a1");
    assert_takes(f, "b0");
    assert_takes_none(f);
    again(f, "a1", 10);
    done(f, "a0");
    producer_lanes_wake(f->lanes, 10);
    assert_takes(f, "a1");
    done(f, "a1");
    done(f, "b0");
}

/* Thousands of random steps against what must hold: of each group one is outstanding, all go out in
 * order, none is lost. Reproducible: a fixed seed. */
static void random_events_keep_the_order_of_each_lane(void **state)
{
    enum { GROUPS = 5, STEPS = 20000 };
    CLEANUP(fixture_free) struct fixture *f = set_up(LANES_STRICT);
    char names[MAX_MESSAGES][16];
    unsigned made[GROUPS] = {0}, sent[GROUPS] = {0}, seed = 7;
    struct outgoing_message *out[GROUPS] = {NULL};
    uint64_t now = 0;
    size_t n = 0, total = 0;

    for (int step = 0; step < STEPS; step++) {
        unsigned g = (unsigned)rand_r(&seed) % GROUPS, place = 0;
        struct outgoing_message *m;

        now++;
        switch (rand_r(&seed) % 4) {
        case 0:
            if (n == MAX_MESSAGES)
                break;
            while (f->messages[place].source)
                place++;
            snprintf(names[place], sizeof(names[0]), "%u", made[g]++);
            snprintf(f->groups[place], sizeof(f->groups[0]), "g%u", g);
            f->sources[place].id = names[place];
            f->sources[place].message.group_id = f->groups[place];
            f->messages[place] = (struct outgoing_message){.source = &f->sources[place]};
            producer_lanes_add(f->lanes, &f->messages[place]);
            n++;
            break;
        case 1:
            producer_lanes_wake(f->lanes, now);
            m = producer_lanes_peek(f->lanes);
            if (!m)
                break;
            g = (unsigned)atoi(m->source->message.group_id + 1);
            assert_null(out[g]);
            assert_int_equal(atoi(m->source->id), sent[g]);
            producer_lanes_take(f->lanes, m);
            out[g] = m;
            break;
        default:
            if (!out[g])
                break;
            m = TAKE(out[g]);
            if (rand_r(&seed) % 3 == 0) {
                producer_lanes_retry(f->lanes, m, now + (uint64_t)rand_r(&seed) % 20);
                break;
            }
            producer_lanes_done(f->lanes, m);
            m->source = NULL;
            sent[g]++;
            total++;
            n--;
        }
    }
    assert_true(total > STEPS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_lane_has_one_message_outstanding),
        cmocka_unit_test(lanes_take_turns),
        cmocka_unit_test(lane_without_messages_is_reused),
        cmocka_unit_test(retried_message_comes_first_after_its_delay),
        cmocka_unit_test(retried_message_without_delay_comes_first_at_once),
        cmocka_unit_test(delayed_lanes_wake_in_order_of_their_times),
        cmocka_unit_test(batch_lane_gives_several_messages_in_order),
        cmocka_unit_test(failed_batch_messages_are_retried_in_order_first),
        cmocka_unit_test(unordered_messages_all_go_at_once),
        cmocka_unit_test(random_events_keep_the_order_of_each_lane),
    };

    return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
