/* SPDX-License-Identifier: MIT */
/* Walks every cell of the consumer's table. It knows what must hold of a cell, not what stands in
 * it. */
#include "consumerd/message-state.h"
#include "test.h"

#include <string.h>

#define FOR_EACH_CELL(from, event)                                                                 \
    for (enum message_state from = 0; from < MESSAGE_N_STATES; from++)                             \
        for (enum message_event event = 0; event < MESSAGE_N_EVENTS; event++)

static bool is_possible(enum message_state from, enum message_event event)
{
    return message_step(from, event).action != MESSAGE_IMPOSSIBLE;
}

/* Which states can follow, in any number of steps. */
static void find_reachable(enum message_state from, bool reached[MESSAGE_N_STATES])
{
    for (enum message_event event = 0; event < MESSAGE_N_EVENTS; event++) {
        enum message_state to = message_step(from, event).to;

        if (!is_possible(from, event) || reached[to])
            continue;
        reached[to] = true;
        find_reachable(to, reached);
    }
}

static bool can_reach(enum message_state from, enum message_state to)
{
    bool reached[MESSAGE_N_STATES] = {};

    find_reachable(from, reached);
    return reached[to];
}

/* The states that a cell with that action leads to; no other cell leads there, or does it twice. */
static bool fits(struct message_step step)
{
    switch ((enum message_action)step.action) {
    case MESSAGE_IMPOSSIBLE:
    case MESSAGE_DO_NOTHING:
        return step.to == MESSAGE_QUEUED || step.to == MESSAGE_LEASE_LOST;
    case MESSAGE_DO_HANDLE:
        return step.to == MESSAGE_HANDLING;
    case MESSAGE_DO_CANCEL:
        return message_state_is_cancelled(step.to);
    case MESSAGE_DO_DEFER:
        return step.to == MESSAGE_DEFERRED;
    case MESSAGE_DO_RECORD:
        return step.to == MESSAGE_RECORDING;
    case MESSAGE_DO_ACKNOWLEDGE:
        return step.to == MESSAGE_ACKNOWLEDGING;
    case MESSAGE_DO_WITHDRAW:
        return message_state_is_withdrawn(step.to);
    case MESSAGE_DO_RELEASE:
    case MESSAGE_DO_RELEASE_LANE:
        return step.to == MESSAGE_RELEASING && step.reason < RELEASE_N_REASONS;
    case MESSAGE_DO_END:
        return message_state_is_end(step.to);
    }
    return false;
}

static void each_cell_does_what_its_next_state_needs(void **state)
{
    FOR_EACH_CELL(from, event)
    {
        struct message_step step = message_step(from, event);

        if (!is_possible(from, event)) {
            assert_int_equal(step.to + step.reason, 0);
            continue;
        }
        assert_in_range(step.to, 0, MESSAGE_N_STATES - 1);
        assert_in_range(step.reason, 0, MESSAGE_N_REASONS - 1);
        assert_true(fits(step));
        /* What is begun, ended or sent is so once. */
        assert_true(step.to != from || step.action == MESSAGE_DO_CANCEL ||
                    step.action == MESSAGE_DO_NOTHING);
    }
}

static void each_state_is_reached_and_comes_to_an_end(void **state)
{
    for (enum message_state s = 0; s < MESSAGE_N_STATES; s++) {
        bool has_end = can_reach(s, MESSAGE_DELETED) || can_reach(s, MESSAGE_RELEASED) ||
                       can_reach(s, MESSAGE_LOST);

        assert_int_equal(has_end, !message_state_is_end(s));
        assert_int_equal(can_reach(MESSAGE_RECEIVED, s), s != MESSAGE_RECEIVED);
    }
}

/* So nothing goes round for ever but what is tried again because the handler is away. */
static void state_never_goes_back_but_that_of_a_deferred_message(void **state)
{
    FOR_EACH_CELL(from, event)
    {
        struct message_step step = message_step(from, event);

        if (is_possible(from, event) && step.to != from && can_reach(step.to, from))
            assert_true((from == MESSAGE_HANDLING && step.to == MESSAGE_DEFERRED) ||
                        (from == MESSAGE_DEFERRED && step.to == MESSAGE_HANDLING));
    }
}

