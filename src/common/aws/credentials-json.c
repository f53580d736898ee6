/* SPDX-License-Identifier: MIT */
#include "aws/credentials-json.h"

#include <errno.h>
#include <inttypes.h>

#include "util/encode.h"
#include "util/error-line.h"
#include "util/iso8601.h"
#include "util/json-tree.h"

enum { FAILURE_SHOWN_BYTES = 200 };

#define invalid(error, ...) error_line(CREDENTIALS_JSON_E_INVALID, error, __VA_ARGS__)

/* 0, -ENOMEM, or CREDENTIALS_JSON_E_INVALID with *error. Lone surrogates are replaced: an error
 * message with one is still useful, and keys must be ASCII anyway. */
static int read_tree(const char *text, size_t size, struct json_tree **ret, char **error)
{
    struct json_fault fault;
    int r;

    if (size == 0)
        return invalid(error, "is empty");
    if (size > CREDENTIALS_JSON_MAX_BYTES)
        return invalid(error, "is longer than %d bytes", CREDENTIALS_JSON_MAX_BYTES);
    r = json_tree_read(text, size, CREDENTIALS_JSON_MAX_DEPTH, JSON_LONE_SURROGATES_REPLACED, ret,
                       &fault);
    return r > 0 ? invalid(error, "is not the JSON that is expected: %s", fault.text) : r;
}

/* ---- Members ---- */

/* Reads a text of printable ASCII whose lowest allowed character is `first`: '!' for text in an
 * HTTP header, ' ' to allow spaces, too. If an optional text is absent or empty, `*ret` stays NULL.
 * 0, -ENOMEM or CREDENTIALS_JSON_E_INVALID. */
