/* SPDX-License-Identifier: MIT */
/* Makes one provider of several. They are asked in order, and the first that is set up answers. A
 * role's source profile is such a sequence. */
#pragma once

#include "aws/credentials-provider.h"

/* Takes the providers, also on failure. The text of a failure lists their names and texts, "name:
 * text; name: text". `name` is borrowed. 0, -ENOMEM, or -E2BIG above CREDENTIALS_PROVIDERS_MAX. */
int credentials_sequence_new(const char *name, struct credentials_provider **providers, size_t n,
                             struct credentials_provider **ret);