static bool is_handled(enum message_state s)
{
    return s == MESSAGE_RECORDING || s == MESSAGE_ACKNOWLEDGING || message_state_is_withdrawn(s) ||
           s == MESSAGE_DELETED;
}

static void message_is_deleted_only_if_handled_rejected_or_known_as_handled(void **state)
{
    FOR_EACH_CELL(from, event)
    {
        if (!is_possible(from, event) || is_handled(from) ||
            !is_handled(message_step(from, event).to))
            continue;
        assert_true(event == MESSAGE_ON_DONE || event == MESSAGE_ON_REJECTED ||
                    event == MESSAGE_ON_COPY || event == MESSAGE_ON_LEDGER_HIT);
        /* What the handler says counts only of what it has; a copy is known before. */
        assert_true((event == MESSAGE_ON_DONE || event == MESSAGE_ON_REJECTED)
                        ? message_state_is_with_handler(from)
                        : message_state_is_waiting(from));
        /* Nothing is written twice into the ledger, and nothing past it. */
        assert_int_equal(message_step(from, event).to == MESSAGE_RECORDING,
                         event == MESSAGE_ON_DONE || event == MESSAGE_ON_REJECTED);
    }
    /* And what is known as handled is not handled again. */
    for (enum message_state s = 0; s < MESSAGE_N_STATES; s++)
        if (message_state_is_waiting(s)) {
            assert_int_equal(message_step(s, MESSAGE_ON_COPY).to, MESSAGE_ACKNOWLEDGING);
            assert_int_equal(message_step(s, MESSAGE_ON_LEDGER_HIT).to, MESSAGE_ACKNOWLEDGING);
        }
    for (enum message_state s = 0; s < MESSAGE_N_STATES; s++) {
        bool is_asked = s == MESSAGE_ACKNOWLEDGING || message_state_is_withdrawn(s);

        assert_int_equal(is_possible(s, MESSAGE_ON_DELETED), is_asked);
        assert_int_equal(is_possible(s, MESSAGE_ON_NOT_DELETED), is_asked);
        assert_int_equal(is_possible(s, MESSAGE_ON_NOT_DELETED_LEASED), is_asked);
        if (is_asked)
            assert_int_equal(message_step(s, MESSAGE_ON_DELETED).to, MESSAGE_DELETED);
    }
}

static void
message_that_lost_its_lease_or_stands_behind_one_that_did_is_not_acknowledged(void **state)
{
    static const enum message_state states[] = {
        MESSAGE_CANCELLED_BEHIND, MESSAGE_LEASE_LOST, MESSAGE_WITHDRAWN_BEHIND,
        MESSAGE_WITHDRAWN_LOST,   MESSAGE_RELEASING,
    };

    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        assert_false(can_reach(states[i], MESSAGE_RECORDING));
        assert_false(can_reach(states[i], MESSAGE_ACKNOWLEDGING));
        assert_false(can_reach(states[i], MESSAGE_HANDLING));
    }
    for (enum message_state s = 0; s < MESSAGE_N_STATES; s++)
        for (enum message_event event = MESSAGE_ON_BEHIND; event <= MESSAGE_ON_LEASE_LOST_SENT;
             event++)
            if (is_possible(s, event)) {
                assert_false(message_state_keeps_lease(message_step(s, event).to) &&
                             message_step(s, event).to != MESSAGE_CANCELLED_BEHIND);
                assert_false(can_reach(message_step(s, event).to, MESSAGE_ACKNOWLEDGING));
            }
}

static void message_with_the_handler_stays_until_that_has_ended(void **state)
{
    FOR_EACH_CELL(from, event)
    {
        bool is_end = event >= MESSAGE_ON_DONE && event <= MESSAGE_ON_ENDED_LEASED;

        if (!is_possible(from, event))
            continue;
        assert_int_equal(is_end, message_state_is_with_handler(from) &&
                                     !message_state_is_with_handler(message_step(from, event).to));
        if (!is_end && message_state_is_cancelled(from))
            assert_true(message_state_is_cancelled(message_step(from, event).to));
    }
}

