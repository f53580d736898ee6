/* In the place of the log: what is written is kept. It holds whatever the cores use of log.c, so
 * that the linker does not take it. To be included by one file of a test. */
#pragma once

#include <stdarg.h>
#include <stdio.h>

#include "log.h"

enum { FAKE_LINES_MAX = 1024, FAKE_LINE_MAX_BYTES = 512 };

/* Each line with its fields behind it: "text [NAME=value]". */
static char fake_lines[FAKE_LINES_MAX][FAKE_LINE_MAX_BYTES];
static size_t fake_n_lines;

bool log_enabled(int priority)
{
    return priority <= LOG_NOTICE;
}

void log_write(int priority, const char *message_id, const struct log_field *fields,
               size_t n_fields, const char *format, ...)
{
    char *line = fake_lines[fake_n_lines % FAKE_LINES_MAX];
    size_t used;
    va_list ap;

    if (!log_enabled(priority))
        return;
    fake_n_lines++;
    va_start(ap, format);
    vsnprintf(line, FAKE_LINE_MAX_BYTES, format, ap);
    va_end(ap);
    for (size_t i = 0; i < n_fields; i++) {
        used = strlen(line);
        if (is_set(fields[i].value))
            snprintf(line + used, FAKE_LINE_MAX_BYTES - used, " [%s=%s]", fields[i].name,
                     fields[i].value);
    }
}

/* The lines that hold the text. */
static inline size_t fake_count_lines(const char *text)
{
    size_t n = 0;

    for (size_t i = 0; i < MIN(fake_n_lines, (size_t)FAKE_LINES_MAX); i++)
        n += strstr(fake_lines[i], text) != NULL;
    return n;
}
