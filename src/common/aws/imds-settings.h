/* SPDX-License-Identifier: MIT */
/* The settings of IMDS, from the environment and the profile. imds.h has the list. Other code
 * uses imds.h. */
#pragma once

#include "util/macro.h"

enum {
    IMDS_TIMEOUT_MAX_SEC = 60,
    IMDS_ATTEMPTS_MAX = 10,
};

struct imds_settings {
    char *base_url; /* ends in "/" */
    bool is_v1_disabled;
    uint64_t timeout_usec; /* of one request */
    unsigned attempts;     /* of each request; at least 1 */
};

enum { IMDS_E_DISABLED = 1, IMDS_E_INVALID = 2 };

/* 0, the errno of a passing shortage, or IMDS_E_DISABLED or IMDS_E_INVALID with *error. */
int imds_settings_read(const char *profile, struct imds_settings *ret, char **error);
void imds_settings_done(struct imds_settings *s);

static inline void imds_settings_done_cleanup(struct imds_settings *s)
{
    imds_settings_done(s);
}
