/* SPDX-License-Identifier: MIT */
/* A submission keeps the JSON tree of its line, and its message points into the tree, so a body is
 * not copied. Only binary values, which are decoded from base64, have memory of their own.
 *
 * An unknown member is an error: a misspelt "delay" without effect would be noticed late. Two
 * members of one name are an error, too: two readers of the line could see different messages.
 * Nothing is corrected: a message is stored as it was submitted, or it is refused. */
#include "producerd/intake/submission.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "util/encode.h"
#include "util/error-line.h"
#include "util/json-string.h"
#include "util/json-tree.h"

enum {
    DEPTH_MAX = 4, /* a message has three levels of objects, with values in the innermost */
    SHOWN_NAME_MAX_BYTES = 80,
    FIELD_MAX_BYTES = 512, /* an escaped name with the text around it */
};

struct owner {
    struct submission submission; /* first member: a pointer to it is one to the owner */
    struct json_tree *tree;
    const struct json_value *root;
    struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX];
    struct buffer binary[SQS_ATTRIBUTES_MAX]; /* the values of the binary attributes */
};

#define invalid(error, ...) error_line(SUBMISSION_E_INVALID, error, __VA_ARGS__)

/* ---- Members ---- */

static bool has_same_name(const struct json_value *a, const struct json_value *b)
{
    return a->name_bytes == b->name_bytes && memcmp(a->name, b->name, a->name_bytes) == 0;
}

static bool is_named(const struct json_value *member, const char *name)
{
    return member->name_bytes == strlen(name) && memcmp(member->name, name, strlen(name)) == 0;
}

static void append_name(struct buffer *b, const struct json_value *member)
{
    escape_for_log(b, member->name, member->name_bytes, SHOWN_NAME_MAX_BYTES);
}

static int unknown_member(const char *where, const struct json_value *member, const char *allowed,
                          char **error)
{
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(FIELD_MAX_BYTES);

    append_name(&shown, member);
    return invalid(error, "%s%s: an unknown member; known are %s", where, buffer_string(&shown),
                   allowed);
}

/* Checks that the object has only members of the NULL-terminated list, and each once. */
static int check_members(const struct json_value *object, const char *where,
                         const char *const *known, const char *allowed, char **error)
{
    const struct json_value *member = json_value_first(object);
    unsigned found = 0; /* bit k: known[k] */

    for (uint32_t i = 0; i < object->n; i++, member = json_value_next(member)) {
        size_t k = 0;

        while (known[k] && !is_named(member, known[k]))
            k++;
        if (!known[k])
            return unknown_member(where, member, allowed, error);
        if (found & 1U << k)
            return invalid(error, "%s%s: there are two members of this name", where, known[k]);
        found |= 1U << k;
    }
    return 0;
}

/* Reads a string without NULs; *ret is unchanged when there is none. */
static int read_text(const struct json_value *object, const char *where, const char *name,
                     const char **ret, char **error)
{
    const char *text;
    size_t size;
    int r = json_value_get_bytes(object, name, &text, &size);

    if (r == JSON_VALUE_E_ABSENT)
        return 0;
    if (r == JSON_VALUE_E_KIND)
        return invalid(error, "%s%s: not a string", where, name);
    if (memchr(text, '\0', size))
        return invalid(error, "%s%s: holds a NUL character", where, name);
    *ret = text;
    return 0;
}

/* ---- Attributes ---- */

static bool is_binary_type(const char *data_type)
{
    return strncmp(data_type, "Binary", 6) == 0 && (data_type[6] == '\0' || data_type[6] == '.');
}

static int read_value(const struct json_value *object, const char *where,
                      struct sqs_attribute *attribute, struct buffer *binary, char **error)
{
    int r = json_value_get_bytes(object, "value", &attribute->value, &attribute->value_bytes);

