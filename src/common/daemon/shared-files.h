/* SPDX-License-Identifier: MIT */
/* What is unusual about AWS's shared files, for the log of a start. */
#pragma once

/* Logs a warning for each file that holds a secret key and has a mode that lets all users read it,
 * and a line when files in the home directory count as missing because a folder on the way may not
 * be searched. */
void shared_files_check(void);
