/* SPDX-License-Identifier: MIT */
/* Several providers as one: asked in order, the first that is set up answers. What a role's source
 * profile can be is such a sequence. */
#pragma once

#include "aws/credentials-provider.h"

/* Takes the providers, also on failure. Their names and texts make up the text of a failure, "name:
 * text; name: text". `name` is borrowed. 0, -ENOMEM, or -E2BIG above CREDENTIALS_PROVIDERS_MAX. */
int credentials_sequence_new(const char *name, struct credentials_provider **providers, size_t n,
                             struct credentials_provider **ret);
