/* SPDX-License-Identifier: MIT */
/* What the commands of `--submit` and `--rejected` say when this machine runs short of something.
 * They are short-lived programs, so they end; the daemon would wait and try again. */
#pragma once

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* Prints a line on standard error; `error` is a negative errno (-ENOMEM, -EAGAIN). Returns
 * EX_OSERR. */
static inline int submit_shortage(const char *program, int error)
{
    fprintf(stderr, "%s: cannot go on: %s\n", program, strerror(-error));
    return EX_OSERR;
}
