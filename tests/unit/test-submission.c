#include "json-reader.h"
#include "submission-reply.h"
#include "submission.h"
#include "test.h"

#include <stdio.h>

#define ID "0b5e2a51-5f0e-4a86-9a4f-3f6c0a7e1a11"

static const struct submission_rules fifo = {true, SQS_MESSAGE_MAX_BYTES, "test"};
static const struct submission_rules fifo_without_group = {true, SQS_MESSAGE_MAX_BYTES, NULL};
static const struct submission_rules standard = {false, 64, NULL};

/* What the door says to a line: NULL where it is let in. The caller frees it. */
static char *door(const char *line, size_t size, const struct submission_rules *rules)
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
        r = submission_admit(submission, rules, ID, &error);
    assert_true(r == 0 ? !error : r == SUBMISSION_E_INVALID && error);
    return error;
}

static void a_full_message_is_read(void **state)
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
    assert_int_equal(submission_admit(submission, &fifo, ID, NULL), 0);
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

static void what_a_message_lacks_is_filled_in(void **state)
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
            assert_int_equal(submission_admit(submission, is_fifo ? &fifo : &standard, ID, NULL),
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

static void a_standard_queue_takes_groups_and_delays(void **state)
{
    static const char line[] = "{\"body\":\"x\",\"group\":\"tenant\",\"delay\":900}";
    CLEANUP(submission_free) struct submission *submission = NULL;

    assert_int_equal(submission_read(line, strlen(line), &submission, NULL), 0);
    assert_int_equal(submission_admit(submission, &standard, ID, NULL), 0);
    assert_string_equal(submission->message.group_id, "tenant");
    assert_int_equal(submission->message.delay_sec, 900);
}

#define NO_MEMBER(name) name ": not a member that is known; known are "
#define NOT_JSON "line: " /* and words that change with json-c's version */
#define OF_MESSAGE "body, group, deduplication_id, delay and attributes"
#define TWELVE(x) x x x x x x x x x x x x

static void each_bad_line_gets_its_error(void **state)
{
    static const struct {
        const char *line;
        size_t size; /* 0: up to the NUL */
        const struct submission_rules *rules;
        const char *error;
    } cases[] = {
        /* No such JSON */
        {"", 0, &fifo, "line: empty"},
        {"  ", 0, &fifo, "line: cut off"},
        {"hello", 0, &fifo, "line: not JSON"},
        {"\"body\"", 0, &fifo, "line: no JSON object"},
        {"[{\"body\":\"x\"}]", 0, &fifo, "line: no JSON object"},
        {"null ", 0, &fifo, "line: no JSON object"},
        {"{\"body\":\"x\"", 0, &fifo, "line: cut off"},
        {"{\"body\":\"x\"}}", 0, &fifo, NOT_JSON},
        {"{\"body\":\"x\"}{\"body\":\"y\"}", 0, &fifo, NOT_JSON},
        {"{\"body\":\"x\"}\0", 13, &fifo, NOT_JSON},
        {"{\"body\":\"x\",}", 0, &fifo, "line: not JSON"},
        {"{body:\"x\"}", 0, &fifo, "line: not JSON"},
        {"{\"body\":'x'}", 0, &fifo, "line: not JSON"},
        {"{\"body\":\"x\"/**/}", 0, &fifo, "line: not JSON"},
        {"{\"body\":\"\xff\"}", 0, &fifo, "line: not UTF-8"},
        {"{\"body\":\"\xed\xa0\x80\"}", 0, &fifo, "line: not UTF-8"},
        {"{\"body\":\"\xc0\xaf\"}", 0, &fifo, "line: not UTF-8"},
        {"{\"attributes\":{\"a\":{\"type\":{\"x\":1}}}}", 0, &fifo, "line: too deep"},
        {"{\"body\":[[[[[[[[[[]]]]]]]]]]}", 0, &fifo, "line: too deep"},

        /* Members */
        {"{}", 0, &fifo, "body: missing"},
        {"{\"group\":\"g\"}", 0, &fifo, "body: missing"},
        {"{\"body\":null}", 0, &fifo, "body: missing"},
        {"{\"body\":1}", 0, &fifo, "body: not a string"},
        {"{\"body\":{}}", 0, &fifo, "body: not a string"},
        {"{\"body\":\"x\",\"colour\":\"red\"}", 0, &fifo, NO_MEMBER("colour") OF_MESSAGE},
        {"{\"body\":\"x\",\"Group\":\"g\"}", 0, &fifo, NO_MEMBER("Group") OF_MESSAGE},
        {"{\"body\":\"x\",\"id\":\"all\"}", 0, &fifo, NO_MEMBER("id") OF_MESSAGE},
        {"{\"body\":\"x\",\"a\x1b[0m\":1}", 0, &fifo, NO_MEMBER("a\\x1b[0m") OF_MESSAGE},
        {"{\"body\":\"x\",\"" TWELVE("longlong") "\":1}", 0, &fifo,
         NO_MEMBER("longlonglonglonglonglonglonglonglonglonglonglonglonglong"
                   "longlonglonglonglonglong... (96 bytes)") OF_MESSAGE},
        {"{\"body\":\"x\",\"body\":\"y\"}", 0, &fifo,
         "body: there are two members of this name in one object"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\"}}", 0, &fifo,
         "a: there are two members of this name in one object"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Number\",\"type\":\"String\"}}}", 0,
         &fifo, "type: there are two members of this name in one object"},
        {"{\"body\":\"x\",\"bo\\u0064y\":\"y\"}", 0, &fifo,
         "bo\\\\u0064y: a member's name is in double quotes and without escapes"},
        {"{\"body\\u0000x\":\"x\"}", 0, &fifo,
         "body\\\\u0000x: a member's name is in double quotes and without escapes"},
        {"{'body':\"x\"}", 0, &fifo,
         "body: a member's name is in double quotes and without escapes"},

        /* Group and deduplication id */
        {"{\"body\":\"x\",\"group\":7}", 0, &fifo, "group: not a string"},
        {"{\"body\":\"x\",\"group\":\"a\\u0000b\"}", 0, &fifo, "group: holds a NUL character"},
        {"{\"body\":\"x\",\"group\":\"\"}", 0, &fifo, "group id: 0 characters, SQS takes 1 to 128"},
        {"{\"body\":\"x\",\"group\":\"a b\"}", 0, &fifo,
         "group id: character 2 (0x20) is not one that SQS takes (letters, digits and punctuation "
         "of ASCII, no space)"},
        {"{\"body\":\"x\",\"group\":\"" TWELVE("longlonglong") "\"}", 0, &fifo,
         "group id: 144 characters, SQS takes 1 to 128"},
        {"{\"body\":\"x\"}", 0, &fifo_without_group,
         "group id: missing, each message to a FIFO queue needs one"},
        {"{\"body\":\"x\",\"deduplication_id\":true}", 0, &fifo, "deduplication_id: not a string"},
        {"{\"body\":\"x\",\"deduplication_id\":\"\xc3\xa4\"}", 0, &fifo,
         "deduplication id: character 1 (0xc3) is not one that SQS takes (letters, digits and "
         "punctuation of ASCII, no space)"},
        {"{\"body\":\"x\",\"deduplication_id\":\"d\"}", 0, &standard,
         "deduplication id: set, but only FIFO queues take one"},

        /* Delay */
        {"{\"body\":\"x\",\"delay\":\"1\"}", 0, &standard, "delay: not a whole number"},
        {"{\"body\":\"x\",\"delay\":1.5}", 0, &standard, "delay: not a whole number"},
        {"{\"body\":\"x\",\"delay\":-1}", 0, &standard, "delay: -1 s, SQS takes 0 to 900"},
        {"{\"body\":\"x\",\"delay\":901}", 0, &standard, "delay: 901 s, SQS takes 0 to 900"},
        {"{\"body\":\"x\",\"delay\":4294967296}", 0, &standard,
         "delay: 4294967296 s, SQS takes 0 to 900"},
        {"{\"body\":\"x\",\"delay\":99999999999999999999}", 0, &standard,
         "delay: 9223372036854775807 s, SQS takes 0 to 900"},
        {"{\"body\":\"x\",\"delay\":5}", 0, &fifo,
         "delay: 5 s, but messages to a FIFO queue have the queue's delay and none of their own"},

        /* Attributes */
        {"{\"body\":\"x\",\"attributes\":[]}", 0, &fifo, "attributes: not an object"},
        {"{\"body\":\"x\",\"attributes\":{\"0\":\"x\",\"1\":\"x\",\"2\":\"x\",\"3\":\"x\",\"4\":"
         "\"x\",\"5\":\"x\",\"6\":\"x\",\"7\":\"x\",\"8\":\"x\",\"9\":\"x\",\"10\":\"x\"}}",
         0, &fifo, "attributes: 11 of them, SQS takes at most 10"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":1}}", 0, &fifo,
         "attribute a: neither a string nor an object with type and value"},
        {"{\"body\":\"x\",\"attributes\":{\"a\\n\":null}}", 0, &fifo,
         "a\\\\n: a member's name is in double quotes and without escapes"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":{}}}", 0, &fifo, "attribute a: type: missing"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":1,\"value\":\"1\"}}}", 0, &fifo,
         "attribute a: type: not a string"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Number\"}}}", 0, &fifo,
         "attribute a: value: missing"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Number\",\"value\":1}}}", 0, &fifo,
         "attribute a: value: not a string; numbers are written in quotes, as SQS has them"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Binary\",\"value\":1}}}", 0, &fifo,
         "attribute a: value: not a string"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"String\",\"Value\":\"1\"}}}", 0, &fifo,
         "attribute a: " NO_MEMBER("Value") "type and value"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Binary\",\"value\":\"AAE\"}}}", 0,
         &fifo, "attribute a: value: not base64 with its padding and without white space"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Binary.png\",\"value\":\"AA E\"}}}", 0,
         &fifo, "attribute a: value: not base64 with its padding and without white space"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Binary\",\"value\":\"\"}}}", 0, &fifo,
         "attribute 1 (a): the value is empty"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":\"\"}}", 0, &fifo,
         "attribute 1 (a): the value is empty"},
        {"{\"body\":\"x\",\"attributes\":{\"\":\"x\"}}", 0, &fifo,
         "attribute 1 (): a name of 0 characters, SQS takes 1 to 256"},
        {"{\"body\":\"x\",\"attributes\":{\"AWS.x\":\"x\"}}", 0, &fifo,
         "attribute 1 (AWS.x): names that begin with AWS. or Amazon. are SQS's own"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":\"1\",\"b c\":\"2\"}}", 0, &fifo,
         "attribute 2 (b c): character 2 of the name (0x20) is not one that SQS takes (A-Z a-z 0-9 "
         "_ - .)"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"number\",\"value\":\"1\"}}}", 0, &fifo,
         "attribute 1 (a): the data type is not String, Number or Binary, or one of them with a "
         "label as in Number.float"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Number\",\"value\":\"one\"}}}", 0,
         &fifo, "attribute 1 (a): the value is not a number"},
        {"{\"body\":\"x\",\"attributes\":{\"a\":\"\\u0001\"}}", 0, &fifo,
         "attribute 1 (a): character U+0001 at byte 1 is not one that SQS takes (tab, newline, "
         "carriage return, and U+0020 on but U+FFFE and U+FFFF)"},

        /* Body */
        {"{\"body\":\"\"}", 0, &fifo, "body: empty, SQS takes one of 1 character at least"},
        {"{\"body\":\"ab\\u0000\"}", 0, &fifo,
         "body: character U+0000 at byte 3 is not one that SQS takes (tab, newline, carriage "
         "return, and U+0020 on but U+FFFE and U+FFFF)"},
        {"{\"body\":\"\\uffff\"}", 0, &fifo,
         "body: character U+FFFF at byte 1 is not one that SQS takes (tab, newline, carriage "
         "return, and U+0020 on but U+FFFE and U+FFFF)"},
        {"{\"body\":\"" TWELVE("secret") "\"}", 0, &standard,
         "message: 72 bytes with its attributes, the queue takes at most 64"},

        /* Commands */
        {"{\"command\":1}", 0, &fifo, "command: not a string"},
        {"{\"command\":\"stop\"}", 0, &fifo,
         "command: not one that is known; known are rejected, retry and drop"},
        {"{\"command\":\"rejected\",\"body\":\"x\"}", 0, &fifo,
         NO_MEMBER("body") "command and after"},
        {"{\"command\":\"rejected\",\"after\":-1}", 0, &fifo,
         "after: not a whole number from 0 on"},
        {"{\"command\":\"rejected\",\"after\":\"1\"}", 0, &fifo,
         "after: not a whole number from 0 on"},
        {"{\"command\":\"retry\"}", 0, &fifo, "id: missing; \"all\" stands for all"},
        {"{\"command\":\"drop\",\"id\":5}", 0, &fifo, "id: not a string"},
        {"{\"command\":\"drop\",\"ids\":\"all\"}", 0, &fifo, NO_MEMBER("ids") "command and id"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t size = cases[i].size ? cases[i].size : strlen(cases[i].line);
        CLEANUP(free) char *error = door(cases[i].line, size, cases[i].rules);

        if (!error)
            fail_msg("%s: no error", cases[i].line);
        if (streq(cases[i].error, NOT_JSON) ? !strstr(error, NOT_JSON)
                                            : !streq(error, cases[i].error))
            fail_msg("%s:\n  %s, and not\n  %s", cases[i].line, error, cases[i].error);
    }
}

static void a_line_that_is_too_long_is_refused(void **state)
{
    CLEANUP(free) char *line = malloc(SUBMISSION_LINE_MAX_BYTES + 1);
    CLEANUP(free) char *error = NULL;

    memset(line, ' ', SUBMISSION_LINE_MAX_BYTES + 1);
    error = door(line, SUBMISSION_LINE_MAX_BYTES + 1, &fifo);
    assert_string_equal(error, "line: longer than 6356992 bytes");
}

static void the_largest_message_fits_at_its_worst(void **state)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(SUBMISSION_LINE_MAX_BYTES);
    CLEANUP(submission_free) struct submission *submission = NULL;

    buffer_append_string(&line, "{\"body\":\"");
    for (size_t i = 0; i < SQS_MESSAGE_MAX_BYTES; i++)
        buffer_append_string(&line, "\\u000a");
    assert_int_equal(buffer_append_string(&line, "\"}"), 0);
    assert_int_equal(submission_read(line.data, line.size, &submission, NULL), 0);
    assert_int_equal(submission_admit(submission, &fifo, ID, NULL), 0);
    assert_int_equal(submission->message.body_bytes, SQS_MESSAGE_MAX_BYTES);
}

static void commands_are_read_as_they_are_written(void **state)
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

static void a_message_is_read_as_it_is_written(void **state)
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

static void replies_are_read_as_they_are_written(void **state)
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

static void a_page_of_rejected_messages_is_one_line(void **state)
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
        submission_reply_page_add(&b, &(struct submission_rejected){.number = i,
                                                                    .id = ID,
                                                                    .group_id = i % 2 ? "g" : NULL,
                                                                    .bytes = 5,
                                                                    .when_sec = 1700000000,
                                                                    .reason = reason});
    assert_int_equal(submission_reply_page_end(&b, true), 0);
    assert_ptr_equal(memchr(b.data, '\n', b.size), b.data + b.size - 1);
    page = read_reply(buffer_string(&b));
    assert_true(page->has_more);
    assert_int_equal(page->n_messages, 100);
    assert_int_equal(page->messages[99].number, 100);
    assert_string_equal(page->messages[0].group_id, "g");
    assert_null(page->messages[1].group_id);
    assert_int_equal(page->messages[1].when_sec, 1700000000);
    assert_memory_equal(page->messages[1].reason, "\\n\\n\\n", 6);
}

