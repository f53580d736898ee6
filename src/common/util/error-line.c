/* SPDX-License-Identifier: MIT */
#include "util/error-line.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int error_line(int condition, char **error, const char *format, ...)
{
    va_list arguments;
    char *line;
    int n;

    if (!error)
        return condition;
    va_start(arguments, format);
    n = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (n < 0)
        return -ENOMEM;
    *error = line;
    return condition;
}

int error_line_take(int condition, char **error, struct buffer *line)
{
    char *text;

    if (line->error < 0)
        return line->error;
    if (!error)
        return condition;
    text = buffer_take(line);
    if (!text)
        return -ENOMEM;
    *error = text;
    return condition;
}
