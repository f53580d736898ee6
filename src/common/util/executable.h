/* SPDX-License-Identifier: MIT */
/* Finding a program before it is run, so that a daemon's start says what its first message
 * otherwise would. */
#pragma once

#include "util/macro.h"

/* The path of the program of that name: the name itself if it has a "/", else the first in PATH
 * (where that is not set: /bin, /usr/bin) that may be run. What a program is run for it may lose
 * afterwards: this is a check, not a promise.
 *
 * 0 with *ret; -ENOMEM; or EXECUTABLE_E_UNUSABLE with *error what is wrong, to follow the program's
 * name: "does not exist", ... (`error` may be NULL). The caller frees both. */
enum { EXECUTABLE_E_UNUSABLE = 1 };
int executable_find(const char *name, char **ret, char **error);