static void what_was_not_stored_after_all_is_revoked(void **state)
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

static void what_is_no_reply_is_damaged(void **state)
{
    static const char *const lines[] = {"",
                                        "{}",
                                        "[]",
                                        "{\"ok\":1}",
                                        "{\"ok\":true}",
                                        "{\"ok\":true,\"id\":7}",
                                        "{\"ok\":false}",
                                        "{\"ok\":false,\"error\":1}",
                                        "{\"ok\":false,\"error\":\"x\",\"temporary\":1}",
                                        "{\"ok\":true,\"count\":1}",
                                        "{\"ok\":true,\"count\":-1,\"more\":true}",
                                        "{\"ok\":true,\"messages\":[1],\"more\":true}",
                                        "{\"ok\":true,\"messages\":[{\"number\":1}],\"more\":true}",
                                        "{\"ok\":true,\"messages\":[null],\"more\":true}"};

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
        cmocka_unit_test(a_full_message_is_read),
        cmocka_unit_test(what_a_message_lacks_is_filled_in),
        cmocka_unit_test(a_standard_queue_takes_groups_and_delays),
        cmocka_unit_test(each_bad_line_gets_its_error),
        cmocka_unit_test(a_line_that_is_too_long_is_refused),
        cmocka_unit_test(the_largest_message_fits_at_its_worst),
        cmocka_unit_test(commands_are_read_as_they_are_written),
        cmocka_unit_test(a_message_is_read_as_it_is_written),
        cmocka_unit_test(replies_are_read_as_they_are_written),
        cmocka_unit_test(a_page_of_rejected_messages_is_one_line),
        cmocka_unit_test(what_was_not_stored_after_all_is_revoked),
        cmocka_unit_test(what_is_no_reply_is_damaged),
    };

    return cmocka_run_group_tests_name("submission", tests, NULL, NULL);
}
