/* SPDX-License-Identifier: MIT */
/* Where a daemon keeps what must outlast it: the folder that systemd makes for the unit
 * (StateDirectory=) and names in $STATE_DIRECTORY. */
#pragma once

#include "util/macro.h"

/* The path of a file in it. 0 with `*ret`, which the caller frees; -ENOMEM; or
 * STATE_DIRECTORY_E_UNSET: the environment names none, or not by an absolute path; *error is one
 * line, which the caller frees. */
enum { STATE_DIRECTORY_E_UNSET = 1 };
int state_directory_path(const char *name, char **ret, char **error);
