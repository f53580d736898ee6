/* SPDX-License-Identifier: MIT */
/* Paths that the sandbox of sqs-consumerd.service, as shipped, hides from the service. */
#pragma once

#include "util/buffer.h"

/* The unit's setting that hides a path: "ProtectHome" or "PrivateTmp"; NULL: none does. Follows
 * symbolic links that this process may read. */
const char *sandbox_setting_for(const char *path);

/* Whether this process runs as a systemd service (INVOCATION_ID, systemd.exec(5)), and so most
 * likely in the sandbox. */
bool sandbox_is_likely(void);

/* If the path is hidden, appends "; the unit's sandbox hides that folder (ProtectHome=yes): ...",
 * with the drop-in to write for the unit of the `instance` (NULL: the plain unit). */
void sandbox_append_advice(struct buffer *b, const char *instance, const char *path);

/* For --check-config by root, who sees more than the service does: warns if the sandbox hides the
 * path. `setting` is the name of the setting in the group "consumer" that has the path. */
void sandbox_warn(const char *instance, const char *setting, const char *path);
