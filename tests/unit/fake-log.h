/* SPDX-License-Identifier: MIT */
/* Replaces the log and keeps what is written. It defines every function of util/log.c that the
 * daemons use, so that the linker does not take that file. Only one file of a test may include
 * it. */
#pragma once

#include <stdarg.h>
#include <stdio.h>

#include "util/log.h"

enum { FAKE_LINES_MAX = 1024, FAKE_LINE_MAX_BYTES = 512 };

/* Each line with its fields behind it: "text [NAME=value]". */
static char fake_lines[FAKE_LINES_MAX][FAKE_LINE_MAX_BYTES];
static size_t fake_n_lines;

/* Lines that are less important are not kept. */
static int fake_level = LOG_NOTICE;

bool log_enabled(int priority)
{
    return priority <= fake_level;
}

PRINTF_FORMAT(3, 0)
static void fake_keep_line(const struct log_field *fields, size_t n_fields, const char *format,
                           va_list ap)
{
    char *line = fake_lines[fake_n_lines++ % FAKE_LINES_MAX];
    size_t used;

    vsnprintf(line, FAKE_LINE_MAX_BYTES, format, ap);
    for (size_t i = 0; i < n_fields; i++) {
        used = strlen(line);
        if (is_set(fields[i].value))
            snprintf(line + used, FAKE_LINE_MAX_BYTES - used, " [%s=%s]", fields[i].name,
                     fields[i].value);
    }
}

void log_write(int priority, const char *message_id, const struct log_field *fields,
               size_t n_fields, const char *format, ...)
{
    va_list ap;

    if (!log_enabled(priority))
        return;
    va_start(ap, format);
    fake_keep_line(fields, n_fields, format, ap);
    va_end(ap);
}

/* While fake_holds_messages, lines that carry a message are not taken before fake_take_message. */
static bool fake_holds_messages;
static struct log_completion fake_receiver;

int log_write_message(const struct log_completion *completion, struct log_pending **ret_pending,
                      int priority, const char *message_id, const struct log_field *fields,
                      size_t n_fields, const char *format, ...)
{
    va_list ap;

    if (!log_enabled(priority))
        return 0;
    va_start(ap, format);
    fake_keep_line(fields, n_fields, format, ap);
    va_end(ap);
    if (!fake_holds_messages)
        return 0;
    fake_receiver = *completion;
    *ret_pending = (struct log_pending *)&fake_receiver;
    return LOG_PENDING;
}

struct log_pending *log_pending_cancel(struct log_pending *receipt)
{
    if (receipt)
        ((struct log_completion *)receipt)->written = NULL;
    return NULL;
}

/* Whether somebody waited for that. */
static inline bool fake_take_message(int result)
{
    log_written_fn written = fake_receiver.written;

    fake_receiver.written = NULL;
    if (written)
        written(fake_receiver.userdata, result);
    return written != NULL;
}

int log_start_thread(sd_event *event)
{
    return 0;
}

void log_stop_thread(void)
{
}

uint64_t log_count_dropped(void)
{
    return 0;
}

bool log_is_congested(void)
{
    return false;
}

void log_on_resume(log_resumed_fn resumed, void *userdata)
{
}

/* Takes out the first line that holds the text: false where there is none. */
static inline bool fake_forget_line(const char *text)
{
    for (size_t i = 0; i < MIN(fake_n_lines, (size_t)FAKE_LINES_MAX); i++) {
        if (!strstr(fake_lines[i], text))
            continue;
        memmove(fake_lines[i], fake_lines[i + 1], (FAKE_LINES_MAX - i - 1) * sizeof(fake_lines[0]));
        fake_n_lines--;
        return true;
    }
    return false;
}

/* The lines that hold the text. */
static inline size_t fake_count_lines(const char *text)
{
    size_t n = 0;

    for (size_t i = 0; i < MIN(fake_n_lines, (size_t)FAKE_LINES_MAX); i++)
        n += strstr(fake_lines[i], text) != NULL;
    return n;
}
