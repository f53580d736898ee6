/* SPDX-License-Identifier: MIT */
/* Looks into a spool that this process does not use. */
#pragma once

#include "util/macro.h"

/* Counts the messages that wait in the file, without a change to the file or its folder. Returns 0;
 * SPOOL_PEEK_E_UNKNOWN when changes are in the log beside it, because a process has it open or was
 * killed; or a negative errno, -ENOENT when there is no spool. */
enum { SPOOL_PEEK_E_UNKNOWN = 1 };
int spool_peek_waiting(const char *path, uint64_t *ret);