static int read_text_from(const struct json_value *root, const char *name, char first,
                          bool is_required, char **ret, char **error)
{
    const char *text;
    size_t size;
    int r = json_value_get_bytes(root, name, &text, &size);

    if (r == JSON_VALUE_E_ABSENT)
        return is_required ? invalid(error, "has no %s", name) : 0;
    if (r == JSON_VALUE_E_KIND)
        return invalid(error, "has a %s that is not a text", name);
    if (size == 0)
        return is_required ? invalid(error, "has an empty %s", name) : 0;
    for (size_t i = 0; i < size; i++)
        if (text[i] < first || text[i] > '~')
            return invalid(error,
                           "has a %s with a space, a control character or a byte that is not ASCII "
                           "in it",
                           name);
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

static int read_text(const struct json_value *root, const char *name, bool is_required, char **ret,
                     char **error)
{
    return read_text_from(root, name, '!', is_required, ret, error);
}

static int read_expiry(const struct json_value *root, bool is_required, uint64_t *ret, char **error)
{
    CLEANUP(free) char *text = NULL;
    time_t t;
    int r = read_text_from(root, "Expiration", ' ', is_required, &text, error);

    if (r != 0 || !text)
        return r;
    if (iso8601_parse(text, &t) < 0 || t < 0)
        return invalid(error, "has an Expiration that is not an ISO 8601 time such as "
                              "2030-01-31T12:00:00Z");
    *ret = (uint64_t)t * USEC_PER_SEC;
    return 0;
}

static int check_version(const struct json_value *root, char **error)
{
    int64_t version;
    int r = json_value_get_integer(root, "Version", &version);

    if (r == JSON_VALUE_E_ABSENT)
        return invalid(error, "has no Version: it must be the number 1");
    if (r == JSON_VALUE_E_KIND)
        return invalid(error, "has a Version that is not the number 1");
    if (version != 1)
        return invalid(error, "has Version %" PRId64 ", but only 1 is known", version);
    return 0;
}

/* AccountId is not used yet. So it is no error if it is a number instead of a text. */
static int read_account_id(const struct json_value *root, char **ret)
{
    const char *text;

    if (json_value_get_string(root, "AccountId", &text) != 0 || text[0] == '\0')
        return 0;
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

/* ---- A source's own error ---- */

/* NULL: neither member is there, or it is no text. */
static const struct json_value *find_text(const struct json_value *root, const char *name,
                                          const char *other_name)
{
    const struct json_value *text = NULL;

    if (json_value_get(root, name, JSON_STRING, &text) == JSON_VALUE_E_ABSENT)
        json_value_get(root, other_name, JSON_STRING, &text);
    return text && text->n > 0 ? text : NULL;
}

static void append_text(struct buffer *b, const struct json_value *text)
{
    escape_for_log(b, text->text, text->n, FAILURE_SHOWN_BYTES);
}

/* ECS writes the names in lower case. */
static void append_failure(struct buffer *b, const struct json_value *root)
{
    const struct json_value *code = find_text(root, "Code", "code");
    const struct json_value *message = find_text(root, "Message", "message");

    if (code)
        append_text(b, code);
    if (code && message)
        buffer_append_string(b, ": ");
    if (message)
        append_text(b, message);
}

int credentials_json_append_failure(struct buffer *b, const char *text, size_t text_bytes)
{
    CLEANUP(json_tree_free_secret) struct json_tree *tree = NULL;
    int r = read_tree(text, text_bytes, &tree, NULL);

    if (r < 0)
        return r;
    if (tree)
        append_failure(b, json_tree_root(tree));
    return b->error;
}

static bool is_there(const struct json_value *root, const char *name)
{
    const struct json_value *value;

    return json_value_get(root, name, JSON_STRING, &value) != JSON_VALUE_E_ABSENT;
}

/* If there are no keys, looks for the source's own error. */
static int check_failure(const struct json_value *root, char **error)
{
    CLEANUP(buffer_done) struct buffer said = BUFFER_INIT(16 * FAILURE_SHOWN_BYTES);
    const struct json_value *code = find_text(root, "Code", "code");

    if (is_there(root, "AccessKeyId") || is_there(root, "SecretAccessKey"))
        return 0;
    if (code && streq(code->text, "Success"))
        return 0;
    append_failure(&said, root);
    if (said.error == -ENOMEM)
        return -ENOMEM;
    return said.size > 0 ? invalid(error, "has no keys but says: %s", buffer_string(&said)) : 0;
}

int credentials_json_parse(enum credentials_json_form form, const char *text, size_t text_bytes,
                           struct credentials_json *ret, char **error)
{
    CLEANUP(json_tree_free_secret) struct json_tree *tree = NULL;
    CLEANUP(credentials_json_done) struct credentials_json c = {.expiry_usec = USEC_INFINITY};
    const char *token = form == CREDENTIALS_JSON_PROCESS ? "SessionToken" : "Token";
    bool is_imds = form == CREDENTIALS_JSON_IMDS;
    const struct json_value *root;
    int r = read_tree(text, text_bytes, &tree, error);

    if (r != 0)
        return r;
    root = json_tree_root(tree);
    r = form == CREDENTIALS_JSON_PROCESS ? check_version(root, error) : check_failure(root, error);
    if (r == 0)
        r = read_text(root, "AccessKeyId", true, &c.access_key_id, error);
    if (r == 0)
        r = read_text(root, "SecretAccessKey", true, &c.secret_access_key, error);
    if (r == 0)
        r = read_text(root, token, is_imds, &c.session_token, error);
    if (r == 0)
        r = read_expiry(root, is_imds, &c.expiry_usec, error);
    if (r == 0)
        r = read_account_id(root, &c.account_id);
    if (r != 0)
        return r;
    *ret = c;
    c = (struct credentials_json){};
    return 0;
}

void credentials_json_done(struct credentials_json *c)
{
    secret_free(c->access_key_id);
    secret_free(c->secret_access_key);
    secret_free(c->session_token);
    secret_free(c->account_id);
    *c = (struct credentials_json){.expiry_usec = USEC_INFINITY};
}
