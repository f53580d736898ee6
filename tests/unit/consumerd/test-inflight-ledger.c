/* SPDX-License-Identifier: MIT */
/* With a ledger, a handled message is not handled again. */
#include "inflight-fixture.h"

#include <sqlite3.h>
#include <unistd.h>

/* What is in the ledger when that has forgotten what SQS has deleted. */
static uint64_t ledger_left(void)
{
    assert_int_equal(inflight_status(inflight).messages, 0);
    fake_now_usec += IDEMPOTENCY_DELETED_KEPT_USEC;
    dispatch();
    return ledger_count(ledger);
}

static char ledger_path[64];
static bool disk_is_full;

static ssize_t write_if_room(int fd, const void *data, size_t bytes, off_t offset)
{
    if (disk_is_full) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, data, bytes, offset);
}

static int set_up_ledger(void **state)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int fd;

    disk_is_full = false;
    vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)write_if_room);
    vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)write_if_room);
    strcpy(ledger_path, "/tmp/test-inflight.XXXXXX");
    fd = mkstemp(ledger_path);
    if (fd < 0)
        return -1;
    close(fd);
    return ledger_open(ledger_path, &(struct ledger_limits){100, 14 * 86400 * SEC}, &ledger, NULL);
}

static int tear_down_ledger(void **state)
{
    tear_down(state);
    ledger = ledger_free(ledger);
    return unlink(ledger_path);
}

static bool is_in_ledger(const char *id)
{
    return ledger_has(ledger, id, clock_wall_usec()) == LEDGER_HAS;
}

static void was_handled(const char *id)
{
    assert_int_equal(ledger_add(ledger, id, clock_wall_usec()), 0);
    assert_int_equal(ledger_commit(ledger, clock_wall_usec()), LEDGER_COMMITTED);
}

static void ledger_has_a_handled_message_until_it_is_deleted(void **state)
{
    set_up(false, 3, "---");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    finish(1, HANDLER_REJECT, 0);
    finish(2, HANDLER_RETRY, 0);
    assert_int_equal(inflight_status(inflight).deleting, 2);
    assert_int_equal(fake_n_calls, 0);
    dispatch();
    assert_int_equal(ledger_commit(ledger, clock_wall_usec()), 0); /* it is on disk already */
    assert_true(is_in_ledger("h0"));
    assert_true(is_in_ledger("h1"));
    assert_false(is_in_ledger("h2"));
    assert_int_equal(inflight_status(inflight).deleting, 2);

    while (fake_n_open() > 0)
        answer_open();
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 2);
    assert_int_equal(ledger_left(), 0);
    assert_int_equal(ledger_commit(ledger, clock_wall_usec()), 0);
}

static void next_of_a_group_begins_when_the_ledger_has_its_predecessor(void **state)
{
    set_up(true, 10, "aa");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    assert_string_equal(begun(), "0");
    dispatch();
    assert_true(is_in_ledger("h0"));
    assert_string_equal(begun(), "01");
}

static void ledger_hit_is_deleted_in_its_turn_without_being_handled(void **state)
{
    was_handled("h1");
    was_handled("h3");
    set_up(true, 10, "aabb");
    dispatch();
    assert_string_equal(begun(), "02");
    finish(0, HANDLER_DONE, 0);
    dispatch();
    dispatch();
    /* h3 waits for h2, which is being handled. */
    assert_string_equal(begun(), "02");
    assert_string_equal(answer_open(), "{\"QueueUrl\":\"q\",\"Entries\":["
                                       "{\"Id\":\"0\",\"ReceiptHandle\":\"h0\"},"
                                       "{\"Id\":\"1\",\"ReceiptHandle\":\"h1\"}]}");
    dispatch();
    assert_int_equal(inflight_counts(inflight)->deleted, 2);
    assert_int_equal(ledger_count(ledger), 3); /* SQS may bring those again */
    finish(1, HANDLER_DONE, 0);
    for (int i = 0; i < 3; i++) {
        dispatch();
        if (fake_n_open() > 0)
            answer_open();
    }
    dispatch();
    assert_string_equal(begun(), "02");
    assert_int_equal(ledger_left(), 0);
}

static void ledger_hit_takes_a_slot(void **state)
{
    was_handled("h0");
    set_up(false, 1, "--");
    dispatch();
    assert_string_equal(begun(), "");
    assert_int_equal(fake_n_open(), 1);
    answer_open();
    dispatch();
    assert_string_equal(begun(), "1");
}

