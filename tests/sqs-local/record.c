/* SPDX-License-Identifier: MIT */
/* Lines are collected in a buffer and written by one write(2). So a reader never sees only half of
 * a request's lines, and nothing is lost if the process is killed after that. */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "util/json-string.h"

enum { RECORD_MAX_BYTES = 64 * 1024 * 1024 };

struct record {
    int fd;
    struct buffer lines;
};

int record_open(const char *path, struct record **ret)
{
    CLEANUP(record_free) struct record *record = malloc(sizeof(*record));

    if (!record)
        return -ENOMEM;
    *record = (struct record){.fd = -1, .lines = BUFFER_INIT(RECORD_MAX_BYTES)};
    record->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (record->fd < 0)
        return -errno;
    *ret = TAKE(record);
    return 0;
}

struct record *record_free(struct record *record)
{
    if (!record)
        return NULL;
    if (record->fd >= 0)
        close(record->fd);
    buffer_done(&record->lines);
    free(record);
    return NULL;
}

static void put_bytes(struct buffer *b, const char *name, const char *value, size_t size)
{
    buffer_printf(b, "\"%s\":", name);
    if (value && size > 0)
        json_append_string(b, value, size);
    else
        buffer_append_string(b, "null");
    buffer_append_char(b, ',');
}

static void put(struct buffer *b, const char *name, const char *value)
{
    put_bytes(b, name, value, value ? strlen(value) : 0);
}

static void begin(struct buffer *b, const char *event, const struct queue *queue)
{
    buffer_append_char(b, '{');
    put(b, "event", event);
    put(b, "queue", queue->name);
}

static void end(struct buffer *b, uint64_t now_usec)
{
    buffer_printf(b, "\"time\":%llu.%06llu}\n", (unsigned long long)(now_usec / USEC_PER_SEC),
                  (unsigned long long)(now_usec % USEC_PER_SEC));
}

void record_sent(struct record *record, const struct queue *queue,
                 const struct message_parts *parts, const struct queue_sent *sent,
                 uint64_t now_usec)
{
    struct buffer *b = record ? &record->lines : NULL;

    if (!b)
        return;
    begin(b, "sent", queue);
    put(b, "message_id", sent->message_id);
    put(b, "group", parts->group_id);
    put(b, "deduplication_id", sent->deduplication_id);
    put(b, "sequence_number", sent->sequence_number);
    put_bytes(b, "body", parts->body, parts->body_bytes);
    buffer_printf(b, "\"duplicate\":%s,", sent->is_duplicate ? "true" : "false");
    end(b, now_usec);
}

static void put_message(struct record *record, const char *event, const struct queue *queue,
                        const struct message *message, const char *handle, uint64_t now_usec)
{
    struct buffer *b = &record->lines;

    begin(b, event, queue);
    put(b, "message_id", message->message_id);
    put(b, "group", message->group_id);
    put(b, "deduplication_id", message->deduplication_id);
    put(b, "sequence_number", message->sequence_number);
    put(b, "receipt_handle", handle);
    buffer_printf(b, "\"receive_count\":%u,", message->receive_count);
    if (message->is_copy)
        buffer_append_string(b, "\"copy\":true,");
    end(b, now_usec);
}

void record_received(struct record *record, const struct queue *queue,
                     const struct queue_delivery *delivery, uint64_t now_usec)
{
    if (record)
        put_message(record, "received", queue, delivery->message, delivery->handle, now_usec);
}

void record_deleted(struct record *record, const struct queue *queue, const struct message *message,
                    const char *handle, uint64_t now_usec)
{
    if (record)
        put_message(record, "deleted", queue, message, handle, now_usec);
}

int record_flush(struct record *record)
{
    size_t done = 0;
    int r = record ? record->lines.error : 0;

    while (record && r == 0 && done < record->lines.size) {
        ssize_t n = write(record->fd, record->lines.data + done, record->lines.size - done);

        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            r = -errno;
    }
    if (record)
        buffer_reset(&record->lines);
    return r;
}
