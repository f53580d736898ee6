/* Log entries: to the journal with fields under systemd, coloured on a terminal, plain into a pipe.
 * One process, one log: the state is static, as standard error itself is. Nothing here fails: what
 * cannot be logged is dropped. errno is kept. */
#pragma once

#include <syslog.h>

#include "config.h"
#include "macro.h"

enum log_colour { LOG_COLOUR_NONE, LOG_COLOUR_YELLOW, LOG_COLOUR_GREEN };

/* One field of a journal entry beside MESSAGE and PRIORITY. An entry with a NULL or "" value is
 * left out. Values are cut after LOG_FIELD_MAX_BYTES. */
struct log_field {
    const char *name; /* "SQS_MESSAGE_ID"; a string constant */
    const char *value;
};

enum {
    LOG_FIELDS_MAX = 16,            /* of a call, and as many common ones */
    LOG_FIELD_MAX_BYTES = 1024 * 1024, /* the largest body that a message may have */
    LOG_LINE_MAX_BYTES = 8 * 1024,  /* a longer text is cut, with "..." */
};

/* The journal looks up who has sent an entry (its unit, for one) while it reads it, and finds nobody
 * where the process has ended by then: `journalctl -u` would not show why it did. So an end by
 * exit() waits until the last entry is this old. */
#define LOG_SETTLE_MSEC 300

/* `target` AUTO means the journal where standard error is the journal's ($JOURNAL_STREAM,
 * systemd.exec(5)), else standard error; there the terminal gets colours (unless NO_COLOR is set or
 * TERM is "dumb"; errors and worse red, warnings bold in `colour`, the rest in `colour`), anything
 * else plain lines. Entries less important than `level` are dropped. */
void log_open(const char *identifier, enum config_log_target target, int level,
              enum log_colour colour);

/* A field that every later entry bears, SQS_QUEUE_URL for one. The value is copied; NULL removes. */
void log_set_common_field(const char *name, const char *value);

/* Whether an entry of that priority would be written: for work that is done for the log alone. */
bool log_enabled(int priority);

/* `message_id` is a 128-bit id in 32 hex digits (see message-ids.h), or NULL. The text is one line;
 * control characters in it are escaped. */
void log_write(int priority, const char *message_id, const struct log_field *fields,
               size_t n_fields, const char *format, ...) PRINTF_FORMAT(5, 6);

#define LOG_FIELDS(...)                                                                            \
    (const struct log_field[]){__VA_ARGS__},                                                       \
        ARRAY_SIZE(((const struct log_field[]){__VA_ARGS__}))
#define LOG_NO_FIELDS NULL, 0

#define log_error(...) log_write(LOG_ERR, NULL, LOG_NO_FIELDS, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, NULL, LOG_NO_FIELDS, __VA_ARGS__)
#define log_notice(...) log_write(LOG_NOTICE, NULL, LOG_NO_FIELDS, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, NULL, LOG_NO_FIELDS, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, NULL, LOG_NO_FIELDS, __VA_ARGS__)
