/* SPDX-License-Identifier: MIT */
/* A warning for each of AWS's shared files that holds a secret key and whose mode lets all users read it. */
#pragma once

void exposed_keys_warn(void);
