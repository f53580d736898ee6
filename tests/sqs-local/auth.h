/* SPDX-License-Identifier: MIT */
/* Who sent a request: its SigV4 signature, held against the one that should be there, with the
 * faults in AWS's words (AWS IAM User Guide, "Troubleshoot Signature Version 4 signing"). */
#pragma once

#include "aws/sigv4.h"
#include "errors.h"
#include "queue-arn.h"

enum { AUTH_WINDOW_SEC = 15 * 60 };

/* What is accepted. The strings are borrowed, and copied where they are handed over. */
struct auth_keys {
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token; /* NULL: there must be none */
};

struct auth;

/* `region` is what requests must be signed for, NULL for any; it is borrowed. No keys are accepted
 * yet. 0, -ENOMEM, or -EIO where OpenSSL lacks SHA-256. */
int auth_new(const char *region, struct auth **ret);
struct auth *auth_free(struct auth *auth);
DEFINE_CLEANUP(struct auth *, auth_free)

/* From now on accepts these keys, until `until_usec` (USEC_INFINITY: for ever), and those that it
 * accepted before no longer than `former_until_usec`. Keys past their time are refused as expired
 * where they have a session token, and else as unknown. Only the last few replaced are told from
 * ones that never were. 0 or -ENOMEM. */
int auth_set_keys(struct auth *auth, const struct auth_keys *keys, uint64_t until_usec,
                  uint64_t former_until_usec);

/* `request` has all headers as they came, those that are not signed too. `shown_time` is what the
 * server takes for the time; `now_usec` is on the clock of auth_set_keys. ret_region is the region
 * that it is signed for. 0, a negative errno, or AUTH_E_REFUSED with *fault. */
enum { AUTH_E_REFUSED = 1 };
int auth_check(struct auth *auth, const struct sigv4_request *request, time_t shown_time,
               uint64_t now_usec, char ret_region[REGION_SIZE], struct fault *fault);
