/* SPDX-License-Identifier: MIT */
/* The operations on a queue's tags. */
#include "operations.h"

#include <errno.h>

#include "json-writer.h"

#define INVALID_TAG "Value %s for parameter %s is invalid. Reason: %s"

static size_t count_characters(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static int check_tag(struct call *call, const char *member, const char *name, const char *value)
{
    size_t n = count_characters(name);

    if (n < 1 || n > TAG_NAME_MAX_CHARACTERS)
        return call_fail(call, ERROR_INVALID_PARAMETER_VALUE, INVALID_TAG, name, member,
                         "Tag keys must be between 1 and 128 characters in length.");
    if (strncasecmp(name, "aws:", 4) == 0)
        return call_fail(call, ERROR_INVALID_PARAMETER_VALUE, INVALID_TAG, name, member,
                         "Tag keys must not begin with aws:, which AWS has for itself.");
    if (count_characters(value) > TAG_VALUE_MAX_CHARACTERS)
        return call_fail(call, ERROR_INVALID_PARAMETER_VALUE, INVALID_TAG, value, member,
                         "Tag values must be between 0 and 256 characters in length.");
    return 0;
}

int tags_read(struct call *call, const char *member, const struct queue *queue,
              const char *queue_name, struct json_object **ret)
{
    struct json_object *tags;
    size_t n = queue ? tags_count(&queue->tags) : 0;
    int r = parameter_of_type(call, call->input, member, json_type_object, &tags);

    if (r != 0)
        return r;
    if (tags) {
        json_object_object_foreach (tags, name, unused) {
            const char *value = NULL;

            (void)unused;
            r = parameter_text(call, tags, name, &value);
            if (r == 0)
                r = check_tag(call, member, name, value ? value : "");
            if (r != 0)
                return r;
            n += !queue || !tags_have(&queue->tags, name);
        }
    }
    if (n > TAGS_MAX)
        return call_fail(call, ERROR_INVALID_PARAMETER_VALUE, "Too many tags added for queue %s.",
                         queue_name);
    *ret = tags;
    return 0;
}

int tags_apply(struct queue *queue, struct json_object *tags)
{
    int r;

    if (!tags)
        return 0;
    json_object_object_foreach (tags, name, value) {
        r = tags_set(&queue->tags, name, value ? json_object_get_string(value) : "");
        if (r < 0)
            return r;
    }
    return 0;
}

int operation_tag_queue(struct call *call)
{
    struct json_object *tags;
    int r = tags_read(call, "Tags", call->queue, call->queue->name, &tags);

    if (r == 0 && (!tags || json_object_object_length(tags) == 0))
        r = call_fail(call, ERROR_MISSING_PARAMETER,
                      "The request must contain the parameter Tags.");
    if (r == 0)
        r = call_permit(call);
    return r == 0 ? tags_apply(call->queue, tags) : r;
}

int operation_untag_queue(struct call *call)
{
    struct json_object *names;
    int r = parameter_of_type(call, call->input, "TagKeys", json_type_array, &names);

    if (r == 0 && (!names || json_object_array_length(names) == 0))
        r = call_fail(call, ERROR_MISSING_PARAMETER,
                      "The request must contain the parameter TagKeys.");
    for (size_t i = 0; r == 0 && i < json_object_array_length(names); i++)
        if (!json_object_is_type(json_object_array_get_idx(names, i), json_type_string))
            r = call_fail(call, ERROR_SERIALIZATION, "TagKeys: a key is no string");
    if (r == 0)
        r = call_permit(call);
    for (size_t i = 0; r == 0 && i < json_object_array_length(names); i++)
        tags_remove(&call->queue->tags,
                    json_object_get_string(json_object_array_get_idx(names, i)));
    return r;
}

int operation_list_queue_tags(struct call *call)
{
    struct buffer *b = &call->output;
    int r = call_permit(call);

    if (r != 0)
        return r;
    buffer_append_char(b, '{');
    if (!list_is_empty(&call->queue->tags)) {
        json_name(b, "Tags");
        buffer_append_char(b, '{');
        LIST_FOREACH(&call->queue->tags, member)
        {
            const struct tag *tag = CONTAINER_OF(member, struct tag, of_queue);

            json_next(b);
            json_append_string(b, tag->name, strlen(tag->name));
            buffer_append_char(b, ':');
            json_append_string(b, tag->value, strlen(tag->value));
        }
        buffer_append_char(b, '}');
    }
    buffer_append_char(b, '}');
    return 0;
}
