/* SPDX-License-Identifier: MIT */
/* The path of the open elements is kept as text, "/ErrorResponse/Error/Code". A table says which
 * paths have a field. expat gets an allocator that wipes memory before it frees it, because the
 * keys pass through expat's buffers.
 *
 * An error inside a callback stops the parser and is kept in `failure` or `complaint`. */
#include "aws/sts-reply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <expat.h>

#include "util/encode.h"
#include "util/error-line.h"
#include "util/iso8601.h"

enum { PATH_MAX_BYTES = 1024 };

enum field {
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
    EXPIRATION,
    CODE,
    MESSAGE,
    REQUEST_ID
};
enum { N_FIELDS = REQUEST_ID + 1 };

static const char *const field_names[N_FIELDS] = {
    "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "Code", "Message", "RequestId",
};

#define CREDENTIALS(action) "/" action "Response/" action "Result/Credentials/"

/* The paths of the fields, without their last element. */
static const struct {
    const char *parent;
    enum field first, last;
} places[] = {
    {CREDENTIALS("AssumeRole"), ACCESS_KEY_ID, EXPIRATION},
    {CREDENTIALS("AssumeRoleWithWebIdentity"), ACCESS_KEY_ID, EXPIRATION},
    {"/ErrorResponse/Error/", CODE, MESSAGE},
    {"/ErrorResponse/", REQUEST_ID, REQUEST_ID},
};

struct parser {
    XML_Parser expat;
    struct buffer path;
    unsigned depth;
    struct buffer values[N_FIELDS];
    bool is_there[N_FIELDS];
    int open;    /* the field whose element is open, or -1 */
    int failure; /* negative errno */
    char complaint[128];
};

/* --- Memory that is wiped: each block begins with its size --- */

union block {
    size_t size;
    max_align_t alignment;
};

static void *wiping_malloc(size_t size)
{
    union block *b;

    if (size > SIZE_MAX - sizeof(*b))
        return NULL;
    b = malloc(sizeof(*b) + size);
    if (!b)
        return NULL;
    b->size = size;
    return b + 1;
}

static void wiping_free(void *p)
{
    union block *b = p;

    if (!b)
        return;
    b--;
    secure_wipe(b, sizeof(*b) + b->size);
    free(b);
}

static void *wiping_realloc(void *p, size_t size)
{
    void *larger = wiping_malloc(size);

    if (!larger || !p)
        return larger;
    memcpy(larger, p, MIN(((union block *)p)[-1].size, size));
    wiping_free(p);
    return larger;
}

static const XML_Memory_Handling_Suite wiping_memory = {
    .malloc_fcn = wiping_malloc,
    .realloc_fcn = wiping_realloc,
    .free_fcn = wiping_free,
};

/* --- What expat calls --- */

static void fail(struct parser *p, int failure)
{
    p->failure = failure;
    XML_StopParser(p->expat, XML_FALSE);
}

static void complain(struct parser *p, const char *format, ...) PRINTF_FORMAT(2, 3);
static void complain(struct parser *p, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(p->complaint, sizeof(p->complaint), format, arguments);
    va_end(arguments);
    XML_StopParser(p->expat, XML_FALSE);
}

/* The field with this path, or -1. */
static int field_at(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        size_t n = strlen(places[i].parent);

        if (strncmp(path, places[i].parent, n) != 0)
            continue;
        for (int f = (int)places[i].first; f <= (int)places[i].last; f++)
            if (streq(path + n, field_names[f]))
                return f;
    }
    return -1;
}

