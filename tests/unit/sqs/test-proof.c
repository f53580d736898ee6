/* SPDX-License-Identifier: MIT */
#include "sqs/proof.h"
#include "test.h"

#define SEC USEC_PER_SEC

static enum sqs_proof of(enum sqs_operation operation, const struct sqs_proof_facts *facts)
{
    return sqs_proof_of(&(struct sqs_reply){.operation = operation}, facts);
}

static void empty_receive_needs_the_request_id(void **state)
{
    struct sqs_proof_facts facts = {.elapsed_usec = 20 * SEC, .wait_usec = 20 * SEC};
    struct sqs_reply full = {.operation = SQS_RECEIVE_MESSAGE, .n_messages = 1};

    assert_int_equal(of(SQS_RECEIVE_MESSAGE, &facts), SQS_PROOF_NONE);
    assert_int_equal(sqs_proof_of(&full, &facts), SQS_PROOF_GOOD);
    facts.has_request_id = true;
    assert_int_equal(of(SQS_RECEIVE_MESSAGE, &facts), SQS_PROOF_GOOD);
}

static void empty_receive_needs_half_of_its_wait(void **state)
{
    struct sqs_proof_facts facts = {.has_request_id = true, .wait_usec = 20 * SEC};
    struct sqs_reply full = {.operation = SQS_RECEIVE_MESSAGE, .n_messages = 1};

    facts.elapsed_usec = 10 * SEC - 1;
    assert_int_equal(of(SQS_RECEIVE_MESSAGE, &facts), SQS_PROOF_EARLY);
    assert_int_equal(sqs_proof_of(&full, &facts), SQS_PROOF_GOOD);
    facts.elapsed_usec = 10 * SEC;
    assert_int_equal(of(SQS_RECEIVE_MESSAGE, &facts), SQS_PROOF_GOOD);
    facts.elapsed_usec = facts.wait_usec = 0; /* it was to come at once */
    assert_int_equal(of(SQS_RECEIVE_MESSAGE, &facts), SQS_PROOF_GOOD);
}

static void queue_without_attributes_needs_the_request_id(void **state)
{
    struct sqs_reply told = {.operation = SQS_GET_QUEUE_ATTRIBUTES, .attributes.is_known = true};
    struct sqs_proof_facts facts = {};

    assert_int_equal(of(SQS_GET_QUEUE_ATTRIBUTES, &facts), SQS_PROOF_NONE);
    assert_int_equal(sqs_proof_of(&told, &facts), SQS_PROOF_GOOD);
    facts.has_request_id = true;
    assert_int_equal(of(SQS_GET_QUEUE_ATTRIBUTES, &facts), SQS_PROOF_GOOD);
}

static void reply_of_nothing_needs_the_id_of_a_peer_that_sends_ids(void **state)
{
    static const enum sqs_operation operations[] = {SQS_DELETE_MESSAGE,
                                                    SQS_CHANGE_MESSAGE_VISIBILITY};

    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        struct sqs_proof_facts facts = {};

        assert_int_equal(of(operations[i], &facts), SQS_PROOF_GOOD);
        facts.peer_sends_ids = true;
        assert_int_equal(of(operations[i], &facts), SQS_PROOF_NONE);
        facts.has_request_id = true;
        assert_int_equal(of(operations[i], &facts), SQS_PROOF_GOOD);
    }
}

static void reply_that_names_its_request_is_proof_enough(void **state)
{
    static const enum sqs_operation operations[] = {SQS_SEND_MESSAGE, SQS_SEND_MESSAGE_BATCH,
                                                    SQS_DELETE_MESSAGE_BATCH,
                                                    SQS_CHANGE_MESSAGE_VISIBILITY_BATCH};

    for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
        assert_int_equal(of(operations[i], &(struct sqs_proof_facts){.peer_sends_ids = true}),
                         SQS_PROOF_GOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_receive_needs_the_request_id),
        cmocka_unit_test(empty_receive_needs_half_of_its_wait),
        cmocka_unit_test(queue_without_attributes_needs_the_request_id),
        cmocka_unit_test(reply_of_nothing_needs_the_id_of_a_peer_that_sends_ids),
        cmocka_unit_test(reply_that_names_its_request_is_proof_enough),
    };

    return cmocka_run_group_tests_name("sqs-proof", tests, NULL, NULL);
}
