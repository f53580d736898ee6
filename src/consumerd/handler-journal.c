/* See handler.h. */
#include <errno.h>

#include <json-c/json.h>

#include "encode.h"
#include "handler.h"
#include "log.h"
#include "message-ids.h"

enum {
    SHOWN_BYTES_MAX = 1024, /* of a body that is not the demo's, in the log line */
    LINE_BYTES_MAX = 8 * SHOWN_BYTES_MAX,
    DEMO_BODY_BYTES_MAX = 4096,
    DEMO_BODY_DEPTH_MAX = 4,
};

static json_object *parse(const char *body, size_t size)
{
    struct json_tokener *tokener;
    json_object *object = NULL;

    if (size > DEMO_BODY_BYTES_MAX)
        return NULL;
    tokener = json_tokener_new_ex(DEMO_BODY_DEPTH_MAX);
    if (!tokener)
        return NULL;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    object = json_tokener_parse_ex(tokener, body, (int)size);
    if (json_tokener_get_parse_end(tokener) != size) {
        json_object_put(object);
        object = NULL;
    }
    json_tokener_free(tokener);
    return object;
}

/* Appends "<label><member, escaped>"; false where the member is no text. */
static bool append_member(struct buffer *line, const char *label, json_object *object,
                          const char *key)
{
    json_object *member;

    if (!json_object_object_get_ex(object, key, &member) ||
        !json_object_is_type(member, json_type_string))
        return false;
    buffer_append_string(line, label);
    escape_for_log(line, json_object_get_string(member), (size_t)json_object_get_string_len(member),
                   SHOWN_BYTES_MAX);
    return true;
}

/* The three texts of the demo's body; false where it is another body. */
static bool format_demo(const struct sqs_received_message *message, struct buffer *line)
{
    json_object *object = parse(message->body, message->body_bytes);
    bool ok = json_object_is_type(object, json_type_object) &&
              append_member(line, "Data:", object, "data") &&
              append_member(line, " Time Stamp:", object, "ts") &&
              append_member(line, " Id:", object, "id");

    json_object_put(object);
    return ok;
}

/* 0, or the line's error. */
static int write_line(const struct sqs_received_message *message)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(LINE_BYTES_MAX);

    if (!format_demo(message, &line)) {
        buffer_reset(&line);
        escape_for_log(&line, message->body, message->body_bytes, SHOWN_BYTES_MAX);
    }
    if (line.error < 0)
        return line.error;
    log_write(LOG_INFO, MESSAGE_ID_MESSAGE_RECEIVED,
              LOG_FIELDS({"SQS_MESSAGE_ID", message->message_id},
                         {"SQS_MESSAGE_GROUP_ID", message->group_id},
                         {"SQS_MESSAGE_DEDUPLICATION_ID", message->deduplication_id},
                         {"SQS_SEQUENCE_NUMBER", message->sequence_number}),
              "Message read from queue: %s", buffer_string(&line));
    return 0;
}

static int run(struct handler *handler, const struct sqs_received_message *message,
               handler_done_fn done, void *userdata, struct handler_run **ret_run)
{
    int r = log_enabled(LOG_INFO) ? write_line(message) : 0;

    if (r < 0)
        return r;
    done(userdata, HANDLER_DONE, 0);
    return 0;
}

/* Nothing is ever under way. */
static void end(struct handler_run *run, uint64_t grace_usec)
{
}

static void cancel(struct handler_run *run)
{
}

static void journal_free(struct handler *handler)
{
    free(handler);
}

static const struct handler_ops ops = {
    .run = run, .end = end, .cancel = cancel, .free = journal_free};

int handler_journal_new(struct handler **ret)
{
    struct handler *h = calloc(1, sizeof(*h));

    if (!h)
        return -ENOMEM;
    h->ops = &ops;
    *ret = h;
    return 0;
}
