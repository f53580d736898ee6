/* SPDX-License-Identifier: MIT */
#include "bad-lines.h"
#include "producerd/intake/submission-reply.h"
#include "producerd/intake/submission.h"
#include "test.h"
#include "util/json-reader.h"

#include <stdio.h>

#define ID "0b5e2a51-5f0e-4a86-9a4f-3f6c0a7e1a11"

/* Returns the error for a line, NULL if it is valid. The caller frees it. */
static char *protocol(const char *line, size_t size, const struct submission_rules *rules)
{
    CLEANUP(submission_free) struct submission *submission = NULL;
    char *error = NULL, *copy = malloc(MAX(size, (size_t)1));
    int r;

    assert_non_null(copy);
    memcpy(copy, line, size);
    r = submission_read(copy, size, &submission, &error);
    free(copy);
    assert_true((r == 0) == (submission != NULL));
    if (r == 0 && submission->kind == SUBMISSION_MESSAGE)
        r = submission_validate(submission, rules, ID, &error);
    assert_true(r == 0 ? !error : r == SUBMISSION_E_INVALID && error);
    return error;
}

static void message_with_all_members_is_read(void **state)
{
    static const char line[] =
        " { \"body\" : \"a\\u0041\\n\\ud83d\\ude00\\\"\", "
        "\"group\":\"g\",\"deduplication_id\":\"d\","
        "\"delay\":0,\"attributes\":{\"a\":\"t\\u00e4\",\"n\":{\"type\":\"Number.int\",\"value\":"
        "\"1\"},\"b\":{\"value\":\"AAEC/w==\",\"type\":\"Binary\"}}}\r";
    CLEANUP(submission_free) struct submission *submission = NULL;
    CLEANUP(free) char *copy = strdup(line);
    const struct sqs_message *m;

    assert_int_equal(submission_read(copy, strlen(copy), &submission, NULL), 0);
    memset(copy, 'x', strlen(copy)); /* nothing points into the line */
    assert_int_equal(submission->kind, SUBMISSION_MESSAGE);
    assert_int_equal(submission_validate(submission, &fifo, ID, NULL), 0);
    m = &submission->message;
    assert_string_equal(m->body, "aA\n\xf0\x9f\x98\x80\"");
    assert_int_equal(m->body_bytes, 8);
    assert_string_equal(m->group_id, "g");
    assert_string_equal(m->deduplication_id, "d");
    assert_int_equal(m->delay_sec, 0);
    assert_int_equal(m->n_attributes, 3);
    assert_string_equal(m->attributes[0].name, "a");
    assert_string_equal(m->attributes[0].data_type, "String");
    assert_string_equal(m->attributes[0].value, "t\xc3\xa4");
    assert_int_equal(m->attributes[0].value_bytes, 3);
    assert_string_equal(m->attributes[1].data_type, "Number.int");
    assert_string_equal(m->attributes[1].value, "1");
    assert_false(m->attributes[1].is_binary);
    assert_true(m->attributes[2].is_binary);
    assert_int_equal(m->attributes[2].value_bytes, 4);
    assert_memory_equal(m->attributes[2].value, "\x00\x01\x02\xff", 4);
}

static void missing_ids_are_filled_in_on_fifo_queue(void **state)
{
    static const char *const lines[] = {
        "{\"body\":\"x\"}",
        "{\"body\":\"x\",\"group\":null,\"deduplication_id\":null,\"delay\":null}",
        "{\"body\":\"x\",\"attributes\":null}",
        "{\"body\":\"x\",\"attributes\":{}}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        for (int is_fifo = 0; is_fifo < 2; is_fifo++) {
            CLEANUP(submission_free) struct submission *submission = NULL;
            const struct sqs_message *m;

            assert_int_equal(submission_read(lines[i], strlen(lines[i]), &submission, NULL), 0);
            assert_int_equal(submission_validate(submission, is_fifo ? &fifo : &standard, ID, NULL),
                             0);
            m = &submission->message;
            assert_int_equal(m->delay_sec, -1);
            assert_int_equal(m->n_attributes, 0);
            if (is_fifo) {
                assert_string_equal(m->group_id, "test");
                assert_string_equal(m->deduplication_id, ID);
            } else {
                assert_null(m->group_id);
                assert_null(m->deduplication_id);
            }
        }
}

