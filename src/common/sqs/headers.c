/* SPDX-License-Identifier: MIT */
/* Most header lines are the same for all requests. The others have their own buffers, which are
 * written again for each request. The signer and libcurl get the same text, so what is signed is
 * what is sent. */
#include "sqs/headers.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "aws/sigv4.h"
#include "aws/sigv4-time.h"

#define HOST_NAME "Host: "
#define TYPE "application/x-amz-json-1.0"
#define MODE "true"
#define TARGET_NAME "X-Amz-Target: "
#define TARGET_LINE TARGET_NAME "AmazonSQS."
#define DATE_NAME "X-Amz-Date: "
#define TOKEN_NAME "X-Amz-Security-Token: "

enum {
    AUTHORIZATION_MAX_BYTES = 4096,
    TOKEN_MAX_BYTES =
        16 * 1024, /* AWS states no limit for session tokens; all known ones are far shorter */
    LINES_MAX = 8,
};

struct sqs_headers {
    const struct endpoint *endpoint;
    struct sigv4_signer *signer;
    char *host;
    char target[96];
    char date[sizeof(DATE_NAME) - 1 + AWS_TIME_SIZE];
    struct buffer token, authorization;
    const char *lines[LINES_MAX + 1];
};

int sqs_headers_new(const struct endpoint *endpoint, struct sqs_headers **ret)
{
    CLEANUP(sqs_headers_free) struct sqs_headers *h = calloc(1, sizeof(*h));
    int r;

    if (!h)
        return -ENOMEM;
    h->endpoint = endpoint;
    h->authorization = BUFFER_INIT(AUTHORIZATION_MAX_BYTES);
    h->token = BUFFER_INIT(TOKEN_MAX_BYTES);
    if (asprintf(&h->host, HOST_NAME "%s", endpoint->host) < 0) {
        h->host = NULL;
        return -ENOMEM;
    }
    strcpy(h->target, TARGET_LINE);
    strcpy(h->date, DATE_NAME);
    r = sigv4_signer_new(&h->signer);
    if (r < 0)
        return r;
    *ret = TAKE(h);
    return 0;
}

struct sqs_headers *sqs_headers_free(struct sqs_headers *h)
{
    if (!h)
        return NULL;
    sigv4_signer_free(h->signer);
    free(h->host);
    buffer_done(&h->authorization);
    buffer_done(&h->token);
    free(h);
    return NULL;
}

static void write_lines(struct sqs_headers *h, enum sqs_operation operation,
                        const char *session_token, time_t now)
{
    const char *name = sqs_operation_name(operation);

    assert(strlen(TARGET_LINE) + strlen(name) < sizeof(h->target));
    strcpy(h->target + strlen(TARGET_LINE), name);
    aws_time_format(now, h->date + strlen(DATE_NAME));
    buffer_reset(&h->token);
    if (session_token) {
        buffer_append_string(&h->token, TOKEN_NAME);
        buffer_append_string(&h->token, session_token);
    }
    buffer_reset(&h->authorization);
    buffer_append_string(&h->authorization, "Authorization: ");
}

static int sign(struct sqs_headers *h, const struct sqs_request *request,
                const struct aws_credentials *c, time_t now)
{
    const struct sigv4_header headers[6] = {
        {"content-type", TYPE},
        {"host", h->host + strlen(HOST_NAME)},
        {"x-amz-date", h->date + strlen(DATE_NAME)},
        {"x-amz-target", h->target + strlen(TARGET_NAME)},
        {"x-amzn-query-mode", MODE},
        {"x-amz-security-token", c->session_token},
    };
    const struct sigv4_request to_sign = {
        .method = "POST",
        .path = h->endpoint->path,
        .headers = headers,
        .n_headers = c->session_token ? 6 : 5,
        .body = request->json.data,
        .body_bytes = request->json.size,
    };
    const struct sigv4_credentials keys = {c->access_key_id, c->secret_access_key};
    const struct sigv4_scope scope = {h->endpoint->region, "sqs", now};

    return sigv4_authorize(h->signer, &to_sign, &keys, &scope, &h->authorization);
}

int sqs_headers_make(struct sqs_headers *h, const struct sqs_request *request,
                     const struct aws_credentials *credentials, time_t now, const char *const **ret)
{
    size_t n = 0;
    int r;

    write_lines(h, request->operation, credentials->session_token, now);
    if (h->token.error < 0)
        return h->token.error;
    r = sign(h, request, credentials, now);
    if (r < 0)
        return r;

    h->lines[n++] = h->host;
    h->lines[n++] = "Content-Type: " TYPE;
    h->lines[n++] = "Accept: application/json";
    h->lines[n++] = "x-amzn-query-mode: " MODE;
    h->lines[n++] = h->target;
    h->lines[n++] = h->date;
    if (h->token.size > 0)
        h->lines[n++] = h->token.data;
    h->lines[n++] = h->authorization.data;
    assert(n <= LINES_MAX);
    h->lines[n] = NULL;
    *ret = h->lines;
    return 0;
}
