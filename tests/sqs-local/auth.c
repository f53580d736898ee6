/* SPDX-License-Identifier: MIT */
/* First the Authorization header is parsed. Then its parts are checked in the order in which AWS
 * reports errors. Last, the whole header is computed again from the headers that it lists and the
 * key that it should be signed with, and the two are compared. */
#include "auth.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "aws/sigv4-time.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

enum { AUTHORIZATION_MAX_BYTES = 8 * 1024, CANONICAL_MAX_BYTES = 256 * 1024, KEYS_MAX = 8 };

struct keys {
    char *access_key_id; /* NULL: this element is empty */
    char *secret_access_key;
    char *session_token; /* NULL: none */
    uint64_t until_usec;
};

struct auth {
    const char *region;
    struct sigv4_signer *signer;
    struct keys keys[KEYS_MAX]; /* the newest first */
};

static void keys_done(struct keys *keys)
{
    secret_free(keys->access_key_id);
    secret_free(keys->secret_access_key);
    secret_free(keys->session_token);
    *keys = (struct keys){};
}

static void keys_done_cleanup(struct keys *keys)
{
    keys_done(keys);
}

int auth_new(const char *region, struct auth **ret)
{
    CLEANUP(auth_free) struct auth *auth = calloc(1, sizeof(*auth));
    int r;

    if (!auth)
        return -ENOMEM;
    auth->region = region;
    r = sigv4_signer_new(&auth->signer);
    if (r < 0)
        return r;
    *ret = TAKE(auth);
    return 0;
}

struct auth *auth_free(struct auth *auth)
{
    if (!auth)
        return NULL;
    for (size_t i = 0; i < KEYS_MAX; i++)
        keys_done(&auth->keys[i]);
    sigv4_signer_free(auth->signer);
    free(auth);
    return NULL;
}

int auth_set_keys(struct auth *auth, const struct auth_keys *keys, uint64_t until_usec,
                  uint64_t former_until_usec)
{
    CLEANUP(keys_done)
    struct keys new = {
        .access_key_id = strdup(keys->access_key_id),
        .secret_access_key = strdup(keys->secret_access_key),
        .session_token = keys->session_token ? strdup(keys->session_token) : NULL,
        .until_usec = until_usec,
    };

    if (!new.access_key_id || !new.secret_access_key || (keys->session_token && !new.session_token))
        return -ENOMEM;
    for (size_t i = 0; i < KEYS_MAX; i++)
        auth->keys[i].until_usec = MIN(auth->keys[i].until_usec, former_until_usec);
    keys_done(&auth->keys[KEYS_MAX - 1]);
    memmove(&auth->keys[1], &auth->keys[0], (KEYS_MAX - 1) * sizeof(auth->keys[0]));
    auth->keys[0] = new;
    new = (struct keys){};
    return 0;
}

#define refuse(fault, ...) (fault_set((fault), __VA_ARGS__) < 0 ? -ENOMEM : (int)AUTH_E_REFUSED)

static const char *find_header(const struct sigv4_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

/* The parts of the Authorization header. They point into `text`, a copy of its value. */
struct authorization {
    char *text;
    char *credential, *signed_headers, *signature;
    char *scope[5]; /* in Credential: access key id, date, region, service, terminator */
};

static void authorization_done_cleanup(struct authorization *a)
{
    free(a->text);
}

static int parse(const char *value, struct authorization *ret, struct fault *fault)
{
    char *rest, *part;
    size_t n = 0;

    if (strncmp(value, ALGORITHM, strlen(ALGORITHM)) != 0 || value[strlen(ALGORITHM)] != ' ')
        return refuse(fault, ERROR_INCOMPLETE_SIGNATURE,
                      "Unsupported AWS 'algorithm': '%.*s' (only AWS4-HMAC-SHA256 for now).",
                      (int)MIN(strcspn(value, " "), (size_t)64), value);
    ret->text = strdup(value + strlen(ALGORITHM));
    if (!ret->text)
        return -ENOMEM;
    rest = ret->text;
    while ((part = strsep(&rest, ","))) {
        part += strspn(part, " ");
        if (strncmp(part, "Credential=", 11) == 0)
            ret->credential = part + 11;
        else if (strncmp(part, "SignedHeaders=", 14) == 0)
            ret->signed_headers = part + 14;
        else if (strncmp(part, "Signature=", 10) == 0)
            ret->signature = part + 10;
        else
            return refuse(
                fault, ERROR_INCOMPLETE_SIGNATURE,
                "Invalid key=value pair (missing equal-sign or unknown key) in Authorization "
                "header.");
    }
    if (!ret->credential || !ret->signed_headers || !ret->signature)
        return refuse(fault, ERROR_INCOMPLETE_SIGNATURE,
                      "Authorization header requires '%s' parameter.",
                      !ret->credential  ? "Credential"
                      : !ret->signature ? "Signature"
                                        : "SignedHeaders");
    rest = ret->credential;
    while ((part = strsep(&rest, "/"))) {
        if (n < ARRAY_SIZE(ret->scope))
            ret->scope[n] = part;
        n++;
    }
    if (n != ARRAY_SIZE(ret->scope))
        return refuse(fault, ERROR_INCOMPLETE_SIGNATURE,
                      "Credential must have exactly 5 slash-delimited elements, e.g. "
                      "keyid/date/region/service/term, got %zu.",
                      n);
    return 0;
}

static bool is_listed(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = list; p; p = strchr(p, ';')) {
        p += *p == ';';
        if (strncasecmp(p, name, n) == 0 && (p[n] == ';' || p[n] == '\0'))
            return true;
    }
    return false;
}

