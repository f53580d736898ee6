/* SPDX-License-Identifier: MIT */
/* Walks every cell of the producer's table. It knows what must hold of a cell, not what stands in
 * it. */
#include "producerd/message-state.h"
#include "test.h"

#include <string.h>

#define FOR_EACH_CELL(from, event)                                                                 \
    for (enum outgoing_state from = 0; from < OUTGOING_N_STATES; from++)                           \
        for (enum outgoing_event event = 0; event < OUTGOING_N_EVENTS; event++)

static bool is_possible(enum outgoing_state from, enum outgoing_event event)
{
    return outgoing_step(from, event).action != OUTGOING_IMPOSSIBLE;
}

static void find_reachable(enum outgoing_state from, bool reached[OUTGOING_N_STATES])
{
    for (enum outgoing_event event = 0; event < OUTGOING_N_EVENTS; event++) {
        enum outgoing_state to = outgoing_step(from, event).to;

        if (!is_possible(from, event) || reached[to])
            continue;
        reached[to] = true;
        find_reachable(to, reached);
    }
}

static bool can_reach(enum outgoing_state from, enum outgoing_state to)
{
    bool reached[OUTGOING_N_STATES] = {};

    find_reachable(from, reached);
    return reached[to];
}

static bool is_waiting(enum outgoing_state s)
{
    return s == OUTGOING_QUEUED || s == OUTGOING_IN_DOUBT || s == OUTGOING_POSSIBLE_DUPLICATE;
}

/* A message waits in its lane, is being sent, or has ended; the action must put it there. */
static void each_cell_has_the_action_of_its_next_state(void **state)
{
    FOR_EACH_CELL(from, event)
    {
        struct outgoing_step step = outgoing_step(from, event);

        if (!is_possible(from, event)) {
            assert_int_equal(step.to + step.reason, 0);
            continue;
        }
        assert_in_range(step.to, 0, OUTGOING_N_STATES - 1);
        assert_in_range(step.reason, 0, OUTGOING_N_REASONS - 1);
        switch ((enum outgoing_action)step.action) {
        case OUTGOING_DO_QUEUE:
            assert_true(from == OUTGOING_NEW && is_waiting(step.to));
            break;
        case OUTGOING_DO_REQUEUE:
        case OUTGOING_DO_REQUEUE_SPLIT:
            assert_true(outgoing_state_is_sending(from) && is_waiting(step.to));
            break;
        case OUTGOING_DO_SETTLE:
            assert_true(outgoing_state_is_sending(from) && outgoing_state_is_end(step.to));
            break;
        case OUTGOING_DO_SETTLE_UNQUEUED:
            assert_true(from == OUTGOING_NEW && step.to == OUTGOING_REJECTED);
            break;
        default: /* the sender puts its batch back */
            assert_true(outgoing_state_is_sending(step.to) || event == OUTGOING_ON_NOT_SENT);
        }
    }
}

static void each_state_is_reachable_and_can_end(void **state)
{
    for (enum outgoing_state s = 0; s < OUTGOING_N_STATES; s++) {
        bool is_end = outgoing_state_is_end(s);

        assert_int_equal(can_reach(s, OUTGOING_SENT), !is_end);
        assert_int_equal(can_reach(s, OUTGOING_REJECTED), !is_end);
        assert_int_equal(can_reach(OUTGOING_NEW, s), s != OUTGOING_NEW);
    }
}

/* Whatever comes: only SQS's own word ends it, and of one that was not sent nothing is known. */
static void sent_message_ends_only_by_an_answer(void **state)
{
    FOR_EACH_CELL(from, event)
    {
        enum outgoing_state to = outgoing_step(from, event).to;

        if (!is_possible(from, event) || !outgoing_state_is_end(to))
            continue;
        assert_int_equal(to == OUTGOING_SENT, event == OUTGOING_ON_SENT);
        assert_true(event == OUTGOING_ON_SENT || event == OUTGOING_ON_REJECTED ||
                    event == OUTGOING_ON_INVALID);
        assert_int_equal(outgoing_state_is_sending(from), event != OUTGOING_ON_INVALID);
    }
}

