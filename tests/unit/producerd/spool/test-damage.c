/* SPDX-License-Identifier: MIT */
#include "spool-fixture.h"

#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "producerd/spool/row.h"
#include "util/buffer.h"
#include "util/file.h"

/* Keeps what is sent to systemd. Replaces libsystemd's function. */
static char notified[256];

int sd_notifyf(int unset, const char *format, ...)
{
    size_t size = strlen(notified);
    va_list ap;

    va_start(ap, format);
    vsnprintf(notified + size, sizeof(notified) - size, format, ap);
    va_end(ap);
    strncat(notified, " ", sizeof(notified) - strlen(notified) - 1);
    return 0;
}

/* A second look reads all of the file. */
static void damage_at_run_time_is_checked_with_a_longer_watchdog(void **state)
{
    static char junk[8 * MIB];
    struct spool *s = reopen(*state);
    const struct spool_message *m;
    struct stat st;
    int fd, r;

    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(spool_add(s, "a",
                                   &(struct sqs_message){.body = junk + MIB,
                                                         .body_bytes = 1000,
                                                         .group_id = "g",
                                                         .deduplication_id = "d",
                                                         .delay_sec = -1},
                                   NULL),
                         0);
    assert_int_equal(spool_commit(s), 0);
    s = reopen(*state);
    assert_int_equal(stat(path, &st), 0);
    assert_in_range(st.st_size, MIB, sizeof(junk));
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, junk, (size_t)st.st_size - 4 * 4096, 4 * 4096),
                     st.st_size - 4 * 4096);
    close(fd);
    notified[0] = '\0';
    setenv("WATCHDOG_USEC", "30000000", 1);
    while ((r = spool_next(s, &m)) == 0)
        spool_settle(s, m, NULL, 1);
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(r, -EUCLEAN);
    assert_string_equal(notified, "WATCHDOG_USEC=3600000000 WATCHDOG_USEC=30000000 ");
}

/* Where a change of the queue makes the checksum be written anew, what it says is looked at before:
 * else it would vouch for the damage. */