static void on_start(void *userdata, const XML_Char *name, const XML_Char **attributes)
{
    struct parser *p = userdata;
    int f;

    if (p->depth == STS_REPLY_DEPTH_MAX) {
        complain(p, "elements nested more than %d deep", STS_REPLY_DEPTH_MAX);
        return;
    }
    if (p->open >= 0) {
        complain(p, "%s holds another element", field_names[p->open]);
        return;
    }
    p->depth++;
    buffer_append_char(&p->path, '/');
    if (buffer_append_string(&p->path, name) < 0) {
        if (p->path.error == -ENOMEM)
            fail(p, -ENOMEM);
        else
            complain(p, "an element's name is too long");
        return;
    }
    f = field_at(buffer_string(&p->path));
    if (f >= 0 && p->is_there[f])
        complain(p, "%s is there twice", field_names[f]);
    else if (f >= 0)
        p->is_there[f] = true;
    p->open = f;
}

static void on_end(void *userdata, const XML_Char *name)
{
    struct parser *p = userdata;
    size_t n = strlen(name) + 1;

    /* expat reports the end of an empty element even if its start has stopped the parser. */
    if (p->failure < 0 || p->complaint[0])
        return;
    /* util/buffer.h has no function to shorten a buffer. The buffer keeps its memory. */
    p->path.size -= n;
    p->path.data[p->path.size] = '\0';
    p->depth--;
    p->open = -1;
}

static void on_text(void *userdata, const XML_Char *text, int size)
{
    struct parser *p = userdata;

    if (p->open < 0)
        return;
    if (buffer_append(&p->values[p->open], text, (size_t)size) == 0)
        return;
    if (p->values[p->open].error == -ENOMEM)
        fail(p, -ENOMEM);
    else
        complain(p, "%s is longer than %d bytes", field_names[p->open], STS_REPLY_VALUE_MAX_BYTES);
}

static void on_document_type(void *userdata, const XML_Char *name, const XML_Char *system_id,
                             const XML_Char *public_id, int has_internal_subset)
{
    complain(userdata, "a document type (DOCTYPE), which is not allowed");
}

/* --- The reply --- */

#define damaged(error, ...) error_line(STS_REPLY_E_DAMAGED, error, __VA_ARGS__)

/* expat 2.9 deprecates the older call, and Debian 12's expat has no other. */
static unsigned long current_line(XML_Parser expat)
{
#if XML_MAJOR_VERSION > 2 || (XML_MAJOR_VERSION == 2 && XML_MINOR_VERSION >= 9)
    return (unsigned long)XML_GetCurrentLineNumber64(expat);
#else
    return XML_GetCurrentLineNumber(expat);
#endif
}

static int read_xml(struct parser *p, const char *xml, size_t xml_bytes, char **error)
{
    enum XML_Status status;

    XML_SetUserData(p->expat, p);
    XML_SetElementHandler(p->expat, on_start, on_end);
    XML_SetCharacterDataHandler(p->expat, on_text);
    XML_SetStartDoctypeDeclHandler(p->expat, on_document_type);
    status = XML_Parse(p->expat, xml, (int)xml_bytes, XML_TRUE);

    if (p->failure < 0)
        return p->failure;
    if (p->complaint[0])
        return damaged(error, "line %lu: %s", current_line(p->expat), p->complaint);
    if (status == XML_STATUS_OK)
        return 0;
    if (XML_GetErrorCode(p->expat) == XML_ERROR_NO_MEMORY)
        return -ENOMEM;
    return damaged(error, "line %lu: not XML: %s", current_line(p->expat),
                   XML_ErrorString(XML_GetErrorCode(p->expat)));
}

