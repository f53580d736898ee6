/* SPDX-License-Identifier: MIT */
/* Keys that a program prints: credential_process of the shared files. */
#pragma once

#include <systemd/sd-event.h>

#include "aws/credentials-provider.h"

#define CREDENTIALS_PROCESS_TIMEOUT_USEC (60 * USEC_PER_SEC)

/* The program that the profile's credential_process names, in either shared file, the credentials
 * file winning. It is run at each fetch, without a shell (util/shell-words.h, util/child.h), for
 * at most `timeout_usec`; its output (credentials-json.h) is bounded and never shown; of its
 * standard error the first line is, shortened, where it failed.
 *
 * `profile`: NULL or "" for AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". The loop is borrowed and
 * must outlive the provider. Freeing the provider kills the program. 0 or -ENOMEM. */
int credentials_process_new(sd_event *event, const char *profile, uint64_t timeout_usec,
                            struct credentials_provider **ret);
