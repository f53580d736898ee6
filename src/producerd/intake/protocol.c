/* SPDX-License-Identifier: MIT */
/* Each message gets an id, a UUID. The submitter is told the id, and on a FIFO queue it is the
 * deduplication id of a message that has none. In a series the id is made of that of the series and
 * the number of the message, so that a repeated message has the same id. */
#include "producerd/intake/protocol.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "producerd/intake/submission-reply.h"

enum { ERROR_BYTES = 256 };

static int cannot_store(struct buffer *reply, int error)
{
    char text[ERROR_BYTES];

    snprintf(text, sizeof(text), "cannot store now: %s; try again later",
             message_store_strerror(error));
    return submission_reply_error(reply, text, true);
}

/* Returns true when the message is over the known maximum size of the queue but within SQS's: the
 * queue may have been changed. */
static bool is_size_in_question(const struct protocol *p, const struct submission *submission)
{
    size_t bytes = sqs_message_bytes(&submission->message);

    return p->refresh_size && bytes > p->rules.max_bytes && bytes <= SQS_MESSAGE_MAX_BYTES;
}

static int answer_unknown_size(const struct protocol *p, const struct submission *submission,
                               struct buffer *reply)
{
    char text[ERROR_BYTES];

    snprintf(text, sizeof(text),
             "message: %zu bytes with its attributes, the queue took at most %zu; the daemon stops "
             "and cannot check whether that has changed; try again later",
             sqs_message_bytes(&submission->message), p->rules.max_bytes);
    return submission_reply_error(reply, text, true);
}

static int make_id(struct protocol *p, const struct series *series, char id[UUID_TEXT_SIZE])
{
    if (!series)
        return uuid_make(&p->uuids, id);
    series_message_id(series->stored.id, series->next, id);
    return 0;
}

/* Of the attempts to store a message that may succeed later: nothing that follows in the series may
 * be stored before it. */
static void interrupt(struct series *series)
{
    if (series)
        series->is_interrupted = true;
}

/* Adds a good message to the store. */
static int add(struct protocol *p, const struct submission *submission, struct series *series,
               const char *id, struct buffer *reply)
{
    CLEANUP(free) char *error = NULL;
    int r;

    r = p->store->ops->add(p->store, id, &submission->message, &error);
    p->is_full = r > 0;
    if (r != 0) {
        interrupt(series);
        return r > 0 ? submission_reply_error(reply, error, true) : cannot_store(reply, r);
    }
    p->n_messages++;
    if (series)
        series_add(series);
    return submission_reply_stored(reply, id);
}

static int answer_repeated(struct protocol *p, struct submission *submission,
                           const struct series *series, struct buffer *reply)
{
    CLEANUP(free) char *error = NULL;
    enum series_outcome outcome = series_outcome(series);
    char id[UUID_TEXT_SIZE];
    int r;

    series_message_id(series->stored.id, series->next, id);
    if (outcome == SERIES_STORED)
        return submission_reply_stored(reply, id);
    if (outcome == SERIES_FORGOTTEN)
        return submission_reply_error(
            reply, "too many lines have followed it in the series: its answer is forgotten", true);
    r = submission_validate(submission, &p->rules, id, &error);
    if (r < 0)
        return cannot_store(reply, r);
    return submission_reply_error(
        reply,
        r > 0 ? error : "refused when it came first; the limits have changed: submit it again",
        false);
}

static int answer_message(struct protocol *p, struct submission *submission, struct series *series,
                          struct buffer *reply)
{
    CLEANUP(free) char *error = NULL;
    char id[UUID_TEXT_SIZE];
    int r;

    if (series && series_is_repeated(series))
        return answer_repeated(p, submission, series, reply);
    if (is_size_in_question(p, submission)) {
        if (p->is_stopping) {
            interrupt(series);
            return answer_unknown_size(p, submission, reply);
        }
        if (p->refresh_size(p->userdata))
            return PROTOCOL_E_WAIT;
    }
    r = make_id(p, series, id);
    if (r == 0)
        r = submission_validate(submission, &p->rules, id, &error);
    if (r > 0)
        return submission_reply_error(reply, error, false);
    if (r == 0)
        return add(p, submission, series, id, reply);
    interrupt(series);
    return cannot_store(reply, r);
}

/* ---- Commands ---- */

struct page {
    struct buffer *reply;
    size_t n;
};