/* Nothing can come that the table has no answer to: each event is possible wherever it can come. */
static void each_event_has_its_cell_wherever_it_can_come(void **state)
{
    for (enum message_state s = 0; s < MESSAGE_N_STATES; s++) {
        bool is_with_handler = message_state_is_with_handler(s);
        bool has_outcome = is_with_handler && s != MESSAGE_LEASE_LOST;
        bool is_in_lane = message_state_is_waiting(s) || is_with_handler ||
                          s == MESSAGE_RECORDING || s == MESSAGE_ACKNOWLEDGING;

        for (enum message_event event = MESSAGE_ON_DONE; event <= MESSAGE_ON_NOT_REACHED_AT_STOP;
             event++)
            assert_int_equal(is_possible(s, event), has_outcome);
        assert_int_equal(is_possible(s, MESSAGE_ON_ENDED), s == MESSAGE_LEASE_LOST);
        assert_int_equal(is_possible(s, MESSAGE_ON_ENDED_LEASED), s == MESSAGE_LEASE_LOST);
        assert_int_equal(is_possible(s, MESSAGE_ON_STOP_DEADLINE), is_with_handler);
        assert_int_equal(is_possible(s, MESSAGE_ON_STOP), message_state_is_waiting(s));
        assert_int_equal(is_possible(s, MESSAGE_ON_BEGIN), message_state_is_waiting(s));
        assert_int_equal(is_possible(s, MESSAGE_ON_COPY), message_state_is_waiting(s));
        assert_int_equal(is_possible(s, MESSAGE_ON_LEDGER_HIT), message_state_is_waiting(s));
        assert_int_equal(is_possible(s, MESSAGE_ON_RECEIPT), s == MESSAGE_RECEIVED);
        assert_int_equal(is_possible(s, MESSAGE_ON_CHARGED), s == MESSAGE_DEFERRED);
        assert_int_equal(is_possible(s, MESSAGE_ON_RECORDED), s == MESSAGE_RECORDING);
        assert_int_equal(is_possible(s, MESSAGE_ON_NO_LEDGER), s == MESSAGE_RECORDING);
        assert_int_equal(is_possible(s, MESSAGE_ON_BEHIND), is_in_lane);
        assert_int_equal(is_possible(s, MESSAGE_ON_LEASE_LOST), message_state_keeps_lease(s));
        assert_int_equal(is_possible(s, MESSAGE_ON_BEHIND_SENT), s == MESSAGE_ACKNOWLEDGING);
        assert_int_equal(is_possible(s, MESSAGE_ON_LEASE_LOST_SENT), s == MESSAGE_ACKNOWLEDGING);
        assert_int_equal(is_possible(s, MESSAGE_ON_RELEASED), s == MESSAGE_RELEASING);
        assert_int_equal(is_possible(s, MESSAGE_ON_NOT_RELEASED), s == MESSAGE_RELEASING);
    }
}

/* A person can tell the states and the reasons apart. */
static void each_state_and_reason_has_words_of_its_own(void **state)
{
    for (enum message_state s = 0; s < MESSAGE_N_STATES; s++) {
        assert_non_null(message_state_text(s));
        for (enum message_state t = 0; t < s; t++)
            assert_string_not_equal(message_state_text(s), message_state_text(t));
    }
    for (enum message_reason r = 0; r < MESSAGE_N_REASONS; r++) {
        assert_non_null(message_reason_text(r));
        for (enum message_reason q = 0; q < r; q++)
            assert_string_not_equal(message_reason_text(r), message_reason_text(q));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cell_does_what_its_next_state_needs),
        cmocka_unit_test(each_state_is_reached_and_comes_to_an_end),
        cmocka_unit_test(state_never_goes_back_but_that_of_a_deferred_message),
        cmocka_unit_test(message_is_deleted_only_if_handled_rejected_or_known_as_handled),
        cmocka_unit_test(
            message_that_lost_its_lease_or_stands_behind_one_that_did_is_not_acknowledged),
        cmocka_unit_test(message_with_the_handler_stays_until_that_has_ended),
        cmocka_unit_test(each_event_has_its_cell_wherever_it_can_come),
        cmocka_unit_test(each_state_and_reason_has_words_of_its_own),
    };

    return cmocka_run_group_tests_name("consumerd-message-state", tests, NULL, NULL);
}