static int check_scope(const struct auth *auth, const struct authorization *a, const char *date,
                       struct fault *fault)
{
    const char *region = auth->region;

    if (strlen(a->scope[1]) != 8 || strncmp(a->scope[1], date, 8) != 0)
        return refuse(
            fault, ERROR_INVALID_SIGNATURE,
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
            "from HTTP: '%s' != '%.8s', from '%s'.",
            a->scope[1], date, date);
    if (!is_set(a->scope[2]) || (region && !streq(a->scope[2], region)))
        return refuse(fault, ERROR_INVALID_SIGNATURE,
                      "Credential should be scoped to a valid region, not '%s'.", a->scope[2]);
    if (!streq(a->scope[3], "sqs"))
        return refuse(fault, ERROR_INVALID_SIGNATURE,
                      "Credential should be scoped to correct service: 'sqs'.");
    if (!streq(a->scope[4], "aws4_request"))
        return refuse(
            fault, ERROR_INVALID_SIGNATURE,
            "Credential should be scoped with a valid terminator: 'aws4_request', not '%s'.",
            a->scope[4]);
    return 0;
}

static int check_time(const char *date, time_t signed_at, time_t now, struct fault *fault)
{
    char now_text[AWS_TIME_SIZE], limit[AWS_TIME_SIZE];

    aws_time_format(now, now_text);
    if (signed_at < now - AUTH_WINDOW_SEC) {
        aws_time_format(now - AUTH_WINDOW_SEC, limit);
        return refuse(fault, ERROR_INVALID_SIGNATURE,
                      "Signature expired: %s is now earlier than %s (%s - 15 min.)", date, limit,
                      now_text);
    }
    if (signed_at > now + AUTH_WINDOW_SEC) {
        aws_time_format(now + AUTH_WINDOW_SEC, limit);
        return refuse(fault, ERROR_INVALID_SIGNATURE,
                      "Signature not yet current: %s is still later than %s (%s + 15 min.)", date,
                      limit, now_text);
    }
    return 0;
}

/* Finds the keys that the request claims to be signed with. */
static int find_client(const struct auth *auth, const struct authorization *a, const char *token,
                       uint64_t now_usec, const struct keys **ret, struct fault *fault)
{
    for (size_t i = 0; i < KEYS_MAX && auth->keys[i].access_key_id; i++) {
        const struct keys *keys = &auth->keys[i];
        const char *wanted = keys->session_token;

        if (!streq(a->scope[0], keys->access_key_id) ||
            !(wanted && token ? streq(wanted, token) : wanted == token))
            continue;
        if (now_usec < keys->until_usec) {
            *ret = keys;
            return 0;
        }
        if (token)
            return refuse(fault, ERROR_EXPIRED_TOKEN,
                          "The security token included in the request is expired");
        break;
    }
    return refuse(fault, ERROR_UNRECOGNIZED_CLIENT,
                  "The security token included in the request is invalid.");
}

/* As on AWS, the error contains what the client should have signed. Nothing in it is secret to the
 * client. */
