/* The message's line is the handling of it: the message is done when the log has taken the line. */
#include <errno.h>

#include "encode.h"
#include "handler.h"
#include "json-reader.h"
#include "log.h"
#include "message-ids.h"

enum {
    SHOWN_BYTES_MAX = 1024, /* of a body that is not the demo's, in the log line */
    LINE_BYTES_MAX = 8 * SHOWN_BYTES_MAX,
    DEMO_BODY_BYTES_MAX = 4096,
    DEMO_BODY_DEPTH_MAX = 4,
};

/* Appends "<label><member, escaped>"; false where the member is no text. */
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

/* The three texts of the demo's body; false where it is another body. */
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

struct handler_run {
    handler_done_fn done;
    void *userdata;
    struct log_receipt *receipt;
};

/* Nobody has the line: the message comes back. */
static void on_taken(void *userdata, int result)
{
    CLEANUP(free) struct handler_run *run = userdata;

    run->done(run->userdata, result < 0 ? HANDLER_RETRY : HANDLER_DONE, HANDLER_DELAY_DEFAULT);
}

/* As log_write_message. */
static int write_line(const struct sqs_received_message *message, struct handler_run *run)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(LINE_BYTES_MAX);

    if (!format_demo(message, &line)) {
        buffer_reset(&line);
        escape_for_log(&line, message->body, message->body_bytes, SHOWN_BYTES_MAX);
    }
    if (line.error < 0)
        return line.error;
    return log_write_message(&(struct log_receiver){on_taken, run}, &run->receipt, LOG_INFO,
                             MESSAGE_ID_MESSAGE_RECEIVED,
                             LOG_FIELDS({"SQS_MESSAGE_ID", message->message_id},
                                        {"SQS_MESSAGE_GROUP_ID", message->group_id},
                                        {"SQS_MESSAGE_DEDUPLICATION_ID", message->deduplication_id},
                                        {"SQS_SEQUENCE_NUMBER", message->sequence_number}),
                             "Message read from queue: %s", buffer_string(&line));
}

static int run_message(struct handler *handler, const struct sqs_received_message *message,
                       handler_done_fn done, void *userdata, struct handler_run **ret_run)
{
    CLEANUP(free) struct handler_run *run = NULL;
    int r = 0;

    if (log_enabled(LOG_INFO)) {
        run = calloc(1, sizeof(*run));
        if (!run)
            return -ENOMEM;
        run->done = done;
        run->userdata = userdata;
        r = write_line(message, run);
    }
    if (r < 0)
        return r;
    if (r == LOG_UNDER_WAY)
        *ret_run = TAKE(run);
    else
        done(userdata, HANDLER_DONE, 0);
    return 0;
}

static void cancel(struct handler_run *run)
{
    log_receipt_cancel(run->receipt);
    free(run);
}

/* A line that is not taken by then may never be. */
static void end(struct handler_run *run, uint64_t grace_usec)
{
    handler_done_fn done = run->done;
    void *userdata = run->userdata;

    cancel(run);
    done(userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
}

static void journal_free(struct handler *handler)
{
    free(handler);
}

static const struct handler_ops ops = {
    .run = run_message, .end = end, .cancel = cancel, .free = journal_free};

int handler_journal_new(struct handler **ret)
{
    struct handler *h = calloc(1, sizeof(*h));

    if (!h)
        return -ENOMEM;
    h->ops = &ops;
    *ret = h;
    return 0;
}