static void standard_queue_accepts_groups_and_delays(void **state)
{
    static const char line[] = "{\"body\":\"x\",\"group\":\"tenant\",\"delay\":900}";
    CLEANUP(submission_free) struct submission *submission = NULL;

    assert_int_equal(submission_read(line, strlen(line), &submission, NULL), 0);
    assert_int_equal(submission_validate(submission, &standard, ID, NULL), 0);
    assert_string_equal(submission->message.group_id, "tenant");
    assert_int_equal(submission->message.delay_sec, 900);
}

static void bad_line_is_refused_with_its_error(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad_lines); i++) {
        const struct bad_line *bad = &bad_lines[i];
        CLEANUP(free) char *error = protocol(bad->line, bad_line_size(bad), bad->rules);

        if (!error)
            fail_msg("%s: no error", bad->line);
        if (!streq(bad->error, error))
            fail_msg("%s:\n  %s, and not\n  %s", bad->line, error, bad->error);
    }
}

static void line_that_is_too_long_is_refused(void **state)
{
    CLEANUP(free) char *line = malloc(SUBMISSION_LINE_MAX_BYTES + 1);
    CLEANUP(free) char *error = NULL;

    memset(line, ' ', SUBMISSION_LINE_MAX_BYTES + 1);
    error = protocol(line, SUBMISSION_LINE_MAX_BYTES + 1, &fifo);
    assert_string_equal(error, "line: longer than 6356992 bytes");
}

static void largest_message_fully_escaped_fits_a_line(void **state)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(SUBMISSION_LINE_MAX_BYTES);
    CLEANUP(submission_free) struct submission *submission = NULL;

    buffer_append_string(&line, "{\"body\":\"");
    for (size_t i = 0; i < SQS_MESSAGE_MAX_BYTES; i++)
        buffer_append_string(&line, "\\u000a");
    assert_int_equal(buffer_append_string(&line, "\"}"), 0);
    assert_int_equal(submission_read(line.data, line.size, &submission, NULL), 0);
    assert_int_equal(submission_validate(submission, &fifo, ID, NULL), 0);
    assert_int_equal(submission->message.body_bytes, SQS_MESSAGE_MAX_BYTES);
}

static void written_commands_are_read_back(void **state)
{
    static const struct {
        enum submission_kind kind;
        uint64_t after;
        const char *id, *line;
    } cases[] = {
        {SUBMISSION_REJECTED, 0, NULL, "{\"command\": \"rejected\", \"after\": 0}\n"},
        {SUBMISSION_REJECTED, INT64_MAX, NULL,
         "{\"command\": \"rejected\", \"after\": 9223372036854775807}\n"},
        {SUBMISSION_RETRY, 0, ID, "{\"command\": \"retry\", \"id\": \"" ID "\"}\n"},
        {SUBMISSION_RETRY, 0, NULL, "{\"command\": \"retry\", \"id\": \"all\"}\n"},
        {SUBMISSION_DROP, 0, "a\"b", "{\"command\": \"drop\", \"id\": \"a\\\"b\"}\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);
        CLEANUP(submission_free) struct submission *submission = NULL;

        assert_int_equal(submission_write_command(&b, cases[i].kind, cases[i].after, cases[i].id),
                         0);
        assert_string_equal(buffer_string(&b), cases[i].line);
        assert_int_equal(submission_read(b.data, b.size, &submission, NULL), 0);
        assert_int_equal(submission->kind, cases[i].kind);
        assert_int_equal(submission->after, cases[i].after);
        if (cases[i].id)
            assert_string_equal(submission->id, cases[i].id);
        else
            assert_null(submission->id);
    }
}

static void written_message_is_read_back(void **state)
{
    static const struct sqs_attribute attributes[] = {
        {"a", "String", "x\"y", 3, false},
        {"b", "Binary.png", "\x00\xff\n", 3, true},
    };
    static const struct sqs_message message = {
        .body = "line\n\0\xe2\x82\xac",
        .body_bytes = 9,
        .group_id = "g\\",
        .deduplication_id = "d",
        .delay_sec = 3,
        .attributes = attributes,
        .n_attributes = 2,
    };
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096), bad = BUFFER_INIT(4096);
    CLEANUP(submission_free) struct submission *submission = NULL;
    const struct sqs_message *m;

    assert_int_equal(submission_write(&b, &message), 0);
    assert_string_equal(
        buffer_string(&b),
        "{\"body\": \"line\\n\\u0000\xe2\x82\xac\", \"group\": \"g\\\\\", \"deduplication_id\": "
        "\"d\", \"delay\": 3, \"attributes\": {\"a\": {\"type\": \"String\", \"value\": "
        "\"x\\\"y\"}, \"b\": {\"type\": \"Binary.png\", \"value\": \"AP8K\"}}}\n");
    assert_int_equal(submission_read(b.data, b.size, &submission, NULL), 0);
    m = &submission->message;
    assert_int_equal(m->body_bytes, 9);
    assert_memory_equal(m->body, message.body, 9);
    assert_string_equal(m->group_id, "g\\");
    assert_int_equal(m->delay_sec, 3);
    assert_int_equal(m->n_attributes, 2);
    assert_memory_equal(m->attributes[1].value, "\x00\xff\n", 3);

    assert_int_equal(submission_write(&bad, &(struct sqs_message){.body = "\xff", .body_bytes = 1}),
                     -EINVAL);
}

