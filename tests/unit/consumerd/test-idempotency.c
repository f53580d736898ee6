/* SPDX-License-Identifier: MIT */
#include "consumerd/idempotency.h"

#include "fake-consumer.h"
#include "util/clock.h"
#include "test.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#define SEC USEC_PER_SEC
#define MAX_MESSAGES 30000

static char path[64];
static struct ledger *ledger;
static struct idempotency handled;
static bool cannot_read, cannot_write;

/* --- In the place of the disk --- */

static ssize_t test_write(int fd, const void *data, size_t bytes, off_t offset)
{
    errno = ENOSPC;
    return cannot_write ? -1 : pwrite(fd, data, bytes, offset);
}

static ssize_t test_read(int fd, void *data, size_t bytes, off_t offset)
{
    errno = EIO;
    return cannot_read ? -1 : pread(fd, data, bytes, offset);
}

static void replace_calls(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)test_write);
    vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)test_write);
    vfs->xSetSystemCall(vfs, "pread", (sqlite3_syscall_ptr)test_read);
    vfs->xSetSystemCall(vfs, "pread64", (sqlite3_syscall_ptr)test_read);
}

/* --- Helpers --- */

static void open_ledger(uint64_t max_messages)
{
    idempotency_done(&handled);
    ledger = ledger_free(ledger);
    assert_int_equal(
        ledger_open(path, &(struct ledger_limits){max_messages, 86400 * SEC}, &ledger, NULL), 0);
    idempotency_init(&handled, ledger);
}

static int set_up(void **state)
{
    int fd;

    fake_reset();
    cannot_read = cannot_write = false;
    replace_calls();
    strcpy(path, "/tmp/test-handled.XXXXXX");
    fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    open_ledger(MAX_MESSAGES);
    return 0;
}

static int tear_down(void **state)
{
    cannot_read = cannot_write = false;
    idempotency_done(&handled);
    ledger = ledger_free(ledger);
    return unlink(path);
}

/* Standard error, between begin and end. */
static struct {
    int saved, file;
    char text[16384];
} captured;

static void begin(void)
{
    char name[] = "/tmp/test-handled-log.XXXXXX";

    fflush(stderr);
    captured.file = mkstemp(name);
    assert_true(captured.file >= 0);
    unlink(name);
    captured.saved = dup(2);
    dup2(captured.file, 2);
}

static const char *end(void)
{
    ssize_t n;

    fflush(stderr);
    dup2(captured.saved, 2);
    close(captured.saved);
    n = pread(captured.file, captured.text, sizeof(captured.text) - 1, 0);
    close(captured.file);
    captured.text[MAX(n, 0)] = '\0';
    return captured.text;
}

static void says(const char *words)
{
    const char *text = end();

    if (!strstr(text, words) || strchr(text, '\n') != strrchr(text, '\n'))
        fail_msg("\"%s\" is not the only line of: %s", words, text);
}

static void says_nothing(void)
{
    assert_string_equal(end(), "");
}

static void write_one(void)
{
    struct message *m;

    fake_messages("-", "m", fake_now_usec, &m);
    assert_true(idempotency_add(&handled, m));
    idempotency_commit(&handled);
    assert_ptr_equal(idempotency_take_recorded(&handled), m);
    assert_null(idempotency_take_recorded(&handled));
    message_unref(m);
}

/* --- Tests --- */

static void messages_come_out_in_order_and_their_ids_are_written(void **state)
{
    struct message *m[3];

    fake_messages("---", "m", fake_now_usec, m);
    for (int i = 0; i < 3; i++) {
        assert_false(idempotency_was_handled(&handled, m[i]));
        assert_true(idempotency_add(&handled, m[i]));
    }
    assert_int_equal(handled.n_waiting, 3);
    idempotency_remove(&handled, m[1]); /* lost, and handled nevertheless */
    idempotency_remove(&handled, m[1]);
    assert_int_equal(handled.n_waiting, 2);
    idempotency_commit(&handled);
    assert_int_equal(ledger_commit(ledger, clock_wall_usec()), 0);
    assert_ptr_equal(idempotency_take_recorded(&handled), m[0]);
    assert_ptr_equal(idempotency_take_recorded(&handled), m[2]);
    assert_null(idempotency_take_recorded(&handled));
    assert_int_equal(handled.n_waiting, 0);
    for (int i = 0; i < 3; i++) {
        begin();
        assert_true(idempotency_was_handled(&handled, m[i]));
        says("was handled before");
        message_unref(m[i]);
    }
}

static void handle_and_delete(struct message *m)
{
    assert_true(idempotency_add(&handled, m));
    idempotency_commit(&handled);
    assert_ptr_equal(idempotency_take_recorded(&handled), m);
    idempotency_note_deleted(&handled, m);
}

static void deleted_id_is_known_for_some_minutes(void **state)
{
    struct message *m[2];

    fake_messages("--", "m", fake_now_usec, m);
    handle_and_delete(m[0]);
    fake_now_usec += 300 * SEC - 1;
    handle_and_delete(m[1]);
    idempotency_commit(&handled);
    /* It is there, and nothing was written for that. */
    assert_int_equal(ledger_commit(ledger, clock_wall_usec()), 0);
    begin();
    assert_true(idempotency_was_handled(&handled, m[0]));
    says("was handled before");
    fake_now_usec++;
    idempotency_commit(&handled);
    assert_false(idempotency_was_handled(&handled, m[0]));
    assert_int_equal(ledger_count(ledger), 1);
    idempotency_done(&handled); /* at the daemon's end */
    assert_int_equal(ledger_count(ledger), 0);
    for (int i = 0; i < 2; i++)
        message_unref(m[i]);
}

