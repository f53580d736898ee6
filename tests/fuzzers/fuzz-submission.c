/* SPDX-License-Identifier: MIT */
/* A line at the producer's socket. What is let in is written and read again as the same; the reply
 * to what is not is one line that can be read. A first character "r" makes it a line of a reply. */
#include "producerd/intake/submission.h"

#include "fuzz.h"
#include "producerd/intake/submission-reply.h"

#define ID "0b5e2a51-5f0e-4a86-9a4f-3f6c0a7e1a11"

enum { BUFFER_MAX_BYTES = 16 * 1024 * 1024 };

static void check_same_text(const char *a, const char *b)
{
    assert(!a == !b && (!a || streq(a, b)));
}

static void check_same(const struct sqs_message *a, const struct sqs_message *b)
{
    assert(a->body_bytes == b->body_bytes && memcmp(a->body, b->body, a->body_bytes) == 0);
    check_same_text(a->group_id, b->group_id);
    check_same_text(a->deduplication_id, b->deduplication_id);
    assert(a->delay_sec == b->delay_sec && a->n_attributes == b->n_attributes);
    for (size_t i = 0; i < a->n_attributes; i++) {
        const struct sqs_attribute *x = &a->attributes[i], *y = &b->attributes[i];

        assert(streq(x->name, y->name) && streq(x->data_type, y->data_type));
        assert(x->is_binary == y->is_binary && x->value_bytes == y->value_bytes);
        assert(memcmp(x->value, y->value, x->value_bytes) == 0);
    }
}

/* What was admitted is written as a line that is the same message. */
static void check_written(const struct submission *submission, const struct submission_rules *rules)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(BUFFER_MAX_BYTES);
    CLEANUP(submission_free) struct submission *again = NULL;

    assert(submission_write(&line, &submission->message) == 0);
    assert(memchr(line.data, '\n', line.size) == line.data + line.size - 1);
    assert(submission_read(line.data, line.size, &again, NULL) == 0);
    assert(submission_validate(again, rules, "other", NULL) == 0);
    check_same(&submission->message, &again->message);
}

static void check_error(const char *error)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(BUFFER_MAX_BYTES);
    CLEANUP(submission_reply_free) struct submission_reply *reply = NULL;

    fuzz_check_line(error);
    assert(submission_reply_error(&line, error, false) == 0);
    assert(submission_reply_read(line.data, line.size - 1, &reply) == 0);
    assert(!reply->is_ok && streq(reply->error, error));
}

static void read_line(const char *data, size_t size)
{
    for (int i = 0; i < 2; i++) {
        struct submission_rules rules = {i == 0, 4096, i == 0 ? "test" : NULL};
        CLEANUP(submission_free) struct submission *submission = NULL;
        CLEANUP(free) char *error = NULL;
        int r = submission_read(data, size, &submission, &error);

        if (r == 0 && submission->kind == SUBMISSION_MESSAGE)
            r = submission_validate(submission, &rules, ID, &error);
        assert(r == 0 ? !error : r == SUBMISSION_E_INVALID && error);
        if (error)
            check_error(error);
        else if (submission->kind == SUBMISSION_MESSAGE)
            check_written(submission, &rules);
    }
}

static void read_reply(const char *data, size_t size)
{
    CLEANUP(submission_reply_free) struct submission_reply *reply = NULL;
    int r = submission_reply_read(data, size, &reply);

    assert((r == 0) == (reply != NULL) && (r == 0 || r == SUBMISSION_REPLY_E_DAMAGED));
    if (reply)
        assert(reply->is_ok ? !reply->error : reply->error != NULL);
}

FUZZ
{
    if (size > 0 && data[0] == 'r')
        read_reply(data + 1, size - 1);
    else
        read_line(data, size);
}