/* Takes a key, which must be fit for a header: printable, without spaces. */
static int take_key(struct parser *p, enum field f, char **ret, char **error)
{
    const char *value = buffer_string(&p->values[f]);

    if (p->values[f].size == 0)
        return damaged(error, "%s is %s", field_names[f], p->is_there[f] ? "empty" : "missing");
    for (const char *c = value; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return damaged(error, "%s holds a character that no key has", field_names[f]);
    *ret = buffer_take(&p->values[f]);
    return *ret ? 0 : -ENOMEM;
}

static int take_credentials(struct parser *p, struct sts_reply *reply, char **error)
{
    const char *expiration = buffer_string(&p->values[EXPIRATION]);
    int r = take_key(p, ACCESS_KEY_ID, &reply->access_key_id, error);

    if (r == 0)
        r = take_key(p, SECRET_ACCESS_KEY, &reply->secret_access_key, error);
    if (r == 0)
        r = take_key(p, SESSION_TOKEN, &reply->session_token, error);
    if (r != 0)
        return r;
    if (!p->is_there[EXPIRATION])
        return damaged(error, "Expiration is missing");
    if (iso8601_parse(expiration, &reply->expiration) < 0 || reply->expiration < 0)
        return damaged(error, "Expiration is not an ISO 8601 time such as 2030-01-31T12:00:00Z");
    return 0;
}

/* Takes the first line of a text for people, cut to a bounded length; NULL if the reply has none.
 * After a wrong signature, the lines below the first are the request that AWS saw, which contains
 * the session token. */
static int take_text(struct parser *p, enum field f, char **ret)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(8 * STS_ERROR_MESSAGE_MAX_BYTES);
    const char *text = buffer_string(&p->values[f]);
    size_t size = strcspn(text, "\r\n");
    int r;

    if (size == 0)
        return 0;
    r = escape_for_log(&b, text, size, STS_ERROR_MESSAGE_MAX_BYTES);
    if (r < 0)
        return r;
    *ret = buffer_take(&b);
    return *ret ? 0 : -ENOMEM;
}

static int take_error(struct parser *p, struct sts_reply *reply, char **error)
{
    int r;

    reply->is_error = true;
    if (p->values[CODE].size == 0)
        return damaged(error, "an error without its Code");
    r = take_text(p, CODE, &reply->error_code);
    if (r == 0 && !reply->error_code)
        return damaged(error, "an error whose Code begins with a line break");
    if (r == 0)
        r = take_text(p, MESSAGE, &reply->error_message);
    if (r == 0)
        r = take_text(p, REQUEST_ID, &reply->request_id);
    return r;
}

static int take_reply(struct parser *p, struct sts_reply **ret, char **error)
{
    CLEANUP(sts_reply_free) struct sts_reply *reply = calloc(1, sizeof(*reply));
    bool has_keys = false;
    int r;

    if (!reply)
        return -ENOMEM;
    for (int f = ACCESS_KEY_ID; f <= EXPIRATION; f++)
        has_keys = has_keys || p->is_there[f];
    if (p->is_there[CODE])
        r = take_error(p, reply, error);
    else if (has_keys)
        r = take_credentials(p, reply, error);
    else
        r = damaged(error, "neither credentials nor an error in it");
    if (r != 0)
        return r;
    *ret = TAKE(reply);
    return 0;
}

int sts_reply_parse(const char *xml, size_t xml_bytes, struct sts_reply **ret, char **error)
{
    struct parser p = {.path = BUFFER_INIT(PATH_MAX_BYTES), .open = -1};
    int r;

    if (xml_bytes > STS_REPLY_MAX_BYTES)
        return damaged(error, "%zu bytes, more than the %d that are allowed", xml_bytes,
                       STS_REPLY_MAX_BYTES);
    for (int f = 0; f < N_FIELDS; f++)
        p.values[f] = BUFFER_INIT(STS_REPLY_VALUE_MAX_BYTES);
    p.expat = XML_ParserCreate_MM("UTF-8", &wiping_memory, NULL);
    if (!p.expat)
        return -ENOMEM;

    r = read_xml(&p, xml, xml_bytes, error);
    if (r == 0)
        r = take_reply(&p, ret, error);

    XML_ParserFree(p.expat);
    buffer_done(&p.path);
    for (int f = 0; f < N_FIELDS; f++)
        buffer_done(&p.values[f]);
    return r;
}

struct sts_reply *sts_reply_free(struct sts_reply *reply)
{
    if (!reply)
        return NULL;
    secret_free(reply->access_key_id);
    secret_free(reply->secret_access_key);
    secret_free(reply->session_token);
    free(reply->error_code);
    free(reply->error_message);
    free(reply->request_id);
    free(reply);
    return NULL;
}