static void deleted_id_takes_the_place_of_no_other(void **state)
{
    struct message *m[6];

    open_ledger(4);
    fake_messages("------", "m", fake_now_usec, m);
    begin();
    for (int i = 0; i < 3; i++)
        handle_and_delete(m[i]);
    assert_int_equal(ledger_count(ledger), 3);
    for (int i = 3; i < 6; i++) {
        assert_true(idempotency_add(&handled, m[i]));
        idempotency_commit(&handled);
        assert_ptr_equal(idempotency_take_recorded(&handled), m[i]);
        assert_int_equal(ledger_count(ledger), 4);
    }
    says_nothing(); /* of any that was crowded out */
    begin();
    assert_false(idempotency_was_handled(&handled, m[0]));
    assert_false(idempotency_was_handled(&handled, m[1]));
    for (int i = 2; i < 6; i++)
        assert_true(idempotency_was_handled(&handled, m[i]));
    end();
    for (int i = 0; i < 6; i++)
        message_unref(m[i]);
}

static void deleted_messages_of_very_many_the_last_are_known(void **state)
{
    begin();
    for (int i = 0; i < IDEMPOTENCY_DELETED_KEPT_MAX + 10; i++) {
        struct message *m;
        char prefix[16];

        snprintf(prefix, sizeof(prefix), "m%d-", i);
        fake_messages("-", prefix, fake_now_usec, &m);
        assert_true(idempotency_add(&handled, m));
        assert_ptr_equal(idempotency_take_recorded(&handled), m);
        idempotency_note_deleted(&handled, m);
        message_unref(m);
    }
    idempotency_commit(&handled);
    says_nothing();
    assert_int_equal(ledger_count(ledger), IDEMPOTENCY_DELETED_KEPT_MAX);
}

static void message_without_a_ledger_does_not_wait(void **state)
{
    struct message *m;

    fake_messages("-", "m", fake_now_usec, &m);
    idempotency_init(&handled, NULL);
    assert_false(idempotency_was_handled(&handled, m));
    assert_false(idempotency_add(&handled, m));
    idempotency_remove(&handled, m);
    idempotency_note_deleted(&handled, m);
    idempotency_commit(&handled);
    assert_null(idempotency_take_recorded(&handled));
    message_unref(m);
}

static void full_disk_is_told_at_once_then_once_a_minute_and_when_it_is_over(void **state)
{
    cannot_write = true;
    begin();
    write_one();
    says("Cannot write the ledger");
    begin();
    for (int i = 0; i < 59; i++) {
        fake_now_usec += SEC;
        write_one();
    }
    says_nothing();
    fake_now_usec += SEC;
    begin();
    write_one();
    says("full");
    cannot_write = false;
    begin();
    write_one();
    says("can be written again");
    begin();
    write_one();
    says_nothing();
}

static void ledger_error_that_comes_and_goes_is_logged_once_a_minute(void **state)
{
    begin();
    for (int i = 0; i < 100; i++) {
        fake_now_usec += SEC / 2;
        cannot_write = i % 2 == 0;
        write_one();
    }
    end();
    assert_non_null(strstr(captured.text, "Cannot write"));
    assert_non_null(strstr(captured.text, "again"));
    assert_ptr_equal(strchr(strchr(captured.text, '\n') + 1, '\n'), strrchr(captured.text, '\n'));
}

static void ledger_that_cannot_be_read_is_told_and_the_message_handled(void **state)
{
    struct message *m;
    char id[80];

    /* More than the cache holds; read up to these at the opening, and what is looked for stands
     * before them. */
    for (int i = 0; i < 20000; i++) {
        snprintf(id, sizeof(id), "x%064d", i);
        assert_int_equal(ledger_add(ledger, id, clock_wall_usec()), 0);
    }
    open_ledger(MAX_MESSAGES);
    fake_messages("-", "m", fake_now_usec, &m);
    cannot_read = true;
    begin();
    assert_false(idempotency_was_handled(&handled, m));
    says("Cannot read the ledger");
    begin();
    assert_false(idempotency_was_handled(&handled, m));
    says_nothing();
    message_unref(m);
}

static void ids_that_exceed_the_limit_are_logged_once_a_minute(void **state)
{
    struct message *m[10];

    open_ledger(2);
    fake_messages("----------", "m", fake_now_usec, m);
    for (int i = 0; i < 10; i++) {
        assert_true(idempotency_add(&handled, m[i]));
        begin();
        idempotency_commit(&handled);
        if (i == 2)
            says("its 1 oldest");
        else if (i == 9)
            says("its 7 oldest");
        else
            says_nothing();
        fake_now_usec += (i == 8 ? 60 : 1) * SEC;
        assert_ptr_equal(idempotency_take_recorded(&handled), m[i]);
        message_unref(m[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_come_out_in_order_and_their_ids_are_written),
        TEST(deleted_id_is_known_for_some_minutes),
        TEST(deleted_id_takes_the_place_of_no_other),
        TEST(deleted_messages_of_very_many_the_last_are_known),
        TEST(message_without_a_ledger_does_not_wait),
        TEST(full_disk_is_told_at_once_then_once_a_minute_and_when_it_is_over),
        TEST(ledger_error_that_comes_and_goes_is_logged_once_a_minute),
        TEST(ledger_that_cannot_be_read_is_told_and_the_message_handled),
        TEST(ids_that_exceed_the_limit_are_logged_once_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
