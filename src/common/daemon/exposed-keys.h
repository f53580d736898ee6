/* A warning for each of AWS's shared files that holds a secret key and that all users may read. */
#pragma once

void exposed_keys_warn(void);
