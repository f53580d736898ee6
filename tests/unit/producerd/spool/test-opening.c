/* SPDX-License-Identifier: MIT */
#include "spool-fixture.h"

#include "util/buffer.h"
#include "util/file.h"

static void spool_with_messages_refuses_other_kind_of_queue(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);

    f->options.is_fifo = false;
    s = reopen(f); /* it is empty */
    f->options.is_fifo = true;
    s = reopen(f);
    add(s, "a1");
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(s);
    f->options.is_fifo = false;
    refused(f, "the spool holds 1 messages for a FIFO queue, and aws.queue_url names a standard");
    f->options.is_fifo = true;
    next(reopen(f), "a1");
}

/* What lists or drops messages need not know the queue. */
static void command_without_queue_kind_opens_any_spool(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    size_t n = 0;

    add_many(s, "a", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    reject_next(s);
    assert_int_equal(spool_sync(s), 0);
    f->options.is_command = f->options.is_kind_unknown = true;
    s = change_kind(f, false);
    assert_counts(s, 1, 1, 4);
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    f->options.is_command = f->options.is_kind_unknown = false;
    s = change_kind(f, true);
    next(s, "a2");
    next(s, "a1"); /* with the name that a FIFO queue asks for */
}

static void damaged_file_is_refused_and_unchanged(void **state)
{
    CLEANUP(buffer_done) struct buffer before = BUFFER_INIT(MIB), after = BUFFER_INIT(MIB);
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    FILE *file;

    add_many(s, "a", 1, 200);
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(s);
    file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, 4096, SEEK_SET);
    for (int i = 0; i < 3 * 4096; i++)
        fputc(i * 7 % 251, file);
    fclose(file);
    assert_int_equal(file_read(path, MIB, &before), 0);
    refused(f, "damaged");
    assert_int_equal(file_read(path, MIB, &after), 0);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
}

/* The file as a version before this one wrote it. */
static void lay_out_version_1(void)
{
    CLEANUP(buffer_done) struct buffer sql = BUFFER_INIT(1 << 16);

    assert_int_equal(
        file_read(SOURCE_ROOT "/tests/unit/data/spool-version-1.sql", sql.max - 1, &sql), 0);
    change(buffer_string(&sql));
    change("PRAGMA journal_mode = WAL");
}

static const struct sqs_message *next_message(struct spool *s)
{
    const struct spool_message *m = NULL;

    assert_int_equal(spool_next(s, &m), 0);
    return &m->head.message;
}

static void assert_is_version_1(struct spool *s)
{
    struct page page = {.n_max = 100};
    const struct sqs_message *m;

    assert_counts(s, 3, 2, 2356);
    m = next_message(s);
    assert_string_equal(m->body, "one");
    assert_string_equal(m->group_id, "a");
    assert_string_equal(m->deduplication_id, "waiting-1");
    m = next_message(s);
    assert_string_equal(m->body, "two");
    assert_int_equal(m->n_attributes, 2);
    assert_true(m->attributes[1].is_binary);
    assert_memory_equal(m->attributes[1].value, "\0\xff", 2);
    m = next_message(s);
    assert_string_equal(m->body, "three \xc3\xa9 \"quoted\"");
    assert_int_equal(spool_rejected(s, 0, on_rejected, &page), 0);
    assert_int_equal(page.n, 2);
}

static void file_of_previous_version_is_read(void **state)
{
    struct spool *s;
    size_t n = 0;

    lay_out_version_1();
    s = reopen(*state);
    assert_is_version_1(s);
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    assert_int_equal(n, 2);
    add(s, "new1");
    assert_int_equal(spool_commit(s), 0);
    s = reopen(*state);
    for (unsigned i = 0; i < 5; i++)
        next_message(s);
    next(s, "new1");
    next_none(s);
}

static void full_disk_keeps_previous_version_and_starts(void **state)
{
    struct spool *s;

    lay_out_version_1();
    write_error = ENOSPC;
    no_fallocate = true;
    s = reopen(*state);
    assert_is_version_1(s);
    write_error = 0;
    no_fallocate = false;
    add(s, "new1");
    assert_int_equal(spool_commit(s), 0);
    spool_settle(s, next(s, "new1"), "no", 1);
    assert_int_equal(spool_sync(s), 0);
    s = reopen(*state); /* now it is changed */
    assert_counts(s, 3, 3, 2360);
    for (unsigned i = 0; i < 3; i++)
        next_message(s);
    next_none(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spool_with_messages_refuses_other_kind_of_queue),
        TEST(command_without_queue_kind_opens_any_spool),
        TEST(damaged_file_is_refused_and_unchanged),
        TEST(file_of_previous_version_is_read),
        TEST(full_disk_keeps_previous_version_and_starts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
