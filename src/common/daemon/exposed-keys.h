/* SPDX-License-Identifier: MIT */
/* Logs a warning for each of AWS's shared files that holds a secret key and that all users may
 * read, by its mode. */
#pragma once

void exposed_keys_warn(void);
