/* SPDX-License-Identifier: MIT */
/* Writes each message to the journal. A message is handled when the log has taken its line. */
#include "consumerd/handler/journal.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/message-ids.h"
#include "util/encode.h"
#include "util/json-reader.h"
#include "util/log.h"

enum {
    SHOWN_BYTES_MAX = 1024, /* of a body that is not the demo's, in the log line */
    LINE_BYTES_MAX = 8 * SHOWN_BYTES_MAX,
    DEMO_BODY_BYTES_MAX = 4096,
    DEMO_BODY_DEPTH_MAX = 4,
};

/* Appends "<label><member, escaped>". False: the member is no string. */
static bool append_member(struct buffer *line, const char *label, json_object *object,
                          const char *key)
{
    const char *text;
    size_t size;

    if (json_get_bytes(object, key, &text, &size) != 0)
        return false;
    buffer_append_string(line, label);
    escape_for_log(line, text, size, SHOWN_BYTES_MAX);
    return true;
}

/* Appends the three strings of the demo's body. False: it is another body. */
static bool format_demo(const struct sqs_received_message *message, struct buffer *line)
{
    CLEANUP(json_object_put) json_object *object = NULL;
    struct json_fault fault;

    return message->body_bytes <= DEMO_BODY_BYTES_MAX &&
           json_read(message->body, message->body_bytes, DEMO_BODY_DEPTH_MAX, &object, &fault) ==
               0 &&
           append_member(line, "Data:", object, "data") &&
           append_member(line, " Time Stamp:", object, "ts") &&
           append_member(line, " Id:", object, "id");
}

struct journal_handler {
    struct handler head;
    char why_not_reached[128];
};

struct handler_run {
    struct journal_handler *handler;
    handler_done_fn done;
    void *userdata;
    struct log_pending *receipt;
};

/* If the log cannot take the line, the message is not to blame. */
static enum handler_outcome outcome_of(struct journal_handler *h, int result)
{
    if (result == 0)
        return HANDLER_DONE;
    snprintf(h->why_not_reached, sizeof(h->why_not_reached),
             "the log cannot take a message's line: %s", strerror(-result));
    return HANDLER_NOT_REACHED;
}

static void on_taken(void *userdata, int result)
{
    CLEANUP(free) struct handler_run *run = userdata;

    run->done(run->userdata, outcome_of(run->handler, result), HANDLER_DELAY_DEFAULT);
}

/* Returns what log_write_message returns. */
static int write_line(const struct sqs_received_message *message, struct handler_run *run)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(LINE_BYTES_MAX);

    if (!format_demo(message, &line)) {
        buffer_reset(&line);
        escape_for_log(&line, message->body, message->body_bytes, SHOWN_BYTES_MAX);
    }
    if (line.error < 0)
        return line.error;
    return log_write_message(&(struct log_completion){.written = on_taken, .userdata = run},
                             &run->receipt, LOG_INFO, MESSAGE_ID_MESSAGE_RECEIVED,
                             LOG_FIELDS({"SQS_MESSAGE_ID", message->message_id},
                                        {"SQS_MESSAGE_GROUP_ID", message->group_id},
                                        {"SQS_MESSAGE_DEDUPLICATION_ID", message->deduplication_id},
                                        {"SQS_SEQUENCE_NUMBER", message->sequence_number}),
                             "Message read from queue: %s SQS Message Id:%s", buffer_string(&line),
                             message->message_id);
}

static int run_message(struct handler *handler, const struct sqs_received_message *message,
                       handler_done_fn done, void *userdata, struct handler_run **ret_run)
{
    struct journal_handler *h = (struct journal_handler *)(void *)handler;
    CLEANUP(free) struct handler_run *run = NULL;
    int r = 0;

    if (log_enabled(LOG_INFO)) {
        run = calloc(1, sizeof(*run));
        if (!run)
            return -ENOMEM;
        run->handler = h;
        run->done = done;
        run->userdata = userdata;
        r = write_line(message, run);
    }
    if (r == LOG_PENDING)
        *ret_run = TAKE(run);
    else
        done(userdata, outcome_of(h, r), HANDLER_DELAY_DEFAULT);
    return 0;
}

static void abandon(struct handler_run *run)
{
    log_pending_cancel(run->receipt);
    free(run);
}

/* No grace: a log that has not taken the line by now may never take it. */
static void cancel(struct handler_run *run, uint64_t grace_usec)
{
    handler_done_fn done = run->done;
    void *userdata = run->userdata;

    abandon(run);
    done(userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
}

static void journal_free(struct handler *handler)
{
    free(handler);
}

static const char *why_not_reached(const struct handler *handler)
{
    return ((const struct journal_handler *)(const void *)handler)->why_not_reached;
}

static const struct handler_ops ops = {.run = run_message,
                                       .cancel = cancel,
                                       .abandon = abandon,
                                       .free = journal_free,
                                       .why_not_reached = why_not_reached,
                                       .waits_for_log = true};

int handler_journal_new(struct handler **ret)
{
    struct journal_handler *h = calloc(1, sizeof(*h));

    if (!h)
        return -ENOMEM;
    h->head.ops = &ops;
    *ret = &h->head;
    return 0;
}
