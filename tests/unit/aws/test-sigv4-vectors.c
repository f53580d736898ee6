/* SPDX-License-Identifier: MIT */
/* AWS's published SigV4 test suite, header form, one test a case: the folders of v4/ in the
 * directory that SIGV4_VECTORS names, or else SIGV4_VECTORS_DEFAULT. Skipped where it is not there.
 * All stages must come out byte for byte. */
#include "aws/sigv4.h"
#include "aws/sigv4-time.h"
#include "test.h"
#include "util/encode.h"
#include "util/iso8601.h"
#include "util/json-reader.h"

#include <dirent.h>
#include <stdio.h>

#include <openssl/evp.h>

enum { CASES_MAX = 256, FILE_MAX_BYTES = 65536 };

static char *read_text(const char *folder, const char *name)
{
    CLEANUP(buffer_done) struct buffer path = BUFFER_INIT(4096);
    char *text = calloc(1, FILE_MAX_BYTES + 1);
    FILE *file;
    size_t n;

    assert_non_null(text);
    assert_int_equal(buffer_printf(&path, "%s/%s", folder, name), 0);
    file = fopen(path.data, "re");
    if (!file) {
        free(text);
        fail_msg("%s: %s", path.data, strerror(errno));
        return NULL;
    }
    n = fread(text, 1, FILE_MAX_BYTES, file);
    assert_false(ferror(file));
    assert_true(n < FILE_MAX_BYTES);
    fclose(file);
    return text;
}

/* A request taken apart; the strings lie in `text`. */
struct wire_request {
    char *text;
    struct sigv4_header headers[SIGV4_HEADERS_MAX];
    struct sigv4_request request;
};

static void add_header(struct wire_request *w, const char *name, const char *value)
{
    assert_true(w->request.n_headers < SIGV4_HEADERS_MAX);
    w->headers[w->request.n_headers++] = (struct sigv4_header){name, value};
}

/* The target is all between the first and the last space: the suite has raw spaces in it. */
static void parse_request_line(struct wire_request *w, char *line)
{
    char *target = strchr(line, ' '), *version = strrchr(line, ' '), *query;

    assert_true(target && version > target);
    *target++ = '\0';
    *version = '\0';
    query = strchr(target, '?');
    if (query)
        *query++ = '\0';
    w->request.method = line;
    w->request.path = target;
    w->request.query = query;
}

static void parse_request(struct wire_request *w, char *text)
{
    char *line = text, *end;

    *w = (struct wire_request){.text = text};
    w->request.headers = w->headers;
    for (bool first = true; *line && *line != '\n'; first = false, line = end) {
        /* A line that begins with white space belongs to the header before it. */
        end = line + strcspn(line, "\n");
        while (!first && end[0] == '\n' && (end[1] == ' ' || end[1] == '\t'))
            end += 1 + strcspn(end + 1, "\n");
        if (*end)
            *end++ = '\0';
        if (first) {
            parse_request_line(w, line);
        } else {
            char *colon = strchr(line, ':');

            assert_non_null(colon);
            *colon = '\0';
            add_header(w, line, colon + 1);
        }
    }
    if (*line == '\n')
        line++;
    w->request.body = line;
    w->request.body_bytes = strlen(line);
}

static const char *json_text(struct json_object *o, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : NULL;
}

static bool json_flag(struct json_object *o, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(o, key, &value) && json_object_get_boolean(value);
}

static void expect_file(const char *folder, const char *name, const char *is)
{
    CLEANUP(free) char *want = read_text(folder, name);

    assert_string_equal(is, want);
}

/* The published request carries the header among others. */
static void expect_authorization(const char *folder, const char *is)
{
    CLEANUP(free) char *text = read_text(folder, "header-signed-request.txt");
    char *line = strstr(text, "\nAuthorization:");

    assert_non_null(line);
    line += strlen("\nAuthorization:");
    line += strspn(line, " ");
    line[strcspn(line, "\n")] = '\0';
    assert_string_equal(is, line);
}

