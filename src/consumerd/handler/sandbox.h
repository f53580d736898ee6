/* SPDX-License-Identifier: MIT */
/* What the unit's sandbox hides from the service, as sqs-consumerd.service ships. */
#pragma once

#include "daemon/config.h"

/* The unit's setting by which a path is not what it is outside, "ProtectHome", "PrivateTmp"; NULL:
 * none. Links are followed where this process may. */
const char *sandbox_setting_for(const char *path);

/* Whether this process is run by systemd as a service (systemd.exec(5)), so most likely in there.
 */
bool sandbox_is_likely(void);

/* "; in the unit's sandbox that is hidden (ProtectHome=): ...", with the drop-in to write; "" where
 * the path is not hidden. */
void sandbox_append_advice(struct buffer *b, const char *path);

/* For --check-config by root, who sees more than the service: a warning where the service will not
 * find the handler's program or its socket. */
void sandbox_warn(const struct config *config);
