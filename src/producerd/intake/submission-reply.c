/* SPDX-License-Identifier: MIT */
/* Each reply is written straight into the buffer. The first bytes of a reply tell its kind;
 * submission_replies_revoke relies on that. */
#include "producerd/intake/submission-reply.h"

#include <errno.h>
#include <inttypes.h>

#include "util/encode.h"
#include "util/json-string.h"
#include "util/json-tree.h"

#define OK_PREFIX "{\"ok\": true"
#define STORED_PREFIX OK_PREFIX ", \"id\": "
#define ERROR_PREFIX "{\"ok\": false, \"error\": "

enum {
    DEPTH_MAX = 5,
    ERROR_MAX_BYTES = 16 * 1024, /* a longer text is cut */
};

/* Appends text that we did not write: cut to size, and escaped if it is not UTF-8. */
static void append_foreign(struct buffer *b, const char *text, size_t max_bytes)
{
    CLEANUP(buffer_done) struct buffer escaped = BUFFER_INIT(8 * max_bytes);
    size_t size = strlen(text);

    if (size > max_bytes || !utf8_is_valid(text, size)) {
        if (escape_for_log(&escaped, text, size, max_bytes) < 0)
            b->error = b->error < 0 ? b->error : escaped.error;
        text = buffer_string(&escaped);
        size = escaped.size;
    }
    json_append_string(b, text, size);
}

int submission_reply_stored(struct buffer *b, const char *id)
{
    buffer_append_string(b, STORED_PREFIX);
    append_foreign(b, id, SUBMISSION_REASON_MAX_BYTES);
    return buffer_append_string(b, "}\n");
}

int submission_reply_error(struct buffer *b, const char *error, bool is_temporary)
{
    buffer_append_string(b, ERROR_PREFIX);
    append_foreign(b, error, ERROR_MAX_BYTES);
    return buffer_append_string(b, is_temporary ? ", \"temporary\": true}\n" : "}\n");
}

int submission_reply_count(struct buffer *b, size_t count, bool has_more)
{
    return buffer_printf(b, OK_PREFIX ", \"count\": %zu, \"more\": %s}\n", count,
                         has_more ? "true" : "false");
}

int submission_reply_page_begin(struct buffer *b)
{
    return buffer_append_string(b, OK_PREFIX ", \"messages\": [");
}

int submission_reply_page_add(struct buffer *b, const struct rejected_message *message)
{
    if (b->error == 0 && b->data[b->size - 1] != '[')
        buffer_append_string(b, ", ");
    buffer_printf(b, "{\"number\": %" PRIu64 ", \"id\": ", message->number);
    append_foreign(b, message->id, SUBMISSION_REASON_MAX_BYTES);
    if (message->group_id) {
        buffer_append_string(b, ", \"group\": ");
        append_foreign(b, message->group_id, SUBMISSION_REASON_MAX_BYTES);
    }
    buffer_printf(b, ", \"bytes\": %zu, \"rejected\": %" PRIu64 ", \"reason\": ", message->bytes,
                  message->rejected_usec / USEC_PER_SEC);
    append_foreign(b, message->reason, SUBMISSION_REASON_MAX_BYTES);
    return buffer_append_char(b, '}');
}

int submission_reply_page_end(struct buffer *b, bool has_more)
{
    return buffer_printf(b, "], \"more\": %s}\n", has_more ? "true" : "false");
}

int submission_replies_revoke(struct buffer *b, const char *error)
{
    CLEANUP(buffer_done) struct buffer revoked = BUFFER_INIT(b->max);
    const char *line = buffer_string(b), *end = line + b->size;

    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *next = newline ? newline + 1 : end;

        if (strncmp(line, STORED_PREFIX, strlen(STORED_PREFIX)) == 0)
            submission_reply_error(&revoked, error, true);
        else
            buffer_append(&revoked, line, (size_t)(next - line));
        line = next;
    }
    if (revoked.error < 0)
        return revoked.error;
    buffer_done(b);
    *b = revoked;
    revoked = BUFFER_INIT(0);
    return 0;
}