static struct submission_reply *read_reply(const char *line)
{
    struct submission_reply *reply = NULL;

    assert_int_equal(submission_reply_read(line, strlen(line), &reply), 0);
    return reply;
}

static void written_replies_are_read_back(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(SUBMISSION_REPLY_MAX_BYTES);
    CLEANUP(submission_reply_free)
    struct submission_reply *stored = NULL, *bad = NULL, *later = NULL, *count = NULL;

    submission_reply_stored(&b, ID);
    assert_string_equal(buffer_string(&b), "{\"ok\": true, \"id\": \"" ID "\"}\n");
    stored = read_reply(buffer_string(&b));
    assert_true(stored->is_ok);
    assert_string_equal(stored->id, ID);

    buffer_reset(&b);
    submission_reply_error(&b, "body: \"bad\"\xff", false);
    assert_string_equal(buffer_string(&b),
                        "{\"ok\": false, \"error\": \"body: \\\"bad\\\"\\\\xff\"}\n");
    bad = read_reply(buffer_string(&b));
    assert_false(bad->is_ok);
    assert_false(bad->is_temporary);
    assert_null(bad->id);
    assert_string_equal(bad->error, "body: \"bad\"\\xff");

    buffer_reset(&b);
    submission_reply_error(&b, "full", true);
    assert_string_equal(buffer_string(&b),
                        "{\"ok\": false, \"error\": \"full\", \"temporary\": true}\n");
    later = read_reply(buffer_string(&b));
    assert_true(later->is_temporary);

    buffer_reset(&b);
    submission_reply_count(&b, 5, true);
    assert_string_equal(buffer_string(&b), "{\"ok\": true, \"count\": 5, \"more\": true}\n");
    count = read_reply(buffer_string(&b));
    assert_int_equal(count->count, 5);
    assert_true(count->has_more);
    assert_null(count->id);
}