    if (r == JSON_VALUE_E_ABSENT)
        return invalid(error, "%svalue: missing", where);
    if (r == JSON_VALUE_E_KIND)
        return invalid(error, "%svalue: not a string%s", where,
                       attribute->is_binary ? ""
                                            : "; numbers are written in quotes, as SQS has them");
    if (!attribute->is_binary)
        return 0;
    *binary = BUFFER_INIT(SUBMISSION_LINE_MAX_BYTES);
    r = base64_decode(binary, attribute->value, attribute->value_bytes);
    if (r == -EINVAL)
        return invalid(error, "%svalue: not base64 with its padding and without white space",
                       where);
    if (r < 0)
        return r;
    attribute->value = buffer_string(binary);
    attribute->value_bytes = binary->size;
    return 0;
}

/* {"type": ..., "value": ...} */
static int read_typed(const struct json_value *object, const char *where,
                      struct sqs_attribute *attribute, struct buffer *binary, char **error)
{
    static const char *const known[] = {"type", "value", NULL};
    int r = check_members(object, where, known, "type and value", error);

    if (r == 0)
        r = read_text(object, where, "type", &attribute->data_type, error);
    if (r != 0)
        return r;
    if (!attribute->data_type)
        return invalid(error, "%stype: missing", where);
    attribute->is_binary = is_binary_type(attribute->data_type);
    return read_value(object, where, attribute, binary, error);
}

/* Returns what is wrong with the member of "attributes", or NULL. */
static const char *find_fault(const struct json_value *attributes, const struct json_value *member)
{
    const struct json_value *other = json_value_first(attributes);

    if (memchr(member->name, '\0', member->name_bytes))
        return "the name holds a NUL character";
    for (; other != member; other = json_value_next(other))
        if (has_same_name(other, member))
            return "there are two members of this name";
    return member->kind == JSON_STRING || member->kind == JSON_OBJECT
               ? NULL
               : "neither a string nor an object with type and value";
}

static int read_attribute(const struct json_value *attributes, const struct json_value *member,
                          struct sqs_attribute *attribute, struct buffer *binary, char **error)
{
    CLEANUP(buffer_done) struct buffer where = BUFFER_INIT(FIELD_MAX_BYTES);
    const char *fault = find_fault(attributes, member);

    *attribute = (struct sqs_attribute){.name = member->name};
    if (!fault && member->kind == JSON_STRING) {
        attribute->data_type = "String";
        attribute->value = member->text;
        attribute->value_bytes = member->n;
        return 0;
    }
    buffer_append_string(&where, "attribute ");
    append_name(&where, member);
    if (buffer_append_string(&where, ": ") < 0)
        return where.error;
    if (fault)
        return invalid(error, "%s%s", buffer_string(&where), fault);
    return read_typed(member, buffer_string(&where), attribute, binary, error);
}

static int read_attributes(struct owner *o, char **error)
{
    struct sqs_message *message = &o->submission.message;
    const struct json_value *object, *member;
    int r = json_value_get(o->root, "attributes", JSON_OBJECT, &object);

    if (r == JSON_VALUE_E_ABSENT)
        return 0;
    if (r == JSON_VALUE_E_KIND)
        return invalid(error, "attributes: not an object");
    if (object->n > SQS_ATTRIBUTES_MAX)
        return invalid(error, "attributes: %" PRIu32 " of them, SQS takes at most %d", object->n,
                       SQS_ATTRIBUTES_MAX);
    member = json_value_first(object);
    for (uint32_t i = 0; i < object->n; i++, member = json_value_next(member)) {
        r = read_attribute(object, member, &o->attributes[i], &o->binary[i], error);
        if (r != 0)
            return r;
        message->n_attributes++;
    }
    message->attributes = o->attributes;
    return 0;
}

/* ---- The message ---- */

static int read_body(struct owner *o, char **error)
{
    struct sqs_message *message = &o->submission.message;
    int r = json_value_get_bytes(o->root, "body", &message->body, &message->body_bytes);

    if (r == JSON_VALUE_E_ABSENT)
        return invalid(error, "body: missing");
    if (r == JSON_VALUE_E_KIND)
        return invalid(error, "body: not a string");
    return 0;
}