/* The lease is lost between the handler's answer and the turn that writes it. */
static void message_handled_and_lost_is_in_the_ledger(void **state)
{
    set_up(true, 10, "aa");
    dispatch();
    fake_now_usec = T0 + 15 * SEC;
    dispatch();
    finish(0, HANDLER_DONE, 0);
    fake_answer(0, "{\"Failed\":[{\"Id\":\"0\",\"Code\":\"ReceiptHandleIsInvalid\"}],"
                   "\"Successful\":[{\"Id\":\"1\"}]}");
    assert_int_equal(inflight_status(inflight).deleting, 0);
    dispatch();
    assert_true(is_in_ledger("h0"));
    assert_string_equal(begun(), "0");
    answer_open(); /* gives back what was behind it */
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 0);
    assert_int_equal(ledger_count(ledger), 1);
}

/* Its lease is lost, but it ends with success. */
static void message_handled_after_its_lease_is_not_handled_again(void **state)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *again = NULL;

    set_up(true, 10, "a");
    ends_late = true;
    dispatch();
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    again = fake_received("aa", "h");
    inflight_add(inflight, again, fake_now_usec);
    dispatch();
    assert_int_equal(n_runs, 1);
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_true(is_in_ledger("h0"));
    assert_int_equal(ledger_commit(ledger, clock_wall_usec()), 0); /* it is on disk already */
    assert_string_equal(begun(), "01");
    assert_string_equal(answer_open(), "{\"QueueUrl\":\"q\",\"ReceiptHandle\":\"h0\"}");
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 1);
    finish(1, HANDLER_DONE, 0);
    dispatch();
    answer_open();
    assert_int_equal(ledger_left(), 0);
}

static void message_handled_and_released_is_not_handled_again(void **state)
{
    set_up(true, 10, "aa");
    ends_late = true;
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "");
    finish(1, HANDLER_DONE, 0);
    assert_int_equal(inflight_status(inflight).deleting, 0);
    dispatch();
    assert_int_equal(ledger_commit(ledger, clock_wall_usec()), 0); /* it is on disk already */
    assert_true(is_in_ledger("h0"));
    assert_true(is_in_ledger("h1"));
    answer_open();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(inflight_counts(inflight)->deleted, 0);
}

static void delete_fails_message_stays_in_the_ledger(void **state)
{
    set_up(false, 10, "-");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    fake_fail(0, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "");
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_true(is_in_ledger("h0"));
}

static void delete_succeeds_late_message_leaves_the_ledger(void **state)
{
    set_up(false, 10, "-");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    fake_now_usec = T0 + 30 * SEC; /* abandoned, but for the answer */
    dispatch();
    assert_true(is_in_ledger("h0"));
    fake_answer(0, "{}");
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(ledger_left(), 0);
}

static void ledger_that_cannot_be_written_stops_nothing(void **state)
{
    set_up(true, 10, "aa");
    dispatch();
    disk_is_full = true;
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_string_equal(answer_open(), "{\"QueueUrl\":\"q\",\"ReceiptHandle\":\"h0\"}");
    assert_int_equal(ledger_count(ledger), 0);
    dispatch();
    finish(1, HANDLER_DONE, 0);
    disk_is_full = false;
    dispatch();
    assert_true(is_in_ledger("h1"));
    answer_open();
    dispatch();
    assert_int_equal(inflight_status(inflight).messages, 0);
    assert_int_equal(ledger_left(), 0);
}

static void free_writes_handled_messages_to_the_ledger(void **state)
{
    set_up(false, 10, "--");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    inflight = inflight_free(inflight);
    ledger = ledger_free(ledger);
    assert_int_equal(
        ledger_open(ledger_path, &(struct ledger_limits){100, 14 * 86400 * SEC}, &ledger, NULL), 0);
    assert_true(is_in_ledger("h0"));
    assert_int_equal(ledger_count(ledger), 1);
}

#define LEDGER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_ledger, tear_down_ledger)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(ledger_has_a_handled_message_until_it_is_deleted),
        LEDGER_TEST(next_of_a_group_begins_when_the_ledger_has_its_predecessor),
        LEDGER_TEST(ledger_hit_is_deleted_in_its_turn_without_being_handled),
        LEDGER_TEST(ledger_hit_takes_a_slot),
        LEDGER_TEST(message_handled_and_lost_is_in_the_ledger),
        LEDGER_TEST(message_handled_after_its_lease_is_not_handled_again),
        LEDGER_TEST(message_handled_and_released_is_not_handled_again),
        LEDGER_TEST(delete_fails_message_stays_in_the_ledger),
        LEDGER_TEST(delete_succeeds_late_message_leaves_the_ledger),
        LEDGER_TEST(ledger_that_cannot_be_written_stops_nothing),
        LEDGER_TEST(free_writes_handled_messages_to_the_ledger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