static bool add_to_page(void *userdata, const struct rejected_message *message)
{
    struct page *page = userdata;

    page->n++;
    return submission_reply_page_add(page->reply, message) >= 0;
}

static int answer_rejected(struct protocol *p, uint64_t after, struct buffer *reply)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(SUBMISSION_REPLY_MAX_BYTES);
    struct page page = {.reply = &b};
    int r;

    submission_reply_page_begin(&b);
    r = p->store->ops->rejected(p->store, after, add_to_page, &page);
    if (r < 0)
        return cannot_store(reply, r);
    r = submission_reply_page_end(&b, page.n >= STORE_REJECTED_PAGE);
    return r < 0 ? cannot_store(reply, r) : buffer_append(reply, b.data, b.size);
}

static int answer_change(struct protocol *p, const struct submission *submission,
                         struct buffer *reply)
{
    const struct message_store_ops *ops = p->store->ops;
    size_t n = 0;
    int r;

    if (submission->kind == SUBMISSION_RETRY) {
        r = ops->retry(p->store, submission->id, &n);
    } else {
        r = ops->drop(p->store, submission->id, &p->dropped);
        n = p->dropped.n;
    }

    if (r < 0)
        return cannot_store(reply, r);
    if (r == STORE_E_NO_SUCH_ID)
        return submission_reply_error(
            reply, "id: no rejected message has it; --rejected lists them", false);
    if (r == STORE_E_NO_GROUP)
        return submission_reply_error(
            reply,
            "group: each message to a FIFO queue needs one: submit a message that is listed with "
            "the group \"-\" again (--submit --group=GROUP), then drop it",
            false);
    return submission_reply_count(reply, n, r == STORE_E_MORE);
}

static int answer_command(struct protocol *p, const struct submission *submission, bool may_command,
                          struct buffer *reply)
{
    if (!may_command)
        return submission_reply_error(
            reply, "command: only root and the daemon's own user may give commands", false);
    if (submission->kind == SUBMISSION_REJECTED)
        return answer_rejected(p, submission->after, reply);
    return answer_change(p, submission, reply);
}

/* ---- Series ---- */

static int answer_series(struct protocol *p, const struct submission *submission,
                         struct series *series, struct buffer *reply)
{
    struct store_series stored = {};
    int r;

    if (!series)
        return submission_reply_error(reply, "command: there is no series here", false);
    if (!submission->id || !series_is_id(submission->id))
        return submission_reply_error(reply, "id: not a UUID in lower case", false);
    snprintf(stored.id, sizeof(stored.id), "%s", submission->id);
    r = p->store->ops->read_series(p->store, &stored);
    if (r < 0)
        return cannot_store(reply, r);
    series_begin(series, &stored, submission->after);
    return submission_reply_count(reply, stored.number, false);
}

/* `read` is the result of submission_read. */
static int answer_in_series(struct protocol *p, int read, const char *error,
                            struct submission *submission, struct series *series,
                            struct buffer *reply)
{
    if (read > 0)
        return submission_reply_error(reply, error, false);
    if (read < 0) {
        interrupt(series);
        return cannot_store(reply, read);
    }
    if (submission->kind != SUBMISSION_MESSAGE)
        return submission_reply_error(reply, "command: a series has only messages", false);
    if (series->is_interrupted)
        return submission_reply_error(
            reply, "a message before it in the series was not stored; try again later", true);
    return answer_message(p, submission, series, reply);
}

int protocol_answer(struct protocol *p, const char *line, size_t size, bool may_command,
                    struct series *series, struct buffer *reply)
{
    CLEANUP(submission_free) struct submission *submission = NULL;
    CLEANUP(free) char *error = NULL;
    int r = submission_read(line, size, &submission, &error);

    p->dropped.n = 0;
    if (series && series->is_begun) {
        r = answer_in_series(p, r, error, submission, series, reply);
        if (r != PROTOCOL_E_WAIT)
            series->next++;
        return r;
    }
    if (r > 0)
        return submission_reply_error(reply, error, false);
    if (r < 0)
        return cannot_store(reply, r);
    if (submission->kind == SUBMISSION_MESSAGE)
        return answer_message(p, submission, NULL, reply);
    if (submission->kind == SUBMISSION_SERIES)
        return answer_series(p, submission, series, reply);
    return answer_command(p, submission, may_command, reply);
}
