/* SPDX-License-Identifier: MIT */
/* Gets keys that a program prints: credential_process of the shared files. */
#pragma once

#include <systemd/sd-event.h>

#include "aws/credentials-provider.h"

#define CREDENTIALS_PROCESS_TIMEOUT_USEC (60 * USEC_PER_SEC)

/* The profile's credential_process names the program, in either shared file; the credentials file
 * wins. Each fetch runs the program, without a shell (util/shell-words.h, util/child.h), for at
 * most `timeout_usec`. Its output (credentials-json.h) is bounded and never shown. If it fails, the
 * answer contains the first line of its standard error, shortened.
 *
 * `profile`: NULL or "" for AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". The loop is borrowed and
 * must outlive the provider. Freeing the provider kills the program. 0 or -ENOMEM. */
int credentials_process_new(sd_event *event, const char *profile, uint64_t timeout_usec,
                            struct credentials_provider **ret);