static void damaged_row_retried_on_other_kind_is_set_aside_again(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    const struct spool_message *m = NULL;
    size_t n = 0;

    add_many(s, "a", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    reject_next(s);
    reject_next(s);
    assert_int_equal(spool_sync(s), 0);
    f->spool = spool_free(f->spool);
    change("UPDATE rejected SET body = 'xx' WHERE id = 'a1'");
    f->options.is_fifo = false;
    s = reopen(f);
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(spool_next(s, &m), SPOOL_E_DAMAGED_ROW);
    assert_string_equal(spool_last_damaged_row(s)->id, "a1");
    assert_int_equal(spool_next(s, &m), 0);
    assert_string_equal(m->head.id, "a2");
    /* A person says so a second time. */
    assert_int_equal(spool_retry(s, "a1", &n), 0);
    assert_int_equal(spool_next(s, &m), 0);
    assert_string_equal(m->head.message.body, "xx");
    assert_null(m->head.message.deduplication_id);
}

/* A row of many that something has happened to: the others go out, in order. */
static void damaged(struct fixture *f, const char *sql, const char *reason)
{
    struct spool *s;
    struct page page = {.n_max = 100};
    const struct spool_message *m;
    struct store_dropped dropped = {};
    int r;

    f->spool = spool_free(f->spool);
    unlink(path);
    s = reopen(f);
    add_many(s, "a", 1, 3);
    add_many(s, "b", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(f->spool);
    change(sql);
    s = reopen(f);
    for (const char *const *name = (const char *const[]){"a1", "a3", "b1", "b2", NULL}; *name;) {
        while ((r = spool_next(s, &m)) == SPOOL_E_DAMAGED_ROW) {
            assert_non_null(strstr(spool_last_damaged_row(s)->reason, reason));
            assert_int_equal(spool_last_damaged_row(s)->error, 0);
        }
        if (r != 0)
            fail_msg("%s: %d instead of %s", sql, r, *name);
        assert_string_equal(m->head.id, *name++);
        sent(s, m);
    }
    assert_int_equal(spool_next(s, &m), SPOOL_E_NOT_YET);
    assert_int_equal(spool_counts(s).waiting, 0);
    assert_int_equal(spool_counts(s).rejected, 1);
    assert_int_equal(spool_rejected(s, 0, on_rejected, &page), 0);
    assert_int_equal(page.n, 1);
    if (!strstr(page.text, reason))
        fail_msg("%s: %s is not in %s", sql, reason, page.text);
    assert_int_equal(spool_sync(s), 0);
    s = reopen(f);
    assert_counts(s, 0, 1, spool_counts(s).bytes);
    assert_int_equal(spool_drop(s, NULL, &dropped), 0);
    assert_int_equal(dropped.n, 1);
    assert_counts(s, 0, 0, 0);
}

static void damaged_row_is_set_aside_and_others_go_out(void **state)
{
    static const char *const changes[][2] = {
        {"group_id = NULL", "it has no group"},
        {"group_id = ''", "its group is not valid"},
        {"group_id = 'a b'", "its group is not valid"},
        {"group_id = hex(zeroblob(1000))", "its group is not valid"},
        {"group_id = 'a' || char(0) || 'b'", "its group is not valid"},
        {"deduplication_id = hex(zeroblob(65))", "its deduplication id is not valid"},
        {"id = ''", "its id is not valid"},
        {"id = char(10)", "its id is not valid"},
        {"attributes = X'61'", "its attributes cannot be read"},
        {"attributes = X'6100537472696E6700FFFFFFFF'", "its attributes cannot be read"},
        {"bytes = 3", "its size does not match"},
        {"bytes = -1", "its size does not match"},
        {"bytes = 9223372036854775807", "its size does not match"},
        {"bytes = -9223372036854775808", "its size does not match"},
        {"delay_sec = 901", "its delay is not valid"},
        {"delay_sec = 4294967295", "its delay is not valid"},
        {"body = 'a3'", "its checksum does not match"},
        {"deduplication_id = 'other'", "its checksum does not match"},
        {"group_id = 'c'", "its checksum does not match"},
        {"delay_sec = 0", "its checksum does not match"},
        {"checksum = checksum + 1", "its checksum does not match"},
        {"number = 0", "its number is not valid"},
        {"number = -5", "its number is not valid"},
        {"number = 9223372036854775807", "its number is not valid"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        char sql[256], reason[64];

        snprintf(sql, sizeof(sql), "UPDATE waiting SET %s WHERE id = 'a2'", changes[i][0]);
        snprintf(reason, sizeof(reason), "%s", changes[i][1]);
        damaged(*state, sql, reason);
    }
}

/* The group has its maximum in flight, so the damaged row is found by the group. */
static void damaged_row_of_lagging_group_is_set_aside(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    const struct spool_message *a[SPOOL_GROUP_IN_FLIGHT_MAX], *m;
    char name[32];

    add_many(s, "a", 1, SPOOL_GROUP_IN_FLIGHT_MAX + 3);
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(f->spool);
    change("UPDATE waiting SET attributes = X'61' WHERE id = 'a21'");
    s = reopen(f);
    for (unsigned i = 0; i < SPOOL_GROUP_IN_FLIGHT_MAX; i++) {
        snprintf(name, sizeof(name), "a%u", i + 1);
        a[i] = next(s, name);
    }
    next_none(s);
    sent(s, a[0]);
    assert_int_equal(spool_next(s, &m), SPOOL_E_DAMAGED_ROW);
    assert_string_equal(spool_last_damaged_row(s)->id, "a21");
    next(s, "a22");
    next_none(s);
    sent(s, a[1]);
    next(s, "a23");
}

/* What comes next cannot be read for want of memory, and can be later. */
static void lack_memory(struct spool *s, const char *name)
{
    static const int columns[] = {SPOOL_COLUMN_GROUP_ID, SPOOL_COLUMN_ID};
    const struct spool_message *m = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        lacking_column = columns[i];
        assert_int_equal(spool_next(s, &m), -ENOMEM);
    }
    lacking_column = -1;
    next(s, name);
}

static void row_read_without_memory_is_not_damaged(void **state)
{
    struct spool *s = reopen(*state);
    const struct spool_message *first;
    size_t n = 0;

    add_many(s, "a", 1, SPOOL_GROUP_IN_FLIGHT_MAX + 1);
    add(s, "b1");
    assert_int_equal(spool_commit(s), 0);
    first = next(s, "a1");
    for (unsigned i = 2; i <= SPOOL_GROUP_IN_FLIGHT_MAX; i++) {
        char name[16];

        snprintf(name, sizeof(name), "a%u", i);
        next(s, name);
    }
    lack_memory(s, "b1"); /* in order, past a group that has to wait */
    sent(s, first);
    lack_memory(s, "a21"); /* of the group */
    assert_counts(s, SPOOL_GROUP_IN_FLIGHT_MAX + 1, 0, spool_counts(s).bytes);
    /* Nor is it when it is retried. */
    add(s, "c1");
    assert_int_equal(spool_commit(s), 0);
    spool_settle(s, next(s, "c1"), "no", 1);
    assert_int_equal(spool_flush(s), 0);
    lacking_column = SPOOL_COLUMN_ID;
    assert_int_equal(spool_retry(s, NULL, &n), -ENOMEM);
    lacking_column = -1;
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    next(s, "c1");
}

static void damaged_row_that_cannot_be_moved_is_skipped(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    const struct spool_message *m;

    add_many(s, "a", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(f->spool);
    change("UPDATE waiting SET bytes = 99 WHERE id = 'a1'");
    s = reopen(f);
    write_error = EIO;
    assert_int_equal(spool_next(s, &m), SPOOL_E_DAMAGED_ROW);
    assert_int_equal(spool_last_damaged_row(s)->error, -EIO);
    write_error = 0;
    next(s, "a2");
    next_none(s);
    s = reopen(f);
    assert_int_equal(spool_next(s, &m), SPOOL_E_DAMAGED_ROW);
    next(s, "a2");
}

/* A retry for the other kind of queue changes the row, so it has a new checksum: damage is still
 * found afterwards. */
static void row_converted_for_other_kind_keeps_a_valid_checksum(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    const struct spool_message *m = NULL;
    size_t n = 0;

    add_many(s, "a", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    reject_next(s);
    reject_next(s);
    assert_int_equal(spool_sync(s), 0);
    s = change_kind(f, false);
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    assert_int_equal(n, 2);
    f->spool = spool_free(f->spool);
    change("UPDATE waiting SET body = 'xx' WHERE id = 'a1'");
    s = reopen(f);
    assert_int_equal(spool_next(s, &m), SPOOL_E_DAMAGED_ROW);
    assert_string_equal(spool_last_damaged_row(s)->id, "a1");
    assert_non_null(strstr(spool_last_damaged_row(s)->reason, "its checksum does not match"));
    assert_int_equal(spool_next(s, &m), 0);
    assert_string_equal(m->head.id, "a2");
    assert_string_equal(m->head.message.body, "a2");
}

/* To retry it is to send it as it is. */
static void damaged_row_retried_goes_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    const struct spool_message *m;
    size_t n = 0;

    add_many(s, "a", 1, 1);
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(f->spool);
    change("UPDATE waiting SET body = 'xx'");
    s = reopen(f);
    assert_int_equal(spool_next(s, &m), SPOOL_E_DAMAGED_ROW);
    assert_int_equal(spool_retry(s, "a1", &n), 0);
    next(s, "a1");
}

/* Flips bits of pages. Whatever a bit hits, the spool opens or says why not, and yields no message
 * that was not submitted. */
static void flipped_bits_yield_no_wrong_message(void **state)
{
    CLEANUP(buffer_done) struct buffer good = BUFFER_INIT(1 << 20);
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    unsigned n_in_flight = 0, n_set_aside = 0, n_refused = 0;

    add_many(s, "a", 1, 40);
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(f->spool);
    assert_int_equal(file_read(path, good.max - 1, &good), 0);
    for (unsigned i = 0; i < 600; i++) {
        CLEANUP(free) char *error = NULL;
        const struct spool_message *m;
        unsigned seed = i;
        size_t at = (size_t)rand_r(&seed) % good.size;
        int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC), r;

        good.data[at] = (char)(good.data[at] ^ 1 << (i % 8));
        assert_int_equal(write(fd, good.data, good.size), good.size);
        good.data[at] = (char)(good.data[at] ^ 1 << (i % 8));
        close(fd);
        unlink(log_path);
        r = spool_open(&f->options, &f->spool, &error);
        n_refused += r != 0;
        while (r == 0 && (r = spool_next(f->spool, &m)) >= 0 && r != SPOOL_E_NOT_YET) {
            n_set_aside += r == SPOOL_E_DAMAGED_ROW;
            if (r == 0) {
                assert_string_equal(m->head.id, m->head.message.body);
                assert_string_equal(m->head.id, m->head.message.deduplication_id);
                assert_string_equal(m->head.message.group_id, "a");
                sent(f->spool, m);
                n_in_flight++;
            }
            r = 0;
        }
        f->spool = spool_free(f->spool);
    }
    assert_true(n_in_flight > 600 && n_refused > 0);
    assert_true(n_set_aside > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(damage_at_run_time_is_checked_with_a_longer_watchdog),
        TEST(damaged_row_retried_on_other_kind_is_set_aside_again),
        TEST(damaged_row_is_set_aside_and_others_go_out),
        TEST(damaged_row_of_lagging_group_is_set_aside),
        TEST(row_read_without_memory_is_not_damaged),
        TEST(damaged_row_that_cannot_be_moved_is_skipped),
        TEST(row_converted_for_other_kind_keeps_a_valid_checksum),
        TEST(damaged_row_retried_goes_as_it_is),
        TEST(flipped_bits_yield_no_wrong_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
