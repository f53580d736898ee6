/* SPDX-License-Identifier: MIT */
/* AWS Signature Version 4 for HTTP headers, in the stages that AWS's documentation names: canonical
 * request, string to sign, signature. Each stage is a function of its own, so that a failing test
 * names its stage. The time is a parameter. The code follows "Create a signed AWS API request" of
 * the AWS IAM User Guide, and passes AWS's published test suite.
 *
 * Not supported: presigned URLs, S3's rules, chunked signing, asymmetric signing. */
#pragma once

#include <time.h>

#include "util/buffer.h"

struct sigv4_header {
    const char *name; /* any case */
    const char *value;
};

struct sigv4_request {
    const char *method; /* "POST" */
    const char *path;   /* as it is sent, without the query; "" counts as "/" */
    const char *query;  /* as it is sent, without "?"; NULL or "": none; at most 128 parameters */
    const struct sigv4_header *headers; /* to sign; must include host and x-amz-date */
    size_t n_headers;                   /* at most SIGV4_HEADERS_MAX */
    const void *body;
    size_t body_bytes;
    bool keep_path; /* keep "." and ".." segments and double slashes in the path */
};

struct sigv4_credentials {
    const char *access_key_id;
    const char *secret_access_key;
};

struct sigv4_scope {
    const char *region;  /* "eu-west-1" */
    const char *service; /* "sqs" */
    time_t time;         /* seconds since the epoch; must be the time in x-amz-date */
};

enum {
    SIGV4_HEADERS_MAX = 64,
    SIGV4_KEY_BYTES = 32,       /* the derived key: an HMAC-SHA256 */
    SIGV4_SIGNATURE_SIZE = 65,  /* lower-case hex and NUL */
    SIGV4_DIGEST_HEX_SIZE = 65, /* a SHA-256, in lower-case hex and NUL */
};

/* Stage 1. Appends the canonical request to `canonical` and the list of signed header names
 * ("host;x-amz-date") to `signed_headers`. It leaves out the headers that proxies change (AWS has
 * a list): connection, expect, keep-alive, proxy-authenticate, proxy-authorization, te, trailer,
 * transfer-encoding, upgrade, user-agent, x-amzn-trace-id.
 * 0, -EINVAL (no method, no host header, too many headers, a path that does not begin with "/", an
 * invalid header name), -ENOMEM, -E2BIG (a buffer is full, too many query parameters), or -EIO if
 * OpenSSL fails. After -EINVAL nothing was appended. */
int sigv4_canonical_request(const struct sigv4_request *request, struct buffer *canonical,
                            struct buffer *signed_headers);

/* Stage 2. Appends the string to sign. Same errors; -EINVAL means: no region, no service, or a time
 * before 1970 or after 9999. */
int sigv4_string_to_sign(const struct sigv4_scope *scope, const char *canonical,
                         size_t canonical_bytes, struct buffer *string_to_sign);

/* Derives the signing key of a day: it is valid for one secret, day, region and service. Same
 * errors; -EINVAL also if there is no secret, -E2BIG if the secret is above 4 KiB. The caller wipes
 * the key. */
int sigv4_derive_key(const char *secret_access_key, const struct sigv4_scope *scope,
                     uint8_t ret_key[SIGV4_KEY_BYTES]);

/* Stage 3. Makes the signature of a string to sign. Same errors. */
int sigv4_signature(const uint8_t key[SIGV4_KEY_BYTES], const char *string_to_sign,
                    size_t string_to_sign_bytes, char ret[SIGV4_SIGNATURE_SIZE]);

/* Runs all stages. It fetches OpenSSL's algorithms once. It caches one derived key, for one secret,
 * day, region and service; the key is wiped when it is replaced or freed. */
struct sigv4_signer;

/* Returns 0, -ENOMEM, or -EIO if OpenSSL lacks SHA-256. */
int sigv4_signer_new(struct sigv4_signer **ret);
struct sigv4_signer *sigv4_signer_free(struct sigv4_signer *signer);
DEFINE_CLEANUP(struct sigv4_signer *, sigv4_signer_free)

/* Appends the value of the Authorization header. request->headers must include x-amz-date, and
 * x-amz-security-token if there is a session token. Errors as above; -EINVAL also if there is no
 * access key id, or if x-amz-date is missing or is not scope->time. On failure nothing was
 * appended. */
int sigv4_authorize(struct sigv4_signer *signer, const struct sigv4_request *request,
                    const struct sigv4_credentials *credentials, const struct sigv4_scope *scope,
                    struct buffer *authorization);
