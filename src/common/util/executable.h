/* SPDX-License-Identifier: MIT */
/* Looks for a program before it is run. So a daemon reports a missing program at its start, and not
 * only with its first message. */
#pragma once

#include "util/macro.h"

/* The path of the program of that name: the name itself if it has a "/", else the first one in PATH
 * that may be run. If PATH is not set, that is /bin and /usr/bin. The program may still become
 * unusable after this check.
 *
 * Returns 0 with *ret; -ENOMEM; or EXECUTABLE_E_UNUSABLE with *error. *error is a text to put after
 * the program's name: "does not exist", ... `error` may be NULL. The caller frees both. */
enum { EXECUTABLE_E_UNUSABLE = 1 };
int executable_find(const char *name, char **ret, char **error);
