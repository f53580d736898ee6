/* SPDX-License-Identifier: MIT */
/* Makes one provider of several. They are asked in order, and the first that is set up answers. If
 * that provider fails, no further one is asked, and its reason is the answer: a typing error must
 * not make the daemon use someone else's keys. The chain (credentials-chain.h) is such a sequence,
 * and so is a role's source profile.
 *
 * The answer is NOT_SET_UP if no provider is set up, and NO_ANSWER_YET if one of them gave
 * NO_ANSWER_YET. But the provider that found keys last is set up: if it gives NO_ANSWER_YET, the
 * answer is UNREACHABLE, and no further one is asked. */
#pragma once

#include "aws/credentials-provider.h"

/* Takes the providers, also on failure. The text of an answer without keys names the provider that
 * failed, "name: text", or all that were asked, "name: text; name: text". `name` is borrowed. 0,
 * -ENOMEM, or -E2BIG above CREDENTIALS_PROVIDERS_MAX. */
int credentials_sequence_new(const char *name, struct credentials_provider **providers, size_t n,
                             struct credentials_provider **ret);