/* ---- Reading ---- */

struct owner {
    struct submission_reply reply; /* first member: a pointer to it is one to the owner */
    struct json_tree *tree;
};

static bool read_number(const struct json_value *object, const char *name, uint64_t *ret)
{
    int64_t number;

    if (json_value_get_integer(object, name, &number) != 0 || number < 0)
        return false;
    *ret = (uint64_t)number;
    return true;
}

static bool read_rejected(const struct json_value *object, struct rejected_message *ret)
{
    uint64_t bytes, rejected_sec;

    if (object->kind != JSON_OBJECT || !read_number(object, "number", &ret->number) ||
        !read_number(object, "bytes", &bytes) || !read_number(object, "rejected", &rejected_sec) ||
        rejected_sec > UINT64_MAX / USEC_PER_SEC ||
        json_value_get_string(object, "id", &ret->id) != 0 ||
        json_value_get_string(object, "reason", &ret->reason) != 0 ||
        json_value_get_string(object, "group", &ret->group_id) == JSON_VALUE_E_KIND)
        return false;
    ret->bytes = (size_t)bytes;
    ret->rejected_usec = rejected_sec * USEC_PER_SEC;
    return true;
}

static int read_page(struct submission_reply *reply, const struct json_value *array)
{
    const struct json_value *member = json_value_first(array);

    reply->messages = calloc(MAX(array->n, 1U), sizeof(struct rejected_message));
    if (!reply->messages)
        return -ENOMEM;
    for (; reply->n_messages < array->n; member = json_value_next(member))
        if (!read_rejected(member, &reply->messages[reply->n_messages++]))
            return SUBMISSION_REPLY_E_DAMAGED;
    return 0;
}

static int read_good(struct submission_reply *reply, const struct json_value *root)
{
    const struct json_value *array;
    uint64_t count;

    if (json_value_get_string(root, "id", &reply->id) == 0)
        return 0;
    if (json_value_get_bool(root, "more", &reply->has_more) != 0)
        return SUBMISSION_REPLY_E_DAMAGED;
    if (json_value_get(root, "messages", JSON_ARRAY, &array) == 0)
        return read_page(reply, array);
    if (!read_number(root, "count", &count))
        return SUBMISSION_REPLY_E_DAMAGED;
    reply->count = (size_t)count;
    return 0;
}

static int read_bad(struct submission_reply *reply, const struct json_value *root)
{
    if (json_value_get_string(root, "error", &reply->error) != 0 ||
        json_value_get_bool(root, "temporary", &reply->is_temporary) == JSON_VALUE_E_KIND)
        return SUBMISSION_REPLY_E_DAMAGED;
    return 0;
}

int submission_reply_read(const char *line, size_t size, struct submission_reply **ret)
{
    CLEANUP(submission_reply_free) struct submission_reply *reply = NULL;
    struct owner *o = calloc(1, sizeof(*o));
    const struct json_value *root;
    struct json_fault fault;
    int r;

    if (!o)
        return -ENOMEM;
    reply = &o->reply;
    r = json_tree_read(line, size, DEPTH_MAX, JSON_LONE_SURROGATES_REFUSED, &o->tree, &fault);
    if (r != 0)
        return r < 0 ? r : SUBMISSION_REPLY_E_DAMAGED;
    root = json_tree_root(o->tree);
    if (json_value_get_bool(root, "ok", &reply->is_ok) != 0)
        return SUBMISSION_REPLY_E_DAMAGED;
    r = reply->is_ok ? read_good(reply, root) : read_bad(reply, root);
    if (r != 0)
        return r;
    *ret = TAKE(reply);
    return 0;
}

struct submission_reply *submission_reply_free(struct submission_reply *reply)
{
    struct owner *o = (struct owner *)reply;

    if (!o)
        return NULL;
    free(o->reply.messages);
    json_tree_free(o->tree);
    free(o);
    return NULL;
}
