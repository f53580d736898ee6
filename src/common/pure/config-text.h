/* Makes a configuration's text fit for libconfig: an inner part of config.c. */
#pragma once

#include "buffer.h"

enum config_text_fault {
    CONFIG_TEXT_NUL = 1,      /* a NUL byte, at which libconfig would silently stop, or its escape in
                                 a string, \x00, which it would leave out */
    CONFIG_TEXT_INCLUDE,      /* @include, which would open another file */
    CONFIG_TEXT_OPEN_STRING,  /* a string without its closing quote */
    CONFIG_TEXT_OPEN_COMMENT, /* a comment without its closing mark */
};

/* Appends the text, changed where libconfig 1.5 would misread it: a leading byte order mark goes;
 * an integer that does not fit 32 bits gets the suffix without which it is silently cut down, one
 * that does not fit 64 bits becomes the largest that does; a last line that is a comment gets an end.
 * Lines stay where they were.
 * 0, -ENOMEM, -E2BIG, or a config_text_fault with *ret_line the line (from 1) where it begins. */
int config_text_prepare(const char *text, size_t size, struct buffer *out, unsigned *ret_line);
