/* See credentials-json.h.
 *
 * json-c frees what it held without wiping it. So the strings of the tree are wiped before they go,
 * and the tokener is made to read a harmless text as long as the secret one: before it, so that its
 * own buffer need not grow (and leave a copy) while it reads the secret, and after it, to overwrite
 * what it read. */
#include "credentials-json.h"

#include <errno.h>
#include <stdio.h>

#include "encode.h"
#include "error-line.h"
#include "iso8601.h"
#include "json-reader.h"

enum { FAILURE_SHOWN_BYTES = 200 };

static void json_put_cleanup(json_object **object)
{
    json_object_put(*object);
}

#define invalid(error, ...) error_line(CREDENTIALS_JSON_E_INVALID, error, __VA_ARGS__)

/* ---- Reading the tree, and leaving nothing of it behind ---- */

/* A secret's bytes may stand in members of any name: all of the tree's strings go. Its depth is
 * bounded by the tokener. */
static void wipe_tree(json_object *o) /* NOLINT(misc-no-recursion) */
{
    switch (json_object_get_type(o)) {
    case json_type_string:
        /* The object's own memory, const only against being resized. */
        secure_wipe((char *)(uintptr_t)json_object_get_string(o),
                    (size_t)json_object_get_string_len(o));
        break;
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(o); i++)
            wipe_tree(json_object_array_get_idx(o, i));
        break;
    case json_type_object: {
        json_object_object_foreach (o, name, member) {
            (void)name;
            wipe_tree(member);
        }
        break;
    }
    default:
        break;
    }
}

static void wipe_and_put_cleanup(json_object **o)
{
    wipe_tree(*o);
    json_object_put(*o);
}

/* Makes the tokener read a string of `size` bytes that says nothing. */
static int rinse(json_tokener *tokener, size_t size)
{
    CLEANUP(json_put) json_object *nothing = NULL;
    CLEANUP(free) char *text = malloc(size + 2);

    if (!text)
        return -ENOMEM;
    memset(text, 'x', size + 2);
    text[0] = text[size + 1] = '"';
    json_tokener_reset(tokener);
    nothing = json_tokener_parse_ex(tokener, text, (int)size + 2);
    json_tokener_reset(tokener);
    return nothing ? 0 : -ENOMEM;
}

/* 0, -ENOMEM, or CREDENTIALS_JSON_E_INVALID with *error. */
static int parse_object(const char *text, size_t size, json_object **ret, char **error)
{
    CLEANUP(json_tokener_free) json_tokener *tokener = NULL;
    CLEANUP(wipe_and_put) json_object *root = NULL;
    enum json_tokener_error e;
    size_t end;
    int r;

    if (size == 0)
        return invalid(error, "is empty");
    if (size > CREDENTIALS_JSON_MAX_BYTES)
        return invalid(error, "is longer than 65536 bytes");
    tokener = json_tokener_new_ex(CREDENTIALS_JSON_MAX_DEPTH);
    if (!tokener)
        return -ENOMEM;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    r = rinse(tokener, size);
    if (r < 0)
        return r;
    root = json_tokener_parse_ex(tokener, text, (int)size);
    e = json_tokener_get_error(tokener);
    end = json_tokener_get_parse_end(tokener);
    r = rinse(tokener, size);
    if (r < 0)
        return r;

    if (e == json_tokener_continue)
        return invalid(error, "is cut off: it is not whole JSON");
    if (e == json_tokener_error_size)
        return -ENOMEM;
    if (e == json_tokener_error_depth)
        return invalid(error, "is nested deeper than 8 levels");
    if (e != json_tokener_success)
        return invalid(error, "is not JSON (%s, at byte %zu)", json_tokener_error_desc(e), end);
    if (end != size)
        return invalid(error, "has something after its JSON, at byte %zu", end);
    if (!json_object_is_type(root, json_type_object))
        return invalid(error, "is JSON, but not an object {...}");
    *ret = TAKE(root);
    return 0;
}

/* ---- Members ---- */

/* NULL where it is absent or null. */
static json_object *member(json_object *root, const char *name)
{
    json_object *found = NULL;

    return json_object_object_get_ex(root, name, &found) ? found : NULL;
}

