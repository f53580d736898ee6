/* SPDX-License-Identifier: MIT */
#include "util/log-entry.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The journal's CODE_FILE and CODE_LINE would always name this file. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "util/clock.h"
#include "util/encode.h"
#include "util/json-string.h"

/* A byte takes up to six in JSON. */
enum { ENTRY_MAX_BYTES = LOG_ENTRY_FIELDS_MAX * (6 * LOG_FIELD_MAX_BYTES + 128) };

static const char message_label[] = "MESSAGE=";

static _Atomic uint64_t last_journal_usec;

struct log_entry *log_entry_new(int priority, bool to_journal)
{
    struct log_entry *entry = calloc(1, sizeof(*entry));

    if (!entry)
        return NULL;
    entry->priority = priority;
    entry->to_journal = to_journal;
    entry->bytes = BUFFER_INIT(ENTRY_MAX_BYTES);
    return entry;
}

struct log_entry *log_entry_free(struct log_entry *entry)
{
    if (!entry)
        return NULL;
    buffer_done(&entry->bytes);
    free(entry);
    return NULL;
}

void log_entry_set_line(struct log_entry *entry, const char *before, const char *line,
                        const char *after)
{
    buffer_append_string(&entry->bytes, before);
    buffer_append_string(&entry->bytes, line);
    buffer_append_string(&entry->bytes, after);
    buffer_append_char(&entry->bytes, '\n');
}

/* The size of a value. One that is too long is cut, but not inside a character. */
static size_t value_size(const char *value)
{
    size_t size = strlen(value);

    if (size <= LOG_FIELD_MAX_BYTES)
        return size;
    size = LOG_FIELD_MAX_BYTES;
    for (int i = 0; i < 3 && ((unsigned char)value[size] & 0xC0) == 0x80; i++)
        size--;
    return size;
}

/* ---- JSON ---- */

/* \uXXXX, and two of them for a character above U+FFFF. */
static void append_escape(struct buffer *b, uint32_t c)
{
    if (c > 0xFFFF) {
        buffer_printf(b, "\\u%04x", (unsigned)(0xD800 + ((c - 0x10000) >> 10)));
        c = 0xDC00 + ((c - 0x10000) & 0x3FF);
    }
    buffer_printf(b, "\\u%04x", (unsigned)c);
}

/* Unlike json_append_string, this takes all bytes and leaves nothing that a terminal would obey. */
static void append_json_string(struct buffer *b, const char *text, size_t size)
{
    buffer_append_char(b, '"');
    for (size_t i = 0, n, plain; i < size; i += plain + n) {
        uint32_t c = 0;

        for (plain = 0, n = 0; i + plain < size; plain += n) {
            n = utf8_decode(text + i + plain, size - i - plain, &c);
            if (n == 0 || !is_safe_in_line(c) || !json_is_plain(text[i + plain]))
                break;
        }
        buffer_append(b, text + i, plain);
        if (i + plain == size)
            break;
        if (n == 0)
            buffer_append_string(b, "\xef\xbf\xbd");
        else
            append_escape(b, c);
        n = MAX(n, (size_t)1);
    }
    buffer_append_char(b, '"');
}

static void append_json_field(struct buffer *b, const char *name, size_t name_bytes,
                              const char *value, size_t value_bytes)
{
    buffer_append_char(b, b->size == 0 ? '{' : ',');
    append_json_string(b, name, name_bytes);
    buffer_append_char(b, ':');
    append_json_string(b, value, value_bytes);
}

/* ---- Fields ---- */

void log_entry_add_field(struct log_entry *entry, const char *name, const char *value)
{
    if (!is_set(value) || entry->n_fields == LOG_ENTRY_FIELDS_MAX)
        return;
    if (entry->is_json) {
        append_json_field(&entry->bytes, name, strlen(name), value, value_size(value));
        entry->n_fields++;
        return;
    }
    entry->begin[entry->n_fields++] = entry->bytes.size;
    buffer_append_string(&entry->bytes, name);
    buffer_append_char(&entry->bytes, '=');
    buffer_append(&entry->bytes, value, value_size(value));
    entry->begin[entry->n_fields] = entry->bytes.size;
}

void log_entry_end_fields(struct log_entry *entry)
{
    if (entry->is_json)
        buffer_append_string(&entry->bytes, entry->n_fields > 0 ? "}\n" : "{}\n");
}

size_t log_entry_bytes(const struct log_entry *entry)
{
    return sizeof(*entry) + entry->bytes.allocated;
}

static void note_journal_entry(void)
{
    atomic_store(&last_journal_usec, clock_boot_usec());
}

uint64_t log_entry_journal_usec(void)
{
    return atomic_load(&last_journal_usec);
}

static int write_to_journal(const struct log_entry *entry)
{
    struct iovec iov[LOG_ENTRY_FIELDS_MAX];
    int r;

    for (size_t i = 0; i < entry->n_fields; i++)
        iov[i] = (struct iovec){entry->bytes.data + entry->begin[i],
                                entry->begin[i + 1] - entry->begin[i]};
    r = sd_journal_sendv(iov, (int)entry->n_fields);
    if (r >= 0)
        note_journal_entry();
    return MIN(r, 0);
}

static int write_to_stderr(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = TEMP_FAILURE_RETRY(write(STDERR_FILENO, bytes, size));

        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Writes all fields of an entry that the journal has refused. */
static int write_fields_to_stderr(const struct log_entry *entry)
{
    CLEANUP(buffer_done) struct buffer object = BUFFER_INIT(ENTRY_MAX_BYTES);

    for (size_t i = 0; i < entry->n_fields; i++) {
        const char *name = entry->bytes.data + entry->begin[i];
        size_t bytes = entry->begin[i + 1] - entry->begin[i];
        size_t name_bytes = (size_t)((const char *)memchr(name, '=', bytes) - name);

        append_json_field(&object, name, name_bytes, name + name_bytes + 1, bytes - name_bytes - 1);
    }
    buffer_append_string(&object, "}\n");
    return object.error < 0 ? object.error : write_to_stderr(object.data, object.size);
}

/* Writes an entry that the journal has refused, without colours. */
static int write_message_to_stderr(const struct log_entry *entry)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(LOG_LINE_MAX_BYTES + 64);
    size_t label = sizeof(message_label) - 1;

    if (entry->n_fields == 0 || strncmp(entry->bytes.data, message_label, label) != 0)
        return 0; /* the entry has no text */
    buffer_append(&line, entry->bytes.data + label, entry->begin[1] - label);
    buffer_append_char(&line, '\n');
    return line.error < 0 ? line.error : write_to_stderr(line.data, line.size);
}

int log_entry_write(const struct log_entry *entry)
{
    if (!entry->to_journal)
        return write_to_stderr(entry->bytes.data, entry->bytes.size);
    if (write_to_journal(entry) >= 0)
        return 0;
    return entry->needs_fields ? write_fields_to_stderr(entry) : write_message_to_stderr(entry);
}
