/* SPDX-License-Identifier: MIT */
/* AWS Signature Version 4 for HTTP headers, in the stages that AWS's documentation names: canonical
 * request, string to sign, signature. Each stage is a function of its own, so that a failing test
 * names its stage. The time is a parameter. Follows "Create a signed AWS API request" of the AWS
 * IAM User Guide, and AWS's published test suite in all points.
 *
 * Not here: presigned URLs, S3's rules, chunked and asymmetric signing. */
#pragma once

#include <time.h>

#include "util/buffer.h"

struct sigv4_header {
    const char *name; /* any case */
    const char *value;
};

struct sigv4_request {
    const char *method; /* "POST" */
    const char *path;   /* as on the wire, without the query; "" counts as "/" */
    const char *query;  /* as on the wire, without "?"; NULL or "": none; at most 128 parameters */
    const struct sigv4_header *headers; /* those to sign: host must be among them, x-amz-date too */
    size_t n_headers;                   /* at most SIGV4_HEADERS_MAX */
    const void *body;
    size_t body_bytes;
    bool keep_path; /* do not remove "." and ".." segments and doubled slashes */
};

struct sigv4_credentials {
    const char *access_key_id;
    const char *secret_access_key;
};

struct sigv4_scope {
    const char *region;  /* "eu-west-1" */
    const char *service; /* "sqs" */
    time_t time;         /* seconds since the epoch; the same as in x-amz-date */
};

enum {
    SIGV4_HEADERS_MAX = 64,
    SIGV4_KEY_BYTES = 32,       /* the derived key: an HMAC-SHA256 */
    SIGV4_SIGNATURE_SIZE = 65,  /* lower-case hex and NUL */
    SIGV4_DIGEST_HEX_SIZE = 65, /* the same of a SHA-256 */
};

/* Stage 1. Appends the canonical request to `canonical` and the list of signed header names
 * ("host;x-amz-date") to `signed_headers`. Headers that proxies change (AWS names them) are left
 * out: connection, expect, keep-alive, proxy-authenticate, proxy-authorization, te, trailer,
 * transfer-encoding, upgrade, user-agent, x-amzn-trace-id.
 * 0, -EINVAL (no method, no host header, too many headers, a path that does not begin with "/", a
 * header name that is none), -ENOMEM, -E2BIG (a buffer's cap, too many query parameters), or -EIO
 * where OpenSSL fails. After -EINVAL nothing was appended. */
int sigv4_canonical_request(const struct sigv4_request *request, struct buffer *canonical,
                            struct buffer *signed_headers);

/* Stage 2. Appends the string to sign. Same errors; -EINVAL: no region, no service, a time before
 * 1970 or after 9999. */
int sigv4_string_to_sign(const struct sigv4_scope *scope, const char *canonical,
                         size_t canonical_bytes, struct buffer *string_to_sign);

/* The signing key of a day: valid for one secret, day, region and service. Same errors; -EINVAL also
 * for no secret, -E2BIG for one above 4 KiB. The caller wipes the key. */
int sigv4_derive_key(const char *secret_access_key, const struct sigv4_scope *scope,
                     uint8_t ret_key[SIGV4_KEY_BYTES]);

/* Stage 3. The signature of a string to sign. Same errors. */
int sigv4_signature(const uint8_t key[SIGV4_KEY_BYTES], const char *string_to_sign,
                    size_t string_to_sign_bytes, char ret[SIGV4_SIGNATURE_SIZE]);

/* All stages, with a cache of the derived key (by secret, day, region and service; one entry, wiped
 * when it is replaced or freed), and with OpenSSL's algorithms fetched once. */
struct sigv4_signer;

/* Returns 0, -ENOMEM, or -EIO where OpenSSL lacks SHA-256. */
int sigv4_signer_new(struct sigv4_signer **ret);
struct sigv4_signer *sigv4_signer_free(struct sigv4_signer *signer);
DEFINE_CLEANUP(struct sigv4_signer *, sigv4_signer_free)

/* Appends the value of the Authorization header. x-amz-date, and x-amz-security-token where there
 * is one, must be among request->headers. Errors as above; -EINVAL also for no access key id, and
 * where x-amz-date is missing or is not scope->time. On failure nothing was appended. */
int sigv4_authorize(struct sigv4_signer *signer, const struct sigv4_request *request,
                    const struct sigv4_credentials *credentials, const struct sigv4_scope *scope,
                    struct buffer *authorization);
