/* SPDX-License-Identifier: MIT */
/* The folder for files that a daemon must keep after it ends. systemd makes it for the unit
 * (StateDirectory=) and names it in $STATE_DIRECTORY. */
#pragma once

#include "util/macro.h"

/* The path of a file in that folder. Returns 0 with *ret, which the caller frees; -ENOMEM; or
 * STATE_DIRECTORY_E_UNSET: the variable is not set or is not an absolute path. *error is then one
 * line, which the caller frees. */
enum { STATE_DIRECTORY_E_UNSET = 1 };
int state_directory_path(const char *name, char **ret, char **error);
