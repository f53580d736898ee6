/* SPDX-License-Identifier: MIT */
/* Authentication: compares a request's SigV4 signature with the one that it should have. Errors
 * have AWS's wording (AWS IAM User Guide, "Troubleshoot Signature Version 4 signing"). */
#pragma once

#include "aws/sigv4.h"
#include "errors.h"
#include "queue-arn.h"

enum { AUTH_WINDOW_SEC = 15 * 60 };

/* Accepted credentials. The strings are borrowed; auth_set_keys copies them. */
struct auth_keys {
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token; /* NULL: requests must have none */
};

struct auth;

/* `region` is the region that requests must be signed for; NULL: any. It is borrowed. At first no
 * keys are accepted. Returns 0, -ENOMEM, or -EIO if OpenSSL lacks SHA-256. */
int auth_new(const char *region, struct auth **ret);
struct auth *auth_free(struct auth *auth);
DEFINE_CLEANUP(struct auth *, auth_free)

/* Accepts these keys from now until `until_usec` (USEC_INFINITY: for ever). Keys that were accepted
 * before remain valid until `former_until_usec` at most. Expired keys are refused as expired if
 * they have a session token, else as unknown. Only the last few replaced keys are remembered; older
 * ones count as unknown. Returns 0 or -ENOMEM. */
int auth_set_keys(struct auth *auth, const struct auth_keys *keys, uint64_t until_usec,
                  uint64_t former_until_usec);

/* Checks a request. `request` has all headers as they were received, also those that are not
 * signed. `shown_time` is the server's time for the signature; `now_usec` is on the clock of
 * auth_set_keys. *ret_region is the region that the request is signed for. Returns 0, a negative
 * errno, or AUTH_E_REFUSED with *fault. */
enum { AUTH_E_REFUSED = 1 };
int auth_check(struct auth *auth, const struct sigv4_request *request, time_t shown_time,
               uint64_t now_usec, char ret_region[REGION_SIZE], struct fault *fault);