static int read_delay(struct owner *o, char **error)
{
    int64_t delay;
    int r = json_value_get_integer(o->root, "delay", &delay);

    o->submission.message.delay_sec = -1;
    if (r == JSON_VALUE_E_ABSENT)
        return 0;
    if (r == JSON_VALUE_E_KIND)
        return invalid(error, "delay: not a whole number");
    if (delay < 0 || delay > SQS_DELAY_MAX_SEC)
        return invalid(error, "delay: %" PRId64 " s, SQS takes 0 to %d", delay, SQS_DELAY_MAX_SEC);
    o->submission.message.delay_sec = (int)delay;
    return 0;
}

static int read_message(struct owner *o, char **error)
{
    static const char *const known[] = {"body",  "group",      "deduplication_id",
                                        "delay", "attributes", NULL};
    struct sqs_message *message = &o->submission.message;
    int r = check_members(o->root, "", known, "body, group, deduplication_id, delay and attributes",
                          error);

    if (r == 0)
        r = read_body(o, error);
    if (r == 0)
        r = read_text(o->root, "", "group", &message->group_id, error);
    if (r == 0)
        r = read_text(o->root, "", "deduplication_id", &message->deduplication_id, error);
    if (r == 0)
        r = read_delay(o, error);
    if (r == 0)
        r = read_attributes(o, error);
    return r;
}

/* ---- Commands ---- */

static const char *const command_names[] = {
    [SUBMISSION_REJECTED] = "rejected",
    [SUBMISSION_RETRY] = "retry",
    [SUBMISSION_DROP] = "drop",
    [SUBMISSION_SERIES] = "series",
};

static int read_after(struct owner *o, char **error)
{
    int64_t after;
    int r = json_value_get_integer(o->root, "after", &after);

    if (r == JSON_VALUE_E_ABSENT)
        return 0;
    if (r == JSON_VALUE_E_KIND || after < 0)
        return invalid(error, "after: not a whole number from 0 on");
    o->submission.after = (uint64_t)after;
    return 0;
}

static int read_command_id(struct owner *o, char **error)
{
    const char *id = NULL;
    int r = read_text(o->root, "", "id", &id, error);

    if (r != 0)
        return r;
    if (!id)
        return invalid(error, "id: missing; \"all\" stands for all");
    o->submission.id = streq(id, "all") ? NULL : id;
    return 0;
}

static int read_command(struct owner *o, char **error)
{
    static const char *const with_after[] = {"command", "after", NULL};
    static const char *const with_id[] = {"command", "id", NULL};
    static const char *const with_both[] = {"command", "id", "after", NULL};
    const char *name = "";
    int kind = SUBMISSION_REJECTED, r = read_text(o->root, "", "command", &name, error);

    if (r != 0)
        return r;
    while (kind <= SUBMISSION_SERIES && !streq(command_names[kind], name))
        kind++;
    if (kind > SUBMISSION_SERIES)
        return invalid(error, "command: unknown; known are rejected, retry, drop and series");
    o->submission.kind = (enum submission_kind)kind;
    if (kind == SUBMISSION_REJECTED) {
        r = check_members(o->root, "", with_after, "command and after", error);
        return r == 0 ? read_after(o, error) : r;
    }
    if (kind == SUBMISSION_SERIES) {
        r = check_members(o->root, "", with_both, "command, id and after", error);
        if (r == 0)
            r = read_after(o, error);
        return r == 0 ? read_command_id(o, error) : r;
    }
    r = check_members(o->root, "", with_id, "command and id", error);
    return r == 0 ? read_command_id(o, error) : r;
}

/* ---- The line ---- */