static void page_of_rejected_messages_is_one_line(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(SUBMISSION_REPLY_MAX_BYTES);
    CLEANUP(submission_reply_free) struct submission_reply *page = NULL, *empty = NULL;
    char reason[3000];

    submission_reply_page_begin(&b);
    submission_reply_page_end(&b, false);
    assert_string_equal(buffer_string(&b), "{\"ok\": true, \"messages\": [], \"more\": false}\n");
    empty = read_reply(buffer_string(&b));
    assert_int_equal(empty->n_messages, 0);

    buffer_reset(&b);
    memset(reason, '\n', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    submission_reply_page_begin(&b);
    for (uint64_t i = 1; i <= 100; i++)
        submission_reply_page_add(
            &b, &(struct rejected_message){.number = i,
                                           .id = ID,
                                           .group_id = i % 2 ? "g" : NULL,
                                           .bytes = 5,
                                           .rejected_usec = 1700000000 * USEC_PER_SEC,
                                           .reason = reason});
    assert_int_equal(submission_reply_page_end(&b, true), 0);
    assert_ptr_equal(memchr(b.data, '\n', b.size), b.data + b.size - 1);
    page = read_reply(buffer_string(&b));
    assert_true(page->has_more);
    assert_int_equal(page->n_messages, 100);
    assert_int_equal(page->messages[99].number, 100);
    assert_string_equal(page->messages[0].group_id, "g");
    assert_null(page->messages[1].group_id);
    assert_int_equal(page->messages[1].rejected_usec, 1700000000 * USEC_PER_SEC);
    assert_memory_equal(page->messages[1].reason, "\\n\\n\\n", 6);
}

static void uncommitted_replies_are_revoked(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096), empty = BUFFER_INIT(10);

    submission_reply_stored(&b, "1");
    submission_reply_error(&b, "body: missing", false);
    submission_reply_stored(&b, "2");
    submission_reply_count(&b, 1, false);
    assert_int_equal(submission_replies_revoke(&b, "disk: no"), 0);
    assert_string_equal(buffer_string(&b),
                        "{\"ok\": false, \"error\": \"disk: no\", \"temporary\": true}\n"
                        "{\"ok\": false, \"error\": \"body: missing\"}\n"
                        "{\"ok\": false, \"error\": \"disk: no\", \"temporary\": true}\n"
                        "{\"ok\": true, \"count\": 1, \"more\": false}\n");
    assert_int_equal(b.max, 4096);
    assert_int_equal(submission_replies_revoke(&empty, "x"), 0);
    assert_int_equal(empty.size, 0);
}

static void line_that_is_no_reply_is_damaged(void **state)
{
    static const char *const lines[] = {
        "", "{}", "[]", "{\"ok\":1}", "{\"ok\":true}", "{\"ok\":true,\"id\":7}", "{\"ok\":false}",
        "{\"ok\":false,\"error\":1}", "{\"ok\":false,\"error\":\"x\",\"temporary\":1}",
        "{\"ok\":true,\"count\":1}", "{\"ok\":true,\"count\":-1,\"more\":true}",
        "{\"ok\":true,\"messages\":[1],\"more\":true}",
        "{\"ok\":true,\"messages\":[{\"number\":1}],\"more\":true}",
        "{\"ok\":true,\"messages\":[null],\"more\":true}",
        /* its time does not fit into microseconds */
        "{\"ok\":true,\"messages\":[{\"number\":1,\"id\":\"i\","
        "\"bytes\":1,\"rejected\":18446744073710,\"reason\":\"r\"}],"
        "\"more\":true}"};

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct submission_reply *reply = NULL;

        assert_int_equal(submission_reply_read(lines[i], strlen(lines[i]), &reply),
                         SUBMISSION_REPLY_E_DAMAGED);
        assert_null(reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_with_all_members_is_read),
        cmocka_unit_test(missing_ids_are_filled_in_on_fifo_queue),
        cmocka_unit_test(standard_queue_accepts_groups_and_delays),
        cmocka_unit_test(bad_line_is_refused_with_its_error),
        cmocka_unit_test(line_that_is_too_long_is_refused),
        cmocka_unit_test(largest_message_fully_escaped_fits_a_line),
        cmocka_unit_test(written_commands_are_read_back),
        cmocka_unit_test(written_message_is_read_back),
        cmocka_unit_test(written_replies_are_read_back),
        cmocka_unit_test(page_of_rejected_messages_is_one_line),
        cmocka_unit_test(uncommitted_replies_are_revoked),
        cmocka_unit_test(line_that_is_no_reply_is_damaged),
    };

    return cmocka_run_group_tests_name("submission", tests, NULL, NULL);
}
