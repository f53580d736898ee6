/* SPDX-License-Identifier: MIT */
/* Signing: a line each with the method, the path (after a "k" it is kept as it is), the query and
 * the names and values of headers up to an empty line; the rest is the body. */
#include "aws/sigv4.h"
#include "aws/sigv4-time.h"

#include <errno.h>
#include <stdio.h>

#include "fuzz.h"

enum { CANONICAL_MAX_BYTES = 1 << 20, T = 1440938160 };

struct form {
    struct buffer canonical, names;
    int r;
};

static struct form canonical_form(const struct sigv4_request *request)
{
    struct form f = {BUFFER_INIT(CANONICAL_MAX_BYTES), BUFFER_INIT(CANONICAL_MAX_BYTES), 0};

    f.r = sigv4_canonical_request(request, &f.canonical, &f.names);
    assert(f.r == 0 || f.r == -EINVAL || f.r == -E2BIG);
    assert(f.r != -EINVAL || (f.canonical.size == 0 && f.names.size == 0));
    return f;
}

static void form_done(struct form *f)
{
    buffer_done(&f->canonical);
    buffer_done(&f->names);
}

/* The second and third lines. */
static char *canonical_line(const struct form *f, const struct sigv4_request *request, unsigned at)
{
    const char *text = f->canonical.data + strlen(request->method) + 1;
    size_t size = f->canonical.size - strlen(request->method) - 1;
    char *line = fuzz_line(&text, &size);

    if (at == 0)
        return line;
    free(line);
    return fuzz_line(&text, &size);
}

/* A canonical path has no dot segments; a canonical query is its own canonical form. */
static void check_form(const struct sigv4_request *request, const struct form *f)
{
    char *path = canonical_line(f, request, 0), *query = canonical_line(f, request, 1);
    struct sigv4_request again = *request;
    struct form same;
    char *query_again;
    size_t n = strlen(path);

    fuzz_check_word(path);
    assert(path[0] == '/');
    if (!request->keep_path) {
        assert(!strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../"));
        assert(n < 2 || !streq(path + n - 2, "/."));
        assert(n < 3 || !streq(path + n - 3, "/.."));
    }
    again.query = query;
    same = canonical_form(&again);
    assert(same.r == 0);
    query_again = canonical_line(&same, &again, 1);
    assert(streq(query, query_again));
    assert(streq(buffer_string(&f->names), buffer_string(&same.names)));
    form_done(&same);
    free(query_again);
    free(path);
    free(query);
}

/* The signature is that of the stages one by one, and of the same request always the same. */
static void check_signature(const struct sigv4_request *request, const struct form *f)
{
    static const struct sigv4_credentials credentials = {"AKIDEXAMPLE", FUZZ_SECRET};
    static const struct sigv4_scope scope = {"eu-west-1", "sqs", T};
    static struct sigv4_signer *signer;
    CLEANUP(buffer_done) struct buffer to_sign = BUFFER_INIT(4096);
    CLEANUP(buffer_done) struct buffer authorization = BUFFER_INIT(CANONICAL_MAX_BYTES);
    uint8_t key[SIGV4_KEY_BYTES];
    char signature[SIGV4_SIGNATURE_SIZE];
    const char *at;
    int r;

    if (!signer)
        assert(sigv4_signer_new(&signer) == 0);
    r = sigv4_authorize(signer, request, &credentials, &scope, &authorization);
    if (r != 0) {
        assert(r == -EINVAL && authorization.size == 0);
        return;
    }
    assert(sigv4_string_to_sign(&scope, f->canonical.data, f->canonical.size, &to_sign) == 0);
    assert(sigv4_derive_key(credentials.secret_access_key, &scope, key) == 0);
    assert(sigv4_signature(key, to_sign.data, to_sign.size, signature) == 0);
    at = strstr(buffer_string(&authorization), "Signature=");
    assert(at && streq(at + strlen("Signature="), signature));
    assert(strstr(buffer_string(&authorization), buffer_string(&f->names)));
    fuzz_check_line(buffer_string(&authorization));
    assert(!strstr(buffer_string(&authorization), FUZZ_SECRET) ||
           strstr(buffer_string(&f->names), FUZZ_SECRET));
}

FUZZ
{
    struct sigv4_header headers[SIGV4_HEADERS_MAX + 2];
    char *lines[SIGV4_HEADERS_MAX], date[AWS_TIME_SIZE];
    char *method = fuzz_line(&data, &size), *path = fuzz_line(&data, &size);
    char *query = fuzz_line(&data, &size);
    struct sigv4_request request = {.method = method,
                                    .path = path[0] == 'k' ? path + 1 : path,
                                    .query = query,
                                    .headers = headers,
                                    .keep_path = path[0] == 'k'};
    struct form f, again;
    size_t n = 0, k = 0;

    while (k < SIGV4_HEADERS_MAX) {
        char *line = lines[k++] = fuzz_line(&data, &size), *colon = strchr(line, ':');

        if (!colon)
            break;
        *colon = '\0';
        headers[n++] = (struct sigv4_header){line, colon + 1};
    }
    aws_time_format(T, date);
    headers[n++] = (struct sigv4_header){"X-Amz-Date", date};
    request.n_headers = n;
    request.body = data;
    request.body_bytes = size;

    f = canonical_form(&request);
    again = canonical_form(&request);
    assert(f.r == again.r && streq(buffer_string(&f.canonical), buffer_string(&again.canonical)));
    if (f.r == 0) {
        check_form(&request, &f);
        check_signature(&request, &f);
    }
    form_done(&f);
    form_done(&again);
    for (size_t i = 0; i < k; i++)
        free(lines[i]);
    free(method);
    free(path);
    free(query);
}