static void expect_stages(const char *folder, const struct sigv4_request *request,
                          const struct sigv4_credentials *credentials,
                          const struct sigv4_scope *scope)
{
    CLEANUP(sigv4_signer_free) struct sigv4_signer *signer = NULL;
    CLEANUP(buffer_done) struct buffer canonical = BUFFER_INIT(FILE_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer names = BUFFER_INIT(1024);
    CLEANUP(buffer_done) struct buffer to_sign = BUFFER_INIT(1024);
    CLEANUP(buffer_done) struct buffer authorization = BUFFER_INIT(FILE_MAX_BYTES);
    uint8_t key[SIGV4_KEY_BYTES];
    char hex[SIGV4_SIGNATURE_SIZE];

    assert_int_equal(sigv4_canonical_request(request, &canonical, &names), 0);
    expect_file(folder, "header-canonical-request.txt", buffer_string(&canonical));
    assert_int_equal(sigv4_string_to_sign(scope, canonical.data, canonical.size, &to_sign), 0);
    expect_file(folder, "header-string-to-sign.txt", buffer_string(&to_sign));
    assert_int_equal(sigv4_derive_key(credentials->secret_access_key, scope, key), 0);
    assert_int_equal(sigv4_signature(key, to_sign.data, to_sign.size, hex), 0);
    expect_file(folder, "header-signature.txt", hex);

    assert_int_equal(sigv4_signer_new(&signer), 0);
    assert_int_equal(sigv4_authorize(signer, request, credentials, scope, &authorization), 0);
    expect_authorization(folder, buffer_string(&authorization));
}

static void published_case_holds(void **state)
{
    const char *folder = *state;
    CLEANUP(free) char *context_text = read_text(folder, "context.json");
    CLEANUP(free) char *request_text = read_text(folder, "request.txt");
    CLEANUP(json_object_put) struct json_object *context = NULL;
    struct json_object *keys;
    struct json_fault fault;
    struct sigv4_credentials credentials;
    struct sigv4_scope scope;
    struct wire_request w;
    char date[AWS_TIME_SIZE], body_hash[SIGV4_DIGEST_HEX_SIZE];
    unsigned char digest[32];
    const char *token;

    assert_int_equal(json_read(context_text, strlen(context_text), 4, &context, &fault), 0);
    assert_true(json_object_object_get_ex(context, "credentials", &keys));
    credentials.access_key_id = json_text(keys, "access_key_id");
    credentials.secret_access_key = json_text(keys, "secret_access_key");
    scope.region = json_text(context, "region");
    scope.service = json_text(context, "service");
    assert_int_equal(iso8601_parse(json_text(context, "timestamp"), &scope.time), 0);

    parse_request(&w, request_text);
    w.request.keep_path = !json_flag(context, "normalize");
    aws_time_format(scope.time, date);
    add_header(&w, "X-Amz-Date", date);
    token = json_text(keys, "token");
    if (token && !json_flag(context, "omit_session_token"))
        add_header(&w, "X-Amz-Security-Token", token);
    if (json_flag(context, "sign_body")) {
        assert_true(
            EVP_Digest(w.request.body, w.request.body_bytes, digest, NULL, EVP_sha256(), NULL));
        hex_encode(digest, sizeof(digest), body_hash);
        add_header(&w, "x-amz-content-sha256", body_hash);
    }

    expect_stages(folder, &w.request, &credentials, &scope);
}

static int skip_all(const char *reason, const char *what)
{
    printf("1..0 # SKIP %s: %s\n", reason, what);
    return 0;
}

int main(void)
{
    static struct CMUnitTest tests[CASES_MAX];
    static char folders[CASES_MAX][4096];
    struct dirent **entries;
    char directory[2048];
    const char *base = getenv("SIGV4_VECTORS");
    size_t n = 0;
    int n_entries;

    if (!is_set(base))
        base = getenv("SIGV4_VECTORS_DEFAULT");
    if (!is_set(base))
        return skip_all("AWS's test suite is not known", "set SIGV4_VECTORS to its directory");
    snprintf(directory, sizeof(directory), "%s/v4", base);
    n_entries = scandir(directory, &entries, NULL, alphasort);
    if (n_entries < 0)
        return skip_all("AWS's test suite is not there", directory);
    for (int i = 0; i < n_entries; i++) {
        if (entries[i]->d_name[0] != '.' && n < CASES_MAX) {
            snprintf(folders[n], sizeof(folders[n]), "%s/%s", directory, entries[i]->d_name);
            tests[n] = (struct CMUnitTest){.name = strrchr(folders[n], '/') + 1,
                                           .test_func = published_case_holds,
                                           .initial_state = folders[n]};
            n++;
        }
        free(entries[i]);
    }
    free(entries);
    if (n == 0)
        return skip_all("AWS's test suite is empty", directory);
    return _cmocka_run_group_tests("aws-sigv4-vectors", tests, n, NULL, NULL);
}
