/* SPDX-License-Identifier: MIT */
/* Log entries: to the journal with fields under systemd, coloured on a terminal, plain into a pipe.
 * A process has one log, so the state is static. No function here changes errno.
 *
 * Between log_start_thread and log_stop_thread a separate thread writes. So no function here
 * waits, even if the journal or the reader of standard error takes nothing for a long time. The
 * waiting lines use at most LOG_QUEUE_MAX_BYTES of memory. When it is full, less important lines
 * are dropped in favour of more important ones. When the log takes lines again, the number of
 * dropped lines is logged. Lines that carry a message (log_write_message) are never dropped. At
 * other times each line is written at once. All functions must be called from the loop's thread. */
#pragma once

#include <syslog.h>

#include <systemd/sd-event.h>

#include "util/log-target.h"
#include "util/macro.h"

enum log_colour { LOG_COLOUR_NONE, LOG_COLOUR_YELLOW, LOG_COLOUR_GREEN };

/* One field of a journal entry beside MESSAGE and PRIORITY. A field whose value is NULL or "" is
 * left out. Values are cut after LOG_FIELD_MAX_BYTES. */
struct log_field {
    const char *name; /* "SQS_MESSAGE_ID"; a string constant */
    const char *value;
};

enum {
    LOG_FIELDS_MAX = 16,               /* in one call, and as many common fields */
    LOG_FIELD_MAX_BYTES = 1024 * 1024, /* the largest body that a message may have */
    LOG_LINE_MAX_BYTES = 8 * 1024,     /* a longer text is cut, with "..." */
};

/* The journal looks up the sender of an entry (its unit, for one) when it reads the entry. If the
 * process has ended by then, it finds nothing, and `journalctl -u` would not show why the process
 * ended. So exit() waits until the last entry is this old. */
#define LOG_EXIT_DELAY_MSEC 300

/* How long log_stop_thread waits while no line is written; five times as long in all. */
#define LOG_FLUSH_MAX_USEC USEC_PER_SEC

enum { LOG_QUEUE_MAX_BYTES = 1024 * 1024 };

/* `target` LOG_TARGET_AUTO means the journal if standard error is connected to the journal
 * ($JOURNAL_STREAM, systemd.exec(5)), else standard error. If standard error is a terminal, lines
 * are coloured, unless NO_COLOR is set or TERM is "dumb": errors and worse in red, warnings in bold
 * `colour`, all others in `colour`. Otherwise lines are plain. Entries less important than `level`
 * are not written. Where there is no journal, lines go to standard error. */
void log_open(const char *identifier, enum log_target target, int level, enum log_colour colour);

/* Changes the level of log_open, for later entries. */
void log_set_level(int level);

/* LOG_FORMAT_JSON: later entries on standard error are JSON objects, one in each line, with the
 * fields that the journal gets and __REALTIME_TIMESTAMP, in microseconds since the epoch. All
 * values are strings, as `journalctl -o json` writes them. It has no effect on the journal. */
void log_set_format(enum log_format format);

/* Sets a field that every later entry gets, for example SQS_QUEUE_URL. The value is copied. NULL
 * removes the field. */
void log_set_common_field(const char *name, const char *value);

/* Whether an entry of that priority would be written. A caller can then save work that only the log
 * needs. */
bool log_enabled(int priority);

/* `message_id` is a 128-bit id in 32 hex digits (see daemon/message-ids.h), or NULL. The text is
 * one line; control characters in it are escaped. */
void log_write(int priority, const char *message_id, const struct log_field *fields,
               size_t n_fields, const char *format, ...) PRINTF_FORMAT(5, 6);

struct log_pending; /* a line that carries a message and is not written yet */

/* Called on the event loop when the line was written (`result` 0) or could not be written (a
 * negative errno). Called once for each pending line that is not cancelled; the log_pending is
 * invalid afterwards. */
typedef void (*log_written_fn)(void *userdata, int result);

struct log_completion {
    log_written_fn written;
    void *userdata;
    bool needs_fields; /* the text lacks a part of the message, and a field has it */
};

enum { LOG_PENDING = 1 };

/* Like log_write, but for a line that holds the only copy of a message. Such a line is never
 * dropped, and the caller learns when it was written. If it needs its fields, it is a JSON object
 * on standard error, whatever the format is. Returns 0: it was written, or lines of that priority
 * are not written at all; LOG_PENDING: `completion` will be called, and *ret_pending is set;
 * -ENOMEM, or the errno of the write. */
int log_write_message(const struct log_completion *completion, struct log_pending **ret_pending,
                      int priority, const char *message_id, const struct log_field *fields,
                      size_t n_fields, const char *format, ...) PRINTF_FORMAT(7, 8);

/* Cancels the callback; the line is written nevertheless. NULL is allowed. Returns NULL. */
struct log_pending *log_pending_cancel(struct log_pending *receipt);

/* Starts the thread that writes. Returns 0, -ENOMEM, or the errno of the thread or the loop. */
int log_start_thread(sd_event *event);

/* Waits until all lines are written (LOG_FLUSH_MAX_USEC), and ends the thread. If the thread is
 * blocked in a write, it is left behind, and later lines are dropped. exit() calls this. */
void log_stop_thread(void);

/* How many lines were dropped since the thread was started. */
uint64_t log_count_dropped(void);

/* Whether so many lines wait that callers should produce fewer, until `resumed` is called. */
bool log_is_congested(void);
typedef void (*log_resumed_fn)(void *userdata);
void log_on_resume(log_resumed_fn resumed, void *userdata); /* NULL: nobody */

#define LOG_FIELDS(...)                                                                            \
    (const struct log_field[]){__VA_ARGS__}, ARRAY_SIZE(((const struct log_field[]){__VA_ARGS__}))
#define LOG_NO_FIELDS NULL, 0

#define log_error(...) log_write(LOG_ERR, NULL, LOG_NO_FIELDS, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, NULL, LOG_NO_FIELDS, __VA_ARGS__)
#define log_notice(...) log_write(LOG_NOTICE, NULL, LOG_NO_FIELDS, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, NULL, LOG_NO_FIELDS, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, NULL, LOG_NO_FIELDS, __VA_ARGS__)