/* A text of printable ASCII from `first` on: '!' for what goes into an HTTP header, ' ' to take
 * spaces as well. `*ret` stays NULL where an optional one is absent or empty. 0, -ENOMEM or
 * CREDENTIALS_JSON_E_INVALID. */
static int read_text_from(json_object *root, const char *name, char first, bool is_required,
                          char **ret, char **error)
{
    json_object *m = member(root, name);
    const char *text;
    size_t size;

    if (!m)
        return is_required ? invalid(error, "has no %s", name) : 0;
    if (!json_object_is_type(m, json_type_string))
        return invalid(error, "has a %s that is not a text", name);
    text = json_object_get_string(m);
    size = (size_t)json_object_get_string_len(m);
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

static int read_text(json_object *root, const char *name, bool is_required, char **ret,
                     char **error)
{
    return read_text_from(root, name, '!', is_required, ret, error);
}

static int read_expiry(json_object *root, bool is_required, uint64_t *ret, char **error)
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

static int check_version(json_object *root, char **error)
{
    json_object *version = member(root, "Version");

    if (!version)
        return invalid(error, "has no Version: it must be the number 1");
    if (!json_object_is_type(version, json_type_int))
        return invalid(error, "has a Version that is not the number 1");
    if (json_object_get_int64(version) != 1)
        return invalid(error, "has Version %lld, but only 1 is known",
                       (long long)json_object_get_int64(version));
    return 0;
}

/* AccountId is not used for anything yet, so a number there is no reason to fail. */
static int read_account_id(json_object *root, char **ret)
{
    json_object *m = member(root, "AccountId");

    if (!json_object_is_type(m, json_type_string) || json_object_get_string_len(m) == 0)
        return 0;
    *ret = strdup(json_object_get_string(m));
    return *ret ? 0 : -ENOMEM;
}

/* ---- A source's own error ---- */

static json_object *find_text(json_object *root, const char *name, const char *other_name)
{
    json_object *m = member(root, name);

    if (!m)
        m = member(root, other_name);
    return json_object_is_type(m, json_type_string) && json_object_get_string_len(m) > 0 ? m : NULL;
}

static void append_text(struct buffer *b, json_object *text)
{
    escape_for_log(b, json_object_get_string(text), (size_t)json_object_get_string_len(text),
                   FAILURE_SHOWN_BYTES);
}

/* ECS writes the names in lower case. */
static void append_failure(struct buffer *b, json_object *root)
{
    json_object *code = find_text(root, "Code", "code");
    json_object *message = find_text(root, "Message", "message");

    if (code)
        append_text(b, code);
    if (code && message)
        buffer_append_string(b, ": ");
    if (message)
        append_text(b, message);
}

int credentials_json_append_failure(struct buffer *b, const char *text, size_t text_bytes)
{
    CLEANUP(wipe_and_put) json_object *root = NULL;
    int r = parse_object(text, text_bytes, &root, NULL);

    if (r < 0)
        return r;
    if (root)
        append_failure(b, root);
    return b->error;
}

/* Where there are no keys: what the source says instead. */
static int check_failure(json_object *root, char **error)
{
    CLEANUP(buffer_done) struct buffer said = BUFFER_INIT(16 * FAILURE_SHOWN_BYTES);
    json_object *code = find_text(root, "Code", "code");

    if (member(root, "AccessKeyId") || member(root, "SecretAccessKey"))
        return 0;
    if (code && streq(json_object_get_string(code), "Success"))
        return 0;
    append_failure(&said, root);
    if (said.error == -ENOMEM)
        return -ENOMEM;
    return said.size > 0 ? invalid(error, "has no keys but says: %s", buffer_string(&said)) : 0;
}

int credentials_json_parse(enum credentials_json_form form, const char *text, size_t text_bytes,
                           struct credentials_json *ret, char **error)
{
    CLEANUP(wipe_and_put) json_object *root = NULL;
    CLEANUP(credentials_json_done) struct credentials_json c = {.expiry_usec = USEC_INFINITY};
    const char *token = form == CREDENTIALS_JSON_PROCESS ? "SessionToken" : "Token";
    bool is_imds = form == CREDENTIALS_JSON_IMDS;
    int r = parse_object(text, text_bytes, &root, error);

    if (r == 0)
        r = form == CREDENTIALS_JSON_PROCESS ? check_version(root, error)
                                             : check_failure(root, error);
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