static void message_in_doubt_stays_so_until_its_end(void **state)
{
    FOR_EACH_CELL(from, event)
    {
        enum outgoing_state to = outgoing_step(from, event).to;
        bool brings_doubt = event == OUTGOING_ON_VALID_IN_DOUBT ||
                            event == OUTGOING_ON_ATTEMPT_UNKNOWN || event == OUTGOING_ON_UNKNOWN ||
                            event == OUTGOING_ON_BATCH_REFUSED_UNKNOWN;

        if (!is_possible(from, event) || outgoing_state_is_end(to))
            continue;
        assert_int_equal(outgoing_state_is_in_doubt(to),
                         outgoing_state_is_in_doubt(from) || brings_doubt);
        assert_int_equal(outgoing_state_is_possible_duplicate(to),
                         outgoing_state_is_possible_duplicate(from) ||
                             event == OUTGOING_ON_SENDING_POSSIBLE_DUPLICATE);
        /* A possible duplicate is logged once. */
        if (event == OUTGOING_ON_SENDING_POSSIBLE_DUPLICATE)
            assert_true(outgoing_state_is_in_doubt(from) &&
                        !outgoing_state_is_possible_duplicate(from));
    }
}

static void each_possible_event_has_a_cell(void **state)
{
    for (enum outgoing_state s = 0; s < OUTGOING_N_STATES; s++) {
        bool is_sending = outgoing_state_is_sending(s), waits = is_waiting(s);

        for (enum outgoing_event event = OUTGOING_ON_VALID; event <= OUTGOING_ON_INVALID; event++)
            assert_int_equal(is_possible(s, event), s == OUTGOING_NEW);
        for (enum outgoing_event event = OUTGOING_ON_NOT_SENT; event < OUTGOING_N_EVENTS; event++)
            assert_int_equal(is_possible(s, event), is_sending);
        assert_int_equal(is_possible(s, OUTGOING_ON_SENDING), waits || is_sending);
        assert_int_equal(is_possible(s, OUTGOING_ON_SENDING_POSSIBLE_DUPLICATE),
                         outgoing_state_is_in_doubt(s) && !outgoing_state_is_possible_duplicate(s));
        if (waits || is_sending)
            assert_true(outgoing_state_is_sending(outgoing_step(s, OUTGOING_ON_SENDING).to));
        /* While the next attempt follows, nothing else may send it. */
        if (is_sending)
            assert_true(
                outgoing_state_is_sending(outgoing_step(s, OUTGOING_ON_ATTEMPT_FAILED).to) &&
                outgoing_state_is_sending(outgoing_step(s, OUTGOING_ON_ATTEMPT_UNKNOWN).to));
    }
}

/* Of a batch that was refused as a whole, each goes alone, at once; else it would be refused for
 * ever. */
static void refused_batch_is_split(void **state)
{
    FOR_EACH_CELL(from, event)
    {
        bool is_refused =
            event == OUTGOING_ON_BATCH_REFUSED || event == OUTGOING_ON_BATCH_REFUSED_UNKNOWN;

        if (is_possible(from, event))
            assert_int_equal(outgoing_step(from, event).action == OUTGOING_DO_REQUEUE_SPLIT,
                             is_refused);
    }
}

static void states_and_reasons_have_distinct_texts(void **state)
{
    for (enum outgoing_state s = 0; s < OUTGOING_N_STATES; s++) {
        assert_non_null(outgoing_state_text(s));
        for (enum outgoing_state t = 0; t < s; t++)
            assert_string_not_equal(outgoing_state_text(s), outgoing_state_text(t));
    }
    for (enum outgoing_reason r = 0; r < OUTGOING_N_REASONS; r++) {
        assert_non_null(outgoing_reason_text(r));
        for (enum outgoing_reason q = 0; q < r; q++)
            assert_string_not_equal(outgoing_reason_text(r), outgoing_reason_text(q));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cell_has_the_action_of_its_next_state),
        cmocka_unit_test(each_state_is_reachable_and_can_end),
        cmocka_unit_test(sent_message_ends_only_by_an_answer),
        cmocka_unit_test(message_in_doubt_stays_so_until_its_end),
        cmocka_unit_test(each_possible_event_has_a_cell),
        cmocka_unit_test(refused_batch_is_split),
        cmocka_unit_test(states_and_reasons_have_distinct_texts),
    };

    return cmocka_run_group_tests_name("producerd-message-state", tests, NULL, NULL);
}
