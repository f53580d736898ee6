/* SPDX-License-Identifier: MIT */
/* Gets keys from a container's endpoint: ECS task roles, EKS Pod Identity, and their emulators. */
#pragma once

#include "aws/credentials-provider.h"
#include "http/client.h"

enum {
    CREDENTIALS_CONTAINER_ATTEMPTS = 3,
    CREDENTIALS_CONTAINER_TOKEN_MAX_BYTES = 16 * 1024,
};

#define CREDENTIALS_CONTAINER_TIMEOUT_USEC (2 * USEC_PER_SEC) /* of one attempt */
#define CREDENTIALS_CONTAINER_PAUSE_USEC USEC_PER_SEC         /* between attempts */

/* The URL comes from AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI
 * (metadata-url.h says which hosts are allowed). The Authorization header is the content of the
 * file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names, or else the value of
 * AWS_CONTAINER_AUTHORIZATION_TOKEN, unchanged. Each fetch reads the variables and the file anew.
 * No proxy is used. `timeout_usec` is that of an attempt; it grows (see http/client.h). The loop
 * and the client are borrowed and must outlive the provider. 0 or -ENOMEM. */
int credentials_container_new(sd_event *event, struct http_client *http, uint64_t timeout_usec,
                              struct credentials_provider **ret);
