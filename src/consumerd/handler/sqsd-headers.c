/* SPDX-License-Identifier: MIT */
/* The lines are written one after the other, each with a NUL at its end. The pointers to them are
 * set after the last line is written, because the text moves as it grows.
 *
 * Anyone who may send to the queue can choose the values. A value with a character that could end a
 * header or begin another is left out. */
#include "consumerd/handler/sqsd-headers.h"

#include <stdio.h>
#include <time.h>

#include "util/ascii.h"

#define ATTRIBUTE_PREFIX "X-Aws-Sqsd-Attr-"

enum {
    ATTRIBUTE_NAME_MAX_BYTES = 256,
    TIME_SIZE = sizeof("2018-07-08T13:08:26Z") + 8, /* and for years with more digits */
};

struct maker {
    struct sqsd_headers *headers;
    size_t n;
};

/* RFC 9110, section 5.5: visible characters, bytes above ASCII, spaces and tabs. */
static bool is_field_value(const char *value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
            return false;
    return true;
}

/* Amazon SQS Developer Guide, "Message attribute components". A header's name may have all these
 * characters. */
static bool is_attribute_name(const char *name)
{
    return is_ascii_name(name, 1, ATTRIBUTE_NAME_MAX_BYTES, "_-.");
}

static bool is_without_value(const char *value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (value[i] != ' ' && value[i] != '\t')
            return false;
    return true;
}

/* False: no header can carry the value. If there is no memory, the error stays in `text`. */
static bool add(struct maker *m, const char *prefix, const char *name, const char *value,
                size_t size)
{
    struct buffer *text = &m->headers->text;
    /* "Name:" would tell libcurl to leave the header out, "Name;" is a header without a value. */
    bool is_empty = is_without_value(value, size);
    size_t line_bytes = strlen(prefix) + strlen(name) + 2 + size + 1;

    if (m->n == SQSD_HEADERS_MAX || !is_field_value(value, size) ||
        line_bytes > text->max - text->size)
        return false;
    buffer_append_string(text, prefix);
    buffer_append_string(text, name);
    buffer_append_string(text, is_empty ? ";" : ": ");
    if (!is_empty)
        buffer_append(text, value, size);
    buffer_append_char(text, '\0');
    m->n++;
    return true;
}

static void add_string(struct maker *m, const char *name, const char *value)
{
    if (value)
        add(m, "", name, value, strlen(value));
}

static void add_time(struct maker *m, const char *name, uint64_t msec)
{
    time_t sec = (time_t)(msec / 1000);
    char text[TIME_SIZE];
    struct tm tm;

    if (msec > 0 && gmtime_r(&sec, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
        add_string(m, name, text);
}

static void add_attribute(struct maker *m, const struct sqs_attribute *a)
{
    struct sqsd_headers *headers = m->headers;

    if (a->is_binary ||
        (is_attribute_name(a->name) && add(m, ATTRIBUTE_PREFIX, a->name, a->value, a->value_bytes)))
        return;
    if (headers->n_left_out++ == 0)
        headers->left_out = a->name;
}

static void point_to_lines(struct maker *m)
{
    const char *line = m->headers->text.data;

    for (size_t i = 0; i < m->n; i++) {
        size_t size = strlen(line);

        m->headers->lines[i] = line;
        m->headers->bytes += size + 2;
        m->headers->largest_bytes = MAX(m->headers->largest_bytes, size + 2);
        line += size + 1;
    }
    m->headers->lines[m->n] = NULL;
}

int sqsd_headers_make(const struct sqsd_fixed *fixed, const struct sqs_received_message *message,
                      struct sqsd_headers *ret)
{
    struct maker m = {.headers = ret};
    char count[16];

    ret->text.max = SQSD_HEADERS_MAX_BYTES;
    buffer_reset(&ret->text);
    ret->n_left_out = 0;
    ret->left_out = NULL;
    ret->bytes = ret->largest_bytes = 0;

    add_string(&m, "Content-Type", fixed->content_type);
    add_string(&m, "X-Aws-Sqsd-Msgid", message->message_id);
    add_string(&m, "X-Aws-Sqsd-Queue", fixed->queue_name);
    add_time(&m, "X-Aws-Sqsd-First-Received-At", message->first_received_msec);
    if (message->receive_count > 0) {
        snprintf(count, sizeof(count), "%u", message->receive_count);
        add_string(&m, "X-Aws-Sqsd-Receive-Count", count);
    }
    add_string(&m, "X-Aws-Sqsd-Sender-Id", message->sender_id);
    add_time(&m, "X-Aws-Sqsd-Sent-At", message->sent_msec);
    add_string(&m, "X-Aws-Sqsd-Path", fixed->path);
    for (size_t i = 0; i < message->n_attributes; i++)
        add_attribute(&m, &message->attributes[i]);
    if (ret->text.error < 0)
        return ret->text.error;
    point_to_lines(&m);
    return 0;
}

void sqsd_headers_done(struct sqsd_headers *headers)
{
    buffer_done(&headers->text);
    *headers = (struct sqsd_headers){};
}
