/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/log-queue.h"

#include <stdio.h>

static struct log_entry *make(int priority, const char *text, bool carries_message)
{
    struct log_entry *entry = log_entry_new(priority, false);

    assert_non_null(entry);
    log_entry_set_line(entry, "", text, "");
    entry->carries_message = carries_message;
    return entry;
}

static void add(struct log_queue *queue, int priority, const char *text)
{
    log_queue_add(queue, make(priority, text, false));
}

static void assert_next(struct log_queue *queue, const char *line)
{
    CLEANUP(log_entry_free) struct log_entry *entry = log_queue_take(queue);

    if (!line) {
        assert_null(entry);
        return;
    }
    assert_non_null(entry);
    assert_string_equal(buffer_string(&entry->bytes), line);
}

/* Of an entry with a short text. */
static size_t entry_bytes(void)
{
    CLEANUP(log_entry_free) struct log_entry *entry = make(LOG_INFO, "1", false);

    return log_entry_bytes(entry);
}

static void log_queue_entries_of_all_priorities_keep_their_order(void **state)
{
    struct log_queue queue;

    log_queue_init(&queue, 100 * entry_bytes());
    add(&queue, LOG_INFO, "1");
    add(&queue, LOG_ERR, "2");
    add(&queue, LOG_DEBUG, "3");
    add(&queue, LOG_INFO, "4");
    assert_int_equal(queue.n, 4);
    assert_int_equal(queue.bytes, 4 * entry_bytes());
    assert_next(&queue, "1\n");
    assert_next(&queue, "2\n");
    assert_next(&queue, "3\n");
    assert_next(&queue, "4\n");
    assert_next(&queue, NULL);
    assert_int_equal(queue.bytes, 0);
    assert_int_equal(queue.n_dropped, 0);
}

static void
full_queue_an_important_entry_takes_the_place_of_the_newest_least_important(void **state)
{
    struct log_queue queue;

    log_queue_init(&queue, 4 * entry_bytes());
    add(&queue, LOG_INFO, "1");
    add(&queue, LOG_DEBUG, "2");
    add(&queue, LOG_DEBUG, "3");
    add(&queue, LOG_ERR, "4");
    add(&queue, LOG_WARNING, "5"); /* in the place of 3 */
    add(&queue, LOG_WARNING, "6"); /* of 2 */
    add(&queue, LOG_WARNING, "7"); /* of 1 */
    assert_int_equal(queue.n_dropped, 3);
    assert_next(&queue, "4\n");
    assert_next(&queue, "5\n");
    assert_next(&queue, "6\n");
    assert_next(&queue, "7\n");
    assert_next(&queue, NULL);
}

static void log_queue_full_drops_an_entry_that_is_not_more_important(void **state)
{
    struct log_queue queue;

    log_queue_init(&queue, 2 * entry_bytes());
    add(&queue, LOG_WARNING, "1");
    add(&queue, LOG_WARNING, "2");
    add(&queue, LOG_WARNING, "3");
    add(&queue, LOG_INFO, "4");
    assert_int_equal(queue.n_dropped, 2);
    assert_next(&queue, "1\n");
    add(&queue, LOG_INFO, "5");
    assert_next(&queue, "2\n");
    assert_next(&queue, "5\n");
    assert_next(&queue, NULL);
    log_queue_done(&queue);
}

static void log_queue_entry_larger_than_all_less_important_ones_drops_only_itself(void **state)
{
    static char large[8000];
    struct log_queue queue;

    memset(large, 'x', sizeof(large) - 1);
    log_queue_init(&queue, 4 * entry_bytes());
    add(&queue, LOG_DEBUG, "1");
    add(&queue, LOG_INFO, "2");
    add(&queue, LOG_ERR, large);
    assert_int_equal(queue.n_dropped, 1);
    assert_next(&queue, "1\n");
    assert_next(&queue, "2\n");
    assert_next(&queue, NULL);
}

static void log_queue_entry_with_a_message_is_never_dropped_and_takes_no_space(void **state)
{
    struct log_queue queue;

    log_queue_init(&queue, entry_bytes());
    add(&queue, LOG_DEBUG, "1");
    log_queue_add(&queue, make(LOG_DEBUG, "2", true));
    log_queue_add(&queue, make(LOG_INFO, "3", true));
    assert_int_equal(queue.n_dropped, 0);
    assert_int_equal(queue.bytes, entry_bytes());
    add(&queue, LOG_ERR, "4"); /* in the place of 1 alone */
    assert_int_equal(queue.n_dropped, 1);
    assert_next(&queue, "2\n");
    assert_next(&queue, "3\n");
    assert_next(&queue, "4\n");
    log_queue_add(&queue, make(LOG_DEBUG, "5", true));
    log_queue_done(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_queue_entries_of_all_priorities_keep_their_order),
        cmocka_unit_test(
            full_queue_an_important_entry_takes_the_place_of_the_newest_least_important),
        cmocka_unit_test(log_queue_full_drops_an_entry_that_is_not_more_important),
        cmocka_unit_test(log_queue_entry_larger_than_all_less_important_ones_drops_only_itself),
        cmocka_unit_test(log_queue_entry_with_a_message_is_never_dropped_and_takes_no_space),
    };

    return cmocka_run_group_tests_name("log-queue", tests, NULL, NULL);
}