int submission_read(const char *line, size_t size, struct submission **ret, char **error)
{
    CLEANUP(submission_free) struct submission *submission = NULL;
    struct owner *o = calloc(1, sizeof(*o));
    const struct json_value *command;
    struct json_fault fault;
    int r;

    if (!o)
        return -ENOMEM;
    submission = &o->submission;
    if (size > SUBMISSION_LINE_MAX_BYTES)
        return invalid(error, "line: longer than %d bytes", SUBMISSION_LINE_MAX_BYTES);
    r = json_tree_read(line, size, DEPTH_MAX, JSON_LONE_SURROGATES_REFUSED, &o->tree, &fault);
    if (r > 0)
        return invalid(error, "line: %s", fault.text);
    if (r < 0)
        return r;
    o->root = json_tree_root(o->tree);
    r = json_value_get(o->root, "command", JSON_STRING, &command) == JSON_VALUE_E_ABSENT
            ? read_message(o, error)
            : read_command(o, error);
    if (r != 0)
        return r;
    *ret = TAKE(submission);
    return 0;
}

struct submission *submission_free(struct submission *submission)
{
    struct owner *o = (struct owner *)submission;

    if (!o)
        return NULL;
    for (size_t i = 0; i < SQS_ATTRIBUTES_MAX; i++)
        buffer_done(&o->binary[i]);
    json_tree_free(o->tree);
    free(o);
    return NULL;
}

int submission_validate(struct submission *submission, const struct submission_rules *rules,
                        const char *id, char **error)
{
    struct sqs_message *message = &submission->message;
    int r;

    assert(submission->kind == SUBMISSION_MESSAGE);
    if (rules->is_fifo && !message->group_id)
        message->group_id = rules->group_id;
    if (rules->is_fifo && !message->deduplication_id)
        message->deduplication_id = id;
    r = sqs_message_check(message, rules->is_fifo, rules->max_bytes, error);
    return r > 0 ? SUBMISSION_E_INVALID : r;
}

/* ---- Writing ---- */

static void append_text(struct buffer *b, const char *text)
{
    json_append_string(b, text, strlen(text));
}

static int append_value(struct buffer *b, const struct sqs_attribute *attribute)
{
    int r;

    if (!attribute->is_binary)
        return json_append_string(b, attribute->value, attribute->value_bytes);
    buffer_append_char(b, '"');
    r = base64_encode(b, attribute->value, attribute->value_bytes);
    return r < 0 ? r : buffer_append_char(b, '"');
}

static void append_attributes(struct buffer *b, const struct sqs_message *message)
{
    for (size_t i = 0; i < message->n_attributes; i++) {
        const struct sqs_attribute *attribute = &message->attributes[i];

        buffer_append_string(b, i == 0 ? ", \"attributes\": {" : ", ");
        append_text(b, attribute->name);
        buffer_append_string(b, ": {\"type\": ");
        append_text(b, attribute->data_type);
        buffer_append_string(b, ", \"value\": ");
        append_value(b, attribute);
        buffer_append_char(b, '}');
    }
    if (message->n_attributes > 0)
        buffer_append_char(b, '}');
}

int submission_write(struct buffer *b, const struct sqs_message *message)
{
    buffer_append_string(b, "{\"body\": ");
    json_append_string(b, message->body, message->body_bytes);
    if (message->group_id) {
        buffer_append_string(b, ", \"group\": ");
        append_text(b, message->group_id);
    }
    if (message->deduplication_id) {
        buffer_append_string(b, ", \"deduplication_id\": ");
        append_text(b, message->deduplication_id);
    }
    if (message->delay_sec >= 0)
        buffer_printf(b, ", \"delay\": %d", message->delay_sec);
    append_attributes(b, message);
    return buffer_append_string(b, "}\n");
}

int submission_write_command(struct buffer *b, enum submission_kind kind, uint64_t after,
                             const char *id)
{
    assert(kind > SUBMISSION_MESSAGE && kind <= SUBMISSION_SERIES);
    buffer_printf(b, "{\"command\": \"%s\"", command_names[kind]);
    if (kind == SUBMISSION_REJECTED || kind == SUBMISSION_SERIES)
        buffer_printf(b, ", \"after\": %" PRIu64, after);
    if (kind != SUBMISSION_REJECTED) {
        buffer_append_string(b, ", \"id\": ");
        append_text(b, id ? id : "all");
    }
    return buffer_append_string(b, "}\n");
}
