/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* Prints on standard error that this machine lacks something (ENOMEM, EAGAIN). `error` is a
 * negative errno. Returns EX_OSERR. */
static inline int submit_shortage(const char *program, int error)
{
    fprintf(stderr, "%s: cannot go on: %s\n", program, strerror(-error));
    return EX_OSERR;
}
