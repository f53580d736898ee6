/* Who sent a request: its SigV4 signature, held against the one that should be there, with the
 * faults in AWS's words (AWS IAM User Guide, "Troubleshoot Signature Version 4 signing"). */
#pragma once

#include "errors.h"
#include "sigv4.h"

enum { AUTH_WINDOW_SEC = 15 * 60 };

/* What is accepted. The strings are borrowed. */
struct auth_keys {
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token; /* NULL: there must be none */
    const char *region;        /* NULL: any */
};

struct auth;

/* 0, -ENOMEM, or -EIO where OpenSSL lacks SHA-256. The keys must outlive it. */
int auth_new(const struct auth_keys *keys, struct auth **ret);
struct auth *auth_free(struct auth *auth);
DEFINE_CLEANUP(struct auth *, auth_free)

/* `request` has all headers as they came, those that are not signed too. 0, a negative errno, or
 * AUTH_E_REFUSED with *fault. */
enum { AUTH_E_REFUSED = 1 };
int auth_check(struct auth *auth, const struct sigv4_request *request, time_t now,
               struct fault *fault);
