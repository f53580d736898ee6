/* SPDX-License-Identifier: MIT */
/* Certificate authorities made on the spot, and servers' certificates signed by them. */
#pragma once

#include <openssl/ssl.h>

#include "util/macro.h"

struct test_authority;

/* Its certificate stands in a file of its own until it is freed. Fails the test where it cannot. */
struct test_authority *test_authority_new(void);
struct test_authority *test_authority_free(struct test_authority *a);
DEFINE_CLEANUP(struct test_authority *, test_authority_free)

const char *test_authority_path(const struct test_authority *a);

/* For a server: a new certificate for `name` ("IP:127.0.0.1", "DNS:localhost") that is valid from
 * an hour ago until `valid_sec` from now. The caller frees it with SSL_CTX_free. */
SSL_CTX *test_authority_context(struct test_authority *a, const char *name, long valid_sec);

static inline void test_context_free(SSL_CTX *context)
{
    SSL_CTX_free(context);
}
DEFINE_CLEANUP(SSL_CTX *, test_context_free)