static int refuse_signature(const struct sigv4_request *request, const struct sigv4_scope *scope,
                            struct fault *fault)
{
    CLEANUP(buffer_done) struct buffer canonical = BUFFER_INIT(CANONICAL_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer headers = BUFFER_INIT(CANONICAL_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer to_sign = BUFFER_INIT(CANONICAL_MAX_BYTES);
    int r = sigv4_canonical_request(request, &canonical, &headers);

    if (r == 0)
        r = sigv4_string_to_sign(scope, canonical.data, canonical.size, &to_sign);
    if (r == -ENOMEM)
        return r;
    return refuse(
        fault, ERROR_INVALID_SIGNATURE,
        "The request signature we calculated does not match the signature you provided. Check "
        "your AWS Secret Access Key and signing method. Consult the service documentation for "
        "details.\n\nThe Canonical String for this request should have been\n'%s'\n\nThe "
        "String-to-Sign should have been\n'%s'\n",
        buffer_string(&canonical), buffer_string(&to_sign));
}

static int check_signature(struct auth *auth, const struct sigv4_request *request,
                           const struct authorization *a, const struct keys *keys, time_t signed_at,
                           struct fault *fault)
{
    CLEANUP(buffer_done) struct buffer wanted = BUFFER_INIT(AUTHORIZATION_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer given = BUFFER_INIT(AUTHORIZATION_MAX_BYTES);
    struct sigv4_header headers[SIGV4_HEADERS_MAX];
    struct sigv4_request signed_request = *request;
    struct sigv4_scope scope = {a->scope[2], a->scope[3], signed_at};
    struct sigv4_credentials credentials = {
        .access_key_id = keys->access_key_id,
        .secret_access_key = keys->secret_access_key,
    };
    size_t n = 0;
    int r;

    for (size_t i = 0; i < request->n_headers; i++)
        if (is_listed(a->signed_headers, request->headers[i].name)) {
            if (n == SIGV4_HEADERS_MAX)
                return refuse_signature(request, &scope, fault);
            headers[n++] = request->headers[i];
        }
    signed_request.headers = headers;
    signed_request.n_headers = n;
    r = sigv4_authorize(auth->signer, &signed_request, &credentials, &scope, &wanted);
    if (r == -ENOMEM || r == -EIO)
        return r;
    if (r < 0)
        return refuse_signature(&signed_request, &scope, fault);
    r = buffer_printf(
        &given, ALGORITHM " Credential=%s/%s/%s/%s/%s, SignedHeaders=%s, Signature=%s", a->scope[0],
        a->scope[1], a->scope[2], a->scope[3], a->scope[4], a->signed_headers, a->signature);
    if (r < 0 || given.size != wanted.size ||
        CRYPTO_memcmp(given.data, wanted.data, given.size) != 0)
        return refuse_signature(&signed_request, &scope, fault);
    return 0;
}

int auth_check(struct auth *auth, const struct sigv4_request *request, time_t shown_time,
               uint64_t now_usec, char ret_region[REGION_SIZE], struct fault *fault)
{
    __attribute__((cleanup(authorization_done_cleanup))) struct authorization a = {};
    const char *value = find_header(request, "authorization");
    const char *date = find_header(request, "x-amz-date");
    const char *token = find_header(request, "x-amz-security-token");
    const char *const must_be_signed[] = {"host", "x-amz-date",
                                          token ? "x-amz-security-token" : NULL};
    const struct keys *keys = NULL;
    time_t signed_at;
    int r;

    if (!is_set(value))
        return refuse(fault, ERROR_MISSING_AUTHENTICATION_TOKEN, "Missing Authentication Token");
    r = parse(value, &a, fault);
    if (r != 0)
        return r;
    if (!date || aws_time_parse(date, &signed_at) < 0)
        return refuse(fault, ERROR_INCOMPLETE_SIGNATURE,
                      "Date must be in ISO-8601 'basic format'. Got '%s'. See "
                      "http://en.wikipedia.org/wiki/ISO_8601",
                      date ? date : "");
    for (size_t i = 0; i < ARRAY_SIZE(must_be_signed); i++)
        if (must_be_signed[i] && !is_listed(a.signed_headers, must_be_signed[i]))
            return refuse(fault, ERROR_INVALID_SIGNATURE,
                          "'%s' must be a 'SignedHeader' in the AWS Authorization.",
                          must_be_signed[i]);
    r = check_scope(auth, &a, date, fault);
    if (r == 0)
        r = find_client(auth, &a, token, now_usec, &keys, fault);
    if (r == 0)
        r = check_time(date, signed_at, shown_time, fault);
    if (r == 0)
        r = check_signature(auth, request, &a, keys, signed_at, fault);
    if (r == 0)
        snprintf(ret_region, REGION_SIZE, "%s", a.scope[2]);
    return r;
}
