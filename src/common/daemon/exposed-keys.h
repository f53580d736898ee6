/* SPDX-License-Identifier: MIT */
/* Logs a warning for each of AWS's shared files that holds a secret key and has a mode that lets
 * all users read it. */
#pragma once

void exposed_keys_warn(void);
