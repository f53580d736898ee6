/* SPDX-License-Identifier: MIT */
/* Signs the requests that it is given, and shows each stage: one JSON object a line in, one a line
 * out, until the input ends. For test-signature-botocore.py, which compares.
 *
 * In:  origin, method, path, query, headers ([[name, value], ...], without host and x-amz-date),
 * body, region, service, time (seconds), access_key_id, secret_access_key Out: host (what the
 * client would send for that origin), canonical, string_to_sign, authorization */
#include <stdio.h>

#include "aws/endpoint.h"
#include "aws/sigv4.h"
#include "aws/sigv4-time.h"
#include "util/json-reader.h"

enum { TEXT_MAX_BYTES = 1024 * 1024, DEPTH_MAX = 4 };

static const char *text_of(struct json_object *o, const char *key)
{
    struct json_object *value = json_object_object_get(o, key);

    return value ? json_object_get_string(value) : "";
}

static size_t collect_headers(struct json_object *in, const char *host, const char *date,
                              struct sigv4_header *ret)
{
    struct json_object *list = json_object_object_get(in, "headers");
    size_t n = 0;

    ret[n++] = (struct sigv4_header){"X-Amz-Date", date};
    ret[n++] = (struct sigv4_header){"Host", host};
    for (size_t i = 0; i < json_object_array_length(list) && n < SIGV4_HEADERS_MAX; i++) {
        struct json_object *pair = json_object_array_get_idx(list, i);

        ret[n++] = (struct sigv4_header){
            json_object_get_string(json_object_array_get_idx(pair, 0)),
            json_object_get_string(json_object_array_get_idx(pair, 1)),
        };
    }
    return n;
}

static void add_text(struct json_object *out, const char *key, const struct buffer *text)
{
    json_object_object_add(out, key,
                           json_object_new_string_len(buffer_string(text), (int)text->size));
}

static int sign(struct sigv4_signer *signer, struct json_object *in, struct json_object *out)
{
    CLEANUP(endpoint_free) struct endpoint *endpoint = NULL;
    CLEANUP(free) char *error = NULL;
    CLEANUP(buffer_done) struct buffer canonical = BUFFER_INIT(TEXT_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer names = BUFFER_INIT(TEXT_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer to_sign = BUFFER_INIT(TEXT_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer authorization = BUFFER_INIT(TEXT_MAX_BYTES);
    const struct endpoint_settings settings = {
        .endpoint_url = text_of(in, "origin"),
        .region = text_of(in, "region"),
    };
    const struct sigv4_scope scope = {
        .region = text_of(in, "region"),
        .service = text_of(in, "service"),
        .time = json_object_get_int64(json_object_object_get(in, "time")),
    };
    const struct sigv4_credentials credentials = {
        .access_key_id = text_of(in, "access_key_id"),
        .secret_access_key = text_of(in, "secret_access_key"),
    };
    struct sigv4_header headers[SIGV4_HEADERS_MAX];
    struct sigv4_request request = {
        .method = text_of(in, "method"),
        .path = text_of(in, "path"),
        .query = text_of(in, "query"),
        .body = text_of(in, "body"),
        .body_bytes = strlen(text_of(in, "body")),
        .headers = headers,
    };
    char date[AWS_TIME_SIZE];
    int r;

    r = endpoint_resolve(&settings, &endpoint, &error);
    if (r != 0) {
        fprintf(stderr, "%s\n", error ? error : "out of memory");
        return r;
    }
    aws_time_format(scope.time, date);
    request.n_headers = collect_headers(in, endpoint->host, date, headers);
    r = sigv4_canonical_request(&request, &canonical, &names);
    if (r < 0)
        return r;
    r = sigv4_string_to_sign(&scope, canonical.data, canonical.size, &to_sign);
    if (r < 0)
        return r;
    r = sigv4_authorize(signer, &request, &credentials, &scope, &authorization);
    if (r < 0)
        return r;

    json_object_object_add(out, "host", json_object_new_string(endpoint->host));
    add_text(out, "canonical", &canonical);
    add_text(out, "string_to_sign", &to_sign);
    add_text(out, "authorization", &authorization);
    return 0;
}

int main(void)
{
    CLEANUP(sigv4_signer_free) struct sigv4_signer *signer = NULL;
    CLEANUP(free) char *line = NULL;
    size_t allocated = 0;
    ssize_t size;

    if (sigv4_signer_new(&signer) < 0)
        return EXIT_FAILURE;
    while ((size = getline(&line, &allocated, stdin)) > 0) {
        struct json_object *in = NULL, *out = json_object_new_object();
        struct json_fault fault;
        int r = json_read(line, (size_t)size, DEPTH_MAX, &in, &fault);

        if (r == 0)
            r = sign(signer, in, out);
        if (r == 0)
            puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_PLAIN));
        json_object_put(out);
        json_object_put(in);
        if (r != 0) {
            fprintf(stderr, "cannot sign (%d): %s", r, line);
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}
